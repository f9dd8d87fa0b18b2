"""Variations of a slice of sound (samples,) float32, each a function of the slice, its rate and a generator.

`shift_interval` is the augmentation of the universal translation networks (Mor et al. 2018) in the form of the
dissertation: one random interval between 25 and 75 % of the slice is raised by 0…1 semitone, so that an encoder cannot
memorise a melody. The others give a recording another level, key, room or microphone. All keep the length, so that
aligned things stay aligned; none changes its input.
"""

from __future__ import annotations

import numpy as np
import soxr

from trainer.recording_checks import FloatArray

FADE_SECONDS = 0.01


def shift_interval(signal: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Raise one random interval between 25 and 75 % of `signal` by 0…1 semitone, faded in and out over 10 ms."""
    import librosa

    start, end = np.sort(rng.uniform(0.25, 0.75, 2) * len(signal)).astype(int)
    fade = min(round(FADE_SECONDS * sample_rate), (end - start) // 2)
    semitones = float(rng.uniform(0, 1))
    if fade < 1 or end - start < 2048:  # too short to hold a frame of the shifter
        return signal.copy()
    part = signal[start:end]
    shifted = librosa.effects.pitch_shift(part, sr=sample_rate, n_steps=semitones, n_fft=1024)
    weight = np.ones(len(part), dtype=np.float32)
    weight[:fade] = np.linspace(0, 1, fade, dtype=np.float32)
    weight[len(part) - fade :] = weight[:fade][::-1]
    out = signal.copy()
    out[start:end] = part * (1 - weight) + shifted * weight
    return out


def transpose(signal: FloatArray, semitones: float) -> FloatArray:
    """Play faster or slower by `semitones` (formants move too): cut, or zeros at the end, to the same length."""
    moved = soxr.resample(signal, 2 ** (semitones / 12), 1.0, quality="HQ")[: len(signal)]
    return np.pad(moved, (0, len(signal) - len(moved))).astype(np.float32)


def gain(signal: FloatArray, rng: np.random.Generator, range_db: float = 12.0) -> FloatArray:
    """Another level, by at most `range_db`, and below full scale."""
    factor = 10 ** (rng.uniform(-range_db, range_db) / 20)
    peak = float(np.abs(signal).max(initial=0.0))
    return signal * np.float32(min(factor, 0.99 / peak) if peak > 0 else 1.0)


def equalise(signal: FloatArray, sample_rate: int, rng: np.random.Generator, depth_db: float = 6.0) -> FloatArray:
    """Another microphone: four broad bells, each up to `depth_db`, placed at random over eight octaves."""
    size = 1 << (2 * len(signal) - 1).bit_length()  # room for the bells' ringing on both sides
    octaves = np.log2(np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 20.0) / 40.0)
    curve_db = np.zeros(len(octaves))
    for centre, width, height in zip(
        rng.uniform(0, 8, 4), rng.uniform(0.5, 1.5, 4), rng.uniform(-depth_db, depth_db, 4), strict=True
    ):
        curve_db += height * np.exp(-0.5 * ((octaves - centre) / width) ** 2)
    spectrum = np.fft.rfft(signal, size) * 10 ** (curve_db / 20)
    return np.fft.irfft(spectrum, size)[: len(signal)].astype(np.float32)


def room_response(sample_rate: int, rng: np.random.Generator, decay_seconds: float, wet_db: float) -> FloatArray:
    """A synthetic impulse response: the direct sound, then noise that falls by 60 dB in `decay_seconds`."""
    length = max(2, round(decay_seconds * sample_rate))
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: min(length - 1, round(0.005 * sample_rate))] = 0  # the first wall is a metre or two away
    tail *= 10 ** (wet_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def reverberate(signal: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """Another room: decay 0.1…1 s, 30…6 dB under the direct sound, which stays where it is."""
    response = room_response(sample_rate, rng, float(rng.uniform(0.1, 1.0)), float(rng.uniform(-30, -6)))
    size = 1 << (len(signal) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[: len(signal)]
    return np.asarray(wet, dtype=np.float32)


def echo(signal: FloatArray, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """One echo after 60…400 ms, 24…6 dB weaker."""
    delay = round(rng.uniform(0.06, 0.4) * sample_rate)
    out = signal.copy()
    out[delay:] += signal[: max(0, len(signal) - delay)] * np.float32(10 ** (rng.uniform(-24, -6) / 20))
    return out
