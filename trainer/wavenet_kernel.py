"""The WaveNet's loop over samples, compiled: one core, one stream, float32.

Reading the weights from cache for every sample is the cost, so each lies as it is read: a product y += x · w walks down
eight rows of w at a time, with y's vector in registers between them, and both halves of a layer's way out (to the next
layer and to the sum) are one product into one vector [x | skip]. The gate is one exponential loop with one division:

    tanh(a) · sigmoid(b) = (1 − e) / ((1 + e)(1 + f)),   e = exp(−2a), f = exp(−b)

with exp as 2^n · polynomial (Cephes' expf), which a compiler turns into vectors where the library's would be called one
by one. The only liberty with arithmetic is the fused multiply-add, which rounds once where the rest rounds twice.

Own module, because importing numba takes longer than `retimbre --help` may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]

_ONE, _HALF, _MINUS_TWO = np.float32(1.0), np.float32(0.5), np.float32(-2.0)
_ZERO = np.float32(0.0)
_LOG2_E = np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_P0, _P1, _P2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_P3, _P4, _P5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_TANH_END, _GATE_END, _EXP_END = np.float32(9.0), np.float32(30.0), np.float32(-80.0)
_FUSED = {"contract"}  # y + x·w in one rounding


@intrinsic
def _power_of_two(_context: Any, _exponent: Any) -> tuple[Any, Callable[..., Any]]:
    """2^n of a whole float32 n in −126 … 127, by writing the exponent's bits."""

    def bits(_inner: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(32)
        whole = builder.fptosi(arguments[0], integer)
        shifted = builder.shl(builder.add(whole, ir.Constant(integer, 127)), ir.Constant(integer, 23))
        return builder.bitcast(shifted, ir.FloatType())

    return types.float32(types.float32), bits


@njit(inline="always", fastmath=_FUSED)
def _exp(x: Any) -> Any:
    n = np.floor(x * _LOG2_E + _HALF)
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = ((((_P0 * r + _P1) * r + _P2) * r + _P3) * r + _P4) * r + _P5
    return (p * (r * r) + r + _ONE) * _power_of_two(n)  # type: ignore[call-arg]


@njit(cache=True, nogil=True, fastmath=_FUSED)
def add_product(y: Floats, x: Floats, w: Floats) -> None:
    """y (n,) += x (m,) · w (m, n)."""
    rows, columns = w.shape
    i = 0
    while i + 8 <= rows:
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        x4, x5, x6, x7 = x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        for j in range(columns):
            first = x0 * w[i, j] + x1 * w[i + 1, j] + x2 * w[i + 2, j] + x3 * w[i + 3, j]
            second = x4 * w[i + 4, j] + x5 * w[i + 5, j] + x6 * w[i + 6, j] + x7 * w[i + 7, j]
            y[j] += first + second
        i += 8
    while i < rows:
        for j in range(columns):
            y[j] += x[i] * w[i, j]
        i += 1


@njit(cache=True, nogil=True, fastmath=_FUSED)
def gate(h: Floats, z: Floats) -> None:
    """z (n,) = tanh(h[:n]) · sigmoid(h[n:])."""
    n = z.shape[0]
    for j in range(n):
        e = _exp(_MINUS_TWO * min(max(h[j], -_TANH_END), _TANH_END))
        f = _exp(-min(max(h[n + j], -_GATE_END), _GATE_END))
        z[j] = (_ONE - e) / ((_ONE + e) * (_ONE + f))


@njit(cache=True, nogil=True, fastmath=_FUSED)
def draw(logits: Floats, coldness: Any, uniform: Any) -> int:
    """The level at which the probabilities softmax(logits · coldness), added up, pass `uniform` in 0 … 1."""
    levels = logits.shape[0]
    top = logits[0]
    for j in range(1, levels):
        top = max(top, logits[j])
    for j in range(levels):
        logits[j] = _exp(max((logits[j] - top) * coldness, _EXP_END))
    total = 0.0
    for j in range(levels):
        total += np.float64(logits[j])
    passed = np.float64(uniform) * total
    added = np.float64(logits[0])
    code = 0
    while code < levels - 1 and added <= passed:
        code += 1
        added += np.float64(logits[code])
    return code


@njit(cache=True, nogil=True)
def _copy(into: Floats, source: Floats) -> None:
    # A loop, because numba's own assignment of slices takes seconds to compile.
    for j in range(source.shape[0]):
        into[j] = source[j]


@njit(cache=True, nogil=True)
def run(
    embedding: Floats,
    taps: Floats,
    out: Floats,
    head: Floats,
    head_bias: Floats,
    last: Floats,
    last_bias: Floats,
    dilations: Codes,
    offsets: Floats,
    hold: int,
    history: Floats,
    previous: int,
    uniforms: Floats,
    coldness: Any,
    codes: Codes,
) -> None:
    """Draw `codes` (T,), and leave in `history` the layers' past after them.

    embedding (levels, R); taps (layers, kernel·R, 2R), oldest first; out (layers, R, R + S); head (S, S) and
    last (S, levels) with biases; offsets (⌈T / hold⌉, layers, 2R): biases and conditioning, each for `hold` samples;
    history (Σ past, R): layer after layer, oldest sample first; previous: the code before the first; uniforms (T,);
    coldness 1/temperature.
    """
    samples, layers, width = codes.shape[0], offsets.shape[1], offsets.shape[2]
    residual, skip = embedding.shape[1], head.shape[0]
    older = taps.shape[1] // residual - 1
    x = np.zeros(residual + skip, np.float32)
    heard = np.empty(taps.shape[1], np.float32)
    z = np.empty(residual, np.float32)
    h = np.empty(width, np.float32)
    hidden = np.empty(skip, np.float32)
    logits = np.empty(last.shape[1], np.float32)
    for t in range(samples):
        _copy(x, embedding[previous])
        for j in range(skip):
            x[residual + j] = _ZERO
        start = 0
        for layer in range(layers):
            past = older * dilations[layer]
            for tap in range(older):
                _copy(heard[tap * residual :], history[start + (t + tap * dilations[layer]) % past])
            _copy(heard[older * residual :], x[:residual])
            _copy(history[start + t % past], x[:residual])
            _copy(h, offsets[t // hold, layer])
            add_product(h, heard, taps[layer])
            gate(h, z)
            add_product(x, z, out[layer])
            start += past
        for j in range(skip):
            x[residual + j] = max(x[residual + j], _ZERO)
        entering, leaving, matrix = x[residual:], hidden, head
        _copy(hidden, head_bias)
        _copy(logits, last_bias)
        for stage in range(2):  # one call site: the compiler writes the product out at each
            add_product(leaving, entering, matrix)
            if stage == 0:
                for j in range(skip):
                    hidden[j] = max(hidden[j], _ZERO)
                entering, leaving, matrix = hidden, logits, last
        previous = draw(logits, coldness, uniforms[t])
        codes[t] = previous
    start = 0
    for layer in range(layers):  # the rings' oldest sample comes first again
        past = older * dilations[layer]
        turn = samples % past
        if turn:
            kept = history[start : start + past].copy()
            for row in range(past):
                _copy(history[start + row], kept[(row + turn) % past])
        start += past
