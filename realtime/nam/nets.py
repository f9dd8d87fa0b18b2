"""What a Neural Amp Modeler file describes, as plain values: networks with their weights in place. Any thread.

    Stack     convolutions and activations in turn: ConvNet (batch norm folded in), Linear, a WaveNet's last head
    WaveNet   layer arrays of dilated layers, read in `realtime.nam.wavenet`
    Lstm      recurrent layers with their first states
    Chain     networks one after the other: Sequential

Settings and the order of weights follow the public description (`docs/nam.md`). All weights are float64 here, so that
folding costs no accuracy; the graph rounds them once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from realtime.errors import PackageError
from realtime.nam.activation import Activation, read_activation
from realtime.nam.fields import Fields, WeightArray, Weights

MOST_CHANNELS = 1024
LONGEST_PAST = 1 << 18  # samples: five seconds
MOST_VALUES = 1 << 24  # of a convolution and of a whole network: nothing larger runs in real time
_VERSIONS = ((0, 5), (0, 7))
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Convolution:
    """y[o, t] = bias[o] + Σ weight[o, i, k]·x[i, t − (taps − 1 − k)·dilation].

    packed: (out, in / groups, taps), as a file has it: each group of outputs hears its own group of inputs.
    """

    packed: WeightArray
    bias: WeightArray
    dilation: int = 1
    groups: int = 1

    @property
    def past(self) -> int:
        """Samples before the present one that it hears."""
        return (int(self.packed.shape[2]) - 1) * self.dilation

    @property
    def weight(self) -> WeightArray:
        """(out, in, taps), groups written out as zeros: here that is quicker than a grouped convolution.

        Made when asked for, because a small file can ask for groups that fill the memory.
        """
        if self.groups == 1:
            return self.packed
        outputs, columns, taps = self.packed.shape
        rows = outputs // self.groups
        full = np.zeros((outputs, columns * self.groups, taps))
        for group in range(self.groups):
            part = slice(group * rows, (group + 1) * rows)
            full[part, group * columns : (group + 1) * columns] = self.packed[part]
        return full


@dataclass(frozen=True, slots=True)
class Stack:
    """Convolutions and activations, each fed with the one before."""

    stages: tuple[Convolution | Activation, ...]


@dataclass(frozen=True, slots=True)
class Film:
    """x·scale(condition) + shift(condition); the convolution gives the scales, then, if `shift`, the shifts."""

    convolution: Convolution
    shift: bool


@dataclass(frozen=True, slots=True)
class Layer:
    """One dilated layer of a WaveNet; the names are those of the file. `gating`: "none", "gated" or "blended"."""

    conv: Convolution
    mixin: Convolution
    activation: Activation
    gating: str
    secondary: Activation | None
    layer1x1: Convolution | None
    head1x1: Convolution | None
    films: Mapping[str, Film]


@dataclass(frozen=True, slots=True)
class LayerArray:
    """Layers of equal width between a convolution into them and one of what they all give to the head."""

    rechannel: Convolution
    layers: tuple[Layer, ...]
    head: Convolution


@dataclass(frozen=True, slots=True)
class WaveNet:
    """Layer arrays, and what is made of the input to tell them besides (`condition`; without it the input itself)."""

    arrays: tuple[LayerArray, ...]
    head_scale: float
    head: Stack | None
    condition: Network | None

    @property
    def outputs(self) -> int:
        """Channels of the output."""
        last = self.head.stages[-1] if self.head else self.arrays[-1].head
        assert isinstance(last, Convolution)
        return int(last.packed.shape[0])


@dataclass(frozen=True, slots=True)
class Lstm:
    """Recurrent layers: weight (4·hidden, inputs + hidden), bias, first hidden and cell state each; gates i f g o."""

    layers: tuple[tuple[WeightArray, WeightArray, WeightArray, WeightArray], ...]
    head_weight: WeightArray
    head_bias: float


@dataclass(frozen=True, slots=True)
class Chain:
    """Networks one after the other."""

    networks: tuple[Network, ...]


Network = Stack | WaveNet | Lstm | Chain


def read_network(model: Fields, *, size: float = 1.0, depth: int = 0) -> Network:
    """The network of one complete model object. `size`: 0 to 1, for files that hold it in several sizes.

    Raises PackageError and nothing else.
    """
    from realtime.nam.wavenet import read_wavenet  # late: it is made of this module's parts

    if depth > _DEEPEST:
        raise PackageError(f"{model.where} holds models within models more than {_DEEPEST} deep: export it again.")
    _check_version(model)
    architecture = model.word("architecture")
    config = model.inner("config")
    if architecture == "SlimmableContainer":
        return _read_container(model, config, size, depth)
    if architecture in ("Sequential", "sequential"):
        return _read_chain(model, config, size, depth)
    readers: dict[str, Callable[[Fields, Weights], Network]] = {
        "WaveNet": lambda fields, values: read_wavenet(fields, values, size=size, depth=depth),
        "LSTM": _read_lstm,
        "ConvNet": _read_convnet,
        "Linear": _read_linear,
    }
    if architecture not in readers:
        raise PackageError(
            f"{model.where}.architecture is {architecture[:40]!r}, but retimbre plays "
            f"{', '.join([*readers, 'Sequential', 'SlimmableContainer'])}: update retimbre, or train one of these."
        )
    weights = Weights(model.data.get("weights"), model.where)
    network = readers[architecture](config, weights)
    weights.finish()
    return network


def read_convolution(
    weights: Weights, inputs: int, outputs: int, taps: int = 1, *, where: str, bias: bool = True, groups: int = 1,
    dilation: int = 1,
) -> Convolution:  # fmt: skip
    """The next convolution."""
    if inputs % groups or outputs % groups:
        raise PackageError(
            f"In {where} {inputs} channels become {outputs} in {groups} groups, but both must be multiples of the "
            "groups: export the capture again."
        )
    if inputs * outputs * taps > MOST_VALUES or (taps - 1) * dilation > LONGEST_PAST:
        raise PackageError(
            f"In {where} a convolution has {outputs}×{inputs}×{taps} values and hears {(taps - 1) * dilation} samples, "
            f"but {MOST_VALUES} values and {LONGEST_PAST} samples are the most: train a smaller one."
        )
    packed = weights.take(outputs, inputs // groups, taps)
    return Convolution(packed, weights.take(outputs) if bias else np.zeros(outputs), dilation, groups)


def read_activation_at(fields: Fields, key: str) -> Activation:
    """The activation at `key`."""
    if key not in fields:
        fields.refuse(key, "an activation such as 'Tanh'")
    return read_activation(fields.data[key], f"{fields.where}.{key}")


def one_channel(fields: Fields, *keys: str) -> None:
    """Refuse a file for several inputs or outputs: the live signal is mono."""
    for key in keys:
        fields.whole(key, 1, 1, default=1)


def _check_version(model: Fields) -> None:
    text = model.word("version")
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        model.refuse("version", "like '0.7.0'")
    if not _VERSIONS[0] <= (int(parts[0]), int(parts[1])) <= _VERSIONS[1]:
        low, high = (".".join(map(str, version)) for version in _VERSIONS)
        raise PackageError(
            f"{model.where}.version is {text}, but retimbre reads {low} to {high}: "
            "update retimbre if it is newer, or export the capture again if it is older."
        )


def _read_container(model: Fields, config: Fields, size: float, depth: int) -> Network:
    """The first of the models whose `max_value` is above the size asked for; the last is the whole one."""
    if model.data.get("weights"):
        model.refuse("weights", "empty, because each of its models brings its own")
    entries = [Fields.of(item, f"{config.where}.submodels[{k}]") for k, item in enumerate(config.items("submodels"))]
    limits = [entry.number("max_value") for entry in entries]
    if sorted(set(limits)) != limits:
        raise PackageError(f"{config.where}.submodels must stand in order of max_value: export the capture again.")
    chosen = next((k for k, limit in enumerate(limits) if size < limit), len(entries) - 1)
    return read_network(entries[chosen].inner("model"), size=size, depth=depth + 1)


def _read_chain(model: Fields, config: Fields, size: float, depth: int) -> Chain:
    if model.data.get("weights"):
        model.refuse("weights", "empty: only the newer kind of Sequential, whose models are complete, can be read")
    networks = []
    for k, item in enumerate(config.items("models")):
        inner = Fields.of(item, f"{config.where}.models[{k}]")
        network = read_network(inner, size=size, depth=depth + 1)
        if channels_out(network) != 1:
            raise PackageError(f"{inner.where} gives several channels, but the next one takes one: train it as mono.")
        if (
            "sample_rate" in inner
            and "sample_rate" in model
            and inner.number("sample_rate") != model.number("sample_rate")
        ):
            inner.refuse("sample_rate", f"{model.number('sample_rate'):g} as that of the whole")
        networks.append(network)
    return Chain(tuple(networks))


def channels_out(network: Network) -> int:
    """How many signals a network gives."""
    if isinstance(network, Chain):
        return channels_out(network.networks[-1])
    return network.outputs if isinstance(network, WaveNet) else 1


def _read_lstm(config: Fields, weights: Weights) -> Lstm:
    one_channel(config, "input_size", "in_channels", "out_channels")
    hidden = config.whole("hidden_size", 1, MOST_CHANNELS)
    layers = []
    for layer in range(config.whole("num_layers", 1, 64)):
        weight = weights.take(4 * hidden, (hidden if layer else 1) + hidden)
        layers.append((weight, weights.take(4 * hidden), weights.take(hidden), weights.take(hidden)))
    return Lstm(tuple(layers), weights.take(hidden), float(weights.take(1)[0]))


def _read_convnet(config: Fields, weights: Weights) -> Stack:
    """Kernels of two samples; the scale and the shift of a batch norm go into its convolution."""
    one_channel(config, "in_channels", "out_channels")
    channels = config.whole("channels", 1, MOST_CHANNELS)
    groups = config.whole("groups", 1, MOST_CHANNELS, default=1)
    norm = config.flag("batchnorm")
    activation = read_activation_at(config, "activation")
    activation.check(channels, config.where)
    stages: list[Convolution | Activation] = []
    for layer, dilation in enumerate(config.wholes("dilations", 1, LONGEST_PAST)):
        inputs = channels if layer else 1
        found = read_convolution(
            weights, inputs, channels, 2, where=config.where, bias=not norm, groups=groups, dilation=dilation
        )
        if norm:
            mean, variance, gain, shift = (weights.take(channels) for _ in range(4))
            below = variance + weights.take(1)
            if not (below > 0).all():
                raise PackageError(f"In {config.where} a batch norm has no variance: export the capture again.")
            scale = gain / np.sqrt(below)
            found = replace(found, packed=found.packed * scale[:, None, None], bias=shift - scale * mean)
        stages += [found, activation]
    stages.append(read_convolution(weights, channels, 1, where=config.where))
    return Stack(tuple(stages))


def _read_linear(config: Fields, weights: Weights) -> Stack:
    """An impulse response, the present sample's weight first as the players read it (docs/nam.md)."""
    one_channel(config, "in_channels", "out_channels")
    taps = config.whole("receptive_field", 1, LONGEST_PAST)
    response = weights.take(taps)
    bias = weights.take(1) if config.flag("bias") else np.zeros(1)
    return Stack((Convolution(response[::-1].reshape(1, 1, taps), bias),))
