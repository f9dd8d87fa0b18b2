"""The Train panel with real trainings: tiny ones, each a process of its own that loads torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
import soundfile
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QWidget

from gui.train.run_folder import read_run
from gui.train.train_panel import TrainPanel
from realtime.package import find_packages

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.memory import Memory

RATE = 44100
SLOW = 90_000  # ms: two processes that import torch on a machine that does other things
TINY: dict[str, dict[str, Any]] = {
    "run": {
        "recipe": "voice", "steps": 4000, "batch": 1, "validate_every": 10, "checkpoint_every": 1000, "log_every": 2,
        "threads": 1, "device": "cpu",
    },
    "data": {"minutes": 0.1, "passage_seconds": 2.0},
    "model": {"hidden": 8, "harmonics": 4, "noise_bands": 4, "room_taps": 16},
    "training": {
        "analysis_steps": 4, "analysis_seconds": 0.2, "sound_seconds": 0.2, "lead_in_frames": 8,
        "discriminator_width": 2,
    },
}  # fmt: skip
RECIPE = {
    "kind": "run", "run": "voice", "recipe": "voice", "playable": True, "parameters": 1000, "latency_ms": 5.3,
    "steps": 4000, "tables": TINY,
    "about": {
        "title": "Voice", "purpose": "Plays what it hears.", "wants": "Recordings.", "data": "recordings",
        "minutes": 0.01, "simple": [], "phases": [],
    },
    "settings": [
        {
            "key": "run.batch", "kind": "int", "choices": [], "value": 1, "help": "items a step", "minimum": 1,
            "maximum": None,
        },
        {
            "key": "run.seed", "kind": "int", "choices": [], "value": 0, "help": "everything random", "minimum": 0,
            "maximum": None,
        },
    ],
}  # fmt: skip
LINES = (
    {"kind": "device", "words": "the processor (2 cores)", "gpu": False}, RECIPE, {"kind": "listed", "runs": 1},
    {"kind": "speed", "run": "voice", "seconds": 7200.0},
)  # fmt: skip


def melody(amplitudes: tuple[float, ...], pitch: int) -> np.ndarray[Any, Any]:
    time = np.arange(round(0.4 * RATE)) / RATE
    envelope = np.minimum(1, time / 0.02) * np.exp(-1.5 * time)
    notes = [
        envelope * sum(
            a * np.sin(2 * np.pi * 440 * 2 ** ((pitch + step - 69) / 12) * (h + 1) * time)
            for h, a in enumerate(amplitudes)
        )
        for step in (0, 2, 4, 7)
    ]  # fmt: skip
    return (0.15 * np.concatenate(notes)).astype(np.float32)


def record(folder: Path, name: str, sound: np.ndarray[Any, Any], rate: int = RATE) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / name, sound, rate, subtype="FLOAT")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two instruments, and one recording that is clipped from a half second on."""
    folder = tmp_path / "mine"
    for instrument, amplitudes in (("horn", (1.0, 0.8, 0.5)), ("reed", (1.0, 0.05, 0.7))):
        for pitch in (57, 60):
            record(folder, f"{instrument}/take{pitch}.wav", melody(amplitudes, pitch))
    loud = melody((1.0, 0.8), 57)
    loud[RATE // 2 :] = np.clip(40 * loud[RATE // 2 :], -1, 1)
    record(folder, "horn/loud.wav", loud)
    return folder


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A list of recipes that comes as fast as it can: the real one is asked in tests/trainer."""
    said = tmp_path / "zoo.jsonl"
    said.write_text("".join(json.dumps(line) + "\n" for line in LINES), encoding="utf-8")
    code = "import sys; sys.stdout.write(open(sys.argv[1], encoding='utf-8').read())"
    monkeypatch.setattr("gui.train.new_page.own_command", lambda *_: [sys.executable, "-c", code, str(said)])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def make_panel(
    quiet_bridge: Bridge, memory: Memory, qtbot: QtBot, user_folders: Path
) -> Iterator[Callable[[], TrainPanel]]:
    """Panels as the app makes them; whatever they started is ended with the test."""

    def make() -> TrainPanel:
        panel = TrainPanel(quiet_bridge, memory)
        qtbot.addWidget(panel)
        panel.resize(1180, 580)
        panel.show()
        qtbot.waitUntil(lambda: panel.new is not None and panel.new.recipe is None, timeout=10_000)
        return panel

    yield make
    for process in psutil.process_iter(["cmdline"]):
        if any(str(user_folders) in word for word in process.info["cmdline"] or ()):
            process.kill()


def press(button: QWidget, qtbot: QtBot) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def page(panel: TrainPanel) -> Any:
    assert panel.new is not None
    return panel.new


def check(panel: TrainPanel, folder: Path, qtbot: QtBot) -> None:
    """Give the folder, press Check, wait for the end."""
    data = page(panel).data
    data.sources.folders.add(str(folder))
    press(data.check, qtbot)
    qtbot.waitUntil(data.check.isVisible, timeout=SLOW)


def watched(panel: TrainPanel) -> Any:
    assert panel.watch is not None
    return panel.watch


@pytest.mark.timeout(400)  # three processes that load torch, on a machine that may do other things
def test_a_training_from_folders_to_the_library(
    make_panel: Callable[[], TrainPanel],
    recordings: Path,
    zoo: None,
    memory: Memory,
    quiet_bridge: Bridge,
    qtbot: QtBot,
) -> None:
    """Check, start, watch, close the panel, find it running, stop, go on, stop, export: the model is in the library."""
    panel = make_panel()
    check(panel, recordings, qtbot)
    new = page(panel)
    assert new.data.data is not None
    assert set(new.data.data.minutes) == {"horn", "reed"}
    press(new.next, qtbot)
    qtbot.waitUntil(lambda: new.recipe is not None and bool(new.recipe.cards), timeout=10_000)
    qtbot.waitUntil(lambda: new.next.text() == "Start training" and new.next.isEnabled(), timeout=10_000)
    assert "about 2 hours" in new.recipe.cards[0].costs.text()
    assert "No graphics card" in new.words.text()
    new.recipe.name.setText("My horn & reed")
    press(new.next, qtbot)
    qtbot.waitUntil(lambda: panel.watch is not None and panel.watch.run is not None, timeout=10_000)
    watch = watched(panel)
    assert watch.run.live
    folder = watch.run.folder

    qtbot.waitUntil(lambda: len(watch.plot.unseen) >= 2 and len(watch.plot.training) >= 3, timeout=SLOW)
    before = len(watch.plot.training)
    qtbot.waitUntil(lambda: len(watch.plot.training) > before, timeout=SLOW)
    assert watch.run.state == "running"
    assert "step" in watch.state_line.text()
    assert watch.clips.file("output") is not None
    qtbot.waitUntil(lambda: not watch.clips.pictures["output"].empty, timeout=10_000)
    assert watch.clips.file("output").sound.is_file()
    pid = watch.run.pid
    panel.close()
    panel.deleteLater()
    assert psutil.pid_exists(pid)

    again = make_panel()
    qtbot.waitUntil(lambda: again.watch is not None and again.watch.run is not None, timeout=10_000)
    watch = watched(again)
    assert (watch.run.folder, watch.run.pid) == (folder, pid)
    press(watch.stop, qtbot)
    qtbot.waitUntil(lambda: watch.run.state == "stopped", timeout=SLOW)
    stopped_at = watch.run.step
    assert 0 < stopped_at < 4000
    assert (folder / "last.pt").is_file()

    press(watch.resume, qtbot)
    qtbot.waitUntil(lambda: watch.run.state == "running" and watch.run.step > stopped_at, timeout=SLOW)
    press(watch.export, qtbot)  # while it trains: the best so far
    qtbot.waitUntil(lambda: watch.run.exported != "", timeout=SLOW)
    press(watch.stop, qtbot)
    qtbot.waitUntil(lambda: watch.run.state == "stopped", timeout=SLOW)
    found = {package.name: package for package in find_packages()}
    assert found["my-horn-reed"].manifest is not None
    assert found["my-horn-reed"].manifest.title == "My horn & reed"
    with qtbot.waitSignal(quiet_bridge.panel_wanted) as asked:
        press(watch.play, qtbot)
    assert asked.args == ["play"]
    qtbot.waitUntil(lambda: quiet_bridge.state.settings.model == "my-horn-reed", timeout=10_000)


def test_faults_are_told_and_marked_where_they_are(
    make_panel: Callable[[], TrainPanel], recordings: Path, zoo: None, qtbot: QtBot
) -> None:
    """The clipped recording is first in the list, with its sentence and its place on the waveform; the rest is used."""
    panel = make_panel()
    check(panel, recordings, qtbot)
    found = page(panel).data.found
    qtbot.waitUntil(lambda: found.list.currentRow() == 0, timeout=5000)
    assert "clipped at 0.5" in found.sentence.text()
    assert found.list.item(0).text() == "loud.wav  –  clipping"
    marks = found.files[[one.refused for one in found.files].index(True)].marks()
    assert marks
    assert all(0.45 < start < end <= 1.7 and words == "clipping" for start, end, words in marks)
    assert found.summary.text() == "horn 3 s · reed 3 s"
    assert "1 left out" in found.counts.text()
    found.all.setChecked(True)
    qtbot.waitUntil(lambda: found.list.count() == 5, timeout=5000)


def test_a_folder_of_nothing_but_faults_is_refused(
    make_panel: Callable[[], TrainPanel], tmp_path: Path, zoo: None, qtbot: QtBot
) -> None:
    """Where no recording is fit, the page says so, marks why, and does not go on."""
    record(tmp_path / "bad", "horn/silent.wav", np.zeros(RATE, np.float32))
    panel = make_panel()
    check(panel, tmp_path / "bad", qtbot)
    new = page(panel)
    assert new.data.notices.isVisible()
    assert new.data.data is None
    assert not new.next.isEnabled()
    qtbot.waitUntil(lambda: "is silent from 0.00 s" in new.data.found.sentence.text(), timeout=5000)


def test_a_folder_that_is_not_there_is_one_sentence(
    make_panel: Callable[[], TrainPanel], tmp_path: Path, zoo: None, qtbot: QtBot
) -> None:
    """The command's own sentence is shown on the page, and the folder can be taken away again."""
    panel = make_panel()
    check(panel, tmp_path / "gone", qtbot)
    data = page(panel).data
    assert data.notices.isVisible()
    assert "There is no folder" in data.notices.sentence.text()
    data.sources.folders.list.setCurrentRow(0)
    press(data.sources.folders.remove_button, qtbot)
    assert data.sources.folders.paths() == []
    assert not data.check.isEnabled()
    assert not data.notices.isVisible()


def test_a_training_that_crashes_is_told_with_its_sentence(
    make_panel: Callable[[], TrainPanel],
    quiet_bridge: Bridge,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    """A training whose data are gone ends; the panel shows the sentence and offers to start again."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    panel = make_panel()
    from gui.train import run_process

    tables = {**TINY, "data": {**TINY["data"], "index": str(tmp_path / "gone.json"), "targets": ["horn"]}}
    folder = run_process.begin(tmp_path / "run", "Broken", "voice", tables)
    panel.watcher.add(folder)
    panel.runs.choose(folder)
    qtbot.waitUntil(lambda: panel.watch is not None and panel.watch.run is not None, timeout=10_000)
    watch = watched(panel)
    qtbot.waitUntil(lambda: watch.run.state == "broken", timeout=SLOW)
    assert "gone.json cannot be read" in watch.state_line.text()
    assert watch.resume.text() == "Start again"
    assert not watch.stop.isVisible()
    rows: Any = panel.runs.list
    qtbot.waitUntil(lambda: rows.count() == 1 and "ended by itself" in rows.item(0).text())
    assert read_run(folder).state == "broken"
