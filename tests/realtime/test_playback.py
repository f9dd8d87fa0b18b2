"""A file in the audio callback, block by block, without a sound card."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from realtime.controls import Controls
from realtime.errors import ConfigError
from realtime.lane import Lane
from realtime.messages import MidiSettings, PlayedFile
from realtime.meters import Meters
from realtime.playback import Playback, Sound, Voice
from realtime.player import Player

RATE = 48000
BLOCK = 128
FADE = RATE // 100


class Plain:
    """A chain that gives its input back."""

    step_samples, sample_rate = BLOCK, RATE

    def process(self, block: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Pass it on."""
        out[:] = block

    def reset(self) -> None:
        """Nothing to forget."""


def player(channels: tuple[int, ...] = (0, 1), **more: Any) -> Player:
    shown = Meters()
    lane = Lane(Plain(), shown.model, rate_hz=RATE, block=BLOCK, delay_samples=0)
    return Player(lane, shown, rate_hz=RATE, output_channels=channels, **more)


def run(one: Player, heard: NDArray[np.float32], channels: int = 2) -> NDArray[np.float32]:
    """What the card gets, (samples, channels), while it hears `heard` (samples,)."""
    out = np.zeros((heard.size, channels), np.float32)
    for begin in range(0, heard.size, BLOCK):
        part = heard[begin : begin + BLOCK]
        one.callback(part[:, None], out[begin : begin + BLOCK], part.size, 0)
    assert one._numbers[9] == 0  # faults
    return out


def sine(hz: float, samples: int, level: float = 0.25) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


def voice(samples: NDArray[np.float32], to: Any = "input", **more: Any) -> Voice:
    return Voice(Sound(Path("a.wav"), np.atleast_2d(samples), RATE), PlayedFile(Path("a.wav"), to, **more))


def test_a_file_replaces_the_input_and_ends() -> None:
    """The file is heard sample for sample in place of the card, fades at both ends, and gives the card back."""
    sound, card = sine(480.0, RATE), np.full(2 * RATE, 0.1, np.float32)
    one = player()
    one.playback.play(voice(sound))
    out = run(one, card)[:, 0]
    assert np.array_equal(out[FADE : RATE - FADE], sound[FADE : RATE - FADE])
    assert np.array_equal(out[RATE:], card[RATE:])
    assert np.abs(np.diff(out)).max() < 0.02
    assert [each.wanted.path for each in one.playback.ended] == [Path("a.wav")]
    assert math.isnan(one._shown.snapshot().file_s)


def test_the_place_is_shown() -> None:
    """The meters tell the place in the file, counted from its beginning, wherever it began."""
    one = player()
    one.playback.play(voice(sine(480.0, RATE), from_s=0.5))
    run(one, np.zeros(10 * BLOCK, np.float32))
    assert one._shown.snapshot().file_s == pytest.approx(0.5 + 10 * BLOCK / RATE, abs=1e-9)
    one.playback.play(None)
    run(one, np.zeros(10 * BLOCK, np.float32))
    assert math.isnan(one._shown.snapshot().file_s)
    assert not one.playback.ended  # it was ended, it did not end


def test_a_file_at_the_output_sounds_while_muted_and_never_clips() -> None:
    """Muted, the file alone is heard, left and right apart; unmuted, both are, under full scale."""
    sound = np.stack([sine(480.0, 4 * RATE, 0.9), sine(960.0, 4 * RATE, 0.9)])
    one = player(muted=True)
    one.playback.play(voice(sound, "output"))
    live = sine(333.0, RATE, 0.9)
    out = run(one, live)
    assert np.allclose(out[FADE:], sound.T[FADE:RATE], atol=0.03)  # the limiter bends above −1 dBFS
    one.muted = False
    both = run(one, live)
    assert np.abs(both).max() <= 1.0 and np.abs(both[RATE // 2 :]).max() > 0.95
    bent = both[RATE // 2 :, 0]
    # Limited, not cut: no run of samples stands at the ceiling.
    assert not ((np.abs(bent[1:]) >= 0.9999) & (np.abs(np.diff(bent)) < 1e-7)).any()
    assert one._shown.snapshot().output_peak <= 1.0


def test_a_recording_and_the_live_sound_are_untouched_by_a_file_at_the_output() -> None:
    """A quiet file is added to the live sound and to nothing else, and leaves it bit by bit as it was afterwards."""
    one = player()
    live = sine(333.0, RATE)
    one.playback.play(voice(sine(480.0, RATE // 4), "output"))
    out = run(one, live)
    assert np.allclose(out[: RATE // 8, 0] - live[: RATE // 8], 0, atol=0.3)
    assert np.abs(out[FADE : RATE // 8, 0] - live[FADE : RATE // 8]).max() > 0.2
    assert np.array_equal(out[RATE // 2 :, 0], live[RATE // 2 :])
    assert one._shown.snapshot().made_peak == pytest.approx(0.25, abs=0.01)


def test_a_stereo_file_on_one_channel_is_heard_whole() -> None:
    """Where the card gives one channel, both sides of a file are summed to it."""
    one = player(channels=(0,), muted=True)
    left, right = sine(480.0, RATE), sine(960.0, RATE)
    one.playback.play(voice(np.stack([left, right]), "output"))
    out = run(one, np.zeros(RATE // 2, np.float32), channels=1)[:, 0]
    assert np.allclose(out[FADE:], 0.5 * (left + right)[FADE : RATE // 2], atol=1e-6)


def test_switching_in_step_is_sample_exact_and_does_not_click() -> None:
    """Another file takes over at the very sample, and the step between samples never exceeds the sounds' own."""
    first, second = sine(480.0, RATE, 0.3), sine(480.0, RATE, 0.5)
    one = player(muted=True)
    one.playback.play(voice(first, "output"))
    before = run(one, np.zeros(37 * BLOCK, np.float32))[:, 0]
    one.playback.play(voice(second, "output", in_step=True, from_s=0.9))
    after = run(one, np.zeros(40 * BLOCK, np.float32))[:, 0]
    at = 37 * BLOCK
    assert np.allclose(after[FADE:], second[at + FADE : at + 40 * BLOCK], atol=1e-6)
    whole = np.concatenate([before, after])
    assert np.abs(np.diff(whole)).max() < 1.01 * np.abs(np.diff(second)).max()
    # Where two equal sounds cross nothing is heard of it: gains that sum to one.
    one.playback.play(voice(second, "output", in_step=True))
    again = run(one, np.zeros(40 * BLOCK, np.float32))[:, 0]
    assert np.allclose(again, second[at + 40 * BLOCK :][: 40 * BLOCK], atol=1e-6)


def test_the_card_stays_out_of_a_switch_at_the_input() -> None:
    """While one file at the input gives way to another, nothing of the card's input leaks through."""
    one = player()
    one.playback.play(voice(sine(480.0, RATE)))
    card = np.full(40 * BLOCK, 0.5, np.float32)
    run(one, card)
    one.playback.play(voice(sine(480.0, RATE), in_step=True))
    out = run(one, card)[:, 0]
    assert np.allclose(out, sine(480.0, RATE)[40 * BLOCK : 80 * BLOCK], atol=1e-5)


def test_of_many_switches_the_last_counts() -> None:
    """Switching in every block, faster than a fade lasts, neither clicks nor loses the last wish."""
    sounds = [sine(480.0, RATE, 0.3), sine(480.0, RATE, 0.5)]
    one, heard = player(muted=True), []
    for number in range(41):
        one.playback.play(voice(sounds[number % 2], "output", in_step=True))
        heard.append(run(one, np.zeros(BLOCK, np.float32))[:, 0])
    heard.append(run(one, np.zeros(20 * BLOCK, np.float32))[:, 0])
    whole = np.concatenate(heard)
    assert np.abs(np.diff(whole)).max() < 1.01 * np.abs(np.diff(sounds[1])).max()
    assert np.allclose(whole[-5 * BLOCK :], sounds[0][56 * BLOCK : 61 * BLOCK], atol=1e-6)


def test_a_loop_has_no_seam() -> None:
    """A sound of whole periods goes on as if it were endless, and one that does not fit is joined without a step."""
    one = player(muted=True)
    one.playback.play(voice(sine(480.0, RATE // 10), "output", loop=True))
    out = run(one, np.zeros(2 * RATE, np.float32))[:, 0]
    assert np.allclose(out[FADE:], sine(480.0, 2 * RATE)[FADE:], atol=2e-4)
    assert not one.playback.ended
    other = player(muted=True)
    other.playback.play(voice(np.linspace(0, 0.8, RATE // 10).astype(np.float32), "output", loop=True))
    out = run(other, np.zeros(2 * RATE, np.float32))[:, 0]
    assert np.abs(np.diff(out)).max() < 0.06
    assert 0 <= other.playback.place_s < 0.1


def test_any_file_and_place_may_be_played() -> None:
    """One sample, an end before the beginning, and more channels than two play without a fault and end."""
    for samples, from_s in ((np.ones((1, 1)), 0.0), (np.ones((5, 1)), 7.0), (np.ones((6, RATE)), 0.99)):
        for loop in (False, True):
            one = player()
            one.playback.play(voice(0.1 * samples.astype(np.float32), "output", loop=loop, from_s=from_s))
            out = run(one, np.zeros(40 * BLOCK, np.float32))
            assert np.isfinite(out).all()
            assert len(one.playback.ended) == (not loop)


def test_notes_beside_the_input_are_heard_beside_the_file() -> None:
    """A source that is mixed with the input is added to the file; one that replaces the input gives way to it."""

    class Notes:
        mixed = True

        def fill(self, block: NDArray[np.float32]) -> None:
            block[:] = block + 0.25 if self.mixed else 0.25

    for mixed, level in ((True, 0.5), (False, 0.25)):
        one, notes = player(), Notes()
        notes.mixed, one.feed = mixed, notes
        one.playback.play(voice(np.full(RATE, 0.25, np.float32)))
        assert run(one, np.zeros(20 * BLOCK, np.float32))[-1, 0] == pytest.approx(level)


def test_a_ceiling_holds_for_the_sum() -> None:
    """The user's own ceiling is the ceiling of live sound and file together."""
    one = player(controls=Controls(ceiling_db=-12.0))
    one.playback.play(voice(sine(480.0, RATE, 0.9), "output"))
    out = run(one, sine(333.0, RATE // 2, 0.9))
    assert np.abs(out[RATE // 10 :]).max() <= 10 ** (-12 / 20)


@pytest.mark.parametrize(("fields", "sentence"), [({"from_s": -1.0}, "begins at -1 s"), ({"to": "left"}, "'left'")])
def test_a_wish_that_makes_no_sense_is_refused(fields: dict[str, Any], sentence: str) -> None:
    """A place before the beginning and an unknown way are each refused with a sentence."""
    with pytest.raises(ConfigError, match=sentence):
        PlayedFile(Path("a.wav"), **fields)


def test_midi_comes_from_one_place() -> None:
    """A keyboard of the host is an input like a port: one of them, never two, never none."""
    assert MidiSettings(keyboard=True).port is None
    wrong: tuple[dict[str, Any], ...] = ({}, {"port": "a", "keyboard": True})
    for fields in wrong:
        with pytest.raises(ConfigError, match="one of port, virtual, file or keyboard"):
            MidiSettings(**fields)


def test_nothing_plays_by_itself() -> None:
    """A playback that was given nothing has nothing to do and no place."""
    playback = Playback()
    assert not playback.begin() and math.isnan(playback.place_s)
