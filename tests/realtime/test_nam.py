from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import PackageError
from realtime.nam.fields import Fields
from realtime.nam.graph import build_graph
from realtime.nam.nets import WaveNet, read_network
from tests.realtime import nam_reference
from tests.realtime.nam_files import CURVES, GOLDEN, NAMES, capture, golden, play, wavenets

CLOSE = 1e-5  # of what torch gives, absolutely; a capture's peak is about 1
LAYER = {
    "input_size": 1, "condition_size": 1, "channels": 2, "kernel_size": 2, "dilations": [1, 3], "activation": "Tanh",
    "head": {"out_channels": 1, "kernel_size": 1, "bias": True},
}  # fmt: skip
SMALL = {"layers": [LAYER], "head": None, "head_scale": 0.5}


def sounds() -> dict[str, Any]:
    with np.load(GOLDEN / "golden.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [64, 37])
def test_golden_captures_sound_as_in_torch(name: str, step: int) -> None:
    """Every golden capture, in steps even and odd, gives what Neural Amp Modeler's torch code gave, first sample on."""
    known = sounds()
    error = np.abs(play(golden(name), known["x"], step) - known[name])
    assert error.max() < CLOSE
    assert np.abs(known[name]).max() > 0.05


@pytest.mark.parametrize("size", [0.34, 0.5, 0.66])
def test_a_sliceable_capture_is_cut_as_in_torch(size: float) -> None:
    """At a size between its limits a sliceable network sounds as torch's, cut to three of six channels."""
    known, step = sounds(), 50
    assert np.abs(play(golden("sliced"), known["x"], step, size) - known["sliced"]).max() < CLOSE
    whole, least = (play(golden("sliced"), known["x"], step, other) for other in (1.0, 0.0))
    assert np.abs(whole - nam_reference.play(golden("sliced"), known["x"])).max() < CLOSE
    assert np.abs(whole - known["sliced"]).max() > 1e-3
    assert np.abs(least - known["sliced"]).max() > 1e-3


def test_arrays_are_cut_to_meet() -> None:
    """Of several arrays each is as wide as the size says, and each meets the next; what has no rule is refused."""
    slimmable: dict[str, Any] = {"method": "slice_channels_uniform", "kwargs": {"allowed_channels": [1, 2]}}
    first = {**LAYER, "slimmable": slimmable, "head": {"out_channels": 2, "kernel_size": 1, "bias": False}}
    made = capture("WaveNet", {**SMALL, "layers": [first, {**LAYER, "input_size": 2, "slimmable": slimmable}]})
    x = sounds()["x"][:300]
    narrow = copy.deepcopy(made)
    network = read_network(Fields.of(narrow, "amp.nam"), size=0.0)
    assert isinstance(network, WaveNet)
    assert [array.rechannel.weight.shape for array in network.arrays] == [(1, 1, 1), (1, 1, 1)]
    assert network.arrays[0].head.weight.shape == (1, 1, 1)
    assert np.isfinite(play(narrow, x, 64, 0.0)).all()
    slimmable["kwargs"]["allowed_channels"] = [2, 1]
    with pytest.raises(PackageError, match="a rising list that ends with 2"):
        read_network(Fields.of({**made, "config": {**SMALL, "layers": [{**LAYER, "slimmable": slimmable}]}}, "amp.nam"))
    slimmable["kwargs"]["allowed_channels"] = [1, 2]
    memory = {**LAYER, "slimmable": slimmable, "head": {"out_channels": 1, "kernel_size": 3, "bias": True}}
    with pytest.raises(PackageError, match="cannot be made smaller"):
        read_network(Fields.of(capture("WaveNet", {**SMALL, "layers": [memory]}), "amp.nam"), size=0.0)


@pytest.mark.parametrize("name", ["nano", "films", "lstm"])
@pytest.mark.parametrize("step", [1, 16, 1024])
def test_the_step_does_not_change_the_sound(name: str, step: int) -> None:
    """One sample a call, or more than the sound has memory for, sounds the same."""
    known = sounds()
    x = known["x"][:200] if step == 1 else known["x"]
    assert np.abs(play(golden(name), x, step) - known[name][: len(x)]).max() < CLOSE


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sequential"])
def test_numpy_agrees_with_torch(name: str) -> None:
    """The reference that judges arbitrary captures below is itself right about the golden ones."""
    known = sounds()
    lead = 0 if name == "lstm" else 7000
    assert np.abs(nam_reference.play(golden(name), known["x"], lead) - known[name]).max() < CLOSE


@settings(max_examples=80, deadline=None)
@given(config=wavenets(), seed=st.integers(0, 99), step=st.sampled_from([5, 16, 50, 64]))
def test_any_wavenet_sounds_as_in_numpy(config: dict[str, Any], seed: int, step: int) -> None:
    """Gates, FiLMs, bottlenecks, groups, heads and conditions in any mixture, old words or new, sound as in numpy."""
    made = capture("WaveNet", config, seed)
    x = np.random.default_rng(seed).uniform(-0.5, 0.5, 170).astype(np.float32)
    expected = nam_reference.play(made, x, lead=700)
    heard = play(made, x, step)
    assert np.abs(heard - expected).max() <= 2e-5 * max(1.0, np.abs(expected).max())


@settings(max_examples=25, deadline=None)
@given(
    architecture=st.sampled_from(["LSTM", "ConvNet", "Linear"]), size=st.integers(1, 6), count=st.integers(1, 3),
    flag=st.booleans(), curve=st.sampled_from(CURVES), seed=st.integers(0, 99),
)  # fmt: skip
def test_any_other_capture_sounds_as_in_numpy(
    architecture: str, size: int, count: int, flag: bool, curve: Any, seed: int
) -> None:
    """LSTMs from any first state, ConvNets with batch norm or without, and Linear give what numpy gives."""
    config: dict[str, Any] = {
        "LSTM": {"input_size": 1, "hidden_size": size, "num_layers": count},
        "ConvNet": {"channels": size, "dilations": [size, 1, 9][:count], "batchnorm": flag, "activation": curve},
        "Linear": {"receptive_field": size * 7, "bias": flag},
    }[architecture]
    made = capture(architecture, config, seed)
    if architecture == "ConvNet" and flag:
        made["weights"] = np.abs(made["weights"]).tolist()  # a variance is positive
    x = np.random.default_rng(seed).uniform(-0.5, 0.5, 150).astype(np.float32)
    expected = nam_reference.play(made, x, lead=0 if architecture == "LSTM" else 100)
    assert np.abs(play(made, x, 40) - expected).max() <= 2e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("curve", CURVES, ids=str)
def test_every_curve_is_played(curve: Any) -> None:
    """A WaveNet of every activation that a file can name sounds as in numpy, its gate too."""
    layer = {**LAYER, "activation": curve, "gating_mode": "gated", "secondary_activation": curve}
    made = capture("WaveNet", {**SMALL, "layers": [layer]}, size=2.0)
    x = np.random.default_rng(3).uniform(-1.0, 1.0, 200).astype(np.float32)
    expected = nam_reference.play(made, x)
    assert np.abs(play(made, x, 64) - expected).max() <= 2e-5 * max(1.0, np.abs(expected).max())


def test_slopes_of_their_own_per_channel() -> None:
    """PReLU with a slope per channel bends each channel by its own."""
    layer = {**LAYER, "activation": {"type": "PReLU", "negative_slopes": [0.1, -0.7]}}
    made = capture("WaveNet", {**SMALL, "layers": [layer]}, size=2.0)
    x = sounds()["x"][:300]
    assert np.abs(play(made, x, 64) - nam_reference.play(made, x)).max() < CLOSE


def test_a_capture_is_warm_from_its_first_sample() -> None:
    """Silence gives one and the same value from the first sample on, though it is not zero: nothing thumps."""
    heard = play(golden("nano"), np.zeros(4096, np.float32), 64)
    assert abs(heard[0]) > 1e-3
    assert np.ptp(heard) < 1e-6


def test_old_words_mean_the_same() -> None:
    """The words of format 0.5 (head_size, head_bias, gated) give the sound of the same file in those of 0.7."""
    known, old = sounds(), golden("nano")
    old["version"] = "0.5.1"
    del old["sample_rate"], old["metadata"]
    for layer in old["config"]["layers"]:
        head = layer.pop("head")
        kept = ("input_size", "condition_size", "channels", "dilations")
        changed = {key: layer[key] for key in kept}
        changed |= {"head_size": head["out_channels"], "head_bias": head["bias"], "gated": False}
        changed |= {"kernel_size": layer["kernel_sizes"][0], "activation": "Tanh"}
        layer.clear()
        layer.update(changed)
    assert np.abs(play(old, known["x"], 64) - known["nano"]).max() < CLOSE


def test_the_last_weight_is_the_scale() -> None:
    """Where head_scale and the last weight differ, the weight counts, as in every player."""
    changed = golden("nano")
    changed["config"]["head_scale"] = 77.0
    x = sounds()["x"][:256]
    assert np.array_equal(play(changed, x, 64), play(golden("nano"), x, 64))


def test_a_container_gives_the_size_that_is_asked_for() -> None:
    """Of several sizes the first whose limit is above the one asked for plays; the whole is the last."""
    container = golden("container")
    chosen = [read_network(Fields.of(container, "c"), size=size) for size in (0.0, 0.49, 0.5, 1.0)]
    graphs = [build_graph(network, 64)[0] for network in chosen]
    inner = [entry["model"] for entry in container["config"]["submodels"]]
    small, whole = (build_graph(read_network(Fields.of(one, "i")), 64)[0] for one in inner)
    assert graphs == [small, small, whole, whole]
    assert small != whole


def test_a_standard_layer_costs_five_nodes() -> None:
    """The graph of a plain WaveNet has six nodes a layer at most, of which two are one in the running session."""
    import onnx

    model = onnx.load_from_string(build_graph(read_network(Fields.of(golden("nano"), "nano")), 64)[0])
    assert len(model.graph.node) == 6 * 20 + 5
    assert len(model.graph.input) == 1 + 20


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "0.8.0"}, "version is 0.8.0, but retimbre reads 0.5 to 0.7"),
        ({"version": "0.4.9"}, "export the capture again if it is older"),
        ({"version": "seven"}, "must be like '0.7.0'"),
        ({"version": 7}, "must be a text"),
        ({"architecture": "CatLSTM"}, "architecture is 'CatLSTM', but retimbre plays WaveNet"),
        ({"config": []}, "amp.nam.config is a list of 0, but it must be an object"),
        ({"weights": [1.0]}, "has 1 weights, but its settings ask for at least 2"),
        ({"weights": None}, "weights is None, but it must be a list"),
        ({"weights": [float("nan")]}, "holds nan, but every weight must be finite"),
        ({"weights": [True]}, "holds True, but every weight is a number"),
        ({"weights": [10**400]}, "a number of 1329 bits"),
        ({"weights": [3.5e38]}, "every weight must be finite"),
    ],
)
def test_an_unfit_file_is_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    """What is wrong with the envelope is said by name, with what to do."""
    made = {**capture("WaveNet", SMALL), **change}
    with pytest.raises(PackageError, match=r"amp\.nam") as caught:
        read_network(Fields.of(made, "amp.nam"))
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"channels": 0}, "layers[0].channels is 0, but it must be a whole number from 1 to 1024"),
        ({"channels": 2.5}, "channels is 2.5"),
        ({"channels": True}, "channels is True"),
        (
            {"activation": {"type": "LeakyReLU", "negative_slope": float("nan")}},
            "negative_slope is nan, but it must be",
        ),
        ({"activation": {"type": "LeakyReLU", "negative_slope": 1e39}}, "negative_slope is 1e+39"),
        ({"dilations": []}, "dilations is a list of 0"),
        ({"dilations": [1, "2"]}, "must be whole numbers"),
        ({"kernel_size": None}, "kernel_size is None"),
        ({"kernel_sizes": [2, 2]}, "kernel_sizes is a list of 2, but it must be missing where kernel_size is given"),
        ({"activation": "Snake"}, "is the activation 'Snake', but retimbre knows Fasttanh"),
        ({"activation": {"type": "PReLU", "negative_slopes": [1, 2, 3]}}, "3 slopes for 2 channels"),
        ({"activation": {"type": "Hardtanh", "min_val": 2}}, "must be at most max_val"),
        ({"gating_mode": "mixed"}, "must be 'none', 'gated' or 'blended'"),
        ({"input_size": 3}, "the channels do not meet (what comes in has 1, input_size is 3)"),
        ({"condition_size": 3}, "the condition has 1, condition_size is 3"),
        ({"groups_input": 3}, "must be multiples of the groups"),
        ({"bottleneck": 3, "layer1x1": {"active": False}}, "without layer1x1 channels is 2"),
        ({"head1x1_post_film": {"active": True}}, "false, because head1x1 is not active"),
        ({"dilations": [1 << 18], "kernel_size": 4}, "but 16777216 values and 262144 samples are the most"),
        ({"slimmable": {"method": "other"}}, "must be 'slice_channels_uniform'"),
        ({"head": {"out_channels": 2, "kernel_size": 1, "bias": True}}, "has "),
    ],
)
def test_unfit_settings_are_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    """What is wrong with a layer array is said by name, before its weights are looked at."""
    made = capture("WaveNet", SMALL)
    made["config"] = {**SMALL, "layers": [{**LAYER, **change}]}
    with pytest.raises(PackageError, match=r"amp\.nam") as caught:
        read_network(Fields.of(made, "amp.nam"))
    assert sentence in str(caught.value)


def test_models_within_models_have_an_end() -> None:
    """A chain of chains of chains is refused by its depth, not by Python's."""
    made = capture("WaveNet", SMALL)
    for _ in range(50):
        made = {"version": "0.7.0", "architecture": "Sequential", "config": {"models": [made]}, "weights": []}
    with pytest.raises(PackageError, match="more than 8 deep"):
        read_network(Fields.of(made, "amp.nam"))


def test_a_small_file_cannot_fill_the_memory() -> None:
    """Groups, written out, may ask for a thousand times the file's weights: that is refused before it is done."""
    single = {"active": True, "groups": 1024}
    layer = {**LAYER, "channels": 1024, "kernel_size": 1, "dilations": [1] * 20, "groups_input": 1024}
    made = capture("WaveNet", {**SMALL, "layers": [{**layer, "layer1x1": single}]})
    network = read_network(Fields.of(made, "amp.nam"))
    with pytest.raises(PackageError, match="would fill more than 16777216 weights"):
        build_graph(network, 64)


def test_weights_too_many_are_refused() -> None:
    """A file that brings more weights than its settings ask for is of another kind than it says."""
    made = capture("WaveNet", SMALL)
    changed = copy.deepcopy(made)
    changed["weights"].append(0.5)
    read_network(Fields.of(made, "amp.nam"))
    with pytest.raises(PackageError, match="has 43 weights, but its settings ask for 42"):
        read_network(Fields.of(changed, "amp.nam"))


@pytest.mark.skipif(
    importlib.util.find_spec("nam") is None, reason="neural-amp-modeler, the reference itself, is not installed"
)
def test_live_reference_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Neural Amp Modeler is installed, its own networks of all sizes, made now, sound the same here."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "nam"))
    make_golden = importlib.import_module("make_golden")
    assert "make_golden" in sys.modules
    x = make_golden.sound(6000)
    for name, (contents, reference) in make_golden.captures().items():
        size = make_golden.SLICED_SIZE if name == "sliced" else 1.0
        assert np.abs(play(contents, x, 64, size) - reference(x)).max() < CLOSE, name
