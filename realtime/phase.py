"""Phases for magnitudes that a model made: from the input, from the magnitudes' own gradient, or by Griffin-Lim.

    input        φ = phase of the input's frame, `delay_frames` ago        costs nothing, keeps the input's pitch
    gradient     φ integrated from the magnitudes (realtime.phase_kernel)  no look-ahead, any pitch
    griffin_lim  φ that agrees best between overlapping frames             whole files only

The streaming classes belong to the thread that calls them (the engine worker), keep their memory, and return an array
that is theirs until the next call. Spectral convergence ‖|STFT(y)| − M‖ / ‖M‖ on a vibrato tone of 30 harmonics
at 48 kHz (dB; lower is better), and time per frame as a part of the hop's, one core:

    n_fft / hop             1024/256   2048/256   2048/512   1024/512
    gradient                   −35.2      −37.0      −31.8      −29.9     0.7 % at 1024/256, 1.4 % at 2048/256
    griffin_lim, 100 times     −28.3      −28.4      −29.4      −31.5     25 % of the file's duration at 1024/256
    random                      −3.8       −2.7       −4.1       −5.8
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from realtime.errors import ConfigError
from realtime.features import ComplexArray, FloatArray, SpectrumFeatures, window
from realtime.spectrum import overlap_add, rfft

PhaseMethod = Literal["input", "gradient", "griffin_lim"]
_TINY = np.float32(1e-30)


class StreamingPhase(Protocol):
    """What the chain asks of a phase method."""

    def apply(self, magnitude: FloatArray, input_spectrum: ComplexArray) -> ComplexArray:
        """Whole magnitudes (full_bins,) and the input's newest frame (full_bins,) to a spectrum (full_bins,)."""
        ...

    def reset(self) -> None:
        """Forget all earlier frames."""
        ...


def streaming_phase(method: PhaseMethod, features: SpectrumFeatures, delay_frames: int = 0) -> StreamingPhase:
    """The phase method for a model's output, whose frames are `delay_frames` (its look-ahead) later than the input's.

    Raises ConfigError for griffin_lim, which needs the whole file.
    """
    if method == "input":
        return InputPhase(features.n_fft, delay_frames)
    if method == "gradient":
        return GradientPhase(features.n_fft, features.hop)
    raise ConfigError(f"The phase method is {method}, but a stream takes input or gradient: choose one of these.")


class InputPhase:
    """Magnitudes take the phase that the input had `delay_frames` frames ago; where it was silent, phase 0."""

    def __init__(self, n_fft: int, delay_frames: int = 0) -> None:
        """Starts as after `reset`."""
        full_bins = n_fft // 2 + 1
        self._past = np.zeros((delay_frames + 1, full_bins), np.complex64)
        self._newest = 0
        self._level = np.zeros(full_bins, np.float32)
        self._silent = np.zeros(full_bins, np.bool_)
        self._out = np.zeros(full_bins, np.complex64)

    def apply(self, magnitude: FloatArray, input_spectrum: ComplexArray) -> ComplexArray:
        """Whole magnitudes (full_bins,) and the input's newest frame (full_bins,) to a spectrum (full_bins,)."""
        self._past[self._newest] = input_spectrum
        self._newest = (self._newest + 1) % self._past.shape[0]
        source = self._past[self._newest]
        np.abs(source, out=self._level)
        np.less(self._level, _TINY, out=self._silent)
        np.maximum(self._level, _TINY, out=self._level)
        np.divide(source, self._level, out=self._out)
        np.copyto(self._out, np.complex64(1.0), where=self._silent)
        return np.multiply(self._out, magnitude, out=self._out)

    def reset(self) -> None:
        """Forget all earlier frames."""
        self._past.fill(0.0)


class GradientPhase:
    """Real-time phase-gradient heap integration without look-ahead; the input's frame is not used.

    The constructor compiles (seconds, the first time on a machine; then read from numba's cache) and runs one silent
    frame, so that the first live frame is not late.
    """

    def __init__(self, n_fft: int, hop: int, *, tolerance: float = 1e-5, seed: int = 1) -> None:
        """Bins under `tolerance` times the frame's loudest get random phases, the same for each `seed`."""
        if seed < 1:
            raise ConfigError(f"The seed is {seed}, but the phase generator needs one above 0: use 1.")
        from realtime.phase_kernel import integrate_frame  # numba: slow to import, and needed only here

        bins = n_fft // 2 + 1
        self._integrate = integrate_frame
        self._geometry = (n_fft, hop, tolerance)
        self._first_seed = seed
        self._magnitude = np.zeros(bins, np.float32)
        self._keys = np.zeros(2 * bins)
        self._older = np.zeros(bins)
        self._phase = np.zeros((2, bins))
        self._time_gradient = np.zeros((2, bins))
        self._frequency_gradient = np.zeros(bins)
        self._known = np.zeros(bins, np.bool_)
        self._heap = np.zeros(2 * bins, np.int64)
        self._seed = np.zeros(1, np.uint64)
        self._out = np.zeros(bins, np.complex64)
        self.reset()
        self.apply(np.zeros(bins, np.float32), self._out)
        self.reset()

    def apply(self, magnitude: FloatArray, input_spectrum: ComplexArray) -> ComplexArray:
        """Whole magnitudes (full_bins,) to a spectrum (full_bins,) that continues the last frame's phases."""
        del input_spectrum  # the magnitudes say all
        np.copyto(self._magnitude, magnitude)  # always this memory layout: another would compile again, live
        self._integrate(
            self._magnitude,
            self._out,
            self._keys,
            self._older,
            self._phase,
            self._time_gradient,
            self._frequency_gradient,
            self._known,
            self._heap,
            self._seed,
            *self._geometry,
        )
        return self._out

    def reset(self) -> None:
        """Forget all earlier frames; the random phases start again."""
        self._keys.fill(np.log(1e-10))
        self._older.fill(np.log(1e-10))
        self._phase.fill(0.0)
        self._time_gradient.fill(0.0)
        self._seed[0] = self._first_seed * 0x9E3779B97F4A7C15 % 2**64


def griffin_lim(
    magnitude: FloatArray,
    features: SpectrumFeatures,
    iterations: int = 100,
    *,
    momentum: float = 0.99,
    seed: int = 1,
) -> ComplexArray:
    """Whole magnitudes (full_bins, frames) to a spectrum of the same shape whose frames agree with each other.

    Fast Griffin-Lim from random phases, the same for each `seed`. Perraudin, Balazs, Søndergaard: A fast Griffin-Lim
    algorithm, WASPAA 2013; momentum 0 is the original (Griffin, Lim: Signal estimation from modified short-time
    Fourier transform, 1984).
    """
    if magnitude.shape[1] == 0:
        return np.zeros(magnitude.shape, np.complex64)
    wanted = np.ascontiguousarray(magnitude.T)
    random = np.random.default_rng(seed)
    spectrum: ComplexArray = wanted * np.exp(2j * np.pi * random.random(wanted.shape)).astype(np.complex64)
    previous = np.zeros_like(spectrum)
    project = _Projection(wanted.shape[0], features)
    for _ in range(iterations):
        consistent = project(spectrum)
        ahead = consistent + np.float32(momentum) * (consistent - previous)
        previous = consistent
        np.multiply(wanted, ahead / np.maximum(np.abs(ahead), _TINY), out=spectrum)
    return spectrum.T


class _Projection:
    """Frames (frames, full_bins) to the nearest frames that one signal has, silent before its first sample."""

    def __init__(self, frames: int, features: SpectrumFeatures) -> None:
        self._features = features
        self._window = window(features.n_fft)
        # Past the last frame's hop the windows' squares do not add up to 1 any more: divide by what there is.
        ratio = features.n_fft // features.hop
        power = np.zeros((frames + ratio - 1, features.hop))
        for k, part in enumerate(np.square(self._window).reshape(ratio, -1)):
            power[k : k + frames] += part
        full = power[ratio - 1] if frames >= ratio else np.square(self._window).reshape(ratio, -1).sum(axis=0)
        gain = np.tile(full, power.shape[0]) / np.maximum(power.reshape(-1), 1e-3 * full.max())
        gain[: features.delay_samples] = 0.0
        self._gain = gain.astype(np.float32)

    def __call__(self, frames: ComplexArray) -> ComplexArray:
        signal = overlap_add(frames, self._features) * self._gain
        hops = sliding_window_view(signal, self._features.n_fft)[:: self._features.hop]
        return rfft(hops * self._window, np.empty_like(frames))
