from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from realtime.commands import plugins as command
from realtime.errors import ConfigError, PluginError
from realtime.plugins import blacklist, lv2, vst3
from realtime.plugins.loading import find_uris, open_plugin, read_info
from realtime.plugins.plugin import Parameter, PluginInfo, format_of
from realtime.plugins.rack import Rack
from realtime.plugins.scan import Finding, remember, remembered, scan
from realtime.plugins.spec import PluginSpec
from tests.realtime.plugin_parts import DELAY, MDA, TEST, build, delayed, installed, noise, play


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lv2"))


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[typer.Typer]:
    """The command line with this command alone, in a process that has not read any plugin's texts yet."""
    monkeypatch.setattr(blacklist, "_SESSION", {})
    made = typer.Typer()
    command.register(made)
    lv2.world.cache_clear()
    yield made
    lv2.world.cache_clear()


def run(app: typer.Typer, *words: str) -> Any:
    """What `retimbre plugins WORDS` does."""
    return CliRunner().invoke(app, ["plugins", *words])


def test_a_specification_travels_whole() -> None:
    """Mapping and back, pickling and back, and equality keep every value of a specification."""
    spec = PluginSpec(f"{MDA}Delay", {"fx_mix": 0.3, "output": 1}, preset="Slow", bypass=True)
    assert PluginSpec.from_mapping(json.loads(json.dumps(spec.to_mapping()))) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301  (it was made in the line itself)
    assert PluginSpec("urn:a").to_mapping() == {"uri": "urn:a"}
    assert spec.with_parameter("fx_mix", 0.5).parameters == {"fx_mix": 0.5, "output": 1.0}
    assert len({spec, spec.with_parameter("fx_mix", 0.3), PluginSpec("urn:a")}) == 2


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"uri": "urn:a", "volume": 1}, "no key 'volume'; the keys are uri, parameters, preset, bypass"),
        ({"preset": "Fast"}, "no uri, only preset"),
        ({"uri": " "}, "uri is ' '"),
        ({"uri": "urn:a", "bypass": 1}, "bypass of plugin urn:a is 1"),
        ({"uri": "urn:a", "preset": 3}, "preset of plugin urn:a is 3"),
        ({"uri": "urn:a", "parameters": [1]}, r"parameters of plugin urn:a are \[1\]"),
        ({"uri": "urn:a", "parameters": {"x": "loud"}}, "parameter x of plugin urn:a is 'loud'"),
        ({"uri": "urn:a", "parameters": {"x": True}}, "parameter x of plugin urn:a is True"),
        ({"uri": "urn:a", "parameters": {"x": float("nan")}}, "must be a finite number"),
        ({"uri": "urn:a", "parameters": {"x": 10**400}}, "must be a finite number"),
    ],
)
def test_a_wrong_specification_is_refused_in_one_sentence(values: dict[str, Any], words: str) -> None:
    """An unknown key and a wrong value are named, with what was expected."""
    with pytest.raises(ConfigError, match=words):
        PluginSpec.from_mapping(values)


def test_a_scan_survives_what_it_finds(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Plugins that abort, hang and crash are black-listed with a sentence each, and the good one is tried."""
    installed(monkeypatch, folder, "early", "never", "crash", "notnumber", "late")
    begun: list[str] = []
    names = ("early", "never", "crash", "notnumber", "late")
    uris = [TEST + name for name in names]
    found = {one.uri: one for one in scan([*uris, "urn:nobody"], trial_s=2.0, begun=begun.append)}
    assert begun == [*uris, "urn:nobody"] == list(found)
    words = ["early crashed (SIGABRT)", "never hung", "crash crashed (SIGSEGV)"]
    for uri, expected in zip(uris, words, strict=False):
        assert found[uri].black_listed
        assert expected in str(found[uri].problem)
    assert set(blacklist.read()) == set(uris[:3])
    assert "no numbers" in str(found[uris[3]].problem)
    assert not found[uris[3]].black_listed
    good = found[uris[4]]
    assert (good.problem, good.latency_samples, good.info and good.info.name) == (None, DELAY, "Test late")
    assert "not installed" in str(found["urn:nobody"].problem)
    remember(list(found.values()))
    assert remembered() == found


def test_a_damaged_memory_of_scans_is_no_memory() -> None:
    """What cannot be read, or is of another version, counts as nothing known; what is kept comes back equal."""
    knob = Parameter("mode", "Mode", 0.0, 4.0, 1.0, "dB", "choice", (("Thin", 1.0), ("Thick", 4.0)))
    one = Finding("urn:a", PluginInfo("urn:a", "A", "VST3", parameters=(knob,), presets=(("urn:p", "P"),)), 3, 1.5)
    remember([one])
    remember([Finding("urn:b", problem="No.")])
    assert remembered()["urn:a"] == one
    assert list(remembered()) == ["urn:a", "urn:b"]
    path = blacklist.blacklist_path().with_name("plugins.json")
    for text in ("{", "[]", '{"version": 2, "plugins": {}}', '{"version": 1, "plugins": {"urn:a": {"info": {}}}}'):
        path.write_text(text)
        assert remembered() == {}


def test_the_black_list_is_written_whole_and_forgives(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin is on the list until it is forgiven, for good or for the session, and a damaged list is named."""
    monkeypatch.setattr(blacklist, "_SESSION", {})
    assert blacklist.reason("urn:a") is None
    blacklist.add("urn:a", "It crashed.")
    blacklist.add_for_session("urn:b", "It hung.")
    assert [blacklist.reason(uri) for uri in ("urn:a", "urn:b")] == ["It crashed.", "It hung."]
    assert [blacklist.forgive(uri) for uri in ("urn:a", "urn:b", "urn:c")] == [True, True, False]
    assert blacklist.read() == {}
    for text in ("{", "[]", '{"urn:a": 1}'):
        blacklist.blacklist_path().write_text(text)
        with pytest.raises(PluginError, match=r"black-list .*plugin-blacklist\.json"):
            blacklist.read()


def test_list_scan_and_forgive_tell_of_good_and_broken_plugins(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """`list` shows what can stand in a chain, `scan` finds what breaks, and `forgive` takes it off the list again."""
    monkeypatch.setattr(vst3, "uris", list)
    installed(monkeypatch, folder, "early", "late")
    early, late = f"{TEST}early", f"{TEST}late"
    assert [line.split()[-1] for line in run(app, "list").output.splitlines()[1:3]] == [early, late]
    scanned = json.loads(run(app, "scan", "--json").stdout)
    assert [one["black_listed"] for one in scanned["plugins"]] == [True, False]
    listed = {one["uri"]: one for one in json.loads(run(app, "list", "--json").stdout)["plugins"]}
    assert (listed[late]["latency_samples"], listed[late]["problem"]) == (DELAY, None)
    assert "crashed (SIGABRT)" in listed[early]["problem"]
    assert early not in [line.split()[-1] for line in run(app, "list").output.splitlines()]
    assert "crashed (SIGABRT)" in run(app, "list", "--all").output
    assert json.loads(run(app, "scan", "--json").stdout)["skipped"] == [early]
    assert run(app, "scan", early).exit_code == 1
    assert run(app, "forgive", early).exit_code == 0
    refused = run(app, "forgive", early)
    assert isinstance(refused.exception, PluginError)
    assert "not black-listed" in str(refused.exception)
    assert early in [line.split()[-1] for line in run(app, "list").output.splitlines()]


def test_show_names_every_knob_and_preset(app: typer.Typer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`show` prints the knobs of a real plugin with ranges and values, and its presets, as text and as JSON."""
    monkeypatch.setenv("COLUMNS", "160")
    text = run(app, "show", f"{MDA}Leslie").output
    for words in ("MDA Leslie", "lo_width", "0 Stop, 0.5 Slow, 1 Fast", f"{MDA}presets#Leslie-fast"):
        assert words in text
    shown = json.loads(run(app, "show", f"{MDA}Leslie", "--json").stdout)
    assert (shown["inputs"], len(shown["parameters"]), shown["problem"]) == (2, 9, None)
    assert isinstance(run(app, "show", "urn:nobody").exception, PluginError)


def test_show_gives_the_values_of_a_preset(app: typer.Typer) -> None:
    """With a preset `show` names each knob's value in it, which differs from preset to preset."""
    values = [
        json.loads(run(app, "show", f"{MDA}Leslie", "--preset", label, "--json").stdout)["values"]
        for label in ("Fast", "Slow")
    ]
    assert set(values[0]) == set(values[1])
    assert values[0] != values[1]


def test_a_scan_tells_how_far_it_is(app: typer.Typer) -> None:
    """With --progress a line on stderr counts each trial as it begins, and the JSON on stdout stays whole."""
    done = run(app, "scan", f"{MDA}Leslie", f"{MDA}Delay", "--json", "--progress")
    assert done.stderr.split() == ["1", "2", f"{MDA}Leslie", "2", "2", f"{MDA}Delay"]
    assert len(json.loads(done.stdout)["plugins"]) == 2


def test_the_format_is_seen_in_the_name() -> None:
    """A URI is an LV2, a path with a known ending a VST3 or an Audio Unit, and a prefix pedalboard's own."""
    uris = ("http://a/b", "urn:a", "/x/Y.vst3", "~/Y.vst3#Name", "/x/Y.component", "pedalboard:Gain")
    assert [format_of(uri) for uri in uris] == ["LV2", "LV2", "VST3", "VST3", "AU", "pedalboard"]


def test_without_pedalboard_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VST3 without the optional extra is refused with the command that installs it, and a list goes on without."""
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    monkeypatch.setattr(vst3, "available", lambda: False)
    with pytest.raises(PluginError, match=r"needs pedalboard.*pip install 'retimbre\[plugins\]'"):
        read_info("/nowhere/Thing.vst3")
    found, said = find_uris()
    assert not [uri for uri in found if format_of(uri) != "LV2"]
    assert any("retimbre[plugins]" in sentence for sentence in said)


def test_an_effect_of_pedalboard_plays_in_a_rack() -> None:
    """What pedalboard hosts runs behind the same protocol: a gain of 6.02 dB doubles, in blocks of any size."""
    pytest.importorskip("pedalboard")
    chain = Rack(
        [PluginSpec("pedalboard:Gain", {"gain_db": 20 * np.log10(2.0)})], rate_hz=48000, longest=2000, offline=True
    )
    try:
        sound = noise(1, 5000)
        np.testing.assert_allclose(play(chain, sound, (1, 65, 3000)), 2.0 * sound, atol=1e-6)
        chain.set_parameter(0, "gain_db", 0.0)
        np.testing.assert_allclose(play(chain, sound)[:, 2000:], sound[:, 2000:], atol=1e-6)
    finally:
        chain.close()


def test_the_latency_that_pedalboard_hides_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An effect whose first samples pedalboard keeps back sounds that much later, after a reset too."""
    native = pytest.importorskip("pedalboard_native")
    monkeypatch.setattr(vst3, "_load", lambda _uri: (native._internal.AddLatency(100), []))
    plugin = vst3.PedalboardPlugin("pedalboard:Late", 48000, 700)
    assert plugin.latency_samples == 100
    sound = noise(2, 3000)
    for block in (64, 701, 3000):
        out = np.zeros_like(sound)
        for begin in range(0, 3000, block):
            plugin.run(sound[:, begin : begin + block], out[:, begin : begin + block])
        np.testing.assert_array_equal(out, delayed(sound, 100))
        plugin.reset()


class Knob:
    """What pedalboard says of a parameter of a VST3, as far as it is asked."""

    def __init__(self, name: str, *, switch: bool = False, steps: int = 0) -> None:
        self.name, self.is_boolean, self.is_discrete, self.num_steps = name, switch, bool(steps), steps
        self.default_raw_value = self.raw_value = 0.5

    def get_text_for_raw_value(self, value: float) -> str:
        """A label."""
        return f"{self.name} {value:g}"


def test_a_vst3_is_hosted_by_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A .vst3 is loaded by path and name, its knobs go from 0 to 1 by their raw values, choices have their labels.

    No VST3 can be had here: the effect is pedalboard's own, dressed as its class for VST3 shows one.
    """
    pedalboard = pytest.importorskip("pedalboard")
    knobs = {"drive": Knob("Drive"), "on": Knob("On", switch=True), "mode": Knob("Mode", steps=3)}
    asked: list[tuple[str, str | None]] = []

    said = {"name": "Fuzz", "manufacturer_name": "A maker", "category": "Fx|Distortion", "parameters": knobs}
    dressed = type("Dressed", (pedalboard.Gain,), said)

    def load_plugin(path: str, plugin_name: str | None = None) -> Any:
        asked.append((path, plugin_name))
        return dressed(0.0)

    monkeypatch.setattr(pedalboard, "load_plugin", load_plugin)
    file = tmp_path / "Fuzz.vst3"
    with pytest.raises(PluginError, match="is not there"):
        read_info(str(file))
    file.mkdir()
    plugin = open_plugin(PluginSpec(f"{file}#Fuzz", {"drive": 0.25, "on": 0.9, "mode": 0.6}), 48000, 512)
    assert asked == [(str(file), "Fuzz")]
    info = plugin.info
    assert (info.name, info.maker, info.category, info.format, info.inputs) == (
        "Fuzz", "A maker", "Fx|Distortion", "VST3", 2,
    )  # fmt: skip
    assert [one.kind for one in info.parameters] == ["number", "switch", "choice"]
    assert info.parameters[2].choices == (("Mode 0", 0.0), ("Mode 0.5", 0.5), ("Mode 1", 1.0))
    assert plugin.values() == [0.25, 1.0, 0.5]
    sound = noise(2, 300)
    out = np.zeros_like(sound)
    plugin.run(sound, out)
    np.testing.assert_allclose(out, sound, atol=1e-6)
    plugin.close()

    def refuse(path: str, plugin_name: str | None = None) -> Any:
        raise ImportError("not a\n\tplugin")

    monkeypatch.setattr(pedalboard, "load_plugin", refuse)
    with pytest.raises(PluginError, match=r"could not be loaded \(not a plugin\)"):
        read_info(str(file))
