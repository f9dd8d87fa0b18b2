"""A model's card: its Markdown with the package's own pictures, and nothing else: no network, no other file.

    CARD.md + pictures ──background──▶ Card (sections, pictures) ──▶ CardView: one section an event, so that a long
                                                                     card never keeps the app from answering

`read_card` runs on a background thread, the view on the GUI thread. (A document cannot be made in the background:
Qt's layout wants the timers of a thread with an event loop.)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PyQt6.QtCore import Qt, QTimer, QUrl
from PyQt6.QtGui import QImage, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextDocument
from PyQt6.QtWidgets import QTextBrowser, QWidget

from gui import theme
from gui.play.library_entries import card_pictures
from realtime.manifest import CARD_FILE

_LONGEST_CARD = 100_000
_MOST_PICTURES = 24
_SECTION = re.compile(r"\n(?=#{1,6} |!\[|\n- )")
_WITHOUT_HTML = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML


@dataclass(frozen=True, slots=True)
class Card:
    """The text in sections, and the pictures by their names, no wider than the view."""

    sections: tuple[str, ...]
    pictures: dict[str, QImage]


def read_card(folder: Path, width: int) -> Card:
    """The card of a package for a view of `width` pixels; a sentence where there is none."""
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")[:_LONGEST_CARD]
    except OSError as error:
        text = f"This model has no card ({error.strerror})."
    pictures = {}
    for _, name in card_pictures(text)[:_MOST_PICTURES]:
        image = QImage(str(folder / name))
        if image.width() > width:
            image = image.scaledToWidth(width, Qt.TransformationMode.SmoothTransformation)
        if not image.isNull():
            pictures[name] = image.convertToFormat(QImage.Format.Format_RGB32)
    return Card(tuple(part.strip("\n") for part in _SECTION.split(text) if part.strip()), pictures)


class CardView(QTextBrowser):
    """Shows cards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setUndoRedoEnabled(False)
        self.setAccessibleName("Card of the model")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._pictures: dict[str, QImage] = {}
        self._waiting: list[str] = []
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._show_next)

    @property
    def complete(self) -> bool:
        """Whether all of the card is there."""
        return not self._waiting

    def room(self) -> int:
        """How wide a picture may be."""
        viewport = self.viewport()
        return max(theme.px(60), (viewport.width() if viewport is not None else 0) - theme.px(4))

    def show_card(self, card: Card | None) -> None:
        """This card, from its beginning; None: nothing."""
        self.clear()
        self._pictures = card.pictures if card is not None else {}
        self._waiting = list(card.sections) if card is not None else []
        if self._waiting:
            self._timer.start()

    def _show_next(self) -> None:
        if not self._waiting:
            self._timer.stop()
            return
        bar = self.verticalScrollBar()
        scrolled = bar.value() if bar is not None else 0
        cursor = QTextCursor(self.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        if not cursor.atStart():
            cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())  # out of a list that ended
        cursor.insertMarkdown(self._waiting.pop(0), _WITHOUT_HTML)
        self.setTextCursor(
            QTextCursor(self.document())
        )  # its own cursor went along; the card is read from its beginning
        if bar is not None:
            bar.setValue(scrolled)

    def loadResource(self, type: int, name: QUrl) -> Any:  # noqa: A002, N802
        """The package's pictures; no other file and no address is ever opened for a card."""
        nothing = QImage(1, 1, QImage.Format.Format_ARGB32)  # else Qt draws a torn page
        nothing.fill(Qt.GlobalColor.transparent)
        return self._pictures.get(name.toString(), nothing)
