"""Icons by name: our own SVG strokes in `gui/icons`, tinted with the theme. GUI thread; the drawings are kept.

icon("power")                  text colour, dimmer where disabled
icon("warning", "warn")        in the colour of a token
set_icon(button, "play")       on a button, with room between it and the words
app_icon()                     the application's own, in its own colours
"""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path

from PyQt6.QtCore import QByteArray, QRectF, QSize, Qt
from PyQt6.QtGui import QIcon, QPainter, QPixmap
from PyQt6.QtSvg import QSvgRenderer
from PyQt6.QtWidgets import QAbstractButton, QPushButton, QToolButton

from gui import theme

FOLDER = Path(__file__).parent / "icons"
_SIZES = (16, 24, 32, 48, 64, 96)
_BESIDE = 0.25  # of an icon's height


def names() -> tuple[str, ...]:
    """Every icon there is, less the application's."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.svg") if path.stem != "app"))


def icon(name: str, ink: str = "text", *, size: int = 0, beside: float = 0.0) -> QIcon:
    """The icon in the colour of a theme's token, for the theme that is applied now.

    size: of where it will stand, in pixels, where that is known: it costs a third then. beside: room at its right, in
    heights.
    """
    now = theme.current()
    return _tinted(name, getattr(now, ink), now.border, (size, 2 * size) if size else _SIZES, beside)


def set_icon(button: QAbstractButton, name: str, ink: str = "text", units: float = 4) -> None:
    """Give a button an icon of so many units of the grid, and room between it and the words beside it.

    Qt leaves 4 px there at every size of the text.
    """
    if isinstance(button, QToolButton):
        words = button.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonTextBesideIcon
    else:
        words = isinstance(button, QPushButton) and bool(button.text())
    beside = _BESIDE if words else 0.0
    size = theme.px(units)
    button.setIcon(icon(name, ink, size=size, beside=beside))
    button.setIconSize(QSize(round(size * (1 + beside)), size))


def pixmap(name: str, size: int, ink: str = "text", ratio: float = 1.0) -> QPixmap:
    """One picture of `size` logical pixels, sharp at the screen's ratio; drawn once, however often it is painted."""
    return _kept(name, getattr(theme.current(), ink), size, ratio)


@cache
def app_icon() -> QIcon:
    """The application's icon."""
    made = QIcon()
    for size in (*_SIZES, 128, 256):
        made.addPixmap(_drawn(_source("app"), size))
    return made


@lru_cache(maxsize=512)
def _kept(name: str, ink: str, size: int, ratio: float) -> QPixmap:
    drawn = _drawn(_source(name).replace("currentColor", ink), round(size * ratio))
    drawn.setDevicePixelRatio(ratio)
    return drawn


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text(encoding="utf-8")


@cache
def _tinted(name: str, ink: str, disabled: str, sizes: tuple[int, ...], beside: float) -> QIcon:
    made = QIcon()
    for size in sizes:  # twice the size is for screens with two pixels for one
        made.addPixmap(_drawn(_source(name).replace("currentColor", ink), size, beside))
        made.addPixmap(_drawn(_source(name).replace("currentColor", disabled), size, beside), QIcon.Mode.Disabled)
    return made


def _drawn(source: str, size: int, beside: float = 0.0) -> QPixmap:
    picture = QPixmap(round(size * (1 + beside)), size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    return picture
