"""The offline methods that this room offers to `retimbre convert --method` (entry points `retimbre.methods`).

Importing this imports no torch; opening a method does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from realtime.methods import Effect, Method, Option

if TYPE_CHECKING:
    from realtime.audio_file import AudioFile


def _open_random_cnn(style: AudioFile | None, values: Mapping[str, float], threads: int) -> Effect:
    import torch

    from trainer.style_transfer import StyleTransfer, TransferSettings

    assert style is not None  # `needs_style`
    torch.set_num_threads(threads)
    settings = TransferSettings(
        style_weight=values["style_weight"],
        iterations=int(values["iterations"]),
        filters=int(values["filters"]),
        width=int(values["width"]),
        rate=int(values["rate"]),
        clip_seconds=values["clip_seconds"],
        seed=int(values["seed"]),
    )
    return StyleTransfer(style.signal.mean(axis=0), style.sample_rate, settings)


RANDOM_CNN = Method(
    "The texture of another sound, through one layer of random filters",
    needs_style=True,
    options=(
        Option(
            "style_weight", 10.0, 0.0, 1e6, "of the style against the content, which counts 1; 0: the content alone"
        ),
        Option("iterations", 100, 1, 10_000, "steps of L-BFGS"),
        Option("filters", 1024, 1, 8192, "random filters (Ulyanov and Lebedev: 4096)"),
        Option("width", 11, 1, 101, "frames that a filter sees"),
        Option("rate", 22_050, 4000, 48_000, "Hz at which it works; nothing sounds above half of it"),
        Option("clip_seconds", 10.0, 1.0, 120.0, "longest piece that is optimised at once; pieces are crossfaded"),
        Option("seed", 0, 0, 1e9, "of the filters"),
    ),
    open=_open_random_cnn,
)
