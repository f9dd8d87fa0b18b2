"""Sound to sound, block by block: the network of the streaming WaveNet, with all its memory as state.

    x, a frame of M samples ─▶ level r ───────────────────────────────┬────────────────────┐
        │                        │ ln r², target weights               │ condition           │
        ▼                        ▼                                     ▼                     ▼
      x / r = u ─▶ [u, e(u)] ─▶ filter bank, M of noise beside ─▶ trainer.causal_stack ─▶ · r ─▶ bank back ─▶ y

What was added to WaveNet, so that a small network at a low rate can be enough:

* The filter bank (`trainer.pqmf`): the stack runs once for M samples. (Yang et al., "Multi-band MelGAN", SLT 2021.)
* Level: r² is the mean power of the last `level_frames` frames, the newest counting most. The network hears sound of
  level 1 and its answer gets the level back: soft playing is no other problem than loud playing.
* Excitation: e(u) = tanh(10 (u − 0.7)) + tanh(7), a pulse a period, which has harmonics where the player's sound has
  none. They are made before the filter bank, at the full rate. A nonlinearity behind it makes them too, but all of them
  fold into every band, and no filter takes them apart again.
* Noise: M bands of it beside, as loud as the sound, for bow and breath: no function of a clean tone makes them, and a
  loss on log spectra misses them everywhere between the harmonics. Played, it is a table read round and round, whose
  place is state, so that the same playing gives the same sound; in training it is drawn.

With `bands = 1` there is neither: the plain WaveNet on samples, whose condition is its input, as Neural Amp Modeler
has it (`trainer.nam_file`).

Everything is causal. From x to y there are `delay_samples` of the filter bank and nothing else; a call takes any
multiple of M samples. `StreamingStep` is what is exported: analysis folded into the stack's first and last matrix,
everything a matrix product on (frames, channels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.errors import ConfigError
from trainer.causal_stack import CausalStack, StackStep
from trainer.config import setting
from trainer.pqmf import FilterBank, to_frames, to_sound

LEVEL_FLOOR = 1e-3  # −60 dBFS: what is softer stays softer than the network's level
LEVEL_SCALE = 0.15  # of ln r², so that 0 to −60 dB are 0 to −2
EXCITATION_DRIVE, EXCITATION_POINT = 10.0, 0.7
NOISE_FRAMES = 4096  # of the table: 1.4 s of 16 bands at 48 kHz


@dataclass(frozen=True, slots=True)
class StreamingModel:
    """`[model]`: sizes."""

    bands: int = setting(16, "bands of the filter bank, even; 1: none, the network runs on samples", minimum=1)
    taps: int = setting(128, "length of the filter bank's filters, a multiple of twice the bands", minimum=4)
    channels: int = setting(64, "width of the stack", minimum=1)
    kernel: int = setting(3, "taps of a layer's convolution", minimum=2, maximum=16)
    dilations: tuple[int, ...] = setting((1, 3, 9, 27, 81, 1, 3, 9, 27, 81), "frames between the taps, layer by layer")
    level_frames: int = setting(48, "frames whose power is the level", minimum=2)
    excitation: bool = setting(True, "hear a pulse a period beside the sound")
    noise: bool = setting(True, "hear noise beside the sound")


class StreamingNetwork(nn.Module):
    """x (batch, samples) and target weights → y (batch, samples), late by `delay_samples`; from silence."""

    level_window: Tensor
    noise_table: Tensor

    def __init__(self, model: StreamingModel, targets: int) -> None:
        """targets: how many; one is no choice, and then nothing is told. Raises ConfigError for sizes that fit not."""
        super().__init__()
        if not model.dilations or min(model.dilations) < 1:
            raise ConfigError(f"model.dilations is {list(model.dilations)}, expected whole numbers from 1: one a layer")
        self.model = model
        self.targets = targets if targets > 1 else 0
        self.bank = FilterBank(model.bands, model.taps) if model.bands > 1 else None
        inputs = 1 if self.bank is None else model.bands * (1 + model.excitation + model.noise)
        # Of one band the condition is the sample itself, else the level.
        told = 1 + self.targets
        sizes = (inputs, model.bands, model.channels, told, model.kernel, model.dilations)
        self.stack = CausalStack(*sizes, way_out="summed" if self.bank is None else "direct")
        window = torch.cos(torch.arange(model.level_frames) * (math.pi / (2 * model.level_frames))).square().flip(0)
        self.register_buffer("level_window", window / window.sum(), persistent=False)
        table = np.random.default_rng(2026).normal(0, 1, (NOISE_FRAMES, model.bands)).astype(np.float32)
        self.register_buffer("noise_table", torch.from_numpy(table), persistent=False)

    @property
    def delay_samples(self) -> int:
        """How late y is: the filter bank's delay."""
        return 0 if self.bank is None else self.bank.delay_samples

    @property
    def past_samples(self) -> int:
        """Samples before the present frame that a sample of y hears."""
        model = self.model
        if self.bank is None:
            return self.stack.past_frames
        return (self.stack.past_frames + 2 * self.bank.memory + model.level_frames - 1) * model.bands

    def forward(self, x: Tensor, target: Tensor, noise: Tensor | None = None) -> Tensor:
        """x (batch, samples), whole frames; target (batch, targets), not heard when one target is learnt.

        noise: (batch, bands, frames) of variance 1; None: the table from its beginning, as played.
        """
        frames = to_frames(x, self.model.bands)
        told = target[:, : self.targets, None].expand(-1, -1, frames.shape[2])
        if self.bank is None:
            return to_sound(self.stack(frames, torch.cat([frames, told], 1)))
        power = frames.square().mean(1, keepdim=True)
        energy = functional.conv1d(
            functional.pad(power, (len(self.level_window) - 1, 0)), self.level_window[None, None]
        )
        energy = energy + LEVEL_FLOOR**2
        level = energy.sqrt()
        heard = [frames / level]
        if self.model.excitation:
            heard.append(excite(heard[0]))
        bands = torch.cat([self.bank.analysis(functional.pad(u, (self.bank.memory, 0))) for u in heard], 1)
        if self.model.noise:
            if noise is None:
                noise = self.noise_table[torch.arange(frames.shape[2], device=x.device) % NOISE_FRAMES].t()[None]
            bands = torch.cat([bands, noise * (1 - LEVEL_FLOOR / level)], 1)
        made = self.stack(bands, torch.cat([LEVEL_SCALE * energy.log(), told], 1))
        return to_sound(self.bank.synthesis(functional.pad(made * level, (self.bank.memory, 0))))


def excite(u: Tensor) -> Tensor:
    """A pulse where u is high, 0 where it is 0: every harmonic of what repeats."""
    rest = math.tanh(EXCITATION_DRIVE * EXCITATION_POINT)
    return torch.tanh(EXCITATION_DRIVE * u - EXCITATION_DRIVE * EXCITATION_POINT) + rest


class StreamingStep(nn.Module):
    """What is exported: x (1, 1, n · bands), [target (1, targets)], states → y and next states.

    States: one a layer of the stack; with a filter bank then the powers, what the bank heard, what it is to give, and
    the place in the table of noise.
    """

    def __init__(self, network: StreamingNetwork) -> None:
        super().__init__()
        model = network.model
        self.bands, self.targets, self.excitation, self.noise = (
            model.bands, network.targets, model.excitation, model.noise,
        )  # fmt: skip
        stack, bank = network.stack, network.bank
        self.shapes = list(stack.state_shapes)
        before = None
        if bank is not None:
            parts, beside = 1 + self.excitation, self.bands * self.noise
            # analysis_filters (band, sample, tap), once for each part, by tap and part and sample
            one = bank.analysis_filters.permute(2, 1, 0)
            before = torch.zeros(bank.memory + 1, parts, self.bands, parts, self.bands)
            for part in range(parts):
                before[:, part, :, part] = one
            before = torch.block_diag(before.reshape(-1, parts * self.bands), torch.eye(beside))
            synthesis = bank.synthesis_filters.permute(2, 1, 0).flatten(0, 1)
            self.synthesis = nn.Parameter(synthesis.contiguous(), requires_grad=False)
            self.window = nn.Parameter(network.level_window[:, None].clone(), requires_grad=False)
            self.taps = bank.memory + 1
            self.table = nn.Parameter(network.noise_table.clone(), requires_grad=False)
            self.shapes += [(len(self.window) - 1, 1), (bank.memory, parts * self.bands), (bank.memory, self.bands)]
            self.shapes += [(1, 1)] * self.noise
        self.stack = StackStep(stack, before, 1.0 if bank is None else LEVEL_SCALE)

    def initial_states(self) -> tuple[Tensor, ...]:
        """Silence."""
        return tuple(torch.zeros(shape) for shape in self.shapes)

    def offline(self, x: Tensor, *target: Tensor) -> Tensor:
        """y of a whole sound in one call from silence: each frame a row, so what hears no change has equal bits."""
        y: Tensor = self(x, *target, *self.initial_states())[0]
        return y

    def forward(self, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Any number of frames."""
        told, given = ([rest[0]], rest[1:]) if self.targets else ([], rest)
        frames = x.reshape(-1, self.bands)
        count = x.shape[2] // self.bands
        told = [one.expand(count, -1) for one in told]
        if self.bands == 1:
            made, after = self.stack(torch.cat([frames, frames, *told], 1), given)
            return (made.reshape(1, 1, -1), *after)
        layers, (powers, heard, due, *place) = given[: len(self.stack.dilations)], given[len(self.stack.dilations) :]
        powers = torch.cat([powers, (frames * frames).mean(1, keepdim=True)])
        energy = _spread(powers, len(self.window), count) @ self.window + LEVEL_FLOOR**2
        level = energy.sqrt()
        u = frames / level
        heard = torch.cat([heard, torch.cat([u, excite(u)], 1) if self.excitation else u])
        inputs = [_spread(heard, self.taps, count)]
        if self.noise:
            rows = (place[0].long() + torch.arange(count)[:, None]) % NOISE_FRAMES
            inputs.append(self.table[rows[:, 0]] * (1 - LEVEL_FLOOR / level))
            place = [rows[count - 1 :].float() + 1]  # may be one past the end, which the next call brings round
        made, after = self.stack(torch.cat([*inputs, energy.log(), *told], 1), layers)
        due = torch.cat([due, made * level])
        y = (_spread(due, self.taps, count) @ self.synthesis).reshape(1, 1, -1)
        return (y, *after, powers[count:], heard[count:], due[count:], *place)


def _spread(rows: Tensor, taps: int, count: int) -> Tensor:
    """(taps − 1 + count, width) → (count, taps · width): beside every row those before it, oldest first."""
    return rows[torch.arange(count)[:, None] + torch.arange(taps)].reshape(count, -1)
