from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from realtime.errors import DataError
from trainer import augment
from trainer.data import Recordings, Slices

RATE = 16000


@pytest.fixture
def recordings(tmp_path: Path) -> Recordings:
    rows = []
    for domain, level, lengths in (("flute", 0.1, (1.0, 3.0)), ("violin", 0.2, (0.25,)), ("harp", 0.3, (2.0,) * 5)):
        for number, seconds in enumerate(lengths):
            name = f"{domain}{number}.flac"
            soundfile.write(tmp_path / name, np.full(round(seconds * RATE), level), RATE)
            rows.append({
                "file": name, "domain": domain, "split": "train", "source": "s", "seconds": seconds,
                "loudness_db": -20.0, "gain_db": 0.0, "midi": None, "licence": "",
            })  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps({"format": 1, "sample_rate": RATE, "recordings": rows}))
    return Recordings.read(tmp_path / "index.json")


def slices(recordings: Recordings, **options: Any) -> Slices:
    return Slices(recordings, ("flute", "violin", "harp"), RATE // 2, **options)


def test_a_batch_is_a_function_of_seed_step_and_items(recordings: Recordings) -> None:
    """Asked again, in any order, by parts, by another reader: the same samples; another seed or step: others."""
    whole = slices(recordings).batch(7, range(9))
    later = slices(recordings)
    later.batch(3, range(4))
    parts = [later.batch(7, range(5, 9)), later.batch(7, range(5))]
    for name in ("samples", "domain"):
        assert torch.equal(whole[name], torch.cat([parts[1][name], parts[0][name]]))
    starts = [[slices(recordings, seed=s).item(step, i)[3] for i in range(9)] for s, step in ((0, 7), (1, 7), (0, 8))]
    assert starts[0] != starts[1] and starts[0] != starts[2]


def test_domains_take_turns_whatever_their_minutes(recordings: Recordings) -> None:
    """Each domain has a third of every batch of nine, and the label fits the sound."""
    for step in range(5):
        batch = slices(recordings).batch(step, range(9))
        assert torch.bincount(batch["domain"]).tolist() == [3, 3, 3]
        peaks = batch["samples"].abs().amax(dim=(1, 2))
        assert torch.allclose(peaks, torch.tensor([0.1, 0.2, 0.3])[batch["domain"]], atol=1e-3)


def test_the_order_of_domains_is_drawn_anew(recordings: Recordings) -> None:
    """Item 0 is not always the same domain, so that nothing is paired by accident."""
    assert len({slices(recordings).item(step, 0)[1] for step in range(20)}) == 3


def test_short_recordings_are_filled_with_zeros_and_long_ones_drawn_more_often(recordings: Recordings) -> None:
    """A quarter second fills half of a half-second slice; three seconds are heard about three times as often as one."""
    reader = slices(recordings)
    drawn = [reader.item(step, item) for step in range(100) for item in range(3)]
    violin = next(samples for samples, domain, *_ in drawn if domain == 1)
    assert np.all(violin[RATE // 4 :] == 0) and np.all(violin[: RATE // 4] > 0.19)
    long = [row.seconds == 3.0 for _, domain, row, _ in drawn if domain == 0]
    assert sum(long) == pytest.approx(75, abs=15)


def test_missing_domains_splits_and_indexes_are_told(recordings: Recordings, tmp_path: Path) -> None:
    """A domain without recordings in the split, an absent index and a wrong file each have their sentence."""
    with pytest.raises(DataError, match=r"no test recordings of flute .*flute, harp, violin"):
        slices(recordings, split="test")
    with pytest.raises(DataError, match="prepare recordings"):
        Recordings.read(tmp_path / "none.json")
    (tmp_path / "index.json").write_text('{"pairs": []}')
    with pytest.raises(DataError, match="not an index of recordings"):
        Recordings.read(tmp_path / "index.json")


def sine(hz: float = 440.0, seconds: float = 2.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def test_the_shifted_interval_lies_in_the_middle_and_rises_at_most_a_semitone() -> None:
    """Outside 25 to 75 % nothing changes; inside the pitch rises by 0 to 1 semitone; the input is left alone."""
    sound, changed = sine(), 0
    kept = sound.copy()
    for seed in range(6):
        out = augment.shift_interval(sound, RATE, np.random.default_rng(seed))
        assert np.array_equal(sound, kept) and len(out) == len(sound)
        moved = np.flatnonzero(out != sound)
        if len(moved) < 4096:
            continue
        changed += 1
        assert 0.25 * len(sound) <= moved[0] and moved[-1] <= 0.75 * len(sound)
        part = out[moved[0] + 1000 : moved[-1] - 1000]
        peak = np.argmax(np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 18))) * RATE / (1 << 18)
        assert -0.05 < 12 * np.log2(peak / 440) < 1.05
    assert changed >= 3


@pytest.mark.parametrize("name", ["shift_interval", "equalise", "reverberate", "echo"])
def test_augmentations_are_functions_of_their_generator(name: str) -> None:
    """The same generator gives the same sound, another seed another, length and type are kept, nothing is broken."""
    function = getattr(augment, name)
    one, same, other = (function(sine(), RATE, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert one.shape == sine().shape and one.dtype == np.float32 and np.isfinite(one).all()


def test_transposition_moves_pitch_and_gain_never_clips() -> None:
    """Seven semitones up are a ratio of 1.498; no gain takes a slice over full scale; silence stays silence."""
    up = augment.transpose(sine(), 7.0)
    peak = np.argmax(np.abs(np.fft.rfft(up[:RATE], 1 << 18))) * RATE / (1 << 18)
    assert peak == pytest.approx(440 * 2 ** (7 / 12), rel=1e-3) and len(up) == len(sine())
    assert len(augment.transpose(sine(), -7.0)) == len(sine())
    loud = [float(np.abs(augment.gain(3 * sine(), np.random.default_rng(s))).max()) for s in range(20)]
    assert max(loud) <= 0.9901 and min(loud) < 0.5
    assert np.all(augment.gain(np.zeros(9, np.float32), np.random.default_rng(0)) == 0)


def test_a_room_leaves_the_direct_sound_where_it_is() -> None:
    """The first five milliseconds of a click in a room are the click alone, and its tail is quieter and not silent."""
    click = np.zeros(RATE, np.float32)
    click[100] = 1.0
    out = augment.reverberate(click, RATE, np.random.default_rng(1))
    assert out[100] == pytest.approx(1.0, abs=1e-5) and np.abs(out[101 : 100 + 70]).max() < 1e-5
    assert 0 < np.abs(out[200:]).max() < 0.5
