"""Gate, compressor, leveller and limiter, each alone: thresholds, curves, times and bounds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from realtime.controls import db_to_gain
from realtime.desk import dynamics
from realtime.desk.dynamics import Compressor, CompressorSettings, Gate, Leveller, Limiter

FloatArray = npt.NDArray[np.float32]
RATE = 48_000
BLOCK = 64


def sine(rms_db: float, seconds: float, frequency_hz: float = 997.0) -> FloatArray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(np.sqrt(2) * db_to_gain(rms_db) * np.sin(2 * np.pi * frequency_hz * time), np.float32)


def rms_db(sound: FloatArray) -> float:
    return float(10 * np.log10(np.mean(np.square(sound, dtype=np.float64))))


def gated(gate: Gate, sound: FloatArray) -> list[bool]:
    """Whether the gate stood open after each block."""
    states = []
    for begin in range(0, sound.size, BLOCK):
        gate.process(sound[begin : begin + BLOCK])
        states.append(gate.is_open)
    return states


def open_gate(level_db: float = -50.0, hysteresis_db: float = 6.0, input_gain_db: float = 0.0) -> Gate:
    gate = Gate(RATE)
    gate.adopt(level_db, hysteresis_db, input_gain_db, on=True, at_once=True)
    return gate


@pytest.mark.parametrize(("hysteresis_db", "input_gain_db"), [(3.0, 0.0), (6.0, 0.0), (12.0, 20.0), (6.0, -12.0)])
def test_gate_opens_and_closes_at_its_two_levels(hysteresis_db: float, input_gain_db: float) -> None:
    """It opens half a dB above its level and not below, closes half a dB under the lower one and not above."""
    gate = open_gate(-50.0, hysteresis_db, input_gain_db)
    at = -50.0 - input_gain_db
    assert not any(gated(gate, sine(at - 0.5, 0.5)))
    assert gated(gate, sine(at + 0.5, 0.5))[-1]
    assert all(gated(gate, sine(at - hysteresis_db + 0.5, 0.5)))
    assert not gated(gate, sine(at - hysteresis_db - 0.5, 0.5))[-1]
    assert not any(gated(gate, sine(at - 0.5, 0.5)))


def test_gate_lets_all_or_nothing_through() -> None:
    """Open it passes the sound bit by bit, closed it gives zeros; 2 ms lie between on opening, 150 ms on closing."""
    gate = open_gate()
    loud, soft = sine(-20.0, 0.5), sine(-70.0, 0.5)
    sound = np.concatenate([loud, soft])
    gated(gate, sound)
    assert np.array_equal(sound[RATE // 500 + 2 : loud.size], loud[RATE // 500 + 2 :])
    assert not sound[loud.size + round(0.2 * RATE) :].any()
    assert np.array_equal(sound[loud.size :][: round(0.05 * RATE)], soft[: round(0.05 * RATE)])


def test_gate_holds() -> None:
    """A tone just above the threshold that ends keeps the gate open for 50 ms after its level, of 5 ms, has fallen."""
    gate = open_gate()
    gated(gate, sine(-49.0, 0.5))
    fall_ms = 5.0 * np.log(10.0) * (-49.0 + 56.0) / 10.0
    states = gated(gate, np.zeros(RATE // 10, np.float32))
    assert states.index(False) * BLOCK / RATE * 1000 == pytest.approx(50.0 + fall_ms, abs=2.0)


@pytest.mark.parametrize("noise_db", [-60.0, -56.5, -56.0, -55.5, -53.0, -50.5, -50.0, -49.5, -45.0])
def test_gate_never_chatters_on_steady_noise(noise_db: float) -> None:
    """Steady noise of any level, also exactly at a threshold, changes the gate's state at most once."""
    noise = np.random.default_rng(2).normal(0.0, db_to_gain(noise_db), 4 * RATE).astype(np.float32)
    states = gated(open_gate(), noise)
    assert sum(before != after for before, after in pairwise(states)) <= 1


@pytest.mark.parametrize("frequency_hz", [20.0, 30.9, 41.2, 110.0])
def test_gate_never_chatters_on_low_notes(frequency_hz: float) -> None:
    """A low tone just above the threshold, whose level swings within its period, keeps the gate open."""
    states = gated(open_gate(hysteresis_db=0.0), sine(-49.0, 2.0, frequency_hz))
    assert all(states[states.index(True) :])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20_000)), min_size=1, max_size=10))
def test_gate_never_jumps(parts: list[tuple[bool, int]]) -> None:
    """Whatever is loud or soft when, the gain moves by no more than an attack of 2 ms allows in one sample."""
    level = np.concatenate([np.full(samples, 0.1 if loud else 1e-4, np.float32) for loud, samples in parts])
    sound = level.copy()
    gated(open_gate(), sound)
    gain = sound.astype(np.float64) / level
    assert np.abs(np.diff(gain)).max(initial=gain[0]) < 1.51 / (0.002 * RATE)
    assert gain.min() >= 0.0
    assert gain.max() <= 1.0


def test_gate_comes_in_open() -> None:
    """Turned on in the middle of a note the gate does not cut it; turned off it lets everything pass again."""
    gate, note = Gate(RATE), sine(-30.0, 0.2)
    assert gate.is_open
    gate.adopt(-50.0, 6.0, 0.0, on=True)
    sound = note.copy()
    assert all(gated(gate, sound))
    assert np.array_equal(sound, note)
    silence = sine(-80.0, 0.5)
    assert not gated(gate, silence)[-1]
    gate.adopt(-100.0, 6.0, 0.0, on=False)
    soft = sine(-80.0, 0.1)
    sound = soft.copy()
    gated(gate, sound)
    assert gate.idle
    assert gate.is_open
    assert np.array_equal(sound[960:], soft[960:])


def compressor(
    ratio: float, *, threshold_db: float = -30.0, makeup_db: float = 0.0, gain_db: float = 0.0
) -> Compressor:
    made = Compressor(RATE)
    chosen = CompressorSettings(
        on=True, threshold_db=threshold_db, ratio=ratio, attack_ms=5.0, release_ms=120.0, makeup_db=makeup_db
    )
    made.adopt(chosen, gain_db, at_once=True)
    return made


@pytest.mark.parametrize("ratio", [1.5, 4.0, 20.0])
@pytest.mark.parametrize("makeup_db", [0.0, 9.0])
def test_compressor_has_its_static_curve(ratio: float, makeup_db: float) -> None:
    """Steady tones come out on the curve: untouched, a knee of 6 dB, then a slope of 1/ratio, all plus make-up."""
    for level_db in np.arange(-50.0, 0.1, 2.5):
        over = level_db + 30.0
        wanted = level_db + makeup_db
        if abs(over) <= 3.0:
            wanted -= (1 - 1 / ratio) * (over + 3.0) ** 2 / 12.0
        elif over > 3.0:
            wanted -= (1 - 1 / ratio) * over
        sound = sine(level_db, 0.3)
        compressor(ratio, makeup_db=makeup_db).process(sound)
        assert rms_db(sound[-4800:]) == pytest.approx(wanted, abs=0.1), level_db


def test_compressor_listens_after_the_input_gain() -> None:
    """A threshold of −30 with an input gain of 12 dB acts on the input from −42 on."""
    sound = sine(-35.0, 0.3)
    stage = compressor(20.0, gain_db=12.0)
    stage.process(sound)
    assert stage.reduction_db == pytest.approx(0.95 * 7.0, abs=0.1)
    assert rms_db(sound[-4800:]) == pytest.approx(-35.0 - 0.95 * 7.0, abs=0.1)


def test_compressor_leaves_soft_sound_alone() -> None:
    """Below the knee the sound passes bit by bit."""
    sound, same = sine(-34.0, 0.3), sine(-34.0, 0.3)
    compressor(20.0).process(sound)
    assert np.array_equal(sound, same)


def test_compressor_takes_its_times() -> None:
    """The reduction is nearly all there 30 ms after a loud onset, and falls by e in one release time afterwards."""
    stage = compressor(4.0)
    stage.process(sine(-10.0, 0.030))
    assert stage.reduction_db > 0.97 * 15.0
    stage.process(sine(-10.0, 0.2))
    stage.process(sine(-60.0, 0.06))
    falls = []
    for _ in range(3):
        stage.process(sine(-60.0, 0.119))
        falls.append(stage.reduction_db)  # the most of a block is what it began with
        stage.process(sine(-60.0, 0.001))
    assert falls[0] / falls[1] == pytest.approx(np.e, rel=0.01)
    assert falls[1] / falls[2] == pytest.approx(np.e, rel=0.01)


def levelled(leveller: Leveller, sound: FloatArray) -> FloatArray:
    leveller.process(sound[None])
    return sound


def new_leveller(target_db: float = -20.0, output_gain_db: float = 0.0) -> Leveller:
    made = Leveller(RATE)
    made.adopt(target_db, output_gain_db, on=True, at_once=True)
    return made


@pytest.mark.parametrize("level_db", [-38.0, -30.0, -20.0, -12.0, -3.0])
def test_leveller_reaches_its_target(level_db: float) -> None:
    """A steady tone, soft or loud, stands within 0.3 dB of the target after 8 s."""
    assert rms_db(levelled(new_leveller(), sine(level_db, 8.0))[-RATE:]) == pytest.approx(-20.0, abs=0.3)


def test_leveller_is_slow() -> None:
    """Its gain rises by 4 dB a second and falls by 12, never faster."""
    for level_db, per_second in ((-38.0, 4.0), (-3.0, -12.0)):
        leveller = new_leveller()
        levelled(leveller, sine(level_db, 1.0))
        assert leveller.gain_db == pytest.approx(per_second, rel=0.03)


def test_leveller_does_not_pump_silence_up() -> None:
    """After music a minute of hiss at −60 dBFS moves the gain not at all, nor does digital silence."""
    leveller = new_leveller()
    levelled(leveller, sine(-12.0, 5.0))
    levelled(leveller, sine(-60.0, 1.0))
    before = leveller.gain_db
    levelled(leveller, np.random.default_rng(3).normal(0.0, 1e-3, 60 * RATE).astype(np.float32))
    levelled(leveller, np.zeros(RATE, np.float32))
    assert leveller.gain_db == before


def test_leveller_waits_for_decays_and_follows_passages() -> None:
    """A second 20 dB below the playing before moves the gain by less than half a dB; a passage is levelled."""
    leveller = new_leveller()
    levelled(leveller, sine(-15.0, 8.0))
    before = leveller.gain_db
    levelled(leveller, sine(-35.0, 1.0))
    assert abs(leveller.gain_db - before) < 0.5
    assert rms_db(levelled(leveller, sine(-35.0, 14.0))[-RATE:]) == pytest.approx(-20.0, abs=0.5)


def test_leveller_leaves_the_output_gain_the_volume() -> None:
    """With the output gain at −10 dB the leveller arrives 10 dB below its target."""
    sound = sine(-30.0 - 10.0, 8.0)
    assert rms_db(levelled(new_leveller(output_gain_db=-10.0), sound)[-RATE:]) == pytest.approx(-30.0, abs=0.3)


def test_leveller_keeps_the_balance() -> None:
    """Two channels get one gain, from both together."""
    sound = np.stack([sine(-20.0, 6.0), sine(-40.0, 6.0)])
    new_leveller(-17.0).process(sound)
    assert rms_db(sound[0, -RATE:]) - rms_db(sound[1, -RATE:]) == pytest.approx(20.0, abs=1e-3)
    assert rms_db(sound[:, -RATE:]) == pytest.approx(-17.0, abs=0.3)


def limiter(ceiling_db: float = 0.0) -> Limiter:
    made = Limiter(RATE)
    made.adopt(ceiling_db, on=True, at_once=True)
    return made


BLOCKS = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 2), st.integers(1, 300)), elements=st.floats(-(2.0**100), 2.0**100, width=32)
)
WILD = st.floats(width=32, allow_nan=True, allow_infinity=True)


@settings(max_examples=150, deadline=None)
@given(st.lists(BLOCKS, min_size=1, max_size=4), st.floats(-24.0, 0.0), st.floats(1e-3, 1e3))
def test_nothing_is_louder_than_the_ceiling(blocks: list[FloatArray], ceiling_db: float, scale: float) -> None:
    """Whatever comes, no sample leaves above the ceiling, not by the last bit."""
    stage = limiter(ceiling_db)
    for block in blocks:
        for sound in (np.asarray(np.nan_to_num(block * np.float32(scale)), np.float32), np.tanh(block) * scale):
            out = np.asarray(sound, np.float32)
            stage.process(out)
            assert np.abs(out.astype(np.float64)).max() <= 10 ** (ceiling_db / 20)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(1, 200)), elements=WILD))
def test_what_is_not_finite_becomes_silence(block: FloatArray) -> None:
    """NaN and infinity become 0, in their own channel, and the rest stays finite and below the ceiling."""
    bad = ~np.isfinite(block)
    stage = limiter()
    stage.process(block)
    assert not block[bad].any()
    assert np.isfinite(block).all()
    assert np.abs(block).max() <= 1.0
    after = sine(-20.0, 0.5)[None]
    same = after.copy()
    stage.process(after)
    assert np.array_equal(after[:, -RATE // 100 :], same[:, -RATE // 100 :])


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 2), st.integers(1, 300)), elements=st.floats(-0.75, 0.75, width=32))
)
def test_a_quiet_sound_passes_bit_by_bit(block: FloatArray) -> None:
    """What stays 1 dB below the ceiling leaves as it came, bit by bit, with any ceiling."""
    for ceiling_db, scale in ((0.0, 1.188), (-12.0, 0.298)):
        sound = np.asarray(block * np.float32(scale), np.float32)
        assert np.abs(sound).max() < 10 ** ((ceiling_db - 1.0) / 20)
        same = sound.copy()
        stage = limiter(ceiling_db)
        stage.process(sound)
        assert np.array_equal(sound, same)
        assert stage.reduction_db == 0.0


def test_limiter_bends_and_never_folds() -> None:
    """A rising level comes out rising, continuous in slope at the knee: 0 dBFS leaves 0.35 dB below a ceiling of 0."""
    rise = np.linspace(0.0, 4.0, 40_001, dtype=np.float32)
    out = rise[None].copy()
    limiter().process(out)
    slope = np.diff(out[0].astype(np.float64)) / np.diff(rise.astype(np.float64))
    assert slope.min() > -1e-3
    assert np.abs(np.diff(slope)).max() < 2e-2
    assert 20 * np.log10(out[0, 10_000]) == pytest.approx(-0.35, abs=0.01)


@pytest.mark.parametrize("frequency_hz", [41.2, 110.0, 997.0])
def test_a_limited_tone_is_clean_after_its_first_peak(frequency_hz: float) -> None:
    """A tone 6 dB too loud is turned down, not bent: after the first periods its distortion is below −50 dB."""
    out = (2.0 * np.sin(2 * np.pi * frequency_hz * np.arange(RATE) / RATE)).astype(np.float32)[None]
    stage = limiter()
    stage.process(out)
    spectrum = np.abs(np.fft.rfft(out[0, RATE // 2 :].astype(np.float64) * np.hanning(RATE // 2))) ** 2
    peak = int(spectrum.argmax())
    rest = spectrum.sum() - spectrum[peak - 8 : peak + 9].sum()
    assert 10 * np.log10(rest / spectrum.sum()) < -50
    assert stage.reduction_db == pytest.approx(6.02, abs=0.1)


def test_limiter_lets_go() -> None:
    """Half a second after a crash to ten times full scale a sound passes bit by bit again."""
    stage = limiter()
    crash = np.full((1, 480), 10.0, np.float32)
    stage.process(crash)
    assert stage.reduction_db == pytest.approx(20.0, abs=0.1)
    sound = np.stack([sine(-12.0, 1.0)])
    same = sound.copy()
    stage.process(sound)
    assert np.abs(sound[0, :480]).max() < 0.3 * np.abs(same[0, :480]).max()
    assert np.array_equal(sound[:, RATE // 2 :], same[:, RATE // 2 :])


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float32, (2, 200), elements=st.floats(-5.0, 5.0, width=32)))
def test_limiter_keeps_the_image(block: FloatArray) -> None:
    """Both channels get the same gain, sample by sample."""
    out = block.copy()
    limiter().process(out)
    left, right = (out.astype(np.float64) * block[::-1]).reshape(2, -1)
    np.testing.assert_allclose(left, right, atol=1e-5)


def test_the_times_are_the_ones_written_down() -> None:
    """What the page says of times is what the stages use."""
    assert (dynamics.GATE_ATTACK_MS, dynamics.GATE_HOLD_MS, dynamics.GATE_RELEASE_MS) == (2.0, 50.0, 100.0)
    assert (dynamics.LIMITER_HOLD_MS, dynamics.LIMITER_RELEASE_MS) == (15.0, 80.0)
