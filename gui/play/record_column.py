"""Record, and what was recorded: the red button with its choice of sides, and the takes below it. GUI thread.

    (●) Record        [dry and wet ▾]
        0:42   −12 dB
    ┌ takes ┐
    [Play] [Show in files] [Delete]

The folder is read in the background, when a take ends and when the panel is shown; a file that is gone vanishes. Over
300 lines because each thing that is done with a take has its answer when the file is gone, and they share one list.
"""

from __future__ import annotations

from pathlib import Path

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QAction, QKeySequence, QShortcut, QShowEvent
from PyQt6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui import show_file, theme
from gui.bridge import Bridge
from gui.icon import set_icon
from gui.live_state import LiveState, Notice
from gui.memory import Memory
from gui.play.file_playback import FilePlayback
from gui.play.import_model import Removed, bring_back, remove
from gui.play.take_list import TAKE_ROLE, TakeDelegate, TakesModel
from gui.play.take_store import Take, clock, read_takes, renamed
from gui.widgets.notice_bar import NoticeBar
from realtime.meters import Snapshot, level_db

SIDES_KEY = "takes.sides"
_MADE_KEY = "takes.recorded"
_MOST_REMEMBERED = 500


class RecordColumn(QFrame):
    """The button and the takes."""

    def __init__(self, bridge: Bridge, memory: Memory, playback: FilePlayback, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.set_role(self, "card")
        self._bridge, self._memory, self._playback = bridge, memory, playback
        self._reading = self._again = False
        self._wanted: Path | None = None
        self._shown_time = ""
        self.record = QPushButton("Record")
        self.record.setCheckable(True)
        theme.set_role(self.record, "danger")
        self.sides = QComboBox()
        for words, side in (("Dry + wet", "both"), ("Wet only", "output"), ("Dry only", "input")):
            self.sides.addItem(words, side)
        self.sides.setAccessibleName("What is recorded")
        self.sides.setToolTip("Dry: your instrument. Wet: what is heard. Both: side by side in one file.")
        self.sides.setCurrentIndex(max(0, self.sides.findData(memory.get(SIDES_KEY, "both"))))
        self.time = QLabel()
        self.time.setWordWrap(True)
        theme.set_role(self.time, "dim")
        self.notice = NoticeBar()
        self.model = TakesModel(self)
        self.list = QListView()
        self.list.setModel(self.model)
        self.list.setItemDelegate(TakeDelegate(self.list))
        self.list.setMouseTracking(True)
        self.list.setDragEnabled(True)
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setAccessibleName("Takes")
        # A double click plays; the name is typed over after F2 or from the menu, never after a mere click.
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.none = QLabel("Your takes appear here.\nDrag them into a folder or a music program.")
        self.none.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.none.setWordWrap(True)
        theme.set_role(self.none, "dim")
        self.play, self.reveal, self.delete = QPushButton("Play"), QPushButton(), QPushButton()
        for button, words in ((self.reveal, "Show in files"), (self.delete, "Move to the trash")):
            theme.set_role(button, "ghost")
            button.setToolTip(words)
            button.setAccessibleName(words)
        self.setMinimumWidth(theme.px(64))
        self._lay_out()
        self._connect()
        self._dress()
        self._follow(bridge.state)
        self._show_selection()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(theme.px(2))
        head.addWidget(self.record, 1)
        head.addWidget(self.sides)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.px(1))
        buttons.addWidget(self.play, 1)
        buttons.addWidget(self.reveal)
        buttons.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.px(3), theme.px(3), theme.px(3), theme.px(3))
        layout.setSpacing(theme.px(2))
        layout.addLayout(head)
        layout.addWidget(self.time)
        layout.addWidget(self.notice)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.none, 1)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        self.record.clicked.connect(self._press_record)
        self.sides.activated.connect(lambda _: self._memory.set(SIDES_KEY, self.sides.currentData()))
        self.play.clicked.connect(self._play)
        self.list.activated.connect(lambda _: self._play())
        self.reveal.clicked.connect(self._reveal)
        self.delete.clicked.connect(self._delete)
        self.model.renamed.connect(self._rename)
        self.model.modelReset.connect(self._show_selection)
        selection = self.list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda *_: self._show_selection())
        self._playback.changed.connect(self._show_playing)
        self._playback.moved.connect(lambda _: self._show_playing())
        self._bridge.state_changed.connect(self._follow)
        self._bridge.take_finished.connect(self._take_finished)
        delete = QShortcut(QKeySequence(Qt.Key.Key_Delete), self.list, self._delete)
        delete.setContext(Qt.ShortcutContext.WidgetShortcut)
        for words, act in (
            ("Play or stop", self._play),
            ("Rename", lambda: self.list.edit(self.list.currentIndex())),
            ("Show in files", self._reveal),
            ("Move to the trash", self._delete),
        ):
            action = QAction(words, self.list)
            action.triggered.connect(act)
            self.list.addAction(action)
        theme.notifier.changed.connect(self._dress)

    def _dress(self) -> None:
        recording = self._bridge.state.recording is not None
        set_icon(self.record, "stop" if recording else "record", "bad")
        set_icon(self.reveal, "folder")
        set_icon(self.delete, "remove")
        set_icon(self.play, "stop" if self.play.text() == "Stop" else "play")

    # recording

    def _press_record(self) -> None:
        state = self._bridge.state
        if state.recording is not None:
            self._bridge.stop_recording()
        else:
            self._bridge.start_recording(self.sides.currentData())
        self._follow(self._bridge.state)

    def _follow(self, state: LiveState) -> None:
        recording = state.recording is not None
        self.record.setChecked(recording)
        self.record.setEnabled(state.power == "on" or recording)
        words = "Stop" if recording else "Record"
        if words != self.record.text():
            self.record.setText(words)
            set_icon(self.record, "stop" if recording else "record", "bad")
        self.sides.setEnabled(not recording)
        if not recording:
            where = "Turn the sound on to record." if state.power != "on" else f"Takes go to {self._folder_words()}."
            self._show_time(where)

    def _folder_words(self) -> str:
        folder = self._bridge.takes_folder
        return f"{folder.parent.name}/{folder.name}"

    def show_frame(self, now: Snapshot) -> None:
        """How long, and how loud."""
        if self._bridge.state.recording is None or not now.rate_hz:
            return
        side = self._bridge.state.settings.recorded
        peak = now.input_peak if side == "input" else now.output_peak
        level = f"{level_db(peak):.0f} dB".replace("-", "−") if peak > 1e-4 else "silence"
        text = f"Recording  {clock(now.recorded_samples / now.rate_hz)}"
        if now.recording_lost_samples:
            text += f", {now.recording_lost_samples / now.rate_hz:.1f} s lost: the disk is too slow"
        elif int(4 * now.recorded_samples / now.rate_hz) % 2 == 0:
            self._level = level
        self._show_time(f"{text}   {self._level}")

    _level = ""

    def _show_time(self, text: str) -> None:
        if text != self._shown_time:
            self._shown_time = text
            self.time.setText(text)

    def _take_finished(self, path: Path) -> None:
        known: dict[str, str] = dict(self._memory.get(_MADE_KEY, {}))
        known[path.name] = self._bridge.state.settings.recorded
        self._memory.set(_MADE_KEY, dict(list(known.items())[-_MOST_REMEMBERED:]))
        self._wanted = path
        self.reload()

    # the list

    def showEvent(self, a0: QShowEvent | None) -> None:  # noqa: N802
        """What happened to the folder meanwhile is found."""
        super().showEvent(a0)
        self.reload()

    def reload(self) -> None:
        """Read the folder again."""
        if self._reading:
            self._again = True
            return
        self._reading = True
        folder, known = self._bridge.takes_folder, self.model.takes
        sides: dict[str, str] = dict(self._memory.get(_MADE_KEY, {}))
        self._bridge.in_background(lambda: read_takes(folder, known, sides), self._take, self._failed)

    def _take(self, takes: tuple[Take, ...]) -> None:
        self._reading = False
        current = self._wanted or getattr(self.current(), "path", None)
        self._wanted = None
        self.model.set_takes(takes)
        row = self.model.row_of(current)
        if row >= 0:
            self.list.setCurrentIndex(self.model.index(row))
            self.list.scrollTo(self.model.index(row))
        self._show_selection()
        if self._again:
            self._again = False
            self.reload()

    def _failed(self, sentence: str) -> None:
        self._reading = False
        self._say(sentence)

    def current(self) -> Take | None:
        """The take that is chosen."""
        take: Take | None = self.list.currentIndex().data(TAKE_ROLE)
        return take

    def _show_selection(self) -> None:
        some = bool(self.model.takes)
        self.list.setVisible(some)
        self.none.setVisible(not some)
        for button in (self.play, self.reveal, self.delete):
            button.setVisible(some)
            button.setEnabled(self.current() is not None)
        self._show_playing()

    def _show_playing(self) -> None:
        path = self._playback.path
        self.model.set_playing(path, self._playback.seconds)
        take = self.current()
        playing = take is not None and take.path == path
        words = "Stop" if playing else "Play"
        if words != self.play.text() or self.play.icon().isNull():
            self.play.setText(words)
            set_icon(self.play, "stop" if playing else "play")

    def _play(self) -> None:
        take = self.current()
        if take is None:
            return
        if take.problem:
            self._say(take.problem)
            return
        self._playback.toggle(take.path)

    def _reveal(self) -> None:
        take = self.current()
        if take is not None:
            show_file.show(self._bridge, take.path, self._say)

    def _rename(self, take: Take, name: str) -> None:
        def done(path: Path) -> None:
            known: dict[str, str] = dict(self._memory.get(_MADE_KEY, {}))
            if take.path.name in known:
                known[path.name] = known.pop(take.path.name)
                self._memory.set(_MADE_KEY, known)
            self._wanted = path
            self.reload()

        if take.path == self._playback.path:
            self._playback.stop()
        self._bridge.in_background(lambda: renamed(take.path, name), done, self._gone)

    def _delete(self) -> None:
        take = self.current()
        if take is None:
            return
        if take.path == self._playback.path:
            self._playback.stop()
        if take.path == self._bridge.state.recording:
            self._say("This take is being recorded: stop it first.")
            return

        def done(removed: Removed) -> None:
            again = Notice(f"{take.name} is in the trash.", "play", "info", "Undo", lambda: self._bring_back(removed))
            self.notice.show_notice(again)
            self.reload()

        self._bridge.in_background(lambda: remove(take.path), done, self._gone)

    def _bring_back(self, removed: Removed) -> None:
        def done(_: None) -> None:
            self.notice.clear()
            self._wanted = removed.was
            self.reload()

        self._bridge.in_background(lambda: bring_back(removed), done, self._say)

    def _gone(self, sentence: str) -> None:
        """Something could not be done, maybe because the file is gone: say it and look again."""
        self._say(sentence)
        self.reload()

    def _say(self, sentence: str) -> None:
        self.notice.show_notice(Notice(sentence, "play", "error"))
