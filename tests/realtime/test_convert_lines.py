"""`retimbre convert --json`: what another program reads while files are converted, and how it stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime.audio_file import read_audio, write_audio
from realtime.package import Package
from tests.realtime.small_packages import gain_package, noise, oscillator_package

FINAL = {"done", "failed", "cancelled"}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """A package that halves."""
    return gain_package(tmp_path_factory.mktemp("packages"))


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "realtime.cli", "convert", "--json", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip


def long_sounds(folder: Path, *names: str) -> None:
    """Five minutes each: nobody waits for their end. It is one sound under many names, which is written once."""
    first, *others = (folder / name for name in names)
    write_audio(first, np.tile(noise(48000), 300), 48000)
    for other in others:
        other.hardlink_to(first)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_every_file_is_told_from_waiting_to_its_end(tmp_path: Path, package: Package, jobs: str) -> None:
    """Each file waits, runs with rising parts, and ends once: done with its result, or failed with its sentence."""
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("a.wav", "deep/b.flac", "c.ogg"):
        write_audio(source / name, noise(48000 * 4), 48000)
    (source / "bad.wav").write_text("no sound")
    process = start(source, "-o", out, "--model", package.folder, "--jobs", jobs)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and errors == ""
    told = lines(printed)
    assert all(set(one) == {"file", "state", "part", "result", "sentence"} for one in told)
    assert {one["state"] for one in told[:4]} == {"waiting"} and len({one["file"] for one in told}) == 4
    for name in ("a.wav", "deep/b.flac", "c.ogg"):
        mine = [one for one in told if one["file"] == str(source / name)]
        states = [one["state"] for one in mine]
        assert states == ["waiting", *["running"] * (len(mine) - 2), "done"] and len(mine) >= 2
        parts = [one["part"] for one in mine]
        assert parts == sorted(parts) and parts[0] == 0 and parts[-1] == 1
        assert mine[-1]["result"] == str(out / name) and read_audio(out / name).seconds == pytest.approx(4, abs=0.1)
    last = [one for one in told if one["file"] == str(source / "bad.wav")][-1]
    assert last["state"] == "failed" and last["result"] is None
    assert "cannot be read as sound" in last["sentence"] and last["sentence"].endswith(".")


@pytest.mark.parametrize(("number", "jobs"), [(signal.SIGTERM, "2"), (signal.SIGINT, "1")])
def test_a_signal_cancels_the_rest(tmp_path: Path, number: signal.Signals, jobs: str) -> None:
    """After a signal to the process every file that is not done is told as cancelled, and nothing is half-written."""
    oscillator = oscillator_package(tmp_path / "models")
    source, out = tmp_path / "in", tmp_path / "out"
    write_audio(source / "a.wav", noise(48000), 48000)
    long_sounds(source, "b.wav", "c.wav", "d.wav")
    process = start(source, "-o", out, "--jobs", jobs, "--model", oscillator.folder)
    assert process.stdout is not None and process.stderr is not None
    told: list[dict[str, Any]] = []
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["state"] == "running" and told[-1]["file"].endswith("b.wav") and told[-1]["part"] > 0:
            break
    process.send_signal(number)
    told += lines(process.stdout.read())
    errors = process.stderr.read()
    assert process.wait(timeout=30) == 130 and errors == ""
    ends: dict[str, list[str]] = {}
    for one in told:
        ends.setdefault(Path(one["file"]).name, []).extend([one["state"]] if one["state"] in FINAL else [])
    assert ends == {"a.wav": ends["a.wav"], **{name: ["cancelled"] for name in ("b.wav", "c.wav", "d.wav")}}
    assert len(ends["a.wav"]) == 1
    assert [path.name for path in out.iterdir()] == ["a.wav"] * (ends["a.wav"] == ["done"])
    deadline = time.monotonic() + 30
    while lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(process.pid)
    process.stdout.close()
    process.stderr.close()


def test_a_signal_to_all_processes_cancels_too(tmp_path: Path) -> None:
    """SIGTERM to the whole group, as a desktop sends it when it shuts down, ends in the same lines."""
    oscillator = oscillator_package(tmp_path / "models")
    long_sounds(tmp_path / "in", "b.wav", "c.wav")
    process = start(tmp_path / "in", "-o", tmp_path / "out", "--jobs", "2", "--model", oscillator.folder)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["state"] == "running":
            break
    os.killpg(process.pid, signal.SIGTERM)
    rest, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and errors == ""
    assert [one["state"] for one in lines(rest)][-2:] == ["cancelled", "cancelled"]
    assert not list((tmp_path / "out").glob("*"))


def test_nobody_listens_any_more(tmp_path: Path) -> None:
    """When the reading program is gone the work ends too, without a word and without a partial file."""
    oscillator = oscillator_package(tmp_path / "models")
    long_sounds(tmp_path / "in", "b.wav", "c.wav")
    process = start(tmp_path / "in", "-o", tmp_path / "out", "--jobs", "2", "--model", oscillator.folder)
    assert process.stdout is not None and process.stderr is not None
    for line in process.stdout:
        if json.loads(line)["state"] == "running":
            break
    process.stdout.close()
    assert process.wait(timeout=30) == 130
    assert process.stderr.read() == ""
    process.stderr.close()
    assert not list((tmp_path / "out").glob("*"))


def test_what_stops_all_is_told_of_all(tmp_path: Path, package: Package) -> None:
    """A request that makes no sense is one sentence on stderr; a model that is damaged fails every file besides."""
    write_audio(tmp_path / "a.wav", noise(1000), 48000)
    process = start(tmp_path / "a.wav", "-o", tmp_path / "out", "--model", "no-such-model")
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and printed == "" and "no-such-model" in errors
    damaged = gain_package(tmp_path / "models")
    (damaged.folder / "model.onnx").write_bytes(b"nothing")
    process = start(tmp_path / "a.wav", "-o", tmp_path / "out", "--model", damaged.folder)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and len(errors.strip().splitlines()) == 1
    told = lines(printed)
    assert not told or (told[-1]["state"] == "failed" and told[-1]["sentence"] in errors)
