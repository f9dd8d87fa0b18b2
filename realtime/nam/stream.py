"""Nodes of an ONNX graph in the making, for streams that know what silence makes of them. Loader thread.

Players let a capture hear silence before it plays; a package's states begin as zeros. So what a state keeps is the
difference from silence: while a graph is built, every stream knows what silence makes of it (`silent`, per channel) and
what was subtracted (`offset`), and the bias of the next convolution brings that back without a node:

    W·(v − offset) + (b + ΣW·offset)  =  W·v + b
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from realtime.errors import PackageError
from realtime.nam.activation import Activation
from realtime.nam.fields import WeightArray
from realtime.nam.nets import MOST_VALUES, Convolution

if TYPE_CHECKING:
    import onnx

_OPSET, _IR = 17, 9


@dataclass(frozen=True, slots=True)
class Stream:
    """A tensor (1, channels, step) that holds value − `offset`; `silent` is the value while the input is silent."""

    name: str
    silent: WeightArray
    offset: WeightArray

    @property
    def channels(self) -> int:
        """Rows of the tensor."""
        return len(self.silent)


class Graph:
    """Nodes, constants and states in the making, for calls of `step` samples."""

    def __init__(self, step: int) -> None:
        from onnx import helper, numpy_helper  # late: only an import needs it

        self._helper, self._tensors = helper, numpy_helper
        self.step = step
        self.states: list[tuple[int, ...]] = []
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._names = (f"t{k}" for k in count())
        self._values = 0

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        (name,) = self._add(kind, inputs, 1, attributes)
        return name

    def split(self, x: str, sizes: list[int], axis: int) -> list[str]:
        """The parts of `x` along `axis`."""
        return self._add("Split", (x, self._whole(sizes)), len(sizes), {"axis": axis})

    def spend(self, values: int) -> None:
        """Count weights before memory is asked for them. Raises PackageError where a network cannot be meant."""
        self._values += values
        if self._values > MOST_VALUES:
            raise PackageError(
                f"The network would fill more than {MOST_VALUES} weights, and none of that size runs in real time: "
                "train a smaller one."
            )

    def constant(self, value: Any) -> str:
        """The name of a float32 constant."""
        return self._keep(np.ascontiguousarray(value, np.float32))

    def state(self, *shape: int) -> tuple[str, str]:
        """The names under which a new state comes and goes."""
        self.states.append(shape)
        return f"state_{len(self.states) - 1}", f"next_state_{len(self.states) - 1}"

    def convolve(self, x: Stream, convolution: Convolution, *, as_value: bool = True) -> Stream:
        """The convolution of `x`. `as_value`: as an activation needs it; else as difference from silence."""
        self.spend(convolution.packed.size * convolution.groups)
        weight = convolution.weight
        silent = weight.sum(axis=2) @ x.silent + convolution.bias
        if convolution.past:
            x = self._with_past(x, convolution.past)
        offset = np.zeros_like(silent) if as_value else silent
        bias = convolution.bias + weight.sum(axis=2) @ x.offset - offset
        extra = [self.constant(bias)] if bias.any() else []
        taps = {"dilations": [convolution.dilation]} if convolution.dilation > 1 else {}
        return Stream(self.node("Conv", x.name, self.constant(weight), *extra, **taps), silent, offset)

    def activate(self, x: Stream, activation: Activation) -> Stream:
        """The activation of `x`."""
        x = self.as_value(x)
        silent = activation(x.silent)
        return Stream(activation.nodes(self, x.name), silent, np.zeros_like(silent))

    def add(self, x: Stream, y: Stream) -> Stream:
        """The sum."""
        return Stream(self.node("Add", x.name, y.name), x.silent + y.silent, x.offset + y.offset)

    def multiply(self, x: Stream, y: Stream) -> Stream:
        """The product of two values."""
        x, y = self.as_value(x), self.as_value(y)
        return Stream(self.node("Mul", x.name, y.name), x.silent * y.silent, np.zeros_like(x.silent))

    def halves(self, x: Stream) -> tuple[Stream, Stream]:
        """The upper and the lower half of the channels of a value."""
        x, middle = self.as_value(x), x.channels // 2
        first, second = self.split(x.name, [middle, middle], 1)
        nothing = np.zeros(middle)
        return Stream(first, x.silent[:middle], nothing), Stream(second, x.silent[middle:], nothing)

    def stack(self, streams: list[Stream]) -> Stream:
        """All channels of all streams as one."""
        if len(streams) == 1:
            return streams[0]
        silent, offset = (np.concatenate([getattr(one, part) for one in streams]) for part in ("silent", "offset"))
        return Stream(self.node("Concat", *(one.name for one in streams), axis=1), silent, offset)

    def as_value(self, x: Stream) -> Stream:
        """`x` with nothing subtracted."""
        return self._shifted(x, np.zeros_like(x.offset))

    def model(self, y: str) -> bytes:
        """The serialised graph whose output is the tensor `y`."""
        self._nodes.append(self._helper.make_node("Identity", [y], ["y"]))
        names = [f"state_{k}" for k in range(len(self.states))]
        made = [
            [
                self._helper.make_tensor_value_info(name, 1, shape)  # 1: float32
                for name, shape in zip(
                    [signal, *(prefix + name for name in names)], [(1, 1, self.step), *self.states], strict=True
                )
            ]
            for signal, prefix in (("x", ""), ("y", "next_"))
        ]
        graph = self._helper.make_graph(self._nodes, "capture", made[0], made[1], self._initializers)
        opsets = [self._helper.make_opsetid("", _OPSET)]
        return bytes(self._helper.make_model(graph, opset_imports=opsets, ir_version=_IR).SerializeToString())

    def slice_to(self, x: str, start: int, stop: int, axis: int, name: str) -> None:
        """Part of `x` under a given name."""
        numbers = (self._whole([value]) for value in (start, stop, axis))
        self._nodes.append(self._helper.make_node("Slice", [x, *numbers], [name]))

    def give(self, kind: str, inputs: list[str], name: str, **attributes: Any) -> None:
        """A node whose output has a given name."""
        self._nodes.append(self._helper.make_node(kind, inputs, [name], **attributes))

    def shape(self, x: str, *sizes: int) -> str:
        """`x` in another shape."""
        return self.node("Reshape", x, self._whole(list(sizes)))

    def recur(self, x: str, weight: WeightArray, bias: WeightArray, hidden: str, cell: str) -> list[str]:
        """A recurrent layer over `x` (step, 1, inputs): its output (step, 1, hidden), last hidden and last cell."""
        size = len(bias) // 4
        order = np.concatenate([np.arange(size) + gate * size for gate in (0, 3, 1, 2)])  # i f g o to i o f g
        into, around = (self.constant(part[order][None]) for part in np.split(weight, [weight.shape[1] - size], axis=1))
        both = self.constant(np.concatenate([bias[order], np.zeros(4 * size)])[None])
        out, *ends = self._add("LSTM", (x, into, around, both, "", hidden, cell), 3, {"hidden_size": size})
        return [self.shape(out, self.step, 1, size), *ends]

    def _with_past(self, x: Stream, past: int) -> Stream:
        """`x` with the `past` samples before it, which a state keeps."""
        x = self._shifted(x, x.silent)
        state, next_state = self.state(1, x.channels, past)
        line = self.node("Concat", state, x.name, axis=2)
        self.slice_to(line, self.step, self.step + past, 2, next_state)
        return Stream(line, x.silent, x.offset)

    def _shifted(self, x: Stream, offset: WeightArray) -> Stream:
        if np.array_equal(offset, x.offset):
            return x
        return Stream(self.node("Add", x.name, self.constant((x.offset - offset)[:, None])), x.silent, offset)

    def _add(self, kind: str, inputs: tuple[str, ...], outputs: int, attributes: dict[str, Any]) -> list[str]:
        names = [next(self._names) for _ in range(outputs)]
        self._nodes.append(self._helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def _whole(self, values: list[int]) -> str:
        return self._keep(np.array(values, np.int64))

    def _keep(self, value: NDArray[Any]) -> str:
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._constants:
            self._constants[key] = f"c{len(self._constants)}"
            self._initializers.append(self._tensors.from_array(value, self._constants[key]))
        return self._constants[key]
