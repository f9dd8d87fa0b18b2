from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import PluginError
from realtime.plugins.lv2 import World
from realtime.plugins.lv2_instance import Lv2Plugin
from tests.realtime.plugin_parts import DELAY, MDA, TEST, build, delayed, installed, noise


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lv2"))


@pytest.fixture(scope="module")
def mda() -> World:
    world = World()
    assert f"{MDA}Delay" in world.uris(), "mda-lv2 is missing: run scripts/test, which installs it"
    return world


def test_a_real_plugin_says_what_it_is(mda: World) -> None:
    """The facts of a plugin come from its own texts: name, kind, channels, knobs with ranges and values."""
    info = mda.info(f"{MDA}Leslie")
    assert (info.name, info.category, info.maker) == ("MDA Leslie", "Simulator", "David Robillard")
    assert (info.inputs, info.outputs, info.problem) == (2, 2, None)
    mode = info.parameters[info.parameter("mode")]
    assert (mode.minimum, mode.maximum, mode.default) == (0.0, 1.0, 0.5)
    assert mode.choices == (("Stop", 0.0), ("Slow", 0.5), ("Fast", 1.0))
    assert [label for _, label in info.presets] == ["Default", "Fast", "Slow"]


def test_units_kinds_and_fitted_values_are_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A knob knows its unit and kind, and moves a value to the nearest that it can have."""
    installed(monkeypatch, folder, "late")
    level, trouble, mode = World().info(f"{TEST}late").parameters
    assert (level.kind, level.logarithmic, trouble.kind) == ("number", True, "switch")
    assert (mode.kind, mode.unit, mode.choices) == ("choice", "dB", (("Thin", 1.0), ("Thick", 4.0)))
    assert (level.fitted(9.0), trouble.fitted(0.7), mode.fitted(2.0), mode.fitted(3.0)) == (2.0, 1.0, 1.0, 4.0)


def test_every_real_effect_runs_in_any_block_size(mda: World) -> None:
    """All 32 effects of mda-lv2 load, and give finite sound for blocks of 1 to 5000 frames."""
    sound = noise(2, 5000)
    for uri in mda.uris():
        if mda.info(uri).problem is None:
            plugin = Lv2Plugin(mda, uri, 48000, 8192)
            for frames in (1, 64, 65, 5000):
                out = np.full((2, frames), np.nan, np.float32)
                plugin.run(sound[:, :frames], out)
                assert np.isfinite(out).all(), uri
            plugin.close()


def test_an_instrument_is_refused_with_a_sentence(mda: World) -> None:
    """A plugin that takes no sound cannot stand in a chain, and says so."""
    with pytest.raises(PluginError, match="takes no sound"):
        Lv2Plugin(mda, f"{MDA}Piano", 48000, 512)


@pytest.mark.parametrize("uri", ["urn:nobody", "no uri at all"])
def test_a_plugin_that_is_not_installed_is_named(mda: World, uri: str) -> None:
    """An unknown plugin gives one sentence with its name and the way to those that are there."""
    with pytest.raises(PluginError, match=f"{uri}.*plugins list"):
        mda.info(uri)


def test_a_parameter_acts(mda: World) -> None:
    """Setting a control port changes the sound: the output knob at its low end takes most of the level."""
    plugin = Lv2Plugin(mda, f"{MDA}RezFilter", 48000, 4096)
    output, sound, out = plugin.info.parameter("output"), noise(2, 4096), np.zeros((2, 4096), np.float32)
    levels = []
    for value in (0.5, 0.0):
        plugin.set_value(output, value)
        plugin.reset()
        plugin.run(sound, out)
        levels.append(float(np.sqrt(np.mean(out**2))))
    plugin.close()
    assert levels[1] < 0.3 * levels[0]


def test_a_preset_sets_the_knobs_it_names(mda: World) -> None:
    """A preset, by its label or URI, puts the knobs where its maker had them."""
    by_label = Lv2Plugin(mda, f"{MDA}Leslie", 48000, 512, "Fast")
    by_uri = Lv2Plugin(mda, f"{MDA}Leslie", 48000, 512, f"{MDA}presets#Leslie-fast")
    plain = Lv2Plugin(mda, f"{MDA}Leslie", 48000, 512)
    mode = plain.info.parameter("mode")
    assert by_label.values() == by_uri.values()
    assert (by_label.values()[mode], plain.values()[mode]) == (1.0, 0.5)
    with pytest.raises(PluginError, match=r"no preset 'Faster'.*'Fast'"):
        Lv2Plugin(mda, f"{MDA}Leslie", 48000, 512, "Faster")


def test_a_reported_latency_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latency port is read when the plugin is loaded, and the sound comes just that much later."""
    installed(monkeypatch, folder, "late")
    plugin = Lv2Plugin(World(), f"{TEST}late", 48000, 512)
    sound = noise(1, 2000)
    out = np.zeros_like(sound)
    assert plugin.latency_samples == DELAY
    plugin.run(sound, out)
    np.testing.assert_array_equal(out, delayed(sound, DELAY))
    plugin.close()


def test_worker_options_and_event_ports_serve_a_plugin_that_requires_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin gets its answer from the worker, an empty event sequence, room for events, and the longest block.

    The test plugin doubles its level in the worker, and is silent when anything of the rest is not as the headers say.
    """
    installed(monkeypatch, folder, "work")
    plugin = Lv2Plugin(World(), f"{TEST}work", 48000, 256)
    sound = noise(1, 512)
    out = np.zeros_like(sound)
    deadline = time.monotonic() + 10.0
    while not out.any() and time.monotonic() < deadline:
        plugin.run(sound, out)
        time.sleep(0.001)
    plugin.run(sound, out)
    plugin.close()
    np.testing.assert_array_equal(out, 2.0 * sound)
