"""Variations of slices of sound, drawn for each item and applied to a whole batch on its own device.

    draw(seed, step, items)          -> plan (items, …)      on the CPU, a pure function of its arguments
    augmentation(samples, plan, …)   -> samples              vectorised, on the device of `samples`

    samples ─▶ speed (transposition) ─▶ tempo ─▶ one interval raised ─▶ one filter: tilt, bells, bandwidth, room, echo
            ─▶ drive ─▶ noise ─▶ gain

The raised interval is the augmentation of the universal translation networks (Mor et al. 2018) in the form of the
dissertation: one random interval between 25 and 75 % of the slice rises by 0…1 semitone, so that an encoder cannot
memorise a melody. The others give a recording another key, tempo, room, microphone or level. What is linear and does
not change with time is one transfer function, so that a room costs no more than a bell. Aligned things stay aligned
when they are given the same plan. (Note length belongs to what is made of notes: `retimbre prepare paired
--duration-rate`, and the melodies of `trainer.excerpts`.)

Every probability is 0 by default: an absent `[augment]` changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realtime.errors import ConfigError
from trainer.config import setting
from trainer.time_scale import TAPS, cut, read_at, stretch

BELLS = 4
PLAN = (
    *("seed", "semitones", "tempo", "from", "to", "raise", "tilt_db"),
    *(f"bell{k}_{what}" for k in range(BELLS) for what in ("octave", "width", "db")),
    *("low_pass_hz", "high_pass_hz", "room_db", "room_s", "room_gap_s", "echo_db", "echo_s", "drive", "noise_db"),
    *("noise_slope", "gain_db"),
)
"""The columns of a plan; what is off has the value that does nothing (-inf dB, a factor of 1, a width of 0)."""
FADE_SECONDS = 0.01
ROOM_SECONDS = 1.0
ECHO_SECONDS = 0.4
MOST_RAISED = 2.0 ** (2.0 / 12.0)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """`[augment]`: how often, and how much; call it with a batch and its plan."""

    interval: float = setting(0.0, "how often one interval of the slice is raised", minimum=0, maximum=1)
    interval_semitones: float = setting(1.0, "by at most this", minimum=0, maximum=2)
    transpose: float = setting(0.0, "semitones up or down, by speed, at most", minimum=0, maximum=12)
    tempo: float = setting(0.0, "part by which the tempo changes, at most, the pitch kept", minimum=0, maximum=0.5)
    gain_db: float = setting(0.0, "louder or softer by at most this", minimum=0, maximum=40)
    tilt_db: float = setting(0.0, "spread of a tilt of the spectrum, dB an octave", minimum=0, maximum=6)
    bells_db: float = setting(0.0, "spread of four bells of an equaliser", minimum=0, maximum=12)
    bandwidth: float = setting(0.0, "how often highs, and how often lows, are cut", minimum=0, maximum=1)
    room: float = setting(0.0, "how often another room", minimum=0, maximum=1)
    room_seconds: tuple[float, float] = setting(
        (0.15, 1.5), "its decay by 60 dB, from and to", minimum=0.01, maximum=10
    )
    room_db: tuple[float, float] = setting((-30.0, -6.0), "its level against the direct sound", maximum=12)
    echo: float = setting(0.0, "how often one echo after 60 to 400 ms, 24 to 6 dB weaker", minimum=0, maximum=1)
    drive: float = setting(0.0, "how often a soft overdrive", minimum=0, maximum=1)
    noise: float = setting(0.0, "how often noise between white and pink", minimum=0, maximum=1)
    noise_db: tuple[float, float] = setting((18.0, 60.0), "how far below the sound, from and to", minimum=0)

    @property
    def reach(self) -> float:
        """How many samples of the source one sample of the result may need: fast and high reads further."""
        return float(2.0 ** (self.transpose / 12.0) * (1.0 + self.tempo))

    def refuse_movement(self) -> None:
        """ConfigError where what is heard would no longer lie beside its truth, sample by sample."""
        if self.reach != 1.0 or self.interval:
            raise ConfigError(
                "augment.transpose, tempo and interval would part what is heard from its truth: set them to 0"
            )

    def source_length(self, length: int) -> int:
        """Samples to be read for a result of `length` samples."""
        return length if self.reach == 1.0 else math.ceil(length * self.reach) + TAPS

    def draw(self, seed: int, step: int, items: Iterable[int]) -> Tensor:
        """The plan (items, len(PLAN)) float64 of these items of a step: a pure function, on the CPU."""
        return torch.from_numpy(np.stack([self.plan(np.random.default_rng([seed, step, 77, i])) for i in items]))

    def plan(self, rng: np.random.Generator) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """One row of a plan."""
        happens = {name: rng.random() < getattr(self, name) for name in ("interval", "room", "echo", "drive", "noise")}
        cut_highs, cut_lows = rng.random(2) < self.bandwidth
        start, end = np.sort(rng.uniform(0.25, 0.75, 2))
        decay = math.exp(rng.uniform(*np.log(self.room_seconds)))
        row: dict[str, float] = {
            "seed": float(rng.integers(1 << 31)),
            "semitones": rng.uniform(-1, 1) * self.transpose,
            "tempo": 1.0 + rng.uniform(-1, 1) * self.tempo,
            "from": start,
            "to": end,
            "raise": rng.uniform(0, 1) * self.interval_semitones if happens["interval"] else 0.0,
            "tilt_db": rng.normal() * self.tilt_db,
            "low_pass_hz": rng.uniform(3500, 10000) if cut_highs else math.inf,
            "high_pass_hz": rng.uniform(50, 250) if cut_lows else 0.0,
            "room_db": rng.uniform(*self.room_db) if happens["room"] else -math.inf,
            "room_s": decay,
            "room_gap_s": rng.uniform(0.005, 0.03),
            "echo_db": rng.uniform(-24, -6) if happens["echo"] else -math.inf,
            "echo_s": rng.uniform(0.06, ECHO_SECONDS),
            "drive": rng.uniform(0.5, 2.5) if happens["drive"] else 0.0,
            "noise_db": -rng.uniform(*self.noise_db) if happens["noise"] else -math.inf,
            "noise_slope": rng.uniform(0, 1),
            "gain_db": rng.uniform(-1, 1) * self.gain_db,
        }
        for k in range(BELLS):
            row |= {
                f"bell{k}_octave": rng.uniform(-3.0, 3.3),
                f"bell{k}_width": rng.uniform(0.3, 1.2),
                f"bell{k}_db": rng.normal() * self.bells_db,
            }
        return np.array([row[name] for name in PLAN])

    def __call__(self, samples: Tensor, plan: Tensor, sample_rate: int, length: int | None = None) -> Tensor:
        """samples (batch, channels, source_length) → (batch, channels, length), by default as long as given.

        The channels of an item share its plan. Raises ConfigError when plan and batch do not belong together.
        """
        if samples.ndim != 3 or plan.shape != (samples.shape[0], len(PLAN)):
            raise ConfigError(
                f"A plan of shape {tuple(plan.shape)} does not fit samples of shape {tuple(samples.shape)}: expected "
                f"(batch, {len(PLAN)}) and (batch, channels, samples), as `draw` and `Slices.batch` give them."
            )
        batch, channels, given = samples.shape
        length = given if length is None else length
        of = dict(zip(PLAN, plan.to("cpu").repeat_interleave(channels, 0).unbind(1), strict=True))
        x = samples.reshape(batch * channels, given).float()
        x = _moved(x, 2.0 ** (of["semitones"] / 12.0), of["tempo"], length, math.ceil(length * (1.0 + self.tempo)))
        x = _interval_raised(x, of, sample_rate)
        x = _filtered(x, of, sample_rate)
        x = _driven(x, of["drive"])
        x = _noised(x, of, sample_rate)
        x = _louder(x, of["gain_db"])
        return x.reshape(batch, channels, length)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device, torch.float32)[:, None]


def _moved(x: Tensor, speed: Tensor, tempo: Tensor, length: int, longest: int) -> Tensor:
    """Read at `speed`, then stretched to `tempo` with the pitch kept; (batch, length). No item depends on another."""
    if bool((speed != 1).any()):
        x = read_at(x, speed, longest)
    if bool((tempo != 1).any()):
        x = torch.where(_column(tempo, x) == 1, cut(x, length), stretch(x, tempo, length))
    return cut(x, length)


def _interval_raised(x: Tensor, of: dict[str, Tensor], sample_rate: int) -> Tensor:
    """One interval of each item raised by `raise` semitones, faded in and out over 10 ms."""
    chosen = torch.nonzero(of["raise"] > 0)[:, 0]
    if not len(chosen):
        return x
    begin, stop = x.shape[1] // 4, x.shape[1] - x.shape[1] // 4  # no interval reaches out of these
    rows, factor, length = chosen.to(x.device), 2.0 ** (of["raise"][chosen] / 12.0), stop - begin
    part = x[rows, begin:stop]
    # longer by as much as it is then read faster: time stays, pitch rises
    slower = stretch(part, 1.0 / factor, math.ceil(length * MOST_RAISED) + TAPS)
    raised = read_at(slower, factor, length)
    time = torch.arange(begin, stop, device=x.device)[None] / x.shape[1]
    fade = FADE_SECONDS * sample_rate / x.shape[1]
    start, end = _column(of["from"][chosen], x), _column(of["to"][chosen], x)
    weight = (torch.minimum(time - start, end - time) / fade).clamp(0, 1)
    out = x.clone()
    out[rows, begin:stop] = part + (raised - part) * weight
    return out


def _filtered(x: Tensor, of: dict[str, Tensor], sample_rate: int) -> Tensor:
    """All that is linear, as one transfer function: tilt, bells, band limits, room and echo."""
    bells = torch.stack([of[f"bell{k}_db"] for k in range(BELLS)])
    spectral = bool((bells != 0).any() | (of["tilt_db"] != 0).any())
    spectral |= bool(torch.isfinite(of["low_pass_hz"]).any() | (of["high_pass_hz"] > 0).any())
    roomy, echoing = of["room_db"] > -math.inf, of["echo_db"] > -math.inf
    if not (spectral or bool(roomy.any()) or bool(echoing.any())):
        return x
    length = x.shape[1]
    tail = round(max(ROOM_SECONDS, ECHO_SECONDS) * sample_rate)
    size = 1 << (length + tail).bit_length()
    frequency = torch.fft.rfftfreq(size, 1 / sample_rate, device=x.device)[None]
    octaves = torch.log2(frequency.clamp(min=30.0) / 1000.0)
    curve_db = _column(of["tilt_db"], x) * octaves
    for k in range(BELLS):
        octave, width, height = (_column(of[f"bell{k}_{what}"], x) for what in ("octave", "width", "db"))
        curve_db = curve_db + height * torch.exp(-(((octaves - octave) / width) ** 2))
    low_pass, high_pass = _column(of["low_pass_hz"], x), _column(of["high_pass_hz"], x)
    curve_db = curve_db - 24.0 * torch.log2(frequency / low_pass).clamp(min=0)
    curve_db = curve_db - 18.0 * torch.log2(high_pass / frequency.clamp(min=30.0)).clamp(min=0)
    transfer = torch.pow(10.0, curve_db / 20).to(torch.complex64)
    if bool(roomy.any() | echoing.any()):
        response = room_responses(of, sample_rate, x.device)
        at = (of["echo_s"] * sample_rate).long().clamp(max=response.shape[1] - 1).to(x.device)
        response.scatter_add_(1, at[:, None], torch.pow(10.0, _column(of["echo_db"], x) / 20))
        transfer = transfer * torch.fft.rfft(response, size)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(x, size) * transfer, size)[:, :length]
    return filtered


def room_responses(of: dict[str, Tensor], sample_rate: int, device: torch.device) -> Tensor:
    """Impulse responses (batch, samples): the direct sound, a gap, then noise that falls by 60 dB in `room_s`."""
    size = round(ROOM_SECONDS * sample_rate)
    response = torch.zeros(len(of["seed"]), size, device=device)
    time = torch.arange(size, device=device) / sample_rate
    for row in torch.nonzero(of["room_db"] > -math.inf)[:, 0].tolist():
        response[row] = _noise(int(of["seed"][row]), size, device)
        response[row] *= torch.exp(-math.log(1000.0) * time / of["room_s"][row].item())
        response[row, : math.ceil(of["room_gap_s"][row].item() * sample_rate)] = 0
        response[row] *= 10 ** (of["room_db"][row].item() / 20) / response[row].norm()
    response[:, 0] = 1.0
    return response


def _noise(seed: int, size: int, device: torch.device) -> Tensor:
    generator = torch.Generator(device).manual_seed(seed)
    return torch.randn(size, generator=generator, device=device)


def _driven(x: Tensor, drive: Tensor) -> Tensor:
    """A soft overdrive, `drive` against the loudest sample; its level is kept."""
    if not bool((drive > 0).any()):
        return x
    factor, peak = _column(drive, x), x.abs().amax(1, keepdim=True).clamp(min=1e-9)
    return torch.where(factor > 0, torch.tanh(x / peak * factor) / torch.tanh(factor.clamp(min=1e-9)) * peak, x)


def _noised(x: Tensor, of: dict[str, Tensor], sample_rate: int) -> Tensor:
    """Noise whose spectrum falls with frequency to the power of `noise_slope`, `noise_db` against the sound's RMS."""
    rows = torch.nonzero(of["noise_db"] > -math.inf)[:, 0]
    if not len(rows):
        return x
    length = x.shape[1]
    white = torch.stack([_noise(int(of["seed"][row]) + 1, length, x.device) for row in rows.tolist()])
    frequency = torch.fft.rfftfreq(length, 1 / sample_rate, device=x.device)[None].clamp(min=40.0)
    noise = torch.fft.irfft(torch.fft.rfft(white) * frequency ** -_column(of["noise_slope"][rows], x), length)
    rows_here, level = rows.to(x.device), torch.pow(10.0, _column(of["noise_db"][rows], x) / 20)
    rms = [signal.square().mean(1, keepdim=True).sqrt() for signal in (x[rows_here], noise)]
    out = x.clone()
    out[rows_here] += noise * level * rms[0] / rms[1].clamp(min=1e-12)
    return out


def _louder(x: Tensor, gain_db: Tensor) -> Tensor:
    """Another level, and never above full scale by it."""
    if not bool((gain_db != 0).any()):
        return x
    peak = x.abs().amax(1, keepdim=True).clamp(min=1e-9)
    factor = torch.pow(10.0, _column(gain_db, x) / 20)
    return x * torch.where(_column(gain_db, x) > 0, torch.minimum(factor, (0.99 / peak).clamp(min=1.0)), factor)
