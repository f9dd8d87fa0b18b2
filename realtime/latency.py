"""The latency law: one function that says how late the output is, part by part, asserted by an impulse.

    total = device_in + buffering + slack + analysis + lookahead + model + feature + resampler + plugins + device_out

    buffering  = step - gcd(block, step)     the sound card's blocks do not fill whole model steps
    slack      = samples queued on purpose between a worker thread and the callback
    analysis   = n_fft - hop                 the oldest sample of a frame is this much older than its newest hop
    lookahead  = frames of future that the network looks at, times the hop
    model      = what the network itself delays by, as the manifest declares
    feature    = what the pitch and loudness estimate delays by, as the manifest declares
    resampler  = both stream resamplers, when the sound card's rate is not the model's
    plugins    = what the plugins around the model report

With a rate of its own, the sound card's block still buffers by a whole number of its own samples; the parts that are
counted at the model's rate become fractions of them. Any thread; nothing here touches a device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from realtime.features import PitchLoudnessFeatures, SpectrumFeatures, hop_of

if TYPE_CHECKING:
    from realtime.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Latency:
    """The delay from sound in to sound out, in samples at `rate`, by cause; whole numbers unless two rates meet."""

    rate: int
    device_in: float = 0
    buffering: float = 0
    slack: float = 0
    analysis: float = 0
    lookahead: float = 0
    model: float = 0
    feature: float = 0
    resampler: float = 0
    plugins: float = 0
    device_out: float = 0

    def parts(self) -> dict[str, float]:
        """Every part in samples, in the order in which the sound meets them; their sum is `total`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "rate"}

    @property
    def total(self) -> float:
        """Sum of all parts in samples."""
        return sum(self.parts().values())

    @property
    def algorithmic(self) -> float:
        """What the method itself costs, in samples: neither device, blocks, queue nor resamplers."""
        return self.analysis + self.lookahead + self.model + self.feature

    @property
    def total_ms(self) -> float:
        """Sum of all parts in milliseconds."""
        return 1000.0 * self.total / self.rate

    def parts_ms(self) -> dict[str, float]:
        """Every part in milliseconds."""
        return {name: 1000.0 * samples / self.rate for name, samples in self.parts().items()}


def latency(
    manifest: Manifest,
    *,
    block: int | None = None,
    device_rate: int | None = None,
    device_in: int = 0,
    device_out: int = 0,
    slack: int = 0,
    plugins: int = 0,
) -> Latency:
    """The law for one package, alone or behind a sound card.

    block: samples that the sound card asks for, at its own rate; None: the chain alone, fed whole steps.
    device_rate: the sound card's rate in Hz; None: the model's. The result is in samples at that rate.
    device_in, device_out, slack, plugins: samples at the device's rate.
    """
    rate = device_rate or manifest.sample_rate
    hop = hop_of(manifest.input)
    analysis = manifest.output.n_fft - manifest.output.hop if isinstance(manifest.output, SpectrumFeatures) else 0
    feature = manifest.input.delay_samples if isinstance(manifest.input, PitchLoudnessFeatures) else 0
    scale: float = 1 if rate == manifest.sample_rate else rate / manifest.sample_rate
    resampler: float = 0
    if rate != manifest.sample_rate:
        from realtime.resample import stream_delay  # only here: most use knows one rate

        resampler = stream_delay(rate, manifest.sample_rate) * scale + stream_delay(manifest.sample_rate, rate)
    return Latency(
        rate=rate,
        device_in=device_in,
        buffering=0 if block is None else buffering_samples(block, manifest.step * hop, rate, manifest.sample_rate),
        slack=slack,
        analysis=analysis * scale,
        lookahead=manifest.lookahead * hop * scale,
        model=manifest.model_delay_samples * scale,
        feature=feature * scale,
        resampler=resampler,
        plugins=plugins,
        device_out=device_out,
    )


def chain_latency_samples(manifest: Manifest) -> int:
    """The delay of a chain fed whole steps, in samples at the model's rate; always a whole number."""
    return int(latency(manifest).total)


def buffering_samples(block: int, step: int, device_rate: int = 1, model_rate: int = 1, start: int = 0) -> int:
    """Samples at the device's rate that must wait so that a block of output is there whenever a block of input is.

    With one rate: step - gcd(block, step). With two: the largest lack, over all n = start + 0, block, 2 block, ...,
    between the n samples owed and those made of whole steps of what n samples become at the model's rate. The pattern
    of lacks repeats after a finite number of blocks, and all of them are looked at. `start`: samples already taken in
    when blocks of this size begin; not a multiple of gcd(block, step), it adds its remainder.
    """
    if device_rate == model_rate:
        shared = math.gcd(block, step)
        return step - shared + start % shared
    common = math.gcd(device_rate, model_rate)
    to_model, to_device = model_rate // common, device_rate // common
    # After this many device samples the model has had a whole number of steps and of ratio periods.
    period = to_device * step // math.gcd(to_model, step)
    blocks = period // math.gcd(block, period)
    owed = start % period + np.arange(blocks, dtype=np.int64) * block
    stepped = owed * to_model // to_device // step * step
    return int((owed - stepped * to_device // to_model).max())
