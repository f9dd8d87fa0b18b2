"""The faces of an evaluation: a table in the terminal, `report.md`, `report.json` and pictures. Offline.

report.json   everything, one row per conversion      report.md       the tables below with the pictures
targets.png   bars per target                         clip_*.png      input, output and a real target, as log-mel
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from trainer import metrics
from trainer.evaluate import Report, to_json

Audio = NDArray[np.float32]
COLUMNS = (
    ("clips", "clips", "{:d}"),
    ("pitch_kept", "pitch", "{:.1%}"),
    ("octave_errors", "octave", "{:.1%}"),
    ("onset_f", "onset", "{:.2f}"),
    ("loudness_correlation", "level r", "{:.2f}"),
    ("recognised", "named", "{:.0%}"),
    ("distance_db", "mel dB", "{:.2f}"),
    ("input_distance_db", "input dB", "{:.2f}"),
    ("distance_reduction", "less by", "{:.0%}"),
    ("speed", "speed", "{:.1f}"),
)

HOW_MEASURED = (
    "pitch: share of the input's confident frames where a reference tracker (swift-f0) finds the output within "
    f"{metrics.CENTS:.0f} cents of the input plus the engine's own transposition; octave: share whole octaves off; "
    "onset: F-measure within 50 ms; level r: correlation of the loudness contours; named: share of clips that "
    "`trainer.judge`, trained apart on real recordings, takes for the target; mel dB: mean absolute difference of the "
    "log-mel spectra to the aligned truth, input dB: the unconverted input's; speed: times real time."
)


@dataclass(frozen=True, slots=True)
class Example:
    """One conversion to be drawn; `real` is the aligned truth or any recording of the target."""

    title: str
    sample_rate: int
    given: Audio
    made: Audio
    real: Audio | None
    real_rate: int


def rows_of(report: Report) -> list[tuple[str, list[str]]]:
    """(target, cells in the order of COLUMNS), the overall row last."""
    rows = [*(row for row in report.targets if row["clips"]), {"target": "all", **report.overall}]
    return [(row["target"] or "–", [_cell(row.get(key), form) for key, _, form in COLUMNS]) for row in rows]


def _cell(value: Any, form: str) -> str:
    return "–" if value is None else form.format(value)


def print_report(report: Report, console: Console) -> None:
    """The table, what each target was taken for, and the judge's ceiling and floor."""
    table = Table(title=f"{report.package}: {report.latency_ms:.1f} ms algorithmic latency at {report.sample_rate} Hz")
    table.add_column("target")
    rows = rows_of(report)
    # What was not measurable here (no truth, no judge) takes no room.
    shown = [place for place in range(len(COLUMNS)) if any(cells[place] != "–" for _, cells in rows)]
    for place in shown:
        table.add_column(COLUMNS[place][1], justify="right")
    for number, (name, cells) in enumerate(rows, start=1):
        table.add_row(name, *(cells[place] for place in shown), end_section=number == len(rows) - 1)
    console.print(table)
    for line in _judge_lines(report):
        console.print(line, highlight=False)


def _judge_lines(report: Report) -> list[str]:
    lines = [
        f"{row['target']} was named: " + ", ".join(f"{name} {count}" for name, count in row["named"].items())
        for row in report.targets
        if row["named"]
    ]
    for target, found in report.judge.get("ceiling", {}).items():
        phrases = _cell(found["phrases_recognised"], "{:.0%}")
        kind = "of sources it was trained on" if found["melodies_seen_by_judge"] else "of unseen sources"
        lines.append(
            f"real {target}: {phrases} of {found['phrases']} unseen phrases recognised, "
            f"{_cell(found['melodies_recognised'], '{:.0%}')} of melodies from single notes {kind}"
        )
    floor = report.judge.get("floor", {})
    if floor.get("inputs_named_right") is not None:
        lines.append(f"unconverted inputs: {floor['inputs_named_right']:.0%} named right by the judge")
    named = [f"{name} {_cell(share, '{:.0%}')}" for name, share in floor.get("inputs_named_as_target", {}).items()]
    if named:
        lines.append("unconverted inputs of other instruments named as the target: " + ", ".join(named))
    return lines


def write_report(report: Report, folder: Path, examples: list[Example]) -> None:
    """Write report.json, report.md and the pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(to_json(report), encoding="utf-8")
    pictures = [_bars(report, folder / "targets.png")]
    pictures += [_spectrograms(one, folder / f"clip_{number}.png") for number, one in enumerate(examples, start=1)]
    header = ["target", *(title for _, title, _ in COLUMNS)]
    lines = [
        f"# Evaluation of {report.package}",
        "",
        f"{report.latency_ms:.1f} ms algorithmic latency at {report.sample_rate} Hz. {HOW_MEASURED}",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join([name, *cells]) + " |" for name, cells in rows_of(report)),
        "",
        *(f"- {line}" for line in _judge_lines(report)),
        "",
        *(f"![{path.stem}]({path.name})\n" for path in pictures),
    ]
    (folder / "report.md").write_text("\n".join(lines), encoding="utf-8")


def _figure(rows: int, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, 1, squeeze=False)[:, 0]


def _bars(report: Report, path: Path) -> Path:
    figure, (axis,) = _figure(1, 4.0)
    names = [row["target"] or "–" for row in report.targets]
    series = ("pitch_kept", "recognised", "onset_f", "loudness_correlation", "distance_reduction")
    place = np.arange(len(names))
    for number, key in enumerate(series):
        values = [np.nan if row[key] is None else row[key] for row in report.targets]
        axis.bar(place + (number - 2) * 0.16, values, 0.15, label=key.replace("_", " "))
    axis.set_xticks(place, names)
    axis.set_ylim(min(0.0, axis.get_ylim()[0]), 1.05)
    axis.legend(ncols=3, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, dpi=90)
    return path


def _spectrograms(one: Example, path: Path) -> Path:
    panels = [("input", one.given, one.sample_rate), ("output", one.made, one.sample_rate)]
    if one.real is not None:
        panels.append(("a real one", one.real, one.real_rate))
    figure, axes = _figure(len(panels), 2.2)
    for axis, (title, signal, rate) in zip(axes, panels, strict=True):
        level = metrics.log_mel_db(signal[: 8 * rate], rate)
        extent = (0.0, min(len(signal) / rate, 8.0), 0.0, float(metrics.MEL_BANDS))
        axis.imshow(
            level, origin="lower", aspect="auto", vmin=-metrics.MEL_FLOOR_DB, vmax=0.0, cmap="magma", extent=extent
        )
        axis.set_title(f"{one.title}: {title}", fontsize="small", loc="left")
        axis.set_ylabel("mel band")
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=90)
    return path
