"""What a package's golden sound is made of: a little of a clip, such as every decoder gives back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.manifest import Manifest

GOLDEN_SECONDS = 2.0
DRAWN_GOLDEN_SECONDS = 0.6  # of a system that draws at random


def golden_input(
    signal: npt.NDArray[np.float32], rate: int, manifest: Manifest, *, drawn: bool = False
) -> npt.NDArray[np.float32]:
    """A mono signal (samples,) at `rate` to some seconds at the manifest's, in 16-bit values; drawn: fewer, loud."""
    if rate != manifest.sample_rate:
        import soxr

        signal = soxr.resample(signal, rate, manifest.sample_rate).astype(np.float32)
    if drawn:  # every draw is a chance to round otherwise elsewhere: short, and where it is loudest
        length = round(DRAWN_GOLDEN_SECONDS * manifest.sample_rate)
        energy = np.cumsum(np.concatenate([[0.0], np.square(signal, dtype=np.float64)]))
        start = int(np.argmax(energy[length:] - energy[:-length])) if signal.size > length else 0
        signal = signal[start : start + length]
    signal = signal[: round(GOLDEN_SECONDS * manifest.sample_rate)]
    # 16-bit values: the file packs to half and every decoder gives back the same.
    return np.asarray(np.round(np.clip(signal, -1, 1) * 32767) / 32768, np.float32)
