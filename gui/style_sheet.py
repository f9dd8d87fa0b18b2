"""The one style sheet of the app, made from a theme's colours and the grid; `gui.theme.apply` sets it. GUI thread.

Every control has its edge in `border`, and in `focus`, twice as wide, while it has the keyboard; its padding gives way
by what the edge takes, so that nothing moves. Heights include edges: a target is at least 32 px, 44 px on stage.
Style sheets cannot tint pictures, so `gui/icons/sheet` holds its few glyphs once a theme.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from PyQt6.QtGui import QFont

    from gui.theme import Theme

SHEET_ICONS = Path(__file__).parent / "icons" / "sheet"
CONTROL_UNITS, STAGE_UNITS = 8, 11  # 32 px, 44 px
RADIUS_UNITS, CARD_RADIUS_UNITS = 1.5, 2  # 6 px, 8 px


def style_sheet(theme: Theme, px: Callable[[float], int], font: Callable[[Any], QFont]) -> str:
    """Qt's style sheet for `theme`; px and font as in `gui.theme`."""
    return "\n".join(
        (_surfaces(theme, px), _words(theme, font, px), _buttons(theme, px), _fields(theme, px), _rest(theme, px))
    )


def _edged(selector: str, theme: Theme, vertical: int, sides: int, *, states: str = ":focus") -> str:
    """Edge and padding of a control, at rest and with the keyboard, of the same size together."""
    return (
        f"{selector} {{ border: 1px solid {theme.border}; padding: {vertical}px {sides}px; }}\n"
        f"{selector}{states} {{ border: 2px solid {theme.focus}; padding: {vertical - 1}px {sides - 1}px; }}"
    )


def _picture(name: str, theme: Theme, *, other: bool = False) -> str:
    """other: as the other theme draws it, for what lies on the accent."""
    drawn = theme.name if not other else "light" if theme.name == "dark" else "dark"
    return f"image: url({(SHEET_ICONS / f'{name}-{drawn}.svg').as_posix()});"


def _surfaces(t: Theme, px: Callable[[float], int]) -> str:
    radius = px(CARD_RADIUS_UNITS)
    return f"""
QMainWindow, QDialog, *[role="panel"] {{ background: {t.background}; }}
*[role="card"] {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: {radius}px; }}
*[role="card"][chosen="true"] {{ border: 2px solid {t.accent}; }}
*[role="bar"] {{ background: {t.surface}; border: none; }}
QScrollArea {{ background: transparent; border: none; }}
QScrollArea > QWidget > QWidget {{ background: transparent; }}
QToolTip {{ color: {t.text}; background: {t.raised}; border: 1px solid {t.border}; padding: {px(1)}px {px(1.5)}px; }}
QStatusBar {{ background: {t.surface}; color: {t.text_dim}; }}
QStatusBar::item {{ border: none; }}
QSplitter::handle {{ background: {t.line}; }}
QSplitter::handle:hover {{ background: {t.border}; }}
QGroupBox {{ border: 1px solid {t.line}; border-radius: {radius}px; margin-top: {px(3)}px; padding: {px(3)}px; }}
QGroupBox::title {{ subcontrol-origin: margin; left: {px(3)}px; color: {t.text_dim}; }}
QFrame[role="line"] {{ background: {t.line}; border: none; max-height: 1px; }}
"""


def _words(t: Theme, font: Callable[[Any], QFont], px: Callable[[float], int]) -> str:
    made = []
    for role in ("small", "strong", "title", "display", "stage", "number"):
        chosen = font(role)
        made.append(
            f'QLabel[role="{role}"] {{ font-size: {chosen.pixelSize()}px; font-weight: {int(chosen.weight())}; }}'
        )
    small, high = font("small").pixelSize(), px(6) - 2
    return (
        "\n".join(made)
        + f"""
QLabel {{ background: transparent; }}
QLabel[role="dim"], QLabel[role="small"] {{ color: {t.text_dim}; }}
QLabel[role="good"] {{ color: {t.good}; }}
QLabel[role="warn"] {{ color: {t.warn}; }}
QLabel[role="bad"] {{ color: {t.bad}; }}
QLabel[role="input"] {{ color: {t.input}; }}
QLabel[role="output"] {{ color: {t.output}; }}
QLabel[role="chip"], QLabel[role="badge"] {{
  font-size: {small}px; color: {t.text_dim}; border: 1px solid {t.border}; border-radius: {px(1)}px;
  padding: 0 {px(1.5)}px; min-height: {px(5)}px; max-height: {high}px;
}}
QLabel[role="badge"] {{ color: {t.text}; background: {t.raised}; }}
"""
    )


def _buttons(t: Theme, px: Callable[[float], int]) -> str:
    vertical, sides, radius = px(1.5), px(3), px(RADIUS_UNITS)
    inner = px(CONTROL_UNITS) - 2 - 2 * vertical
    stage = px(STAGE_UNITS) - 2 - 2 * vertical
    return f"""
QPushButton, QToolButton {{
  background: {t.raised}; color: {t.text}; border-radius: {radius}px; min-height: {inner}px;
}}
QToolButton {{ min-width: {inner}px; }}
QPushButton, QToolButton {{ icon-size: {px(4.5)}px; }}
{_edged("QPushButton", t, vertical, sides)}
{_edged("QToolButton", t, vertical, vertical)}
QPushButton:hover, QToolButton:hover {{ background: {t.line}; }}
QPushButton:pressed, QToolButton:pressed {{ background: {t.background}; }}
QPushButton:checked, QToolButton:checked {{ border-color: {t.accent}; color: {t.accent}; }}
QPushButton:checked:focus, QToolButton:checked:focus {{ border-color: {t.focus}; }}
QPushButton:disabled, QToolButton:disabled {{ color: {t.border}; background: {t.surface}; border-color: {t.line}; }}
QPushButton[role="primary"] {{
  background: {t.accent}; color: {t.on_accent}; border-color: {t.accent}; font-weight: 600;
}}
QPushButton {{ outline: none; }}
QPushButton[role="primary"]:hover {{ background: {_between(t.accent, t.text)}; }}
QPushButton[role="primary"]:focus {{ border-color: {t.focus}; }}
QPushButton[role="primary"]:disabled {{ background: {t.raised}; color: {t.border}; border-color: {t.line}; }}
QPushButton[role="danger"] {{ color: {t.bad}; border-color: {t.bad}; }}
QPushButton[role="danger"]:disabled {{ color: {t.border}; border-color: {t.line}; }}
QPushButton[role="danger"]:focus {{ border-color: {t.focus}; }}
QPushButton[role="ghost"], QToolButton[role="ghost"], QToolButton[role="rail"] {{
  background: transparent; border-color: transparent;
}}
QPushButton[role="ghost"]:hover, QToolButton[role="ghost"]:hover, QToolButton[role="rail"]:hover {{
  background: {t.raised};
}}
QPushButton[role="ghost"]:focus, QToolButton[role="ghost"]:focus, QToolButton[role="rail"]:focus {{
  border-color: {t.focus};
}}
QToolButton[role="rail"] {{ color: {t.text_dim}; padding: {px(2)}px {px(1)}px; }}
QToolButton[role="rail"]:focus {{ padding: {px(2) - 1}px {px(1) - 1}px; }}
QToolButton[role="rail"]:checked {{
  color: {t.text}; background: {t.raised}; border-left: {px(0.75)}px solid {t.accent}; padding-left: {px(0.25)}px;
}}
QPushButton[role="stage"] {{ min-height: {stage}px; font-size: {px(4.5)}px; }}
QPushButton[role="chip"] {{ border-radius: {px(CONTROL_UNITS) // 2}px; background: transparent; }}
QPushButton[role="chip"]:hover {{ background: {t.raised}; }}
QPushButton[role="chip"]:checked {{ background: {t.raised}; }}
QPushButton::menu-indicator, QToolButton::menu-indicator {{
  {_picture("down", t)} width: {px(3)}px; height: {px(3)}px;
}}
QPushButton::menu-indicator {{ subcontrol-position: right center; right: {px(2)}px; }}
QPushButton[role="primary"]::menu-indicator {{ {_picture("down", t, other=True)} }}
QToolButton::menu-indicator {{ subcontrol-position: right bottom; }}
"""


def _fields(t: Theme, px: Callable[[float], int]) -> str:
    vertical, sides, radius = px(1.5), px(2), px(RADIUS_UNITS)
    inner = px(CONTROL_UNITS) - 2 - 2 * vertical
    mark = px(4.5) - 2
    return f"""
QLineEdit, QComboBox, QAbstractSpinBox {{
  background: {t.surface}; color: {t.text}; border-radius: {radius}px; min-height: {inner}px;
  selection-background-color: {t.accent}; selection-color: {t.on_accent};
}}
{_edged("QLineEdit", t, vertical, sides)}
{_edged("QComboBox", t, vertical, sides)}
{_edged("QAbstractSpinBox", t, vertical, sides)}
QLineEdit:disabled, QComboBox:disabled, QAbstractSpinBox:disabled {{ color: {t.border}; border-color: {t.line}; }}
QLineEdit[wrong="true"] {{ border-color: {t.bad}; }}
QComboBox::drop-down {{ border: none; width: {px(7)}px; }}
QComboBox::down-arrow {{ {_picture("down", t)} width: {px(3)}px; height: {px(3)}px; }}
QComboBox QAbstractItemView {{ background: {t.raised}; border: 1px solid {t.border}; padding: {px(1)}px; }}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button {{ border: none; background: none; width: {px(5)}px; }}
QAbstractSpinBox::up-arrow {{ {_picture("up", t)} width: {px(2.5)}px; height: {px(2.5)}px; }}
QAbstractSpinBox::down-arrow {{ {_picture("down", t)} width: {px(2.5)}px; height: {px(2.5)}px; }}
QPlainTextEdit, QTextEdit {{ background: {t.surface}; border-radius: {radius}px; }}
{_edged("QPlainTextEdit", t, vertical, sides)}
{_edged("QTextEdit", t, vertical, sides)}
QCheckBox, QRadioButton {{ spacing: {px(2)}px; min-height: {px(CONTROL_UNITS) - 4}px; padding: 0 {px(1)}px;
  border: 2px solid transparent; border-radius: {radius}px; }}
QCheckBox:focus, QRadioButton:focus {{ border-color: {t.focus}; }}
QCheckBox:disabled, QRadioButton:disabled {{ color: {t.border}; }}
QCheckBox::indicator, QRadioButton::indicator {{
  width: {mark}px; height: {mark}px; border: 1px solid {t.border}; background: {t.surface}; border-radius: {px(1)}px;
}}
QRadioButton::indicator {{ border-radius: {mark // 2 + 1}px; }}
QCheckBox::indicator:checked {{ background: {t.accent}; border-color: {t.accent}; {_picture("check", t)} }}
QCheckBox::indicator:indeterminate {{ {_picture("dash", t)} background: {t.accent}; border-color: {t.accent}; }}
QRadioButton::indicator:checked {{ background: {t.accent}; border-color: {t.accent}; {_picture("dot", t)} }}
"""


def _rest(t: Theme, px: Callable[[float], int]) -> str:
    radius, row = px(RADIUS_UNITS), px(CONTROL_UNITS) - 2 * px(1)
    return f"""
QAbstractItemView {{
  background: {t.surface}; border: 1px solid {t.line}; border-radius: {radius}px; outline: none;
  font-style: normal;  /* a change of font: rows that were laid out before the first showing are laid out again */
}}
QAbstractItemView[role="bare"] {{
  background: transparent; border-color: transparent; font-size: {px(5)}px; font-weight: 600;
}}
QAbstractItemView:focus {{ border: 2px solid {t.focus}; }}
QAbstractItemView::item {{
  min-height: {row}px; padding: {px(1)}px {px(2)}px; color: {t.text}; border-left: {px(0.75)}px solid transparent;
}}
QAbstractItemView::item:hover {{ background: {t.raised}; }}
QAbstractItemView::item:selected {{ background: {t.raised}; border-left-color: {t.accent}; }}
QHeaderView::section {{
  background: {t.surface}; color: {t.text_dim}; border: none; border-bottom: 1px solid {t.line};
  padding: {px(1.5)}px {px(2)}px;
}}
QMenu {{ background: {t.raised}; border: 1px solid {t.border}; padding: {px(1)}px; }}
QMenu::item {{ padding: {px(1.75)}px {px(6)}px {px(1.75)}px {px(3)}px; border-radius: {px(1)}px; }}
QMenu::item:selected {{ background: {t.accent}; color: {t.on_accent}; }}
QMenu::item:disabled {{ color: {t.border}; background: transparent; }}
QMenu::icon {{ padding-left: {px(2)}px; }}
QMenu::separator {{ height: 1px; background: {t.line}; margin: {px(1)}px {px(2)}px; }}
QMenuBar {{ background: {t.background}; }}
QMenuBar::item:selected {{ background: {t.raised}; }}
QProgressBar {{
  background: {t.raised}; border: 1px solid {t.border}; border-radius: {px(1)}px; color: transparent;
  min-height: {px(2) - 2}px; max-height: {px(2) - 2}px;
}}
QProgressBar::chunk {{ background: {t.accent}; border-radius: {px(0.75)}px; }}
QTabWidget::pane {{ border: none; border-top: 1px solid {t.line}; }}
QTabBar {{ background: transparent; }}
QTabBar::tab {{
  background: transparent; color: {t.text_dim}; padding: {px(2)}px {px(3)}px; min-height: {px(4)}px;
  border: 2px solid transparent; border-radius: {px(1)}px;
}}
QTabBar::tab:hover {{ color: {t.text}; }}
QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
QTabBar::tab:focus {{ border: 2px solid {t.focus}; }}
QScrollBar {{ background: transparent; border: none; margin: 0; }}
QScrollBar:vertical {{ width: {px(3)}px; }}
QScrollBar:horizontal {{ height: {px(3)}px; }}
QScrollBar::handle {{ background: {t.border}; border-radius: {px(0.75)}px; margin: {px(0.75)}px; }}
QScrollBar::handle:vertical {{ min-height: {px(8)}px; }}
QScrollBar::handle:horizontal {{ min-width: {px(8)}px; }}
QScrollBar::handle:hover {{ background: {t.text_dim}; }}
QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
QScrollBar::add-page, QScrollBar::sub-page {{ background: transparent; }}
QSlider {{ min-height: {px(CONTROL_UNITS)}px; }}
Fader {{ min-height: {px(12)}px; }}
PowerButton {{ min-height: {px(14) - 4}px; }}
PowerButton[large="true"] {{ min-height: {px(20) - 4}px; min-width: {px(20) - 6 - 2 * px(1)}px; }}
QSlider::groove:horizontal {{ height: {px(1)}px; background: {t.line}; border-radius: {px(0.5)}px; }}
QSlider::sub-page:horizontal {{ background: {t.accent}; border-radius: {px(0.5)}px; }}
QSlider::handle:horizontal {{
  background: {t.text}; width: {px(4)}px; margin: -{px(1.5)}px 0; border-radius: {px(2)}px;
  border: 2px solid {t.background};
}}
QSlider::handle:horizontal:focus {{ border-color: {t.focus}; background: {t.accent}; }}
"""


def _between(one: str, other: str, part: float = 0.15) -> str:
    """The colour at `part` of the way from one to the other."""
    channels = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in channels)
