"""The offline methods that this room offers to `retimbre convert --method` (entry points `retimbre.methods`).

Importing this imports no torch; opening a method does.
"""

from __future__ import annotations

from realtime.methods import Effect, Method, Opening, Option


def _open_random_cnn(opening: Opening) -> Effect:
    import torch

    from trainer.style_transfer import StyleTransfer, TransferSettings

    style, values = opening.style, opening.values
    assert style is not None  # `needs_style`
    torch.set_num_threads(opening.threads)
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


def _open_run(opening: Opening) -> Effect:
    import torch

    from trainer.run_effect import RunEffect

    assert opening.run is not None  # `needs_run`
    torch.set_num_threads(opening.threads)
    target = opening.target
    if target is None and opening.values["target"]:
        target = str(int(opening.values["target"]))
    return RunEffect(opening.run, target, opening.values["temperature"])


RUN = Method(
    "A trained run by its networks themselves, where a package would be too slow or hear too little",
    needs_run=True,
    options=(
        Option("target", 0, 0, 1000, "the place of the target among the run's, from 1, or --target NAME; 0: its own"),
        Option("temperature", 1.0, 0.05, 2.0, "of what is drawn by chance: lower is surer and duller"),
    ),
    open=_open_run,
)
