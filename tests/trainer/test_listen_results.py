from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sqlalchemy import Engine
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from realtime.cli import build_app
from realtime.errors import DataError
from tests.trainer.listen_material import SHORT, make, write_source
from trainer.listening import analysis
from trainer.listening.analysis import Rating, analyse, screened
from trainer.listening.answers import begin, new_key, next_trial, open_answers, rate, set_listens_on
from trainer.listening.report import COLUMNS, write_results
from trainer.listening.study import Study, read_study

BEST = {"reference": 5, "flow": 4, "unet": 2, "anchor": 1}


def ratings_of(table: dict[str, list[list[int]]]) -> list[Rating]:
    """From each condition's ratings of clips 0, 1, … by each participant."""
    return [
        Rating(participant, "A", "content", f"clip {clip}", condition, value)
        for condition, people in table.items()
        for participant, values in enumerate(people)
        for clip, value in enumerate(values)
    ]


def answer(engine: Engine, study: Study, seed: int, *, trials: int = 99, careless: bool = False) -> None:
    """One participant who hears a difference (or rates all alike)."""
    chance = random.Random(seed)
    with Session(engine) as session:
        participant = begin(session, study, new_key()).id
        set_listens_on(session, participant, "headphones")
        while trials and (trial := next_trial(session, participant)) is not None:
            trials -= 1
            section, position = trial.section, trial.position
            heard = BEST[study.stimuli[trial.stimulus].condition]
            value = 3 if careless else min(5, max(1, heard + chance.choice((-1, 0, 0, 0, 1))))
            rate(
                session, participant, section, position, dict.fromkeys(study.sections[section - 1].questions, value), 1
            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with twelve who listened, one who did not, and one who stopped after three."""
    folder = make(tmp_path_factory.mktemp("results"), SHORT)
    engine = open_answers(folder)
    study = read_study(folder)
    for seed in range(12):
        answer(engine, study, seed)
    answer(engine, study, 12, careless=True)
    answer(engine, study, 13, trials=3)
    engine.dispose()
    return folder


def test_results_tell_systems_apart(folder: Path, tmp_path: Path) -> None:
    """The better system is found better in both questions; careless and unfinished participants are left out."""
    found = write_results(folder, tmp_path / "results")
    assert (found.began, found.finished, found.answers, found.used) == (14, 13, 13 * 8 + 3, 12)
    assert len(found.screened) == 1 and "Participant 13" in found.screened[0]
    assert [(one.section, one.question) for one in found.outcomes] == [("Notes", "content"), ("Sound", "style")]
    for outcome in found.outcomes:
        means = {one.condition: one.mean for one in outcome.described}
        assert means["reference"] > means["flow"] > means["unet"] > means["anchor"]
        (pair,) = outcome.between_systems
        assert (pair.one, pair.other, pair.participants) == ("flow", "unet", 12)
        assert pair.p_corrected is not None and pair.p_corrected < 0.01
        assert pair.rank_biserial is not None and pair.rank_biserial > 0.9
        assert pair.interval is not None and 0 < pair.interval[0] < pair.difference < pair.interval[1]
        assert len(outcome.against_reference_and_anchor) == 4
    everyone = write_results(folder, tmp_path / "all", unfinished=True, screen=False)
    assert everyone.used == 14 and not everyone.screened


def test_every_answer_is_in_the_csv_and_nobody_is(folder: Path, tmp_path: Path) -> None:
    """The CSV has each answer once, of the unfinished too, and no key, code or address."""
    found = write_results(folder, tmp_path / "results")
    with (tmp_path / "results" / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == found.answers == len({(row["participant"], row["section"], row["position"]) for row in rows})
    assert {row["condition"] for row in rows} == set(BEST) and {row["clip"] for row in rows} == {"piece 0", "piece 1"}
    assert {row["finished"] for row in rows} == {"yes", "no"}
    assert all((row["content"] == "") is (row["section"] == "2") for row in rows)


def test_the_report_shows_what_was_found(folder: Path, tmp_path: Path) -> None:
    """Words, JSON and a histogram of each question are written, and agree."""
    write_results(folder, tmp_path / "results")
    report = json.loads((tmp_path / "results" / "report.json").read_text(encoding="utf-8"))
    words = (tmp_path / "results" / "report.md").read_text(encoding="utf-8")
    assert [path.name for path in sorted((tmp_path / "results").glob("*.png"))] == ["1-content.png", "2-style.png"]
    for outcome in report["outcomes"]:
        for one in outcome["described"]:
            assert sum(one["histogram"]) == one["ratings"]
            assert f"| {one['condition']} | {one['ratings']} | {one['participants']} |" in words
    assert "flow − unet" in words and "![content](1-content.png)" in words


def test_means_are_of_people_not_of_ratings() -> None:
    """One who rated many clips weighs as much as one who rated one."""
    ratings = ratings_of({"flow": [[1, 1, 1, 1], [5]], "anchor": [[1], [1]]})
    (outcome,) = analyse(ratings)
    described = {one.condition: one for one in outcome.described}
    assert described["flow"].mean == 3.0 and described["flow"].histogram == (4, 0, 0, 0, 1)


def test_intervals_are_those_of_the_textbook() -> None:
    """The interval of a mean is Student's over the participants; that of a share holds it; one person gives none."""
    values = [[2], [4], [4], [5], [3]]
    (outcome,) = analyse(ratings_of({"flow": values}))
    (one,) = outcome.described
    expected = stats.t.interval(0.95, 4, loc=3.6, scale=stats.sem([2, 4, 4, 5, 3]))
    assert one.interval == pytest.approx((expected[0], min(5, expected[1])))
    for share, interval in zip((0, 0.2, 0.2, 0.4, 0.2), one.share_intervals, strict=True):
        assert interval is not None and interval[0] <= share <= interval[1]
    (alone,) = analyse(ratings_of({"flow": [[3, 4]]}))
    assert alone.described[0].interval is None and set(alone.described[0].share_intervals) == {None}


def test_only_clips_heard_in_both_are_compared() -> None:
    """A difference is of the same person on the same clip; a clip rated in one system alone does not count."""
    ratings = ratings_of({"a": [[5, 1], [4]], "b": [[3], [4]]})
    (pair,) = analyse(ratings)[0].between_systems
    assert (pair.participants, pair.difference) == (2, 1.0)


def test_the_test_is_wilcoxons_with_holms_correction() -> None:
    """Each p is SciPy's exact signed-rank test on participants' differences; corrected ones are Holm's."""
    random = np.random.default_rng(3)
    table = {
        name: [[int(value)] for value in random.integers(low, low + 3, 8)]
        for name, low in zip("abc", (1, 2, 3), strict=True)
    }
    (outcome,) = analyse(ratings_of(table))
    pairs = {(one.one, one.other): one for one in outcome.between_systems}
    for (first, second), pair in pairs.items():
        differences = np.array(table[first]).ravel() - np.array(table[second]).ravel()
        assert pair.p == pytest.approx(stats.wilcoxon(differences, zero_method="pratt").pvalue)
    raw = sorted((one.p or 0, key) for key, one in pairs.items())
    worst = 0.0
    for place, (p, key) in enumerate(raw):
        worst = max(worst, min(1.0, (3 - place) * p))
        assert pairs[key].p_corrected == pytest.approx(worst)
    columns = [np.array(table[name]).ravel() for name in "abc"]
    assert outcome.friedman_p == pytest.approx(stats.friedmanchisquare(*columns).pvalue)


def test_equal_systems_are_seldom_told_apart() -> None:
    """Over many studies without a difference, at most about one in twenty finds one, though three pairs are tested."""
    found, studies = 0, 150
    random = np.random.default_rng(0)
    for _ in range(studies):
        ratings = ratings_of({name: random.integers(1, 6, (12, 4)).tolist() for name in "abc"})
        pairs = analysis._corrected(
            [analysis._compared(ratings, *pair) for pair in (("a", "b"), ("a", "c"), ("b", "c"))]
        )
        found += any((one.p_corrected or 1) < 0.05 for one in pairs)
    assert found <= 15


def test_no_difference_is_no_difference() -> None:
    """Where all rate two systems alike, p is 1 and the effect 0; with one participant there is no test."""
    (pair,) = analyse(ratings_of({"a": [[3], [4], [2]], "b": [[3], [4], [2]]}))[0].between_systems
    assert (pair.difference, pair.p, pair.p_corrected, pair.rank_biserial) == (0, 1, 1, 0)
    (pair,) = analyse(ratings_of({"a": [[3]], "b": [[5]]}))[0].between_systems
    assert (pair.p, pair.p_corrected, pair.interval, pair.difference) == (None, None, None, -2)


def test_screening_asks_whether_the_reference_was_heard() -> None:
    """Who rates the hidden reference no better than the anchor is named, and nobody else is."""
    table = {"reference": [[5, 5], [3, 3], [2, 4]], "anchor": [[1, 2], [3, 3], [4, 4]], "flow": [[3], [3], [3]]}
    assert set(screened(ratings_of(table))) == {1, 2}
    assert screened(ratings_of({"flow": [[3], [3]]})) == {}


def test_the_commands_make_and_evaluate_a_study(tmp_path: Path) -> None:
    """`create` says what it made, `results` what was found; a study that nobody answered is a sentence, not a table."""
    source = write_source(tmp_path / "source")
    (source / "study.toml").write_text(SHORT, encoding="utf-8")
    run, app = CliRunner().invoke, build_app()
    made = run(app, ["listen", "create", str(source), "--out", str(tmp_path / "study"), "--title", "Which is it?"])
    assert made.exit_code == 0 and "each participant rates 4 of 8" in made.output.replace("\n", " ")
    study = read_study(tmp_path / "study")
    assert study.title == "Which is it?"
    early = run(app, ["listen", "results", str(tmp_path / "study")])
    assert isinstance(early.exception, DataError) and "has no answers yet" in str(early.exception)
    engine = open_answers(tmp_path / "study")
    for seed in range(8):
        answer(engine, study, seed)
    engine.dispose()
    found = run(app, ["listen", "results", str(tmp_path / "study")])
    assert found.exit_code == 0 and "flow and unet differ" in found.output
    assert (tmp_path / "study" / "results" / "report.md").is_file()
    in_json = run(app, ["listen", "results", str(tmp_path / "study"), "--json"])
    assert json.loads(in_json.output)["used"] == 8
