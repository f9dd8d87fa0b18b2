"""The curves of Neural Amp Modeler's networks: what a file calls them, as numpy and as nodes of an ONNX graph.

A file names one as a text ("Tanh") or as an object with settings ({"type": "LeakyReLU", "negative_slope": 0.01}). numpy
tells what silence becomes (`realtime.nam.stream` needs that for a warm start), the nodes do the work. Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from realtime.errors import PackageError
from realtime.nam.fields import Fields, WeightArray

Settings = tuple[float, ...]


class NodeMaker(Protocol):
    """What writes the nodes: `realtime.nam.stream.Graph`."""

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""

    def constant(self, value: Any) -> str:
        """The name of a float32 constant."""


@dataclass(frozen=True, slots=True)
class Activation:
    """One curve with its settings."""

    kind: str
    settings: Settings = ()

    def __call__(self, x: WeightArray) -> WeightArray:
        """The curve at `x` (channels,)."""
        return _CURVES[self.kind][0](x, *self.settings) if self.kind != "PReLU" else self._prelu(x)

    def nodes(self, graph: NodeMaker, x: str) -> str:
        """The curve as nodes after the tensor `x` (1, channels, samples)."""
        if self.kind == "PReLU":
            return graph.node("PRelu", x, graph.constant(np.array(self.settings)[:, None]))
        return _CURVES[self.kind][1](graph, x, *self.settings)

    def check(self, channels: int, where: str) -> None:
        """Refuse slopes that are fewer or more than the channels."""
        if self.kind == "PReLU" and len(self.settings) not in (1, channels):
            raise PackageError(
                f"In {where} PReLU has {len(self.settings)} slopes for {channels} channels, but it must have one for "
                "each: export the capture again."
            )

    def _prelu(self, x: WeightArray) -> WeightArray:
        return np.where(x < 0, x * np.array(self.settings), x)


def read_activation(value: object, where: str) -> Activation:
    """The activation that a file describes by `value`. Raises PackageError where it is none that is known."""
    fields = Fields({"type": value} if isinstance(value, str) else Fields.of(value, where).data, where)
    name = fields.word("type")
    kind = {"LeakyHardTanh": "LeakyHardtanh", "HardTanh": "Hardtanh"}.get(name, name)
    if kind == "PReLU":
        if "negative_slopes" in fields:
            slopes = fields.items("negative_slopes")
            numbered = Fields({str(k): slope for k, slope in enumerate(slopes)}, f"{where}.negative_slopes")
            return Activation(kind, tuple(numbered.number(str(k)) for k in range(len(slopes))))
        return Activation(kind, (fields.number("negative_slope", 0.01),))
    if kind not in _CURVES:
        raise PackageError(
            f"{where} is the activation {name[:40]!r}, but retimbre knows {', '.join(sorted([*_CURVES, 'PReLU']))}: "
            "update retimbre, or export the capture with one of them."
        )
    settings = tuple(fields.number(key, default) for key, default in _DEFAULTS.get(kind, ()))
    if kind in ("Hardtanh", "LeakyHardtanh") and settings[0] > settings[1]:
        fields.refuse("min_val", f"at most max_val, which is {settings[1]:g}")
    return Activation(kind, settings)


def _sigmoid(x: WeightArray) -> WeightArray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _leaky_hard(x: WeightArray, low: float, high: float, below: float, above: float) -> WeightArray:
    return np.clip(x, low, high) + below * np.minimum(x - low, 0.0) + above * np.maximum(x - high, 0.0)


def _leaky_hard_nodes(graph: NodeMaker, x: str, low: float, high: float, below: float, above: float) -> str:
    sum_ = _clip(graph, x, low, high)
    for kind, edge, slope in (("Min", low, below), ("Max", high, above)):
        beyond = graph.node(kind, graph.node("Sub", x, graph.constant(edge)), graph.constant(0.0))
        sum_ = graph.node("Add", sum_, graph.node("Mul", beyond, graph.constant(slope)))
    return sum_


def _clip(graph: NodeMaker, x: str, low: float, high: float) -> str:
    return graph.node("Clip", x, graph.constant(low), graph.constant(high))


# The rational stand-in for tanh that players of captures call fast: x·(a + a|x| + (b + c|x|)x²) over
# (d + (d + x²)·|x + e·x|x||).
_FAST = (2.45550750702956, 0.893229853513558, 0.821226666969744, 2.44506634652299, 0.814642734961073)


def _fast(x: WeightArray) -> WeightArray:
    a, b, c, d, e = _FAST
    ax, x2 = np.abs(x), x * x
    return x * (a + a * ax + (b + c * ax) * x2) / (d + (d + x2) * np.abs(x + e * x * ax))


def _fast_nodes(graph: NodeMaker, x: str) -> str:
    a, b, c, d, e = (graph.constant(value) for value in _FAST)

    def add(left: str, right: str) -> str:
        return graph.node("Add", left, right)

    def mul(left: str, right: str) -> str:
        return graph.node("Mul", left, right)

    ax, x2 = graph.node("Abs", x), mul(x, x)
    over = mul(x, add(add(a, mul(a, ax)), mul(add(b, mul(c, ax)), x2)))
    under = add(d, mul(add(d, x2), graph.node("Abs", add(x, mul(e, mul(x, ax))))))
    return graph.node("Div", over, under)


def _soft_sigmoid_nodes(graph: NodeMaker, x: str) -> str:
    half = graph.constant(0.5)
    return graph.node("Add", graph.node("Mul", graph.node("Softsign", x), half), half)


_DEFAULTS: dict[str, tuple[tuple[str, float], ...]] = {
    "LeakyReLU": (("negative_slope", 0.01),),
    "Hardtanh": (("min_val", -1.0), ("max_val", 1.0)),
    "LeakyHardtanh": (("min_val", -1.0), ("max_val", 1.0), ("min_slope", 0.01), ("max_slope", 0.01)),
}
_CURVES: dict[str, tuple[Callable[..., WeightArray], Callable[..., str]]] = {
    "Tanh": (np.tanh, lambda g, x: g.node("Tanh", x)),
    "Fasttanh": (_fast, _fast_nodes),
    "Hardtanh": (np.clip, _clip),
    "LeakyHardtanh": (_leaky_hard, _leaky_hard_nodes),
    "ReLU": (lambda x: np.maximum(x, 0.0), lambda g, x: g.node("Relu", x)),
    "LeakyReLU": (
        lambda x, slope: np.where(x < 0, x * slope, x),
        lambda g, x, slope: g.node("LeakyRelu", x, alpha=slope),
    ),
    "Sigmoid": (_sigmoid, lambda g, x: g.node("Sigmoid", x)),
    "SiLU": (lambda x: x * _sigmoid(x), lambda g, x: g.node("Mul", x, g.node("Sigmoid", x))),
    "Hardswish": (lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0), lambda g, x: g.node("HardSwish", x)),
    "Softsign": (lambda x: x / (1.0 + np.abs(x)), lambda g, x: g.node("Softsign", x)),
    "Softsigmoid": (lambda x: 0.5 * (1.0 + x / (1.0 + np.abs(x))), _soft_sigmoid_nodes),
}
