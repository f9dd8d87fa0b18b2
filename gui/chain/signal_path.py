"""The signal path, left to right: fixed stages, plugins before and after the model, and where more can be added.

    input ─ gate ─ high-pass ─ compressor ─ [plugins] ⊕ ─ MODEL ─ [plugins] ⊕ ─ leveller ─ limiter ─ output

Draws the line, marks where a carried plugin would land, and scrolls sideways where there is no room. What is chosen is
a key: the name of a stage, or ("before", 0). GUI thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPoint, QRect, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent, QWheelEvent
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QWidget

from gui import theme
from gui.chain.stage_card import PluginCard, StageCard
from gui.icon import set_icon

if TYPE_CHECKING:
    from realtime.messages import Side

Key = str | tuple["Side", int]
FIRST: Final = (
    ("input", "Input", "mic"),
    ("gate", "Gate", "gate"),
    ("highpass", "High-pass", "highpass"),
    ("compressor", "Compressor", "compressor"),
)
LAST: Final = (("leveller", "Leveller", "leveller"), ("limiter", "Limiter", "limiter"), ("output", "Output", "speaker"))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a plugin's card shows."""

    uri: str
    name: str
    word: str
    dim: bool = False
    broken: bool = False


class SignalPath(QScrollArea):
    """The path as cards."""

    chosen = pyqtSignal(object)
    add_wanted = pyqtSignal(str)
    """A plugin shall be added at the end of this side."""
    moved = pyqtSignal(str, int, str, int)
    """A plugin was carried: from side and place, to side and place among the others."""
    step_wanted = pyqtSignal(str, int, int)
    remove_wanted = pyqtSignal(str, int)
    bypass_wanted = pyqtSignal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        """No plugins yet."""
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Signal path")
        self.stages: dict[str, StageCard] = {}
        self.plugins: dict[Side, list[PluginCard]] = {"before": [], "after": []}
        self.add_buttons: dict[Side, QToolButton] = {}
        self._chosen: Key = "model"
        self._uris: dict[Side, list[str]] = {"before": [], "after": []}
        self._line = _Line(self)
        self._row = QHBoxLayout(self._line)
        self._line.setAccessibleName("Signal path")
        for key, name, picture in FIRST:
            self._row.addWidget(self._stage(key, name, picture))
        self._row.addWidget(self._adder("before", "Add a plugin in front of the model"))
        self._row.addWidget(self._stage("model", "Model", "model"))
        self.stages["model"].width_units = 30.0
        self._row.addWidget(self._adder("after", "Add a plugin behind the model"))
        for key, name, picture in LAST:
            self._row.addWidget(self._stage(key, name, picture))
        self._row.addStretch(1)
        self.setWidget(self._line)
        theme.notifier.changed.connect(self._restyle)
        self._restyle()
        self.choose("model", quiet=True)

    def show_plugins(self, before: Sequence[Shown], after: Sequence[Shown]) -> None:
        """Show these plugins; cards are kept where the same plugins stand in the same order."""
        sides: dict[Side, Sequence[Shown]] = {"before": before, "after": after}
        for side, shown in sides.items():
            uris = [one.uri for one in shown]
            if uris != self._uris[side]:
                self._rebuild(side, shown)
                self._uris[side] = uris
            for card, one in zip(self.plugins[side], shown, strict=True):
                card.rename(one.name)
                card.show_state(one.word, dim=one.dim, broken=one.broken)
        self.choose(self._chosen, quiet=True)

    def choose(self, key: Key, *, quiet: bool = False) -> None:
        """Mark one card as the one whose settings are shown."""
        cards = self.cards()
        if key not in cards:
            side = key[0] if isinstance(key, tuple) else "model"
            left = len(self.plugins[side]) if side in ("before", "after") else 0
            key = (side, left - 1) if left else "model"  # type: ignore[assignment]
            quiet = False
        self._chosen = key
        for one, card in cards.items():
            card.setChecked(one == key)
        if not quiet:
            self.ensureWidgetVisible(cards[key])
            self.chosen.emit(key)

    @property
    def choice(self) -> Key:
        """What is chosen."""
        return self._chosen

    def cards(self) -> dict[Key, StageCard]:
        """Every card by its key, from left to right."""
        found: dict[Key, StageCard] = {key: self.stages[key] for key, _, _ in FIRST}
        found |= {("before", place): card for place, card in enumerate(self.plugins["before"])}
        found["model"] = self.stages["model"]
        found |= {("after", place): card for place, card in enumerate(self.plugins["after"])}
        return found | {key: self.stages[key] for key, _, _ in LAST}

    def sizeHint(self) -> QSize:  # noqa: N802
        """As high as a card and a scroll bar."""
        bar = self.horizontalScrollBar()
        return QSize(theme.px(120), theme.px(25) + (bar.sizeHint().height() if bar is not None else 0))

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802
        """Keep what is chosen in sight."""
        super().resizeEvent(event)
        self.ensureWidgetVisible(self.cards()[self._chosen])

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """The wheel goes along the path."""
        bar = self.horizontalScrollBar()
        if event is not None and bar is not None:
            delta = event.angleDelta()
            bar.setValue(bar.value() - (delta.x() or delta.y()))
            event.accept()

    # dragging

    def _carry(self, card: PluginCard, where: QPoint) -> None:
        self._line.mark_x = self._gap_x(*self._target(card, where))
        here = self.mapFromGlobal(where)
        bar = self.horizontalScrollBar()
        if bar is not None:
            near = theme.px(8)
            bar.setValue(bar.value() + (near if here.x() > self.width() - near else -near if here.x() < near else 0))
        self._line.update()

    def _drop(self, card: PluginCard, where: QPoint) -> None:
        side, place = self._place_of(card)
        target = self._target(card, where)
        self._put_down()
        if target != (side, place):
            self.moved.emit(side, place, *target)

    def _put_down(self) -> None:
        self._line.mark_x = None
        self._line.update()

    def _target(self, card: PluginCard, where: QPoint) -> tuple[Side, int]:
        """Side and place, counted without the carried card, where it would land."""
        x = self._line.mapFromGlobal(where).x()
        side: Side = "before" if x < self.stages["model"].geometry().center().x() else "after"
        others = [one for one in self.plugins[side] if one is not card]
        return side, sum(one.geometry().center().x() < x for one in others)

    def _gap_x(self, side: Side, place: int) -> int:
        cards = [one for one in self.plugins[side] if not one.carried]
        if place < len(cards):
            return cards[place].geometry().left() - self._row.spacing() // 2
        if cards:
            return cards[-1].geometry().right() + self._row.spacing() // 2
        return self.add_buttons[side].geometry().left() - self._row.spacing() // 2

    # inside

    def _stage(self, key: str, name: str, picture: str) -> StageCard:
        card = StageCard(name, picture)
        self.stages[key] = card
        self._wire(card, lambda: key)
        return card

    def _wire(self, card: StageCard, key: Callable[[], Key]) -> None:
        card.clicked.connect(lambda: self.choose(key()))
        card.step_wanted.connect(lambda by: self._walk(card, by))

    def _walk(self, card: StageCard, by: int) -> None:
        cards = list(self.cards().values())
        to = cards[min(max(cards.index(card) + by, 0), len(cards) - 1)]
        to.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ensureWidgetVisible(to)

    def _adder(self, side: Side, words: str) -> QToolButton:
        button = QToolButton()
        button.setAccessibleName(words)
        button.setToolTip(words)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.clicked.connect(lambda: self.add_wanted.emit(side))
        self.add_buttons[side] = button
        return button

    def _rebuild(self, side: Side, shown: Sequence[Shown]) -> None:
        focused = next((place for place, card in enumerate(self.plugins[side]) if card.hasFocus()), None)
        for card in self.plugins[side]:
            self._row.removeWidget(card)
            card.hide()
            card.deleteLater()
        first = self._row.indexOf(self.add_buttons[side])
        self.plugins[side] = [PluginCard(one.name) for one in shown]
        for place, card in enumerate(self.plugins[side]):
            self._row.insertWidget(first + place, card)
            self._connect(card)
            card.show()
        self._order_tabs()
        if focused is not None and self.plugins[side]:
            self.plugins[side][min(focused, len(self.plugins[side]) - 1)].setFocus()

    def _connect(self, card: PluginCard) -> None:
        self._wire(card, lambda: self._place_of(card))
        card.dragged.connect(lambda where: self._carry(card, where))
        card.dropped.connect(lambda where: self._drop(card, where))
        card.let_go.connect(self._put_down)
        card.move_wanted.connect(lambda by: self.step_wanted.emit(*self._place_of(card), by))
        card.remove_wanted.connect(lambda: self.remove_wanted.emit(*self._place_of(card)))
        card.bypass_wanted.connect(lambda: self.bypass_wanted.emit(*self._place_of(card)))

    def _place_of(self, card: PluginCard) -> tuple[Side, int]:
        sides: tuple[Side, Side] = ("before", "after")
        for side in sides:
            if card in self.plugins[side]:
                return side, self.plugins[side].index(card)
        return "before", 0

    def _order_tabs(self) -> None:
        order: list[QWidget] = []
        for place in range(self._row.count()):
            item = self._row.itemAt(place)
            widget = item.widget() if item is not None else None
            if widget is not None:
                order.append(widget)
        for earlier, later in itertools.pairwise(order):
            QWidget.setTabOrder(earlier, later)

    def _restyle(self) -> None:
        self._row.setContentsMargins(0, theme.px(1), 0, theme.px(1))
        self._row.setSpacing(theme.px(2.5))
        for button in self.add_buttons.values():
            set_icon(button, "add", units=5)
        self.setFixedHeight(self.sizeHint().height())
        self._line.update()


class _Line(QWidget):
    """The ground on which the cards stand: the line between them, and where a carried one would land."""

    def __init__(self, path: SignalPath) -> None:
        super().__init__()
        self._path = path
        self.mark_x: int | None = None

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """The line changes from the colour of the input to that of the output at the model."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        boxes: list[QRect] = [card.geometry() for card in self._path.cards().values()]
        model = self._path.stages["model"].geometry()
        middle = model.center().y()
        wide = max(2.0, theme.px(0.75))
        for token, begin, end in (
            ("input", boxes[0].right(), model.left()),
            ("output", model.right(), boxes[-1].left()),
        ):
            painter.setPen(QPen(theme.color(token), wide))
            painter.drawLine(begin, middle, end, middle)
        if self.mark_x is not None:
            painter.setPen(QPen(theme.color("accent"), theme.px(1)))
            painter.drawLine(self.mark_x, model.top(), self.mark_x, model.bottom())
