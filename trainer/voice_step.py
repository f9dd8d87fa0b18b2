"""One frame of the voice in few operations: what is exported, and must be quick enough to play live.

The same function as `trainer.models.voice.VoiceNetwork`: that one trains, on many frames at once; this one is made from
it and plays, one frame a call. There an operation costs more than its arithmetic, so everything is folded:

    f0 ─▶ bumps ─┐
    loudness ────┼─▶ linear ─▶ GRU ─▶ linear ─▶ linear ─▶ exp ─┬─▶ amplitudes ─▶ oscillators ─┐
    target ──────┘   scales, offsets and the embedding         └─▶ bands ─▶ noise ─▶ tail ────┴─▶ room ─▶ y
                     lie in the linear layers' weights

Oscillators: with k = a·B + b the sum Σ A_k sin(kφ) is Σ_a [sin(aBφ) · Σ_b A_ab cos(bφ) + cos(aBφ) · Σ_b A_ab sin(bφ)]:
a matrix product and some 4·√K sines a sample in place of K. Noise: two phases are added before one sine, in place of a
complex product. Room: its convolution as one in two dimensions, with a row of outputs for each shift of the response.

That both are the same function is measured whenever a voice is exported: many frames are the network's, one is this.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from trainer.synthesis import NOISE_TABLE_ROWS, NoiseBank, Room

if TYPE_CHECKING:
    from trainer.models.voice import VoiceNetwork

_ROOM_ROW = 8  # of 4, 8, 16 and 32 the quickest, with 1024 taps and a hop of 128


class VoiceStep(nn.Module):
    """The voice, frame after frame, with the states of `initial_states`; shares or copies the network's weights."""

    lowest: Tensor
    highest: Tensor
    spread: Tensor
    centres: Tensor
    before_weight: Tensor
    before_bias: Tensor
    after_weight: Tensor
    after_bias: Tensor
    levels_weight: Tensor
    levels_bias: Tensor
    fade_slope: Tensor
    fade_start: Tensor
    loudness_scale: Tensor
    rows: Tensor

    def __init__(self, network: VoiceNetwork) -> None:
        """network: trained, on the CPU."""
        super().__init__()
        self.network = network
        model, rate = network.model, network.rate
        self.memory = nn.GRU(model.hidden, model.hidden)  # the same, with time first: no transposes
        for name, weight in network.memory.named_parameters():
            setattr(self.memory, name, weight)
        self.before_norm, self.after_norm, self.after_last = network.before[1], network.after[1], network.after[3]
        self.oscillators = OscillatorStep(model.harmonics, model.hop, rate)
        self.noise = NoiseStep(network.noise)
        self.room = RoomStep(network.room, model.hop)
        with torch.no_grad():
            self._fold(network)

    def _fold(self, network: VoiceNetwork) -> None:
        """Scales, offsets and the embedding into the weights."""
        model, keep = network.model, self.register_buffer
        # The limits of (f0 in Hz, loudness, loudness where it is near forte, periodicity).
        keep("rows", torch.tensor([0, 1, 1, 2]))
        keep("lowest", torch.tensor([20.0, -90.0, -24.0, 0.5])[None, :, None])
        keep("highest", torch.tensor([8000.0, 20.0, 6.0, 1.0])[None, :, None])
        # −0.5 ((log2 f0 − centre) / 0.2)² = −(spread · ln f0 − centres)²
        width = math.sqrt(0.5) / 0.2
        keep("spread", torch.full((1, len(network.pitch_centres)), width / math.log(2)))
        keep("centres", -width * network.pitch_centres[None])
        # The order here: bumps, f0 in Hz (unused), loudness, loudness near forte, periodicity, ln f0, target.
        first = cast("nn.Linear", network.before[0])
        bumps, plain, embedded = first.weight.double().T.split([len(network.pitch_centres), 4, 32])
        embedding = network.embedding.weight.double().T
        scales = torch.tensor([1 / (3 * math.log(2)), 1 / 30, 1 / 6, 2.0], dtype=torch.float64)
        offsets = torch.tensor([-2.8, 1.0, 2.0, -1.0], dtype=torch.float64)
        scaled = plain * scales[:, None]
        rows = [bumps, torch.zeros_like(scaled[:1]), scaled[1:], scaled[:1], embedding @ embedded]
        keep("before_weight", torch.cat(rows).float())
        keep("before_bias", (first.bias.double() + offsets @ plain).float()[None])
        # The order here: memory, hidden, target.
        second = cast("nn.Linear", network.after[0])
        weight = second.weight.double().T
        keep("after_weight", torch.cat([weight[:-32], embedding @ weight[-32:]]).float())
        keep("after_bias", second.bias.detach().clone()[None])
        # Harmonics and bands in one; in nepers, so that exp needs no factor.
        neper = math.log(10) / 20
        layers = (network.to_harmonics, network.to_noise)
        keep("levels_weight", (12 * neper * torch.cat([layer.weight.double() for layer in layers])).float().T.clone())
        keep("levels_bias", (12 * neper * torch.cat([layer.bias.double() for layer in layers])).float()[None])
        keep("loudness_scale", torch.full((1, model.harmonics + model.noise_bands), neper))
        # The fade of what would fold back: (start − slope · f0) within (0, 1); bands do not fade.
        band = 0.03 * network.rate
        keep("fade_slope", torch.cat([-network.orders / band, torch.zeros(model.noise_bands)])[None])
        start = torch.full((model.harmonics,), 0.47 * network.rate / band)
        keep("fade_start", torch.cat([start, torch.ones(model.noise_bands)])[None])
        self.sizes = [model.harmonics, model.noise_bands]

    def forward(self, x: Tensor, target: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """x (1, 3, frames), target (1, targets), states → y (1, 1, samples), states; many frames by the network."""
        if x.shape[2] == 1:
            return self._frame(x, target, *states)
        memory, *rest = states
        y, after = self.network(x, target, torch.cat([memory[0], *rest], 1))
        memory, *rest = after.split([state.shape[-1] for state in states], 1)
        return y, memory[None], *rest

    def _frame(
        self,
        x: Tensor,
        target: Tensor,
        memory: Tensor,
        phase: Tensor,
        last_f0_hz: Tensor,
        amplitudes: Tensor,
        clock: Tensor,
        tail: Tensor,
        past: Tensor,
    ) -> tuple[Tensor, ...]:
        heard = torch.minimum(torch.maximum(x.index_select(1, self.rows), self.lowest), self.highest).flatten(1)
        f0_hz, loudness, _ = heard.split([1, 1, 2], 1)
        octave = torch.log(f0_hz)
        bump = torch.addmm(self.centres, octave, self.spread)
        hidden = torch.cat([torch.exp(-(bump * bump)), heard, octave, target], 1)
        hidden = torch.addmm(self.before_bias, hidden, self.before_weight)
        hidden = nn.functional.silu(self.before_norm(hidden))
        _, memory = self.memory(hidden[None], memory)
        hidden = torch.addmm(self.after_bias, torch.cat([memory.flatten(1), hidden, target], 1), self.after_weight)
        hidden = nn.functional.silu(self.after_norm(hidden))
        hidden = nn.functional.silu(self.after_last(hidden))
        around = torch.addmm(self.levels_bias, loudness, self.loudness_scale)
        levels = torch.exp(torch.addmm(around, hidden, self.levels_weight))
        fade = torch.addmm(self.fade_start, f0_hz, self.fade_slope).clamp(0.0, 1.0)
        before = amplitudes
        amplitudes, bands = (levels * fade).split(self.sizes, 1)
        tones, phase = self.oscillators(before, amplitudes, phase, last_f0_hz, f0_hz)
        hiss, clock, after = self.noise(bands, clock)
        dry = torch.cat([tones, hiss, tail], 0).sum(0, keepdim=True)
        wet, past = self.room(dry, target, past)
        return wet, memory, phase, f0_hz, amplitudes, clock, after, past


def initial_states(network: VoiceNetwork) -> tuple[Tensor, ...]:
    """Zeros: GRU memory; phase, f0, amplitudes at the end of the frame before; noise's clock and tail; room's past."""
    width, *sizes = network.sizes
    return (torch.zeros(1, 1, width), *(torch.zeros(1, size) for size in sizes))


class OscillatorStep(nn.Module):
    """Harmonics of one frame, as `harmonic_waves` and `oscillate`, by two tables of few sines."""

    cycles: Tensor
    orders: Tensor
    quarters: Tensor
    rise: Tensor

    def __init__(self, harmonics: int, hop: int, rate: int) -> None:
        """harmonics: K above."""
        super().__init__()
        self.hop, self.rate = hop, rate
        # K = groups · size, the most even: 96 = 8 · 12.
        self.groups = max(g for g in range(1, math.isqrt(harmonics) + 1) if harmonics % g == 0)
        self.size = harmonics // self.groups
        n = torch.arange(1, hop + 1, dtype=torch.float64)
        square = n * (n + 1) / (2 * hop)
        # Cycles of each sample, twice, from (phase before, f0 before, f0).
        cycles = torch.stack([torch.ones_like(n), (n - square) / rate, square / rate])
        self.register_buffer("cycles", torch.cat([cycles, cycles], 1).float())
        orders = torch.cat([torch.arange(1, self.size + 1), torch.arange(self.groups) * self.size])
        self.register_buffer("orders", (2 * math.pi * orders.double()).float()[:, None])
        cosine, sine = torch.full((hop,), math.pi / 2), torch.zeros(hop)
        fine, coarse = torch.cat([cosine, sine])[None], torch.cat([sine, cosine])[None]
        quarters = torch.cat([fine.expand(self.size, -1), coarse.expand(self.groups, -1)])
        self.register_buffer("quarters", quarters.clone())
        rise = (torch.arange(1, hop + 1) / hop).repeat(2)
        self.register_buffer("rise", torch.stack([1 - rise, rise])[:, None])

    def forward(
        self, before: Tensor, amplitudes: Tensor, phase: Tensor, last_f0_hz: Tensor, f0_hz: Tensor
    ) -> tuple[Tensor, Tensor]:
        """before, amplitudes (1, harmonics); the rest (1, 1) → parts of the samples (4, hop), phase after."""
        cycles = torch.matmul(torch.cat([phase, last_f0_hz, f0_hz], 1), self.cycles)
        waves = torch.sin(torch.addmm(self.quarters, self.orders, cycles))
        # What adds up is computed apart, in the order of `harmonic_waves`: a matrix product rounds differently from
        # machine to machine, and after seconds that would be heard as another phase.
        increment = (last_f0_hz * self.hop + (f0_hz - last_f0_hz) * (0.5 * (self.hop + 1))) / self.rate
        phase = phase + increment
        fine, coarse = waves.split([self.size, self.groups], 0)
        both = torch.cat([before, amplitudes], 1).view(2, self.groups, self.size)
        inner = torch.matmul(both, fine)
        parts = (inner * coarse).sum(1, keepdim=True) * self.rise
        return parts.view(4, self.hop), phase - torch.floor(phase)


class NoiseStep(nn.Module):
    """Noise of one frame, as `NoiseBank`: rows of one table hold both tables' phases, each as (phase + ¼, phase)."""

    table: Tensor
    ahead: Tensor
    rows: Tensor
    band_matrix: Tensor
    inverse: Tensor

    def __init__(self, bank: NoiseBank) -> None:
        """bank: what this is a frame of."""
        super().__init__()
        self.hop = bank.hop
        first, second = NOISE_TABLE_ROWS
        # Row n of the first table lies at `first` + 1 + n, of the second at 1 + n: the clock, moved on by one, points
        # there as it is, and its remainder is the clock after.
        tables: list[Tensor] = [getattr(bank, f"table_{index}") for index in range(2)]
        angles = [torch.atan2(t[:, 1].double(), t[:, 0].double()) for t in tables]
        table = torch.zeros(2 * first + 1, 2 * (self.hop + 1), dtype=torch.float64)
        table[first + 1 :] = torch.cat([angles[0] + math.pi / 2, angles[0]], 1)
        table[1 : second + 1] = torch.cat([angles[1], angles[1]], 1)
        self.register_buffer("table", table.float())
        self.register_buffer("ahead", torch.tensor([[first + 1.0, 1.0]]))
        self.register_buffer("rows", torch.tensor([[float(first), float(second)]]))
        self.register_buffer("band_matrix", torch.cat([bank.band_matrix, bank.band_matrix], 1))
        self.register_buffer("inverse", bank.inverse.clone())

    def forward(self, bands: Tensor, clock: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """bands (1, bands), clock (1, 2) → samples (1, hop), clock after, tail (1, hop)."""
        at = clock + self.ahead
        phases = self.table[at.long()].sum(1)
        sound = torch.matmul(torch.matmul(bands, self.band_matrix) * torch.sin(phases), self.inverse)
        now, tail = sound.split(self.hop, 1)
        return now, torch.fmod(at, self.rows), tail


class RoomStep(nn.Module):
    """The room's convolution of one frame, as `Room`, direct sound included."""

    impulse: Tensor
    direct: Tensor
    gap: Tensor

    def __init__(self, room: Room, hop: int) -> None:
        """room: what this is a frame of."""
        super().__init__()
        taps = room.taps
        self.hop, self.row = hop, math.gcd(_ROOM_ROW, taps, hop)
        # The response backwards, with the direct sound at its end; none of the present's end at its beginning.
        impulse = nn.functional.pad(room.impulse.detach().flip(1), (1, 0))
        self.register_buffer("impulse", impulse)
        direct = torch.zeros(1, taps + 1)
        direct[:, taps] = 1.0
        self.register_buffer("direct", direct)
        self.register_buffer("gap", torch.zeros(1, self.row))

    def forward(self, dry: Tensor, target: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """dry (1, hop), target (1, targets), past (1, taps) → wet (1, 1, hop), past after."""
        row = self.row
        response = torch.addmm(self.direct, target, self.impulse)
        # Repeated every `taps + row + 1` values and read in rows one value shorter: row r is moved on by r.
        moved = torch.cat([response, *([self.gap, response] * (row - 1))], 1).view(row, 1, -1, row)
        heard = torch.cat([past, dry], 1)
        wet = nn.functional.conv2d(heard.view(1, 1, -1, row), moved)
        return wet.transpose(1, 3).reshape(1, 1, self.hop), heard[:, self.hop :]
