"""Mu-law against librosa, and within its stated error."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch

from realtime.errors import ConfigError
from trainer import mu_law


def test_codes_are_librosas() -> None:
    """Compression, codes and expansion are librosa's, codes counted from 0 instead of −128."""
    samples = np.linspace(-1, 1, 5001).astype(np.float32)
    tensor = torch.from_numpy(samples)
    np.testing.assert_allclose(mu_law.compress(tensor), librosa.mu_compress(samples, quantize=False), atol=1e-6)
    # librosa puts the borders of its levels half a level away, with an uneven first one: ours round to the nearest.
    assert np.abs(mu_law.encode(tensor).numpy() - 128 - librosa.mu_compress(samples, mu=255)).max() <= 1
    values = np.linspace(-1, 1, 256).astype(np.float32)
    np.testing.assert_allclose(
        mu_law.expand(torch.from_numpy(values)), librosa.mu_expand(values, quantize=False), atol=1e-6
    )


@pytest.mark.parametrize("levels", [16, 256, 1024])
def test_samples_come_back_within_half_a_level(levels: int) -> None:
    """|x − x̂| ≤ (|x| + 1/μ)·((1 + μ)^(1/μ) − 1) for every x, and every code comes back as itself."""
    samples = torch.linspace(-1, 1, 20001)
    codes = mu_law.encode(samples, levels)
    assert codes.min() == 0
    assert codes.max() == levels - 1
    mu = levels - 1
    bound = (samples.abs() + 1 / mu) * ((1 + mu) ** (1 / mu) - 1)
    assert ((mu_law.decode(codes, levels) - samples).abs() <= bound + 1e-6).all()
    every = torch.arange(levels)
    assert torch.equal(mu_law.encode(mu_law.decode(every, levels), levels), every)


def test_loud_samples_are_clipped_and_silence_is_the_middle() -> None:
    """Beyond full scale the code is the outermost; zero is level 128 of 256."""
    assert mu_law.encode(torch.tensor([-3.0, 0.0, 3.0])).tolist() == [0, 128, 255]
    with pytest.raises(ConfigError, match="at least 2"):
        mu_law.encode(torch.zeros(1), 1)
