"""What the demo measures, on sounds whose answer is known, and the command from clip to table."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from typer.testing import CliRunner

from realtime.cli import build_app
from realtime.demo import EXAMPLES, example_clips, pitch_kept

RATE = 44_100
NOTES_HZ = (220.0, 277.2, 329.6, 440.0)


def melody(factors: tuple[float, ...] = (1.0,) * len(NOTES_HZ), rate: int = RATE) -> NDArray[np.float32]:
    """Half a second of each note, with five harmonics, its frequency times the factor of its place."""
    hz = np.repeat([note * factor for note, factor in zip(NOTES_HZ, factors, strict=True)], rate // 2)
    phase = 2.0 * np.pi * np.cumsum(hz) / rate
    sound: NDArray[np.float32] = sum((0.2 / k * np.sin(k * phase) for k in range(1, 6)), np.zeros(1)).astype(np.float32)
    return sound


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_a_sound_keeps_its_own_pitch(rate: int) -> None:
    """A melody compared with itself kept all of its pitch, at any rate."""
    assert pitch_kept(melody(rate=rate), melody(rate=rate), rate) == (1.0, 0)


def test_one_octave_for_all_is_kept() -> None:
    """A melody moved as a whole by an octave kept its pitch, and the octave is told."""
    kept, octaves = pitch_kept(melody(), melody((2.0,) * 4), RATE)
    assert octaves == 1
    assert kept == pytest.approx(1.0, abs=0.02)


def test_one_note_an_octave_off_is_lost() -> None:
    """An octave jump within the melody counts as a wrong note."""
    kept, octaves = pitch_kept(melody(), melody((1.0, 1.0, 2.0, 1.0)), RATE)
    assert octaves == 0
    assert kept == pytest.approx(0.75, abs=0.05)


def test_a_semitone_is_another_note() -> None:
    """A melody played a semitone higher kept nothing."""
    kept, _ = pitch_kept(melody(), melody((2.0 ** (1 / 12),) * 4), RATE)
    assert kept == 0.0


def test_silence_keeps_no_pitch() -> None:
    """Silence out of a melody kept nothing, and silence in has nothing to keep."""
    silence = np.zeros_like(melody())
    assert pitch_kept(melody(), silence, RATE)[0] == 0.0
    assert pitch_kept(silence, melody(), RATE)[0] is None


def test_the_command_writes_what_it_prints(tmp_path: Path) -> None:
    """`retimbre demo FILE --model identity` writes the converted clip and prints speed, pitch and latency."""
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, melody(), RATE)
    arguments = ["demo", str(clip), "--model", "identity", "--output", str(tmp_path / "made"), "--no-play"]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 0, result.output
    (made,) = (tmp_path / "made").iterdir()
    # 16-bit files: one step of quantisation each way, and the resampling to the model's rate and back.
    assert np.abs(soundfile.read(made)[0] - soundfile.read(clip)[0]).max() < 0.01
    assert "100.0 %" in result.output
    assert "total" in result.output


def test_an_unreadable_clip_is_one_sentence(tmp_path: Path) -> None:
    """A file that holds no sound is refused by name."""
    clip = tmp_path / "clip.wav"
    clip.write_text("no sound")
    result = CliRunner().invoke(build_app(), ["demo", str(clip), "--model", "identity"])
    assert "clip.wav could not be read" in str(result.exception)


def test_the_examples_come_with_every_installation() -> None:
    """The clips lie in a folder that the wheel takes along, inside our own package."""
    root = Path(__file__).resolve().parents[2]
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    taken = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    assert EXAMPLES.relative_to(root).parts[0] in taken
    assert {clip.name for clip in example_clips()} == {"greensleeves-oboe.flac", "prelude-piano.flac"}
    assert not (root / "examples").exists()
