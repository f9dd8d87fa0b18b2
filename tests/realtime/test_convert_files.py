from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.audio_file import read_audio, write_audio
from realtime.controls import Controls
from realtime.convert import convert_signal
from realtime.convert_files import Settings, Task, convert_files, plan
from realtime.errors import AudioFileError, ConfigError
from realtime.package import Package
from tests.realtime.small_packages import blend_package, gain_package, noise, oscillator_package, sine


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package that halves."""
    return gain_package(tmp_path_factory.mktemp("packages"))


def retimbre(*words: str | Path, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "realtime.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def test_plan_keeps_the_tree(tmp_path: Path) -> None:
    """Folders are searched to the bottom, hidden files and the output's own folder left out, and the tree is kept."""
    for name in ("in/a.wav", "in/deep/b.FLAC", "in/deep/.c.wav", "in/.trash/d.wav", "in/notes.txt", "in/out/old.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    source, out = tmp_path / "in", tmp_path / "in" / "out"
    assert plan([source], out, None) == [
        Task(source / "a.wav", out / "a.wav"),
        Task(source / "deep" / "b.FLAC", out / "deep" / "b.FLAC"),
    ]
    assert [task.destination.name for task in plan([source], out, "mp3")] == ["a.mp3", "b.mp3"]


def test_plan_of_one_file(tmp_path: Path) -> None:
    """One file goes to the file named, or into the folder named; what has no writable suffix becomes wav."""
    assert plan([Path("a.wav")], tmp_path / "b.ogg", None) == [Task(Path("a.wav"), tmp_path / "b.ogg")]
    assert plan([Path("a.wav")], tmp_path / "b", "flac") == [Task(Path("a.wav"), tmp_path / "b" / "a.flac")]
    assert plan([Path("a.au")], tmp_path, None) == [Task(Path("a.au"), tmp_path / "a.wav")]


def test_plan_refuses_what_makes_no_sense(tmp_path: Path) -> None:
    """Several files into one, contradicting formats, an unknown format and a folder without sound are refused."""
    (tmp_path / "nothing").mkdir()
    (tmp_path / "file").touch()
    several = [Path("a.wav"), Path("b.wav")]
    for sources, out, name, sentence in [
        (several, tmp_path / "b.wav", None, "several"),
        (several[:1], tmp_path / "b.wav", "mp3", "agree"),
        (several, tmp_path, "wma", "'wma' is not known"),
        (several, tmp_path / "file", None, "is a file"),
    ]:
        with pytest.raises(ConfigError, match=sentence):
            plan(sources, out, name)
    with pytest.raises(AudioFileError, match="holds no sound files"):
        plan([tmp_path / "nothing"], tmp_path / "out", None)


def test_two_files_into_one_place(tmp_path: Path, package: Package) -> None:
    """Of two sources with one destination the first is converted and the second refused."""
    for name in ("a.wav", "a.flac"):
        write_audio(tmp_path / name, noise(1000), 48000)
    tasks = plan([tmp_path / "a.wav", tmp_path / "a.flac"], tmp_path / "out", "ogg")
    results = convert_files(
        tasks, Settings(package.folder, Controls()), jobs=1, progress=lambda _: None, finished=lambda _: None
    )
    assert results[0].failure is None
    assert results[1].failure is not None
    assert "different folders" in results[1].failure


def test_a_tree_with_broken_files(tmp_path: Path, package: Package) -> None:
    """Two processes convert the good files, the bad ones are listed with a sentence each, and the exit code is 1."""
    source, out = tmp_path / "in", tmp_path / "out"
    signals = {"a.wav": 48000, "deep/b.flac": 44100, "deep/c.ogg": 22050, "d.aiff": 96000, "e.mp3": 32000}
    for name, rate in signals.items():
        write_audio(source / name, np.stack([sine(440.0, 0.5, -12.0, rate)] * 2), rate)
    (source / "bad.wav").write_text("no sound")
    write_audio(source / "cut.wav", noise(10_000), 48000)
    (source / "cut.wav").write_bytes((source / "cut.wav").read_bytes()[:5000])
    done = retimbre("convert", source, "-o", out, "--model", package.folder, "--jobs", "2", "--no-match-loudness")
    assert done.returncode == 1
    assert "Converted 5 of 7 files with the model gain" in done.stdout
    assert "× real time" in done.stdout
    understood = "wav, flac, ogg, mp3 and aiff are understood"
    assert [line for line in done.stderr.splitlines() if line] == [
        f"retimbre: {source}/bad.wav cannot be read as sound (Format not recognised); {understood}.",
        f"retimbre: {source}/cut.wav is cut short: it promises 30044 bytes and holds 5000; copy or export it again.",
    ]
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == sorted(signals)
    for name, rate in signals.items():
        sound = read_audio(out / name)
        assert (sound.sample_rate, sound.signal.shape) == (rate, (2, rate // 2))
        level = float(np.sqrt(np.mean(np.square(sound.signal[:, 2000:-2000]))))
        assert level == pytest.approx(0.5 * 10 ** (-12 / 20), rel=0.03)


def test_nothing_is_overwritten_unasked(tmp_path: Path, package: Package) -> None:
    """An existing file and the input itself stay as they are; --overwrite replaces the first, never the second."""
    write_audio(tmp_path / "a.wav", noise(1000), 48000)
    write_audio(tmp_path / "b.wav", noise(500), 48000)
    before = [(tmp_path / name).read_bytes() for name in ("a.wav", "b.wav")]
    words = ("convert", tmp_path / "a.wav", "--model", package.folder, "-o")
    for out, extra, sentence in [("b.wav", [], "exists already"), ("a.wav", ["--overwrite"], "overwrite itself")]:
        refused = retimbre(*words, tmp_path / out, *extra)
        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert [(tmp_path / name).read_bytes() for name in ("a.wav", "b.wav")] == before
    assert retimbre(*words, tmp_path / "b.wav", "--overwrite").returncode == 0
    assert read_audio(tmp_path / "b.wav").signal.shape == (1, 1000)


def test_options_reach_the_sound(tmp_path: Path) -> None:
    """Target, mix, gain, transpose, octave, level and format do on the command line what they do in Python."""
    blend, oscillator = blend_package(tmp_path / "models"), oscillator_package(tmp_path / "models")
    source = tmp_path / "a.wav"
    soundfile.write(source, sine(150.0, 0.5), 48000, subtype="FLOAT")
    heard, _ = soundfile.read(source, dtype="float32")
    words = ["--target", "plus=3,minus=1", "--mix", "0.5", "--gain", "-6", "--no-match-loudness"]
    assert retimbre("convert", source, "-o", tmp_path / "b.wav", "--model", blend.folder, *words).returncode == 0
    expected = convert_signal(
        heard, 48000, blend, Controls(mix=0.5, output_gain_db=-6.0, target=(3.0, 1.0)), match_loudness=False
    )
    assert np.array_equal(read_audio(tmp_path / "b.wav").signal[0], expected)
    words = ["--transpose", "5", "--octave", "off", "--player-level", "-30", "--format", "flac"]
    assert retimbre("convert", source, "-o", tmp_path / "out", "--model", oscillator.folder, *words).returncode == 0
    controls = Controls(transpose_semitones=5.0, octave="off", player_level_db=-30.0)
    expected = convert_signal(heard, 48000, oscillator, controls, learn_level=False)
    np.testing.assert_allclose(read_audio(tmp_path / "out" / "a.flac").signal[0], expected, atol=2e-7)


def test_a_wrong_request_is_one_sentence(tmp_path: Path, package: Package) -> None:
    """Unknown models and targets, and values out of range, end in one sentence and no file."""
    write_audio(tmp_path / "a.wav", noise(1000), 48000)
    for words, sentence in [
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", str(package.folder), "--target", "tuba"], "no targets"),
        (["--model", str(package.folder), "--mix", "3"], "mix is 3.0"),
        (["--model", str(package.folder), "--octave", "up"], "octave is 'up'"),
    ]:
        refused = retimbre("convert", tmp_path / "a.wav", "-o", tmp_path / "out.wav", *words)
        assert refused.returncode == 1
        assert sentence in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out.wav").exists()


def test_an_interrupt_leaves_only_whole_files(tmp_path: Path) -> None:
    """Ctrl-C ends every process within seconds, with one sentence, exit code 130 and no partial file."""
    oscillator = oscillator_package(tmp_path / "models")
    source, out = tmp_path / "in", tmp_path / "out"
    write_audio(source / "a.wav", noise(48000), 48000)
    for name in ("b.wav", "c.wav", "d.wav"):
        write_audio(source / name, noise(48000 * 300), 48000)
    command = [sys.executable, "-m", "realtime.cli", "convert", str(source), "-o", str(out), "--jobs", "2", "--model"]
    process = subprocess.Popen(
        [*command, str(oscillator.folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not (out / "a.wav").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    began = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    # Whether the first file's end was told before the interrupt is a race that the test need not win.
    assert re.fullmatch(r"Stopped: [01] of 4 files are done, and nothing is half-written\.", errors.strip())
    assert [path.name for path in out.iterdir()] == ["a.wav"]
    while _lives(process.pid) and time.monotonic() - began < 10:
        time.sleep(0.05)
    assert not _lives(process.pid)


def _lives(group: int) -> bool:
    """Whether any process of the group is there."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_converting_needs_no_torch(tmp_path: Path, package: Package) -> None:
    """A conversion imports neither torch nor Qt nor the sound card."""
    write_audio(tmp_path / "a.wav", noise(1000), 48000)
    code = (
        "import sys; from realtime.cli import build_app; from typer.testing import CliRunner; "
        f"r = CliRunner().invoke(build_app(), ['convert', {str(tmp_path / 'a.wav')!r}, '-o', "
        f"{str(tmp_path / 'b.wav')!r}, '--model', {str(package.folder)!r}]); assert r.exit_code == 0, r.output; "
        "print(sorted({'torch', 'PyQt6', 'sounddevice', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
