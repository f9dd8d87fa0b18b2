"""Arbitrary presets for hypothesis: every section, every control, whatever the ranges say."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from realtime.controls import RANGES, Controls
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SOURCE_RANGES, SourceSettings
from realtime.plugins.spec import PluginSpec
from realtime.presets.preset import Preset

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
NAMES = st.from_regex(r"[A-Za-zäöü0-9_'(][A-Za-zäöü0-9 ,_'.()-]{0,20}[A-Za-zäöü0-9_)]", fullmatch=True).filter(
    lambda name: name.partition(".")[0].rstrip().lower() not in ("con", "prn", "aux", "nul")
)
_NUMBERS = st.floats(-3e38, 3e38)


def _some(choices: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=choices)


_SWITCHES = [one.name for one in fields(Controls) if isinstance(one.default, bool)]
CONTROLS = _some(
    {name: st.floats(low, high) for name, (low, high, _) in RANGES.items()}
    | {name: st.booleans() for name in _SWITCHES}
    | {"octave": st.sampled_from(["auto", "off"])}
).map(lambda changes: Controls().with_changes(**changes))
PLUGINS = st.lists(
    st.builds(
        PluginSpec,
        WORDS.map(lambda word: f"urn:{word}"),
        st.dictionaries(WORDS, _NUMBERS, max_size=3),
        st.none() | st.text(st.characters(codec="utf-8"), max_size=9),
        st.booleans(),
    ),
    max_size=3,
).map(tuple)
_BINDINGS = st.one_of(
    st.sampled_from([*RANGES, *_SWITCHES, "mute", "record", "next"]).map(Binding.over),
    WORDS.map(lambda word: Binding.over(f"target:{word}", takeover=True)),
    WORDS.map(lambda word: Binding(f"before.0.{word}", -3.5, 4.25) if word != "bypass" else Binding.over("mix")),
)
_KEYS = st.tuples(st.none() | st.integers(1, 16), st.integers(0, 119))
MAPS = st.builds(
    MidiMap, st.dictionaries(_KEYS, _BINDINGS, max_size=4), st.dictionaries(st.integers(0, 127), WORDS, max_size=3)
)
SOURCES = _some(
    {name: st.floats(low, high) for name, (low, high, _) in SOURCE_RANGES.items()}
    | {
        "kind": st.sampled_from(["pluck", "oscillator"]),
        "wave": st.sampled_from(["saw", "square", "sine"]),
        "soundfont": WORDS.map(Path),
        "program": st.integers(0, 127),
        "channels": st.sets(st.integers(1, 16), min_size=1).map(lambda found: tuple(sorted(found))),
    }
).map(lambda values: SourceSettings(**values))
STREAMS = _some(
    {
        "input": st.text(st.characters(codec="utf-8"), max_size=12),
        "output": WORDS,
        "host_api": WORDS,
        "block": st.integers(16, 8192),
        "rate_hz": st.integers(8000, 384000),
        "input_channel": st.integers(1, 64),
        "output_channel": st.integers(1, 64),
        "where": st.sampled_from(["auto", "callback", "worker"]),
        "headphones": st.booleans(),
    }
)
MIDI_INPUTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"port": WORDS}, optional={"mixed": st.booleans()}),
    st.fixed_dictionaries({"virtual": WORDS}),
    st.fixed_dictionaries({"file": WORDS.map(Path), "loop": st.booleans()}),
)
WEIGHTS = st.dictionaries(WORDS, st.floats(0, 1e6), max_size=4).filter(
    lambda found: not found or sum(found.values()) > 0
)
PRESETS = st.builds(
    Preset,
    name=NAMES,
    model=WORDS,
    controls=CONTROLS,
    targets=WEIGHTS,
    before=PLUGINS,
    after=PLUGINS,
    midi=MAPS,
    midi_input=MIDI_INPUTS,
    source=st.none() | SOURCES,
    stream=STREAMS,
)
