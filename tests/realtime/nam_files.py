"""Captures for tests: arbitrary ones for hypothesis, and how a test plays an imported one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from realtime.manifest import MODEL_FILE
from realtime.nam.fields import Fields
from realtime.nam.graph import build_graph
from realtime.nam.nets import read_network
from tests.realtime import nam_reference

FloatArray = NDArray[np.float32]
GOLDEN = Path(__file__).parent / "nam"
NAMES = tuple(sorted(path.stem for path in GOLDEN.glob("*.nam") if path.stem != "sliced"))
"""Golden captures that are heard whole; `sliced` is heard at its middle size."""
CURVES = (
    "Tanh", "ReLU", "Sigmoid", "Hardtanh", "SiLU", "Hardswish", "Softsign", "Softsigmoid", "Fasttanh", "LeakyHardtanh",
    {"type": "LeakyReLU", "negative_slope": 0.3}, {"type": "PReLU", "negative_slope": 0.25},
    {"type": "LeakyHardtanh", "min_val": -0.3, "max_val": 0.2, "min_slope": 0.1, "max_slope": 0.05},
    {"type": "Hardtanh", "min_val": -0.5, "max_val": 0.25},
)  # fmt: skip


def golden(name: str) -> dict[str, Any]:
    """The contents of a golden capture."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.nam").read_text(encoding="utf-8"))
    return found


def capture(
    architecture: str, config: dict[str, Any], seed: int = 0, size: float = 0.6, **changes: Any
) -> dict[str, Any]:
    """A file's contents with as many random weights as its settings ask for."""
    count = nam_reference.weight_count(architecture, config)
    weights = np.random.default_rng(seed).uniform(-size, size, count).astype(np.float32)
    return {"version": "0.7.0", "architecture": architecture, "config": config, "weights": weights.tolist(), **changes}


def write(folder: Path, contents: object, name: str = "amp.nam") -> Path:
    """`contents` as a file."""
    path = folder / name
    path.write_text(contents if isinstance(contents, str) else json.dumps(contents), encoding="utf-8")
    return path


def play(contents: dict[str, Any], x: FloatArray, step: int, size: float = 1.0) -> FloatArray:
    """`x` through the importer's graph, `step` samples per call, states from zeros as the tensor law has them."""
    import onnxruntime

    model, states = build_graph(read_network(Fields.of(contents, "amp.nam"), size=size), step)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    assert MODEL_FILE.endswith(".onnx")
    feeds: dict[str, Any] = {f"state_{k}": np.zeros(shape, np.float32) for k, shape in enumerate(states)}
    heard = np.zeros(-(-len(x) // step) * step, np.float32)
    padded = np.zeros_like(heard)
    padded[: len(x)] = x
    for start in range(0, len(padded), step):
        y, *after = session.run(None, {"x": padded[None, None, start : start + step], **feeds})
        heard[start : start + step] = y[0, 0]
        feeds = {f"state_{k}": value for k, value in enumerate(after)}
    return heard[: len(x)]


@st.composite
def wavenets(draw: st.DrawFn) -> dict[str, Any]:
    """The settings of any WaveNet that a file can hold, small: up to three arrays, every option, old and new words."""

    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    channels = [pick(1, 2, 4) for _ in range(draw(st.integers(1, 3)))]
    told = 1
    config: dict[str, Any] = {"head": None, "head_scale": 0.5, "layers": []}
    if pick(True, False, False):
        told = pick(1, 2)
        inner = _array(draw, 1, 1, 2, 2, told)
        config["condition_dsp"] = capture("WaveNet", {"head": None, "head_scale": 1.0, "layers": [inner]})
    last = pick(1, 2)
    # What an array collects must meet what the array before gives its head.
    collected = [pick(1, 2, 3) for _ in channels]
    for k, width in enumerate(channels):
        gives = collected[k + 1] if k + 1 < len(channels) else last
        before = channels[k - 1] if k else 1
        config["layers"].append(_array(draw, before, told, width, collected[k], gives))
    if last > 1 or pick(True, False):
        sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
        config["head"] = {"channels": 2, "activation": pick(*CURVES), "out_channels": 1, "kernel_sizes": sizes}
    return config


def _array(draw: st.DrawFn, before: int, told: int, width: int, collected: int, gives: int) -> dict[str, Any]:
    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    count = draw(st.integers(1, 3))
    dilations = [pick(1, 2, 3, 7, 20) for _ in range(count)]
    made: dict[str, Any] = {"input_size": before, "condition_size": told, "channels": width, "dilations": dilations}
    made["kernel_size"] = pick(1, 2, 3)
    if collected != width or pick(True, False):
        if pick(True, False):
            made["bottleneck"] = collected
            made["layer1x1"] = {"active": True, "groups": 1}
        else:
            made["head1x1"] = {"active": True, "out_channels": collected, "groups": 1}
            if pick(True, False):
                made["bottleneck"] = width
                made["layer1x1"] = {"active": False, "groups": 1}
    if pick(True, False):
        made["kernel_sizes"] = [pick(1, 2, 4) for _ in range(count)]
        del made["kernel_size"]
    made["activation"] = [pick(*CURVES) for _ in range(count)] if pick(True, False) else pick(*CURVES)
    match pick("none", "old", "new"):
        case "old":
            made["gated"] = True
        case "new":
            made["gating_mode"] = [pick("none", "gated", "blended") for _ in range(count)]
            made["secondary_activation"] = [pick("Sigmoid", "Softsigmoid", "Tanh") for _ in range(count)]
    for name in nam_reference.FILMS:
        if pick(True, False, False, False, False) and _may_film(made, name):
            made[name] = {"active": True, "shift": pick(True, False), "groups": 1}
    if width == 2 and pick(True, False):
        made["groups_input"] = 2 if made.get("bottleneck", width) % 2 == 0 else 1
    if gives > 1 or pick(True, False):
        made["head"] = {"out_channels": gives, "kernel_size": pick(1, 3), "bias": pick(True, False)}
    else:
        made |= {"head_size": gives, "head_bias": pick(True, False)}
    return made


def _may_film(made: dict[str, Any], name: str) -> bool:
    if name.startswith("layer1x1"):
        return bool(made.get("layer1x1", {"active": True})["active"])
    return not name.startswith("head1x1") or "head1x1" in made
