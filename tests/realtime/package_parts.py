"""Parts of the package tests: manifests of every kind, and small graphs that keep or break the tensor law."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from realtime.features import PitchLoudnessFeatures, SamplesFeatures, SpectrumFeatures
from realtime.manifest import FORMAT, Control, Licences, Manifest, State, Target
from realtime.package import Package, make_golden, write_package

FloatArray = NDArray[np.float32]
SAMPLES = Manifest(
    format=FORMAT,
    name="toy",
    title="Toy",
    architecture="toy",
    description="Adds the step before, weighted by target.",
    sample_rate=16000,
    input=SamplesFeatures(),
    output=SamplesFeatures(),
    phase=None,
    step=32,
    lookahead=0,
    model_delay_samples=0,
    level_db=None,
    states=(State("state_0", (1, 1, 32)),),
    targets=(Target("flute", "Flute", 261.0, 2093.0), Target("viola", "Viola")),
    controls=(Control("mix", "Mix", "", 0.0, 1.0, 1.0, 11),),
    licences=Licences("GPL-3.0-or-later", "CC0-1.0", "no data"),
)
FRAMES = SpectrumFeatures(n_fft=256, hop=64, bins=100)
SPECTRUM = dataclasses.replace(
    SAMPLES, name="frames", input=FRAMES, output=FRAMES, phase="input", step=2, states=(), targets=(), controls=()
)
PITCH = dataclasses.replace(
    SPECTRUM,
    name="notes",
    input=PitchLoudnessFeatures(hop=64, delay_samples=96, f0_min_hz=60.0, f0_max_hz=2000.0),
    output=SamplesFeatures(),
    phase=None,
    level_db=-18.0,
    targets=SAMPLES.targets,
)


def graph(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int | str, ...]],
    outputs: dict[str, tuple[int | str, ...]],
    constants: dict[str, Any] | None = None,
    kind: int = TensorProto.FLOAT,
) -> bytes:
    """A serialised ONNX model."""
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [
            onnx.numpy_helper.from_array(np.asarray(value, np.float32), name)
            for name, value in (constants or {}).items()
        ],
    )
    return bytes(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())


def toy_model(manifest: Manifest = SAMPLES, *, op: str = "Identity") -> bytes:
    """For SAMPLES: y = op(0.5·x + (w₀ − w₁)·state), next_state = x, so that states and targets can both be heard."""
    step = manifest.step
    return graph(
        [
            helper.make_node("MatMul", ["target", "signs"], ["weight"]),
            helper.make_node("Mul", ["state_0", "weight"], ["past"]),
            helper.make_node("Mul", ["x", "half"], ["now"]),
            helper.make_node("Add", ["now", "past"], ["sum"]),
            helper.make_node(op, ["sum"], ["y"]),
            helper.make_node("Identity", ["x"], ["next_state_0"]),
        ],
        {"x": (1, 1, step), "target": (1, 2), "state_0": (1, 1, step)},
        {"y": (1, 1, step), "next_state_0": (1, 1, step)},
        {"signs": [[1.0], [-1.0]], "half": [0.5]},
    )


def toy_package(parent: Path, manifest: Manifest = SAMPLES, **changes: Any) -> Package:
    """The toy package written into `parent`, its name and other fields changed as asked."""
    manifest = dataclasses.replace(manifest, **changes)
    model = toy_model(manifest)
    return write_package(parent / manifest.name, manifest, model, make_golden(manifest, model, tone()), "# Toy\n")


def tone(seconds: float = 0.6, sample_rate: int = 16000) -> FloatArray:
    """A rising tone, (samples,)."""
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.asarray(0.4 * np.sin(2 * np.pi * (200.0 + 500.0 * time_s) * time_s), np.float32)
