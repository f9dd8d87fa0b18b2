"""A model's card: its Markdown with the package's own pictures, and nothing else: no network, no other file.

    CARD.md + pictures ──background──▶ QTextDocument (laid out there: long cards take longer than a frame) ──▶ CardView

`read_card` runs on a background thread, the view on the GUI thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PyQt6.QtCore import QCoreApplication, Qt, QUrl
from PyQt6.QtGui import QImage, QTextDocument
from PyQt6.QtWidgets import QTextBrowser, QWidget

from gui import theme
from gui.play.library_entries import card_pictures
from realtime.manifest import CARD_FILE

_LONGEST_CARD = 200_000
_MOST_PICTURES = 12
_WITHOUT_HTML = QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML


class CardDocument(QTextDocument):
    """A document that knows the pictures it was given, and loads no other."""

    def loadResource(self, type: int, name: QUrl) -> Any:  # noqa: A002, N802
        """Nothing: what is not in the package is not shown."""
        return QImage() if type == int(QTextDocument.ResourceType.ImageResource.value) else None


def read_card(folder: Path, width: int) -> CardDocument:
    """The card of a package for a view of `width` pixels; a sentence where there is none."""
    document = CardDocument()
    document.setUndoRedoEnabled(False)
    document.setDefaultFont(theme.font("body"))
    document.setDocumentMargin(theme.px(3))
    try:
        text = (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")[:_LONGEST_CARD]
    except OSError as error:
        text = f"This model has no card ({error.strerror})."
    room = max(100, width - theme.px(8))
    for _, name in card_pictures(text)[:_MOST_PICTURES]:
        image = QImage(str(folder / name))
        if image.width() > room:
            image = image.scaledToWidth(room, Qt.TransformationMode.SmoothTransformation)
        if not image.isNull():
            document.addResource(int(QTextDocument.ResourceType.ImageResource.value), QUrl(name), image)
    document.setMarkdown(text, _WITHOUT_HTML)
    document.setTextWidth(width)
    document.size()
    app = QCoreApplication.instance()
    if app is not None:
        document.moveToThread(app.thread())
    return document


class CardView(QTextBrowser):
    """Shows cards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setAccessibleName("Card of the model")
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._document: QTextDocument | None = None

    def show_card(self, document: QTextDocument | None) -> None:
        """This card; None: nothing."""
        before, self._document = self._document, document or QTextDocument()
        self._document.setParent(self)
        self.setDocument(self._document)
        if before is not None:
            before.deleteLater()

    def loadResource(self, type: int, name: QUrl) -> Any:  # noqa: A002, N802
        """No file and no address is ever opened for a card."""
        return None
