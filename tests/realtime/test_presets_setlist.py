from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.errors import ConfigError
from realtime.midi.midi_map import MidiMap
from realtime.presets.library import (
    check_setlist,
    list_setlists,
    preset_folder,
    read_setlist,
    resolve_setlist,
    write_preset,
    write_setlist,
)
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist
from tests.realtime.preset_parts import NAMES

EVENING = Setlist("evening", ("intro", "lead", "intro", "outro"), {40: "lead", 2: "outro"})


def test_a_setlist_reads_well(tmp_path: Path) -> None:
    """A setlist is its presets in order and its program numbers, and is read as it was written."""
    path = write_setlist(EVENING, tmp_path / "evening.toml")
    assert path.read_text(encoding="utf-8") == (
        'format = 1\npresets = [\n    "intro",\n    "lead",\n    "intro",\n    "outro",\n]\n\n'
        '[programs]\n2 = "outro"\n40 = "lead"\n'
    )
    assert read_setlist(path) == EVENING


@settings(deadline=None, max_examples=50)
@given(name=NAMES, names=st.lists(NAMES, min_size=1, max_size=9), data=st.data())
def test_a_round_trip_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, name: str, names: list[str], data: st.DataObject
) -> None:
    """Whatever a setlist holds, it is the same after being written and read."""
    programs = data.draw(st.dictionaries(st.integers(0, 127), st.sampled_from(names), max_size=4))
    setlist = Setlist(name, tuple(names), programs)
    folder = tmp_path_factory.getbasetemp() / "round setlists"
    assert read_setlist(write_setlist(setlist, folder / f"{name}.toml")) == setlist


def test_places_are_counted_from_one_and_names_find_the_next() -> None:
    """A place is found by number or name, a preset that comes twice at its next place."""
    assert [EVENING.place_of(number) for number in (1, 4)] == [1, 4]
    assert EVENING.place_of("lead") == 2
    assert EVENING.place_of("intro") == 1
    assert EVENING.place_of("intro", near=1) == 3
    assert EVENING.place_of("intro", near=3) == 1
    for number in (0, 5, -1):
        with pytest.raises(ConfigError, match="it goes from 1 to 4"):
            EVENING.place_of(number)
    with pytest.raises(ConfigError, match="no preset 'solo': it has intro, lead, intro, outro"):
        EVENING.place_of("solo")


def test_the_ends_stop_next_and_previous() -> None:
    """Steps go on and back, and stay at the first and the last place."""
    assert [EVENING.step(place, 1) for place in (0, 1, 3, 4)] == [1, 2, 4, 4]
    assert [EVENING.step(place, -1) for place in (0, 1, 2, 4)] == [1, 1, 1, 3]


def test_program_numbers_call_presets() -> None:
    """Program numbers are those of the file, or else the places from 0, and fit a MIDI map."""
    assert EVENING.program_names == {40: "lead", 2: "outro"}
    assert replace(EVENING, programs={}).program_names == {0: "intro", 1: "lead", 2: "intro", 3: "outro"}
    long = Setlist("long", tuple(f"song {n}" for n in range(200)))
    assert MidiMap(programs=long.program_names).program(bytes((0xC0, 127))) == "song 127"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has presets None"),
        ("presets = []", "has 0 presets, but it must have 1 to 1000"),
        ('presets = "intro"', "has presets 'intro'"),
        ("presets = [1]", "but they must be a list of names"),
        ('presets = ["a/b"]', "preset's name is 'a/b'"),
        ('preset = ["a"]', "unknown key 'preset': known are format, presets, programs"),
        ('presets = ["a"]\nformat = 9', "format 9, but this program reads 1"),
        ('presets = ["a"]\nprograms = 3', "has programs 3"),
        ('presets = ["a"]\n[programs]\n200 = "a"', "has a program 200"),
        ('presets = ["a"]\n[programs]\nx = "a"', "has a program 'x'"),
        ('presets = ["a"]\n[programs]\n1 = "b"', "calls 'b' by program 1, which is not one of its presets"),
        ('presets = ["a"]\n[programs]\n1 = ["a"]', "calls ['a'] by program 1"),
        (f"presets = {['a'] * 1001}", "has 1001 presets"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    """Each wrong setlist is refused with one sentence that says what was found."""
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_setlist(path)
    assert said in str(refused.value)
    assert str(refused.value).endswith(".")


@settings(deadline=None, max_examples=80)
@given(
    table=st.dictionaries(
        st.sampled_from(["format", "presets", "programs", "x"]),
        st.recursive(
            st.integers(0, 200) | st.floats() | st.booleans() | st.text(st.characters(codec="utf-8"), max_size=3),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("a10"), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_any_toml_is_a_setlist_or_refused(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    """Whatever a file holds, reading gives a setlist or `ConfigError`."""
    path = tmp_path_factory.getbasetemp() / "fuzzed setlist.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    try:
        assert read_setlist(path).presets
    except ConfigError:
        return


def test_setlists_are_found_by_name_and_checked() -> None:
    """A setlist of the user is found by its name, and the check names each preset that is not there or cannot play."""
    path = write_setlist(EVENING)
    assert path == preset_folder() / "setlists" / "evening.toml"
    assert resolve_setlist("evening") == EVENING
    assert [one.name for one in list_setlists()] == ["evening"]
    with pytest.raises(ConfigError, match=r"no setlist named 'evenin'.*did you mean evening\?"):
        resolve_setlist("evenin")
    write_preset(Preset("intro", "identity"))
    write_preset(Preset("lead", "identity", targets={"tuba": 1.0}))
    first, second = check_setlist(EVENING)
    assert "names 'tuba', which identity has not: it has none" in first
    assert "calls 'outro': There is no preset named 'outro'" in second
    write_preset(Preset("lead", "identity"))
    write_preset(Preset("outro", "identity"))
    assert check_setlist(EVENING) == []
