"""What the check found: minutes of each sound, and every recording with its faults marked on the waveform.

    horn 4 min · reed 3 min                                    3 left out · 2 remarks   [ ] Show all
    ┌ ✕ too loud.wav   clipped ┐  too loud.wav is clipped at 0.51 s (…): record it again at a lower gain.      [▶]
    │ ! hum.wav        hum     │  ▂▃▅▆███▆▅▃▂▁▁▁▁▂▃▅▆███▆▅▃▂▁
    └──────────────────────────┘        ╰clipped╯

Sounds are read in the background, when they are chosen. GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QSize, Qt, QTimer
from PyQt6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import icon, set_icon
from gui.train.asking import ask
from gui.train.catalogue import minutes_words
from gui.train.listening import Listening
from gui.widgets.bending import bend
from gui.widgets.waveform import WaveformView

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from gui.bridge import Bridge

FAULT_WORDS: Final = {
    "rate": "sample rate", "short": "too short", "damaged": "damaged", "silent": "silence", "clipped": "clipping",
    "pause": "silence", "offset": "offset", "hum": "hum",
}  # fmt: skip
MOST_SECONDS: Final = 600.0  # of one recording that are drawn
_ROWS_A_TURN: Final = 20


@dataclass(frozen=True, slots=True)
class Checked:
    """One file as the check saw it."""

    name: str
    path: Path
    refused: bool
    sentence: str
    faults: tuple[dict[str, Any], ...]

    @classmethod
    def from_line(cls, line: Mapping[str, Any]) -> Checked:
        """Read a line of kind "file"."""
        faults = tuple(fault for fault in line.get("faults", ()) if isinstance(fault, dict))
        name = str(line.get("name", ""))
        told = [f"{name} {fault.get('reason', '')}." for fault in faults]
        refused = line.get("state") == "refused"
        sentence = str(line.get("sentence") or "") if refused else " ".join(told)
        return cls(name, Path(str(line.get("path", ""))), refused, sentence, faults)

    @property
    def words(self) -> str:
        """Its faults in a word or two."""
        found = list(dict.fromkeys(FAULT_WORDS.get(str(fault.get("kind")), "fault") for fault in self.faults))
        return ", ".join(found) or ("cannot be used" if self.refused else "fit")

    def marks(self) -> list[tuple[float, float, str]]:
        """Places for the waveform."""
        return [
            (float(start), float(end), FAULT_WORDS.get(str(fault.get("kind")), "fault"))
            for fault in self.faults
            for start, end in fault.get("spans", ())
        ]


class CheckView(QWidget):
    """`begin`, `add` each file, `finish` with the whole."""

    def __init__(self, bridge: Bridge, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.listening = Listening(bridge, self)
        self.files: list[Checked] = []
        self._shown: list[Checked] = []
        self._waiting: list[Checked] = []
        self.summary, self.counts = QLabel(), QLabel()
        self.summary.setWordWrap(True)
        theme.set_role(self.summary, "strong")
        theme.set_role(self.counts, "dim")
        self.all = QCheckBox("Show all")
        self.all.setToolTip("Also the recordings that are fit")
        self.all.toggled.connect(self._fill)
        self.list = QListWidget()
        self.list.setAccessibleName("Recordings with remarks")
        self.list.setUniformItemSizes(True)
        self.list.currentRowChanged.connect(self._show)
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.wave = WaveformView()
        self.wave.setAccessibleName("Waveform with the faults marked")
        self.listen = QToolButton()
        self.listen.setCheckable(True)
        self.listen.setAccessibleName("Play this recording")
        self.listen.setToolTip("Play this recording")
        self.listen.clicked.connect(self._toggle)
        self.listening.changed.connect(self._mark_playing)
        self.listening.moved.connect(self.wave.set_cursor)
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._add_rows)
        self._arrange()
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self.begin()

    def begin(self) -> None:
        """Nothing has been checked yet."""
        self.files = []
        self.summary.setText("")
        self._fill()

    def add(self, line: Mapping[str, Any]) -> None:
        """One more file."""
        checked = Checked.from_line(line)
        self.files.append(checked)
        if self.all.isChecked() or checked.refused or checked.faults:
            self._waiting.append(checked)
            self._turn.start()
        self._count()

    def finish(self, minutes: Mapping[str, Mapping[str, float]]) -> None:
        """All is checked: minutes of each sound by split."""
        sounds = [f"{name.replace('_', ' ')} {minutes_words(sum(of.values()))}" for name, of in minutes.items()]
        self.summary.setText(" · ".join(sounds) or "Nothing here can be used.")
        self._fill()  # in order now

    def _count(self) -> None:
        refused = sum(one.refused for one in self.files)
        remarked = sum(bool(one.faults) and not one.refused for one in self.files)
        words = f"{len(self.files)} checked · {refused} left out"
        self.counts.setText(words + (f" · {remarked} with remarks" if remarked else "") if self.files else "")

    def _fill(self) -> None:
        self._turn.stop()
        self.list.blockSignals(True)
        self.list.clear()
        self.list.blockSignals(False)
        self._shown = []
        everything = self.all.isChecked()
        # What cannot be used first: that is what the musician came to see.
        self._waiting = [one for one in self.files if everything or one.refused or one.faults]
        self._waiting.sort(key=lambda one: (not one.refused, not one.faults, one.name))
        self._turn.start()
        self._count()
        self._show(-1)

    def _add_rows(self) -> None:
        for checked in self._waiting[:_ROWS_A_TURN]:
            item = QListWidgetItem(f"{Path(checked.name).name}  –  {checked.words}")
            token = (
                ("error", "bad") if checked.refused else ("warning", "warn") if checked.faults else ("check", "good")
            )
            item.setIcon(icon(*token))
            item.setToolTip(checked.sentence or checked.name)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, checked.sentence or f"{checked.name} is fit")
            self._shown.append(checked)
            self.list.addItem(item)
        del self._waiting[:_ROWS_A_TURN]
        if not self._waiting:
            self._turn.stop()
        if self.list.currentRow() < 0 and self._shown:
            self.list.setCurrentRow(0)

    def _current(self) -> Checked | None:
        row = self.list.currentRow()
        return self._shown[row] if 0 <= row < len(self._shown) else None

    def _show(self, _row: int) -> None:
        self.listening.stop()
        checked = self._current()
        self.wave.clear()
        self.listen.setEnabled(checked is not None)
        if checked is None:
            none = "Every recording is fit." if self.files and not self._waiting else ""
            self.sentence.setText(none)
            return
        self.sentence.setText(checked.sentence or f"{checked.name} is fit.")
        theme.set_role(self.sentence, "bad" if checked.refused else "warn" if checked.faults else "dim")

        def draw(sound: tuple[NDArray[np.float32], int] | None) -> None:
            if sound is not None and self._current() is checked:
                self.wave.set_sound(*sound, checked.path.name)
                self.wave.set_marks(checked.marks())

        ask(self, self._bridge, lambda: read_sound(checked.path), draw)

    def _toggle(self) -> None:
        checked = self._current()
        if checked is not None:
            self.listening.toggle(checked.path)

    def _mark_playing(self, path: Path | None) -> None:
        self.listen.setChecked(path is not None)
        set_icon(self.listen, "play" if path is None else "stop")

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.addWidget(self.summary, 1)
        head.addWidget(self.counts)
        head.addWidget(self.all)
        said = QHBoxLayout()
        said.addWidget(self.sentence, 1)
        said.addWidget(self.listen, 0, Qt.AlignmentFlag.AlignTop)
        right = QVBoxLayout()
        right.addLayout(said)
        right.addWidget(self.wave, 1)
        self._head = head
        self._body = body = QHBoxLayout()
        body.addWidget(self.list, 2)
        body.addLayout(right, 3)
        body.setSpacing(theme.px(4))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(head)
        column.addLayout(body, 1)

    def bend(self, narrow: bool) -> None:
        """Stand in one column where there is little room."""
        bend(narrow, self._head, self._body)

    def _dress(self) -> None:
        self.wave.setMinimumHeight(theme.px(22))
        self.list.setMinimumHeight(theme.px(28))
        self.list.setIconSize(QSize(theme.px(4), theme.px(4)))
        self._mark_playing(self.listening.path)


def read_sound(path: Path) -> tuple[NDArray[np.float32], int] | None:
    """(channels, samples) and rate of a file's first minutes; None for what is no sound. Background thread."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            samples = file.read(round(MOST_SECONDS * file.samplerate), dtype="float32", always_2d=True)
            return samples.T, int(file.samplerate)
    except (OSError, RuntimeError):
        return None
