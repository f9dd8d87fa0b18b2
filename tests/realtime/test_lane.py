from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from realtime.lane import Lane
from realtime.latency import buffering_samples
from realtime.live_view import TunerView
from realtime.meters import Meters
from realtime.player import Player
from tests.realtime.live_parts import FloatArray

RATE = 48000


class Gain:
    """A stepper that multiplies by a factor; it can be told to give NaN or to fail."""

    def __init__(self, gain: float, step: int = 64) -> None:
        """step: samples."""
        self.step_samples, self.sample_rate = step, RATE
        self.gain, self.wrong = gain, False
        self.calls = 0

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """The input, multiplied."""
        self.calls += 1
        np.multiply(block, np.nan if self.wrong else self.gain, out=out)

    def reset(self) -> None:
        """Nothing to forget."""


def lane(stepper: Gain, *, block: int = 128, slack: int = 0) -> Lane:
    delay = buffering_samples(block, stepper.step_samples) + slack
    return Lane(stepper, Meters().model, rate_hz=RATE, block=block, delay_samples=delay, slack_samples=slack)


def sine(samples: int, amplitude: float = 0.25, hz: float = 220.0) -> FloatArray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(samples) / RATE)).astype(np.float32)


def play(one: Player, sound: FloatArray, block: int = 128, each: Any = None) -> FloatArray:
    out = np.zeros((sound.size, 1), np.float32)
    for begin in range(0, sound.size, block):
        if each is not None:
            each(begin)
        one.callback(sound[begin : begin + block, None], out[begin : begin + block], block, 0)
    return out[:, 0]


def serve(one: Lane, sound: FloatArray, block: int = 128) -> FloatArray:
    out = np.zeros_like(sound)
    for begin in range(0, sound.size, block):
        one.serve(sound[begin : begin + block], out[begin : begin + block])
    return out


def roughness(sound: FloatArray) -> float:
    """The largest second difference: a click is large, a sine of this loudness and its ramps are not."""
    return float(np.abs(np.diff(sound, 2)).max())


def test_standing_aside_is_silent_of_the_model_and_smooth() -> None:
    """A lane that stands aside walks to the input without a click, then leaves the chain alone, and comes back."""
    stepper = Gain(2.0)
    one, sound = lane(stepper), sine(RATE)
    serve(one, sound[:12800])
    one.aside = True
    leaving = serve(one, sound[12800:25600])
    assert one.quiet
    calls = stepper.calls
    assert np.array_equal(leaving[1280:], sound[12800 + 1280 : 25600])
    serve(one, sound[25600:32000])
    assert stepper.calls == calls
    one.aside = False
    back = serve(one, sound[32000:44800])
    assert np.array_equal(back[1280:], 2 * sound[32000 + 1280 : 44800])
    assert roughness(leaving) < 0.003 and roughness(back) < 0.003


@pytest.mark.parametrize("bad_blocks", [1, 2, 9])
def test_a_spoilt_block_does_not_click(bad_blocks: int) -> None:
    """Going to the dry signal and coming back is smooth, however short the trouble."""
    stepper = Gain(-1.0)  # the worst: the model and the input are opposite
    one, sound = lane(stepper), sine(128 * 187, hz=110.0)
    out = np.zeros_like(sound)
    for number, begin in enumerate(range(0, sound.size, 128)):
        stepper.wrong = 50 <= number < 50 + bad_blocks
        trouble = one.serve(sound[begin : begin + 128], out[begin : begin + 128])
        assert (trouble == "not finite") == stepper.wrong
    assert np.isfinite(out).all()
    # From −x to x within 2.5 ms: a step would be 0.5.
    assert np.abs(np.diff(out)).max() < 0.02
    assert np.array_equal(out[128 * 80 : 128 * 90], -sound[128 * 80 : 128 * 90])


def test_another_lane_is_crossfaded_in() -> None:
    """Two models change places without a click and without a gap; the old one is no longer called."""
    old, new = Gain(1.0), Gain(-0.5, step=256)
    first, second = lane(old), lane(new)
    one = Player(first, Meters(), rate_hz=RATE)
    sound = sine(RATE)

    def change(begin: int) -> None:
        if begin == 12800:
            one.change_to(second)

    heard = play(one, sound, each=change)
    assert not one.changing and one.lane is second
    assert roughness(heard[256:]) < 0.003
    delay = buffering_samples(128, 256)
    assert np.array_equal(heard[24000:], -0.5 * sound[24000 - delay : -delay])
    assert np.array_equal(heard[:12800], sound[:12800])
    calls = old.calls
    play(one, sound[:12800])
    assert old.calls == calls


def test_a_worker_may_be_followed_by_the_callback() -> None:
    """A lane in a worker crossfades to one in the callback, and its thread ends."""
    first, second = lane(Gain(2.0), slack=256), lane(Gain(1.0))
    one = Player(first, Meters(), rate_hz=RATE)
    sound = sine(12800)
    for begin in range(0, sound.size, 128):
        one.callback(sound[begin : begin + 128, None], np.zeros((128, 1), np.float32), 128, 0)
        time.sleep(0.0005)
    one.change_to(second)
    play(one, sound)
    assert one.lane is second
    first.close()
    assert first.worker is not None and not first.worker.thread.is_alive()


def test_what_goes_wrong_is_noted_with_its_cause_and_time() -> None:
    """A spoilt block leaves an incident: the cause and the sample at which it happened."""
    stepper, shown = Gain(1.0), Meters()
    one = Player(lane(stepper), shown, rate_hz=RATE)
    play(one, sine(1280))
    stepper.wrong = True
    play(one, sine(128))
    incident = one.incidents[-1]
    assert incident.cause == "model not finite" and incident.sample == 1280
    assert abs(time.monotonic() - incident.monotonic_s) < 5


def test_an_input_that_is_not_finite_is_silence() -> None:
    """A card that gives NaN or infinity is heard as zeros there, and nothing else suffers."""
    one = Player(lane(Gain(1.0)), Meters(), rate_hz=RATE)
    sound = sine(1280)
    sound[300:310] = np.nan
    sound[400] = np.inf
    heard = play(one, sound)
    assert np.isfinite(heard).all()
    assert np.array_equal(heard[512:], sound[512:])


def test_the_scope_shows_what_is_heard_and_played() -> None:
    """The scope's newest samples are those of the input and the output, also around the ring's end."""
    shown = Meters()
    one = Player(lane(Gain(2.0)), shown, rate_hz=RATE)
    sound = sine(40960)
    play(one, sound, block=1024)
    new, end = shown.scope.since(sound.size - 500)
    assert np.array_equal(new[0], sound[-500:]) and end == sound.size
    latest = shown.scope.latest(1000)
    assert np.array_equal(latest[0], sound[-1000:])
    assert np.allclose(latest[1], 2 * sound[-1000:], atol=1e-6)


def test_the_terminal_names_the_note() -> None:
    """What is played is named with its cents in the terminal's picture."""
    shown = Meters()
    one = Player(lane(Gain(1.0)), shown, rate_hz=RATE)
    view = TunerView(shown)
    assert view.line().strip() == "–"
    for _ in range(10):
        play(one, sine(4800, hz=440.0 * 2 ** (10 / 1200)), block=480)
        line = view.line()
    assert "A4" in line and "+10 cents" in line
