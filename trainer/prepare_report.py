"""Pictures and pages that `retimbre prepare` leaves beside the data, for a person to look at before training."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.splits import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.paired import PairedSettings, Piece, PreparedPairs, Voice
    from trainer.recordings import Prepared


def recordings_report(out: Path, prepared: Prepared, sample_rate: int) -> None:
    """OUT/report.md and OUT/report.png: minutes, files and levels per domain, and what was refused."""
    domains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in prepared.entries:
        domains[entry["domain"]].append(entry)
    lines = [
        "# Prepared recordings", "",
        (
            f"{len(prepared.entries)} recordings of {len(domains)} domains at {sample_rate} Hz, "
            f"{len(prepared.refusals)} refused."
        ), "",
        "![durations and levels](report.png)", "",
        "| domain | files | minutes: train | validation | test | median level dBFS | median gain dB | sources |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for domain, entries in sorted(domains.items()):
        minutes = [sum(e["seconds"] for e in entries if e["split"] == s) / 60 for s in ("train", "validation", "test")]
        level, gain = (_median([e[name] for e in entries]) for name in ("loudness_db", "gain_db"))
        names = sorted({e["source"] for e in entries})
        sources = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        lines.append(
            f"| {domain} | {len(entries)} | {minutes[0]:.1f} | {minutes[1]:.1f} | {minutes[2]:.1f} | {level:.1f} "
            f"| {gain:+.1f} | {sources} |"
        )
    if prepared.refusals:
        lines += ["", "## Refused", "", *(f"- {refusal}" for refusal in prepared.refusals)]
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _recordings_picture(out / "report.png", dict(sorted(domains.items())))


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _recordings_picture(path: Path, domains: dict[str, list[dict[str, Any]]]) -> None:
    from matplotlib.figure import Figure  # the object interface: no display and no global state

    figure = Figure(figsize=(11, 1.6 + 0.3 * max(1, len(domains))), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    names = list(domains)
    start = [0.0] * len(names)
    for split in ("train", "validation", "test"):
        minutes = [sum(e["seconds"] for e in domains[n] if e["split"] == split) / 60 for n in names]
        left.barh(names, minutes, left=start, label=split)
        start = [a + b for a, b in zip(start, minutes, strict=True)]
    left.set_xlabel("minutes")
    if names:
        left.legend()
    for row, name in enumerate(names):
        # before and after normalisation: the distance between the two clouds is the gain
        before = [e["loudness_db"] - e["gain_db"] for e in domains[name]]
        right.plot(before, [row] * len(before), "o", color="0.75", markersize=3)
        after = [e["loudness_db"] for e in domains[name]]
        right.plot(after, [row] * len(after), "|", color="C3", markersize=9)
    right.set_xlabel("level in dBFS: grey as recorded, red as written")
    figure.savefig(path, dpi=100)


def paired_report(
    out: Path, prepared: PreparedPairs, pieces: Sequence[Piece], voices: Sequence[Voice], settings: PairedSettings
) -> None:
    """OUT/report.md and OUT/report.png: minutes per split, notes moved or lost, and one piece as everyone plays it."""
    minutes = {s: sum(p["seconds"] for p in prepared.pairs if p["split"] == s) / 60 for s in SPLITS}
    spans = ", ".join(f"{split} {value:.1f}" for split, value in minutes.items())
    folded, dropped, kept = (sum(p[name] for p in prepared.pairs) for name in ("folded", "dropped", "notes"))
    names = ", ".join(voice.name for voice in voices)
    lines = [
        "# Prepared pairs",
        "",
        f"{len(prepared.pairs)} pieces played by {names} at {settings.sample_rate} Hz; minutes: {spans}.",
        "",
        (
            f"Of {kept + dropped} notes {folded} were moved by octaves and {dropped} dropped, "
            "for every instrument alike."
        ),
        "",
        "![one piece](report.png)",
        "",
        "| instrument | source | notes | range | licences |",
        "|---|---|---|---|---|",
    ]
    for voice in voices:
        pitches = [note.midi for note in voice.notes]
        licences = "; ".join(voice.licences) or "not stated"
        lines.append(f"| {voice.name} | {voice.source} | {len(pitches)} | {min(pitches)}-{max(pitches)} | {licences} |")
    if prepared.refusals:
        lines += ["", "## Refused", "", *(f"- {refusal}" for refusal in prepared.refusals)]
    (out / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if prepared.pairs:
        first = prepared.pairs[0]
        _paired_picture(out, first, next(piece for piece in pieces if piece.id == first["id"]), voices, settings)


def _paired_picture(
    out: Path,
    pair: dict[str, Any],
    piece: Piece,
    voices: Sequence[Voice],
    settings: PairedSettings,
    seconds: float = 10.0,
) -> None:
    import numpy as np
    import soundfile
    from matplotlib.figure import Figure

    from trainer.paired import instrument_of, score_of

    notes, _, _ = score_of(piece, [instrument_of(v.notes, settings) for v in voices], settings)
    figure = Figure(figsize=(11, 2.6 * len(voices)), layout="constrained")
    for axes, voice in zip(np.atleast_1d(figure.subplots(len(voices), 1, sharex=True)), voices, strict=True):
        sound, rate = soundfile.read(out / pair["files"][voice.name], frames=round(seconds * settings.sample_rate))
        quiet = 1e-7 * np.random.default_rng(0).standard_normal(len(sound))  # silence has no decibels
        axes.specgram(sound + quiet, NFFT=4096, noverlap=3072, Fs=rate, scale="dB", vmin=-140, vmax=-40, cmap="magma")
        for note in notes:
            hz = 440 * 2 ** ((note.midi - 69) / 12)
            axes.plot([note.start, note.end], [hz, hz], color="cyan", linewidth=1.2)
        axes.set(yscale="log", ylim=(50, rate / 2), xlim=(0, min(seconds, pair["seconds"])), ylabel=f"{voice.name}, Hz")
    figure.savefig(out / "report.png", dpi=100)
