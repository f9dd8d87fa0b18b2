"""Anchors: sounds that must be rated worst, so that one sees who listened; and the loudness at which all are heard.

    style      the unconverted original below 3.5 kHz (BS.1534's low anchor): the notes are right, the instrument is not
    content    the same with its pieces of 0.4 s in another order: the instrument is right, the notes and rhythm are not
    both       as for content

The originals are what the systems were given, so an anchor is as long as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.resample import resample_signal
from trainer.listening.study import Ask

FloatArray = NDArray[np.float32]

ANCHOR_HZ = 3500
PIECE_SECONDS = 0.4
FADE_SECONDS = 0.01
SHORTEST_SECONDS = 1.0


def anchor(original: FloatArray, sample_rate: int, ask: Ask, seed: int) -> FloatArray:
    """The anchor of an original (channels, samples) for what is asked; of the same shape."""
    kept = original if ask == "style" else _rearranged(original, sample_rate, seed)
    return _low_passed(kept, sample_rate)


def _low_passed(signal: FloatArray, sample_rate: int) -> FloatArray:
    """Without what lies above `ANCHOR_HZ`, by way of a lower sample rate: steep, and without delay."""
    low = resample_signal(signal, sample_rate, 2 * ANCHOR_HZ)
    return resample_signal(low, 2 * ANCHOR_HZ, sample_rate, samples=signal.shape[1])


def _rearranged(signal: FloatArray, sample_rate: int, seed: int) -> FloatArray:
    """Pieces faded at their ends, in an order in which none follows the one that it followed."""
    length = round(PIECE_SECONDS * sample_rate)
    pieces = [signal[:, start : start + length] for start in range(0, signal.shape[1], length)]
    random = np.random.default_rng(seed)
    order = random.permutation(len(pieces))
    while len(pieces) > 3 and (np.diff(order) == 1).any():
        order = random.permutation(len(pieces))
    if len(pieces) <= 3:
        order = np.arange(len(pieces))[::-1]
    faded = []
    for one in (pieces[place] for place in order):
        ramp = np.minimum(1.0, np.arange(one.shape[1]) / (FADE_SECONDS * sample_rate)).astype(np.float32)
        faded.append(one * ramp * ramp[::-1])
    return np.concatenate(faded, axis=1)


def loudness_lufs(signal: FloatArray, sample_rate: int) -> float:
    """Integrated loudness of (channels, samples) by ITU-R BS.1770-4; −inf for silence. At least 0.4 s long."""
    import pyloudnorm

    meter: Any = pyloudnorm.Meter(sample_rate)
    return float(meter.integrated_loudness(signal.T.astype(np.float64)))
