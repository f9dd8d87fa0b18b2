from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import PackageError
from realtime.nam.fields import Fields
from realtime.nam.graph import build_graph
from realtime.nam.nets import read_network
from tests.realtime.nam_files import golden

SEEDS = tuple(
    golden(name) for name in ("gated", "sliced", "films", "condition", "lstm", "convnet", "linear", "container")
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 5), st.sampled_from([10**400, -(10**30), 1 << 40, 1024, 4096]),
    st.floats(), st.sampled_from(["", "Tanh", "PReLU", "WaveNet", "LSTM", "Sequential", "0.6.1", "blended", "é\n"]),
    st.just([]), st.just({}), st.lists(st.integers(-1, 3), max_size=3), st.just([[[[]]]]),
    st.dictionaries(st.sampled_from(["type", "active", "groups", "kernel_size", "weights"]), st.integers(), max_size=2),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a file's contents that can be changed; of long lists only the ends."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*path, key))
    elif isinstance(value, list):
        for k in {0, len(value) - 1} if value else ():
            found += places(value[k], (*path, k))
    return found


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A golden capture with one to three changes: another value, a missing key, a list cut or doubled."""
    contents = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(places(contents)))
        inside = contents
        for key in way:
            inside = inside[key]
        match draw(st.sampled_from(["replace", "replace", "remove", "double", "cut"])):
            case "replace":
                inside[last] = copy.deepcopy(draw(ODD))
            case "remove":
                del inside[last]
            case "double" if isinstance(inside[last], list):
                inside[last] = inside[last] * 2
            case "cut" if isinstance(inside[last], list):
                inside[last] = inside[last][: len(inside[last]) // 2]
        if not isinstance(contents, dict) or not places(contents):
            break
    return contents


@settings(max_examples=600, deadline=None)
@given(contents=mutated(), size=st.sampled_from([0.0, 1.0]))
def test_a_changed_file_is_played_or_refused_in_one_sentence(contents: Any, size: float) -> None:
    """Whatever is changed in a file, it still describes a network or is refused by a PackageError of one line."""
    sentence = ""
    try:
        network = read_network(Fields.of(contents, "amp.nam"), size=size)
    except PackageError as error:
        sentence = str(error)
    if sentence:
        assert sentence.startswith(("amp.nam", "In amp.nam"))
        assert "\n" not in sentence
        assert len(sentence) < 700
        return
    model, states = build_graph(network, 32)
    assert len(model) > 100
    assert all(len(shape) == 3 for shape in states)


@settings(max_examples=100, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=20,
    )
)
def test_no_json_is_taken_for_a_capture(value: Any) -> None:
    """Any other JSON is refused."""
    with pytest.raises(PackageError):
        read_network(Fields.of(json.loads(json.dumps(value)), "amp.nam"))
