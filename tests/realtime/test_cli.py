"""The command line as a user meets it: in a process of its own, by exit code, stdout and stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import platformdirs
import pytest
import typer

from realtime.cli import missing_extra_sentence, register_modules
from realtime.report import save_report

# Runs `retimbre fail`, a command added for the test, which does what CODE says.
PROGRAM = """
import sys, typer
import realtime.cli as cli
build = cli.build_app
def build_with_failure():
    app = build()
    @app.command("fail")
    def fail() -> None:
        {code}
    return app
cli.build_app = build_with_failure
sys.argv = ["retimbre", "fail"]
cli.main()
"""


def retimbre(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "realtime.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def failing(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM.format(code=code)]
    settings = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=settings)


def test_version_is_that_of_the_distribution() -> None:
    """`retimbre --version` prints the installed version."""
    assert retimbre("--version").stdout == f"retimbre {version('retimbre')}\n"


def test_help_lists_the_commands_of_the_rooms() -> None:
    """`retimbre --help` names the subcommands and ends well."""
    done = retimbre("--help")
    assert done.returncode == 0
    assert "doctor" in done.stdout
    assert "prepare" in done.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    """An unknown subcommand ends with exit code 2 and its name."""
    done = retimbre("transmogrify")
    assert done.returncode == 2
    assert "transmogrify" in done.stderr


def test_an_error_of_ours_is_one_sentence() -> None:
    """A RetimbreError becomes its sentence on stderr and exit code 1."""
    done = failing("from realtime.errors import DataError; raise DataError('The folder x is empty: add recordings.')")
    assert done.returncode == 1
    assert done.stderr == "retimbre: The folder x is empty: add recordings.\n"
    assert done.stdout == ""


def test_an_interruption_is_quiet() -> None:
    """Ctrl-C ends with exit code 130 and no traceback."""
    # A shell that starts the tests in the background has them ignore Ctrl-C, which children inherit.
    heard = "import os, signal, time; signal.signal(signal.SIGINT, signal.default_int_handler)"
    done = failing(f"{heard}; os.kill(os.getpid(), {int(signal.SIGINT)}); time.sleep(5)")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_defect_leaves_a_report_not_a_traceback(user_folders: Path) -> None:
    """An unexpected exception becomes one sentence that names a file with the traceback."""
    done = failing("raise ZeroDivisionError('oh no')")
    assert done.returncode == 70
    assert len(done.stderr.splitlines()) == 1
    assert "ZeroDivisionError: oh no" in done.stderr
    (report,) = user_folders.rglob("report-*.txt")
    assert str(report) in done.stderr
    assert "Traceback" in report.read_text(encoding="utf-8")


def test_debugging_shows_the_traceback() -> None:
    """With RETIMBRE_DEBUG=1 a defect shows its traceback."""
    done = failing("raise ZeroDivisionError('oh no')", RETIMBRE_DEBUG="1")
    assert "Traceback" in done.stderr
    assert "oh no" in done.stderr


def test_a_missing_extra_says_how_to_install_it() -> None:
    """A training command without torch ends with exit code 1 and the command that installs it."""
    done = failing("sys.modules['torch'] = None; import torch")
    assert done.returncode == 1
    assert "needs torch" in done.stderr
    assert "retimbre[train]" in done.stderr


def test_the_frozen_app_advises_nothing_that_it_cannot_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Python to install into, the sentence names the Python install and no pip command."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    sentence = missing_extra_sentence("torch")
    assert "Python install" in sentence and "README" in sentence
    assert "pip" not in sentence and "`" not in sentence


def test_a_report_lies_in_a_folder_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of reports is asked for without an author's folder around it, as every other folder of ours is."""
    asked: list[tuple[str, object]] = []

    def folder(name: str, appauthor: object = None) -> Path:
        asked.append((name, appauthor))
        return tmp_path

    monkeypatch.setattr(platformdirs, "user_log_path", folder)
    saved = save_report(ValueError("x"))
    assert saved is not None and saved.parent == tmp_path
    assert asked == [("retimbre", False)]


def test_a_missing_module_of_ours_is_a_defect() -> None:
    """A module that is no part of the training extra is not blamed on it."""
    done = failing("import realtime.nowhere")
    assert done.returncode == 70
    assert "retimbre[train]" not in done.stderr


def test_a_command_without_a_module_is_an_error() -> None:
    """A name in a list of commands that has no module is never skipped."""
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        register_modules(typer.Typer(), "realtime.commands", ("nowhere",))
