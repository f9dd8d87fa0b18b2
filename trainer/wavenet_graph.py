"""The WaveNet's loop over samples as one ONNX Scan, with few nodes: at a sample a turn, nodes are what it costs.

    offsets (T, layers, 2R)   uniforms (T,)   history (Σ past, R)   previous (1,)
        │ what far layers (dilation ≥ T) remember was all heard before the call: one product for the whole call
        ▼
    Scan, a sample a turn:  ring of the near layers ─▶ one product for the older taps of all of them
                            layer: tanh(Gemm), sigmoid(Gemm), their product, Gemm         4 nodes
                            all z side by side ─▶ Gemm, Gemm, Gemm ─▶ Softmax ─▶ CumSum ─▶ how many ≤ uniform
        ▼
    codes (T,)   next history (Σ past, R)

onnxruntime joins a Gemm and its tanh, sigmoid or relu. A Gemm adds its third input: so the offsets cost no node, and
neither does the way from layer to layer. The codes drawn are those of `trainer.wavenet_generation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from trainer.wavenet_weights import Weights

DOMAIN, OPERATOR = "retimbre", "WaveNetSampling"
"""What stands in an exported graph for the loop until `expand` puts it there: inputs and outputs as above."""


class _Nodes:
    """Nodes of one graph in the making, with names that no other graph has."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.nodes, self.constants = prefix, list[onnx.NodeProto](), list[onnx.TensorProto]()

    def add(self, operator: str, inputs: Sequence[str], *, outputs: int = 1, **attributes: Any) -> list[str]:
        """The node's outputs by name."""
        names = [f"{self.prefix}{operator}_{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=names[0], **attributes))
        return names

    def one(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The name of the only output."""
        return self.add(operator, inputs, **attributes)[0]

    def constant(self, value: npt.NDArray[Any]) -> str:
        """An initializer's name."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name


def expand(model: onnx.ModelProto, number: int, weights: Weights, dilations: Sequence[int], temperature: float) -> None:
    """Put the loop in the place of the `OPERATOR` node with this `number`; the model is changed.

    Its attributes are `number` and `samples`, T.
    """
    graph = model.graph
    nodes, places = list(graph.node), [k for k, node in enumerate(graph.node) if node.op_type == OPERATOR]
    told = [{a.name: a.i for a in nodes[place].attribute} for place in places]
    place = next(place for place, own in zip(places, told, strict=True) if own["number"] == number)
    node, samples = nodes[place], next(own["samples"] for own in told if own["number"] == number)
    made = _Nodes(f"loop_{place}_")
    _call(made, weights, dilations, samples, temperature, list(node.input), list(node.output))
    nodes[place : place + 1] = made.nodes
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.extend(made.constants)
    if len(places) == 1:  # no other loop is waiting
        kept = [opset for opset in model.opset_import if opset.domain != DOMAIN]
        del model.opset_import[:]
        model.opset_import.extend(kept)


def _call(
    made: _Nodes,
    weights: Weights,
    dilations: Sequence[int],
    samples: int,
    temperature: float,
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    offsets, uniforms, history, previous = inputs
    residual = weights.embedding.shape[1]
    older = weights.taps.shape[1] // residual - 1
    pasts = [older * dilation for dilation in dilations]
    starts = [sum(pasts[:layer]) for layer in range(len(pasts))]
    far = [layer for layer, dilation in enumerate(dilations) if dilation >= samples]
    near = [layer for layer, dilation in enumerate(dilations) if dilation < samples]
    t = np.arange(samples)
    per_layer = made.one("Transpose", offsets, perm=[1, 0, 2])  # (layers, T, 2R)
    scanned, rings = [], ""
    if far:
        old = np.array([[[starts[i] + tap * dilations[i] + s for tap in range(older)] for s in t] for i in far])
        heard = made.one("Gather", history, made.constant(old), axis=0)
        heard = made.one("Reshape", heard, made.constant(np.array([len(far), samples, older * residual])))
        said = made.one("MatMul", heard, made.constant(weights.taps[far, :-residual].numpy()))
        known = made.one("Gather", per_layer, made.constant(np.array(far)), axis=0)
        said = made.one("Transpose", made.one("Add", said, known), perm=[1, 0, 2])
        scanned.append(made.one("Reshape", said, made.constant(np.array([samples, 1, len(far) * 2 * residual]))))
    ring_starts = [sum(pasts[i] for i in near[:k]) for k in range(len(near))]
    if near:
        known = made.one("Gather", per_layer, made.constant(np.array(near)), axis=0)
        scanned.append(
            made.one("Unsqueeze", made.one("Transpose", known, perm=[1, 0, 2]), made.constant(np.array([2])))
        )
        reads = [
            [
                start + (s + tap * dilations[i]) % pasts[i]
                for i, start in zip(near, ring_starts, strict=True)
                for tap in range(older)
            ]
            for s in t
        ]
        writes = [[[start + s % pasts[i]] for i, start in zip(near, ring_starts, strict=True)] for s in t]
        scanned += [made.constant(np.array(reads)), made.constant(np.array(writes))]
        rows = np.concatenate([starts[i] + np.arange(pasts[i]) for i in near])
        rings = made.one("Gather", history, made.constant(rows), axis=0)
    scanned.append(
        made.one("Unsqueeze", made.one("Cast", uniforms, to=TensorProto.DOUBLE), made.constant(np.array([1])))
    )
    body = _body(f"{made.prefix}body_", weights, near, far, temperature, bool(near), bool(far))
    carried = [previous, *([rings] if near else [])]
    gathered = made.add(
        "Scan", [*carried, *scanned], outputs=len(carried) + 1 + bool(far), body=body, num_scan_inputs=len(scanned)
    )
    codes = gathered[len(carried)]
    made.nodes.append(helper.make_node("Reshape", [codes, made.constant(np.array([samples]))], [outputs[0]]))
    # Old history, the rings after the call, and what the far layers heard, in one row: the new history picks from it.
    parts, place = [history], sum(pasts)
    after = np.empty(sum(pasts), np.int64)
    if near:
        parts.append(gathered[1])
        for i, start in zip(near, ring_starts, strict=True):
            after[starts[i] : starts[i] + pasts[i]] = place + start + (samples + np.arange(pasts[i])) % pasts[i]
        place += sum(pasts[i] for i in near)
    if far:
        heard = made.one("Transpose", gathered[-1], perm=[1, 0, 2])
        parts.append(made.one("Reshape", heard, made.constant(np.array([-1, residual]))))
        for k, i in enumerate(far):
            kept = np.arange(starts[i] + samples, starts[i] + pasts[i])
            after[starts[i] : starts[i] + pasts[i]] = np.concatenate([kept, place + k * samples + t])
    whole = made.one("Concat", *parts, axis=0)
    made.nodes.append(helper.make_node("Gather", [whole, made.constant(after)], [outputs[1]], axis=0))


def _body(
    prefix: str,
    weights: Weights,
    near: Sequence[int],
    far: Sequence[int],
    temperature: float,
    has_near: bool,
    has_far: bool,
) -> onnx.GraphProto:
    """One sample: previous, [ring], [far], [near, reads, writes], uniform → previous, [ring], code, [far's inputs]."""
    made = _Nodes(prefix)
    levels, residual = weights.embedding.shape
    layers, heard_width = weights.taps.shape[:2]
    inputs = [_info(prefix + "previous", TensorProto.INT64, [1])]
    begins: dict[tuple[int, int], str] = {}  # what tanh and sigmoid of each layer begin with

    def split(name: str, of: Sequence[int]) -> None:
        names = made.add("Split", [name], outputs=2 * len(of), axis=1)
        begins.update({(layer, half): names[2 * k + half] for k, layer in enumerate(of) for half in (0, 1)})

    if has_near:
        inputs.append(_info(prefix + "ring", TensorProto.FLOAT, [None, residual]))
    if has_far:
        inputs.append(_info(prefix + "far", TensorProto.FLOAT, [1, len(far) * 2 * residual]))
        split(prefix + "far", far)
    if has_near:
        inputs += [
            _info(prefix + "near", TensorProto.FLOAT, [len(near), 1, 2 * residual]),
            _info(prefix + "reads", TensorProto.INT64, [None]),
            _info(prefix + "writes", TensorProto.INT64, [len(near), 1]),
        ]
        heard = made.one("Gather", prefix + "ring", prefix + "reads", axis=0)
        heard = made.one("Reshape", heard, made.constant(np.array([len(near), 1, heard_width - residual])))
        said = made.one("MatMul", heard, made.constant(weights.taps[list(near), :-residual].numpy()))
        said = made.one("Add", said, prefix + "near")
        split(made.one("Reshape", said, made.constant(np.array([1, len(near) * 2 * residual]))), near)
    inputs.append(_info(prefix + "uniform", TensorProto.DOUBLE, [1]))

    # A code one too high, where the probabilities add up to less than one, means the highest.
    embedding = weights.embedding.numpy()
    x = made.one("Gather", made.constant(np.concatenate([embedding, embedding[-1:]])), prefix + "previous", axis=0)
    entered, gated = [], []
    for layer in range(layers):
        entered.append(x)
        now = weights.taps[layer, -residual:].numpy()
        signal, gate = (
            made.one(
                activation,
                made.one(
                    "Gemm", x, made.constant(now[:, half * residual : (half + 1) * residual]), begins[layer, half]
                ),
            )
            for half, activation in enumerate(("Tanh", "Sigmoid"))
        )
        gated.append(made.one("Mul", signal, gate))
        if layer < layers - 1:
            x = made.one("Gemm", gated[-1], made.constant(weights.out[layer, :, :residual].numpy()), x)
    skips = weights.out[..., residual:].flatten(0, 1).numpy()
    hidden = made.one("Relu", made.one("Gemm", made.one("Concat", *gated, axis=1), made.constant(skips)))
    hidden = made.one(
        "Relu", made.one("Gemm", hidden, made.constant(weights.head.numpy()), made.constant(weights.head_bias.numpy()))
    )
    cold = np.float32(1.0 / temperature)
    last, last_bias = weights.last.numpy() * cold, weights.last_bias.numpy() * cold
    likely = made.one("Softmax", made.one("Gemm", hidden, made.constant(last), made.constant(last_bias)), axis=1)
    added = made.one("CumSum", made.one("Cast", likely, to=TensorProto.DOUBLE), made.constant(np.array(1)))
    passed = made.one("Cast", made.one("LessOrEqual", added, prefix + "uniform"), to=TensorProto.INT64)
    code = made.one("ReduceSum", passed, made.constant(np.array([1])), keepdims=0)
    outputs = [_info(code, TensorProto.INT64, [1])]
    if has_near:
        pushed = made.one("Concat", *(entered[i] for i in near), axis=0)
        ring = made.one("ScatterND", prefix + "ring", prefix + "writes", pushed)
        outputs.append(_info(ring, TensorProto.FLOAT, [None, residual]))
    # A body's outputs are all different.
    told = made.one("Min", code, made.constant(np.array([levels - 1])))
    outputs.append(_info(told, TensorProto.INT64, [1]))
    if has_far:
        outputs.append(
            _info(made.one("Concat", *(entered[i] for i in far), axis=0), TensorProto.FLOAT, [len(far), residual])
        )
    return helper.make_graph(made.nodes, prefix + "graph", inputs, outputs, initializer=made.constants)


def _info(name: str, kind: int, shape: Sequence[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
