from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gui import show_file
from gui.own_command import own_command, yield_to_sound
from realtime.errors import AudioFileError


def test_our_own_command_runs_with_the_same_interpreter() -> None:
    """`own_command` is a whole command line that runs `retimbre` as it is installed here."""
    done = subprocess.run(own_command("--version"), capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("retimbre ")


def test_a_frozen_binary_is_its_own_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen binary has no -m: the arguments follow its name."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_command("convert", Path("a.wav")) == [sys.executable, "convert", "a.wav"]


def test_a_process_yields_to_live_sound() -> None:
    """A yielding process is nicer than ours, and one that has ended is no error."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield_to_sound(process.pid)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
    yield_to_sound(process.pid)


def test_a_file_is_shown_by_the_file_manager_or_its_folder_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file manager gets the file's address; where none answers that is said, and a lost file is a sentence."""
    path = tmp_path / "a, b é.wav"
    path.touch()
    told = tmp_path / "told"
    program = tmp_path / "dbus-send"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{told}"\nexit "$ANSWER"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("ANSWER", "0")
    assert show_file.reveal(path)
    assert f"array:string:file://{tmp_path}/a%2C%20b%20%C3%A9.wav" in told.read_text().splitlines()
    monkeypatch.setenv("ANSWER", "1")
    assert not show_file.reveal(path)
    path.unlink()
    with pytest.raises(AudioFileError, match=r"not in .* any more: look"):
        show_file.reveal(path)
