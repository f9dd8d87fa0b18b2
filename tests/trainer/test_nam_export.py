"""A streaming WaveNet as a file of Neural Amp Modeler: what it plays there is what it plays here."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console
from typer.testing import CliRunner

from realtime.at_rest import at_rest
from realtime.convert import convert_signal
from realtime.errors import ConfigError
from realtime.nam.capture import import_capture
from realtime.package import Package
from trainer.config import RunConfig
from trainer.loop import train
from trainer.models.streaming_wavenet import StreamingWaveNet
from trainer.nam_file import capture, export_nam
from trainer.streaming_network import StreamingModel, StreamingNetwork

MODEL = StreamingModel(bands=1, channels=5, kernel=3, dilations=(1, 2, 4, 1, 2))


def _network() -> StreamingNetwork:
    torch.manual_seed(3)
    network = StreamingNetwork(MODEL, 1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


def _played(network: StreamingNetwork, sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network gives, warm from silence as players are."""
    silence = network.past_samples
    x = torch.cat([torch.zeros(silence), torch.from_numpy(sound)])[None]
    with torch.no_grad():
        return np.asarray(network(x, torch.ones(1, 1))[0, silence:].numpy(), np.float32)


@pytest.fixture(scope="module")
def run(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one band and one target, trained for two steps."""
    folder = tmp_path_factory.mktemp("runs") / "nam"
    config = StreamingWaveNet.tiny(material)
    config = dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, targets=("reed",), origins=("horn",)),
        model=MODEL,
        training=dataclasses.replace(config.training, wave_weight=1.0),
    )
    settings = RunConfig(recipe="streaming_wavenet", out=folder, steps=2, batch=1, device="cpu")
    train(settings, config, Console(file=io.StringIO()))
    return folder


def test_our_importer_plays_the_file_as_the_network(tmp_path: Path) -> None:
    """Through this project's own importer the file gives the network's sound, from the first sample."""
    network, file = _network(), tmp_path / "box.nam"
    file.write_text(json.dumps(capture(network, 48000, "Box")), encoding="utf-8")
    sound = np.random.default_rng(0).normal(0, 0.3, 4096).astype(np.float32)
    package = import_capture(file, tmp_path)
    assert package.manifest.title == "Box"
    assert package.manifest.latency_samples == 0
    heard = convert_signal(sound, 48000, package, match_loudness=False)
    assert np.abs(heard - _played(network, sound)).max() < 1e-5


@pytest.mark.skipif(
    importlib.util.find_spec("nam") is None, reason="neural-amp-modeler, the reference itself, is not installed"
)
def test_neural_amp_modeler_plays_the_file_as_the_network() -> None:
    """Neural Amp Modeler itself makes of the file what the network makes of the sound."""
    from nam.models import init_from_nam  # type: ignore[import-not-found,unused-ignore]

    network = _network()
    model = init_from_nam(capture(network, 48000, "Box"))
    sound = np.random.default_rng(0).normal(0, 0.3, 4096).astype(np.float32)
    with torch.no_grad():
        heard = model(torch.from_numpy(sound), pad_start=True).numpy()
    past = network.past_samples
    assert np.abs(heard[past:] - _played(network, sound)[past:]).max() < 1e-5


def test_the_command_writes_the_file_alone_or_beside_a_package(run: Path, tmp_path: Path) -> None:
    """`retimbre export RUN --nam FILE` writes the trained network; with -o the package too; with neither it says so."""
    import typer

    from trainer.commands import export

    app = typer.Typer()
    export.register(app)
    file = tmp_path / "made.nam"
    assert CliRunner().invoke(app, [str(run), "--nam", str(file)]).exit_code == 0
    made = json.loads(file.read_text(encoding="utf-8"))
    assert made["sample_rate"] == 44100
    assert len(made["weights"]) == 5 + 5 * (10 * 5 * 3 + 10 + 10 + 25 + 5) + 5 + 1 + 1
    assert [path.name for path in tmp_path.iterdir()] == ["made.nam"]
    done = CliRunner().invoke(app, [str(run), "-o", str(tmp_path / "package")])
    assert done.exit_code == 0
    told = [found.sentence for found in at_rest(Package.load(tmp_path / "package")) if found.sentence]
    assert done.stderr.splitlines() == told
    refused = CliRunner().invoke(app, [str(run)])
    assert isinstance(refused.exception, ConfigError)


def test_the_file_of_a_run_plays_as_its_package(run: Path, tmp_path: Path) -> None:
    """File and package of one run are the same sound once both have heard as much silence."""
    from trainer.export import export

    export_nam(run, tmp_path / "made.nam", title="Made")
    package, _ = export(run, tmp_path / "package")
    sound = np.random.default_rng(4).normal(0, 0.1, 6000).astype(np.float32)
    sound[:200] = 0
    a, b = (
        convert_signal(sound, 44100, one, match_loudness=False)
        for one in (package, import_capture(tmp_path / "made.nam", tmp_path))
    )
    assert np.abs(a - b)[200:].max() < 1e-5


def test_what_the_format_cannot_hold_is_refused(material: Path, tmp_path: Path, run: Path) -> None:
    """A filter bank, several targets and a folder that is not there are refused in one sentence."""
    with pytest.raises(ConfigError, match="one band and one target"):
        capture(StreamingNetwork(StreamingModel(bands=4, taps=16, channels=2, dilations=(1,)), 1), 48000, "Box")
    with pytest.raises(ConfigError, match="one band and one target"):
        capture(StreamingNetwork(MODEL, 2), 48000, "Box")
    with pytest.raises(ConfigError, match="cannot be written"):
        export_nam(run, tmp_path / "nowhere" / "box.nam")
