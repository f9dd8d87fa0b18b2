from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import DataError
from trainer.domain_sounds import belongs, domain_banks, sound_of


@pytest.fixture
def index(material: Path, tmp_path: Path) -> Path:
    """The made-up recordings, of which two instruments are guitars and the third has no training split."""
    told = json.loads((material / "recordings" / "index.json").read_text(encoding="utf-8"))
    names = {"bell": "guitar_nylon", "horn": "guitar_electric", "reed": "flute"}
    for row in told["recordings"]:
        row["file"] = str(material / "recordings" / row["file"])
        row["domain"] = names[row["domain"]]
    told["recordings"] = [r for r in told["recordings"] if r["domain"] != "flute" or r["split"] == "validation"]
    path = tmp_path / "index.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    return path


def test_a_domain_is_its_own_recordings_and_a_class_all_of_its_kind(index: Path) -> None:
    """`guitar_nylon` hears nylon guitars alone, `guitar` both; either way a bank has one class."""
    nylon, both = domain_banks(index, ("train",), ("guitar_nylon", "guitar"))
    assert list(nylon.sounds) == list(both.sounds) == ["guitar"]
    assert list(nylon.sounds["guitar"]) == ["guitar_nylon/made up"]
    assert sorted(both.sounds["guitar"]) == ["guitar_electric/made up", "guitar_nylon/made up"]
    assert belongs("guitar_nylon", ("guitar",)) and not belongs("guitar_nylon", ("guitar_electric",))


def test_a_split_without_recordings_is_empty_but_training_needs_some(index: Path) -> None:
    """Where validation is missing the bank is empty; where training is, it is said."""
    (flute,) = domain_banks(index, ("validation",), ("flute",))
    assert flute.sounds
    assert not domain_banks(index, ("test",), ("flute",))[0].sounds
    with pytest.raises(DataError, match="no training recordings of"):
        domain_banks(index, ("train",), ("flute",))


def test_an_excerpt_is_as_long_and_loud_as_asked(index: Path) -> None:
    """At another rate an excerpt has exactly its samples, the peak at full scale, and no other where drawn again."""
    (bank,) = domain_banks(index, ("train",), ("guitar_electric",))
    sound, again = (sound_of(bank, 5000, 8192, np.random.default_rng(3)) for _ in range(2))
    assert sound.shape == (5000,) and sound.dtype == np.float32
    assert np.abs(sound).max() == pytest.approx(1.0)
    assert np.array_equal(sound, again)
    assert not np.array_equal(sound, sound_of(bank, 5000, 8192, np.random.default_rng(4)))
