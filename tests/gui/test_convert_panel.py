"""The Convert panel with real conversions in real processes; nothing sounds here (see test_convert_compare.py)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from PyQt6.QtTest import QTest

from realtime.controls import Controls
from realtime.presets.library import write_preset
from realtime.presets.preset import Preset

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget
    from pytestqt.qtbot import QtBot

    from gui.bridge import Bridge
    from gui.convert.convert_panel import ConvertPanel
    from gui.convert.job import Job
    from gui.memory import Memory

RATE = 48_000
HANDS: Any = QTest  # its stubs take static methods for methods
LONG_S = 60_000


@pytest.fixture
def panel(qtbot: QtBot, quiet_bridge: Bridge, memory: Memory, tmp_path: Path) -> Iterator[ConvertPanel]:
    """The panel on the screen, its models read, with a folder of the test's for results."""
    window, made = make_panel(qtbot, quiet_bridge, memory, tmp_path)
    yield made
    window.hide()
    made.converter.close()


def make_panel(qtbot: QtBot, bridge: Bridge, memory: Memory, tmp_path: Path) -> tuple[QWidget, ConvertPanel]:
    from PyQt6.QtWidgets import QWidget

    from gui.convert.convert_panel import ConvertPanel

    memory.set("convert.folder", tmp_path / "out")
    window = QWidget()  # a window whose least size changes is more than Qt's offscreen platform knows
    made = ConvertPanel(bridge, memory, window)
    qtbot.addWidget(window)
    window.resize(1190, 620)
    made.resize(1190, 620)
    window.show()
    qtbot.waitUntil(lambda: made.form.ready, timeout=20_000)
    return window, made


@pytest.fixture
def sound(tmp_path: Path) -> Callable[..., Path]:
    """Make a sound file: `sound(name, seconds, hz)`, a harmonic tone."""

    def make(name: str, seconds: float = 1.0, hz: float = 330.0) -> Path:
        time = np.arange(round(seconds * RATE)) / RATE
        tone = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 8))
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.2 * np.asarray(tone), RATE)
        return path

    return make


def choose_model(panel: ConvertPanel, name: str) -> None:
    panel.form.model.setCurrentIndex(panel.form.model.findData(name))
    assert panel.form.model.currentData() == name


def add(qtbot: QtBot, panel: ConvertPanel, *paths: Path) -> list[Job]:
    before = len(panel.queue.jobs)
    panel.add_paths(paths)
    qtbot.waitUntil(lambda: len(panel.queue.jobs) >= before + len(paths), timeout=10_000)
    return panel.queue.jobs[before:]


def ended(panel: ConvertPanel) -> Callable[[], bool]:
    return lambda: not panel.converter.busy


def pitch_hz(path: Path) -> float:
    samples, rate = soundfile.read(path)
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 18))
    hz = np.fft.rfftfreq(1 << 18, 1 / rate)
    # The product of the spectrum with itself, compressed: the fundamental may be weaker than its harmonics.
    found = np.arange(100.0, 1000.0, 0.5)
    return float(
        found[np.argmax([sum(np.log(np.interp(f * k, hz, spectrum) + 1e-3) for k in range(1, 5)) for f in found])]
    )


def test_files_sound_as_a_preset_does(
    qtbot: QtBot, quiet_bridge: Bridge, memory: Memory, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """A preset brings its own level to the result, hides what it decides, names the result, and is remembered."""
    write_preset(Preset("quiet", "identity", controls=Controls(output_gain_db=-12.0)))
    window, panel = make_panel(qtbot, quiet_bridge, memory, tmp_path)
    form = panel.form
    assert form.mix.isVisible()
    assert not form.preset_words.isVisible()
    form.preset.setCurrentIndex(form.preset.findData("quiet"))
    assert form.preset_words.isVisible()
    assert not any(part.isVisible() for part in (form.model, form.blend, form.mix, form.match, form.octave))
    source = sound("a.wav")
    add(qtbot, panel, source)
    panel.convert_button.click()
    qtbot.waitUntil(ended(panel), timeout=60_000)
    result = tmp_path / "out" / "a (quiet).wav"
    before, after = soundfile.read(source)[0], soundfile.read(result)[0]
    assert 20 * np.log10(after.std() / before.std()) == pytest.approx(-12.0, abs=0.1)
    assert memory.get("convert.preset", "") == "quiet"
    form.preset.setCurrentIndex(0)
    assert form.mix.isVisible()
    window.hide()
    panel.converter.close()


def test_it_begins_with_what_can_be_done(panel: ConvertPanel) -> None:
    """An empty queue says what to drop and offers to choose; there is nothing to convert yet."""
    assert panel.pages.currentWidget() is panel.empty
    assert panel.empty.title.text() == "Drop sound files here"
    assert not panel.convert_button.isEnabled()


def test_a_file_comes_back_as_it_went_with_identity(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """The package `identity` gives the input again, and the result lies where and under the name that was promised."""
    choose_model(panel, "identity")
    source = sound("a.wav")
    (job,) = add(qtbot, panel, source)
    HANDS.mouseClick(panel.convert_button, left())
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert (job.state, job.sentence, job.result) == ("done", "", tmp_path / "out" / "a (identity).wav")
    was, now = soundfile.read(source)[0], soundfile.read(job.result)[0]
    assert len(was) == len(now)
    assert np.abs(was - now).max() < 2e-3
    qtbot.waitUntil(lambda: [path.name for path in (tmp_path / "out").iterdir()] == ["a (identity).wav"])


def left() -> Any:
    from PyQt6.QtCore import Qt

    return Qt.MouseButton.LeftButton


def test_the_voice_keeps_the_pitch_and_drawn_beside_the_input(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """A tone through the shipped voice keeps its pitch, is named after the target, and is drawn beside its input."""
    choose_model(panel, "voice")
    panel.form.blend.set_weights((0.0, 0.0, 1.0, 0.0, 0.0, 0.0))
    panel.form.format.setCurrentIndex(panel.form.format.findData("flac"))
    (job,) = add(qtbot, panel, sound("tone.wav", 1.5, 440.0))
    panel.convert()
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert job.state == "done", job.sentence
    assert job.result == tmp_path / "out" / "tone (flute).flac"
    assert abs(1200 * np.log2(pitch_hz(job.result) / 440.0)) < 25
    qtbot.waitUntil(lambda: panel.compare.shows(job) and panel.compare.drawn, timeout=10_000)
    assert panel.compare.isVisible()


def test_a_dropped_folder_is_converted_with_its_tree(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """A real drop of a folder fills the queue, and the results have the same tree."""
    from PyQt6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
    from PyQt6.QtGui import QDragEnterEvent, QDropEvent
    from PyQt6.QtWidgets import QApplication

    choose_model(panel, "identity")
    folder = sound("one.wav", 0.5).parent
    sound("deep/two.wav", 0.5)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(folder))])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(panel.rect().center(), copy, data, left(), none)
    QApplication.sendEvent(panel, enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPointF(panel.rect().center()), copy, data, left(), none, QEvent.Type.Drop)
    QApplication.sendEvent(panel, drop)
    assert drop.isAccepted()
    qtbot.waitUntil(lambda: len(panel.queue.jobs) == 2, timeout=10_000)
    panel.convert()
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert [job.state for job in panel.queue.jobs] == ["done", "done"]
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.wav")} == {
        "in/one (identity).wav",
        "in/deep/two (identity).wav",
    }


def test_a_broken_file_stops_no_other_and_is_tried_again(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """A file cut short has one sentence in its row; the others are made; repaired, the row's button converts it."""
    choose_model(panel, "identity")
    broken = sound("broken.wav")
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    bad, good = add(qtbot, panel, broken, sound("good.wav"))
    panel.convert()
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert (bad.state, good.state) == ("failed", "done")
    assert bad.sentence.startswith("broken.wav is cut short: it promises")
    assert "could not be converted" in panel.notices.sentence.text()
    broken.write_bytes(whole)
    from gui.convert.queue_view import button_of

    index = panel.queue.index(panel.queue.row_of(bad))
    panel.view.scrollTo(index)
    viewport = panel.view.viewport()
    assert viewport is not None
    HANDS.mouseClick(viewport, left(), pos=button_of(panel.view.visualRect(index)).center())
    qtbot.waitUntil(lambda: bad.state == "done", timeout=LONG_S)


def test_one_of_a_batch_is_cancelled_and_the_rest_goes_on(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """Cancelling the file at hand ends only it: nothing of it is left, and the others of its process are made."""
    choose_model(panel, "voice")
    jobs = add(qtbot, panel, sound("a.wav", 20.0), sound("b.wav", 0.5), sound("c.wav", 0.5))
    qtbot.waitUntil(lambda: jobs[0].seconds is not None, timeout=10_000)
    parts: list[float] = []
    panel.converter.changed.connect(lambda job: parts.append(job.part) if job is jobs[0] else None)
    panel.convert()
    qtbot.waitUntil(lambda: jobs[0].state == "running" and 0.0 < jobs[0].part < 1.0, timeout=LONG_S)
    assert parts == sorted(parts)
    assert panel.progress.isVisible() and panel.left.text().startswith("0 of 3 files")
    assert jobs[1].state == "waiting"
    panel.step(jobs[0])
    assert jobs[0].state == "cancelled"
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert [job.state for job in jobs] == ["cancelled", "done", "done"]
    qtbot.waitUntil(
        lambda: {path.name for path in (tmp_path / "out").iterdir()} == {"b (violin).wav", "c (violin).wav"}
    )


def test_cancelling_all_leaves_what_is_done_and_nothing_else(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """After the first of two is made, cancelling all keeps it, ends the process and leaves no trace of the second."""
    choose_model(panel, "voice")
    first, second = add(qtbot, panel, sound("a.wav", 0.5), sound("b.wav", 20.0))
    panel.convert()
    qtbot.waitUntil(lambda: second.state == "running", timeout=LONG_S)
    process = panel.converter._batches[0].process.processId()
    assert os.getpriority(os.PRIO_PROCESS, process) >= 10
    HANDS.mouseClick(panel.cancel_button, left())
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert (first.state, second.state) == ("done", "cancelled")
    qtbot.waitUntil(lambda: [path.name for path in (tmp_path / "out").iterdir()] == ["a (violin).wav"])
    assert not Path(f"/proc/{process}").exists()


def test_a_process_that_is_killed_costs_one_file(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """Killing the converter fails the file that it was at, with a sentence, and another process makes the rest."""
    choose_model(panel, "voice")
    jobs = add(qtbot, panel, sound("a.wav", 20.0), sound("b.wav", 0.5))
    panel.convert()
    qtbot.waitUntil(lambda: jobs[0].state == "running", timeout=LONG_S)
    os.kill(panel.converter._batches[0].process.processId(), signal.SIGKILL)
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert [job.state for job in jobs] == ["failed", "done"]
    assert jobs[0].sentence == "The converter crashed with code 9 at this file; try it again, by itself."
    qtbot.waitUntil(lambda: [path.name for path in (tmp_path / "out").iterdir()] == ["b (violin).wav"])


@pytest.mark.parametrize(("existing", "names"), [("number", 2), ("leave", 1), ("replace", 1)])
def test_a_result_that_exists_is_kept_unless_it_was_asked_otherwise(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path, existing: str, names: int
) -> None:
    """By default a second result is numbered; it can be left out, and it replaces only when that was chosen."""
    choose_model(panel, "identity")
    panel.form.existing.setCurrentIndex(panel.form.existing.findData(existing))
    there = tmp_path / "out" / "a (identity).wav"
    there.parent.mkdir()
    there.write_bytes(b"mine")
    (job,) = add(qtbot, panel, sound("a.wav", 0.5))
    panel.convert()
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert job.state == "done", job.sentence
    assert (there.read_bytes() == b"mine") == (existing != "replace")
    qtbot.waitUntil(lambda: len(list(there.parent.iterdir())) == names)
    assert job.result == (there.with_name("a (identity) 2.wav") if existing == "number" else there)


def test_results_that_have_no_place_are_a_sentence(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path, notices: list[Any]
) -> None:
    """Where the folder for results is a file, every row says so, and no defect is reported."""
    choose_model(panel, "identity")
    (tmp_path / "file").write_text("no folder")
    panel.form.set_out(tmp_path / "file")
    (job,) = add(qtbot, panel, sound("a.wav", 0.5))
    panel.convert()
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    assert job.state == "failed"
    assert job.sentence == f"{tmp_path / 'file'} cannot be written to; choose another folder for the results."
    assert not notices


def test_a_result_can_be_dragged_out(qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path]) -> None:
    """A finished row offers its result as a file, a row without a result offers nothing."""
    from PyQt6.QtCore import Qt

    choose_model(panel, "identity")
    done, _ = add(qtbot, panel, sound("a.wav", 0.5), sound("b.wav", 0.5))
    panel._start([done])
    qtbot.waitUntil(ended(panel), timeout=LONG_S)
    rows = [panel.queue.index(row) for row in range(2)]
    draggable = [bool(panel.queue.flags(index) & Qt.ItemFlag.ItemIsDragEnabled) for index in rows]
    assert draggable == [True, False]
    urls = panel.queue.mimeData(rows).urls()
    assert [Path(url.toLocalFile()) for url in urls] == [done.result]


def test_choices_and_folder_are_remembered(
    qtbot: QtBot, panel: ConvertPanel, quiet_bridge: Bridge, memory: Memory, tmp_path: Path
) -> None:
    """Another panel begins as the last one was left, but never with replacing what exists."""
    choose_model(panel, "voice")
    panel.form.mix.set_value(0.4)
    panel.form.transpose.set_value(-12.0)
    panel.form.match.setChecked(False)
    panel.form.format.setCurrentIndex(panel.form.format.findData("ogg"))
    panel.form.existing.setCurrentIndex(panel.form.existing.findData("replace"))
    panel.form.blend.set_weights((0.5, 0.5, 0.0, 0.0, 0.0, 0.0))
    panel.form._keep_weights()
    _window, other = make_panel(qtbot, quiet_bridge, memory, tmp_path)
    again = other.form.request()
    assert (again.mix, again.transpose, again.match_loudness, again.format_name) == (0.4, -12.0, False, "ogg")
    assert again.existing == "number"
    assert again.target == "violin=0.500,cello=0.500"
    assert again.label == "violin 50 cello 50"
    assert again.out == tmp_path / "out"


def test_only_what_a_model_can_use_is_shown(qtbot: QtBot, panel: ConvertPanel) -> None:
    """Identity has neither targets nor pitch nor phase; the voice has targets and pitch."""
    form = panel.form
    controls = (form.blend, form.transpose, form.octave, form.griffin_lim)
    choose_model(panel, "identity")
    assert [widget.isVisibleTo(form) for widget in controls[:3]] == [False, False, False]
    choose_model(panel, "voice")
    assert [widget.isVisibleTo(form) for widget in controls[:3]] == [True, True, True]
    assert [widget.accessibleName() for widget in (form.model, form.blend, form.format, form.existing)] == [
        "Model",
        "Blend of the targets",
        "Format of the results",
        "When a result exists already",
    ]


def test_keys_reach_everything_and_screen_readers_hear_rows(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path]
) -> None:
    """Ctrl+Enter converts, Delete takes out of the queue, and a row's words have its name and state."""
    from PyQt6.QtCore import Qt

    choose_model(panel, "identity")
    job, other = add(qtbot, panel, sound("a.wav", 0.5), sound("b.wav", 0.5))
    panel.activateWindow()
    panel.view.setFocus()
    qtbot.waitUntil(panel.view.hasFocus, timeout=5000)
    panel.view.choose(other)
    HANDS.keyClick(panel.view, Qt.Key.Key_Delete)
    assert panel.queue.jobs == [job]
    panel.view.choose(job)
    HANDS.keyClick(panel.view, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: job.state == "done", timeout=LONG_S)
    spoken = panel.queue.data(panel.queue.index(0), Qt.ItemDataRole.AccessibleTextRole)
    assert spoken == "a.wav, a (identity).wav"


def test_the_end_of_the_app_ends_the_converter(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """Closing leaves no process and nothing half-made behind."""
    choose_model(panel, "voice")
    (job,) = add(qtbot, panel, sound("a.wav", 20.0))
    panel.convert()
    qtbot.waitUntil(lambda: job.state == "running", timeout=LONG_S)
    process = panel.converter._batches[0].process.processId()
    panel.converter.close()
    assert not Path(f"/proc/{process}").exists()
    assert not list((tmp_path / "out").iterdir())


def test_thousands_of_files_never_keep_the_window(
    qtbot: QtBot, panel: ConvertPanel, sound: Callable[..., Path], tmp_path: Path
) -> None:
    """Two thousand dropped files are found, measured and shown without an event that takes long."""
    folder = tmp_path / "many"
    folder.mkdir()
    first = sound("a.wav", 0.1)
    for number in range(2000):
        (folder / f"{number}.wav").symlink_to(first)
    panel.add_paths([folder])
    qtbot.waitUntil(lambda: len(panel.queue.jobs) == 2000 and panel.queue.jobs[-1].seconds is not None, timeout=30_000)
    panel.view.choose(panel.queue.jobs[-1])
    panel.resize(900, 500)
    qtbot.waitUntil(lambda: panel.view.visualRect(panel.queue.index(1999)).isValid())
