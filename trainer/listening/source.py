"""What a study is made from: a folder laid out so that names say everything, or a TOML file that names such folders.

    FOLDER/reference/CLIP.wav   the recordings that were converted
    FOLDER/target/CLIP.wav      recordings of the wanted sound: of the same piece where there is one, else any
    FOLDER/anchor/CLIP.wav      what must be rated worst; without this folder trainer.listening.anchors makes them
    FOLDER/SYSTEM/CLIP.wav      what each system made; every other folder is a system

    FILE.toml                   [study] title, introduction, contact, consent …, then one [[section]] after the other

The same name in each folder is the same piece; wav, flac, ogg, mp3 and aiff may be mixed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime.audio_file import SUFFIXES
from realtime.errors import ConfigError, DataError
from trainer.config import from_table, read_run_file, setting
from trainer.listening.study import ANCHOR, REFERENCE, Ask

TARGET = "target"
# A name that a spreadsheet takes for a formula, or that needs quoting anywhere, is refused.
NAME = re.compile(r"[^\W_][\w .,()+-]{0,79}")
SECTIONS_AT_MOST = 10
INTRODUCTION = (
    "Computer programs turned recordings of one instrument into the sound of another. "
    "Your ears decide how well they did: please take part in this listening test."
)
WHAT = (
    "You will hear short pieces of music and say how similar they are to others. It takes about {minutes}. "
    "Taking part is voluntary: you can stop at any time, without giving a reason, and have your answers deleted."
)
STORED = (
    "What is stored: your ratings, when you gave them, how often you played a clip, and what you listened with. No "
    "name, no address of your computer and nothing else that says who you are. The cookie that this site sets only "
    "finds your place again."
)


@dataclass(frozen=True, slots=True)
class StudySettings:
    """`[study]`."""

    title: str = setting("Listening test", "the heading of every page")
    introduction: str = setting(INTRODUCTION, "what stands on the first page before the consent")
    contact: str = setting("", "who answers questions, shown with the consent")
    consent: tuple[str, ...] = setting(
        (WHAT, STORED), "paragraphs that a participant agrees to; {minutes} becomes 8 minutes"
    )
    seed: int = setting(0, "of the order and choice of clips", minimum=0)
    match_loudness: bool = setting(True, "bring every clip to loudness_lufs, so that louder is not better")
    loudness_lufs: float = setting(-23.0, "ITU-R BS.1770 loudness of every clip", minimum=-50, maximum=-10)
    longest_seconds: float = setting(30.0, "longer clips are refused", minimum=1, maximum=300)
    most_participants: int = setting(500, "no more may begin", minimum=1, maximum=100_000)


@dataclass(frozen=True, slots=True)
class SectionSettings:
    """`[[section]]`."""

    title: str = setting(meaning="the heading of this part")
    ask: Ask = setting(meaning="content, style, or both questions on each clip")
    folder: Path = setting(Path(), "laid out as this module says; relative to the file")
    clips: int = setting(16, "how many each participant rates", minimum=1, maximum=100)


@dataclass(frozen=True, slots=True)
class Source:
    """A whole file, or what a plain folder stands for: 16 clips for content, then 16 for style."""

    study: StudySettings = field(default_factory=StudySettings)
    section: tuple[SectionSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one folder: clip → path, and that for each system."""

    originals: Mapping[str, Path]
    targets: Mapping[str, Path]
    anchors: Mapping[str, Path]
    systems: Mapping[str, Mapping[str, Path]]

    def example(self, clip: str) -> Path:
        """The wanted sound beside a clip: of the same piece where there is one, else the folder's in turn."""
        others = sorted(self.targets.values())
        return self.targets.get(clip) or others[sorted(self.originals).index(clip) % len(others)]


def read_source(path: Path) -> Source:
    """A folder, a folder with study.toml in it, or a TOML file; the sections' folders become absolute."""
    file = path / "study.toml" if path.is_dir() else path
    if path.is_dir() and not file.is_file():
        sections = tuple(SectionSettings(ask.capitalize(), ask, path.resolve()) for ask in ("content", "style"))
        return Source(StudySettings(title=path.resolve().name), sections)
    tables = read_run_file(file)
    source = from_table(Source, tables, file.name)
    if not 1 <= len(source.section) <= SECTIONS_AT_MOST:
        raise ConfigError(
            f"{file} has {len(source.section)} sections, expected 1 to {SECTIONS_AT_MOST}: write [[section]]."
        )
    titles = [one.title for one in source.section]
    if len(set(titles)) < len(titles):
        raise ConfigError(f"{file} gives two sections the same title ({', '.join(titles)}): tell them apart.")
    folders = (replace(one, folder=(file.parent / one.folder).resolve()) for one in source.section)
    return replace(source, section=tuple(folders))


def read_layout(section: SectionSettings) -> tuple[Layout, list[str], list[str]]:
    """What is in a section's folder, what is wrong with it (a study is not made), and what was passed over."""
    folder, problems, remarks = section.folder, list[str](), list[str]()
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder, but section {section.title!r} needs one; make it or correct the name.")
    inside = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
    named = {one.name: _sounds(one, remarks) for one in inside}
    layout = Layout(
        named.pop(REFERENCE, {}), named.pop(TARGET, {}), named.pop(ANCHOR, {}),
        {name: sounds for name, sounds in named.items() if sounds},
    )  # fmt: skip
    remarks += [f"{folder / name} holds no sound and is passed over." for name, sounds in named.items() if not sounds]
    if not layout.originals:
        problems.append(f"{folder / REFERENCE} holds no recording: put the recordings that were converted there.")
    if not layout.systems:
        problems.append(f"{folder} has no folder of a system: put what each system made into FOLDER/SYSTEM/.")
    if section.ask != "content" and not layout.targets:
        problems.append(
            f"{folder / TARGET} holds no recording, and style is judged against one: put recordings of the "
            "wanted sound there."
        )
    expected = {**layout.systems, **({ANCHOR: layout.anchors} if layout.anchors else {})}
    for name, sounds in expected.items():
        lacking = sorted(set(layout.originals) - set(sounds))
        if lacking:
            problems.append(f"{folder / name} lacks {', '.join(lacking)}: every clip of {REFERENCE} must be there.")
        over = sorted(set(sounds) - set(layout.originals))
        if over and layout.originals:
            remarks.append(f"{folder / name} has {', '.join(over)}, which {REFERENCE} has not: passed over.")
    names = {*layout.originals, *layout.systems}
    problems += [
        f"{name!r} is no name for a clip or system: begin with a letter or digit, then letters, digits, spaces "
        "and .,()+-_ up to 80 characters."
        for name in sorted(names) if not NAME.fullmatch(name)
    ]  # fmt: skip
    conditions = len(layout.systems) + 2
    if conditions > section.clips:
        problems.append(
            f"Section {section.title!r} has {len(layout.systems)} systems, a hidden reference and an anchor, but each "
            f"participant rates {section.clips} clips: set clips to {conditions} or more, or compare fewer systems."
        )
    return layout, problems, remarks


def _sounds(folder: Path, remarks: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_file() or path.suffix.lower() not in SUFFIXES:
            remarks.append(f"{path} is no sound file and is passed over.")
        elif path.stem in found:
            remarks.append(f"{path} has the name of {found[path.stem].name} and is passed over.")
        else:
            found[path.stem] = path
    return found
