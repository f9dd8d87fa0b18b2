from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.errors import ConfigError, EngineError, RetimbreError
from realtime.messages import (
    EVENTS,
    REQUESTS,
    Event,
    Learn,
    MidiSettings,
    ModelChange,
    PluginChange,
    Plugins,
    Recording,
    Refusal,
    Reply,
    Request,
    StreamSettings,
    decode_answer,
    decode_request,
)
from realtime.meters import Incident
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.plain import from_plain, to_plain
from realtime.plugins.spec import PluginSpec

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
EVERYTHING: tuple[tuple[str, Any], ...] = (
    (
        "open",
        StreamSettings(
            "voice",
            Controls(mix=0.5, target=(0.25, 0.75)),
            input="card",
            block=64,
            before=(PluginSpec("urn:a", {"gain": 2.0}),),
            midi=MidiSettings(virtual="keys", source=SourceSettings("oscillator", wave="sine")),
            record=Path("take.wav"),
        ),
    ),
    ("controls", Controls(output_gain_db=-3.0)),
    ("model", ModelChange("identity")),
    ("slack", None),
    ("slack", 2),
    ("mute", True),
    ("record", Recording(Path("a/b.wav"), "input")),
    ("record", None),
    ("plugins", Plugins(after=(PluginSpec("urn:b", bypass=True),))),
    ("plugin", PluginChange("after", 0, "mix", 0.5)),
    ("midi", None),
    ("map", MidiMap({(None, 1): Binding.over("mix"), (3, 7): Binding("output_gain_db", -20.0, 0.0)}, {0: "lead"})),
    ("learn", Learn("mix")),
    ("close", None),
)


@pytest.mark.parametrize(("what", "value"), EVERYTHING)
def test_a_request_comes_back_as_it_was(what: str, value: Any) -> None:
    """Every request survives the pipe unchanged."""
    assert decode_request(Request(7, what, value).encode()) == Request(7, what, value)


def test_answers_come_back_as_they_were() -> None:
    """Replies, refusals and events survive the pipe unchanged."""
    incident = Incident(12.5, 4800, "late callback", 2900.0)
    answers: tuple[Reply | Refusal | Event, ...] = (
        Reply(3, None),
        Refusal(4, "ConfigError", "No."),
        Event("incident", "", incident),
        Event("controls", "", Controls(bypass=True)),
    )
    for answer in answers:
        assert decode_answer(answer.encode(), None) == answer
    assert decode_answer(Reply(3, "A sentence.").encode(), "record") == Reply(3, "A sentence.")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xfe", "no JSON text"),
        (b"[" * 100_000, "no JSON text"),
        (b"[]", '"retimbre": 1'),
        (b'{"retimbre": 2, "number": 1, "do": "close"}', "version of the protocol"),
        (b'{"retimbre": 1, "number": 1, "do": "dance"}', "no request 'dance'"),
        (b'{"retimbre": 1, "number": 1, "do": "mute", "value": 1}', "mute is 1, but it must be true or false"),
        (b'{"retimbre": 1, "number": 1, "do": "mute", "value": true, "x": 1}', "unknown key 'x'"),
        (b'{"retimbre": 1, "number": 1, "do": "controls", "value": {"mix": 7}}', "mix"),
        (b'{"retimbre": 1, "number": 1, "do": "model", "value": {"modell": "a"}}', "unknown key 'modell'"),
        (b'{"retimbre": 1, "number": 1, "do": "model", "value": {}}', "lacks 'model'"),
        (b" " * (1 << 21), "at most"),
    ],
)
def test_a_wrong_message_is_refused_with_its_sentence(data: bytes, sentence: str) -> None:
    """Each kind of wrong message has its own sentence."""
    refusal = decode_request(data)
    assert isinstance(refusal, Refusal) and sentence in refusal.sentence


@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_engine_raise(data: bytes) -> None:
    """Whatever comes through the pipe is a request or a refusal."""
    assert isinstance(decode_request(data), Request | Refusal)


@settings(max_examples=300)
@given(what=st.sampled_from(sorted(REQUESTS)), value=JSON)
def test_no_value_makes_the_engine_raise(what: str, value: Any) -> None:
    """Whatever value a request has, it is taken or refused with one sentence."""
    answer = decode_request(json.dumps({"retimbre": 1, "number": 1, "do": what, "value": value}).encode())
    assert isinstance(answer, Request) or answer.sentence.rstrip().endswith((".", ")"))


@given(event=st.sampled_from(sorted(EVENTS)), value=JSON)
def test_no_answer_makes_a_host_raise_anything_else(event: str, value: Any) -> None:
    """A host meets a wrong answer with an error of ours."""
    with contextlib.suppress(RetimbreError):
        decode_answer(json.dumps({"retimbre": 1, "event": event, "value": value}).encode(), None)


def test_an_error_keeps_its_kind() -> None:
    """An error is raised in the host as what it was in the engine; an unknown kind as an engine's."""
    assert isinstance(Refusal(1, "ConfigError", "No.").to_error(), ConfigError)
    assert isinstance(Refusal(1, "annotations", "No.").to_error(), EngineError)


@dataclass(frozen=True)
class _Thing:
    name: str
    size: float = 1.0
    kind: Literal["a", "b"] = "a"
    parts: tuple[int, ...] = ()
    words: Mapping[str, str] | None = None
    where: Path | None = None


def test_a_dataclass_is_its_own_schema() -> None:
    """Plain values and back are the same value; what does not fit names its place."""
    thing = _Thing("x", 2.0, "b", (1, 2), {"k": "v"}, Path("p"))
    assert from_plain(_Thing, to_plain(thing), "thing") == thing
    assert from_plain(_Thing, {"name": "y", "size": 3}, "thing") == _Thing("y", 3.0)
    for value, place in (
        ({"name": 1}, "thing.name"),
        ({"name": "x", "size": float("nan")}, "thing.size"),
        ({"name": "x", "kind": "c"}, "thing.kind"),
        ({"name": "x", "parts": [1, "2"]}, r"thing.parts\[1\]"),
        ({"name": "x", "words": {"k": 1}}, "thing.words.k"),
        ({"name": "x", "where": ""}, "thing.where"),
        ([], "thing is"),
    ):
        with pytest.raises(ConfigError, match=place):
            from_plain(_Thing, value, "thing")
