"""Named checks on an unpaired translator while it trains: does it do one of the things that such games end in?

The dissertation's CycleGANs muted, changed nothing, removed voices, attenuated, or gave up in the end what they had
learnt at first; where it names a cause it is one network outrunning the other or the identity loss. Each check looks at
one direction's pictures on validation and, where it finds its failure, says so in a sentence that names the setting.

    muting               what is made is 20 dB softer than real sound of its domain
    attenuation          … 6 dB softer, with the shape of what was heard: a volume knob instead of a translation
    removal              one region of the spectrum falls 20 dB further than the rest, though the target plays there
    no_change            it moves the picture by less than a quarter of the way between the domains
    fading               it had come a third of the way to the target's spectrum, and has gone back by half of that
    discriminator_ahead  the discriminator tells every fake, so that it teaches nothing (least squares alone: a critic
                         under gradient penalty may be as good as it likes)

Pictures are log_unit (items, 1, bins, frames); levels are of mean power per bin, in dB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from realtime.features import LOG_UNIT_RANGE
from trainer.losses import GameKind

MUTED_DB = 20.0
ATTENUATED_DB = 6.0
REMOVED_DB = 20.0
SAME_SHAPE = 0.7  # correlation of what is heard and made, over all bins and frames
SMALL_CHANGE = 0.25  # of the distance between the domains' mean spectra
COME_FAR = 1.0 / 3.0  # of the way to the target's statistics
REGIONS = 8  # equal parts of the frequency axis
REGION_FLOOR_DB = 30.0  # a region this far below the loudest counts as silent
_FLOOR = 1e-10  # power of silence


@dataclass(frozen=True, slots=True)
class Measures:
    """What one direction does on validation, heard → made, against the target domain's real sound."""

    change: float
    """Mean |made − heard|, as a part of what is heard (counted from silence)."""
    gap: float
    """Mean |target's mean spectrum − heard one's|, as a part of the same."""
    covered: float
    """Part of the way to the target's spectral statistics: 0 none, 1 there, below 0 further away than before."""
    shape: float
    """Correlation of heard and made."""
    heard_db: float
    made_db: float
    target_db: float
    heard_regions_db: tuple[float, ...]
    made_regions_db: tuple[float, ...]
    target_regions_db: tuple[float, ...]
    score_real: float
    score_made: float
    """Mean verdicts of the target's discriminator."""


@dataclass(frozen=True, slots=True)
class Game:
    """The settings that the advice speaks of."""

    kind: GameKind
    discriminator_steps: int
    identity_weight: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A failure that was found: the check's name and the sentence for the person who trains."""

    check: str
    sentence: str


def measure(heard: Tensor, made: Tensor, target: Tensor, score_real: float, score_made: float) -> Measures:
    """The numbers that the checks look at; `target` need not be as many pictures as `heard` and `made`."""
    heard, made, target = heard.float(), made.float(), target.float()
    loudness = float((heard + 1).mean().clamp(min=1e-6))
    before, after = statistics_distance(heard, target), statistics_distance(made, target)
    a, b = heard - heard.mean(), made - made.mean()
    return Measures(
        change=float((made - heard).abs().mean()) / loudness,
        gap=float((target.mean((0, 1, 3)) - heard.mean((0, 1, 3))).abs().mean()) / loudness,
        covered=1.0 - after / max(before, 1e-6),
        shape=float((a * b).mean() / (a.std() * b.std()).clamp(min=1e-6)),
        heard_db=_level_db(heard),
        made_db=_level_db(made),
        target_db=_level_db(target),
        heard_regions_db=_regions_db(heard),
        made_regions_db=_regions_db(made),
        target_regions_db=_regions_db(target),
        score_real=score_real,
        score_made=score_made,
    )


def statistics_distance(one: Tensor, other: Tensor) -> float:
    """√ mean over bins of (μ − μ')² + (σ − σ')² of log_unit over items and frames: a diagonal Fréchet distance."""
    mean = (one.mean((0, 1, 3)) - other.mean((0, 1, 3))).square()
    spread = (one.std((0, 1, 3)) - other.std((0, 1, 3))).square()
    return float((mean + spread).mean().sqrt())


def findings(measures: Measures, words: str, game: Game, earlier: Sequence[float] = ()) -> list[Finding]:
    """Every failure that is found. `words` names the direction ("piano to guitar"), `earlier` its past `covered`."""
    found = []
    for name, check in CHECKS.items():
        sentence = check(measures, game, earlier)
        if sentence is not None:
            found.append(Finding(name, f"{name.replace('_', ' ').capitalize()}, {words}: {sentence}."))
    return found


def _muting(m: Measures, game: Game, _earlier: Sequence[float]) -> str | None:
    missing = m.target_db - m.made_db
    if missing < MUTED_DB:
        return None
    return (
        f"what it makes is {missing:.0f} dB softer than the real thing, as when the discriminator outruns the "
        f"generator; {_slower_discriminator(game)}, or raise training.cycle_weight"
    )


def _attenuation(m: Measures, _game: Game, _earlier: Sequence[float]) -> str | None:
    missing = m.target_db - m.made_db
    if not ATTENUATED_DB <= missing < MUTED_DB or m.heard_db - m.made_db < ATTENUATED_DB or m.shape < SAME_SHAPE:
        return None
    return (
        f"it only turns the volume down, by {m.heard_db - m.made_db:.0f} dB; prepare both domains at one loudness "
        "(retimbre prepare recordings without --keep-levels) and set augment.gain_db to 6, so that level tells nothing"
    )


def _removal(m: Measures, _game: Game, _earlier: Sequence[float]) -> str | None:
    falls = [h - y for h, y in zip(m.heard_regions_db, m.made_regions_db, strict=True)]
    middle = sorted(falls)[len(falls) // 2]
    floors = [max(levels) - REGION_FLOOR_DB for levels in (m.heard_regions_db, m.target_regions_db)]
    for region, fall in enumerate(falls):
        plays = m.heard_regions_db[region] > floors[0] and m.target_regions_db[region] > floors[1]
        if plays and fall - middle > REMOVED_DB and m.target_db - m.made_db < MUTED_DB:
            return (
                f"it removes part {region + 1} of {REGIONS} of the spectrum ({fall:.0f} dB), as voices vanish that "
                "only one domain has; raise training.cycle_weight, or keep such recordings out of data.index"
            )
    return None


def _no_change(m: Measures, game: Game, _earlier: Sequence[float]) -> str | None:
    if m.change >= SMALL_CHANGE * m.gap:
        return None
    fooled = abs(m.score_real - m.score_made) < 0.1
    if fooled and game.identity_weight <= 0:
        advice = "raise training.discriminator_learning_rate or model.discriminator_width: the discriminator is behind"
    elif fooled:
        advice = "set training.identity_steps, so that the identity loss fades, or raise training.discriminator_steps"
    else:
        advice = (
            "lower training.identity_weight or set training.identity_steps"
            if game.identity_weight > 0
            else "lower training.cycle_weight"
        )
    return f"it gives back what it hears (moved by {m.change:.1%}, the domains are {m.gap:.0%} apart); {advice}"


def _fading(m: Measures, _game: Game, earlier: Sequence[float]) -> str | None:
    best = max(earlier, default=0.0)
    if best < COME_FAR or m.covered >= best / 2:
        return None
    return (
        f"it had come {best:.0%} of the way to the target's spectrum and now is at {max(m.covered, 0):.0%}; export the "
        "best weights, and set training.identity_steps or lower training.cycle_weight to go on"
    )


def _discriminator_ahead(m: Measures, game: Game, _earlier: Sequence[float]) -> str | None:
    if game.kind != "lsgan" or m.score_real < 0.9 or m.score_made > 0.1:
        return None
    return (
        f"the discriminator tells real ({m.score_real:.2f}) from made ({m.score_made:.2f}) every time and teaches no "
        f"more; {_slower_discriminator(game)}"
    )


CHECKS: dict[str, Callable[[Measures, Game, Sequence[float]], str | None]] = {
    "muting": _muting,
    "attenuation": _attenuation,
    "removal": _removal,
    "no_change": _no_change,
    "fading": _fading,
    "discriminator_ahead": _discriminator_ahead,
}
"""Every check by its name."""


def _slower_discriminator(game: Game) -> str:
    if game.discriminator_steps > 1:
        return "lower training.discriminator_steps to 1 or halve training.discriminator_learning_rate"
    return "halve training.discriminator_learning_rate or make model.discriminator_width smaller"


def _power(pictures: Tensor) -> Tensor:
    """Power of log_unit magnitudes, 1 for a full-scale sine's bin."""
    exponent = (pictures.clamp(-1.0, 1.5) + 1) * (LOG_UNIT_RANGE / 2)
    return (torch.expm1(exponent) * 2.0**-16).square()


def _level_db(pictures: Tensor) -> float:
    return float(10 * torch.log10(_power(pictures).mean() + _FLOOR))


def _regions_db(pictures: Tensor) -> tuple[float, ...]:
    by_bin = _power(pictures).mean((0, 1, 3))
    return tuple(float(10 * torch.log10(part.mean() + _FLOOR)) for part in by_bin.tensor_split(REGIONS))
