"""The voice's parts: oscillators, noise, room, melodies, and what its losses tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from realtime.features import PitchLoudnessFeatures
from trainer import melodies
from trainer.models.voice import VoiceModel, VoiceNetwork, harmonic_distance
from trainer.spectral import SpectralDiscriminator, SpectralLoss
from trainer.synthesis import NoiseBank, Room, harmonic_waves, oscillate

RATE, HOP = 48_000, 128


def plucked(midi: float, seconds: float = 1.0) -> melodies.Note:
    """A decaying note of six harmonics."""
    n = np.arange(int(seconds * RATE))
    f0 = 440 * 2 ** ((midi - 69) / 12)
    sound = sum(np.sin(2 * np.pi * k * f0 * n / RATE) / k for k in range(1, 7)) * np.exp(-n / (0.4 * RATE))
    return melodies.Note(np.asarray(0.2 * sound, np.float32), midi)


def test_oscillators_at_a_steady_pitch_are_sines() -> None:
    """At a steady pitch and amplitude the oscillators give sin(2πkft), to 1e-4 over a second."""
    frames = RATE // HOP
    f0 = torch.full((1, frames), 441.0)
    waves, _ = harmonic_waves(f0, f0[:, :1], torch.zeros(1, 1), 3, HOP, RATE)
    amplitudes = torch.tensor([0.5, 0.0, 0.25]).expand(1, frames, 3)
    sound = oscillate(amplitudes, amplitudes[:, 0], waves).flatten().double()
    time = torch.arange(1, frames * HOP + 1, dtype=torch.float64) / RATE
    wanted = 0.5 * torch.sin(2 * math.pi * 441 * time) + 0.25 * torch.sin(2 * math.pi * 3 * 441 * time)
    assert (sound - wanted).abs().max() < 1e-4


def test_oscillators_have_no_jump_at_frame_borders() -> None:
    """A gliding pitch and a moving amplitude make no step larger than the wave's own slope."""
    f0 = torch.linspace(200, 400, 60)[None]
    waves, _ = harmonic_waves(f0, f0[:, :1], torch.zeros(1, 1), 1, HOP, RATE)
    sound = oscillate(torch.rand(1, 60, 1), torch.zeros(1, 1), waves).flatten()
    assert sound.diff().abs().max() < 2 * math.pi * 400 / RATE + 1 / HOP


def test_noise_has_the_level_of_its_bands() -> None:
    """Unit bands make noise of half unit power (as a sine of amplitude 1) within 1 dB; only the asked band sounds."""
    bank = NoiseBank(16, HOP, RATE)
    clock, tail = torch.zeros(1, 2), torch.zeros(1, HOP)
    sound, _, _ = bank(torch.ones(1, 800, 16), clock, tail)
    assert 10 * math.log10(float(sound.flatten().square().mean())) == pytest.approx(-3.0, abs=1.0)
    low = torch.zeros(1, 800, 16)
    low[..., 1] = 1.0
    spectrum = torch.fft.rfft(bank(low, clock, tail)[0].flatten()).abs().square()
    assert spectrum[: len(spectrum) // 8].sum() / spectrum.sum() > 0.99


def test_noise_does_not_repeat_within_a_minute() -> None:
    """A minute of noise frames holds no two that are alike."""
    bank = NoiseBank(4, 16, RATE)
    sound, _, _ = bank(torch.ones(1, 60 * RATE // HOP, 4), torch.zeros(1, 2), torch.zeros(1, 16))
    assert len(torch.unique((sound[0] * 1e5).round(), dim=0)) == sound.shape[1]


def test_room_is_the_same_short_and_long() -> None:
    """The exported convolution and the training one give the same sound, whatever the block."""
    torch.manual_seed(0)
    room = Room(2, 32)
    dry, weights = torch.randn(1, 1024), torch.tensor([[0.3, 0.7]])
    whole, _ = room(dry, weights, torch.zeros(1, 32))
    past, parts = torch.zeros(1, 32), []
    for block in dry.split(64, 1):
        wet, past = room(block, weights, past)
        parts.append(wet)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-5)


def test_no_harmonic_folds_back() -> None:
    """Harmonics over 47 % of the sample rate are silent."""
    network = VoiceNetwork(VoiceModel(hidden=8, harmonics=96), 1, RATE)
    amplitudes = network.audible(torch.zeros(1, 1, 96), torch.tensor([[1000.0]]))
    frequencies = 1000.0 * torch.arange(1, 97)
    assert (amplitudes[0, 0, frequencies > 0.47 * RATE] == 0).all()
    assert (amplitudes[0, 0, frequencies < 0.44 * RATE] == 1).all()


def test_spectral_loss_is_zero_for_equals_and_grows_with_difference() -> None:
    """The loss is zero for equal sound and larger for an octave than for a decibel."""
    time = torch.arange(8192) / RATE
    tone = 0.3 * torch.sin(2 * math.pi * 440 * time)[None]
    octave = 0.3 * torch.sin(2 * math.pi * 880 * time)[None]
    loss = SpectralLoss(RATE)
    assert float(loss(tone, tone)) == 0
    assert 0 < float(loss(tone * 1.1, tone)) < float(loss(octave, tone))


def test_discriminator_hears_the_wanted_target() -> None:
    """The same sound is scored differently for different targets."""
    torch.manual_seed(0)
    judge = SpectralDiscriminator(2, 4)
    sound = torch.randn(1, 8192)
    one, two = (judge(sound, torch.eye(2)[k : k + 1])[0][0] for k in (0, 1))
    assert not torch.equal(one, two)


def test_measured_harmonics_are_those_played() -> None:
    """The analysis of a tone finds its harmonics' levels within 1 dB, where the sound belongs."""
    n = np.arange(RATE)
    audio = sum(a * np.sin(2 * np.pi * 300 * k * n / RATE) for k, a in ((1, 0.1), (2, 0.05), (3, 0.02)))
    levels = melodies.harmonic_levels(np.asarray(audio, np.float32), np.full(RATE // HOP, 300.0), RATE, HOP, 3)
    for index, amplitude in enumerate((0.1, 0.05, 0.02)):
        assert np.median(levels[:, index]) == pytest.approx(20 * math.log10(amplitude), abs=1.5)


def test_harmonic_distance_ignores_unclear_frames() -> None:
    """Frames without a clear pitch do not count, clear ones do."""
    real, made = torch.full((1, 4, 2), -20.0), torch.full((1, 4, 2), -30.0)
    clear, unclear = torch.zeros(1, 3, 4), torch.zeros(1, 3, 4)
    clear[:, 2] = 1.0
    assert float(harmonic_distance(made, real, unclear)) == 0
    assert float(harmonic_distance(made, real, clear)) > 5


def test_a_melody_is_a_function_of_its_generator() -> None:
    """The same generator plays the same melody, another one another, with the pitches of the notes."""
    notes = [plucked(m) for m in (60, 64, 67)]
    first = melodies.melody(notes, 3.0, RATE, np.random.default_rng(1), 2.0)
    np.testing.assert_array_equal(first, melodies.melody(notes, 3.0, RATE, np.random.default_rng(1), 2.0))
    assert not np.array_equal(first, melodies.melody(notes, 3.0, RATE, np.random.default_rng(2), 2.0))
    assert np.isfinite(first).all()
    assert np.abs(first).max() > 0.05


def test_a_passage_is_late_by_the_declared_delay_and_at_the_declared_level() -> None:
    """The passage's audio lies `delay_samples` after its frames' input, with its forte at the level asked for."""
    features = PitchLoudnessFeatures(HOP, 256, 55.0, 2000.0)
    note = plucked(69, 2.0)
    made = melodies.passage(note.audio, RATE, features, 4, -20.0, 0.0)
    assert made is not None
    lag = int(np.argmax(np.correlate(made.audio[:4096], note.audio[:2048], "valid")))
    assert lag == 256
    assert np.quantile(made.frames[1][made.frames[1] > -40], melodies.LOUD_QUANTILE) == pytest.approx(0.0, abs=0.5)


def test_silence_is_no_passage() -> None:
    """Silence teaches nothing and is left out."""
    features = PitchLoudnessFeatures(HOP, 256, 55.0, 2000.0)
    assert melodies.passage(np.zeros(RATE, np.float32), RATE, features, 4, -20.0, 0.0) is None
