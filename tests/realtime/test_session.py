from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from realtime import session as session_module
from realtime.errors import PackageError
from realtime.manifest import Manifest, State
from realtime.package import Package
from realtime.session import Session, cuda_works
from tests.realtime.package_parts import PITCH, SAMPLES, SPECTRUM, graph, toy_model


def package(manifest: Manifest = SAMPLES, model: bytes | None = None) -> Package:
    """A package in memory."""
    return Package(Path(manifest.name), manifest, toy_model(manifest) if model is None else model)


def many_states(count: int) -> Package:
    """next_state_k = state_{k−1}, next_state_0 = x, y = state_{count−1}: a delay of `count` steps, states crossed."""
    shape = (1, 1, SAMPLES.step)
    names = [f"state_{k}" for k in range(count)]
    nodes = [helper.make_node("Identity", ["x"], ["next_state_0"])]
    nodes += [helper.make_node("Identity", [names[k - 1]], [f"next_state_{k}"]) for k in range(1, count)]
    nodes.append(helper.make_node("Identity", [names[-1]], ["y"]))
    model = graph(
        nodes,
        {"x": shape, **dict.fromkeys(names, shape)},
        {"y": shape, **{f"next_{name}": shape for name in names}},
    )
    states = tuple(State(name, shape) for name in names)
    return package(dataclasses.replace(SAMPLES, states=states, targets=()), model)


def test_bound_memory_gives_what_a_feed_gives() -> None:
    """Fifty steps through the bindings equal fifty steps of plain onnxruntime with its states handed on, bit by bit."""
    one = package()
    session = Session(one, "cpu")
    plain = ort.InferenceSession(one.model, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(1)
    state = np.zeros((1, 1, 32), np.float32)
    assert session.target is not None
    for _ in range(50):
        x = random.standard_normal((1, 1, 32)).astype(np.float32)
        target = random.random((1, 2)).astype(np.float32)
        session.x[:] = x
        session.target[:] = target
        session.run()
        y, state = plain.run(None, {"x": x, "target": target, "state_0": state})
        np.testing.assert_array_equal(session.y, y)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_states_cross_without_a_copy(count: int) -> None:
    """States that hand their value to one another arrive in order: a chain of n states delays by n steps."""
    session = Session(many_states(count), "cpu")
    heard = []
    for step in range(count + 6):
        session.x[:] = step + 1
        session.run()
        heard.append(float(session.y[0, 0, 0]))
    assert heard == [0.0] * count + [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("runs", [0, 1, 2, 3])
def test_reset_forgets_everything(runs: int) -> None:
    """After reset, whatever the number of calls before, the same input gives the same output as at first."""
    session = Session(many_states(2), "cpu")
    for _ in range(runs):
        session.x[:] = 9.0
        session.run()
    session.reset()
    session.x[:] = 1.0
    heard = []
    for _ in range(4):
        session.run()
        heard.append(float(session.y[0, 0, 0]))
    assert heard == [0.0, 0.0, 1.0, 1.0]


def test_memory_never_moves() -> None:
    """x, target and y are the same arrays for ever, aligned to 64 bytes, the first target at full weight."""
    session = Session(package(), "cpu")
    assert session.target is not None
    assert session.target.tolist() == [[1.0, 0.0]]
    places = [array.ctypes.data for array in (session.x, session.target, session.y)]
    assert all(place % 64 == 0 for place in places)
    for _ in range(5):
        session.run()
    assert places == [array.ctypes.data for array in (session.x, session.target, session.y)]


def test_a_package_without_targets_has_no_target() -> None:
    """The tensor target is left out when the manifest has none."""
    assert Session(many_states(1), "cpu").target is None


@pytest.mark.parametrize("manifest", [SPECTRUM, dataclasses.replace(PITCH, targets=())])
def test_every_kind_of_features_has_its_shapes(manifest: Manifest) -> None:
    """Spectrum frames, and pitch and loudness, are bound in the shapes of the manifest."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "zero"], ["y"]),
    ]
    model = graph(nodes, {"x": manifest.x_shape}, {"y": manifest.y_shape}, {"zero": np.zeros(manifest.y_shape)})
    session = Session(package(manifest, model), "cpu")
    session.x[:] = 0.25
    session.run()
    assert session.y.shape == manifest.y_shape
    np.testing.assert_allclose(session.y, 0.25)


def test_a_dying_model_raises_package_error() -> None:
    """What onnxruntime raises while a model runs arrives as PackageError, and the next call may work."""
    shape = (1, 1, SAMPLES.step)
    nodes = [
        helper.make_node("Cast", ["x"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "flat"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["row"]),
        helper.make_node("Reshape", ["row", "shape"], ["y"]),
    ]
    made = graph(nodes, {"x": shape}, {"y": shape}, {"table": np.zeros(4)})
    import onnx

    model = onnx.load_model_from_string(made)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1], np.int64), "flat"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(shape, np.int64), "shape"))
    quiet = dataclasses.replace(SAMPLES, states=(), targets=())
    session = Session(package(quiet, model.SerializeToString()), "cpu")
    session.x[:] = 100.0
    with pytest.raises(PackageError, match="failed while it ran"):
        session.run()
    session.x[:] = 1.0
    session.run()


def test_float_is_the_only_type() -> None:
    """A graph of doubles is refused by name."""
    shape = (1, 1, SAMPLES.step)
    model = graph([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape}, kind=TensorProto.DOUBLE)
    with pytest.raises(PackageError, match=r"double.*float32"):
        Session(package(dataclasses.replace(SAMPLES, states=(), targets=()), model), "cpu")


def test_a_dynamic_shape_is_refused() -> None:
    """A graph with a named size, which would allocate on every call, is refused."""
    shape = (1, 1, "frames")
    model = graph([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape})
    with pytest.raises(PackageError, match="frames"):
        Session(package(dataclasses.replace(SAMPLES, states=(), targets=()), model), "cpu")


def test_the_provider_is_the_one_that_runs() -> None:
    """`provider` names what the session really uses; auto works everywhere."""
    assert Session(package(), "cpu").provider == "cpu"
    assert Session(package(), "auto").provider in ({"cpu", "cuda"} if cuda_works() else {"cpu"})


def test_cuda_that_does_not_work_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for CUDA where it does not run is an error, never a silent change to the CPU."""
    monkeypatch.setattr(session_module, "cuda_works", lambda: False)
    with pytest.raises(PackageError, match="CUDA"):
        Session(package(), "cuda")


@pytest.mark.skipif(not cuda_works(), reason="needs a CUDA device that onnxruntime can use")
def test_cuda_gives_what_the_cpu_gives() -> None:
    """On CUDA, states kept on the card, twenty steps equal the CPU's to 1e-5, after a reset too."""
    on_cpu, on_card = Session(package(), "cpu"), Session(package(), "cuda")
    assert on_card.provider == "cuda"
    random = np.random.default_rng(2)
    for step in range(20):
        if step == 7:
            on_cpu.reset()
            on_card.reset()
        on_cpu.x[:] = on_card.x[:] = random.standard_normal(on_cpu.x.shape)
        on_cpu.run()
        on_card.run()
        np.testing.assert_allclose(on_card.y, on_cpu.y, atol=1e-5)


def test_asking_for_cuda_prints_nothing() -> None:
    """A fresh process that asks for the best provider says nothing on stdout or stderr but our own line."""
    code = (
        "from realtime.session import Session\n"
        "from realtime.package import resolve\n"
        "print(Session(resolve('identity')).provider)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() in {"cpu", "cuda"}
    assert done.stderr == ""
