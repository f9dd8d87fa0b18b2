"""What the ratings say: shares and means with 95 % confidence intervals, and paired tests between systems.

The unit is the participant, because one person's ratings resemble each other:

    mean        of the participants' means; interval by Student's t, cut to the scale
    shares      of the ratings 1 … 5; interval by resampling participants (bootstrap, 2000 draws)
    difference  A − B: of each participant, the mean over the clips rated in both; interval by Student's t
    test        Wilcoxon's signed-rank on these differences, two-sided, exact; p corrected by Holm over the pairs
    effect      matched-pairs rank-biserial r = (W₊ − W₋)/(W₊ + W₋), −1 … 1; Cohen's d_z = mean / deviation
    over all    Friedman's test, with three systems or more, on the participants who rated each of them

Two families, corrected apart: systems against each other, and systems against hidden reference and anchor. Screening,
as BS.1534 asks for, adapted to five points: who rates the hidden reference no better than the anchor did not listen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainer.listening.study import ANCHOR, REFERENCE, SCALE

Numbers = NDArray[np.float64]
Interval = tuple[float, float] | None
DRAWS = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Rating:
    """One answer to one question."""

    participant: int
    section: str
    question: str
    clip: str
    condition: str
    value: int


@dataclass(frozen=True, slots=True)
class Described:
    """How one system (or reference, anchor) was rated."""

    condition: str
    ratings: int
    participants: int
    histogram: tuple[int, ...]
    share_intervals: tuple[Interval, ...]
    mean: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Compared:
    """Two systems, rated by the same people on the same clips. p is None where no test can be made."""

    one: str
    other: str
    participants: int
    difference: float
    interval: Interval
    p: float | None
    p_corrected: float | None
    rank_biserial: float | None
    cohens_dz: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question of one section."""

    section: str
    question: str
    described: tuple[Described, ...]
    between_systems: tuple[Compared, ...]
    against_reference_and_anchor: tuple[Compared, ...]
    friedman_statistic: float | None
    friedman_p: float | None
    friedman_participants: int


def screened(ratings: Iterable[Rating]) -> dict[int, str]:
    """Participants who rated the hidden reference no better than the anchor, each with the sentence that says where."""
    found: dict[tuple[int, str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in ratings:
        found[one.participant, one.section, one.question][one.condition].append(one.value)
    refused: dict[int, str] = {}
    for (participant, section, question), values in sorted(found.items()):
        if values[REFERENCE] and values[ANCHOR]:
            high, low = float(np.mean(values[REFERENCE])), float(np.mean(values[ANCHOR]))
            if high <= low:
                refused.setdefault(
                    participant,
                    f"Participant {participant} rated the hidden reference {high:.2f} and the anchor {low:.2f} on "
                    f"average ({section}, {question}).",
                )
    return refused


def analyse(ratings: Sequence[Rating], seed: int = 0) -> list[Outcome]:
    """Every question of every section, in the order in which they appear."""
    groups: dict[tuple[str, str], list[Rating]] = defaultdict(list)
    for one in ratings:
        groups[one.section, one.question].append(one)
    return [_outcome(section, question, group, seed) for (section, question), group in groups.items()]


def _outcome(section: str, question: str, ratings: list[Rating], seed: int) -> Outcome:
    systems = sorted({one.condition for one in ratings} - {REFERENCE, ANCHOR})
    ends = [name for name in (REFERENCE, ANCHOR) if any(one.condition == name for one in ratings)]
    described = tuple(
        _described(name, [one for one in ratings if one.condition == name], seed) for name in (*systems, *ends)
    )
    between = _corrected([_compared(ratings, one, other) for one, other in combinations(systems, 2)])
    against = _corrected([_compared(ratings, one, other) for one in systems for other in ends])
    statistic, p, count = _friedman(ratings, systems)
    return Outcome(section, question, described, between, against, statistic, p, count)


def _described(condition: str, ratings: list[Rating], seed: int) -> Described:
    counts: dict[int, Numbers] = defaultdict(lambda: np.zeros(len(SCALE)))
    for one in ratings:
        counts[one.participant][one.value - 1] += 1
    table = np.stack(list(counts.values()))
    means = table @ np.arange(1, len(SCALE) + 1) / table.sum(1)
    mean, interval = float(means.mean()), _t_interval(means)
    if interval is not None:
        interval = max(1.0, interval[0]), min(float(len(SCALE)), interval[1])
    histogram = tuple(int(count) for count in table.sum(0))
    return Described(condition, len(ratings), len(table), histogram, _share_intervals(table, seed), mean, interval)


def _share_intervals(table: Numbers, seed: int) -> tuple[Interval, ...]:
    """Of each rating's share, by drawing participants with replacement; none with a single participant."""
    if len(table) < 2:
        return (None,) * len(SCALE)
    drawn = np.random.default_rng(seed).integers(len(table), size=(DRAWS, len(table)))
    weights = np.zeros((DRAWS, len(table)))
    np.add.at(weights, (np.arange(DRAWS)[:, None], drawn), 1.0)
    sums = weights @ table
    shares: Numbers = sums / sums.sum(1, keepdims=True)
    ends = [np.quantile(shares, level, axis=0).tolist() for level in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)]
    found: list[Interval] = list(zip(*ends, strict=True))
    return tuple(found)


def _compared(ratings: list[Rating], one: str, other: str) -> Compared:
    differences = _differences(ratings, one, other)
    count = len(differences)
    mean = float(differences.mean()) if count else float("nan")
    p = effect = dz = None
    if count >= 2 and differences.any():
        p, effect = _signed_rank(differences)
        spread = float(differences.std(ddof=1))
        dz = mean / spread if spread > 0 else None
    elif count >= 2:
        p, effect = 1.0, 0.0
    return Compared(one, other, count, mean, _t_interval(differences), p, None, effect, dz)


def _signed_rank(differences: Numbers) -> tuple[float, float]:
    """Wilcoxon's two-sided p, exact with ties, and the rank-biserial effect.

    Zeros are ranked and then dropped (Pratt), so that who hears no difference counts against one. Under the null
    hypothesis each sign is a coin: the distribution of W₊ is built up rank by rank, in halves because ties share ranks.
    """
    halves = np.rint(2 * stats.rankdata(np.abs(differences))).astype(int)
    up, down = (int(halves[side].sum()) for side in (differences > 0, differences < 0))
    chances = np.ones(1)
    for rank in halves[differences != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    p = 2 * min(float(chances[: up + 1].sum()), float(chances[up:].sum()))
    return min(1.0, p), (up - down) / (up + down)


def _differences(ratings: list[Rating], one: str, other: str) -> Numbers:
    """Of each participant, the mean of one − other over the clips that they rated in both."""
    heard: dict[tuple[int, str], dict[str, int]] = defaultdict(dict)
    for rating in ratings:
        heard[rating.participant, rating.clip][rating.condition] = rating.value
    each: dict[int, list[int]] = defaultdict(list)
    for (participant, _), values in heard.items():
        if one in values and other in values:
            each[participant].append(values[one] - values[other])
    return np.array([float(np.mean(values)) for _, values in sorted(each.items())])


def _corrected(pairs: list[Compared]) -> tuple[Compared, ...]:
    """Holm: the k-th smallest of m p-values times m − k + 1, never less than the one before, at most 1."""
    tested = sorted((one for one in pairs if one.p is not None), key=lambda one: one.p or 0.0)
    worst, corrected = 0.0, {}
    for place, pair in enumerate(tested):
        worst = max(worst, min(1.0, (len(tested) - place) * (pair.p or 0.0)))
        corrected[pair.one, pair.other] = worst
    return tuple(
        Compared(
            one.one, one.other, one.participants, one.difference, one.interval, one.p,
            corrected.get((one.one, one.other)), one.rank_biserial, one.cohens_dz,
        )
        for one in pairs
    )  # fmt: skip


def _friedman(ratings: list[Rating], systems: Sequence[str]) -> tuple[float | None, float | None, int]:
    means: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for one in ratings:
        means[one.participant][one.condition].append(one.value)
    rows = [
        [float(np.mean(of[name])) for name in systems] for of in means.values() if all(name in of for name in systems)
    ]
    if len(systems) < 3 or len(rows) < 2 or all(len(set(row)) == 1 for row in rows):
        return None, None, len(rows)
    found = stats.friedmanchisquare(*np.array(rows).T)
    return float(found.statistic), float(found.pvalue), len(rows)


def _t_interval(values: Numbers) -> Interval:
    """95 % of the mean; None of fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()) - half, float(values.mean()) + half
