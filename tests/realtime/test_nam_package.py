from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from realtime import package
from realtime.commands import models
from realtime.convert import convert_signal
from realtime.errors import PackageError
from realtime.features import SamplesFeatures
from realtime.manifest import CARD_FILE
from realtime.nam import capture as nam
from realtime.nam.capture import cached_package, import_capture
from realtime.package import Package, check, resolve
from tests.realtime.nam_files import GOLDEN, capture, golden, write

METADATA = {
    "name": "Loud & 'Clear' |", "modeled_by": "someone\x1b\nelse", "gear_make": "Maker", "gear_model": "Box 30",
    "gear_type": "amp_cab", "tone_type": "hi_gain", "loudness": -23.04, "gain": 0.7, "input_level_dbu": 12.2,
    "output_level_dbu": None, "date": {"year": 2026}, "training": {"nested": ["anything"]},
}  # fmt: skip
LINEAR = {"receptive_field": 3, "bias": False}


@pytest.fixture
def app() -> typer.Typer:
    """The command line with this command alone."""
    made = typer.Typer()
    models.register(made)
    return made


def test_an_imported_capture_is_a_package(tmp_path: Path) -> None:
    """The package has no latency, states that the manifest declares, and passes its own golden sound."""
    package = import_capture(GOLDEN / "nano.nam", tmp_path)
    assert package.folder == tmp_path / "nano"
    manifest = Package.load(package.folder).manifest
    assert (manifest.sample_rate, manifest.step, manifest.latency_samples) == (48000, 64, 0)
    assert (manifest.input, manifest.output) == (SamplesFeatures(), SamplesFeatures())
    assert manifest.architecture == "Neural Amp Modeler WaveNet of 20 layers, 4 and 2 channels wide"
    assert check(package).passed


def test_a_capture_plays_in_the_chain_as_in_torch(tmp_path: Path) -> None:
    """Through the engine's own conversion a capture gives what Neural Amp Modeler gave."""
    with np.load(GOLDEN / "golden.npz", allow_pickle=False) as archive:
        x, expected = archive["x"], archive["films"]
    heard = convert_signal(x, 48000, import_capture(GOLDEN / "films.nam", tmp_path), match_loudness=False)
    assert np.abs(heard - expected).max() < 1e-5


def test_metadata_become_title_description_and_card(tmp_path: Path) -> None:
    """What the author wrote stands in title, description and card, cleaned; the loudness suggests a volume."""
    contents = {**golden("linear"), "metadata": METADATA}
    package = import_capture(write(tmp_path, contents, "My Amp #2.nam"), tmp_path, step=128)
    manifest = package.manifest
    assert manifest.name == "my-amp-2"
    assert manifest.title == "Loud & 'Clear' |"
    assert manifest.description == (
        "A capture of Maker Box 30 (amp cab, hi gain) by someone else, played sample by sample."
    )
    assert {control.name: control.default for control in manifest.controls}["output_gain_db"] == 5.0
    assert manifest.licences.weights == "as the capture's author says"
    card = package.card()
    assert "| input level at 0 dBFS (dBu) | 12.2 |" in card
    assert "128 samples per call" in card
    assert "Loud & 'Clear' \\|" in card
    assert "output level" not in card


@pytest.mark.parametrize("metadata", [None, [], "text", {"name": 5, "loudness": "loud"}, {"loudness": 10**400}])
def test_unfit_metadata_do_not_matter(tmp_path: Path, metadata: Any) -> None:
    """Metadata of any kind, or none, leave a package that is named after its file and has no volume of its own."""
    package = import_capture(write(tmp_path, {**golden("linear"), "metadata": metadata}), tmp_path)
    assert package.manifest.title in ("amp", "5")
    assert {control.name: control.default for control in package.manifest.controls}["output_gain_db"] == 0.0


@pytest.mark.parametrize(("rate", "expected"), [(None, 48000), (44100, 44100), (96000.0, 96000), ("missing", 48000)])
def test_the_sample_rate_is_the_files(tmp_path: Path, rate: Any, expected: int) -> None:
    """A file's rate is the package's; a file without one was made at 48 kHz."""
    contents = {**capture("Linear", LINEAR, 2), "sample_rate": rate}
    if rate == "missing":
        del contents["sample_rate"]
    assert import_capture(write(tmp_path, contents), tmp_path).manifest.sample_rate == expected


@pytest.mark.parametrize("rate", [44100.5, 0, -1.0, "48000", 1e9, [48000]])
def test_an_unfit_rate_is_refused(tmp_path: Path, rate: Any) -> None:
    """A rate at which nothing could play is said."""
    contents = {**capture("Linear", LINEAR, 2), "sample_rate": rate}
    with pytest.raises(PackageError, match="sample_rate"):
        import_capture(write(tmp_path, contents), tmp_path)


def test_a_container_has_the_rate_of_its_models(tmp_path: Path) -> None:
    """A container without a rate of its own plays at that of the model inside."""
    contents = golden("container")
    del contents["sample_rate"]
    for entry in contents["config"]["submodels"]:
        entry["model"]["sample_rate"] = 44100
    assert import_capture(write(tmp_path, contents), tmp_path).manifest.sample_rate == 44100


def test_a_file_is_a_model(tmp_path: Path) -> None:
    """`--model FILE.nam` plays a capture, from the cache the second time, and anew where the file has changed."""
    path = tmp_path / "amp.NAM"
    shutil.copy(GOLDEN / "nano.nam", path)
    first = resolve(str(path))
    made = (first.folder / CARD_FILE).stat().st_mtime_ns
    assert first.name == "amp"
    assert os.environ["XDG_CACHE_HOME"] in str(first.folder)
    again = resolve(path)
    assert again.folder == first.folder
    assert (again.folder / CARD_FILE).stat().st_mtime_ns == made
    shutil.copy(GOLDEN / "linear.nam", path)
    assert resolve(str(path)).manifest.architecture.endswith("convolutions")


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    """A cached package that no longer verifies, or of an older importer, is written again."""
    first = cached_package(GOLDEN / "nano.nam")
    (first.folder / "model.onnx").write_bytes(b"")
    assert cached_package(GOLDEN / "nano.nam").model == first.model


def test_a_quicker_process_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another process has just written the same capture into the cache, its package is taken."""

    def write_twice(*parts: Any) -> Package:
        package.write_package(*parts)
        raise PackageError("The package cannot be kept.")

    monkeypatch.setattr(nam, "write_package", write_twice)
    assert cached_package(GOLDEN / "linear.nam").name == "linear"


def test_an_older_importers_cache_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another revision of the importer cached is left alone."""
    first = cached_package(GOLDEN / "linear.nam")
    monkeypatch.setattr(nam, "_REVISION", nam._REVISION + 1)
    assert cached_package(GOLDEN / "linear.nam").folder != first.folder


def test_a_folder_named_like_a_file_is_a_package(tmp_path: Path) -> None:
    """A package in a folder whose name ends in .nam is still a package."""
    package = import_capture(GOLDEN / "linear.nam", tmp_path)
    package.folder.rename(tmp_path / "folder.nam")
    assert resolve(str(tmp_path / "folder.nam")).name == "linear"


def test_the_command_imports(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`models import` puts the package among the user's, says how to play it, and takes another name and step."""
    monkeypatch.setattr("realtime.package.package_folders", lambda: [tmp_path / "mine"])
    monkeypatch.setattr("realtime.nam.capture.package_folders", lambda: [tmp_path / "mine"])
    done = CliRunner().invoke(app, ["models", "import", str(GOLDEN / "gated.nam"), "--name", "grit", "--step", "256"])
    assert done.exit_code == 0
    assert "play it with: retimbre live --model grit" in done.stdout
    assert resolve("grit").manifest.step == 256
    other = CliRunner().invoke(
        app, ["models", "import", str(GOLDEN / "container.nam"), "-o", str(tmp_path), "--size", "0"]
    )
    assert other.exit_code == 0
    assert f"--model {tmp_path / 'container'}" in other.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--step", "8"], "The step is 8 samples, but it must be from 16 to 1024"),
        (["--size", "2"], "The size is 2, but it must be from 0 to 1"),
        (["--name", "No Good"], "name is 'No Good', but it must be lower-case"),
    ],
)
def test_the_command_refuses(app: typer.Typer, tmp_path: Path, options: list[str], sentence: str) -> None:
    """Steps, sizes and names that cannot be are refused in a sentence, and nothing is written."""
    done = CliRunner().invoke(app, ["models", "import", str(GOLDEN / "linear.nam"), "-o", str(tmp_path), *options])
    assert isinstance(done.exception, PackageError)
    assert sentence in str(done.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("contents", "sentence"),
    [
        ("", "is not the JSON that a .nam file is"),
        ("\x00\x01", "is not the JSON"),
        ("[" * 100_000, "is not the JSON"),
        ('{"version": ' + "9" * 10_000 + "}", "is not the JSON"),
        ("3", "amp.nam is 3, but it must be an object"),
        ({**capture("Linear", LINEAR), "weights": [0.0, 0.0, 0.0]}, "gives no sound that could be kept as proof"),
        ({**capture("Linear", LINEAR), "weights": [1e30, 0.0, 0.0]}, "gives no sound that could be kept as proof"),
    ],
)
def test_a_file_that_cannot_play_is_refused(tmp_path: Path, contents: Any, sentence: str) -> None:
    """What is no capture, or gives nothing or too much, is refused in one sentence and leaves no package."""
    path = write(tmp_path, contents)
    with pytest.raises(PackageError, match=r"amp\.nam") as caught:
        import_capture(path, tmp_path / "out")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out" / "amp").exists()


def test_several_channels_are_refused(tmp_path: Path) -> None:
    """A network that gives two signals is refused: the live signal is mono."""
    inner = golden("condition")["config"]["condition_dsp"]
    with pytest.raises(PackageError, match="gives 2 channels, but one is played"):
        import_capture(write(tmp_path, inner), tmp_path)


@pytest.mark.parametrize("name", ["missing.nam", "folder/amp.nam", "a\0b.nam"])
def test_a_missing_file_is_said(tmp_path: Path, name: str) -> None:
    """A file that is not there, or cannot be, is said in one sentence by `resolve` too."""
    with pytest.raises(PackageError, match=r"name a \.nam file"):
        resolve(str(tmp_path / name))


def test_too_large_a_file_is_not_read(tmp_path: Path) -> None:
    """A file of more than 64 MiB is refused by its size alone."""
    path = tmp_path / "amp.nam"
    with path.open("wb") as file:
        file.truncate((1 << 26) + 1)
    with pytest.raises(PackageError, match="64 MiB, but no capture has more than 64"):
        import_capture(path, tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Where no package can be written, the sentence names the folder and another way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PackageError, match="choose another folder"):
        import_capture(GOLDEN / "linear.nam", tmp_path / "file" / "inner")


def test_the_import_is_the_same_every_time(tmp_path: Path) -> None:
    """The same file gives the same bytes, so that a package can be compared."""
    one, two = (import_capture(GOLDEN / "curves.nam", tmp_path / name) for name in ("a", "b"))
    assert one.manifest.to_text() == two.manifest.to_text()
    assert json.loads(one.manifest.to_text())["files"] == dict(two.manifest.files)
