"""What can be trained, as `retimbre zoo --json` lists it, and how long it takes in plain words. Pure; any thread."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from realtime.errors import ConfigError

Material = Literal["recordings", "paired"]
Kind = Literal["int", "float", "bool", "choice", "text", "list"]
# What the panel itself sets: no form asks for it again.
OWN_SETTINGS: Final = frozenset(
    {"run.recipe", "run.out", "run.steps", "data.index", "data.targets", "data.origin", "data.target", "run.start_from"}
)
LENGTHS: Final[tuple[tuple[str, float, str], ...]] = (
    ("Quick try", 0.1, "Enough to hear whether the recordings work."),
    ("Usual", 1.0, "As the shipped models were trained."),
    ("Thorough", 2.5, "For the last bit of quality, overnight."),
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One documented setting of a recipe."""

    key: str
    kind: Kind
    value: Any
    help: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def title(self) -> str:
        """Its name as words: `data.max_shift` is "Max shift"."""
        return self.key.rpartition(".")[2].replace("_", " ").capitalize()

    def read(self, text: str) -> Any:
        """What was typed as a value of this setting. Raises ConfigError with a sentence."""
        try:
            value = self._converted(text.strip())
        except (ValueError, StopIteration):
            wanted = {"int": "a whole number", "float": "a number"}.get(self.kind, "one of the choices")
            raise ConfigError(f"{self.title} is {text!r}, but it must be {wanted}.") from None
        if isinstance(value, int | float) and not isinstance(value, bool):
            if self.minimum is not None and not value >= self.minimum:
                raise ConfigError(f"{self.title} is {value:g}, but it must be at least {self.minimum:g}.")
            if self.maximum is not None and not value <= self.maximum:
                raise ConfigError(f"{self.title} is {value:g}, but it must be at most {self.maximum:g}.")
        return value

    def shown(self, value: Any) -> str:
        """A value as it is typed."""
        if value is None:
            return ""
        return ", ".join(str(one) for one in value) if isinstance(value, list | tuple) else str(value)

    def _converted(self, text: str) -> Any:
        if self.kind == "int":
            return int(text)
        if self.kind == "float":
            value = float(text)
            if not math.isfinite(value):
                raise ValueError(text)
            return value
        if self.kind == "choice":
            return next(choice for choice in self.choices if str(choice) == text)
        if self.kind == "list":
            return [_number_or_text(part.strip()) for part in text.split(",") if part.strip()]
        return text


@dataclass(frozen=True, slots=True)
class Recipe:
    """One shipped run: words, costs, and all that can be set."""

    run: str
    title: str
    purpose: str
    wants: str
    data: Material
    minutes: float
    playable: bool
    latency_ms: float | None
    steps: int
    simple: tuple[str, ...]
    phases: tuple[str, ...]
    tables: Mapping[str, Any]
    settings: tuple[Setting, ...]

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Recipe:
        """Read a line of kind "run"; ConfigError when it is not one of ours."""
        try:
            about = line["about"]
            settings = tuple(
                Setting(
                    row["key"], row["kind"], row["value"], row["help"], tuple(row["choices"]), row["minimum"],
                    row["maximum"],
                )
                for row in line["settings"]
            )  # fmt: skip
            return cls(
                line["run"], about["title"] or line["run"], about["purpose"], about["wants"], about["data"],
                float(about["minutes"]), line["playable"], line["latency_ms"], int(line["steps"]),
                tuple(about["simple"]), tuple(about["phases"]), line["tables"], settings,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                "The list of recipes is not understood: the app and its command line are of different versions."
            ) from error

    def for_length(self, part: float) -> dict[str, Any]:
        """What changes when the run is `part` of its shipped length: all that counts steps."""
        made: dict[str, Any] = {"run.steps": max(1, round(self.steps * part))}
        if part != 1:
            often = dict.fromkeys(("run.validate_every", "run.checkpoint_every"), min(1.0, part))
            parts = often | dict.fromkeys(self.phases, part)
            made |= {s.key: max(1, round(s.value * parts[s.key])) for s in self.settings if s.key in parts}
        return made

    def pair(self, origin: str, target: str, sounds: Sequence[str]) -> dict[str, Any]:
        """What is learnt from pairs: one target, or all `sounds` where the recipe takes many (the chosen one first)."""
        known = {setting.key for setting in self.settings}
        made = {"data.origin": origin} if "data.origin" in known else {}
        if "data.targets" not in known:
            return made | {"data.target": target}
        others = [name for name in sounds if name != target and name not in made.values()]
        return made | {"data.targets": [target, *others]}

    def with_changes(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The run file's tables with `changes` by key ("run.steps") put in; None takes a key away."""
        tables: dict[str, Any] = copy.deepcopy(dict(self.tables))
        for key, value in changes.items():
            *sections, name = key.split(".")
            table = tables
            for section in sections:
                table = table.setdefault(section, {})
            if value is None:
                table.pop(name, None)
            else:
                table[name] = value
        return tables


def rough_time(seconds: float) -> str:
    """A length of time as one says it: "about 40 minutes"."""
    if seconds < 45:
        return "less than a minute"
    if seconds < 90:
        return "about a minute"
    if seconds < 55 * 60:
        minutes = seconds / 60
        return f"about {round(minutes) if minutes < 10 else 5 * round(minutes / 5)} minutes"
    hours = seconds / 3600
    if hours < 36:
        shown = round(2 * hours) / 2 if hours < 3 else round(hours)
        return "about an hour" if shown <= 1 else f"about {shown:g} hours"
    return f"about {hours / 24:.0f} days"


def minutes_words(minutes: float) -> str:
    """Minutes of sound: "40 s", "12 min"."""
    return f"{60 * minutes:.0f} s" if minutes < 1.5 else f"{minutes:.0f} min"


def named(names: Sequence[str]) -> str:
    """Names in a sentence: "horn, reed and flute"."""
    shown = [name.replace("_", " ") for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def _number_or_text(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
