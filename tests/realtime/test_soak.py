from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.auditor import same_but_later
from realtime.soak import SoakReport


def test_a_short_soak_holds_every_check(tmp_path: Path) -> None:
    """Through a server in freewheel, with random controls and storms of MIDI, nothing is lost or left behind."""
    command = [sys.executable, "-m", "realtime.cli", "soak", "--hours", "0.02", "--model", "identity", "--no-faults"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "report.json")], capture_output=True, text=True, timeout=150, check=False
    )
    report = json.loads((tmp_path / "report.json").read_text())
    # Twenty megabytes of warm-up weigh more than two of growth in so short a run: that check is for the long one.
    serious = [failure for failure in report["failures"] if "grew" not in failure]
    assert not serious, (serious, done.stderr)
    assert report["frames_asked"] > 0.015 * 3600 * 48000 and report["frames_missing"] == 0
    assert report["frames_compared"] >= 48000
    assert report["restarts"] == 0 and set(report) == set(SoakReport.__dataclass_fields__)


@pytest.mark.parametrize("delay", [0, 64, 5000])
def test_the_auditor_knows_its_own_sound(delay: int) -> None:
    """A sound that comes back later is the same sound; one with a sample lost, another level or silence is not."""
    played = np.random.default_rng(1).standard_normal(48000).astype(np.float32) * np.float32(0.1)
    heard = np.concatenate([np.zeros(delay, np.float32), played])[:48000]
    assert same_but_later(played, heard)
    assert not same_but_later(played, np.append(np.delete(heard, 30000), np.float32(0)))
    assert not same_but_later(played, heard * np.float32(0.99))
    assert not same_but_later(played, np.zeros_like(heard))
