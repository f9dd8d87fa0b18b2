from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from realtime.errors import ConfigError, PluginError
from realtime.plugins import blacklist, rack
from realtime.plugins.rack import Rack
from realtime.plugins.spec import PluginSpec
from tests.conftest import may_run_in_real_time
from tests.realtime.plugin_parts import DELAY, MDA, TEST, build, delayed, installed, noise, play, play_live

LATE = PluginSpec(f"{TEST}late")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("lv2"))


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the test's own plugins be those that are installed."""
    installed(monkeypatch, folder)


@pytest.fixture
def open_rack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rack]]:
    """Racks that end with the test, as a session does: nothing stays black-listed."""
    monkeypatch.setattr(blacklist, "_SESSION", {})
    opened: list[Rack] = []

    def make(*specs: PluginSpec, **options: Any) -> Rack:
        settings = {"rate_hz": 48000, "longest": 4096, **options}
        opened.append(Rack(specs, **settings))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_latencies_add_up_and_every_block_size_is_exact(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """The sound comes later by the sum of what the plugins report, to the sample, for blocks of 1 to 10000 frames."""
    chain = open_rack(LATE, LATE, offline=True)
    sound = noise(1, 25000)
    assert chain.latency_samples == 2 * DELAY
    out = play(chain, sound, (1, 7, 64, 65, 1000, 10000))
    np.testing.assert_array_equal(out, delayed(sound, 2 * DELAY))
    assert chain.misses == 0


def test_parameters_and_presets_act_and_are_kept(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """A preset sets the knobs, the specification's own values win, and what is set later is in the specification."""
    quiet = PluginSpec(LATE.uri, preset="Quiet")
    chain = open_rack(quiet, PluginSpec(LATE.uri, {"level": 0.5}, preset="Quiet"), offline=True)
    sound = noise(1, 8000)
    np.testing.assert_allclose(play(chain, sound), 0.125 * delayed(sound, 2 * DELAY), atol=1e-7)
    chain.set_parameter(0, "level", 9.0)
    assert chain.specs[0].parameters == {"level": 2.0}
    assert chain.values(0)["level"] == 2.0
    np.testing.assert_allclose(play(chain, sound)[:, 2000:], delayed(sound, 2 * DELAY)[:, 2000:], atol=1e-6)


def test_real_plugins_play(open_rack: Callable[..., Rack]) -> None:
    """Plugins of mda-lv2 change a stereo sound made from a mono one, and an output knob turns it down."""
    chain = open_rack(PluginSpec(f"{MDA}Leslie"), PluginSpec(f"{MDA}Delay"), channels=(1, 2), offline=True)
    sound = noise(1, 30000)
    loud = play(chain, sound, outputs=2)
    chain.set_parameter(1, "output", 0.0)
    soft = play(chain, sound, outputs=2)[:, 5000:]
    assert not np.array_equal(loud[0], loud[1])
    assert 0.0 < np.sqrt(np.mean(soft**2)) < 0.3 * np.sqrt(np.mean(loud**2))


@pytest.mark.parametrize(
    ("name", "channels", "weights"),
    [
        ("crash", (2, 2), [[1.0, 0.0], [0.0, 1.0]]),
        ("wide", (1, 2), [[1.0], [0.5]]),
        ("fold", (2, 1), [[1.0, -1.0]]),
    ],
)
def test_channels_fit(
    plugins: None, open_rack: Callable[..., Rack], name: str, channels: tuple[int, int], weights: list[list[float]]
) -> None:
    """Mono plugins serve stereo racks side by side, and the ends of a rack fit what the engine has."""
    sound = noise(channels[0], 2000)
    out = play(open_rack(PluginSpec(f"{TEST}{name}"), channels=channels, offline=True), sound, outputs=channels[1])
    np.testing.assert_allclose(out, np.asarray(weights, np.float32) @ sound, atol=1e-7)


def test_bypass_keeps_the_delay(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """By-passed from the start or while it plays, a plugin's delay stays, and the chain's latency with it."""
    chain = open_rack(PluginSpec(LATE.uri, {"level": 0.0}, bypass=True), LATE, offline=True)
    sound = noise(1, 6000)
    np.testing.assert_array_equal(play(chain, sound), delayed(sound, 2 * DELAY))
    chain.set_bypass(0, False)
    assert chain.specs[0].bypass is False
    assert not play(chain, sound)[:, 2000:].any()
    chain.set_bypass(0, True)
    np.testing.assert_array_equal(play(chain, sound)[:, 2000:], delayed(sound, 2 * DELAY)[:, 2000:])


def test_a_chain_without_plugins_needs_no_process(open_rack: Callable[..., Rack]) -> None:
    """No plugins: the input passes at once, and nothing is started."""
    chain, sound = open_rack(channels=(1, 2)), noise(1, 100)
    np.testing.assert_array_equal(play(chain, sound, outputs=2), np.repeat(sound, 2, axis=0))
    assert (chain.process_id, chain.latency_samples, chain.tick()) == (None, 0, [])


def test_a_killed_process_gives_way_to_the_delayed_input_and_comes_back(
    plugins: None, open_rack: Callable[..., Rack]
) -> None:
    """kill -9: the delayed input is heard in the same block, then the plugins again, knobs as they stood."""
    chain = open_rack(PluginSpec(LATE.uri, {"level": 1.5}), offline=True)
    sound, out = noise(1, 400), np.zeros((1, 400), np.float32)
    chain.set_parameter(0, "level", 0.25)
    assert chain.process(sound, out)
    first = chain.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while chain.process(sound, out):
        assert np.isfinite(out).all()
    np.testing.assert_array_equal(out[:, 300:], sound[:, 300 - DELAY : 400 - DELAY])
    chain.set_bypass(0, False)  # what is set while nobody plays is not lost either
    said = play_live(chain, lambda _said, wet: wet, level=0.4)
    assert any("ended from outside (SIGKILL)" in sentence for sentence in said)
    assert chain.process_id not in (None, first)
    assert (chain.left_out, chain.latency_samples) == ({}, DELAY)
    np.testing.assert_allclose(play(chain, noise(1, 3000))[:, 2000:], 0.25 * delayed(noise(1, 3000), DELAY)[:, 2000:])
    assert chain.misses >= 1


@pytest.mark.parametrize(("name", "words"), [("crash", "crashed"), ("hang", "hung"), ("spin", "")])
def test_a_plugin_that_breaks_is_found_and_left_out(
    plugins: None, open_rack: Callable[..., Rack], name: str, words: str
) -> None:
    """A plugin that crashes, sleeps or computes for ever is named and left out, and the rest plays on, no earlier."""
    chain = open_rack(PluginSpec(LATE.uri, {"level": 0.5}), PluginSpec(f"{TEST}{name}"))
    play_live(chain, lambda _said, wet: wet)
    chain.set_parameter(1, "trouble", 1.0)
    said = play_live(chain, lambda said, _wet: any(f"Test {name}" in one for one in said))
    assert any(f"Test {name} {words}" in sentence and "left out" in sentence for sentence in said)
    play_live(chain, lambda _said, wet: wet)
    assert list(chain.left_out) == [1]
    assert chain.latency_samples == DELAY
    out, ones = np.zeros((1, 128), np.float32), np.ones((1, 128), np.float32)
    play_live(chain, lambda _said, _wet: chain.process(ones, out) and bool((out == 0.5).all()), level=1.0)
    # For the session: another chain does not load it either.
    again = open_rack(PluginSpec(f"{TEST}{name}"))
    assert any(f"Test {name}" in sentence for sentence in again.tick())
    assert again.process_id is None
    assert again.process(ones, out)
    assert again.misses == 0


def test_sounds_that_are_no_numbers_are_never_heard(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """A plugin that gives NaN is heard no more than its input, begun anew twice, and then left out, each time said."""
    chain = open_rack(PluginSpec(f"{TEST}notnumber"), offline=True)
    sound = noise(1, 256)
    np.testing.assert_array_equal(play(chain, sound), sound)
    chain.set_parameter(0, "trouble", 1.0)
    said: list[str] = []
    for _ in range(10):
        out = play(chain, sound)
        assert np.isfinite(out).all()
        said += chain.tick()
    np.testing.assert_array_equal(out, sound)
    assert [sentence.split(" and ")[-1] for sentence in said] == ["was begun anew."] * 2 + ["is left out."]
    assert list(chain.left_out) == [0]


def test_a_stopped_process_costs_no_more_than_the_wait_and_is_replaced(
    plugins: None, open_rack: Callable[..., Rack]
) -> None:
    """SIGSTOP: blocks are answered with the input meanwhile, and a process that stays away is ended and begun anew."""
    chain = open_rack(LATE)
    play_live(chain, lambda _said, wet: wet)
    stopped = chain.process_id
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    said = play_live(chain, lambda said, wet: wet and any("hung" in one for one in said))
    assert any("started again" in sentence for sentence in said)
    assert not psutil.pid_exists(stopped)
    assert chain.misses > 0


def test_plugins_that_break_while_they_load_are_left_out(
    monkeypatch: pytest.MonkeyPatch, folder: Path, open_rack: Callable[..., Rack]
) -> None:
    """A crash and a hang in the loading of a plugin are survived, and the others play."""
    monkeypatch.setattr(rack, "_LOAD_S", 2.0)
    installed(monkeypatch, folder, "late", "early", "never")
    chain = open_rack(PluginSpec(f"{TEST}early"), LATE, PluginSpec(f"{TEST}never"), offline=True)
    said = chain.tick()
    assert list(chain.left_out) == [0, 2]
    assert any("early crashed (SIGABRT)" in one for one in said)
    assert any("never hung" in one for one in said)
    np.testing.assert_array_equal(play(chain, noise(1, 500)), delayed(noise(1, 500), DELAY))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (PluginSpec("urn:nobody"), "urn:nobody.*not installed"),
        (PluginSpec(LATE.uri, {"gain": 1.0}), "no parameter 'gain'; its parameters are level, trouble, mode"),
        (PluginSpec(LATE.uri, preset="Loud"), "no preset 'Loud'; its presets are 'Quiet'"),
    ],
)
def test_what_a_user_got_wrong_is_said(
    plugins: None, open_rack: Callable[..., Rack], spec: PluginSpec, words: str
) -> None:
    """A plugin, parameter or preset that does not exist raises one sentence."""
    with pytest.raises(PluginError, match=words):
        open_rack(spec)


def test_a_lenient_chain_plays_without_what_is_not_there(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """On stage a plugin that is not installed is left out with a sentence, and the others play."""
    chain = open_rack(PluginSpec("urn:nobody"), LATE, lenient=True, offline=True)
    assert list(chain.left_out) == [0]
    assert "not installed" in chain.tick()[0]
    np.testing.assert_array_equal(play(chain, noise(1, 500)), delayed(noise(1, 500), DELAY))


def test_a_chain_has_bounds(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """Too many plugins, a place that is not there, and a parameter that is not there are refused."""
    with pytest.raises(ConfigError, match="17 plugins"):
        open_rack(*[LATE] * 17)
    chain = open_rack(LATE)
    with pytest.raises(PluginError, match="no plugin 1"):
        chain.set_bypass(1, True)
    with pytest.raises(PluginError, match="no parameter 'gain'"):
        chain.set_parameter(0, "gain", 1.0)


def test_a_black_listed_plugin_is_not_loaded(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """What a scan black-listed is left out with its sentence; a list that is damaged takes nothing from the player."""
    blacklist.add(LATE.uri, "The plugin late is not to be trusted.")
    chain = open_rack(LATE)
    assert (chain.tick(), chain.process_id) == (["The plugin late is not to be trusted."], None)
    blacklist.blacklist_path().write_text("{")
    damaged = open_rack(LATE)
    assert "cannot be read" in damaged.tick()[0]
    assert damaged.process_id is not None


def test_the_process_is_light_and_in_time(plugins: None, open_rack: Callable[..., Rack]) -> None:
    """The process of the plugins holds neither onnxruntime nor PortAudio, and is real-time where that is allowed."""
    chain = open_rack(LATE)
    process_id = chain.process_id
    assert process_id is not None
    mapped = Path(f"/proc/{process_id}/maps").read_text()
    assert "liblilv" in mapped
    assert "onnxruntime" not in mapped
    assert "portaudio" not in mapped
    wanted = os.SCHED_FIFO if may_run_in_real_time() else os.SCHED_OTHER
    assert os.sched_getscheduler(process_id) == wanted


def in_an_engine(pipe: Any) -> None:
    """What an engine process does with a chain, whose second plugin hangs in the end: it is a daemon, and lives on."""
    chain = Rack([LATE, PluginSpec(f"{TEST}hang")], rate_hz=48000, longest=256)
    sound, out = np.ones((1, 256), np.float32), np.zeros((1, 256), np.float32)
    while not (chain.process(sound, out) and (out == 1.0).all()):
        time.sleep(0.005)
    chain.set_parameter(1, "trouble", 1.0)
    while chain.process(sound, out):
        time.sleep(0.005)
    pipe.send(chain.process_id)
    signal.pause()


def test_no_orphan_is_left_when_the_engine_is_killed(plugins: None) -> None:
    """A rack works inside a daemon process, and its own process ends when that one is killed, even in a hang."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    engine = context.Process(target=in_an_engine, args=(theirs,), daemon=True)
    engine.start()
    assert pipe.poll(60.0)
    child = psutil.Process(pipe.recv())
    engine.kill()
    engine.join()
    gone, alive = psutil.wait_procs([child], timeout=10.0)
    for one in alive:
        one.kill()
    assert gone == [child], "the rack's process outlived its engine"


def test_the_modules_of_the_process_know_no_model_and_no_card() -> None:
    """Importing what the process runs brings neither onnxruntime nor sounddevice nor Qt nor torch."""
    code = (
        "import sys, realtime.plugins.rack_process, realtime.plugins.lv2_instance\n"
        "print({'onnxruntime', 'sounddevice', 'torch', 'PyQt6', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
