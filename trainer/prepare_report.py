"""Pictures and pages that `retimbre prepare` leaves beside the data, for a person to look at before training."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.recordings import Prepared


def recordings_report(out: Path, prepared: Prepared, sample_rate: int) -> None:
    """OUT/report.md and OUT/report.png: minutes, files and levels per domain, and what was refused."""
    domains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in prepared.entries:
        domains[entry["domain"]].append(entry)
    lines = [
        "# Prepared recordings", "",
        f"{len(prepared.entries)} recordings of {len(domains)} domains at {sample_rate} Hz, "
        f"{len(prepared.refusals)} refused.", "",
        "![durations and levels](report.png)", "",
        "| domain | files | minutes: train | validation | test | median level dBFS | median gain dB | sources |",
        "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for domain, entries in sorted(domains.items()):
        minutes = [sum(e["seconds"] for e in entries if e["split"] == s) / 60 for s in ("train", "validation", "test")]
        level, gain = (_median([e[name] for e in entries]) for name in ("loudness_db", "gain_db"))
        sources = ", ".join(sorted({e["source"] for e in entries}))
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
