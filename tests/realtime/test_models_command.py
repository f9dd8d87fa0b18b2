from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from realtime.commands import models
from realtime.errors import PackageError
from realtime.manifest import MODEL_FILE, Manifest
from realtime.package import MODELS_VARIABLE
from tests.realtime.package_parts import toy_model, toy_package
from tests.realtime.test_package import replace_file


@pytest.fixture
def app() -> typer.Typer:
    """The command line with this command alone."""
    made = typer.Typer()
    models.register(made)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that holds a good one, and is searched alone."""
    monkeypatch.setattr("realtime.package.package_folders", lambda: [tmp_path])
    monkeypatch.setenv("COLUMNS", "160")
    toy_package(tmp_path, title="Toy [bold]one[/bold]")
    return tmp_path


def test_list_shows_good_and_broken_packages(app: typer.Typer, folder: Path) -> None:
    """The list has the good package as it is called, says why the other is broken, and ends with 0."""
    (toy_package(folder, name="sick").folder / MODEL_FILE).write_bytes(b"")
    done = CliRunner().invoke(app, ["models", "list"])
    assert done.exit_code == 0
    assert "Toy [bold]one[/bold]" in done.stdout
    assert "flute, viola" in done.stdout
    assert "model.onnx ends too early" in done.stderr


def test_list_as_json_holds_every_package(app: typer.Typer, folder: Path) -> None:
    """--json lists name, folder, error, size and latency for programs."""
    (entry,) = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert entry["name"] == "toy"
    assert entry["error"] is None
    assert entry["latency_ms"] == 0.0
    assert entry["targets"] == ["flute", "viola"]


def test_an_empty_list_says_where_it_looked(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a package the folders that were searched are named."""
    monkeypatch.setattr("realtime.package.package_folders", lambda: [tmp_path / "void"])
    done = CliRunner().invoke(app, ["models", "list"])
    assert done.exit_code == 0
    assert "void" in done.stdout


def test_show_tells_everything(app: typer.Typer, folder: Path) -> None:
    """Targets with their range, controls with their MIDI controller, and licences are shown."""
    done = CliRunner().invoke(app, ["models", "show", "toy"])
    assert done.exit_code == 0
    for word in ("flute", "261 Hz", "Mix", "11", "CC0-1.0", "32 samples (2.00 ms)"):
        assert word in done.stdout
    text = CliRunner().invoke(app, ["models", "show", "toy", "--json"]).stdout
    assert Manifest.parse(text).name == "toy"


def test_show_of_nothing_is_an_error(app: typer.Typer, folder: Path) -> None:
    """A name that is not there raises the sentence that the command line prints."""
    done = CliRunner().invoke(app, ["models", "show", "tyo"])
    assert isinstance(done.exception, PackageError)
    assert "did you mean toy" in str(done.exception)


def test_check_passes_and_fails_by_its_exit_code(app: typer.Typer, folder: Path) -> None:
    """0 while every golden sound comes out; 1, with the reason, as soon as one does not."""
    done = CliRunner().invoke(app, ["models", "check"])
    assert done.exit_code == 0
    assert "passed" in done.stdout
    replace_file(toy_package(folder, name="wrong").folder, MODEL_FILE, toy_model(op="Neg"), signed=True)
    done = CliRunner().invoke(app, ["models", "check"])
    assert done.exit_code == 1
    assert "FAILED" in done.stdout
    assert "wrong: differs from its golden sound" in done.stderr
    assert CliRunner().invoke(app, ["models", "check", "toy"]).exit_code == 0
    assert CliRunner().invoke(app, ["models", "check", str(folder / "wrong")]).exit_code == 1


def test_check_as_json_names_the_missing(app: typer.Typer, folder: Path) -> None:
    """--json gives numbers for what was measured and the sentence for what is missing."""
    done = CliRunner().invoke(app, ["models", "check", "toy", "nothing", "--json"])
    assert done.exit_code == 1
    good, bad = json.loads(done.stdout)
    assert good["passed"] and good["error"] <= good["tolerance"]
    assert not bad["passed"] and "nothing" in bad["sentence"]


def test_the_variable_adds_a_folder(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RETIMBRE_MODELS brings a folder's packages into the list."""
    toy_package(tmp_path, name="extra")
    monkeypatch.setenv(MODELS_VARIABLE, f"{tmp_path}{os.pathsep}")
    listed = json.loads(CliRunner().invoke(app, ["models", "list", "--json"]).stdout)
    assert {"extra", "identity"} <= {entry["name"] for entry in listed}
