from __future__ import annotations

import math
import re
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PyQt6.QtGui import QColor, QFont
from PyQt6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QListWidget, QPushButton, QToolButton

from gui import icon, theme
from gui.style_sheet import SHEET_ICONS
from gui.theme import DARK, LIGHT, THEMES, Theme
from gui.widgets.colour_ramp import oklab, shades

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PyQt6.QtWidgets import QApplication, QWidget
    from pytestqt.qtbot import QtBot

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "design-language.md").read_text(encoding="utf-8")
TOKENS = [field.name for field in fields(Theme) if field.name != "name"]
GROUNDS = ("background", "surface", "raised")
# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
BLINDNESS = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039)),
}
both = pytest.mark.parametrize("look", [DARK, LIGHT], ids=lambda look: look.name)


@pytest.fixture
def dressed(qapp: QApplication) -> Iterator[QApplication]:
    """An application that wears the dark theme again afterwards."""
    yield qapp
    theme.apply(qapp, "dark")


def rows_of(heading: str) -> dict[str, list[str]]:
    """The table under a line that begins with `heading`: first column to the others."""
    table = PAGE.split(heading, 1)[1].split("|\n\n", 1)[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    return {row[0]: row[1:] for row in cells[2:]}


def linear(colour: str) -> NDArray[np.float64]:
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.072175), (0.0193339, 0.119192, 0.9503041))
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / (0.95047, 1.0, 1.08883)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array((116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])))


def least_contrast(look: Theme, token: str) -> float:
    grounds = {"on_accent": ("accent",)}.get(token, GROUNDS)
    return min(contrast(getattr(look, token), getattr(look, ground)) for ground in grounds)


def test_the_page_lists_every_token_as_it_is() -> None:
    """The table of colours in the design language names every token of the theme, with the values of both themes."""
    table = rows_of("## Colour")
    assert set(table) == set(TOKENS)
    for token, (dark, light, purpose) in table.items():
        assert (dark, light) == (getattr(DARK, token), getattr(LIGHT, token))
        assert purpose


def test_the_page_states_type_and_grid_as_they_are() -> None:
    """The sizes and weights of the page are those of the fonts, and its units are worth four pixels each."""
    table = rows_of("## Type")
    assert set(table) == set(get_args(theme.FontRole))
    for role, (size, weight, _) in table.items():
        assert theme.FONT_SIZES[role] == float(size)  # type: ignore[index]
        assert theme.font(role).weight() == int(weight)  # type: ignore[arg-type]
    for units, pixels in (row for row in rows_of("## Grid").values()):
        assert float(units) * theme.GRID_PX == float(pixels)


@both
def test_words_can_be_read_and_controls_seen(look: Theme) -> None:
    """Every word has a contrast of 4.5 at least, and every edge and ring 3, on every ground, as the page says."""
    column = 0 if look is DARK else 1
    checked = set()
    for names, row in rows_of("Contrast by WCAG").items():
        for token in names.replace("(on accent)", "").split(","):
            found = least_contrast(look, token.strip())
            assert found >= float(row[2])
            assert math.floor(found * 10) / 10 == float(row[column]), (token, found)
            checked.add(token.strip())
    assert checked == set(TOKENS) - {*GROUNDS, "line"}


@both
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_dry_and_wet_differ_for_every_eye(look: Theme, blindness: str) -> None:
    """Input and output stay more than 75 ΔE apart for the colour-blind, as the page says."""
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(colour)) for colour in (look.input, look.output)]
    assert np.linalg.norm(seen[0] - seen[1]) > 75


@both
@pytest.mark.parametrize("token", ["input", "output"])
def test_loudness_is_seen_without_colour(look: Theme, token: str) -> None:
    """The shades of a spectrogram begin with the background and go one way in lightness, in equal steps."""
    ramp = shades(look.name, look.background, getattr(look, token))
    assert f"#{int(ramp[0]) & 0xFFFFFF:06x}" == look.background
    lightness = np.array([oklab(f"#{int(shade) & 0xFFFFFF:06x}")[0] for shade in ramp[::8]])
    steps = np.diff(lightness) * (1 if look is DARK else -1)
    assert steps.min() > 0
    assert steps.max() < 3 * steps.mean()


@both
def test_a_theme_dresses_the_application(look: Theme, dressed: QApplication, qtbot: QtBot) -> None:
    """Applying a theme sets palette and style sheet, says so, and is what `current` gives."""
    with qtbot.waitSignal(theme.notifier.changed, timeout=1000):
        theme.apply(dressed, look.name)
    assert theme.current() is look
    assert dressed.palette().window().color() == QColor(look.background)
    assert look.accent in dressed.styleSheet()
    other = LIGHT if look is DARK else DARK
    assert other.accent not in dressed.styleSheet()


def test_a_larger_scale_enlarges_grid_and_type_together(dressed: QApplication) -> None:
    """At 200 % a unit and a letter are twice as large, and no scale goes beyond."""
    theme.apply(dressed, "dark")
    unit, letters = theme.px(8), theme.font("body").pixelSize()
    theme.apply(dressed, "dark", 2.0)
    assert theme.px(8) == 2 * unit
    assert theme.font("body").pixelSize() == 2 * letters
    assert dressed.font().pixelSize() == 2 * letters
    theme.apply(dressed, "dark", 9.0)
    assert theme.px(8) == 2 * unit


def test_figures_are_of_one_width() -> None:
    """The fonts ask for tabular figures."""
    assert theme.font("number").featureValue(QFont.Tag("tnum")) == 1


@pytest.mark.parametrize("made", [QPushButton, QToolButton, QLineEdit, QComboBox, QCheckBox])
def test_targets_are_large_enough(made: type[QWidget], qtbot: QtBot) -> None:
    """Buttons and fields are at least 32 px high, and one for the stage 44."""
    widget = made()
    qtbot.addWidget(widget)
    widget.ensurePolished()
    assert widget.sizeHint().height() >= 32
    if isinstance(widget, QPushButton):
        theme.set_role(widget, "stage")
        assert widget.sizeHint().height() >= 44


def test_focus_moves_nothing(qtbot: QtBot) -> None:
    """A button is as large with the keyboard as without, so that nothing moves."""
    button = QPushButton("Open")
    qtbot.addWidget(button)
    button.ensurePolished()
    before = button.sizeHint()
    sheet = re.search(r"QPushButton \{ border: (\d)px .*?padding: (\d+)px (\d+)px", theme_sheet(button))
    focused = re.search(r"QPushButton:focus \{ border: (\d)px .*?padding: (\d+)px (\d+)px", theme_sheet(button))
    assert sheet and focused
    assert focused[1] == "2"
    assert int(sheet[1]) + int(sheet[2]) == int(focused[1]) + int(focused[2])
    assert int(sheet[1]) + int(sheet[3]) == int(focused[1]) + int(focused[3])
    assert button.sizeHint() == before


def theme_sheet(widget: QWidget) -> str:
    from PyQt6.QtWidgets import QApplication

    app = QApplication.instance()
    assert isinstance(app, QApplication)
    return app.styleSheet()


@pytest.mark.parametrize("path", sorted(icon.FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_an_icon_is_drawn_and_tinted(path: Path, qtbot: QtBot) -> None:
    """Every icon is a well-formed SVG that paints something, in the colour asked for where it is a stroke."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own files
    assert root.get("viewBox")
    if path.stem == "app":
        assert not icon.app_icon().isNull()
        assert {"#7cb8f2", "#f5a35c"} <= set(re.findall(r"#[0-9a-f]{6}", path.read_text(encoding="utf-8")))
        return
    assert (root.get("viewBox"), root.get("stroke")) == ("0 0 24 24", "currentColor")
    image = icon.pixmap(path.stem, 24, "warn").toImage()
    inked = [image.pixelColor(x, y) for x in range(24) for y in range(24) if image.pixelColor(x, y).alpha() == 255]
    assert inked
    assert all(
        abs(found - wanted) <= 2
        for c in inked
        for found, wanted in zip(c.getRgb(), QColor(DARK.warn).getRgb(), strict=True)
    )


def test_an_icon_is_dimmer_where_disabled(qtbot: QtBot) -> None:
    """A disabled icon has the colour of disabled words."""
    from PyQt6.QtGui import QIcon

    image = icon.icon("stop").pixmap(24, 24, QIcon.Mode.Disabled).toImage()
    strongest = max((image.pixelColor(x, y) for x in range(24) for y in range(24)), key=lambda c: c.alpha())
    assert strongest.name() == DARK.border


def test_an_icon_keeps_its_distance_from_words(qtbot: QtBot) -> None:
    """Beside words an icon has empty room at its right, in the same size of the text; alone it is square."""
    for made, beside in ((QPushButton("Play"), True), (QPushButton(), False), (QToolButton(), False)):
        qtbot.addWidget(made)
        icon.set_icon(made, "stop", units=8)
        size = made.iconSize()
        assert (size.width() > size.height()) == beside
        image = made.icon().pixmap(size).toImage()
        right = [image.pixelColor(x, size.height() // 2).alpha() for x in range(size.height(), size.width())]
        assert not any(right)


def test_the_named_icons_are_there() -> None:
    """Every icon that the panels ask for has its file."""
    wanted = (
        "power play source chain convert train setlist mic midi file record stop mute bypass panic folder search close "
        "add remove bypass-plugin grip undo redo settings help warning error info check star keyboard download ab retry"
    )
    assert set(wanted.split()) <= set(icon.names())


@both
def test_the_glyphs_of_the_style_sheet_wear_the_theme(look: Theme) -> None:
    """The glyphs that a style sheet cannot tint have the colours of their theme."""
    tokens = {"check": "on_accent", "dash": "on_accent", "dot": "on_accent", "down": "text_dim", "up": "text_dim"}
    for name, token in tokens.items():
        assert f'stroke="{getattr(look, token)}"' in (SHEET_ICONS / f"{name}-{look.name}.svg").read_text(
            encoding="utf-8"
        )
    assert len(THEMES) * len(tokens) == len(list(SHEET_ICONS.glob("*.svg")))


def test_rows_filled_before_showing_do_not_overlap(qtbot: QtBot) -> None:
    """A list that was filled before it was shown has rows as high as targets, one below the other."""
    rows = QListWidget()
    rows.addItems(["one", "two", "three"])
    rows.setCurrentRow(1)
    qtbot.addWidget(rows)
    rows.show()
    qtbot.waitExposed(rows)
    places = [rows.visualItemRect(rows.item(k)) for k in range(3)]
    qtbot.waitUntil(lambda: rows.visualItemRect(rows.item(1)).top() > places[0].bottom())
    places = [rows.visualItemRect(rows.item(k)) for k in range(3)]
    assert all(below.top() > above.bottom() for above, below in pairwise(places))
    assert all(place.height() >= 32 for place in places)
