from __future__ import annotations

import math
import os
import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.errors import ConfigError, PackageError
from realtime.messages import MidiSettings, StreamSettings
from realtime.midi.midi_map import Binding, MidiMap
from realtime.midi.source import SourceSettings
from realtime.plugins.spec import PluginSpec
from realtime.presets import library as presets
from realtime.presets import toml_file
from realtime.presets.file_name import checked_name
from realtime.presets.library import list_presets, preset_folder, read_preset, resolve_preset, write_preset
from realtime.presets.preset import NOT_MIDI, NOT_STREAM, Preset, plain_fields
from realtime.presets.preset_text import SECTIONS, preset_from_table, preset_to_text
from realtime.presets.setlist import Setlist
from tests.realtime.preset_parts import CONTROLS, MAPS, PLUGINS, PRESETS, SOURCES

EVERYTHING = Preset(
    name="Lead, bright",
    model="voice",
    controls=Controls(mix=0.8, gate_db=-50.0, octave="off", limiter=False),
    targets={"violin": 0.7, "flute": 0.3},
    before=(PluginSpec("urn:test:drive", {"gain": 2.0}), PluginSpec("urn:test:eq", bypass=True)),
    after=(PluginSpec("urn:test:reverb", {"wet": 0.25, "time": 1.5}, preset="Hall"),),
    midi=MidiMap({(None, 7): Binding.over("mix"), (2, 64): Binding.over("bypass", flip=True)}, {3: "outro"}),
    midi_input={"port": "Keystation", "mixed": True},
    source=SourceSettings("soundfont", Path("piano.sf2"), program=4),
    stream={"input": "Scarlett", "block": 64, "rate_hz": 48000, "headphones": True},
)
TEXT = """\
format = 1
model = "voice"

[stream]
input = "Scarlett"
block = 64
rate_hz = 48000
headphones = true

[controls]
mix = 0.8
octave = "off"
gate_db = -50.0
limiter = false

[targets]
violin = 0.7
flute = 0.3

[[before]]
uri = "urn:test:drive"

[before.parameters]
gain = 2.0

[[before]]
uri = "urn:test:eq"
bypass = true

[[after]]
uri = "urn:test:reverb"
preset = "Hall"

[after.parameters]
wet = 0.25
time = 1.5

[midi]
port = "Keystation"
mixed = true
cc = [
    { number = 7, control = "mix" },
    { number = 64, channel = 2, control = "bypass", flip = true },
]

[midi.programs]
3 = "outro"

[source]
kind = "soundfont"
soundfont = "piano.sf2"
program = 4
"""


def refusal(text: str, folder: Path) -> str:
    """The sentence with which a file of this text is refused."""
    path = folder / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_preset(path)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert sentence.count(str(path)) == 1
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_a_preset_reads_well(tmp_path: Path) -> None:
    """A preset with everything is exactly this text, and this text is the preset."""
    path = write_preset(EVERYTHING, tmp_path / "Lead, bright.toml")
    assert path.read_text(encoding="utf-8") == TEXT
    assert read_preset(path) == EVERYTHING
    assert read_preset(path).path == path


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=100)
@given(preset=PRESETS)
def test_a_round_trip_changes_nothing(tmp_path_factory: pytest.TempPathFactory, preset: Preset) -> None:
    """Whatever a preset holds, it is the same after being written and read."""
    folder = tmp_path_factory.getbasetemp() / "round"
    assert read_preset(write_preset(preset, folder / f"{preset.name}.toml")) == preset


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(controls=CONTROLS, before=PLUGINS, after=PLUGINS, map_=MAPS, source=st.none() | SOURCES, weights=st.data())
def test_what_plays_can_be_kept(
    controls: Controls,
    before: tuple[PluginSpec, ...],
    after: tuple[PluginSpec, ...],
    map_: MidiMap,
    source: SourceSettings | None,
    weights: st.DataObject,
) -> None:
    """The settings of a stream become a preset and the same settings again, whatever they are."""
    names = ["violin", "flute", "tuba"]
    blend = weights.draw(st.none() | st.tuples(*[st.sampled_from([0.0, 0.25, 1.0])] * 3).filter(any))
    whole = StreamSettings(
        "voice",
        controls.with_changes(target=blend),
        input="Mic",
        block=64,
        before=before,
        after=after,
        midi=MidiSettings(virtual="Retimbre", source=source, map=map_),
    )
    text = preset_to_text(Preset.of("kept", whole, names))
    again = preset_from_table("kept", tomllib.loads(text)).settings(names)
    assert replace(again, controls=replace(again.controls, target=None)) == replace(
        whole, controls=replace(whole.controls, target=None)
    )
    assert again.controls.target == (
        None if blend is None else pytest.approx(whole.controls.target)  # scaled once more
    )


def test_targets_survive_another_order() -> None:
    """The weights of a preset belong to names, in whatever order a package lists them."""
    preset = Preset("a", "voice", targets={"violin": 3.0, "flute": 1.0})
    assert preset.controls_for(["violin", "flute"]).target == (0.75, 0.25)
    assert preset.controls_for(["flute", "tuba", "violin"]).target == (0.25, 0.0, 0.75)
    assert Preset("a", "voice").controls_for(["flute"]).target is None
    with pytest.raises(ConfigError, match=r"a \[targets\] names 'violin', which voice has not: known are flute, tuba"):
        preset.controls_for(["flute", "tuba"])
    with pytest.raises(ConfigError, match="it has none"):
        preset.controls_for([])


def test_a_preset_of_a_shipped_model_can_be_opened() -> None:
    """A preset that names a shipped model and its targets becomes settings with weights in the package's order."""
    wanted = Preset("a", "voice", targets={"flute": 1.0}, stream={"block": 256}).resolved()
    assert wanted.model == "voice"
    assert wanted.block == 256
    assert wanted.controls.target is not None
    assert sum(wanted.controls.target) == max(wanted.controls.target) == 1.0


def test_a_missing_model_is_named() -> None:
    """A model or target that is not here is refused with the preset and what is here."""
    with pytest.raises(PackageError, match=r"The preset a cannot play: .*'voicd'.*did you mean voice"):
        Preset("a", "voicd").resolved()
    with pytest.raises(ConfigError, match=r"names 'tuba', which voice has not: known are .*violin"):
        Preset("a", "voice", targets={"tuba": 1.0}).resolved()


def test_paths_count_from_the_folder_of_the_preset(tmp_path: Path) -> None:
    """Relative files of a preset lie beside it, absolute ones and names stay, and ~ is the user's own folder."""
    text = """
    model = "amps/crunch.nam"
    [[before]]
    uri = "plugins/drive.vst3"
    [[before]]
    uri = "http://example.org/drive"
    [source]
    kind = "soundfont"
    soundfont = "~/piano.sf2"
    [midi]
    file = "song.mid"
    """
    path = tmp_path / "band.toml"
    path.write_text(text, encoding="utf-8")
    opened = read_preset(path).settings([])
    assert opened.model == str(tmp_path / "amps" / "crunch.nam")
    assert [spec.uri for spec in opened.before] == [
        str(tmp_path / "plugins" / "drive.vst3"),
        "http://example.org/drive",
    ]
    assert opened.midi is not None
    assert opened.midi.file == tmp_path / "song.mid"
    assert opened.midi.source is not None
    assert opened.midi.source.soundfont == Path.home() / "piano.sf2"
    assert Preset("a", "voice", path=path).settings([]).model == "voice"
    assert Preset("a", "./voice", path=path).settings([]).model == str(tmp_path / "voice")


def test_the_command_line_may_say_where_midi_comes_from() -> None:
    """An input that is given goes before the preset's; map, source and mixing are the preset's; without any: none."""
    source, map_ = SourceSettings(), MidiMap({(None, 7): Binding.over("mix")})
    preset = Preset("a", "voice", midi=map_, source=source, midi_input={"port": "Keystation"})
    assert preset.settings([]).midi == MidiSettings(port="Keystation", map=map_, source=source)
    given = preset.settings([], MidiSettings(virtual="Mine", mixed=True, source=SourceSettings("oscillator"))).midi
    assert given == MidiSettings(virtual="Mine", map=map_, source=source)
    mixing = Preset("a", "voice", midi_input={"port": "Keystation", "mixed": True})
    given = mixing.settings([], MidiSettings(file=Path("a.mid"), loop=True)).midi
    assert given == MidiSettings(file=Path("a.mid"), loop=True, mixed=True)
    assert Preset("a", "voice", midi=map_, source=source).settings([]).midi is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no model"),
        ('modle = "voice"', "unknown key 'modle': known are format, model, stream, controls"),
        ("model = 3", "The model is 3"),
        ('model = " "', "The model is ' '"),
        ('format = 2\nmodel = "voice"', "format 2, but this program reads 1"),
        ('format = true\nmodel = "voice"', "format True"),
        ('model = "voice"\ncontrols = 3', "[controls] is 3, but it must be a table"),
        ('model = "voice"\n[controls]\nmxi = 1.0', "[controls]: There is no control named 'mxi'; the controls are"),
        ('model = "voice"\n[controls]\nmix = 1.5', "[controls]: The control mix is 1.5, but it must be a number"),
        ('model = "voice"\n[controls]\nmix = "1"', "The control mix is '1'"),
        ('model = "voice"\n[controls]\nbypass = 1', "The control bypass is 1, but it must be true or false"),
        ('model = "voice"\n[controls]\ntarget = [1.0]', "write them under [targets]"),
        ('model = "voice"\n[controls]\nmix = nan', "has nan as controls.mix"),
        ('model = "voice"\n[controls]\nmix = 99999999999999999999', "as controls.mix, but it must be a finite number"),
        ('model = "voice"\n[targets]\nviolin = -1', "The weight of target violin is -1"),
        ('model = "voice"\n[targets]\nviolin = true', "The weight of target violin is True"),
        ('model = "voice"\n[targets]\nviolin = 0', "no sum"),
        ('model = "voice"\n[targets]\n" " = 1', "named ' '"),
        ('model = "voice"\nbefore = 3', "[[before]] is 3"),
        ('model = "voice"\n[before]\nuri = "a"', "[[before]] is"),
        ('model = "voice"\n[[after]]\nurl = "a"', "[[after]] number 1: A plugin has no key 'url'; the keys are uri"),
        ('model = "voice"\n[[after]]\n[[after]]\nuri = "a"', "[[after]] number 1: A plugin has no uri"),
        ('model = "voice"\n[[after]]\nuri = "a"\n[after.parameters]\ngain = "x"', "The parameter gain of plugin a"),
        ('model = "voice"\n[stream]\nblok = 64', "[stream] has an unknown key 'blok': known are input, output"),
        ('model = "voice"\n[stream]\nblock = "64"', "[stream] block is '64', but it must be a whole number"),
        ('model = "voice"\n[stream]\nblock = 3', "The block is 3 frames, but it must be from 16 to 8192"),
        ('model = "voice"\n[stream]\nrecord = "a.wav"', "unknown key 'record'"),
        ('model = "voice"\n[midi]\nprot = "a"', "[midi] has an unknown key 'prot': known are port, virtual"),
        ('model = "voice"\n[midi]\nport = "a"\nvirtual = "b"', "MIDI comes from port and virtual"),
        ('model = "voice"\n[midi]\ncc = [{number = 7, control = "mxi"}]', "[midi]: There is nothing named 'mxi'"),
        ('model = "voice"\n[midi]\ncc = [{number = 700, control = "mix"}]', "is 700, but it must be a whole number"),
        ('model = "voice"\n[midi]\ncc = 3', "cc of a MIDI map is 3"),
        ('model = "voice"\n[midi.programs]\n200 = "a"', "program number is 200"),
        ('model = "voice"\n[source]\nkind = "organ"', "[source]: kind of a source is 'organ'"),
        ('model = "voice"\n[source]\nlevel = 3', "There is no setting 'level' of a source; it has kind"),
        ('model = "voice"\nsource = "pluck"', "[source] is 'pluck', but it must be a table"),
        ('model = "voice"\nmodel = "voice"', "is not valid TOML"),
        ('model = "voice', "is not valid TOML"),
        ("model = 1979-05-27", "The model is datetime.date"),
        (f"model = {'9' * 5000}", "is not valid TOML"),
        (f"model = {'[' * 5000}", "is not valid TOML"),
        ("#" * 300_000, "larger than 256 KiB"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_the_file_and_the_key(text: str, said: str, tmp_path: Path) -> None:
    """Each wrong file is refused with one sentence that names the file, what was found and what is known."""
    assert said in refusal(text, tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A file that is not UTF-8, a folder and a file that is not there are refused with sentences."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"model = '\xff'")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        read_preset(path)
    (tmp_path / "b.toml").mkdir()
    for name in ("b.toml", "c.toml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_preset(tmp_path / name)
    with pytest.raises(ConfigError, match="no control character"):
        read_preset(tmp_path / "a\0.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_preset(tmp_path / "b\0" / "a.toml")
    with pytest.raises(ConfigError, match=r"does not end in \.toml"):
        read_preset(tmp_path / "a.txt")


VALUES = st.recursive(
    st.integers(-5, 300)
    | st.integers(1 << 62, 1 << 70)
    | st.floats()
    | st.booleans()
    | st.sampled_from(["voice", "mix", "pluck", "target:a", "before.0.x", "", " ", "piano.sf2"])
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "uri", "number", "1"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    *("mix", "bypass", "octave", "target", "block", "input", "where", "headphones", "violin", "port", "file", "loop"),
    *("cc", "programs", "kind", "soundfont", "program", "channels", "level_db", "uri", "parameters", "preset", "x"),
]
TABLES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=200)
@given(
    table=st.fixed_dictionaries(
        {"model": st.just("voice") | VALUES},
        optional={name: TABLES | st.lists(TABLES, max_size=2) | VALUES for name in SECTIONS if name != "model"},
    )
)
def test_any_toml_is_a_preset_or_refused(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    """Whatever known and unknown keys hold, reading gives a preset, which can be written again, or `ConfigError`."""
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    try:
        found = read_preset(path)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017  # one line is the truth of every refusal
        return
    assert preset_from_table("fuzzed", tomllib.loads(preset_to_text(found))) == found


@settings(deadline=None, max_examples=150)
@given(
    cut=st.integers(0, len(TEXT)), junk=st.binary(max_size=6) | st.sampled_from([b"\n", b"=", b'"', b"[[", b"1e999"])
)
def test_a_damaged_file_is_a_preset_or_refused(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    """A good file with bytes put in anywhere is read or refused, and never anything else."""
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(TEXT.encode()[:cut] + junk + TEXT.encode()[cut:])
    try:
        assert read_preset(path).model
    except ConfigError:
        return


def test_a_preset_is_written_wholly_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When writing fails at any step, the file is as it was and nothing lies beside it."""
    path = write_preset(EVERYTHING, tmp_path / "Lead, bright.toml")
    other = replace(EVERYTHING, model="identity")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for target, name in ((os, "fsync"), (Path, "replace")):
        with monkeypatch.context() as broken:
            broken.setattr(target, name, refuse)
            with pytest.raises(ConfigError, match=r"cannot be written \(No space left on device\)"):
                write_preset(other, path)
        assert path.read_text(encoding="utf-8") == TEXT
        assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(ConfigError, match="cannot be written"):
        write_preset(replace(other, stream={"input": "half \ud800"}), path)
    assert list(tmp_path.iterdir()) == [path]
    write_preset(other, path)
    assert read_preset(path) == other


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A preset below a file cannot be written, and a sentence says so."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_preset(EVERYTHING, tmp_path / "file" / "Lead, bright.toml")


def test_a_preset_has_the_name_of_its_file(tmp_path: Path) -> None:
    """Written under another name a preset is refused, and a copied file is a preset of the copy's name."""
    with pytest.raises(ConfigError, match=r"call the file Lead, bright\.toml"):
        write_preset(EVERYTHING, tmp_path / "other.toml")
    path = write_preset(EVERYTHING, tmp_path / "Lead, bright.toml")
    path.rename(tmp_path / "quiet.toml")
    assert read_preset(tmp_path / "quiet.toml") == replace(EVERYTHING, name="quiet")


def test_presets_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked for in the named folders, the user's own, then the program's; near names are suggested."""
    assert write_preset(EVERYTHING) == preset_folder() / "Lead, bright.toml"
    assert resolve_preset("Lead, bright") == EVERYTHING
    monkeypatch.setenv(presets.FOLDERS_VARIABLE, str(tmp_path))
    write_preset(replace(EVERYTHING, model="identity"), tmp_path / "Lead, bright.toml")
    assert resolve_preset("Lead, bright").model == "identity"
    assert resolve_preset(preset_folder() / "Lead, bright.toml").model == "voice"
    (tmp_path / "broken.toml").write_text("model = ")
    (tmp_path / ".half.toml").write_text("model = ")
    found = {(one.name, one.hidden): one for one in list_presets()}
    assert found["Lead, bright", True].path == preset_folder() / "Lead, bright.toml"
    assert "not valid TOML" in (found["broken", False].error or "")
    assert (".half", False) not in found
    with pytest.raises(ConfigError, match="not valid TOML"):
        resolve_preset("broken")
    with pytest.raises(ConfigError, match=r"no preset named 'Lead' .*did you mean Lead, bright\?"):
        resolve_preset("Lead")
    with pytest.raises(ConfigError, match=r"no preset named 'zzzz' .*known are Lead, bright, broken"):
        resolve_preset("zzzz")
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve_preset("./Lead.toml")


def test_the_presets_that_come_with_the_program_can_play() -> None:
    """Every preset beside the code is read, is written as it is, and finds its model and targets."""
    own = [one for one in list_presets() if one.path.parent.name == "example_presets"]
    assert len(own) >= 3
    for one in own:
        assert isinstance(one.value, Preset), one.error
        assert presets.check_preset(one.value) == []
        assert preset_to_text(one.value) == one.path.read_text(encoding="utf-8")


def test_missing_files_are_named(tmp_path: Path) -> None:
    """The check of a preset names each file that is not there, and its model when that is missing."""
    preset = replace(EVERYTHING, path=tmp_path / "Lead, bright.toml", model="gone", before=(PluginSpec("drive.vst3"),))
    sentences = presets.check_preset(preset)
    assert len(sentences) == 3
    assert str(tmp_path / "drive.vst3") in sentences[0]
    assert "[source] soundfont" in sentences[1]
    assert "'gone'" in sentences[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a/b"},
        {"model": ""},
        {"model": "a\nb"},
        {"controls": Controls(target=(1.0,))},
        {"targets": {"violin": math.nan}},
        {"targets": {"violin": math.inf}},
        {"targets": {"": 1.0}},
        {"stream": {"blok": 64}},
        {"stream": {"block": 1}},
        {"midi_input": {"map": None, "cc": []}},
        {"midi_input": {"port": "a", "file": Path("b.mid")}},
    ],
)
def test_a_wrong_value_cannot_be_made(changes: dict[str, Any]) -> None:
    """A preset checks itself when it is made, before it could reach a file."""
    with pytest.raises(ConfigError):
        replace(EVERYTHING, **changes)


@pytest.mark.parametrize(
    "name",
    ["", " a", "a ", ".a", "a.", "..", "a/b", "a\\b", "a:b", "a\nb", "a\0b", 'a"b', "a*", "CON", "nul.x", "x" * 65],
)  # fmt: skip
def test_a_name_that_some_system_cannot_keep_is_refused(name: str) -> None:
    """Names that would leave the folder, or that Windows cannot have, are refused with a sentence."""
    with pytest.raises(ConfigError, match="The preset's name is"):
        checked_name(name, "preset")


@pytest.mark.parametrize("name", ["a", "Lead, bright", "Größe 3", "console", "a.b", "x" * 64, "日本"])
def test_ordinary_names_are_kept(name: str) -> None:
    """What people call a sound is a name."""
    assert checked_name(name, "preset") == name


def test_numbers_of_the_file_are_bounded(tmp_path: Path) -> None:
    """A table is read with numbers of 64 bits and no infinities, wherever they stand."""
    path = tmp_path / "a.toml"
    path.write_text(f"a = [{{ b = {(1 << 63) - 1} }}, 1.5]", encoding="utf-8")
    assert toml_file.read_table(path, "preset") == {"a": [{"b": (1 << 63) - 1}, 1.5]}
    for wrong in (1 << 63, "-inf"):
        path.write_text(f"a = [{{ b = {wrong} }}]", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"as a\.b, but it must be a finite number"):
            toml_file.read_table(path, "preset")


def test_the_page_shows_presets_that_are_read() -> None:
    """Every block of TOML on the page of presets is a preset, or a setlist, and the page names every section."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "presets.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    shown = preset_from_table("shown", tomllib.loads(first))
    assert preset_to_text(shown) == first
    assert Setlist.from_table("shown", tomllib.loads(second)).to_text() == second
    for key in SECTIONS:
        assert f"`[{key}]`" in page or f"`[[{key}]]`" in page or f"`{key}`" in page
    for key in (*plain_fields(StreamSettings, NOT_STREAM), *plain_fields(MidiSettings, NOT_MIDI)):
        assert f"`{key}`" in page, key
