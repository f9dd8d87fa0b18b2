"""The package `identity`: y = x on samples, the model that proves everything around the model. Runs offline.

    x (1, 1, 64) ──► Identity ──► y (1, 1, 64)          no state, no target, no delay

What a live engine or a converter gives with it is the input, delayed by exactly the declared latency: any difference is
a fault of the engine, never of a network. Made again, byte for byte, by `python -m trainer.identity exported_models`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper

from realtime.features import SamplesFeatures
from realtime.package import FORMAT, Licences, Manifest, Package, make_golden, write_package

STEP = 64
SAMPLE_RATE = 48000
GOLDEN_SECONDS = 2.0
# Old enough for every onnxruntime that the engine accepts; the graph needs nothing newer.
_OPSET, _IR_VERSION = 13, 8

_CARD = """# identity

What goes in comes out, with no delay of its own: the package that tests the engine, the converter and the sound card.

| fact | value |
| --- | --- |
| architecture | one `Identity` node, no parameters |
| trained on | nothing |
| sample rate | 48 000 Hz, 64 samples a call |
| latency of the model | 0 samples |
| licence | code and weights GPL-3.0-or-later, no data |
| golden sound | two seconds of a rising sweep (55 Hz to 7 040 Hz) with three partials, 16-bit values |

Made by `python -m trainer.identity exported_models`.
"""


def manifest() -> Manifest:
    """The manifest without its files."""
    return Manifest(
        format=FORMAT,
        name="identity",
        title="Identity",
        architecture="identity",
        description="Gives back its input unchanged; for tests of the engine and the sound card.",
        sample_rate=SAMPLE_RATE,
        input=SamplesFeatures(),
        output=SamplesFeatures(),
        phase=None,
        step=STEP,
        lookahead=0,
        model_delay_samples=0,
        level_db=None,
        states=(),
        targets=(),
        controls=(),
        licences=Licences("GPL-3.0-or-later", "GPL-3.0-or-later", "no data"),
    )


def model() -> bytes:
    """model.onnx: a graph of one node."""
    shape = manifest().x_shape
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    onnx_model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION, producer_name="retimbre"
    )
    checker.check_model(onnx_model)
    return bytes(onnx_model.SerializeToString())


def golden_input() -> NDArray[np.float32]:
    """A sweep over seven octaves with three partials, (samples,); 16-bit values, so that its file packs well."""
    time_s = np.arange(round(GOLDEN_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    octaves = 7.0 / GOLDEN_SECONDS
    phase = 2.0 * np.pi * 55.0 * (2.0 ** (octaves * time_s) - 1.0) / (octaves * np.log(2.0))
    signal = 0.3 * np.sin(phase) + 0.15 * np.sin(2.0 * phase) + 0.1 * np.sin(3.0 * phase)
    rounded: NDArray[np.float32] = (np.round(signal * 32768.0) / 32768.0).astype(np.float32)
    return rounded


def write_identity(parent: Path) -> Package:
    """Write the package into `parent`/identity and return it, loaded and verified."""
    golden = make_golden(manifest(), model(), golden_input())
    return write_package(parent / "identity", manifest(), model(), golden, _CARD)


if __name__ == "__main__":
    write_identity(Path(sys.argv[1]))
