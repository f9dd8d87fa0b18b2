"""Real packages small enough to know their sound by heart, for the tests of the chain and of file conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from realtime.features import Features, PitchLoudnessFeatures, SamplesFeatures, SpectrumFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State, Target
from realtime.package import Package, make_golden, write_package
from realtime.phase import PhaseMethod

FloatArray = NDArray[np.float32]
RATE = 48000
OSCILLATOR_LEVEL_DB = -20.0


def gain_package(folder: Path, *, gain: float = 0.5, step: int = 64) -> Package:
    """Give y = gain · x, in samples."""
    return _write(
        folder, "gain", SamplesFeatures(), SamplesFeatures(), step, [_node("Mul", "x gain", "y")], {"gain": gain}
    )


def delay_package(folder: Path, *, delay: int = 37, step: int = 64) -> Package:
    """Give y[n] = x[n − delay], declared as the model's own delay; the state holds the samples on their way."""
    nodes = [_node("Concat", "state_0 x", "line", axis=2), _node("Slice", "line zero size last", "y")]
    nodes.append(_node("Slice", "line size end last", "next_state_0"))
    numbers = {"zero": [0], "size": [step], "end": [step + delay], "last": [2]}
    states = (State("state_0", (1, 1, delay)),)
    samples = SamplesFeatures()
    return _write(folder, "delay", samples, samples, step, nodes, numbers, states=states, delay=delay)


def one_pole_package(folder: Path, *, pole: float = 0.9) -> Package:
    """Give y[n] = x[n] + pole · y[n − 1], one sample a step."""
    nodes = [_node("Mul", "state_0 pole", "old"), _node("Add", "x old", "y"), _node("Add", "x old", "next_state_0")]
    states = (State("state_0", (1, 1, 1)),)
    return _write(folder, "one_pole", SamplesFeatures(), SamplesFeatures(), 1, nodes, {"pole": pole}, states=states)


def spectrum_package(
    folder: Path, *, lookahead: int = 0, step: int = 1, phase: PhaseMethod = "input", rate: int = RATE
) -> Package:
    """Magnitudes as they came, `lookahead` frames later: with the input's phase the input itself, delayed."""
    features = SpectrumFeatures(n_fft=1024, hop=256, bins=513, scale=4 / 1024)
    states: tuple[State, ...] = ()
    nodes = [_node("Identity", "x", "y")]
    if lookahead:
        states = (State("state_0", (1, 1, 513, lookahead)),)
        nodes = [_node("Concat", "state_0 x", "line", axis=3), _node("Slice", "line zero size last", "y")]
        nodes.append(_node("Slice", "line size end last", "next_state_0"))
    numbers = {"zero": [0], "size": [step], "end": [step + lookahead], "last": [3]}
    return _write(
        folder, "spectrum", features, features, step, nodes, numbers,
        states=states, lookahead=lookahead, phase=phase, rate=rate,
    )  # fmt: skip


def blend_package(folder: Path) -> Package:
    """Two targets: y = x · (w0 − w1)."""
    nodes = [_node("MatMul", "target signs", "amount"), _node("Mul", "x amount", "y")]
    targets = (Target("plus", "Plus"), Target("minus", "Minus"))
    samples = SamplesFeatures()
    return _write(folder, "blend", samples, samples, 64, nodes, {"signs": [[1.0], [-1.0]]}, targets=targets)


def oscillator_package(
    folder: Path, *, hop: int = 128, delay: int = 256, low_hz: float = 400.0, high_hz: float = 1000.0, step: int = 1
) -> Package:
    """A sine at the player's pitch whose RMS level is the player's loudness; one target with a range."""
    features = PitchLoudnessFeatures(hop=hop, delay_samples=delay, f0_min_hz=60.0, f0_max_hz=1500.0)
    nodes = [
        _node("Slice", "x zero one channel", "f0"),
        _node("Slice", "x one two channel", "loudness"),
        _node("Transpose", "f0", "f0_column", perm=[0, 2, 1]),
        _node("Mul", "f0_column turn", "per_sample"),
        _node("Expand", "per_sample frames", "per_hop"),
        _node("Reshape", "per_hop row", "increments"),
        _node("CumSum", "increments axis", "run"),
        _node("Add", "run state_0", "unwrapped"),
        _node("Floor", "unwrapped", "whole"),
        _node("Sub", "unwrapped whole", "turns"),
        _node("Slice", "turns before end last", "next_state_0"),
        _node("Mul", "turns circle", "angle"),
        _node("Sin", "angle", "sine"),
        _node("Mul", "loudness tenth", "exponent"),
        _node("Pow", "ten exponent", "amplitude"),
        _node("Transpose", "amplitude", "amplitude_column", perm=[0, 2, 1]),
        _node("Expand", "amplitude_column frames", "amplitude_hops"),
        _node("Reshape", "amplitude_hops row", "amplitudes"),
        _node("ReduceSum", "target", "weight", keepdims=1),
        _node("Mul", "amplitudes weight", "weighted"),
        _node("Mul", "weighted peak", "scaled"),
        _node("Mul", "sine scaled", "y"),
    ]
    level = 10 ** (OSCILLATOR_LEVEL_DB / 20) * 2**0.5
    numbers = {
        "zero": [0], "one": [1], "two": [2], "channel": [1], "last": [2], "before": [step * hop - 1],
        "end": [step * hop], "frames": [1, step, hop], "row": [1, 1, step * hop], "axis": 2,
        "turn": 1 / RATE, "circle": 2 * np.pi, "tenth": 0.05, "ten": 10.0, "peak": level,
    }  # fmt: skip
    return _write(
        folder, "oscillator", features, SamplesFeatures(), step, nodes, numbers, states=(State("state_0", (1, 1, 1)),),
        targets=(Target("sine", "Sine", low_hz, high_hz),), level_db=OSCILLATOR_LEVEL_DB,
    )  # fmt: skip


def fragile_package(folder: Path, *, step: int = 64, bad: float = float("nan")) -> Package:
    """Give y = x, but `bad` in every sample where |x| > 0.8; and it never recovers: its state keeps what was bad."""
    nodes = [
        _node("Abs", "x", "absolute"),
        _node("Greater", "absolute limit", "over"),
        _node("Where", "over bad x", "made"),
        _node("ReduceSum", "made", "sum", keepdims=1),
        _node("Mul", "sum nothing", "next_state_0"),
        _node("Add", "made state_0", "y"),
    ]
    states = (State("state_0", (1, 1, 1)),)
    numbers = {"limit": 0.8, "bad": bad, "nothing": 0.0}
    return _write(folder, "fragile", SamplesFeatures(), SamplesFeatures(), step, nodes, numbers, states=states)


def noise(samples: int, seed: int = 1, peak: float = 0.4) -> FloatArray:
    """White noise (samples,), uniform up to `peak`."""
    return np.random.default_rng(seed).uniform(-peak, peak, samples).astype(np.float32)


def sine(frequency_hz: float, seconds: float, level_db: float = -20.0, rate: int = RATE) -> FloatArray:
    """A sine (samples,) of this RMS level."""
    times = np.arange(round(seconds * rate)) / rate
    return (2**0.5 * 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def _node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _write(
    folder: Path,
    name: str,
    takes: Features,
    gives: Features,
    step: int,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, object],
    *,
    states: tuple[State, ...] = (),
    targets: tuple[Target, ...] = (),
    lookahead: int = 0,
    delay: int = 0,
    phase: PhaseMethod | None = None,
    level_db: float | None = None,
    rate: int = RATE,
) -> Package:
    manifest = Manifest(
        format=FORMAT, name=name, title=name, architecture="by hand", description="A model of the tests.",
        sample_rate=rate, input=takes, output=gives, phase=phase, step=step, lookahead=lookahead,
        model_delay_samples=delay, level_db=level_db, states=states, targets=targets, controls=(),
        licences=Licences("GPL-3.0-or-later", "CC0-1.0", "none"),
    )  # fmt: skip
    whole = {"zero", "one", "two", "channel", "last", "before", "end", "frames", "row", "axis", "size"}
    values = [
        numpy_helper.from_array(np.asarray(value, np.int64 if key in whole else np.float32), key)
        for key, value in constants.items()
    ]
    inputs, outputs = (
        [helper.make_tensor_value_info(spec.name, TensorProto.FLOAT, spec.shape) for spec in specs]
        for specs in (manifest.inputs, manifest.outputs)
    )
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    golden = make_golden(manifest, model.SerializeToString(), sine(440.0, 0.6, -12.0, rate))
    return write_package(folder / name, manifest, model.SerializeToString(), golden, f"# {name}\n\nFor tests.\n")
