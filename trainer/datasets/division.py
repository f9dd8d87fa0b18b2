"""Items of a set divided into training, validation and test, and named for `trainer.recordings`.

In this order, the first that speaks: the user's split file; the split that the set publishes; whole groups (players,
instruments, artists) by a hash, at least one group for each split that is asked for. Then what two splits share is
taken out of the training side: of a group in train and test, train's recordings are left out; a group in validation and
test goes to one of the two. `published=True` keeps the set's splits as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.errors import DataError
from trainer.datasets.item import Item
from trainer.recordings import Found, SplitSettings
from trainer.splits import LEAVE, SPLITS, by_rules, check_fractions, unit_hash


@dataclass(frozen=True, slots=True)
class Listed:
    """The items whose files are there, and how many were listed without a file."""

    items: tuple[Item, ...]
    missing: int


def present(items: Iterable[Item], root: Path) -> Listed:
    """Those whose files are there; DataError when there are none."""
    kept, missing, first = [], 0, None
    for item in items:
        if all(path.is_file() for path in (item.path, *item.mixed_with)):
            kept.append(item)
        else:
            missing, first = missing + 1, first or item.path
    if not kept:
        why = (
            f"none of the {missing} files that it lists is there, as {first}" if missing else "nothing fits the options"
        )
        raise DataError(f"{root} has no recordings to prepare: {why}; unpack the sound files, or change the options.")
    return Listed(tuple(kept), missing)


def divide(items: Iterable[Item], splits: SplitSettings, *, published: bool = False) -> list[Item]:
    """The items with `split` set to train, validation or test; those that are left out are not in it."""
    check_fractions(splits.validation, splits.test)
    ruled: list[Item] = []
    told: list[Item] = []
    asked: list[Item] = []
    for item in items:
        rule = by_rules(splits.rules, domain=item.domain, source=item.source, file=item.inside)
        if rule == LEAVE:
            continue
        if rule is not None:
            ruled.append(replace(item, split=rule))
        else:
            (told if item.split else asked).append(item)
    unknown = next((item for item in told if item.split not in SPLITS), None)
    if unknown is not None:
        raise DataError(f"{unknown.inside} is in the split {unknown.split!r}: {', '.join(SPLITS)} are known.")
    if told and not published:
        have = {item.split for item in told}
        told = _separated(told, splits.seed)
        lacking = {name: getattr(splits, name) for name in ("validation", "test") if name not in have}
        if lacking:  # a set that publishes no validation gives some of its training
            training = [item for item in told if item.split == "train"]
            told = [item for item in told if item.split != "train"] + _by_groups(training, splits, lacking)
    done = [*ruled, *told, *_by_groups(asked, splits, {"validation": splits.validation, "test": splits.test})]
    return sorted(done, key=lambda item: item.inside)


def _group(item: Item) -> str:
    return item.group or item.inside


def _by_groups(items: Sequence[Item], splits: SplitSettings, shares: dict[str, float]) -> list[Item]:
    """Whole groups of each domain, in the order of their hashes, to each split until its share is reached.

    A domain with too few groups for that is divided by recordings, and one with too few of these is all for training.
    """
    wanted = {name: share for name, share in sorted(shares.items()) if share > 0}
    members: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        members[item.domain].append(item)
    split_of: dict[str, str] = {}
    for _, of_domain in sorted(members.items()):
        sizes = Counter(_group(item) for item in of_domain)
        if len(sizes) <= len(wanted):
            sizes = Counter(item.inside for item in of_domain if _group(item) not in split_of)
        ranked = sorted(sizes, key=lambda group: unit_hash(f"{splits.seed}:{group}"))
        free = [group for group in ranked if group not in split_of]
        for name, share in wanted.items() if len(sizes) > len(wanted) else ():
            taken = sum(sizes[group] for group in ranked if split_of.get(group) == name)
            while len(free) > 1 and taken < max(1.0, share * sizes.total() - 0.5 * sizes[free[0]]):
                group = free.pop(0)
                split_of[group] = name
                taken += sizes[group]
        split_of |= dict.fromkeys(free, "train")
    return [replace(item, split=split_of.get(_group(item)) or split_of[item.inside]) for item in items]


def _separated(items: Sequence[Item], seed: int) -> list[Item]:
    """Published splits that share no group: training gives way, and validation or test by a hash."""
    where: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.group:
            where[item.group].add(item.split)
    held = {
        group: "test" if unit_hash(f"{seed}:{group}") < 0.5 else "validation"
        for group, splits in where.items()
        if {"validation", "test"} <= splits
    }
    kept = []
    for item in items:
        found = where.get(item.group, set())
        if item.split == "train" and found & {"validation", "test"}:
            continue
        kept.append(replace(item, split=held.get(item.group, item.split)) if item.group else item)
    return kept


def at_most(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """About `count` recordings of each domain, of each of its splits the same part, chosen by a hash; 0: all."""
    if count <= 0:
        return list(items)
    totals = Counter(item.domain for item in items)
    parts: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        parts[item.domain, item.split].append(item)
    kept = []
    for (domain, _), members in parts.items():
        ranked = sorted(members, key=lambda item: unit_hash(f"{seed}:{item.inside}"))
        kept += ranked[: max(1, round(count * len(members) / totals[domain]))]
    return sorted(kept, key=lambda item: item.inside)


def named(item: Item, root: Path, spans: Sequence[tuple[float, float | None, float | None]]) -> Iterator[Found]:
    """`Found` for each span (start, stop, pitch) of an item: names in the index and below OUT/audio, both unique."""
    clean = re.sub(r"[^\w+#-]+", "_", f"{root.name}_{item.inside}")
    if clean != f"{root.name}_{item.inside}".replace("/", "_"):  # two names may have become one
        clean += "_" + hashlib.sha256(item.inside.encode()).hexdigest()[:6]
    for start, stop, midi in spans:
        whole = start == 0.0 and stop is None
        at = "" if whole else f"_{round(1000 * start):08d}"
        yield Found(
            path=item.path, name=f"{root.name}/{item.inside}" + ("" if whole else f" from {start:.2f} s"),
            output=f"audio/{item.domain}/{clean}{at}.flac", domain=item.domain, split=item.split,
            source=item.source or root.name, midi=item.midi if midi is None else midi, licence=item.licence,
            start_s=start, stop_s=stop, mixed_with=item.mixed_with,
        )  # fmt: skip
