"""Makes the golden captures beside this file with Neural Amp Modeler itself: networks of ours with random weights.

    pip install neural-amp-modeler && python tests/realtime/nam/make_golden.py

`captures()` is also what the live comparison runs when that package is installed. Each capture is NAME.nam as its
exporter writes it; golden.npz holds the sound x that all heard and what each made of it, from rest after silence.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).parent
FloatArray = NDArray[np.float32]
SAMPLES = 3000
SLICED_SIZE = 0.5


def array(**changes: Any) -> dict[str, Any]:
    """Return the settings of a layer array, small unless changed."""
    head = changes.pop("head", {"out_channels": 1, "kernel_size": 1, "bias": True})
    settings = {"input_size": 1, "condition_size": 1, "channels": 4, "kernel_size": 3, "dilations": [1, 2, 4]}
    return {**settings, "activation": "Tanh", "head": head, **changes}


def wavenet(*arrays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the settings of a WaveNet."""
    return {"layers_configs": list(arrays), "head": None, "head_scale": 0.3, **changes}


def film(*names: str, **settings: Any) -> dict[str, Any]:
    """Return FiLM settings by name."""
    return {name: {"active": True, "shift": True, "groups": 1, **settings} for name in names}


def standard(channels: tuple[int, int], dilations: tuple[list[int], list[int]]) -> dict[str, Any]:
    """Return the settings of one of the well-known sizes."""
    first, second = channels
    return wavenet(
        array(channels=first, dilations=dilations[0], head={"out_channels": second, "kernel_size": 1, "bias": False}),
        array(input_size=first, channels=second, dilations=dilations[1]),
        head_scale=0.02,
    )


def second(channels: int) -> dict[str, Any]:
    """Return the settings of the trainer's second generation: one array, long kernels, a head that listens back."""
    row = [1, 3, 7, 17, 41, 101, 239]
    head = {"out_channels": 1, "kernel_size": 16, "bias": True}
    return wavenet(
        array(
            channels=channels, kernel_size=[6] * 14 + [15, 15] + [6] * 7, dilations=[*row, *row, 1, 13, *row],
            activation="LeakyReLU", head=head,
        ),
        head_scale=0.01,
    )  # fmt: skip


DOUBLING = [2**k for k in range(10)]
SHORT = ([2**k for k in range(7)], [128, 256, 512, *DOUBLING])
PAIRED = {"name": "PairMultiply", "primary": "Tanh", "secondary": "Sigmoid"}
BLENDED = {"name": "PairBlend", "primary": "ReLU", "secondary": "Sigmoid"}
MIXED = ["Tanh", {"name": "LeakyReLU", "negative_slope": 0.2}, {"name": "Hardtanh", "min_val": -0.4, "max_val": 0.5}]
EVERY_FILM = (
    "conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film", "activation_pre_film",
    "activation_post_film", "layer1x1_post_film", "head1x1_post_film",
)  # fmt: skip

WAVENETS: dict[str, dict[str, Any]] = {
    "standard": standard((16, 8), (DOUBLING, DOUBLING)),
    "lite": standard((12, 6), SHORT),
    "feather": standard((8, 4), SHORT),
    "nano": standard((4, 2), SHORT),
    "a2": second(8),
    "a2_lite": second(3),
    "sliced": wavenet(
        array(
            channels=6,
            activation=PAIRED,
            slimmable={"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [2, 3, 6]}},
        )
    ),
    "gated": wavenet(
        array(activation=PAIRED, head={"out_channels": 3, "kernel_size": 1, "bias": True}),
        array(input_size=4, channels=3, activation=[BLENDED, PAIRED], dilations=[3, 5], kernel_size=[2, 4]),
    ),
    "curves": wavenet(
        array(activation=MIXED, bottleneck=2, head={"out_channels": 3, "kernel_size": 5, "bias": True}),
        array(input_size=4, channels=3, activation="SiLU", dilations=[7, 1], kernel_size=1),
        head={"channels": 2, "activation": "ReLU", "out_channels": 1, "kernel_sizes": [3, 2]},
    ),
    "films": wavenet(
        array(
            film_params=film(*EVERY_FILM),
            head_1x1_config={"active": True, "out_channels": 2, "groups": 2},
            layer_1x1_config={"active": True, "groups": 2},
            groups_input=2,
            head={"out_channels": 3, "kernel_size": 2, "bias": False},
        ),
        array(
            input_size=4,
            channels=3,
            activation=PAIRED,
            film_params=film("activation_pre_film", "activation_post_film", shift=False),
        ),
    ),
    "condition": wavenet(
        array(condition_size=2, layer_1x1_config={"active": False}, activation="Softsign"),
        condition_dsp={
            "name": "WaveNet",
            "config": wavenet(array(channels=2, head={"out_channels": 2, "kernel_size": 1, "bias": True})),
        },
    ),
}
GOLDEN = (
    "nano",
    "a2_lite",
    "sliced",
    "gated",
    "curves",
    "films",
    "condition",
    "lstm",
    "convnet",
    "linear",
    "sequential",
    "container",
)


def sound(samples: int = SAMPLES) -> FloatArray:
    """Return a struck string, noise and a silence: what all captures hear."""
    times = np.arange(samples) / 48000.0
    tone = 0.5 * np.sin(2 * np.pi * 110.0 * times) * np.exp(-8.0 * times)
    noise = np.random.default_rng(7).normal(0.0, 0.1, samples)
    noise[samples // 2 : samples // 2 + samples // 8] = 0.0
    return (tone + noise).astype(np.float32)


def captures() -> dict[str, tuple[dict[str, Any], Any]]:
    """Return each capture as its file's contents, and a function from sound to sound that runs it in torch."""
    import torch

    modules = {"conv_net": "ConvNet", "linear": "Linear", "recurrent": "LSTM", "wavenet": "WaveNet"}
    ConvNet, Linear, LSTM, WaveNet = (  # noqa: N806  (classes keep their names)
        getattr(import_module(f"nam.models.{module}"), kind) for module, kind in modules.items()
    )
    torch.manual_seed(5)
    torch.set_num_threads(1)
    models = {name: WaveNet.init_from_config(json.loads(json.dumps(config))) for name, config in WAVENETS.items()}
    models["lstm"] = LSTM(hidden_size=5, num_layers=2)
    models["convnet"] = ConvNet(channels=4, dilations=[1, 2, 5], batchnorm=True, activation="Tanh")
    models["bare"] = ConvNet(channels=3, dilations=[4, 1], batchnorm=False, activation="ReLU")
    models["linear"] = Linear(receptive_field=9, bias=True)
    found: dict[str, tuple[dict[str, Any], Any]] = {}
    for name, model in models.items():
        for parameter in model.parameters():
            parameter.data *= 1.5
        for key, value in model.named_buffers():
            if "running" in key:
                value.data.uniform_(0.2, 1.5)
        model.sample_rate = 48000.0
        model.eval()
        if name == "lstm":
            # As an export and an import leave it: the first states are those of a long silence.
            model.import_weights(model._export_weights())
        weights = model._export_weights()
        if name == "linear":  # the trainer writes taps in the other order than every player reads them: docs/nam.md
            weights = np.concatenate([weights[:9][::-1], weights[9:]])
        if name == "sliced":  # its golden sound is that of the middle size
            model._net.set_slimming(SLICED_SIZE)
        found[name] = (_file(type(model).__name__, model._export_config(), weights.tolist()), _player(model))
    chain = ("linear", "nano", "bare")
    inner = [found[name][0] for name in chain]
    found["sequential"] = (
        _file("Sequential", {"models": inner}, []),
        lambda x: _in_turn(x, [found[n][1] for n in chain]),
    )
    sizes = [{"max_value": limit, "model": found[name][0]} for limit, name in ((0.5, "gated"), (1.0, "curves"))]
    found["container"] = (_file("SlimmableContainer", {"submodels": sizes}, []), found["curves"][1])
    return found


def _file(architecture: str, config: Any, weights: list[float]) -> dict[str, Any]:
    kept = [float(np.float32(weight)) for weight in weights]
    metadata = {"name": f"Golden {architecture}", "modeled_by": "retimbre", "gear_type": "amp", "loudness": -20.0}
    plain = json.loads(json.dumps(config))
    return {
        "version": "0.7.0", "metadata": metadata, "architecture": architecture, "config": plain, "weights": kept,
        "sample_rate": 48000.0,
    }  # fmt: skip


def _player(model: Any) -> Any:
    import torch

    def play(x: FloatArray) -> FloatArray:
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(x), pad_start=True).numpy(), np.float32)

    return play


def _in_turn(x: FloatArray, players: list[Any]) -> FloatArray:
    """Silence goes first through all, so that each has heard what the ones before make of it."""
    lead = 6000
    x = np.concatenate([np.zeros(lead, np.float32), x])
    for play in players:
        x = play(x)
    return x[lead:]


def main() -> None:
    """Write the golden files."""
    x = sound()
    made = captures()
    outputs = {name: made[name][1](x) for name in GOLDEN}
    for name in GOLDEN:
        (HERE / f"{name}.nam").write_text(json.dumps(_short(made[name][0])), encoding="utf-8")
    np.savez_compressed(HERE / "golden.npz", allow_pickle=False, x=x, **outputs)
    sys.stdout.write(f"{len(GOLDEN)} captures, {sum(p.stat().st_size for p in HERE.iterdir() if p.is_file())} bytes\n")


def _short(value: Any) -> Any:
    """Return the same with weights in as few digits as a float32 has."""
    if isinstance(value, float):
        return float(np.format_float_positional(np.float32(value), unique=True, trim="-"))
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
