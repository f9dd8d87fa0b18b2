from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from realtime.errors import DataError
from trainer import data
from trainer.augment import Augmentation
from trainer.data import Kept, Recording, Recordings, Slices, Unpaired

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


def test_a_long_recording_is_read_by_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long to be kept is read where the slice lies, and is the same sound as the whole."""
    ramp = np.linspace(-0.5, 0.5, 40 * RATE, dtype=np.float32)
    soundfile.write(tmp_path / "long.flac", ramp, RATE, subtype="PCM_16")
    row = Recording(tmp_path / "long.flac", "sea", "train", "s", 40.0, -20.0, 0.0, None, "")
    whole = Slices(Recordings(RATE, (row,)), ("sea",), RATE).item(3, 0)
    monkeypatch.setattr(data, "LONGEST_KEPT_BYTES", 1 << 20)
    monkeypatch.setattr(data, "read_recording", lambda _path: pytest.fail("the whole file was decoded"))
    part = Slices(Recordings(RATE, (row,)), ("sea",), RATE).item(3, 0)
    assert np.array_equal(part[0], whole[0]) and part[0] == pytest.approx(ramp[part[3] : part[3] + RATE], abs=1e-4)


def test_kept_recordings_never_need_more_than_their_room(recordings: Recordings) -> None:
    """However many recordings are heard, at most `room` bytes are kept, and what was heard last is still there."""
    kept = Kept(data._decoded, room=300_000)  # two of the harp's two seconds
    harps = [row.path for row in recordings.rows if row.domain == "harp"]
    for path in harps * 2:
        last = kept.read(path)
        assert kept.bytes <= 300_000
    assert kept.read(harps[-1]) is last and kept.read(harps[0]) is not last


def test_unpaired_domains_are_zipped_anew_in_every_step(recordings: Recordings) -> None:
    """Side a is always one domain and side b the other; which recordings meet, and where, follows no rule."""
    pairs = Unpaired(recordings, "flute", "harp", RATE // 2)
    batch = pairs.batch(5, range(6))
    assert batch["a"].shape == batch["b"].shape == (6, 1, RATE // 2)
    assert torch.allclose(batch["a"].amax(dim=2), torch.tensor(0.1), atol=1e-3)
    assert torch.allclose(batch["b"].amax(dim=2), torch.tensor(0.3), atol=1e-3)
    assert torch.equal(batch["a"][4:], pairs.batch(5, range(4, 6))["a"])


def test_no_pairing_can_be_learnt(tmp_path: Path) -> None:
    """Over many steps each of four recordings of one domain meets each of four of the other about equally often."""
    rows = []
    for domain in "ab":
        for number in range(4):
            level = 0.1 * (number + 1)
            soundfile.write(tmp_path / f"{domain}{number}.flac", np.full(RATE, level), RATE)
            rows.append(Recording(tmp_path / f"{domain}{number}.flac", domain, "train", "s", 1.0, 0, 0, None, ""))
    pairs = Unpaired(Recordings(RATE, tuple(rows)), "a", "b", 100)
    met = np.zeros((4, 4))
    for step in range(100):
        batch = pairs.batch(step, range(8))
        sides = [(10 * batch[name][:, 0, 0]).round().long() - 1 for name in "ab"]
        np.add.at(met, tuple(side.numpy() for side in sides), 1)
    assert met.min() > 25 and met.max() < 80  # 50 are expected


def test_an_augmentation_asks_for_the_source_it_needs(recordings: Recordings) -> None:
    """With an augmentation slices are longer by its reach and bring their plan, part by part the same."""
    faster = Augmentation(transpose=2.0, tempo=0.1)
    reader = slices(recordings, augmentation=faster)
    batch, part = reader.batch(1, range(6)), reader.batch(1, range(4, 6))
    assert batch["samples"].shape[2] == faster.source_length(RATE // 2) > RATE // 2
    assert torch.equal(batch["augment"][4:], part["augment"])
    assert faster(batch["samples"], batch["augment"], RATE, RATE // 2).shape == (6, 1, RATE // 2)
