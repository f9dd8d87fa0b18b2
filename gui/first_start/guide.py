"""The guide over the window: four steps, each of which may be skipped, and all of them repeated from the help.

    1 choose what you play ─▶ 2 play a note, see it ─▶ 3 choose a model ─▶ 4 hear it

Every step changes the real stream through the bridge: what was chosen stays when the guide is left, by whichever door.
What fails is said here, with a way on. It lies over its parent, follows its size, keeps the Tab key inside and the
window's single-letter shortcuts out. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QEvent, QObject, Qt, pyqtSignal
from PyQt6.QtGui import QKeyEvent, QShowEvent
from PyQt6.QtWidgets import QApplication, QFrame, QScrollArea, QVBoxLayout, QWidget

from gui import theme
from gui.first_start.hear_steps import HearStep, ModelStep, NoteStep
from gui.first_start.input_step import InputStep
from gui.source.arrange import button, row, words

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState, Notice
    from gui.memory import Memory

DONE: Final = "first_start.done"
_TITLES: Final = ("What do you play?", "Play a note", "What shall it sound like?", "Hear it")
_SHORT: Final = ("Source", "Note", "Model", "Hear it")


class FirstStart(QWidget):
    """The whole guide; `finished` when it is left."""

    finished = pyqtSignal()

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: told that the guide has been seen. Call `show`."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._over = False
        self.setProperty("role", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("First steps")
        self.input = InputStep(bridge)
        self.note, self.model, self.hear = NoteStep(bridge, memory), ModelStep(bridge), HearStep(bridge, memory)
        self.steps = (self.input, self.note, self.model, self.hear)
        self.title, self.places = words("", "display", wrap=False), words("", "dim", wrap=False)
        self.problem, self.again = words("", "warn"), button("Try again", "retry")
        self.again.clicked.connect(lambda: bridge.set_power(True))
        self.skip = button("Skip the guide", "", "ghost")
        self.back, self.next = button("Back"), button("Next", "", "primary")
        self.skip.clicked.connect(self.leave)
        self.back.clicked.connect(lambda: self.go(self.step - 1))
        self.next.clicked.connect(self._go_on)
        self.pages = QWidget()  # no QStackedWidget: in one the tallest page decides the height of all
        column = QVBoxLayout(self.pages)
        column.setContentsMargins(0, 0, 0, 0)
        for page in self.steps:
            column.addWidget(page)
        self._arrange()
        bridge.noticed.connect(self._take_notice)
        bridge.state_changed.connect(self._show_state)
        bridge.devices_changed.connect(self.input.set_hardware)
        self.step = -1
        self.go(0)
        if parent is not None:
            parent.installEventFilter(self)
            self.setGeometry(parent.rect())

    def _arrange(self) -> None:
        """Titles and buttons stay; only the step between them scrolls where there is little room."""
        inside = QWidget()
        inside.setMaximumWidth(theme.px(200))
        column = QVBoxLayout(inside)
        column.setSpacing(theme.px(3))
        column.setContentsMargins(*([theme.px(4)] * 4))
        self.area = area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(self.pages)
        line = row(self.problem, self.again)
        line.setStretch(0, 1)
        column.addWidget(self.places)
        column.addWidget(self.title)
        column.addWidget(area, 1)
        column.addLayout(line)
        column.addLayout(row(self.skip, 1, self.back, self.next))
        whole = row(1, inside, 1)
        whole.setStretch(1, 20)
        whole.setContentsMargins(0, 0, 0, 0)
        self.setLayout(whole)

    # steps

    def go(self, step: int) -> None:
        """Show a step."""
        self.step = min(max(step, 0), len(self.steps) - 1)
        self.title.setText(_TITLES[self.step])
        self.places.setText(
            "   ›   ".join(f"{place + 1} {'●' if place == self.step else '○'} {_SHORT[place]}" for place in range(4))
        )
        self.setAccessibleDescription(f"Step {self.step + 1} of 4: {_TITLES[self.step]}")
        self.back.setVisible(self.step > 0)
        self.next.setText(("Next", "I see it", "Next", "Done")[self.step])
        self._say("")
        for place, page in enumerate(self.steps):
            page.setVisible(place == self.step)
        self.steps[self.step].begin()
        focused = QApplication.focusWidget()
        if focused is not None and self.pages.isAncestorOf(focused):
            self.area.ensureWidgetVisible(focused)
        self._show_state(self._bridge.state)

    def _go_on(self) -> None:
        if self.step == 0:
            self.input.apply()
        if self.step == len(self.steps) - 1:
            self.leave()
            self._bridge.ask_for_panel("play")
        else:
            self.go(self.step + 1)

    def leave(self) -> None:
        """End the guide; everything stays as it was set."""
        if self._over:
            return
        self._over = True
        self._memory.set(DONE, True)
        for step in self.steps:
            step.end()
        self.hide()
        parent = self.parentWidget()
        if parent is not None:
            parent.removeEventFilter(self)
            parent.setFocus()  # else the keyboard would stay with a button that nobody sees
        self.finished.emit()

    # what happens meanwhile

    def _take_notice(self, notice: Notice) -> None:
        if self.isVisible() and not self._over and notice.severity != "info":
            self._say(notice.text)

    def _say(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        self._show_again()

    def _show_again(self) -> None:
        off = self._bridge.state.power == "off"
        self.again.setVisible(bool(self.problem.text()) and off and self.step > 0)

    def _show_state(self, state: LiveState) -> None:
        if self._over:
            return
        if state.power == "on" and self.problem.text() and not state.busy:
            self._say("")
        self._show_again()
        self.steps[self.step].show_state(state)

    # lying over the window

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802
        """Come to the front."""
        super().showEvent(event)
        self._over = False
        self.raise_()
        self.next.setFocus(Qt.FocusReason.OtherFocusReason)
        self._bridge.refresh_devices()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """As large as the window."""
        parent = self.parentWidget()
        if event is not None and event.type() == QEvent.Type.Resize and parent is not None and watched is parent:
            self.setGeometry(parent.rect())
        return False

    def event(self, event: QEvent | None) -> bool:
        """Keep the window's shortcuts without Ctrl or Alt out, so that a letter records no take behind the guide."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            strong = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
            if not event.modifiers() & strong:
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        """Escape leaves; Enter goes on."""
        assert event is not None
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            focused = QApplication.focusWidget()
            pressed = focused if focused in (self.skip, self.back, self.again) else self.next
            pressed.click()
        # Everything else ends here: the window behind is not meant.

    def focusNextPrevChild(self, next: bool) -> bool:  # noqa: A002, N802
        """Tab goes round within the guide."""
        focused = QApplication.focusWidget()
        at = focused if focused is not None and self.isAncestorOf(focused) else self
        candidate = at
        while True:
            step = candidate.nextInFocusChain() if next else candidate.previousInFocusChain()
            if step is None or step is at:
                return False
            candidate = step
            wants = bool(candidate.focusPolicy() & Qt.FocusPolicy.TabFocus) and candidate.isEnabled()
            if wants and candidate.isVisible() and self.isAncestorOf(candidate) and candidate.focusProxy() is None:
                reason = Qt.FocusReason.TabFocusReason if next else Qt.FocusReason.BacktabFocusReason
                candidate.setFocus(reason)
                self.area.ensureWidgetVisible(candidate)
                return True
