"""Reads the WaveNet of a Neural Amp Modeler file, oldest and newest settings alike. Any thread.

    x ─ rechannel ─▶ layer ─▶ layer ─▶ … ─▶ next array          layer: z = f(conv(h) + mixin(c));  h += layer1x1(z)
                       │        │                               c is the input, or what `condition_dsp` makes of it
                       ▼ z      ▼ z
    head before ─▶ ────┴────────┴─ Σ ─ head ─▶ head of the next array, or × head_scale and out

Weights stand array by array: rechannel, then per layer conv, mixin, layer1x1, head1x1 and the FiLMs, then the head; at
the end those of the last head and the head's scale. Older files say `head_size`, `head_bias` and `gated` where newer
ones have `head`, `gating_mode` and `secondary_activation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from realtime.errors import PackageError
from realtime.nam.activation import Activation, read_activation
from realtime.nam.fields import Fields, Weights, equal_lengths
from realtime.nam.nets import (
    LONGEST_PAST,
    MOST_CHANNELS,
    Convolution,
    Film,
    Layer,
    LayerArray,
    Stack,
    WaveNet,
    channels_out,
    one_channel,
    read_activation_at,
    read_convolution,
    read_network,
)
from realtime.nam.slim import cut, widths_at

FILMS = (
    "conv_pre_film",
    "conv_post_film",
    "input_mixin_pre_film",
    "input_mixin_post_film",
    "activation_pre_film",
    "activation_post_film",
    "layer1x1_post_film",
    "head1x1_post_film",
)
_MOST_LAYERS = 512  # of a whole network: no signal passes more in a step's time
_SIGMOID = "Sigmoid"  # gates a layer whose file names no other curve


@dataclass(frozen=True, slots=True)
class _Shape:
    """The settings of one layer array."""

    fields: Fields
    inputs: int
    condition: int
    channels: int
    bottleneck: int
    dilations: list[int]
    head_outputs: int
    head_taps: int
    head_bias: bool
    head1x1_outputs: int  # 0 without one
    has_layer1x1: bool

    @property
    def collected(self) -> int:
        """Channels that a layer gives to the head."""
        return self.head1x1_outputs or self.bottleneck


def read_wavenet(config: Fields, weights: Weights, *, size: float = 1.0, depth: int = 0) -> WaveNet:
    """The WaveNet of `config`, cut to `size` where it was trained for that. Raises PackageError and nothing else."""
    one_channel(config, "in_channels")
    condition = None
    if "condition_dsp" in config:
        condition = read_network(config.inner("condition_dsp"), size=size, depth=depth + 1)
    told = 1 if condition is None else channels_out(condition)
    shapes = [
        _read_shape(Fields.of(item, f"{config.where}.layers[{k}]")) for k, item in enumerate(config.items("layers"))
    ]
    if sum(len(shape.dilations) for shape in shapes) > _MOST_LAYERS:
        raise PackageError(f"{config.where} has more than {_MOST_LAYERS} layers: train a smaller network.")
    _check_meetings(config.where, shapes, told)
    widths = [widths_at(shape.fields, shape.channels, size) for shape in shapes]
    arrays = cut([_read_array(shape, weights) for shape in shapes], widths, config.where)
    head = _read_head(config, weights, shapes[-1].head_outputs) if "head" in config else None
    config.number("head_scale", 1.0)  # must be sound, but the weights' own last value is the one in force
    return WaveNet(arrays, float(weights.take(1)[0]), head, condition)


def _check_meetings(where: str, shapes: list[_Shape], told: int) -> None:
    before, head = 1, None
    for k, shape in enumerate(shapes):
        equal_lengths(f"{where}.layers[{k}]", [("what comes in has", before), ("input_size is", shape.inputs)])
        equal_lengths(f"{where}.layers[{k}]", [("the condition has", told), ("condition_size is", shape.condition)])
        if head is not None:
            equal_lengths(f"{where}.layers[{k}]", [("the head before has", head), ("a layer adds", shape.collected)])
        before, head = shape.channels, shape.head_outputs


def _read_shape(fields: Fields) -> _Shape:
    channels = fields.whole("channels", 1, MOST_CHANNELS)
    newer = "head" in fields
    head = fields.inner("head") if newer else fields
    head1x1 = fields.inner("head1x1") if "head1x1" in fields else Fields({"active": False}, fields.where)
    layer1x1 = fields.inner("layer1x1") if "layer1x1" in fields else Fields({"active": True}, fields.where)
    shape = _Shape(
        fields=fields,
        inputs=fields.whole("input_size", 1, MOST_CHANNELS),
        condition=fields.whole("condition_size", 1, MOST_CHANNELS),
        channels=channels,
        bottleneck=fields.whole("bottleneck", 1, MOST_CHANNELS, default=channels),
        dilations=fields.wholes("dilations", 1, LONGEST_PAST),
        head_outputs=head.whole("out_channels" if newer else "head_size", 1, MOST_CHANNELS),
        head_taps=head.whole("kernel_size", 1, LONGEST_PAST) if newer else 1,
        head_bias=head.flag("bias" if newer else "head_bias"),
        head1x1_outputs=head1x1.whole("out_channels", 1, MOST_CHANNELS) if head1x1.flag("active") else 0,
        has_layer1x1=layer1x1.flag("active"),
    )
    if not shape.has_layer1x1:
        equal_lengths(fields.where, [("without layer1x1 channels is", channels), ("bottleneck is", shape.bottleneck)])
    return shape


def _read_array(shape: _Shape, weights: Weights) -> LayerArray:
    fields, where, count = shape.fields, shape.fields.where, len(shape.dilations)
    if "kernel_size" in fields and "kernel_sizes" in fields:
        fields.refuse("kernel_sizes", "missing where kernel_size is given")
    taps = fields.wholes("kernel_sizes" if "kernel_sizes" in fields else "kernel_size", 1, LONGEST_PAST, count)
    curves = [read_activation(item, f"{where}.activation") for item in fields.each("activation", count)]
    rechannel = read_convolution(weights, shape.inputs, shape.channels, where=where, bias=False)
    layers = tuple(
        _read_layer(shape, weights, shape.dilations[k], taps[k], curves[k], *gate)
        for k, gate in enumerate(_read_gates(fields, count))
    )
    head = read_convolution(
        weights, shape.collected, shape.head_outputs, shape.head_taps, where=where, bias=shape.head_bias
    )
    return LayerArray(rechannel, layers, head)


def _read_gates(fields: Fields, count: int) -> list[tuple[str, Activation | None]]:
    """Per layer its gating and the curve of the gate."""
    if "gating_mode" in fields:
        modes = fields.each("gating_mode", count)
    else:
        modes = ["gated" if fields.flag("gated", default=False) else "none"] * count
    second: list[Any] = fields.each("secondary_activation", count, default=_SIGMOID)
    gates: list[tuple[str, Activation | None]] = []
    for mode, item in zip(modes, second, strict=True):
        if mode not in ("none", "gated", "blended"):
            fields.refuse("gating_mode", "'none', 'gated' or 'blended'")
        curve = read_activation(item or _SIGMOID, f"{fields.where}.secondary_activation") if mode != "none" else None
        gates.append((mode, curve))
    return gates


def _read_layer(
    shape: _Shape, weights: Weights, dilation: int, taps: int, curve: Activation, gating: str, gate: Activation | None
) -> Layer:
    fields, where = shape.fields, shape.fields.where
    most = MOST_CHANNELS

    def groups(of: Fields, key: str) -> int:
        return of.whole(key, 1, most, default=1)

    inner = shape.bottleneck * (1 if gating == "none" else 2)
    for one in (curve, gate):
        if one is not None:
            one.check(shape.bottleneck, where)
    conv = read_convolution(
        weights, shape.channels, inner, taps, where=where, groups=groups(fields, "groups_input"), dilation=dilation
    )
    mixin = read_convolution(
        weights, shape.condition, inner, where=where, bias=False, groups=groups(fields, "groups_input_mixin")
    )
    layer1x1 = head1x1 = None
    if shape.has_layer1x1:
        grouped = groups(fields.inner("layer1x1"), "groups") if "layer1x1" in fields else 1
        layer1x1 = read_convolution(weights, shape.bottleneck, shape.channels, where=where, groups=grouped)
    if shape.head1x1_outputs:
        grouped = groups(fields.inner("head1x1"), "groups")
        head1x1 = read_convolution(weights, shape.bottleneck, shape.head1x1_outputs, where=where, groups=grouped)
    widths = dict(zip(FILMS, (shape.channels, inner, shape.condition, inner, inner, shape.bottleneck), strict=False))
    widths |= {"layer1x1_post_film": shape.channels, "head1x1_post_film": shape.head1x1_outputs}
    films = {name: film for name in FILMS if (film := _read_film(shape, weights, name, widths[name])) is not None}
    return Layer(conv, mixin, curve, gating, gate, layer1x1, head1x1, films)


def _read_film(shape: _Shape, weights: Weights, name: str, width: int) -> Film | None:
    if shape.fields.data.get(name) in (None, False):
        return None
    fields = shape.fields.inner(name)
    if not fields.flag("active", default=True):
        return None
    if (name.startswith("layer1x1") and not shape.has_layer1x1) or not width:
        fields.refuse("active", f"false, because {name.partition('_')[0]} is not active")
    shift = fields.flag("shift", default=True)
    return Film(
        read_convolution(
            weights, shape.condition, width * (2 if shift else 1), where=fields.where,
            groups=fields.whole("groups", 1, MOST_CHANNELS, default=1),
        ),
        shift,
    )  # fmt: skip


def _read_head(config: Fields, weights: Weights, inputs: int) -> Stack:
    """An activation and a convolution in turn, after all arrays."""
    fields = config.inner("head")
    if "in_channels" in fields:
        fields.whole("in_channels", inputs, inputs)
    curve = read_activation_at(fields, "activation")
    channels, outputs = (fields.whole(key, 1, MOST_CHANNELS) for key in ("channels", "out_channels"))
    all_taps = fields.wholes("kernel_sizes", 1, LONGEST_PAST)
    stages: list[Convolution | Activation] = []
    for k, taps in enumerate(all_taps):
        curve.check(inputs, fields.where)
        made = outputs if k == len(all_taps) - 1 else channels
        stages += [curve, read_convolution(weights, inputs, made, taps, where=fields.where)]
        inputs = made
    return Stack(tuple(stages))


def scaled(convolution: Convolution, scale: float) -> Convolution:
    """The same convolution, louder by `scale`."""
    return replace(convolution, packed=convolution.packed * scale, bias=convolution.bias * scale)
