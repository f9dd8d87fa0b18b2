"""`retimbre listen results`: every answer as CSV, and what they say as Markdown, JSON and histograms.

answers.csv               one answer a line, of everyone, finished or not; nothing that tells who they are
report.md, report.json    means, intervals, tests between systems (trainer.listening.analysis)
N-QUESTION.png            histograms of section N, with the intervals
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from realtime.errors import DataError
from trainer.listening.analysis import Compared, Described, Interval, Outcome, Rating, analyse, screened
from trainer.listening.answers import Participant, Trial, database_path, open_answers
from trainer.listening.study import SCALE, Study, read_study

COLUMNS = (
    "participant", "section", "section_title", "position", "clip", "condition", "content", "style", "plays",
    "answered_at", "listens_on", "finished",
)  # fmt: skip

HOW = (
    "Means are of participants' means; differences are paired within participant and clip; p is of Wilcoxon's "
    "signed-rank test, two-sided, and Holm's correction is over the rows of its table; r is the rank-biserial "
    "correlation."
)


@dataclass(frozen=True, slots=True)
class Results:
    """What came of a study, and how many answers it rests on."""

    title: str
    began: int
    finished: int
    answers: int
    used: int  # participants
    screened: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    files: tuple[Path, ...]


def write_results(folder: Path, out: Path, *, unfinished: bool = False, screen: bool = True) -> Results:
    """Write the files above into `out` (made where absent; earlier ones are replaced).

    unfinished: also use those who stopped early. screen: leave out those who rated the hidden reference no better than
    the anchor. Raises DataError when the folder is no study or nobody has begun.
    """
    study = read_study(folder)
    if not database_path(folder).is_file():
        raise DataError(f"{folder} has no answers yet: serve it with `retimbre listen serve {folder}` first.")
    rows, people = _read(folder, study)
    done = {number for number, (_, finished) in people.items() if finished}
    ratings = [one for row in rows for one in _ratings(row) if unfinished or one.participant in done]
    refused = screened(ratings) if screen else {}
    ratings = [one for one in ratings if one.participant not in refused]
    outcomes = tuple(analyse(ratings, study.seed))
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = [_write_csv(rows, out)]
        pictures = [_histograms(study, one, out) for one in outcomes]
        used = len({one.participant for one in ratings})
        results = Results(
            study.title, len(people), len(done), len(rows), used, tuple(refused.values()), outcomes,
            (*files, out / "report.md", out / "report.json", *pictures),
        )  # fmt: skip
        (out / "report.md").write_text(_markdown(results, pictures, unfinished=unfinished), encoding="utf-8")
        table = {key: value for key, value in asdict(results).items() if key != "files"}
        (out / "report.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out} cannot be written ({error.strerror}): name another folder with --out.") from error
    return results


def _read(folder: Path, study: Study) -> tuple[list[dict[str, Any]], dict[int, tuple[str | None, bool]]]:
    """Every answer as a line of the CSV, and the participants: number → (listens on, finished)."""
    engine = open_answers(folder)
    try:
        with Session(engine) as session:
            people = {
                one.id: (one.listens_on, one.finished_at is not None) for one in session.scalars(select(Participant))
            }
            asked = select(Trial).where(Trial.answered_at.is_not(None))
            trials = list(session.scalars(asked.order_by(Trial.participant_id, Trial.section, Trial.position)))
            rows = [_row(study, one, people[one.participant_id]) for one in trials]
    finally:
        engine.dispose()
    return rows, people


def _row(study: Study, trial: Trial, person: tuple[str | None, bool]) -> dict[str, Any]:
    stimulus = study.stimuli.get(trial.stimulus)
    if stimulus is None:
        raise DataError("answers.sqlite holds answers to another study.json: put the one back that was served.")
    section = study.sections[trial.section - 1]
    values = (
        trial.participant_id, trial.section, section.title, trial.position, stimulus.clip, stimulus.condition,
        trial.content, trial.style, trial.plays, trial.answered_at, person[0], "yes" if person[1] else "no",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def _ratings(row: dict[str, Any]) -> list[Rating]:
    return [
        Rating(row["participant"], row["section_title"], question, row["clip"], row["condition"], row[question])
        for question in ("content", "style")
        if row[question] is not None
    ]


def _write_csv(rows: Sequence[dict[str, Any]], out: Path) -> Path:
    path = out / "answers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def _histograms(study: Study, outcome: Outcome, out: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = outcome.described
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for axis, one in zip(axes, panels, strict=False):
        shares = np.array(one.histogram) / one.ratings
        ends = [interval or (share, share) for interval, share in zip(one.share_intervals, shares, strict=True)]
        errors = np.array(
            [[max(0.0, s - low), max(0.0, high - s)] for s, (low, high) in zip(shares, ends, strict=True)]
        )
        steps = np.arange(1, len(SCALE) + 1)
        axis.bar(steps, shares, 0.8, yerr=errors.T, capsize=3, color="#6c8ebf", ecolor="#333333")
        low, high = one.interval or (one.mean, one.mean)
        axis.axvspan(low, high, color="#d79b00", alpha=0.35, linewidth=0)
        axis.axvline(one.mean, color="#b35900")
        axis.set_title(
            f"{one.condition}: {_with_interval(one.mean, one.interval)}, n = {one.ratings}", fontsize="small"
        )
        axis.set_xticks(steps, [words.replace(" ", "\n") for words in SCALE], fontsize="x-small")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    axes[0].set_ylabel("share of ratings")
    figure.suptitle(
        f"{outcome.section}: {outcome.question}; bars and orange line with 95 % intervals", fontsize="medium"
    )
    number = next(place for place, one in enumerate(study.sections, 1) if one.title == outcome.section)
    path = out / f"{number}-{outcome.question}.png"
    figure.savefig(path, dpi=110)
    return path


def _markdown(results: Results, pictures: Sequence[Path], *, unfinished: bool) -> str:
    who = "everyone who answered" if unfinished else "those who finished"
    less = f", less {len(results.screened)} screened out" if results.screened else ""
    scale = ", ".join(f"{number} {words.lower()}" for number, words in enumerate(SCALE, 1))
    lines = [
        f"# {results.title}: results",
        "",
        f"{results.began} began, {results.finished} finished, {results.answers} answers are stored.",
        f"This report uses {who}{less}: {results.used} participants.",
        "",
        *(f"- {sentence}" for sentence in results.screened),
        "",
        f"Scale: {scale}. Intervals are 95 %. {HOW}",
        "",
    ]
    for outcome, picture in zip(results.outcomes, pictures, strict=True):
        lines += [f"## {outcome.section}: {outcome.question}", "", f"![{outcome.question}]({picture.name})", ""]
        lines += ["| | ratings | participants | " + " | ".join("12345") + " | mean |", "|---|" + "---|" * 8]
        lines += [*(_described_row(one) for one in outcome.described), ""]
        if outcome.friedman_p is not None:
            test = f"χ² = {outcome.friedman_statistic:.2f}, p = {_p(outcome.friedman_p)}"
            lines += [f"Over all systems, Friedman's test: {test}, {outcome.friedman_participants} participants.", ""]
        if outcome.between_systems:
            lines += ["### Between systems", "", *_pair_table(outcome.between_systems), ""]
        if outcome.against_reference_and_anchor:
            lines += ["### Against hidden reference and anchor", ""]
            lines += [*_pair_table(outcome.against_reference_and_anchor), ""]
    if not results.outcomes:
        lines += ["There is nothing to describe yet.", ""]
    return "\n".join(lines)


def _described_row(one: Described) -> str:
    counts = " | ".join(str(count) for count in one.histogram)
    mean = _with_interval(one.mean, one.interval)
    return f"| {one.condition} | {one.ratings} | {one.participants} | {counts} | {mean} |"


def _pair_table(pairs: Sequence[Compared]) -> list[str]:
    lines = ["| | participants | difference | p | p (Holm) | r | d_z |", "|---|---|---|---|---|---|---|"]
    for one in pairs:
        numbers = (_p(one.p), _p(one.p_corrected), _number(one.rank_biserial), _number(one.cohens_dz))
        shown = _with_interval(one.difference, one.interval) if one.participants else "–"
        lines.append(f"| {one.one} − {one.other} | {one.participants} | {shown} | {' | '.join(numbers)} |")
    return lines


def _with_interval(value: float, interval: Interval) -> str:
    return f"{value:.2f}" + (f" ({interval[0]:.2f} … {interval[1]:.2f})" if interval else "")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
