"""What a study is, once made: sections of stimuli under opaque names, read from and written to `STUDY/study.json`.

    STUDY/study.json       this module; it does not change while people listen
    STUDY/clips/ID.flac    the sounds; ID is random and says nothing about system or clip
    STUDY/answers.sqlite   trainer.listening.answers
    STUDY/secret.key       signs the cookies; whoever has it can pose as a participant

A page names a sound by its ID alone; the server looks it up here, so nothing that a browser sends is part of a path.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from realtime.errors import DataError
from trainer.config import from_table, setting, to_table

FORMAT = 1
# The dissertation's words, from 1 to 5.
SCALE: tuple[str, ...] = ("Very different", "Different", "Neutral", "Similar", "Very similar")
QUESTIONS: tuple[str, ...] = ("content", "style")
REFERENCE, ANCHOR = "reference", "anchor"
Ask = Literal["content", "style", "both"]


@dataclass(frozen=True, slots=True)
class Stimulus:
    """One sound to be rated: which clip, made by which system (or the hidden reference or anchor)."""

    identity: str
    clip: str
    condition: str


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the test: what is asked, how many clips a participant rates, and what they may be."""

    title: str
    ask: Ask
    trials: int
    stimuli: tuple[Stimulus, ...]
    originals: dict[str, str]  # clip → identity of the recording that was converted
    examples: dict[str, str]  # clip → identity of a recording of the wanted sound; empty where style is not asked

    @property
    def questions(self) -> tuple[str, ...]:
        """The questions of each trial, in their order on the page."""
        return QUESTIONS if self.ask == "both" else (self.ask,)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Systems by name, then the hidden reference and anchor."""
        return (*self.systems, REFERENCE, ANCHOR)

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems under test, by name."""
        return tuple(sorted({one.condition for one in self.stimuli} - {REFERENCE, ANCHOR}))

    @property
    def clips(self) -> tuple[str, ...]:
        """The clips by name."""
        return tuple(sorted({one.clip for one in self.stimuli}))


@dataclass(frozen=True)
class Study:
    """A whole listening test."""

    title: str
    introduction: str
    contact: str
    consent: tuple[str, ...]
    seed: int
    most_participants: int
    sections: tuple[Section, ...]
    format: int = setting(FORMAT, "version of this file", minimum=FORMAT, maximum=FORMAT)

    @cached_property
    def stimuli(self) -> dict[str, Stimulus]:
        """Every stimulus by its identity."""
        return {one.identity: one for section in self.sections for one in section.stimuli}

    @cached_property
    def sounds(self) -> frozenset[str]:
        """The identities of all sounds that a page may play."""
        compared = (table for section in self.sections for table in (section.originals, section.examples))
        return frozenset({*self.stimuli, *(one for table in compared for one in table.values())})

    def write(self, folder: Path) -> None:
        """Write study.json; the folder exists."""
        text = json.dumps(to_table(self), indent=1, ensure_ascii=False)
        (folder / "study.json").write_text(text + "\n", encoding="utf-8")


def read_study(folder: Path) -> Study:
    """The study in a folder that `retimbre listen create` made. Raises DataError when it is none or a sound is gone."""
    path = folder / "study.json"
    try:
        study = from_table(Study, json.loads(path.read_text(encoding="utf-8")), "study")
    except OSError as error:
        raise DataError(
            f"{folder} holds no listening test ({path.name}: {error.strerror}); make one with `retimbre listen create`."
        ) from error
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}); make the study again, or put its copy back.") from error
    missing = [name for name in sorted(study.sounds) if not sound_path(folder, name).is_file()]
    if missing:
        raise DataError(
            f"{folder / 'clips'} lacks {len(missing)} of {len(study.sounds)} sounds ({missing[0]}.flac first); "
            "copy the whole folder again."
        )
    return study


def sound_path(folder: Path, identity: str) -> Path:
    """Where a sound lies. `identity` comes from study.json, never from a browser."""
    return folder / "clips" / f"{identity}.flac"


def secret_key(folder: Path) -> bytes:
    """The key that signs cookies: made at first use, readable by its owner only, the same after a restart."""
    path = folder / "secret.key"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 -- the mode
            file.write(secrets.token_bytes(32))
    except FileExistsError:
        pass
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}): choose a folder that you may write to."
        ) from error
    key = path.read_bytes()
    if len(key) < 32:
        raise DataError(f"{path} holds {len(key)} bytes, expected 32: delete it, and a new one is made.")
    return key
