from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from realtime.errors import ConfigError
from trainer.augment import PLAN, Augmentation, room_responses
from trainer.config import from_table
from trainer.excerpts import COLOUR
from trainer.time_scale import read_at, stretch

RATE = 16000
LENGTH = 2 * RATE
ALL = Augmentation(
    interval=0.5, transpose=2.0, tempo=0.1, gain_db=6.0, tilt_db=1.0, bells_db=4.0, bandwidth=0.4, room=0.7, echo=0.4,
    drive=0.3, noise=0.7,
)  # fmt: skip


def sine(hz: float = 440.0, samples: int = LENGTH) -> Tensor:
    return (0.3 * torch.sin(2 * math.pi * hz * torch.arange(samples) / RATE))[None, None]


def pitch(signal: Tensor) -> float:
    spectrum = np.abs(np.fft.rfft(signal.numpy() * np.hanning(len(signal)), 1 << 18))
    return float(np.argmax(spectrum) * RATE / (1 << 18))


def factor(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


def column(plan: Tensor, name: str) -> float:
    return float(plan[0, PLAN.index(name)])


def test_the_default_changes_nothing() -> None:
    """An Augmentation without settings gives back the very samples, and asks for no more of them."""
    still = Augmentation()
    assert still.source_length(LENGTH) == LENGTH
    assert torch.equal(still(sine(), still.draw(0, 0, [0]), RATE), sine())


def test_an_item_is_a_function_of_seed_step_and_number() -> None:
    """A part of a batch is treated as in the whole; another seed or step treats it otherwise; nothing breaks."""
    samples = torch.randn(4, 1, ALL.source_length(LENGTH), generator=torch.Generator().manual_seed(1)) * 0.1
    kept = samples.clone()
    whole = ALL(samples, ALL.draw(3, 7, range(4)), RATE, LENGTH)
    part = ALL(samples[2:], ALL.draw(3, 7, range(2, 4)), RATE, LENGTH)
    assert torch.allclose(whole[2:], part, atol=1e-4) and torch.equal(samples, kept)
    assert whole.shape == (4, 1, LENGTH) and bool(whole.isfinite().all())
    for seed, step in ((4, 7), (3, 8)):
        assert not torch.allclose(whole, ALL(samples, ALL.draw(seed, step, range(4)), RATE, LENGTH), atol=1e-3)


def test_the_raised_interval_lies_in_the_middle_and_rises_at_most_a_semitone() -> None:
    """Outside the interval, which lies within 25 to 75 %, nothing changes; in it the pitch rises by what was drawn."""
    raised, heard = Augmentation(interval=1.0), 0
    for seed in range(8):
        plan = raised.draw(seed, 0, [0])
        start, end, semitones = (column(plan, name) for name in ("from", "to", "raise"))
        assert 0.25 <= start < end <= 0.75 and 0 <= semitones <= 1
        out = raised(sine(), plan, RATE)[0, 0]
        moved = torch.nonzero(out != sine()[0, 0])[:, 0] / LENGTH
        assert moved.numel() == 0 or (start - 1e-4 <= moved.min() and moved.max() <= end + 1e-4)
        if end - start > 0.15:
            inner = out[int(start * LENGTH) + 400 : int(end * LENGTH) - 400]
            assert 12 * math.log2(pitch(inner) / 440) == pytest.approx(semitones, abs=0.05)
            heard += 1
    assert heard >= 3


@pytest.mark.parametrize("tempo", [0.8, 0.94, 1.0, 1.25])
def test_a_stretched_tone_keeps_pitch_and_level(tempo: float) -> None:
    """At any tempo a chord's loudest tone and its level are what they were; at its own tempo it is the same samples."""
    chord = sine(samples=3 * RATE)[0] + 0.5 * sine(660.0, samples=3 * RATE)[0]
    out = stretch(chord, factor(tempo), LENGTH)
    inner = out[0, 4000 : LENGTH - 4000]
    assert pitch(inner) == pytest.approx(440.0, abs=0.1)
    assert float(inner.std()) == pytest.approx(float(chord.std()), rel=0.01)
    if tempo == 1.0:
        assert torch.allclose(out, chord[:, :LENGTH], atol=1e-3)


def test_tempo_moves_events_and_not_pitch() -> None:
    """A tone that sounds from 1.0 to 1.5 s sounds from 0.8 to 1.2 s when the tempo is 1.25, at its pitch."""
    tone = sine()[0].clone()
    tone[0, :RATE] = tone[0, RATE + RATE // 2 :] = 0
    out = stretch(tone, factor(1.25), LENGTH)[0]
    sounding = torch.nonzero(out.abs() > 0.1)[:, 0] / RATE
    assert (float(sounding[0]), float(sounding[-1])) == pytest.approx((0.8, 1.2), abs=0.04)
    assert pitch(out) == pytest.approx(440.0, abs=1.0)


@pytest.mark.parametrize("semitones", [7.0, -7.0, 0.5])
def test_reading_faster_raises_the_pitch(semitones: float) -> None:
    """A tone read at 2^(s/12) is the tone of that pitch to 1e-3, and what would fold back is gone."""
    speed = 2 ** (semitones / 12)
    out = read_at(sine()[0], factor(speed), RATE)[0]
    assert torch.allclose(out[200:-200], sine(440 * speed, RATE)[0, 0, 200:-200], atol=1e-3)
    assert float(read_at(sine(7900.0)[0], factor(1.5), RATE)[0, 200:-200].abs().max()) < 0.01


def test_a_room_leaves_the_direct_sound_where_it_is() -> None:
    """A click in a room comes first and alone, then a tail as loud as was drawn that falls by 60 dB in its seconds."""
    room = Augmentation(room=1.0, room_seconds=(0.5, 0.5), room_db=(-12.0, -12.0))
    plan = room.draw(0, 0, [0])
    click = torch.zeros(1, 1, LENGTH)
    click[0, 0, 0] = 1.0
    out = room(click, plan, RATE)[0, 0]
    gap = int(column(plan, "room_gap_s") * RATE)
    assert float(out[0]) == pytest.approx(1.0, abs=1e-3) and float(out[1:gap].abs().max()) < 1e-3
    assert 20 * math.log10(float(out[1:].norm())) == pytest.approx(-12.0, abs=0.1)
    early, late = (float(out[gap + n : gap + n + 800].norm()) for n in (0, 4000))
    assert 20 * math.log10(early / late) == pytest.approx(60 * 0.25 / 0.5, abs=3)
    of = dict(zip(PLAN, plan.unbind(1), strict=True))
    assert torch.allclose(out[:RATE], room_responses(of, RATE, torch.device("cpu"))[0], atol=1e-4)


def test_an_echo_is_one_weaker_copy() -> None:
    """A click is heard again once, after 60 to 400 ms, 24 to 6 dB weaker."""
    echo = Augmentation(echo=1.0)
    click = torch.zeros(1, 1, LENGTH)
    click[0, 0, 100] = 1.0
    heard = torch.nonzero(echo(click, echo.draw(2, 0, [0]), RATE)[0, 0].abs() > 1e-3)[:, 0] - 100
    assert heard.numel() == 2 and heard[0] == 0 and 0.06 * RATE <= heard[1] <= 0.4 * RATE


def test_noise_is_as_far_below_the_sound_as_drawn() -> None:
    """With noise 20 dB below, what was added has a tenth of the sound's RMS."""
    noisy = Augmentation(noise=1.0, noise_db=(20.0, 20.0))
    added = noisy(sine(), noisy.draw(0, 0, [0]), RATE) - sine()
    assert float(added.std() / sine().std()) == pytest.approx(0.1, rel=0.01)


def test_gain_never_clips_and_silence_stays_silent() -> None:
    """No gain takes a slice over full scale; noise, drive and gain leave silence silent."""
    loud = Augmentation(gain_db=40.0)
    peaks = [float(loud(sine(), loud.draw(seed, 0, [0]), RATE).abs().max()) for seed in range(20)]
    assert max(peaks) <= 0.9901 and min(peaks) < 0.1
    silence = torch.zeros(1, 1, ALL.source_length(LENGTH))
    assert bool((ALL(silence, ALL.draw(0, 0, [0]), RATE, LENGTH) == 0).all())


def test_aligned_sounds_stay_aligned() -> None:
    """Two channels of an item go through one plan: equal channels stay equal."""
    both = sine(samples=ALL.source_length(LENGTH)).expand(1, 2, -1)
    out = ALL(both, ALL.draw(1, 1, [5]), RATE, LENGTH)
    assert torch.equal(out[:, 0], out[:, 1])


def test_a_plan_of_another_batch_is_refused() -> None:
    """A plan with too few items has its sentence."""
    with pytest.raises(ConfigError, match="does not fit"):
        ALL(torch.zeros(3, 1, 100), ALL.draw(0, 0, range(2)), RATE)


@pytest.mark.parametrize("effect", ["interval", "transpose", "tempo", "gain_db", "tilt_db", "bells_db", "bandwidth"])
def test_every_effect_is_a_setting_that_is_heard(effect: str) -> None:
    """Each setting alone changes the sound, so that none is an empty name."""
    one = from_table(Augmentation, {effect: 0.5 if effect == "tempo" else 1.0}, "augment")
    rich: Any = torch.randn(1, 1, one.source_length(LENGTH), generator=torch.Generator().manual_seed(2)) * 0.1
    assert not torch.allclose(one(rich, one.draw(3, 0, [0]), RATE, LENGTH), rich[:, :, :LENGTH], atol=1e-4)


def test_a_run_file_sets_it() -> None:
    """`[augment]` is read as any section, with its ranges; the classifier's colour is one of them."""
    assert from_table(Augmentation, {"room": 0.5, "room_db": [-20, 0]}, "augment").room_db == (-20.0, 0.0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        from_table(Augmentation, {"room": 1.5}, "augment")
    assert COLOUR.room == 0.75
