"""The one style sheet of the app, made from a theme's colours and the grid; `gui.theme.apply` sets it. GUI thread.

Every control has its edge in `border`, and in `focus`, twice as wide, while it has the keyboard: widths stay the same,
so that nothing moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gui.theme import Theme


def style_sheet(theme: Theme, px: Callable[[float], int], font: Callable[[Any], Any]) -> str:
    """Qt's style sheet for `theme`; px and font as in `gui.theme`."""
    t = theme
    return f"QToolTip {{ color: {t.text}; background: {t.raised}; border: 1px solid {t.border}; padding: {px(1)}px; }}"
