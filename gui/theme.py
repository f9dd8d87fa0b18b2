"""How everything looks: colours, sizes, fonts and the style sheet, as `docs/design-language.md` defines them.

    apply(app, "dark")  →  palette, style sheet, font of the application  →  notifier.changed

Widgets that paint themselves ask `current()`, `px()` and `font()` while painting, and repaint on `notifier.changed`.
Standard widgets are styled by one style sheet; the dynamic property `role` picks what they are:

    QWidget, QFrame   panel card (with chosen="true": the chosen one) bar line
    QLabel            small strong title display stage number dim chip badge good warn bad input output
    QPushButton       primary danger ghost chip stage (and none: an ordinary button)
    QToolButton       ghost rail
    QLineEdit         wrong="true" where what is typed cannot be

`set_role(widget, "card")` sets it, also later. GUI thread only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from PyQt6.QtCore import QObject, Qt, pyqtSignal
from PyQt6.QtGui import QColor, QFont, QFontDatabase, QFontInfo, QGuiApplication, QPalette
from PyQt6.QtWidgets import QApplication, QWidget

from gui.style_sheet import style_sheet

Name = Literal["dark", "light", "system"]
FontRole = Literal["small", "body", "strong", "title", "display", "stage", "number"]

GRID_PX = 4
BASE_FONT_PX = 13.0  # the system's text size at which a grid unit is 4 px
FONT_SIZES: dict[FontRole, float] = {
    "small": 0.85, "body": 1.0, "strong": 1.0, "title": 1.25, "display": 1.75, "stage": 4.0, "number": 1.0,
}  # fmt: skip
_SEMIBOLD: frozenset[FontRole] = frozenset(("strong", "title", "display", "stage"))
FALLBACK_FAMILY = "DejaVu Sans"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one theme, each "#rrggbb"; input and output are the colours of dry and wet everywhere.

    background, surface, raised: the window, what lies on it, what lies on that (buttons, fields).
    line: a hairline that only divides. border: the edge of a control, which must be seen.
    text, text_dim: words, and words of second rank. accent: what can be done next; on_accent: words on it.
    good, warn, bad: never alone, always with a shape and a word. focus: the ring round what has the keyboard.
    """

    name: Literal["dark", "light"]
    background: str
    surface: str
    raised: str
    line: str
    border: str
    text: str
    text_dim: str
    accent: str
    on_accent: str
    input: str
    output: str
    good: str
    warn: str
    bad: str
    focus: str


DARK = Theme(
    name="dark",
    background="#131211",
    surface="#1c1a18",
    raised="#282522",
    line="#37332f",
    border="#7d756c",
    text="#f1ece4",
    text_dim="#b3aaa0",
    accent="#f5a35c",
    on_accent="#1d1208",
    input="#7cb8f2",
    output="#f5a35c",
    good="#7fcf9b",
    warn="#f2d45c",
    bad="#ff7f78",
    focus="#fff4e2",
)
LIGHT = Theme(
    name="light",
    background="#f4f1ec",
    surface="#fbf9f6",
    raised="#ffffff",
    line="#ddd6cc",
    border="#857c71",
    text="#211d19",
    text_dim="#5d554c",
    accent="#a84a0c",
    on_accent="#ffffff",
    input="#1763ad",
    output="#a84a0c",
    good="#1d6b3c",
    warn="#7a5a00",
    bad="#b3261e",
    focus="#1a1714",
)
THEMES = {"dark": DARK, "light": LIGHT}


class Notifier(QObject):
    """Says when the theme has changed."""

    changed = pyqtSignal()


class _Look:
    """What is applied now."""

    theme: Theme = DARK
    wanted: Name = "dark"
    scale: float = 1.0
    system_px: float = BASE_FONT_PX
    family: str = FALLBACK_FAMILY
    follows: bool = False
    fonts: ClassVar[dict[tuple[FontRole, str, float], QFont]] = {}
    colors: ClassVar[dict[tuple[str, str, float], QColor]] = {}


notifier = Notifier()


def current() -> Theme:
    """The theme that is applied."""
    return _Look.theme


def apply(app: QApplication, name: Name, scale: float = 1.0) -> None:
    """Dress the whole application; "system" follows the desktop's choice, also when it changes later.

    scale: the user's own enlargement, 1 to 2, on top of the system's text size.
    """
    if not _Look.follows:
        system = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
        _Look.family, _Look.system_px = system.family(), float(QFontInfo(system).pixelSize()) or BASE_FONT_PX
        hints = QGuiApplication.styleHints()
        assert hints is not None
        hints.colorSchemeChanged.connect(
            lambda: apply(app, "system", _Look.scale) if _Look.wanted == "system" else None
        )
        _Look.follows = True
    _Look.wanted, _Look.scale = name, min(max(scale, 0.75), 2.0)
    _Look.theme = THEMES[_system_choice() if name == "system" else name]
    app.setStyle("Fusion")
    app.setFont(font("body"))
    app.setPalette(palette(_Look.theme))
    app.setStyleSheet(style_sheet(_Look.theme, px, font))
    notifier.changed.emit()


def _system_choice() -> Literal["dark", "light"]:
    hints = QGuiApplication.styleHints()
    return "light" if hints is not None and hints.colorScheme() == Qt.ColorScheme.Light else "dark"


def _zoom() -> float:
    """How much larger than drawn: the system's text size, never below ours, times the user's scale."""
    return max(_Look.system_px / BASE_FONT_PX, 1.0) * _Look.scale


def px(units: float) -> int:
    """So many units of the grid in logical pixels: 4 each, more where the text is larger."""
    return round(units * GRID_PX * _zoom())


def font(role: FontRole = "body") -> QFont:
    """The font of a role; figures are all of one width, so that numbers do not dance."""
    key = (role, _Look.family, _zoom())
    kept = _Look.fonts.get(key)
    if kept is None:  # Qt looks for a font's file once per object, not per description: a third of a label's painting
        kept = _Look.fonts[key] = QFont()
        kept.setFamilies([_Look.family, FALLBACK_FAMILY])
        kept.setPixelSize(round(BASE_FONT_PX * _zoom() * FONT_SIZES[role]))
        kept.setWeight(QFont.Weight.DemiBold if role in _SEMIBOLD else QFont.Weight.Normal)
        kept.setFeature(QFont.Tag("tnum"), 1)
    return QFont(kept)


def color(name: str, alpha: float = 1.0) -> QColor:
    """The current theme's colour of a token, optionally seen through."""
    key = (_Look.theme.name, name, alpha)
    kept = _Look.colors.get(key)
    if kept is None:  # meters ask hundreds of times a second
        kept = _Look.colors[key] = QColor(getattr(_Look.theme, name))
        kept.setAlphaF(alpha)
    return QColor(kept)


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget its role in the style sheet, also after it was shown."""
    widget.setProperty("role", role)
    widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    style = widget.style()
    if style is not None:
        style.unpolish(widget)
        style.polish(widget)


def palette(theme: Theme) -> QPalette:
    """The theme as Qt's palette, for what no style sheet reaches."""
    roles = QPalette.ColorRole
    chosen = {
        roles.Window: theme.background,
        roles.WindowText: theme.text,
        roles.Base: theme.surface,
        roles.AlternateBase: theme.raised,
        roles.Text: theme.text,
        roles.Button: theme.raised,
        roles.ButtonText: theme.text,
        roles.BrightText: theme.bad,
        roles.ToolTipBase: theme.raised,
        roles.ToolTipText: theme.text,
        roles.PlaceholderText: theme.text_dim,
        roles.Highlight: theme.accent,
        roles.HighlightedText: theme.on_accent,
        roles.Link: theme.accent,
        roles.LinkVisited: theme.accent,
        roles.Light: theme.raised,
        roles.Midlight: theme.line,
        roles.Mid: theme.line,
        roles.Dark: theme.line,
        roles.Shadow: theme.background,
    }
    made = QPalette()
    for role, value in chosen.items():
        made.setColor(role, QColor(value))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.border))
    return made
