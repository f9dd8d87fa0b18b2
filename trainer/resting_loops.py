"""Loops of an exported graph that run only while their target has a weight.

    target (1, targets) ─▶ [k] ≠ 0 ? ─▶ If ┬─ then: the loop of decoder k, as it was exported  ─▶ codes, history
                                           └─ else: the code before, over and over; the history as it was

`trainer.wavenet_graph` puts the loops into the graph, one after another; before that their places are marked, and
`find_marks` reads what goes in and out of each. Afterwards all nodes between these ends are one branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trainer.wavenet_graph import OPERATOR

TARGET = "target"  # the tensor law's name


@dataclass(frozen=True, slots=True)
class Mark:
    """The names of a loop's ends, and how many samples it draws."""

    offsets: str
    uniforms: str
    history: str
    previous: str
    codes: str
    after: str
    samples: int


def find_marks(model: onnx.ModelProto, numbers: Sequence[int]) -> list[Mark]:
    """The marks with these numbers, in their order."""
    found: dict[int, Mark] = {}
    for node in model.graph.node:
        if node.op_type == OPERATOR:
            told = {attribute.name: attribute.i for attribute in node.attribute}
            offsets, uniforms, history, previous = node.input
            codes, after = node.output
            found[told["number"]] = Mark(offsets, uniforms, history, previous, codes, after, told["samples"])
    return [found[number] for number in numbers]


def rest_without_weight(model: onnx.ModelProto, mark: Mark, target: int) -> None:
    """Put the loop that stands at `mark` under the condition that target number `target` has a weight."""
    nodes = list(model.graph.node)
    inside = _between(nodes, mark)
    name = f"rest_{target}_"
    moved = [
        _renamed(node, {mark.codes: name + "drawn", mark.after: name + "next"}) for node in nodes if id(node) in inside
    ]
    ends = {"drawn": TensorProto.INT64, "next": TensorProto.FLOAT}
    loop = helper.make_graph(
        moved, name + "loop", [], [helper.make_tensor_value_info(name + end, kind, None) for end, kind in ends.items()]
    )
    still = helper.make_graph(
        [
            helper.make_node("Expand", [mark.previous, name + "length"], [name + "same"]),
            helper.make_node("Identity", [mark.history], [name + "kept"]),
        ],
        name + "still",
        [],
        [
            helper.make_tensor_value_info(name + "same", TensorProto.INT64, None),
            helper.make_tensor_value_info(name + "kept", TensorProto.FLOAT, None),
        ],
    )
    condition = [
        helper.make_node("Gather", [TARGET, name + "place"], [name + "weight"], axis=1),
        helper.make_node("Equal", [name + "weight", name + "none"], [name + "silent"]),
        helper.make_node("Not", [name + "silent"], [name + "sounds"]),
        helper.make_node("Squeeze", [name + "sounds"], [name + "wanted"]),
        helper.make_node(
            "If", [name + "wanted"], [mark.codes, mark.after], name=name + "if", then_branch=loop, else_branch=still
        ),
    ]
    constants = {"length": np.array([mark.samples]), "place": np.array([target]), "none": np.float32(0.0)}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name + key) for key, value in constants.items()
    )
    last = max(place for place, node in enumerate(nodes) if id(node) in inside)
    after = [node for node in nodes[last + 1 :] if id(node) not in inside]
    before = [node for node in nodes[: last + 1] if id(node) not in inside]
    del model.graph.node[:]
    model.graph.node.extend([*before, *condition, *after])


def _between(nodes: Sequence[onnx.NodeProto], mark: Mark) -> set[int]:
    """The ids of the nodes that make the loop's results from its inputs."""
    makers = {output: node for node in nodes for output in node.output}
    ends = {mark.offsets, mark.uniforms, mark.history, mark.previous}
    inside: set[int] = set()
    wanted = [mark.codes, mark.after]
    while wanted:
        name = wanted.pop()
        node = makers.get(name)
        if node is None or name in ends or id(node) in inside:
            continue
        inside.add(id(node))
        wanted += node.input
    return inside


def _renamed(node: onnx.NodeProto, names: dict[str, str]) -> onnx.NodeProto:
    made = onnx.NodeProto()
    made.CopyFrom(node)
    for values in (made.input, made.output):
        for place, name in enumerate(values):
            values[place] = names.get(name, name)
    return made
