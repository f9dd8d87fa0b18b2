"""`retimbre listen create`: check the sounds, make the anchors, match loudness, and write the study's folder.

Every sound comes out alike in all that could tell one system from another: 48 kHz, 16 bits, one number of channels, one
loudness, a random name. The folder appears whole or not at all.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from realtime.audio_file import read_audio, write_audio
from realtime.errors import ConfigError, DataError, RetimbreError
from realtime.resample import resample_signal
from trainer.listening.anchors import SHORTEST_SECONDS, FloatArray, anchor, loudness_lufs
from trainer.listening.source import Layout, SectionSettings, Source, read_layout
from trainer.listening.study import ANCHOR, REFERENCE, Section, Stimulus, Study, sound_path

SAMPLE_RATE = 48_000
LOWEST_RATE = 16_000
QUIETEST_LUFS = -60.0
PEAK = 10 ** (-1 / 20)
RATING_SECONDS = 8.0  # what a person takes beside listening


@dataclass(frozen=True, slots=True)
class Made:
    """A study, and what is to be said about how it was made."""

    study: Study
    remarks: tuple[str, ...]


@dataclass(slots=True)
class _Sounds:
    """The sounds of a study as they are gathered: each file read once, each use under a name of its own."""

    settings: Source
    read: dict[Path, FloatArray] = field(default_factory=dict)
    named: dict[str, FloatArray] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def of(self, path: Path) -> FloatArray:
        """The file as (channels, samples) at 48 kHz. Raises DataError when it is unfit."""
        if path not in self.read:
            self.read[path] = self._checked(path)
        return self.read[path]

    def _checked(self, path: Path) -> FloatArray:
        sound = read_audio(path)
        longest = self.settings.study.longest_seconds
        if not SHORTEST_SECONDS <= sound.seconds <= longest:
            raise DataError(
                f"{path} lasts {sound.seconds:.1f} s, expected {SHORTEST_SECONDS:g} to {longest:g}: cut it, "
                "or set longest_seconds."
            )
        if sound.sample_rate < LOWEST_RATE:
            raise DataError(f"{path} has {sound.sample_rate} Hz, expected {LOWEST_RATE} or more: convert it again.")
        if len(sound.signal) > 2:
            raise DataError(f"{path} has {len(sound.signal)} channels, expected 1 or 2: mix it down.")
        signal = resample_signal(sound.signal, sound.sample_rate, SAMPLE_RATE)
        if (level := loudness_lufs(signal, SAMPLE_RATE)) < QUIETEST_LUFS:
            raise DataError(
                f"{path} is silent ({level:.0f} LUFS), expected at least {QUIETEST_LUFS:g}: convert it again."
            )
        return signal

    def add(self, signal: FloatArray) -> str:
        """Take a sound in under a new random name."""
        identity = secrets.token_hex(16)
        self.named[identity] = signal
        return identity


def make_study(source: Source, out: Path, *, told: Callable[[str], None] = lambda _sentence: None) -> Made:
    """Make the study in the folder `out`, which must not be there yet (or be empty).

    told: receives each thing that is wrong, as a sentence, before DataError says how many there were.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists already, and a study is never written over: name another folder with --out.")
    sounds = _Sounds(source)
    layouts = _checked_layouts(source, sounds, told)
    sections = tuple(_section(one, layout, sounds) for one, layout in zip(source.section, layouts, strict=True))
    _match(sounds)
    minutes = _minutes(sections, sounds)
    words = source.study
    study = Study(
        words.title, words.introduction, words.contact,
        tuple(paragraph.replace("{minutes}", minutes) for paragraph in words.consent),
        words.seed, words.most_participants, sections,
    )  # fmt: skip
    _write(study, sounds, out)
    return Made(study, (*_about(study), *sounds.remarks, f"A participant needs about {minutes}."))


def _checked_layouts(source: Source, sounds: _Sounds, told: Callable[[str], None]) -> list[Layout]:
    """The folders of all sections, every file read; everything that is wrong is told before the error."""
    wrong: list[str] = []
    layouts: list[Layout] = []
    for section in source.section:
        layout, problems, remarks = read_layout(section)
        layouts.append(layout)
        wrong += problems
        sounds.remarks += remarks
        systems = [sound for name in layout.systems for sound in layout.systems[name].items()]
        used = [one for one in (*systems, *layout.anchors.items()) if one[0] in layout.originals]
        for path in [*layout.originals.values(), *layout.targets.values(), *(path for _, path in used)]:
            try:
                sounds.of(path)
            except RetimbreError as error:
                wrong.append(str(error))
        sounds.remarks += _uneven(layout, sounds)
    wrong = list(dict.fromkeys(wrong))
    sounds.remarks = list(dict.fromkeys(sounds.remarks))
    for sentence in wrong:
        told(sentence)
    if wrong:
        count = f"{len(wrong)} thing{'s' * (len(wrong) > 1)}"
        raise DataError(f"{count} must be put right before a study can be made, beginning with this: {wrong[0]}")
    return layouts


def _uneven(layout: Layout, sounds: _Sounds) -> list[str]:
    """Sentences about conversions whose length tells them from their original."""
    said = []
    for name, made in layout.systems.items():
        for clip in sorted(set(made) & set(layout.originals)):
            if made[clip] in sounds.read and layout.originals[clip] in sounds.read:
                a, b = (sounds.read[one].shape[1] / SAMPLE_RATE for one in (made[clip], layout.originals[clip]))
                if abs(a - b) > 0.5 + 0.05 * b:
                    said.append(
                        f"{name} made {a:.1f} s of {clip}, whose original lasts {b:.1f} s: listeners may notice."
                    )
    return said


def _section(settings: SectionSettings, layout: Layout, sounds: _Sounds) -> Section:
    originals = {clip: sounds.of(path) for clip, path in sorted(layout.originals.items())}
    examples = {clip: sounds.of(layout.example(clip)) for clip in originals} if settings.ask != "content" else {}
    paired = set(originals) <= set(layout.targets)
    stimuli = []
    for number, (clip, original) in enumerate(originals.items()):
        heard = {name: sounds.of(made[clip]) for name, made in layout.systems.items()}
        heard[REFERENCE] = examples[clip] if settings.ask == "style" or (paired and examples) else original
        if layout.anchors:
            heard[ANCHOR] = sounds.of(layout.anchors[clip])
        else:
            heard[ANCHOR] = anchor(original, SAMPLE_RATE, settings.ask, sounds.settings.study.seed + number)
        stimuli += [Stimulus(sounds.add(signal), clip, name) for name, signal in heard.items()]
    if settings.ask == "both" and not paired:
        sounds.remarks.append(
            f"{settings.title}: target/ has not every piece, so the hidden reference is the original: best in content, "
            "not in style."
        )
    if not layout.anchors:
        kind = "below 3.5 kHz" if settings.ask == "style" else "in pieces of another order, below 3.5 kHz"
        sounds.remarks.append(f"{settings.title}: anchors were made: the originals {kind}.")
    shown = {clip: sounds.add(signal) for clip, signal in originals.items()}
    wanted = {clip: sounds.add(signal) for clip, signal in examples.items()}
    return Section(settings.title, settings.ask, settings.clips, tuple(stimuli), shown, wanted)


def _match(sounds: _Sounds) -> None:
    """One number of channels, one loudness, and no peak over −1 dBFS: what is too loud turns all down alike."""
    channels = max(len(signal) for signal in sounds.named.values())
    words = sounds.settings.study
    gains_db: dict[str, float] = {}
    peaks = {}
    # Channels first: the same sound on two of them is 3 dB louder.
    sounds.named = {name: np.repeat(one, channels // len(one), axis=0) for name, one in sounds.named.items()}
    for name, signal in sounds.named.items():
        level = loudness_lufs(signal, SAMPLE_RATE)
        gains_db[name] = words.loudness_lufs - level if words.match_loudness else 0.0
        peaks[name] = float(np.abs(signal).max()) * 10 ** (gains_db[name] / 20)
    down_db = max(0.0, 20 * float(np.log10(max(peaks.values()) / PEAK)))
    for name, signal in sounds.named.items():
        sounds.named[name] = signal * np.float32(10 ** ((gains_db[name] - down_db) / 20))
    if words.match_loudness:
        low, high = min(gains_db.values()) - down_db, max(gains_db.values()) - down_db
        room = f", {down_db:.1f} dB lower than asked so that no peak clips" if down_db > 0.05 else ""
        sounds.remarks.append(
            f"Every sound was brought to {words.loudness_lufs - down_db:.1f} LUFS (by {low:+.1f} to {high:+.1f} dB)"
            f"{room}."
        )


def _minutes(sections: tuple[Section, ...], sounds: _Sounds) -> str:
    """About how long a participant takes: each clip and what it is compared with once, and time to think."""
    seconds = 0.0
    for section in sections:
        lengths = [sounds.named[one.identity].shape[1] / SAMPLE_RATE for one in section.stimuli]
        heard = 1 + len(section.questions)
        seconds += min(section.trials, len(lengths)) * (heard * float(np.mean(lengths)) + RATING_SECONDS)
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' * (minutes > 1)}"


def _about(study: Study) -> list[str]:
    lines = []
    for number, section in enumerate(study.sections, 1):
        rated = min(section.trials, len(section.stimuli))
        lines.append(
            f"Section {number}, {section.title} (asks {section.ask}): {len(section.clips)} clips by "
            f"{', '.join(section.systems)}, with hidden reference and anchor; each participant rates {rated} of "
            f"{len(section.stimuli)}."
        )
        if rated < section.trials:
            lines.append(
                f"{section.title}: there are fewer than the {section.trials} to be rated; add recordings for more."
            )
    return lines


def _write(study: Study, sounds: _Sounds, out: Path) -> None:
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        (part / "clips").mkdir(parents=True)
        for name, signal in sounds.named.items():
            write_audio(sound_path(part, name), signal, SAMPLE_RATE, subtype="PCM_16")
        study.write(part)
        if out.is_dir():
            out.rmdir()  # empty, as was checked
        part.rename(out)
    except OSError as error:
        raise DataError(
            f"{out} cannot be written ({error.strerror}): choose a folder that you may write to."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
