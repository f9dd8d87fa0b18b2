"""The laws of who may import whom, by import-linter on the source and by asking a fresh interpreter."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "onnxruntime", "sounddevice", "PyQt6", "numba", "scipy", "librosa", "rtmidi", "numpy")
# Patterns of house rules: what trainer must never import, and what of realtime must never touch a device or a model.
LIVE_SIDE = ("engine*", "host*", "audio_io*", "midi*", "live_session*", "stream*")
SIGNAL_PROCESSING = ("features", "phase*", "pitch*", "latency", "controls", "ring", "resample", "spectrum", "desk")


def contracts() -> dict[str, dict[str, list[str]]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def realtime_modules(*patterns: str) -> set[str]:
    """Modules and folders of realtime whose name fits; a contract on a folder holds for all that is in it."""
    found = (ROOT / "realtime").iterdir()
    stems = {path.stem for path in found if path.suffix == ".py" or (path / "__init__.py").is_file()}
    return {f"realtime.{stem}" for stem in stems if any(fnmatch(stem, pattern) for pattern in patterns)}


def loaded_after(code: str) -> set[str]:
    """Top-level modules in `sys.modules` of a fresh interpreter after `code`."""
    asked = (
        f"{code}\nimport sys, json\nprint('\\n' + json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_contracts_hold() -> None:
    """No module imports what the contracts in pyproject.toml forbid it."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_what_the_base_install_asks_for_is_used() -> None:
    """Every package among the dependencies is imported somewhere in a room."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    distributions = {re.split(r"[<>=; ]", line)[0].lower() for line in asked}
    modules = {"onnxruntime-gpu": "onnxruntime", "python-rtmidi": "rtmidi", "jack-client": "jack"}
    modules |= {"python-osc": "pythonosc", "tomli-w": "tomli_w"}
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for room in ("realtime", "trainer", "gui")
        for path in (ROOT / room).rglob("*.py")
    )
    imported = {name.lower() for name in re.findall(r"^\s*(?:from|import) (\w+)", code, re.MULTILINE)}
    assert {one for one in distributions if modules.get(one, one) not in imported} == set()


def test_every_room_is_under_a_contract() -> None:
    """Realtime, trainer, gui, the signal processing and the model files each have their contract."""
    assert {"realtime", "trainer", "gui", "gui-audio", "dsp", "models"} <= set(contracts())
    assert {"torch", "PyQt6", "trainer", "gui"} <= set(contracts()["realtime"]["forbidden_modules"])
    assert {"trainer", "torch"} <= set(contracts()["gui"]["forbidden_modules"])
    assert {"onnxruntime", "sounddevice"} <= set(contracts()["gui-audio"]["forbidden_modules"])
    assert {"sounddevice", "onnxruntime", "mido"} <= set(contracts()["dsp"]["forbidden_modules"])


def test_every_live_module_is_forbidden_to_the_trainer() -> None:
    """A new engine, host, sound card or MIDI module of realtime is named in the trainer's contract."""
    live = realtime_modules(*LIVE_SIDE)
    assert live
    assert live | {"gui"} <= set(contracts()["trainer"]["forbidden_modules"])


def test_every_signal_module_is_pure() -> None:
    """Every signal-processing module of realtime is named in the contract that keeps it from devices and models."""
    pure = realtime_modules(*SIGNAL_PROCESSING)
    assert pure
    assert pure == set(contracts()["dsp"]["source_modules"])


def test_realtime_runs_without_torch_and_qt() -> None:
    """Importing every module of realtime loads neither torch nor PyQt6 nor the other rooms."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ROOT.glob("realtime/**/*.py"))]
    names = [name.removesuffix(".__init__") for name in names]
    loaded = loaded_after("\n".join(f"import {name}" for name in names))
    assert "realtime" in loaded
    assert not loaded & {"torch", "PyQt6", "pyqtgraph", "trainer", "gui", "librosa"}


def test_the_command_line_loads_nothing_heavy() -> None:
    """Building the whole command line, as `retimbre --help` does, loads no package that takes long."""
    loaded = loaded_after("from realtime.cli import build_app\nimport typer\ntyper.main.get_command(build_app())")
    assert "typer" in loaded
    assert "trainer" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("room", ["realtime", "trainer"])
def test_every_command_module_is_registered(room: str) -> None:
    """Each module in a room's commands folder is in its list, and each name in the list has a module."""
    listed = import_module(f"{room}.cli")
    modules = {path.stem for path in (ROOT / room / "commands").glob("*.py")} - {"__init__"}
    assert modules == set(listed.COMMANDS)
