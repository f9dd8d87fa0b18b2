"""A captured network as one ONNX graph of few nodes, warm from its first sample. Runs where captures are imported.

A node costs about a microsecond per call whatever it does (docs/nam.md), so a layer of a WaveNet is as few as can be:

    state ─▶ Concat ─▶ Conv + Tanh ─▶ Conv ─▶ Add ─▶ next layer        Conv hears the layer's input and the condition,
               └─▶ Slice ─▶ next_state   │z                            which travels along as further channels
                                         └─▶ all z of an array: one Concat, one Conv give the head

How a graph is warm without a node for it: `realtime.nam.stream`.
"""

from __future__ import annotations

import numpy as np

from realtime.nam.fields import WeightArray
from realtime.nam.nets import Chain, Convolution, Film, Layer, LayerArray, Lstm, Network, Stack, WaveNet
from realtime.nam.stream import Graph, Stream
from realtime.nam.wavenet import scaled

# A layer with one of these needs its input and its condition apart; all others take both in one convolution.
_APART = {"conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film", "layer1x1_post_film"}


def build_graph(network: Network, step: int) -> tuple[bytes, list[tuple[int, ...]]]:
    """The network as a serialised ONNX graph for calls of `step` samples, and the shapes of its states."""
    graph = Graph(step)
    silence = np.zeros(1)
    y = graph.as_value(_network(graph, network, Stream("x", silence, silence)))
    return graph.model(y.name), graph.states


def _network(graph: Graph, network: Network, x: Stream) -> Stream:
    if isinstance(network, Chain):
        for one in network.networks:
            x = _network(graph, one, x)
        return x
    if isinstance(network, Stack):
        return _stack(graph, network, x)
    return _wavenet(graph, network, x) if isinstance(network, WaveNet) else _lstm(graph, network, x)


def _stack(graph: Graph, stack: Stack, x: Stream) -> Stream:
    for stage in stack.stages:
        x = graph.convolve(x, stage) if isinstance(stage, Convolution) else graph.activate(x, stage)
    return x


def _wavenet(graph: Graph, net: WaveNet, x: Stream) -> Stream:
    condition = x if net.condition is None else _network(graph, net.condition, x)
    signal, head, together = x, None, False
    for k, array in enumerate(net.arrays):
        last = k == len(net.arrays) - 1
        signal, parts, together = _layers(graph, array, signal, condition, together=together, last=last)
        head = _head(graph, parts, head, scaled(array.head, net.head_scale) if last else array.head)
    assert head is not None  # a file has an array at least
    return _stack(graph, net.head, head) if net.head else head


def _layers(
    graph: Graph, array: LayerArray, x: Stream, condition: Stream, *, together: bool, last: bool
) -> tuple[Stream, list[tuple[Stream, Convolution | None]], bool]:
    """The layers of one array: what goes to the next, what each gives to the head, and whether the condition rides."""
    ride = not any(_APART & set(layer.films) for layer in array.layers)
    width, more = array.rechannel.weight.shape[0], condition.channels
    into = array.rechannel.weight
    if ride and x is condition:
        into = np.concatenate([into, np.ones((1, 1, 1))])
    elif ride:
        x = x if together else graph.stack([x, condition])
        into = _beside(into, np.eye(more)[:, :, None])
    elif together:  # the next array's layers take the condition apart: leave its rows out
        into = np.pad(into, ((0, 0), (0, more), (0, 0)))
    h = graph.convolve(x, Convolution(into, np.zeros(len(into))), as_value=False)
    parts: list[tuple[Stream, Convolution | None]] = []
    for k, layer in enumerate(array.layers):
        before = _before_activation(graph, layer, h, condition, ride=ride)
        z = _film(graph, layer, "activation_post_film", _gated(graph, layer, before), condition)
        if layer.head1x1 and "head1x1_post_film" in layer.films:
            parts.append((_film(graph, layer, "head1x1_post_film", graph.convolve(z, layer.head1x1), condition), None))
        else:
            parts.append((z, layer.head1x1))
        if last and k == len(array.layers) - 1:
            break  # nobody hears what would go on
        graph.spend(width * (width + more))
        out = layer.layer1x1 or Convolution(np.eye(width)[:, :, None], np.zeros(width))
        if ride:
            rows = (0, more)
            out = Convolution(np.pad(out.weight, (rows, (0, 0), (0, 0))), np.pad(out.bias, rows))
        add = graph.convolve(z, out, as_value="layer1x1_post_film" in layer.films)
        h = graph.add(h, _film(graph, layer, "layer1x1_post_film", add, condition))
    return h, parts, ride


def _before_activation(graph: Graph, layer: Layer, h: Stream, condition: Stream, *, ride: bool) -> Stream:
    conv, mixin = layer.conv, layer.mixin.weight
    if ride:
        graph.spend(len(mixin) * mixin.shape[1] * conv.packed.shape[2])
        told = np.zeros((len(mixin), mixin.shape[1], conv.weight.shape[2]))
        told[:, :, -1:] = mixin  # the condition counts at the present sample only
        both = np.concatenate([conv.weight, told], axis=1)
        z = graph.convolve(h, Convolution(both, conv.bias, conv.dilation))
    else:
        h = _film(graph, layer, "conv_pre_film", h, condition)
        z = _film(graph, layer, "conv_post_film", graph.convolve(h, conv), condition)
        mixed = _film(graph, layer, "input_mixin_pre_film", condition, condition)
        mixed = _film(graph, layer, "input_mixin_post_film", graph.convolve(mixed, layer.mixin), condition)
        z = graph.add(z, mixed)
    return _film(graph, layer, "activation_pre_film", z, condition)


def _gated(graph: Graph, layer: Layer, x: Stream) -> Stream:
    if layer.secondary is None:
        return graph.activate(x, layer.activation)
    first, second = graph.halves(x)
    curve, gate = graph.activate(first, layer.activation), graph.activate(second, layer.secondary)
    if layer.gating == "gated":
        return graph.multiply(curve, gate)
    # gate·curve + (1 − gate)·first, with one product less
    moved = Stream(graph.node("Sub", curve.name, first.name), curve.silent - first.silent, curve.offset)
    return graph.add(graph.multiply(gate, moved), first)


def _film(graph: Graph, layer: Layer, name: str, x: Stream, condition: Stream) -> Stream:
    film: Film | None = layer.films.get(name)
    if film is None:
        return x
    found = graph.convolve(condition, film.convolution)
    if not film.shift:
        return graph.multiply(found, x)
    scale, shift = graph.halves(found)
    return graph.add(graph.multiply(scale, x), shift)


def _head(
    graph: Graph, parts: list[tuple[Stream, Convolution | None]], before: Stream | None, head: Convolution
) -> Stream:
    """All that the layers give, summed and convolved, as one convolution of all their channels side by side."""
    width = head.weight.shape[1]
    if before is not None:
        parts = [(before, None), *parts]
    graph.spend(width * sum(stream.channels for stream, _ in parts))
    one = Convolution(np.eye(width)[:, :, None], np.zeros(width))
    weight = np.concatenate([(part or one).weight for _, part in parts], axis=1)
    bias = np.sum([(part or one).bias for _, part in parts], axis=0)
    sum_ = Convolution(weight, bias)
    x = graph.stack([stream for stream, _ in parts])
    if head.weight.shape[2] > 1:
        return graph.convolve(graph.convolve(x, sum_, as_value=False), head)
    end = head.weight[:, :, 0]
    return graph.convolve(x, Convolution((end @ weight[:, :, 0])[:, :, None], end @ bias + head.bias))


def _beside(upper: WeightArray, lower: WeightArray) -> WeightArray:
    """Two weights (out, in, 1) that know nothing of each other, as one."""
    made = np.zeros((len(upper) + len(lower), upper.shape[1] + lower.shape[1], 1))
    made[: len(upper), : upper.shape[1]] = upper
    made[len(upper) :, upper.shape[1] :] = lower
    return made


def _lstm(graph: Graph, net: Lstm, x: Stream) -> Stream:
    """Recurrent layers from the file's own first states, which are what silence left behind when it was written."""
    hidden, layers = len(net.head_weight), len(net.layers)
    first = np.stack([layer[part] for layer in net.layers for part in (2, 3)])[:, None, :]
    state, next_state = graph.state(2 * layers, 1, hidden)
    warm = bool(first.any())
    now = graph.node("Add", state, graph.constant(first)) if warm else state
    before = graph.split(now, [1] * (2 * layers), 0)
    signal = graph.shape(graph.as_value(x).name, graph.step, 1, 1)
    after: list[str] = []
    for k, (weight, bias, _, _) in enumerate(net.layers):
        signal, *ends = graph.recur(signal, weight, bias, before[2 * k], before[2 * k + 1])
        after += ends
    if warm:
        ends_ = graph.node("Concat", *after, axis=0)
        graph.give("Add", [ends_, graph.constant(-first)], next_state)
    else:
        graph.give("Concat", after, next_state, axis=0)
    out = graph.node("MatMul", signal, graph.constant(net.head_weight[:, None]))
    out = graph.node("Add", out, graph.constant(net.head_bias))
    return Stream(graph.shape(out, 1, 1, graph.step), _lstm_silence(net, x.silent), np.zeros(1))


def _lstm_silence(net: Lstm, signal: WeightArray) -> WeightArray:
    """What the layers give for one sample of silence, from their first states."""
    for weight, bias, hidden, cell in net.layers:
        i, f, g, o = np.split(weight @ np.concatenate([signal, hidden]) + bias, 4)
        now = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
        signal = _sigmoid(o) * np.tanh(now)
    return np.array([net.head_weight @ signal + net.head_bias])


def _sigmoid(x: WeightArray) -> WeightArray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
