"""Narrower versions of one WaveNet, for files whose network was trained to be cut (arXiv 2511.07470). Any thread.

    size 0…1 ─▶ channels of each array, from its list ─▶ the first so many rows and columns of every convolution

A layer's width between its convolutions shrinks in proportion; what goes in and what comes out at the ends stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from realtime.errors import PackageError
from realtime.nam.activation import Activation
from realtime.nam.fields import Fields, equal_lengths
from realtime.nam.nets import MOST_CHANNELS, Convolution, Layer, LayerArray

_METHOD = "slice_channels_uniform"


def widths_at(fields: Fields, channels: int, size: float) -> int:
    """Channels of the layer array of these settings at `size`; all of them where it cannot be cut."""
    if "slimmable" not in fields:
        return channels
    slimmable = fields.inner("slimmable")
    if slimmable.data.get("method") != _METHOD:
        slimmable.refuse("method", f"'{_METHOD}'")
    allowed = list(range(1, channels + 1))
    settings = slimmable.inner("kwargs") if "kwargs" in slimmable else None
    if settings is not None and "allowed_channels" in settings:
        allowed = settings.wholes("allowed_channels", 1, MOST_CHANNELS)
        if sorted(set(allowed)) != allowed or allowed[-1] != channels:
            settings.refuse("allowed_channels", f"a rising list that ends with {channels}, the channels of the whole")
    return allowed[min(math.floor(size * len(allowed)), len(allowed) - 1)]


def cut(arrays: Sequence[LayerArray], widths: Sequence[int], where: str) -> tuple[LayerArray, ...]:
    """The arrays at these widths. Raises PackageError where a part has no rule for being cut."""
    if all(len(array.rechannel.weight) == width for array, width in zip(arrays, widths, strict=True)):
        return tuple(arrays)
    layers = [layer for array in arrays for layer in array.layers]
    grouped = any(
        part is not None and part.groups > 1 for one in layers for part in (one.conv, one.mixin, one.layer1x1)
    )
    if grouped or any(one.films or one.head1x1 for one in layers) or any(array.head.past for array in arrays):
        raise PackageError(
            f"{where} cannot be made smaller, because it has groups, FiLMs, head1x1 or a head with memory: "
            "import it at size 1."
        )
    made = []
    for k, (array, width) in enumerate(zip(arrays, widths, strict=True)):
        inputs = widths[k - 1] if k else array.rechannel.weight.shape[1]
        outputs = widths[k + 1] if k + 1 < len(arrays) else array.head.weight.shape[0]
        narrow = tuple(_cut_layer(layer, width, len(array.rechannel.weight)) for layer in array.layers)
        collected = _inner(array.layers[0], width, len(array.rechannel.weight))
        if k:
            equal_lengths(where, [("at this size the head before has", width), ("a layer adds", collected)])
        made.append(LayerArray(_part(array.rechannel, width, inputs), narrow, _part(array.head, outputs, collected)))
    return tuple(made)


def _inner(layer: Layer, width: int, full: int) -> int:
    """The narrow layer's channels after its activation."""
    if layer.layer1x1 is None:
        return width
    return max(1, int(layer.layer1x1.weight.shape[1]) * width // full)


def _cut_layer(layer: Layer, width: int, full: int) -> Layer:
    inner = _inner(layer, width, full)
    before = inner if layer.secondary is None else 2 * inner
    return replace(
        layer,
        conv=_part(layer.conv, before, width),
        mixin=_part(layer.mixin, before, layer.mixin.weight.shape[1]),
        activation=_first_slopes(layer.activation, inner),
        secondary=layer.secondary and _first_slopes(layer.secondary, inner),
        layer1x1=layer.layer1x1 and _part(layer.layer1x1, width, inner),
    )


def _first_slopes(curve: Activation, channels: int) -> Activation:
    own = curve.kind == "PReLU" and len(curve.settings) > 1
    return replace(curve, settings=curve.settings[:channels]) if own else curve


def _part(convolution: Convolution, outputs: int, inputs: int) -> Convolution:
    return Convolution(convolution.weight[:outputs, :inputs], convolution.bias[:outputs], convolution.dilation)
