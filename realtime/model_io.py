"""The two ends of a model: what fills its `x` from samples, and what makes samples of its `y`, by its features.

    samples ─▶ spectrum | samples | pitch_loudness ─▶ x ─▶ model ─▶ y ─▶ spectrum + phase | samples ─▶ samples

Each end takes and gives exactly one step of samples per call, keeps its memory, and belongs to the chain's thread.
These are the only places that look at the kind of features; none looks at the architecture.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Controls
from realtime.errors import ConfigError, PackageError
from realtime.features import Bands, PitchLoudnessFeatures, SpectrumFeatures, compress, expand
from realtime.manifest import Manifest
from realtime.octave import OctaveChooser, blended_range
from realtime.phase import griffin_lim, streaming_phase
from realtime.spectrum import SpectrumAnalyser, SpectrumSynthesiser, synthesise

FloatArray = NDArray[np.float32]
ComplexArray = NDArray[np.complex64]
_HIGHEST_PITCH = 0.45  # of the sample rate: a transposed pitch stays below half of it


class ModelInput(Protocol):
    """Fills `x`; `spectra` are the newest step's frames (step, full_bins) for a phase that reuses them."""

    spectra: ComplexArray

    def adopt(self, controls: Controls, weights: tuple[float, ...]) -> None:
        """Follow new controls; `weights` is the target blend in force."""

    def feed(self, samples: FloatArray, x: FloatArray) -> None:
        """One step of samples (step_samples,) into `x`."""

    def reset(self) -> None:
        """Forget the sound so far."""


class ModelOutput(Protocol):
    """Reads `y`."""

    def give(self, y: FloatArray, spectra: ComplexArray, wet: FloatArray) -> None:
        """`y` into one step of samples (step_samples,)."""

    def reset(self) -> None:
        """Forget the sound so far."""


def model_input(manifest: Manifest) -> ModelInput:
    """What fills this model's `x`."""
    if isinstance(manifest.input, SpectrumFeatures):
        return _SpectrumInput(manifest, manifest.input)
    if isinstance(manifest.input, PitchLoudnessFeatures):
        return _PitchInput(manifest, manifest.input)
    return _SamplesInput()


def model_output(manifest: Manifest) -> ModelOutput:
    """What reads this model's `y`."""
    if isinstance(manifest.output, SpectrumFeatures):
        return _SpectrumOutput(manifest, manifest.output)
    return _SamplesOutput()


class _SamplesInput:
    def __init__(self) -> None:
        self.spectra = np.zeros((1, 1), np.complex64)

    def adopt(self, controls: Controls, weights: tuple[float, ...]) -> None:
        """Nothing here follows a control."""

    def feed(self, samples: FloatArray, x: FloatArray) -> None:
        """Copy."""
        x[0, 0] = samples

    def reset(self) -> None:
        """Nothing is remembered."""


class _SpectrumInput:
    def __init__(self, manifest: Manifest, features: SpectrumFeatures) -> None:
        self._features = features
        self._bands = Bands(features, manifest.sample_rate)
        self._analyser = SpectrumAnalyser(features)
        self._magnitude = np.zeros(features.full_bins, np.float32)
        self._values = np.zeros(features.bins, np.float32)
        self.spectra = np.zeros((manifest.step, features.full_bins), np.complex64)

    def adopt(self, controls: Controls, weights: tuple[float, ...]) -> None:
        """Nothing here follows a control."""

    def feed(self, samples: FloatArray, x: FloatArray) -> None:
        """Analyse, fold, compress: one frame per hop."""
        hop = self._features.hop
        for frame, spectrum in enumerate(self.spectra):
            spectrum[:] = self._analyser.push(samples[frame * hop : (frame + 1) * hop])
            np.abs(spectrum, out=self._magnitude)
            self._bands.fold(self._magnitude, out=self._values)
            x[0, 0, :, frame] = compress(self._values, self._features, out=self._values)

    def reset(self) -> None:
        """Silence before the next sample."""
        self._analyser.reset()
        self.spectra.fill(0.0)


class _PitchInput:
    def __init__(self, manifest: Manifest, features: PitchLoudnessFeatures) -> None:
        from realtime.pitch import PitchLoudnessTracker  # numba: slow to import, and needed only here

        self._hop, self._step = features.hop, manifest.step
        self._tracker = PitchLoudnessTracker(manifest.sample_rate, features)
        # Compile now what would otherwise make the first live step late.
        self._tracker.push(np.zeros(features.hop, np.float32))
        self._tracker.reset()
        self._chooser = OctaveChooser(manifest.sample_rate / features.hop)
        self._highest_hz = _HIGHEST_PITCH * manifest.sample_rate
        self._ranges = [(target.low_hz, target.high_hz) for target in manifest.targets]
        self._player_level_db = 0.0
        self._transpose = 0.0
        self.spectra = np.zeros((manifest.step, 1), np.complex64)

    @property
    def octaves(self) -> int:
        """The octaves added at the moment."""
        return self._chooser.octaves

    def adopt(self, controls: Controls, weights: tuple[float, ...]) -> None:
        """Follow the player's level, the transposition and the range of the targets."""
        self._player_level_db = controls.player_level_db
        self._transpose = controls.transpose_semitones
        low, high = blended_range(self._ranges, list(weights)) if controls.octave == "auto" else (None, None)
        self._chooser.aim(low, high, controls.transpose_semitones)

    def feed(self, samples: FloatArray, x: FloatArray) -> None:
        """Track: f0 moved by transposition and octaves, loudness above the player's level, periodicity."""
        hop = self._hop
        for frame in range(self._step):
            # In Python numbers: three of them are quicker than any array operation.
            f0_hz, loudness_db, periodicity = self._tracker.push(samples[frame * hop : (frame + 1) * hop]).tolist()
            octaves = self._chooser.push(f0_hz, periodicity, loudness_db)
            x[0, 0, frame] = min(f0_hz * 2.0 ** (octaves + self._transpose / 12.0), self._highest_hz)
            x[0, 1, frame] = loudness_db - self._player_level_db
            x[0, 2, frame] = periodicity

    def reset(self) -> None:
        """Silence before the next sample, no octave chosen."""
        self._tracker.reset()
        self._chooser.reset()


class _SamplesOutput:
    def give(self, y: FloatArray, spectra: ComplexArray, wet: FloatArray) -> None:
        """Copy."""
        wet[:] = y[0, 0]

    def reset(self) -> None:
        """Nothing is remembered."""


class WholeOutput:
    """Keeps a spectrum's magnitudes until the file is over, for a phase that needs them all."""

    def __init__(self, manifest: Manifest) -> None:
        """manifest: of a package that gives a spectrum. Raises `ConfigError` for another."""
        if not isinstance(manifest.output, SpectrumFeatures):
            raise ConfigError(f"The model '{manifest.name}' gives sound, not a spectrum: it needs no phase.")
        self._features = manifest.output
        self._bands = Bands(self._features, manifest.sample_rate)
        self._magnitudes: list[FloatArray] = []

    def give(self, y: FloatArray, spectra: ComplexArray, wet: FloatArray) -> None:
        """Keep the frames; nothing sounds yet."""
        for frame in range(y.shape[3]):
            magnitude = np.zeros(self._features.full_bins, np.float32)
            self._bands.unfold(expand(y[0, 0, :, frame], self._features), out=magnitude)
            self._magnitudes.append(magnitude)
        wet.fill(0.0)

    def sound(self) -> FloatArray:
        """Everything since the start, (samples,), as late as a stream would give it."""
        spectrum = griffin_lim(np.stack(self._magnitudes, axis=1), self._features)
        return synthesise(spectrum, self._features)

    def reset(self) -> None:
        """A new file."""
        self._magnitudes.clear()


class _SpectrumOutput:
    def __init__(self, manifest: Manifest, features: SpectrumFeatures) -> None:
        assert manifest.phase is not None  # the manifest refuses a spectrum without one
        if manifest.phase == "griffin_lim":
            raise PackageError(
                f"The package '{manifest.name}' asks for the phase griffin_lim, which needs a whole file, "
                "but a chain runs on a stream: convert files, or export it with the phase 'gradient' or 'input'."
            )
        delay = manifest.lookahead * features.hop + manifest.model_delay_samples
        if manifest.phase == "input" and delay % features.hop:
            raise PackageError(
                f"The package '{manifest.name}' delays by {manifest.model_delay_samples} samples, but with the input's "
                f"phase a delay is whole frames of {features.hop} samples: export it with such a delay."
            )
        self._features = features
        self._bands = Bands(features, manifest.sample_rate)
        self._phase = streaming_phase(manifest.phase, features, delay // features.hop)
        self._synthesiser = SpectrumSynthesiser(features)
        self._values = np.zeros(features.bins, np.float32)
        self._magnitude = np.zeros(features.full_bins, np.float32)

    def give(self, y: FloatArray, spectra: ComplexArray, wet: FloatArray) -> None:
        """Expand, unfold, add a phase, overlap-add: one hop per frame."""
        hop = self._features.hop
        for frame in range(y.shape[3]):
            expand(y[0, 0, :, frame], self._features, out=self._values)
            self._bands.unfold(self._values, out=self._magnitude)
            spectrum = self._phase.apply(self._magnitude, spectra[frame])
            wet[frame * hop : (frame + 1) * hop] = self._synthesiser.push(spectrum)

    def reset(self) -> None:
        """Silence."""
        self._phase.reset()
        self._synthesiser.reset()
