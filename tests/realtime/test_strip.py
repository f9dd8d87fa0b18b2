"""The strip as a whole: nothing when neutral, one sound however it is cut; no click, no NaN, no compiling."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import RANGES, Controls
from realtime.desk import strip_kernel
from realtime.desk.strip import Strip

FloatArray = npt.NDArray[np.float32]
RATE, LONGEST = 48_000, 16_384
EVERYTHING = Controls(
    input_gain_db=3.0,
    output_gain_db=-2.0,
    highpass_hz=80.0,
    gate_db=-45.0,
    compressor_db=-30.0,
    compressor_makeup_db=6.0,
    leveller_db=-9.0,
    ceiling_db=-3.0,
)


def music(seconds: float = 1.5, loudest: float = 0.8) -> FloatArray:
    """Plucked tones between pauses, over hiss: it opens and closes gates."""
    time = np.arange(round(seconds * RATE)) / RATE
    since = time % 0.5
    tone = sum(np.sin(2 * np.pi * 110 * k * time) / k for k in range(1, 6)) * np.exp(-since * 14)
    noise = np.random.default_rng(5).normal(0.0, 3e-4, time.size)
    return np.asarray(tone / np.abs(tone).max() * loudest + noise, np.float32)


def play(
    strip: Strip, sound: FloatArray, size: int = 128, turns: Mapping[int, Controls] | None = None, channels: int = 2
) -> FloatArray:
    """before, then after on `channels` (the second at half level), in blocks of `size`, cut short at turns."""
    turns = turns or {}
    memory = np.zeros((channels, LONGEST), np.float32)
    heard = np.zeros((channels, sound.size), np.float32)
    at = 0
    while at < sound.size:
        if at in turns:
            strip.adopt(turns[at])
        end = min([at + size, sound.size, *(turn for turn in turns if turn > at)])
        block = sound[at:end].copy()
        strip.before(block)
        out = memory[:, : end - at]
        out[0] = block
        out[1:] = block * np.float32(0.5)
        strip.after(out)
        heard[:, at:end] = out
        at = end
    return heard


def standing(controls: Controls) -> Strip:
    strip = Strip(RATE, LONGEST)
    strip.adopt(controls, at_once=True)
    return strip


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("controls", [Controls(), Controls(limiter=False), Controls(ceiling_db=-0.5)])
def test_neutral_is_nothing(controls: Controls, channels: int) -> None:
    """At the neutral controls what stays under −1.5 dBFS comes out bit by bit, and only the limiter is awake."""
    strip = standing(controls)
    sound = music(loudest=0.84)
    heard = play(strip, sound, channels=channels)
    assert np.array_equal(heard[0], sound)
    assert strip.gate_open
    assert strip.reduction_db == 0.0
    assert [stage.idle for stage in (*strip._before, *strip._after)] == [True] * 4 + [not controls.limiter]


def test_without_limiter_everything_passes() -> None:
    """With the limiter off, too loud a sound passes bit by bit as well."""
    sound = music(loudest=3.0)
    assert np.array_equal(play(standing(Controls(limiter=False)), sound)[0], sound)


@pytest.mark.parametrize("size", [1, 64, 65])
def test_where_blocks_end_changes_nothing(size: int) -> None:
    """Blocks of 1, 64, 65 and 8193 give the same sound bit by bit, everything on and turned while it sounds."""
    turns = {
        9_600: EVERYTHING.with_changes(highpass_hz=300.0, gate_db=-30.0, compressor_ratio=12.0),
        10_001: EVERYTHING.with_changes(bypass=True),
        20_000: EVERYTHING.with_changes(leveller_db=0.0, ceiling_db=-12.0, input_gain_db=-9.0),
        30_500: Controls(limiter=False),
        40_000: EVERYTHING,
    }
    whole = play(standing(EVERYTHING), music(), 8193, turns)
    assert np.array_equal(play(standing(EVERYTHING), music(), size, turns), whole)
    assert np.abs(whole - music()).max() > 0.1


def test_bypass_takes_out_all_but_the_limiter() -> None:
    """20 ms after bypass the sound passes bit by bit, or once the limiter has let go, which still bounds it."""
    for limiter, settled in ((False, 960), (True, RATE // 2)):
        strip = standing(EVERYTHING.with_changes(limiter=False))
        play(strip, music())
        strip.adopt(EVERYTHING.with_changes(bypass=True, limiter=limiter))
        sound = music(loudest=0.5)
        assert np.array_equal(play(strip, sound)[0, settled:], sound[settled:])
        assert (np.abs(play(strip, music(loudest=5.0))).max() <= 10 ** (-3 / 20)) == limiter


ONE_EACH = [
    Controls(highpass_hz=30.0),
    Controls(gate_db=-60.0),
    Controls(compressor_db=-40.0, compressor_ratio=20.0, compressor_attack_ms=1.0, compressor_makeup_db=12.0),
    Controls(leveller_db=-25.0),
    Controls(ceiling_db=-24.0),
    Controls(bypass=True, leveller_db=-10.0),
    Controls(limiter=False),
    EVERYTHING,
]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ONE_EACH), st.integers(1, 4000)), min_size=1, max_size=10))
def test_nothing_clicks_when_turned(turns: list[tuple[Controls, int]]) -> None:
    """Whatever is turned on or off when, a smooth low tone makes no step much larger than its own."""
    time = np.arange(48_000) / RATE
    tone = np.asarray(0.25 * np.sin(2 * np.pi * 60 * time), np.float32)
    due, at = {}, 0
    for controls, samples in turns:
        at += samples
        due[at] = controls
    heard = play(standing(Controls()), tone, 512, due)[0]
    # A click is a step; curves of level and crossfades bend the tone but leave it within some times its own slope.
    assert np.abs(np.diff(heard)).max() < 5 * np.abs(np.diff(tone)).max()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_bad_sample_does_not_live_on(bad: float) -> None:
    """NaN, infinity and absurd loudness at the input never leave, and are forgotten within a second."""
    clean = music(3.0)
    broken = clean.copy()
    broken[20_000:20_010] = bad
    heard = play(standing(EVERYTHING), broken)
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() <= 10 ** (-3 / 20)
    forgotten = EVERYTHING.with_changes(leveller_db=0.0)
    expected = play(standing(forgotten), clean)[:, 72_000:]
    np.testing.assert_allclose(play(standing(forgotten), broken)[:, 72_000:], expected, atol=2e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_what_is_off_touches_nothing(bad: float) -> None:
    """From 20 ms after everything was turned off, in the middle of a block, even a bad sample passes as it is."""
    strip = standing(EVERYTHING)
    sound = music(0.2)
    play(strip, sound)
    strip.adopt(Controls(limiter=False))
    sound[2000] = bad
    assert np.array_equal(play(strip, sound, 8193)[0, 960:], sound[960:], equal_nan=True)


def test_a_bad_sample_of_the_model_does_not_live_on() -> None:
    """NaN and infinity behind the model become silence for as long as they last and leave leveller and limiter sane."""
    strip = standing(Controls(leveller_db=-20.0))
    out = np.full((2, 4800), np.nan, np.float32)
    out[1] = np.inf
    strip.after(out)
    assert not out.any()
    assert strip.leveller_gain_db == 0.0
    again = np.full((2, 4800), 0.1, np.float32)
    strip.after(again)
    np.testing.assert_allclose(again, 0.1, rtol=0.06)


def test_reset_forgets() -> None:
    """After a reset the strip sounds like a new one at the controls asked for last."""
    strip = standing(Controls(highpass_hz=500.0))
    play(strip, music(loudest=4.0))
    strip.adopt(EVERYTHING)
    play(strip, music()[:300])
    strip.reset()
    assert not strip.gate_open
    assert np.array_equal(play(strip, music()), play(standing(EVERYTHING), music()))


def test_silence_leaves_nothing_behind() -> None:
    """Ten seconds of silence leave only exact zeros in what decays, so that no processor works on denormals."""
    strip = standing(EVERYTHING)
    play(strip, music())
    assert not play(strip, np.zeros(10 * RATE, np.float32), 4096)[:, -RATE:].any()
    for stage in (*strip._before, *strip._after):
        left = np.abs(stage.memory[stage.memory != 0.0])
        assert left.min() > 1e-20


def test_meters_tell_what_happens() -> None:
    """The gate reads closed in silence and open in sound, and the reduction is what the sound lost."""
    strip = standing(Controls(gate_db=-40.0, compressor_db=-30.0, compressor_ratio=20.0))
    play(strip, np.zeros(4800, np.float32))
    in_silence = strip.gate_open
    tone = np.asarray(0.5 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE), np.float32)
    heard = play(strip, tone)
    assert (in_silence, strip.gate_open) == (False, True)
    lost = 20 * np.log10(tone[-4800:].std() / heard[0, -4800:].std())
    assert strip.reduction_db == pytest.approx(lost, abs=0.2)
    louder = standing(Controls())
    assert np.abs(play(louder, 4 * tone)).max() <= 1.0
    assert louder.reduction_db == pytest.approx(20 * np.log10(2.0), abs=0.2)


def test_nothing_compiles_or_stays_while_sound_runs() -> None:
    """Every kernel has one machine code, made on import, and a thousand blocks leave no memory behind."""
    names = ("high_pass", "gate", "compress", "level", "limit")
    kernels: list[Any] = [getattr(strip_kernel, name) for name in names]
    strip = standing(EVERYTHING)
    block, out = np.zeros(128, np.float32), np.zeros((2, LONGEST), np.float32)
    for _ in range(2):
        tracemalloc.start()
        for number in range(1000):
            if number % 50 == 0:
                strip.adopt(EVERYTHING if number % 100 else Controls())
            strip.before(block)
            strip.after(out[:, :128])
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert left < 4096
    assert [len(kernel.signatures) for kernel in kernels] == [1] * 5
    assert not any(kernel._can_compile for kernel in kernels)


NAMES = ["input_gain_db", "output_gain_db", *list(RANGES)[list(RANGES).index("highpass_hz") :]]
ANY_CONTROLS = st.builds(
    Controls,
    bypass=st.booleans(),
    limiter=st.booleans(),
    **{name: st.sampled_from(RANGES[name][:2]) | st.floats(*RANGES[name][:2]) for name in NAMES},
)
BAD = st.sampled_from([np.nan, np.inf, -np.inf, 3e38, 1e-40, 0.0])


@given(ANY_CONTROLS)
@settings(max_examples=30, deadline=None)
def test_every_setting_is_safe(controls: Controls) -> None:
    """Any controls in their ranges keep any sound finite and, with the limiter, under the ceiling."""
    heard = play(standing(controls), music(0.3, loudest=2.0))
    assert np.isfinite(heard).all()
    if controls.limiter:
        assert np.abs(heard.astype(np.float64)).max() <= 10 ** (controls.ceiling_db / 20)


@given(st.dictionaries(st.integers(0, 14_399), ANY_CONTROLS, max_size=5), BAD, st.integers(0, 14_399))
@settings(max_examples=30, deadline=None)
def test_where_blocks_end_changes_nothing_ever(turns: dict[int, Controls], bad: float, at: int) -> None:
    """Two ways to cut a stream give one sound bit by bit, whatever is turned when, bad samples and all."""
    sound = music(0.3, loudest=2.0)
    sound[at] = bad
    one, other = (play(standing(Controls()), sound, size, turns) for size in (7, 4096))
    assert np.array_equal(one, other, equal_nan=True)
