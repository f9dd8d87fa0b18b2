"""A trained streaming WaveNet as a file of Neural Amp Modeler: it plays in any program that has that plugin.

    x ─ rechannel ─▶ layers: conv + mixin of x, tanh · σ, 1×1 ─▶ Σ z ─ head ─▶ · head_scale ─▶ y     (docs/nam.md)

That is `trainer.causal_stack` with `bands = 1`, one target and the way out `summed`, weight for weight, in the words of
format 0.7.0 as Neural Amp Modeler's own exporter writes them: gated layers have no words that its older players and its
present trainer both read. What the format has no place for is refused: a filter bank, several targets. Players let a
capture hear silence before it plays, so a file gives from its first sample what the package gives after as much silence
as it remembers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from realtime.errors import ConfigError
from trainer.causal_stack import GatedLayer
from trainer.export import load_recipe
from trainer.streaming_network import StreamingNetwork

VERSION = "0.7.0"
FILMS = (
    *("conv_pre_film", "conv_post_film", "input_mixin_pre_film", "input_mixin_post_film", "activation_pre_film"),
    *("activation_post_film", "layer1x1_post_film", "head1x1_post_film"),
)


def capture(network: StreamingNetwork, sample_rate: int, name: str) -> dict[str, Any]:
    """What the file holds, ready for JSON. Raises ConfigError when the network is not one that the format can hold."""
    if network.bank is not None or network.targets:
        raise ConfigError(
            f"A .nam file holds one band and one target, but this network has {network.model.bands} bands and "
            f"{max(network.targets, 1)} targets: train with streaming_wavenet/nam.toml, or set model.bands = 1 and one "
            "target"
        )
    stack = network.stack
    weights: list[Tensor] = [stack.entry.weight]
    for layer in cast("Sequence[GatedLayer]", stack.layers):
        heard, back = layer.heard, layer.back
        # The format's 1×1 has a bias, ours none.
        weights += [
            heard.weight,
            cast("Tensor", heard.bias),
            layer.told.weight,
            back.weight,
            torch.zeros(stack.channels),
        ]
    weights += [stack.exit.weight, cast("Tensor", stack.exit.bias), torch.ones(1)]
    count = len(stack.dilations)
    absent = {"active": False, "shift": True, "groups": 1}
    array = {
        "input_size": 1,
        "condition_size": 1,
        "head": {"out_channels": 1, "kernel_size": 1, "bias": True},
        "channels": stack.channels,
        "kernel_sizes": [stack.kernel] * count,
        "dilations": list(stack.dilations),
        "activation": [{"type": "Tanh"}] * count,
        "bottleneck": stack.channels,
        "head1x1": {"active": False, "out_channels": 1, "groups": 1},
        "layer1x1": {"active": True, "groups": 1},
        "groups_input": 1,
        "groups_input_mixin": 1,
        **dict.fromkeys(FILMS, absent),
        "gating_mode": ["gated"] * count,
        "secondary_activation": [{"type": "Sigmoid"}] * count,
        "slimmable": None,
    }
    return {
        "version": VERSION,
        "metadata": {"name": name, "modeled_by": "retimbre", "gear_type": "other"},
        "architecture": "WaveNet",
        "config": {"layers": [array], "head": None, "head_scale": 1.0},
        "weights": torch.cat([one.detach().cpu().flatten() for one in weights]).tolist(),
        "sample_rate": sample_rate,
    }


def export_nam(run_folder: Path, file: Path, weights: Literal["best", "last"] = "best", *, title: str = "") -> int:
    """Write the network of a trained run as `file` and return how many weights it has.

    Raises ConfigError when the run trained something else, or a network that the format cannot hold.
    """
    recipe = load_recipe(run_folder, weights)
    network: nn.Module | None = recipe.networks().get("generator")
    if not isinstance(network, StreamingNetwork):
        raise ConfigError(
            f"{run_folder} trained {recipe.name}, but only streaming_wavenet with one band and one target becomes a "
            ".nam file: export a package instead"
        )
    manifest = recipe.manifest()
    made = capture(network, manifest.sample_rate, title or manifest.title)
    try:
        file.write_text(json.dumps(made), encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written ({error.strerror}): name a file in a folder that exists"
        ) from error
    return len(made["weights"])
