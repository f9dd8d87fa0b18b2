"""A network on spectra plays a whole sound: aligned, as long as the input, on linear bins and on mel bands."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from realtime.features import Bands, SpectrumFeatures, unit_scale
from trainer.spectral_play import play

RATE = 16000


def tone() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    time_s = np.arange(5000) / RATE
    return (0.3 * np.sin(2 * np.pi * 700 * time_s)).astype(np.float32)


def features(bins: int, kind: str) -> SpectrumFeatures:
    return SpectrumFeatures(512, 128, bins, kind, "log_unit", unit_scale(512))  # type: ignore[arg-type]


def test_a_network_that_changes_nothing_gives_the_input_back() -> None:
    """With all bins and the input's phase the sound is the input, to its last sample."""
    made = play(tone(), features(257, "linear"), "input", lambda x: x, torch.device("cpu"))
    assert made == pytest.approx(tone(), abs=1e-4)


def test_what_lies_above_the_bins_is_silent() -> None:
    """Bins that the network does not see come back as silence: a tone above them is gone."""
    made = play(tone(), features(16, "linear"), "input", lambda x: x, torch.device("cpu"))
    assert np.abs(made[600:-600]).max() < 0.01


def test_mel_bands_are_folded_and_unfolded() -> None:
    """With mel bands the network sees bands, and the tone comes back at nearly its level."""
    seen: list[torch.Size] = []

    def network(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.shape)
        return x

    mel = features(40, "mel")
    made = play(tone(), mel, "input", network, torch.device("cpu"), Bands(mel, RATE))
    assert seen[0][2] == 40
    assert made.size == tone().size
    assert np.std(made[500:-500]) == pytest.approx(np.std(tone()), rel=0.3)
