from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from gui.train import run_process
from gui.train.catalogue import Recipe, Setting, minutes_words, rough_time
from gui.train.failure import failure
from gui.train.run_folder import Follower, Run, read_run, write_json
from gui.train.runs_list import short_words
from gui.train.watch_page import state_words
from realtime.errors import ConfigError


def mine() -> dict[str, Any]:
    """This process as a run's files name one."""
    return {"pid": os.getpid(), "created": psutil.Process().create_time()}


def ended() -> dict[str, Any]:
    """A process that was, and is no more."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    created = psutil.Process(process.pid).create_time()
    process.wait(timeout=30)
    return {"pid": process.pid, "created": created}


def run_in(folder: Path, **state: Any) -> Run:
    folder.mkdir(exist_ok=True)
    write_json(folder / "state.json", {"format": 1, "step": 12, "steps": 40, "started": 100.0, **state})
    return read_run(folder)


def test_a_state_is_believed_while_its_process_lives(tmp_path: Path) -> None:
    """A run that says it trains does so only while the process that said it is there."""
    assert run_in(tmp_path / "run", state="running", **mine()).state == "running"
    broken = run_in(tmp_path / "run", state="running", **ended())
    assert broken.state == "broken"
    assert "ended without a word" in broken.sentence


def test_a_process_number_that_was_given_again_is_not_believed(tmp_path: Path) -> None:
    """A living process of the same number but another birth is not the training."""
    assert run_in(tmp_path / "run", state="running", pid=os.getpid(), created=1.0).state == "broken"


def test_a_crash_is_told_with_the_last_sentence_of_the_log(tmp_path: Path) -> None:
    """What the command said at its end, without the colours of a terminal, is the run's sentence."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.txt").write_text(
        "step 1/40\n\x1b[31mretimbre: There is no folder x: give one.\x1b[0m\n", encoding="utf-8"
    )
    write_json(tmp_path / "run" / "process.json", {**ended(), "asked": 5.0})
    run = read_run(tmp_path / "run")
    assert (run.state, run.sentence) == ("broken", "There is no folder x: give one.")
    assert "There is no folder x" in state_words(run)


def test_the_sentence_of_a_failed_training_stands_in_its_state(tmp_path: Path) -> None:
    """A failure that the training told itself is shown as a whole sentence."""
    run = run_in(tmp_path / "run", state="failed", sentence="the disk of x is full: make room", **ended())
    assert (run.state, run.sentence) == ("broken", "The disk of x is full: make room.")


def test_a_stop_that_was_asked_for_is_no_crash(tmp_path: Path) -> None:
    """While it ends, a run is stopping; gone after a wish to stop, it has stopped."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stop").touch()
    assert run_in(tmp_path / "run", state="running", **mine()).state == "stopping"
    assert run_in(tmp_path / "run", state="preparing", **ended()).state == "stopped"


def test_what_was_told_before_a_new_start_is_not_believed(tmp_path: Path) -> None:
    """A process started after the last word of the run before is starting, whatever that word was."""
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "process.json", {**mine(), "asked": 200.0})
    run = run_in(tmp_path / "run", state="done", **ended())
    assert (run.state, run.step) == ("starting", 12)


def test_a_folder_that_is_gone_says_so(tmp_path: Path) -> None:
    """A run on a drive that is not there is missing, with what to do."""
    run = read_run(tmp_path / "gone")
    assert run.state == "missing"
    assert "put it back" in run.sentence
    assert short_words(run) == "not there"


def test_damaged_files_of_a_run_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    """Half a line, a line that is no JSON and a clip without a picture do not hide the others."""
    folder = tmp_path / "run"
    (folder / "clips").mkdir(parents=True)
    (folder / "state.json").write_text("{", encoding="utf-8")
    (folder / "metrics.jsonl").write_bytes(b'{"kind": "train", "step": 1}\nnonsense\n[1]\n{"kind": "tr')
    good = {"step": 0, "clip": "a", "part": "input", "sound": "a.flac", "picture": "a.png", "seconds": 1.0}
    (folder / "clips" / "index.jsonl").write_text(json.dumps({"step": 0}) + "\n" + json.dumps(good) + "\n")
    seen = Follower(folder).look()
    assert [point["step"] for point in seen.points] == [1]
    assert [clip.clip for clip in seen.clips] == ["a"]


def test_curves_are_read_on_and_again_when_written_anew(tmp_path: Path) -> None:
    """A file that grows is read from where it ended; one that was replaced is read whole."""
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"kind": "train", "step": 1}\n', encoding="utf-8")
    follower = Follower(tmp_path)
    assert len(follower.look().points) == 1
    with path.open("a", encoding="utf-8") as file:
        file.write('{"kind": "train", "step": 2}\n{"kind"')
    assert [point["step"] for point in follower.look().points] == [1, 2]
    with path.open("a", encoding="utf-8") as file:
        file.write(': "train", "step": 3}\n')
    assert [point["step"] for point in follower.look().points] == [1, 2, 3]
    beside = tmp_path / "new"
    beside.write_text('{"kind": "train", "step": 7}\n' * 9, encoding="utf-8")
    beside.replace(path)
    assert [point["step"] for point in follower.look().points] == [7] * 9


def test_a_training_is_not_begun_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for checkpoints the start is refused with the room that is needed."""
    monkeypatch.setattr(run_process, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(ConfigError, match="make room"):
        run_process.begin(tmp_path / "run", "My horn", "voice", {})


def test_a_training_yields_to_live_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that the app starts runs at a low priority from its beginning."""
    monkeypatch.setattr(run_process, "own_command", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    process = psutil.Process(read_run(run_process.begin(tmp_path / "run", "My horn", "voice", {})).pid)
    try:
        assert process.nice() >= 10
    finally:
        process.kill()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """Where no folder can be made, another is asked for."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="choose another folder"):
        run_process.begin(tmp_path / "file" / "run", "My horn", "voice", {})


def test_titles_become_names_that_packages_may_have() -> None:
    """A title of any letters gives small letters, digits and dashes, and never nothing."""
    assert run_process.slug("My Horn & Reed (2)") == "my-horn-reed-2"
    assert run_process.slug("日本") == "training"


def test_what_is_typed_is_read_as_the_setting_declares() -> None:
    """Numbers are checked against type and range, choices against their list; the sentence says which."""
    steps = Setting("run.steps", "int", 10, "steps", minimum=1)
    assert steps.read(" 25 ") == 25
    with pytest.raises(ConfigError, match="at least 1"):
        steps.read("0")
    with pytest.raises(ConfigError, match="a whole number"):
        steps.read("ten")
    with pytest.raises(ConfigError, match="must be a number"):
        Setting("run.ema", "float", 0.5, "", maximum=1.0).read("nan")
    with pytest.raises(ConfigError, match="at most 1"):
        Setting("run.ema", "float", 0.5, "", maximum=1.0).read("1.5")
    choice = Setting("run.device", "choice", "auto", "", ("auto", "cpu"))
    assert choice.read("cpu") == "cpu"
    with pytest.raises(ConfigError, match="one of the choices"):
        choice.read("gpu")
    assert Setting("model.widths", "list", [], "").read("24, 3.5, x") == [24, 3.5, "x"]


def test_a_list_of_another_version_is_one_sentence() -> None:
    """A line that is not understood says that app and command line differ."""
    with pytest.raises(ConfigError, match="different versions"):
        Recipe.from_line({"kind": "run", "run": "voice"})


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (20, "less than a minute"), (70, "about a minute"), (300, "about 5 minutes"), (1700, "about 30 minutes"),
        (3500, "about an hour"), (5400, "about 1.5 hours"), (40_000, "about 11 hours"), (400_000, "about 5 days"),
    ],
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    """The longer it takes, the rounder the number."""
    assert rough_time(seconds) == words


def test_minutes_of_sound_are_seconds_where_they_are_few() -> None:
    """Less than a minute and a half is told in seconds."""
    assert (minutes_words(0.5), minutes_words(12.2)) == ("30 s", "12 min")


def test_a_command_in_a_sentence_can_be_copied(qapp: Any) -> None:
    """The missing training extra is told with a button that copies the command that installs it."""
    from realtime.cli import missing_extra_sentence

    notice = failure(missing_extra_sentence("torch"))
    assert notice.action == "Copy the command"
    assert notice.do is not None
    notice.do()
    assert qapp.clipboard().text().endswith("-m pip install 'retimbre[train]'")
    assert failure("The disk is full: make room.").action == ""


def test_a_short_run_keeps_the_proportions_of_the_whole() -> None:
    """Steps, phases and the distance of validations shrink together; a long run validates as often as ever."""
    settings = tuple(
        Setting(key, "int", value, "")
        for key, value in (("run.validate_every", 500), ("training.analysis_steps", 1000), ("run.batch", 8))
    )
    recipe = Recipe(
        "voice", "Voice", "", "", "recordings", 5.0, True, 5.0, 4500, (), ("training.analysis_steps",), {}, settings
    )
    assert recipe.for_length(1.0) == {"run.steps": 4500}
    assert recipe.for_length(0.1) == {"run.steps": 450, "run.validate_every": 50, "training.analysis_steps": 100}
    assert recipe.for_length(2.0) == {"run.steps": 9000, "run.validate_every": 500, "training.analysis_steps": 2000}


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        (("data.origin", "data.target"), {"data.origin": "piano", "data.target": "flute"}),
        (("data.origin", "data.targets"), {"data.origin": "piano", "data.targets": ["flute", "organ"]}),
        (("data.targets",), {"data.targets": ["flute", "piano", "organ"]}),
    ],
)
def test_pairs_are_asked_for_as_the_recipe_takes_them(keys: tuple[str, ...], made: dict[str, Any]) -> None:
    """One target, several from one origin, or any into any: the chosen sound comes first, no key is invented."""
    settings = tuple(Setting(key, "text", "", "") for key in keys)
    recipe = Recipe("a", "A", "", "", "paired", 1.0, True, None, 1, (), (), {}, settings)
    assert recipe.pair("piano", "flute", ["piano", "organ", "flute"]) == made
