from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from realtime.cli import build_app
from realtime.errors import ConfigError
from realtime.presets.library import preset_folder, read_preset, write_preset, write_setlist
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist


def run(*words: str) -> Result:
    return CliRunner().invoke(build_app(), ["presets", *words])


@pytest.fixture
def lead() -> Path:
    return write_preset(Preset("lead", "voice", targets={"violin": 1.0}))


def test_the_list_names_presets_setlists_and_broken_files(lead: Path) -> None:
    """The list shows what is found, says why a broken file is broken and where one's own are, and gives 0."""
    write_setlist(Setlist("evening", ("lead", "lead")))
    (preset_folder() / "broken.toml").write_text("model = ")
    done = run("list")
    assert done.exit_code == 0
    for word in ("lead", "voice", "violin", "evening", "lead, lead", "plucked-guitar", "broken: The preset"):
        assert word in done.output
    assert str(preset_folder()) in done.output.replace("\n", "")


def test_the_list_as_json_is_whole(lead: Path) -> None:
    """As JSON the list has name, path and error of everything."""
    (preset_folder() / "broken.toml").write_text("model = ")
    entries = {entry["name"]: entry for entry in json.loads(run("list", "--json").output)["presets"]}
    assert entries["lead"] == {"name": "lead", "path": str(lead), "error": None, "hidden": False}
    assert "not valid TOML" in entries["broken"]["error"]


def test_what_is_shown_is_a_preset(lead: Path, tmp_path: Path) -> None:
    """What `show` prints is a file that reads as the same preset."""
    done = run("show", "lead")
    (tmp_path / "lead.toml").write_text(done.output)
    assert read_preset(tmp_path / "lead.toml") == read_preset(lead)
    write_setlist(Setlist("evening", ("lead",)))
    assert 'presets = [\n    "lead",\n]' in run("show", "--setlist", "evening").output


def test_the_check_tells_what_is_missing(lead: Path) -> None:
    """The check is silent with 0 when all is here, and 1 with a sentence for each thing that is not."""
    done = run("check")
    assert done.exit_code == 0, done.output
    assert "4 checked" in done.output
    write_setlist(Setlist("evening", ("lead", "gone")))
    write_preset(Preset("old", "vanished"))
    done = run("check")
    assert done.exit_code == 1
    assert "There is no preset named 'gone'" in done.output
    assert "There is no model named 'vanished'" in done.output
    assert run("check", "lead").exit_code == 0
    assert run("check", "lead", "gone").exit_code == 1


def test_the_path_is_a_folder_or_a_file(lead: Path) -> None:
    """Without a name the path of one's own folder is printed, with a name that of the preset."""
    assert run("path").output.strip() == str(preset_folder())
    assert run("path", "lead").output.strip() == str(lead)
    failed = run("path", "nothing like it")
    assert isinstance(failed.exception, ConfigError)
