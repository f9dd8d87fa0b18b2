"""Single notes of a SoundFont program, written in NSynth's layout, so that a SoundFont is one more folder of notes.

Needs the package tinysoundfont (MIT, sf2 and sf3); without it a sentence says how to get it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from realtime.errors import ConfigError, DataError
from trainer.prepare_work import write_json
from trainer.recording_checks import FloatArray
from trainer.recording_files import write_sound

VELOCITIES = (25, 50, 75, 100, 127)  # NSynth's five
PITCHES = range(21, 109)  # and its keys
HELD_SECONDS, RELEASE_SECONDS = 3.0, 1.0  # and its lengths


def is_soundfont(path: Path) -> bool:
    """True for the suffixes of SoundFonts."""
    return path.suffix.lower() in (".sf2", ".sf3", ".sfo")


def render_notes(soundfont: Path, program: int, bank: int, name: str, out: Path, sample_rate: int) -> Path:
    """Write `out`/name_000-PITCH-VELOCITY.flac for every key and velocity; what is already there is kept."""
    try:
        import tinysoundfont  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise ConfigError(
            f"{soundfont.name} is a SoundFont and the package tinysoundfont is not installed: "
            "run `pip install --no-deps tinysoundfont`, or use a folder of single notes."
        ) from error
    if not soundfont.is_file():
        raise DataError(f"There is no SoundFont {soundfont}: give the path of an sf2 or sf3 file.")
    digest = hashlib.sha256(soundfont.read_bytes()).hexdigest()
    described = {"soundfont": soundfont.name, "sha256": digest, "program": program, "bank": bank, "rate": sample_rate}
    mark = out / "rendered.json"
    if mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == described:
        return out
    synth = tinysoundfont.Synth(samplerate=sample_rate, gain=0)
    try:
        number = synth.sfload(str(soundfont))
        synth.program_select(0, number, bank, program)
    except Exception as error:
        raise DataError(
            f"{soundfont} has no program {program} in bank {bank} ({error}): programs count from 0."
        ) from error
    quiet = int(0.5 * sample_rate)
    for midi in PITCHES:
        for velocity in VELOCITIES:
            synth.noteon(0, midi, velocity)
            held = _generate(synth, int(HELD_SECONDS * sample_rate))
            synth.noteoff(0, midi)
            tail = _generate(synth, int(RELEASE_SECONDS * sample_rate))
            synth.sounds_off(0)
            _generate(synth, quiet)
            note = np.concatenate((held, tail)) * 0.5
            if np.abs(note).max() < 1e-4:  # the program has no sound at this key
                continue
            write_sound(out / f"{name}_000-{midi:03d}-{velocity:03d}.flac", note, sample_rate, "PCM_24")
    write_json(mark, described)
    return out


def _generate(synth: Any, samples: int) -> FloatArray:
    stereo = np.frombuffer(synth.generate(samples), dtype=np.float32).reshape(-1, 2)
    return np.asarray(stereo.mean(axis=1), dtype=np.float32)
