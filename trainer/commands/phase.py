"""`retimbre phase INDEX`: every way to a phase on the same clips, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add `phase`."""
    app.command("phase")(phase)


def phase(
    index: Annotated[Path, typer.Argument(help="index.json written by `retimbre prepare paired`.")],
    origin: Annotated[str, typer.Option(help="The instrument that is heard.")],
    target: Annotated[str, typer.Option(help="The instrument whose magnitudes are given.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of networks, table and sounds.")],
    clips: Annotated[int, typer.Option(min=1, help="Validation passages.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.2, help="Of each passage.")] = 6.0,
    n_fft: Annotated[int, typer.Option(help="Samples of a frame.")] = 1024,
    hop: Annotated[int, typer.Option(help="Samples between frames.")] = 256,
    steps: Annotated[int, typer.Option(min=0, help="Training steps of each network; 0: leave them out.")] = 400,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="A setting of the networks; repeatable."),
    ] = None,
) -> None:
    """Compare Griffin-Lim, the input's phase, phase-gradient integration and two networks, trained first.

    Training goes on where it stopped when the command is run again.
    """
    import json
    from dataclasses import asdict

    import soundfile
    import torch
    from rich.console import Console
    from rich.table import Table

    from realtime.features import SpectrumFeatures
    from trainer.config import RunConfig, apply_overrides, from_table, recipe_config
    from trainer.loop import train
    from trainer.pairs import PairedIndex
    from trainer.phase_bench import LEARNT, compare, read_clips
    from trainer.recipe import find

    console = Console()
    features = SpectrumFeatures(n_fft, hop, n_fft // 2 + 1)
    pairs = PairedIndex.read(index, origin, target)
    learnt = []
    for name in LEARNT if steps else ():
        given = {
            "run": {
                "recipe": name, "out": str(out / name), "steps": steps, "batch": 4, "schedule": "cosine",
                "validate_every": max(1, steps // 4), "checkpoint_every": 50, "log_every": 20,
            },
            "data": {"index": str(index), "origin": origin, "target": target},
            "model": {"n_fft": n_fft, "hop": hop},
        }  # fmt: skip
        tables = apply_overrides(given, overrides or [])
        console.print(f"training {name}")
        outcome = train(from_table(RunConfig, tables["run"], "run"), recipe_config(find(name).Config, tables), console)
        if outcome.interrupted:
            raise typer.Exit(130)
        learnt.append(out / name)
    torch.set_num_threads(1)  # the table says: on one core

    sounds = out / "sounds"
    sounds.mkdir(parents=True, exist_ok=True)

    def keep(way: str, clip: str, sound: object) -> None:
        name = f"{clip}-{way.replace('…, ', 'magnitude_and_phase ').replace(' ', '_')}.flac".replace("/", "_")
        soundfile.write(sounds / name, sound, pairs.sample_rate, subtype="PCM_16")

    with console.status("comparing") as status:
        rows = compare(
            read_clips(pairs, clips, seconds),
            features,
            pairs.sample_rate,
            learnt,
            on_way=lambda way: status.update(f"comparing: {way}"),
            on_sound=keep,
        )
    table = Table(
        "phase", "convergence (dB)", "log spectrum (dB)", "SI-SDR (dB)", "log-mel (dB)", "of real time", "latency"
    )
    for row in rows:
        table.add_row(
            row.way,
            f"{row.convergence_db:.1f}",
            f"{row.log_spectral_db:.1f}",
            f"{row.si_sdr_db:.1f}",
            f"{row.log_mel_db:.1f}",
            f"{100 * row.real_time_factor:.1f} %",
            "whole file" if row.latency_ms is None else f"{row.latency_ms:.0f} ms",
        )
    console.print(table)
    told = {"origin": origin, "target": target, "n_fft": n_fft, "hop": hop, "rows": [asdict(row) for row in rows]}
    (out / "phase.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(f"numbers: {out / 'phase.json'}, sounds: {sounds}", soft_wrap=True, highlight=False)
