"""Parts of the live tests: small packages with known sound, and a player at the other end of the sound server.

Run as a program it is that player: `live_parts.py DEVICE IN.npy OUT.npy IN_CHANNEL OUT_CHANNEL RATE`, because
PortAudio is opened in a child only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.features import Features, SamplesFeatures, SpectrumFeatures
from realtime.manifest import FORMAT, Licences, Manifest, State
from realtime.package import Package, make_golden, write_package

FloatArray = NDArray[np.float32]
FREE = Licences(code="GPL-3.0-or-later", weights="CC0-1.0", data="no data: written by hand")


def samples_package(folder: Path, *, step: int = 64, sample_rate: int = 48000, work: int = 0) -> Package:
    """A package that echoes: y[n] = x[n − step] − x[n], from samples; its state is one step.

    work: multiplications of a square matrix of this size that the graph does besides, for a model that takes time.
    """
    manifest = _manifest("echo", SamplesFeatures(), step, sample_rate, (State("state_0", (1, 1, step)),))
    nodes = [helper.make_node("Sub", ["state_0", "x"], ["y" if not work else "plain"])]
    initializers = []
    if work:
        size = 128
        matrix = (np.eye(size) * 0.5).astype(np.float32)
        initializers += [
            onnx.numpy_helper.from_array(matrix, "matrix"),
            onnx.numpy_helper.from_array(np.zeros(1, np.float32), "nought"),
            onnx.numpy_helper.from_array(np.ones((size, size), np.float32), "start"),
            onnx.numpy_helper.from_array(np.ones(1, np.float32), "one"),
        ]
        nodes.insert(0, helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0))
        nodes.insert(1, helper.make_node("Mul", ["sum", "nought"], ["zero"]))
        nodes.insert(2, helper.make_node("Add", ["start", "zero"], ["h0"]))
        for index in range(work):
            nodes.insert(3 + index, helper.make_node("MatMul", [f"h{index}", "matrix"], [f"h{index + 1}"]))
        nodes.append(helper.make_node("ReduceSum", [f"h{work}"], ["worked"], keepdims=0))
        nodes.append(helper.make_node("Mul", ["worked", "nought"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["plain", "nothing"], ["y"]))
    nodes.append(helper.make_node("Identity", ["x"], ["next_state_0"]))
    shape = [1, 1, step]
    return _write(
        folder, manifest, nodes, {"x": shape, "state_0": shape}, {"y": shape, "next_state_0": shape}, initializers
    )


def spectrum_package(folder: Path, *, n_fft: int = 1024, hop: int = 256, sample_rate: int = 48000) -> Package:
    """A package that halves compressed magnitudes of spectrum frames, with the input's phase."""
    features = SpectrumFeatures(n_fft=n_fft, hop=hop, bins=n_fft // 2 + 1, compression="log1p")
    manifest = _manifest("halved", features, 1, sample_rate, ())
    shape = [1, 1, features.bins, 1]
    half = onnx.numpy_helper.from_array(np.array([0.5], np.float32), "half")
    return _write(folder, manifest, [helper.make_node("Mul", ["x", "half"], ["y"])], {"x": shape}, {"y": shape}, [half])


def _manifest(name: str, features: Features, step: int, sample_rate: int, states: tuple[State, ...]) -> Manifest:
    return Manifest(
        format=FORMAT,
        name=name,
        title=name.title(),
        architecture="test",
        description="A model of known sound, for tests.",
        sample_rate=sample_rate,
        input=features,
        output=features,
        phase="input" if isinstance(features, SpectrumFeatures) else None,
        step=step,
        lookahead=0,
        model_delay_samples=0,
        level_db=None,
        states=states,
        targets=(),
        controls=(),
        licences=FREE,
    )


def _write(
    folder: Path,
    manifest: Manifest,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int]],
    outputs: dict[str, list[int]],
    initializers: list[onnx.TensorProto],
) -> Package:
    graph = helper.make_graph(
        nodes,
        manifest.name,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    data = model.SerializeToString()
    golden = make_golden(manifest, data, tune(2.0, manifest.sample_rate))
    return write_package(folder / manifest.name, manifest, data, golden, "# A model for tests\n")


def tune(seconds: float, sample_rate: int, seed: int = 1) -> FloatArray:
    """Four notes with a little breath, under full scale: nothing in it repeats, so a delay has one answer."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    notes = np.array([220.0, 277.2, 329.6, 440.0])[np.minimum((time / seconds * 4).astype(int), 3)]
    phase = 2 * np.pi * np.cumsum(notes) / sample_rate
    noise = np.random.default_rng(seed).standard_normal(time.size)
    return (0.25 * np.sin(phase) + 0.1 * np.sin(2 * phase) + 0.02 * noise).astype(np.float32)


def through_chain(package: Package, sound: FloatArray, controls: Controls | None = None) -> FloatArray:
    """The chain's raw stream for `sound`, latency not removed; zeros fill the last step, which is given whole."""
    chain = Chain(package, controls or Controls())
    step = chain.step_samples
    padded = np.concatenate([sound, np.zeros(-sound.size % step, np.float32)])
    out = np.zeros_like(padded)
    for start in range(0, padded.size, step):
        chain.process(padded[start : start + step], out[start : start + step])
    return out


def play_into(
    folder: Path, sound: FloatArray, sample_rate: int, *, device: str = "loopback", listen: int = 2, speak: int = 1
) -> FloatArray:
    """Play `sound` on channel `speak` of a device and give back what channel `listen` heard meanwhile, same length."""
    source, sink = folder / "played.npy", folder / "heard.npy"
    np.save(source, sound)
    command = [sys.executable, __file__, device, str(source), str(sink), str(listen), str(speak), str(sample_rate)]
    subprocess.run(command, check=True, timeout=60, stderr=subprocess.DEVNULL)
    heard: FloatArray = np.load(sink)
    return heard


def _main(device: str, source: str, sink: str, listen: int, speak: int, sample_rate: int) -> None:
    import sounddevice

    sound = np.load(source)
    out = np.zeros((sound.size, speak), np.float32)
    out[:, speak - 1] = sound
    heard = sounddevice.playrec(
        out, sample_rate, channels=listen, device=device, dtype="float32", blocking=True, clip_off=True, dither_off=True
    )
    np.save(sink, heard[:, listen - 1])


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2], sys.argv[3], *(int(word) for word in sys.argv[4:7]))
