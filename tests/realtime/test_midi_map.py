from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.controls import RANGES
from realtime.errors import ConfigError, RetimbreError
from realtime.midi.midi_map import Binding, MidiLearner, MidiMap


def cc(number: int, value: int, channel: int = 1) -> bytes:
    return bytes((0xAF + channel, number, value))


MIX = Binding.over("mix")


def test_a_knob_turns_its_control_over_its_range() -> None:
    """Value 0 gives low, 127 gives high, exactly, and what lies between lies between; low above high turns it round."""
    for binding in (Binding("mix", 0.25, 0.75), Binding("output_gain_db", 6.0, -60.0), Binding.over("target:flute")):
        mapping = MidiMap({(None, 20): binding})
        values = [mapping.apply({}, cc(20, value))[binding.control] for value in range(128)]
        assert (values[0], values[-1]) == (binding.low, binding.high)
        assert values == sorted(values, reverse=binding.low > binding.high)


def test_what_is_not_bound_changes_nothing() -> None:
    """Other controllers, channels, kinds of messages and broken bytes change nothing."""
    mapping = MidiMap({(3, 20): MIX})
    for message in (
        cc(21, 5, 3),
        cc(20, 5, 4),
        bytes((0x92, 20, 5)),
        b"",
        b"\xb2",
        b"\xb2\x14",
        bytes((0xB2, 20, 200)),
    ):
        assert mapping.apply({"mix": 0.5}, message) == {}
        assert not mapping.claims(message)
    assert mapping.apply({"mix": 0.5}, cc(20, 0, 3)) == {"mix": 0.0}
    assert mapping.claims(cc(20, 0, 3))


def test_its_own_channel_goes_before_any() -> None:
    """A controller bound on channel 2 turns that control there, and the general one elsewhere."""
    mapping = MidiMap({(None, 7): MIX, (2, 7): Binding.over("output_gain_db")})
    assert list(mapping.apply({}, cc(7, 1, 1))) == ["mix"]
    assert list(mapping.apply({}, cc(7, 1, 2))) == ["output_gain_db"]


def test_a_switch_is_on_in_the_upper_half() -> None:
    """A switch follows the halves of the knob; turned round, the other way; with flip each press changes it over."""
    mapping = MidiMap({(None, 64): Binding.over("bypass"), (None, 65): Binding("mute", 1, 0)})
    assert [mapping.apply({}, cc(64, value)) for value in (0, 63, 64, 127)] == [{"bypass": v} for v in (0, 0, 1, 1)]
    assert [mapping.apply({}, cc(65, value)) for value in (0, 127)] == [{"mute": 1.0}, {"mute": 0.0}]
    flipping = MidiMap({(None, 64): Binding.over("before.0.bypass", flip=True)})
    positions: dict[tuple[int, int], float] = {}
    on = {"before.0.bypass": True}
    assert flipping.apply(on, cc(64, 127), positions) == {"before.0.bypass": 0.0}
    assert flipping.apply(on, cc(64, 120), positions) == {}
    assert flipping.apply(on, cc(64, 0), positions) == {}
    assert flipping.apply({"before.0.bypass": False}, cc(64, 127), positions) == {"before.0.bypass": 1.0}


def test_a_trigger_fires_once_a_press() -> None:
    """`next` fires when its pedal goes down, not while it moves on or comes up."""
    mapping = MidiMap({(None, 80): Binding.over("next")})
    positions: dict[tuple[int, int], float] = {}
    fired = [mapping.apply({}, cc(80, value), positions) for value in (0, 100, 127, 64, 0, 127)]
    assert fired == [{}, {"next": 1.0}, {}, {}, {}, {"next": 1.0}]


def test_soft_takeover_waits_for_the_knob() -> None:
    """A knob far from its control does nothing until it passes the control's value, then turns it, however fast."""
    mapping = MidiMap({(None, 1): Binding.over("mix", takeover=True)})
    positions: dict[tuple[int, int], float] = {}
    values: dict[str, float | bool] = {"mix": 0.5}
    assert mapping.apply(values, cc(1, 10), positions) == {}
    assert mapping.apply(values, cc(1, 30), positions) == {}
    for value in (80, 127, 3):  # past it, and from now on held
        changed = mapping.apply(values, cc(1, value), positions)
        assert changed == {"mix": pytest.approx(value / 127)}
        values |= changed
    values["mix"] = 0.9  # another hand turned it: let go
    assert mapping.apply(values, cc(1, 10), positions) == {}
    assert mapping.apply(values, cc(1, 114), positions) == {"mix": pytest.approx(114 / 127)}


def test_takeover_reaches_a_value_outside_the_binding() -> None:
    """A control that stands beyond the binding's range is taken over at the end next to it."""
    mapping = MidiMap({(None, 1): Binding("mix", 0.0, 0.5, takeover=True)})
    positions: dict[tuple[int, int], float] = {}
    assert mapping.apply({"mix": 0.9}, cc(1, 20), positions) == {}
    assert mapping.apply({"mix": 0.9}, cc(1, 127), positions) == {"mix": 0.5}


def test_programs_call_presets() -> None:
    """A program change calls what stands at its number, and nothing where none does."""
    mapping = MidiMap(programs={0: "voice", 5: "Lead 2"})
    assert mapping.program(bytes((0xC3, 5))) == "Lead 2"
    assert mapping.program(bytes((0xC0, 1))) is None
    assert mapping.program(bytes((0xB0, 5, 0))) is None
    assert mapping.claims(bytes((0xC0, 0))) and not mapping.claims(bytes((0xC0, 1)))


def test_the_learner_takes_the_next_knob_that_moves() -> None:
    """A knob that trembles or a note is not taken; one that moves is, on any channel, in place of the old one."""
    learner, mapping = MidiLearner(), MidiMap({(None, 1): MIX})
    assert learner.hear(cc(2, 127), mapping) is None
    learner.listen(MIX)
    assert learner.listening_for == "mix"
    for message in (bytes((0x90, 60, 127)), cc(5, 60), cc(5, 61), cc(5, 3, 2), cc(123, 0), b"\xb0"):
        assert learner.hear(message, mapping) is None
    learnt = learner.hear(cc(5, 5, channel=2), mapping)
    assert learnt == MidiMap({(None, 5): MIX})
    assert [learner.listening_for] == [None]
    learner.listen(MIX, any_channel=False)
    assert learner.hear(cc(9, 127, channel=4), mapping) == MidiMap({(4, 9): MIX})
    learner.listen(MIX)
    learner.clear()
    assert learner.hear(cc(9, 127), mapping) is None
    assert learnt.without("mix") == MidiMap()


CONTROLS = st.sampled_from(
    [*RANGES, "bypass", "mute", "record", "next", "target:a b", "before.0.gain", "after.2.bypass"]
)
KEYS = st.tuples(st.none() | st.integers(1, 16), st.integers(0, 119))


@given(st.dictionaries(KEYS, CONTROLS.map(Binding.over)), st.dictionaries(st.integers(0, 127), st.just("x")))
def test_a_map_survives_plain_values(cc_map: dict[Any, Binding], programs: dict[int, str]) -> None:
    """Any map written as plain values reads back equal."""
    mapping = MidiMap(cc_map, programs)
    assert MidiMap.from_mapping(mapping.to_mapping()) == mapping


def test_plain_values_are_short() -> None:
    """What is the default is not written."""
    mapping = MidiMap({(2, 7): Binding("mix", 0.0, 0.5, takeover=True), (None, 1): MIX}, {3: "voice"})
    assert mapping.to_mapping() == {
        "cc": [
            {"number": 1, "control": "mix"},
            {"number": 7, "channel": 2, "control": "mix", "low": 0.0, "high": 0.5, "takeover": True},
        ],
        "programs": {"3": "voice"},
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "must be a table of cc, programs"),
        ({"knobs": []}, "no 'knobs' in a MIDI map; it has cc, programs"),
        ({"cc": {}}, "list of tables"),
        ({"cc": [3]}, "list of tables"),
        ({"cc": [{"control": "mix"}]}, "has no number"),
        ({"cc": [{"number": 1}]}, "has no control"),
        ({"cc": [{"number": 120, "control": "mix"}]}, "from 0 to 119"),
        ({"cc": [{"number": 1.5, "control": "mix"}]}, "from 0 to 119"),
        ({"cc": [{"number": 1, "channel": 0, "control": "mix"}]}, "from 1 to 16"),
        ({"cc": [{"number": 1, "control": "mxi"}]}, "choose from mix, "),
        ({"cc": [{"number": 1, "control": 4}]}, "nothing named 4"),
        ({"cc": [{"number": 1, "control": "mix", "curve": 2}]}, "no 'curve' in a binding"),
        ({"cc": [{"number": 1, "control": "mix", "low": 2}]}, "goes from 0 to 1"),
        ({"cc": [{"number": 1, "control": "mix", "low": "a"}]}, "must be a number"),
        ({"cc": [{"number": 1, "control": "mix", "low": float("nan")}]}, "must be a number"),
        ({"cc": [{"number": 1, "control": "mix", "low": 1}]}, "different values"),
        ({"cc": [{"number": 1, "control": "mix", "flip": True}]}, "flip is for switches"),
        ({"cc": [{"number": 1, "control": "bypass", "takeover": True}]}, "takeover is for knobs"),
        ({"cc": [{"number": 1, "control": "mix", "takeover": 1}]}, "true or false"),
        (
            {"cc": [{"number": 1, "control": "mix"}, {"number": 1, "control": "bypass"}]},
            "1 on any channel is bound twice",
        ),
        ({"programs": ["a"]}, "table of numbers and names"),
        ({"programs": {"128": "a"}}, "from 0 to 127"),
        ({"programs": {"one": "a"}}, "from 0 to 127"),
        ({"programs": {"1": ""}}, "by its name"),
    ],
)
def test_a_wrong_map_is_refused_with_a_sentence(values: Any, words: str) -> None:
    """Each mistake is named with what is expected instead."""
    with pytest.raises(ConfigError, match=words) as caught:
        MidiMap.from_mapping(values)
    assert str(caught.value).endswith(".")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cc", "programs", "number", "control", "low", "channel", "1"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_plain_value_is_a_defect(values: Any) -> None:
    """Any plain value is a map or is refused by an error of ours."""
    with contextlib.suppress(RetimbreError):
        MidiMap.from_mapping(values)


@given(st.binary(max_size=4), st.sampled_from([0.0, 0.5, 1.0]))
def test_no_message_is_a_defect(message: bytes, mix: float) -> None:
    """Any bytes change only what is bound, and stay in its range."""
    mapping = MidiMap({(None, number): MIX for number in range(120)})
    for value in mapping.apply({"mix": mix}, message, {}).values():
        assert 0.0 <= value <= 1.0
    mapping.program(message)
    MidiLearner().hear(message, mapping)
