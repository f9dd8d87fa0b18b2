"""The filter bank: what comes back is what went in, late by what is declared, and each band is its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.pqmf import FilterBank, prototype, to_frames, to_sound

SIZES = [(2, 8), (4, 16), (8, 64), (16, 128), (32, 128)]


def reconstruction_error_db(bands: int, taps: int, samples: int = 4096) -> float:
    """Level of (what comes back − what went in) against what went in, for white noise, in dB."""
    bank = FilterBank(bands, taps)
    sound = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, samples // bands * bands)).astype(np.float32))
    pad = (bank.memory, 0)
    with torch.no_grad():
        heard = bank.analysis(functional.pad(to_frames(sound, bands), pad))
        back = to_sound(bank.synthesis(functional.pad(heard, pad)))
    delay = bank.delay_samples
    error = back[:, delay:] - sound[:, : sound.shape[1] - delay]
    return float(10 * torch.log10(error.square().mean() / sound.square().mean()))


def stop_band_db(bands: int, taps: int) -> float:
    """The prototype's largest gain from 1.5 bands on, beyond both neighbours, against its gain at 0, in dB."""
    response = np.abs(np.fft.rfft(prototype(bands, taps), 1 << 15))
    beyond = response[round(1.5 / (2 * bands) * (1 << 15)) :]
    return float(20 * np.log10(beyond.max() / response[0]))


@pytest.mark.parametrize(("bands", "taps"), SIZES)
def test_what_comes_back_is_what_went_in(bands: int, taps: int) -> None:
    """Noise through analysis and synthesis returns, late by taps − bands, 120 dB above the error."""
    assert reconstruction_error_db(bands, taps) < -120


@pytest.mark.parametrize(("bands", "taps"), SIZES)
def test_the_prototype_keeps_other_bands_out(bands: int, taps: int) -> None:
    """Perfect reconstruction is not bought with the stop band: it stays 33 dB down."""
    assert stop_band_db(bands, taps) < -33


def test_the_delay_is_within_three_milliseconds() -> None:
    """The shipped size, 16 bands of 128 taps, is 112 samples late: 2.33 ms at 48 kHz."""
    bank = FilterBank(16, 128)
    assert bank.delay_samples == 112
    impulse = torch.zeros(1, 16 * 40)
    impulse[0, 163] = 1.0
    pad = (bank.memory, 0)
    back = to_sound(bank.synthesis(functional.pad(bank.analysis(functional.pad(to_frames(impulse, 16), pad)), pad)))
    assert int(back.abs().argmax()) == 163 + 112


def test_a_tone_is_found_in_its_own_band() -> None:
    """A sine in the middle of a band has all but a thousandth of its power there."""
    bank = FilterBank(8, 64)
    n = torch.arange(8 * 400)
    for band in range(8):
        sine = torch.sin(np.pi * (band + 0.5) / 8 * n)[None]
        power = bank.analysis(to_frames(sine, 8)).square().mean(2)[0]
        assert float(power[band] / power.sum()) > 0.998


def test_frames_and_sound_are_the_same_samples() -> None:
    """`to_sound` undoes `to_frames`."""
    x = torch.randn(2, 48)
    assert torch.equal(to_sound(to_frames(x, 8)), x)


def test_the_prototype_is_symmetric() -> None:
    """The prototype is symmetric, so that the bank's phase is linear."""
    p = prototype(16, 128)
    assert np.array_equal(p, p[::-1])


@pytest.mark.parametrize(("bands", "taps"), [(3, 12), (1, 8), (16, 100), (16, 16)])
def test_a_bank_that_cannot_be_is_refused(bands: int, taps: int) -> None:
    """Odd bands, one band and taps that do not divide are refused in a sentence that names a multiple."""
    with pytest.raises(ConfigError, match="multiple of"):
        FilterBank(bands, taps)
