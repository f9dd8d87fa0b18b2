"""Captures played a second time, for tests: plain numpy on a whole sound, read from the file's own words.

Nothing is shared with the importer. A WaveNet is played as its description reads, one layer after the other with zeros
before the sound; that players let it hear silence first is a lead of zeros that is cut off again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
FILMS = (
    "conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film", "activation_pre_film",
    "activation_post_film", "layer1x1_post_film", "head1x1_post_film",
)  # fmt: skip


def play(capture: dict[str, Any], x: NDArray[np.float32], lead: int = 7000) -> Signal:
    """What the capture makes of `x` (samples,) after `lead` samples of silence."""
    long = np.concatenate([np.zeros(lead), x])[None]
    return _model(capture, long)[0, lead:]


def weight_count(architecture: str, config: dict[str, Any]) -> int:
    """How many weights these settings ask for, counted by playing one sample."""
    counted = _Counter()
    _run(architecture, config, counted, np.zeros((1, 1)))
    return counted.count


class _Reader:
    def __init__(self, values: list[float]) -> None:
        self._values: Iterator[float] = iter(values)

    def take(self, *shape: int) -> Signal:
        return np.array([next(self._values) for _ in range(int(np.prod(shape)))]).reshape(shape)

    def done(self) -> bool:
        return next(self._values, None) is None


class _Counter(_Reader):
    def __init__(self) -> None:
        self.count = 0

    def take(self, *shape: int) -> Signal:
        self.count += int(np.prod(shape))
        return np.ones(shape)


def _model(capture: dict[str, Any], x: Signal) -> Signal:
    if capture["architecture"] == "Sequential":
        for one in capture["config"]["models"]:
            x = _model(one, x)
        return x
    if capture["architecture"] == "SlimmableContainer":
        return _model(capture["config"]["submodels"][-1]["model"], x)
    reader = _Reader(capture["weights"])
    y = _run(capture["architecture"], capture["config"], reader, x)
    assert reader.done()
    return y


def _run(architecture: str, config: dict[str, Any], read: _Reader, x: Signal) -> Signal:
    return {"WaveNet": _wavenet, "LSTM": _lstm, "ConvNet": _convnet, "Linear": _linear}[architecture](config, read, x)


def _conv(x: Signal, weight: Signal, bias: Signal | None, dilation: int = 1) -> Signal:
    y = np.zeros((weight.shape[0], x.shape[1]))
    taps = weight.shape[2]
    for k in range(taps):
        late = (taps - 1 - k) * dilation
        y[:, late:] += weight[:, :, k] @ x[:, : x.shape[1] - late] if late < x.shape[1] else 0.0
    return y if bias is None else y + bias[:, None]


def _read_conv(
    read: _Reader, x: Signal, outputs: int, taps: int = 1, *, groups: int = 1, bias: bool = True, dilation: int = 1
) -> Signal:
    inputs = x.shape[0]
    weight = read.take(outputs, inputs // groups, taps)
    shift = read.take(outputs) if bias else np.zeros(outputs)
    parts = [
        _conv(part, rows, None, dilation)
        for part, rows in zip(np.split(x, groups), np.split(weight, groups), strict=True)
    ]
    return np.concatenate(parts) + shift[:, None]


def _curve(what: Any, x: Signal) -> Signal:
    what = {"type": what} if isinstance(what, str) else what
    low, high = what.get("min_val", -1.0), what.get("max_val", 1.0)
    match what["type"]:
        case "Tanh":
            return np.tanh(x)
        case "ReLU":
            return np.where(x > 0, x, 0)
        case "Sigmoid":
            return 1 / (1 + np.exp(-x))
        case "Hardtanh":
            return np.where(x < low, low, np.where(x > high, high, x))
        case "LeakyReLU":
            return np.where(x < 0, what.get("negative_slope", 0.01) * x, x)
        case "PReLU":
            slopes = np.array(what.get("negative_slopes", [what.get("negative_slope", 0.01)]))
            return np.where(x < 0, slopes[:, None] * x, x)
        case "SiLU":
            return np.asarray(x / (1 + np.exp(-x)))
        case "Hardswish":
            return np.where(x <= -3, 0, np.where(x >= 3, x, x * (x + 3) / 6))
        case "Softsign":
            return x / (1 + abs(x))
        case "Softsigmoid":
            return (1 + x / (1 + abs(x))) / 2
        case "LeakyHardtanh":
            below, above = what.get("min_slope", 0.01), what.get("max_slope", 0.01)
            return np.where(x < low, (x - low) * below + low, np.where(x > high, (x - high) * above + high, x))
        case "Fasttanh":
            a, s = abs(x), x * x
            over = x * (2.45550750702956 + 2.45550750702956 * a + (0.893229853513558 + 0.821226666969744 * a) * s)
            return over / (2.44506634652299 + (2.44506634652299 + s) * abs(x + 0.814642734961073 * x * a))
    raise AssertionError(what)


def _per_layer(value: Any, count: int) -> list[Any]:
    return value if isinstance(value, list) else [value] * count


def _wavenet(config: dict[str, Any], read: _Reader, x: Signal) -> Signal:
    condition = _model(config["condition_dsp"], x) if config.get("condition_dsp") else x
    head = None
    h = x
    for array in config["layers"]:
        h, head = _array(array, read, h, condition, head)
    assert head is not None
    tail: list[tuple[Signal, Signal]] = []
    if config.get("head"):
        inputs = head.shape[0]
        sizes = config["head"]["kernel_sizes"]
        for k, taps in enumerate(sizes):
            outputs = config["head"]["out_channels" if k == len(sizes) - 1 else "channels"]
            tail.append((read.take(outputs, inputs, taps), read.take(outputs)))
            inputs = outputs
    head = read.take(1)[0] * head
    for weight, bias in tail:
        head = _conv(_curve(config["head"]["activation"], head), weight, bias)
    return head


def _array(
    settings: dict[str, Any], read: _Reader, x: Signal, condition: Signal, head: Signal | None
) -> tuple[Signal, Signal]:
    channels, count = settings["channels"], len(settings["dilations"])
    inner = settings.get("bottleneck", channels)
    taps = _per_layer(settings.get("kernel_sizes", settings.get("kernel_size")), count)
    modes = _per_layer(settings.get("gating_mode", "gated" if settings.get("gated") else "none"), count)
    second = _per_layer(settings.get("secondary_activation") or "Sigmoid", count)
    layer1x1 = settings.get("layer1x1", {"active": True, "groups": 1})
    head1x1 = settings.get("head1x1", {"active": False})
    x = _read_conv(read, x, channels, bias=False)
    curves = _per_layer(settings["activation"], count)
    for k, dilation in enumerate(settings["dilations"]):
        width = inner if modes[k] == "none" else 2 * inner
        # Weights of the FiLMs stand behind those of the layer, so all must be read before anything is computed.
        grouped = settings.get("groups_input", 1)
        conv = (read.take(width, channels // grouped, taps[k]), read.take(width))
        mixed = settings.get("groups_input_mixin", 1)
        mixin = read.take(width, condition.shape[0] // mixed, 1)
        one = (read.take(channels, inner // layer1x1["groups"], 1), read.take(channels)) if layer1x1["active"] else None
        heads = None
        if head1x1["active"]:
            made = head1x1["out_channels"]
            heads = (read.take(made, inner // head1x1["groups"], 1), read.take(made))
        widths = [channels, width, condition.shape[0], width, width, inner, channels, head1x1.get("out_channels", 0)]
        films: dict[str, Signal] = {}
        for name, size in zip(FILMS, widths, strict=True):
            asked = settings.get(name)
            if asked and asked.get("active", True):
                found = _read_conv(
                    read, condition, size * (2 if asked.get("shift", True) else 1), groups=asked.get("groups", 1)
                )
                films[name] = found

        def film(name: str, value: Signal, films: dict[str, Signal] = films) -> Signal:
            if name not in films:
                return value
            found = films[name]
            rows = value.shape[0]
            return found[:rows] * value + (found[rows:] if len(found) > rows else 0.0)

        z = _grouped(film("conv_pre_film", x), conv[0], conv[1], grouped, dilation)
        z = film("conv_post_film", z)
        told = _grouped(film("input_mixin_pre_film", condition), mixin, None, mixed)
        z = film("activation_pre_film", z + film("input_mixin_post_film", told))
        if modes[k] == "none":
            z = _curve(curves[k], z)
        else:
            first, gate = _curve(curves[k], z[:inner]), _curve(second[k], z[inner:])
            z = first * gate if modes[k] == "gated" else first * gate + (1 - gate) * z[:inner]
        z = film("activation_post_film", z)
        part = z if heads is None else film("head1x1_post_film", _grouped(z, *heads, head1x1["groups"]))
        head = part if head is None else head + part
        x = x + (z if one is None else film("layer1x1_post_film", _grouped(z, *one, layer1x1["groups"])))
    end = settings.get("head")
    if end:
        return x, _read_conv(read, head, end["out_channels"], end["kernel_size"], bias=end["bias"])  # type: ignore[arg-type]
    return x, _read_conv(read, head, settings["head_size"], bias=settings["head_bias"])  # type: ignore[arg-type]


def _grouped(x: Signal, weight: Signal, bias: Signal | None, groups: int, dilation: int = 1) -> Signal:
    parts = zip(np.split(x, groups), np.split(weight, groups), strict=True)
    y = np.concatenate([_conv(part, rows, None, dilation) for part, rows in parts])
    return y if bias is None else y + bias[:, None]


def _lstm(config: dict[str, Any], read: _Reader, x: Signal) -> Signal:
    """From the file's own states, which are those after a long silence: the lead must not be heard a second time."""
    hidden = config["hidden_size"]
    layers = []
    for k in range(config["num_layers"]):
        weight = read.take(4 * hidden, (hidden if k else 1) + hidden)
        layers.append((weight, read.take(4 * hidden), read.take(hidden), read.take(hidden)))
    out, shift = read.take(hidden), read.take(1)
    states = [(layer[2], layer[3]) for layer in layers]
    y = np.zeros_like(x)
    for t in range(x.shape[1]):
        signal = x[:, t]
        for k, (weight, bias, _, _) in enumerate(layers):
            h, c = states[k]
            i, f, g, o = np.split(weight @ np.concatenate([signal, h]) + bias, 4)
            c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
            signal = np.tanh(c) / (1 + np.exp(-o))
            states[k] = (signal, c)
        y[0, t] = out @ signal + shift[0]
    return y


def _convnet(config: dict[str, Any], read: _Reader, x: Signal) -> Signal:
    channels = config["channels"]
    for dilation in config["dilations"]:
        x = _read_conv(read, x, channels, 2, bias=not config["batchnorm"], dilation=dilation)
        if config["batchnorm"]:
            mean, variance, gain, shift = (read.take(channels)[:, None] for _ in range(4))
            x = (x - mean) / np.sqrt(variance + read.take(1)) * gain + shift
        x = _curve(config["activation"], x)
    return _read_conv(read, x, 1)


def _linear(config: dict[str, Any], read: _Reader, x: Signal) -> Signal:
    response = read.take(config["receptive_field"])
    y = np.convolve(x[0], response)[: x.shape[1]]
    return (y + (read.take(1)[0] if config["bias"] else 0.0))[None]
