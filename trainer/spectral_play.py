"""How a network on magnitude spectra plays a whole sound: the exported package's own path, offline.

    signal ─▶ frames ─▶ bands, compressed ─▶ network ─▶ magnitudes ─▶ phase (the input's, or integrated) ─▶ signal

So what a validation clip sounds like is what a player would hear.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from realtime.features import Bands, SpectrumFeatures, compress, expand
from realtime.phase import streaming_phase
from realtime.spectrum import analyse, synthesise

FloatArray = npt.NDArray[np.float32]


def play(
    signal: FloatArray,
    features: SpectrumFeatures,
    phase: Literal["input", "gradient"],
    network: Callable[[Tensor], Tensor],
    device: torch.device,
    bands: Bands | None = None,
) -> FloatArray:
    """A whole signal (samples,) → the same length, aligned; `network` maps (1, 1, bins, frames) to the same shape.

    bands: of `features` at the signal's rate; None: linear bins, which are the same at every rate.
    """
    bands = Bands(features, 1.0) if bands is None else bands
    spectrum = analyse(signal, features, flush=True)
    x = torch.from_numpy(compress(bands.fold(np.abs(spectrum).astype(np.float32)), features))
    y = network(x[None, None].to(device))[0, 0].float().cpu().numpy()
    magnitude = bands.unfold(np.ascontiguousarray(expand(y, features)))
    phases = streaming_phase(phase, features)
    frames = zip(magnitude.T, spectrum.T, strict=True)
    made = np.stack([phases.apply(np.ascontiguousarray(m), s).copy() for m, s in frames], 1)
    return synthesise(made, features, aligned=True, samples=signal.size)
