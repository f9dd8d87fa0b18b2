from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from realtime.chain import Chain
from realtime.convert import convert_signal
from realtime.deadline import choose_place, warm_up
from realtime.errors import EngineError
from realtime.features import SamplesFeatures
from realtime.manifest import FORMAT, Licences, Manifest
from realtime.package import Package, make_golden, write_package
from tests.realtime.small_packages import RATE, sine

STEP = 480  # 10 ms


def slow_package(folder: Path, turns: int = 10_000) -> Package:
    """y = x / 2, after a loop of so many turns that works on x: it has to be run for every step."""
    samples = SamplesFeatures()
    manifest = Manifest(
        format=FORMAT, name="slow", title="Slow", architecture="by hand", description="Thinks for long.",
        sample_rate=RATE, input=samples, output=samples, phase=None, step=STEP, lookahead=0, model_delay_samples=0,
        level_db=None, states=(), targets=(), controls=(), licences=Licences("GPL-3.0-or-later", "CC0-1.0", "none"),
    )  # fmt: skip
    quick, slow = (_model(turns) for turns in (0, turns))
    golden = make_golden(manifest, quick, sine(440.0, 0.6, -12.0, RATE))
    return write_package(folder / "slow", manifest, slow, golden, "# Slow\n\nFor tests.\n")


def _model(turns: int) -> bytes:
    row = [1, 1, STEP]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("Add", ["thought", "x"], ["more"]),
            helper.make_node("Tanh", ["more"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("thought", TensorProto.FLOAT, row),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, row),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["turns", "", "x"], ["thoughts"], body=body),
        helper.make_node("Mul", ["thoughts", "nothing"], ["none"]),
        helper.make_node("Mul", ["x", "half"], ["halved"]),
        helper.make_node("Add", ["halved", "none"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.array(value), name)
        for name, value in (("turns", turns), ("nothing", np.float32(0.0)), ("half", np.float32(0.5)))
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, row) for name in "xy"]
    graph = helper.make_graph(nodes, "slow", ends[:1], ends[1:], initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_a_slow_package_is_measured_and_refused_live(tmp_path: Path) -> None:
    """A package that needs more time than its sound lasts is told its factor here, and what to do in its place."""
    chain = Chain(slow_package(tmp_path), provider="cpu")
    warm = warm_up(chain)
    assert warm.p50_us > 1e6 * STEP / RATE
    with pytest.raises(EngineError) as told:
        choose_place(warm, block_s=128 / RATE, step_s=STEP / RATE)
    sentence = str(told.value)
    assert f"needs {warm.p50_us * 1e-6 * RATE / STEP:.1f} times the real time on this machine" in sentence
    assert f"{warm.p50_us * 1e-3:.1f} ms for each 10.0 ms of sound" in sentence
    assert "`retimbre convert`" in sentence and "`retimbre prepare taught`" in sentence


def test_warming_up_does_not_wait_for_what_is_slow_anyway() -> None:
    """A model of seconds a step is refused after a few steps of it, not after all that a quick one is timed for."""

    class Sleeper:
        step_samples, sample_rate = STEP, RATE
        steps = 0

        def process(self, _samples: Any, _out: Any) -> None:
            self.steps += 1
            clock[0] += 3.0

        def reset(self) -> None:
            """Nothing is remembered."""

    clock = [0.0]
    sleeper = Sleeper()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("realtime.deadline.time.perf_counter", lambda: clock[0])
        measured = warm_up(sleeper, beside_sound=True)
    assert sleeper.steps == 2
    assert measured.p50_us == pytest.approx(3e6, rel=0.1)


def test_files_are_converted_by_a_package_too_slow_to_play(tmp_path: Path) -> None:
    """What is refused live still converts files."""
    sound = sine(220.0, 0.05)
    made = convert_signal(sound, RATE, slow_package(tmp_path, turns=50), match_loudness=False)
    assert made == pytest.approx(0.5 * sound, abs=1e-6)


def test_the_live_command_refuses_it(jack_server: Callable[..., Any], tmp_path: Path) -> None:
    """`retimbre live` with a slow package ends with the sentence and the status of an error; no sound was opened."""
    jack_server(period=256, sample_rate=RATE)
    package = slow_package(tmp_path)
    command = [sys.executable, "-m", "realtime.cli", "live", "--model", str(package.folder), "--no-monitor"]
    command += ["--input", "loopback", "--output", "loopback", "--output-channel", "2"]
    live = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert live.returncode == 1
    assert "times the real time on this machine" in live.stderr
    assert "Traceback" not in live.stderr
