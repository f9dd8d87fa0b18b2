"""Uniform random numbers whose whole memory is four float32: for graphs that must draw, and draw the same again.

    a(n) = 40014·a(n−1) mod 2147483563      b(n) = 40692·b(n−1) mod 2147483399
    u(n) = (2·⌊((a − b) mod 2147483562) / 256⌋ + 1) / 2²⁴                        in 2⁻²⁴ … 1 − 2⁻²⁴, exact in float32

L'Ecuyer: Efficient and portable combined random number generators, CACM 31, 1988; period 2.3·10¹⁸. A call of n numbers
multiplies by tables of the factors' powers: products under 2⁶², in whole numbers, so that every machine draws the same.
A state of zeros is the generator at its seed: kept is the distance from there, in two halves of 16 bits, because a
float32 holds whole numbers to 2²⁴ only.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

FACTORS = (40014, 40692)
MODULI = (2147483563, 2147483399)
STATE_SHAPE = (1, 4)
_HALF = 1 << 16


class UniformStream:
    """One stream of uniforms; another seed is another place in the same long row."""

    def __init__(self, seed: int = 0) -> None:
        mixed = (seed * 2654435761 + 12345) % (2**62)
        self.seeds = tuple(1 + (mixed >> shift) % (modulus - 1) for shift, modulus in zip((0, 7), MODULI, strict=True))

    def draw(self, count: int, state: Tensor) -> tuple[Tensor, Tensor]:
        """`count` uniforms (count,) and the state after them; state (1, 4) float32, zeros at first."""
        halves = state[0].to(torch.int64)
        drawn, after = [], []
        for k, (factor, modulus, seed) in enumerate(zip(FACTORS, MODULI, self.seeds, strict=True)):
            now = (halves[2 * k] * _HALF + halves[2 * k + 1] + seed) % modulus
            drawn.append(powers(factor, modulus, count).to(state.device) * now % modulus)
            kept = (drawn[-1][-1] + (modulus - seed)) % modulus
            high = torch.div(kept, _HALF, rounding_mode="trunc")
            after += [high, kept - high * _HALF]
        mixed = (drawn[0] - drawn[1] + (MODULI[0] - 1)) % (MODULI[0] - 1)
        top = torch.div(mixed, 256, rounding_mode="trunc")
        return (2 * top + 1).to(torch.float32) * 2.0**-24, torch.stack(after)[None].to(torch.float32)


def powers(factor: int, modulus: int, count: int) -> Tensor:
    """factor¹ … factor^count mod modulus, int64 (count,)."""
    found = np.array([factor], np.int64)
    while found.size < count:
        found = np.concatenate([found, found * found[-1] % modulus])
    return torch.from_numpy(found[:count])
