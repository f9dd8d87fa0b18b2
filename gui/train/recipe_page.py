"""Second step: which recipe, what of the data, how long; few settings, the rest behind "More settings".

    name [My horn            ]
    ┌ (•) Voice ────────────────────────────────┐  learn [x] horn 4 min  [x] reed 3 min      (recordings)
    │ Your playing takes on the sound of …      │  you play [piano ▾]  it becomes [strings ▾] (pairs)
    │ answers after 8 ms · about 2 hours        │  [Quick try] [Usual] [Thorough]
    └───────────────────────────────────────────┘  ▸ More settings

What there is, and how fast this machine trains, is asked of the command line once (`retimbre zoo --json --speed`).
GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon
from gui.train.catalogue import LENGTHS, OWN_SETTINGS, Recipe, minutes_words, rough_time
from gui.train.recipe_card import RecipeCard
from gui.train.settings_form import SettingsForm
from gui.widgets.bending import bend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gui.train.data_page import Data


class RecipePage(QWidget):
    """`changed` whenever what `problem`, `changes` or `seconds` say may have changed."""

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._data: Data | None = None
        self._recipes: Sequence[Recipe] = ()
        self._speeds: Mapping[str, float] = {}
        self._unknown = "measuring the speed of this machine…"
        self.cards: list[RecipeCard] = []
        self._group = QButtonGroup(self)
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the new model")
        self.name.setMaxLength(48)
        self.name.textChanged.connect(lambda _text: self.changed.emit())
        self.sounds: dict[str, QCheckBox] = {}
        self.origin, self.target = QComboBox(), QComboBox()
        self.origin.setAccessibleName("You play")
        self.target.setAccessibleName("It becomes")
        for combo in (self.origin, self.target):
            combo.currentIndexChanged.connect(lambda _place: self.changed.emit())
        self.lengths = QButtonGroup(self)
        self.more = QToolButton()
        self.more.setText("More settings")
        self.more.setCheckable(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.set_role(self.more, "ghost")
        self.more.toggled.connect(self._show_more)
        self.form = SettingsForm()
        self.form.setVisible(False)
        self.form.changed.connect(self.changed)
        self.wants = QLabel()
        self.wants.setWordWrap(True)
        theme.set_role(self.wants, "warn")
        self._arrange()
        theme.notifier.changed.connect(self._dress)
        self._dress()

    def set_recipes(self, recipes: Sequence[Recipe]) -> None:
        """What can be trained."""
        self._recipes = recipes
        self._fill_cards()

    def set_speeds(self, seconds: Mapping[str, float], unknown: str) -> None:
        """Seconds of each whole run here."""
        self._speeds, self._unknown = seconds, unknown
        self._show_costs()
        self.changed.emit()

    def set_data(self, data: Data | None) -> None:
        """What was checked in the first step."""
        if data is None or data is self._data:
            return
        self._data = data
        self.name.setText(data.name.replace("_", " ").strip().capitalize()[:48])
        for check in self.sounds.values():
            check.setParent(None)
            check.deleteLater()
        self.sounds = {}
        for name in data.minutes:
            check = QCheckBox(f"{name.replace('_', ' ')}, {minutes_words(data.total(name))}")
            check.setEnabled(data.minutes[name].get("train", 0.0) > 0)
            check.setChecked(check.isEnabled())
            check.toggled.connect(lambda _on: self.changed.emit())
            self.sounds[name] = check
            self._checks.addWidget(check)
        names = list(data.minutes)
        for combo, place in ((self.origin, 0), (self.target, 1)):
            combo.clear()
            for name in names:
                combo.addItem(name.replace("_", " "), name)
            combo.setCurrentIndex(min(place, len(names) - 1))
        self._learn.setVisible(data.kind == "recordings")
        self._pair.setVisible(data.kind == "paired")
        self._fill_cards()

    @property
    def recipe(self) -> Recipe | None:
        """The chosen one."""
        return next((card.recipe for card in self.cards if card.button.isChecked()), None)

    @property
    def length(self) -> float:
        """Part of the shipped number of steps."""
        return LENGTHS[max(0, self.lengths.checkedId())][1]

    def seconds(self) -> float | None:
        """How long that takes here; None while nobody knows."""
        if self.recipe is None or self.recipe.run not in self._speeds:
            return None
        return self._speeds[self.recipe.run] * self.length

    def problem(self) -> str:
        """Why it cannot begin yet; empty when it can."""
        if self._data is None:
            return "Check what to learn from first."
        if self.recipe is None:
            return "Choose a recipe."
        if not self.name.text().strip():
            return "Give the model a name."
        if self._data.kind == "recordings" and not any(check.isChecked() for check in self.sounds.values()):
            return "Choose at least one sound to learn."
        if self._data.kind == "paired" and self.origin.currentData() == self.target.currentData():
            return "Choose two different sounds."
        return self.form.problem()

    def changes(self) -> dict[str, Any]:
        """Settings that differ from the shipped run, by key."""
        data, recipe = self._data, self.recipe
        assert data is not None
        assert recipe is not None
        made = recipe.for_length(self.length) | self.form.changes()
        made["data.index"] = str(data.index)
        if data.kind == "recordings":
            made["data.targets"] = [name for name, check in self.sounds.items() if check.isChecked()]
        else:
            made |= recipe.pair(self.origin.currentData(), self.target.currentData(), list(data.minutes))
        return made

    def _fill_cards(self) -> None:
        if self._data is None or not self._recipes:
            return
        chosen = self.recipe.run if self.recipe is not None else ""
        for card in self.cards:
            self._group.removeButton(card.button)
            card.setParent(None)
            card.deleteLater()
        fit = [one for one in self._recipes if one.data == self._data.kind and one.playable]
        self.cards = [RecipeCard(recipe) for recipe in fit]
        for card in self.cards:
            self._group.addButton(card.button)
            self._deck.addWidget(card)
            card.button.toggled.connect(self._choose)
        if self.cards:
            runs = [card.recipe.run for card in self.cards]
            self.cards[runs.index(chosen) if chosen in runs else 0].button.setChecked(True)
        self._show_costs()
        self.changed.emit()

    def _choose(self, chosen: bool) -> None:
        recipe, data = self.recipe, self._data
        if not chosen or recipe is None or data is None:
            return
        least = min((data.total(name) for name in data.minutes), default=0.0)
        self.wants.setText(
            ""
            if least >= recipe.minutes
            else f"{minutes_words(recipe.minutes)} of each sound are advised and {minutes_words(least)} are here: it "
            "will train, but sound like less."
        )
        self.wants.setVisible(bool(self.wants.text()))
        if self.more.isChecked():
            self._fill_form()
        else:
            self.form.show_settings(())
        self._show_costs()
        self.changed.emit()

    def _choose_length(self, _number: int) -> None:
        self._show_costs()
        self.changed.emit()

    def _show_costs(self) -> None:
        for card in self.cards:
            seconds = self._speeds.get(card.recipe.run)
            card.set_seconds(None if seconds is None else seconds * self.length, self._unknown)
        for number, (words, part, tip) in enumerate(LENGTHS):
            button = self.lengths.button(number)
            seconds = self._speeds.get(self.recipe.run) if self.recipe is not None else None
            if button is not None:
                time = "" if seconds is None else f": {rough_time(seconds * part)}"
                button.setToolTip(f"{tip[:-1]}{time}.")
                button.setAccessibleName(f"{words}{time}")

    def _show_more(self, shown: bool) -> None:
        self.form.setVisible(shown)
        self._dress()
        if shown and not self.form.rows:
            self._fill_form()

    def _fill_form(self) -> None:
        recipe = self.recipe
        if recipe is not None:
            free = [setting for setting in recipe.settings if setting.key not in OWN_SETTINGS]
            # The few that matter first, then as the recipe orders them.
            self.form.show_settings(sorted(free, key=lambda setting: setting.key not in recipe.simple))

    def _arrange(self) -> None:
        naming = QHBoxLayout()
        label = QLabel("Name")
        label.setBuddy(self.name)
        naming.addWidget(label)
        naming.addWidget(self.name, 1)
        naming.addStretch(1)
        self._deck = QVBoxLayout()
        cards = QVBoxLayout()
        cards.addLayout(self._deck)
        cards.addStretch(1)
        self._learn, self._pair = QWidget(), QWidget()
        self._checks = QVBoxLayout(self._learn)
        self._checks.addWidget(QLabel("Learn these sounds"))
        pair = QHBoxLayout(self._pair)
        for words, combo in (("You play", self.origin), ("it becomes", self.target)):
            pair.addWidget(QLabel(words))
            pair.addWidget(combo, 1)
        for layout in (self._checks, pair):
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(theme.px(1) if layout is self._checks else theme.px(2))
        self._long = long = QHBoxLayout()
        long.setSpacing(theme.px(2))
        for number, (words, _, tip) in enumerate(LENGTHS):
            button = QPushButton(words)
            button.setCheckable(True)
            button.setChecked(number == 1)
            button.setToolTip(tip)
            theme.set_role(button, "chip")
            self.lengths.addButton(button, number)
            long.addWidget(button)
        long.addStretch(1)
        self.lengths.idClicked.connect(self._choose_length)
        right = QVBoxLayout()
        right.setSpacing(theme.px(2))
        right.addWidget(self._learn)
        right.addWidget(self._pair)
        right.addWidget(QLabel("How long"))
        right.addLayout(long)
        right.addWidget(self.wants)
        right.addStretch(1)
        self._body = QHBoxLayout()
        self._body.addLayout(cards, 3)
        self._body.addLayout(right, 2)
        self._column = QVBoxLayout(self)
        self._column.addLayout(naming)
        self._column.addLayout(self._body)
        self._column.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        self._column.addWidget(self.form)
        self._column.addStretch(1)

    def bend(self, narrow: bool) -> None:
        """Stand in one column where there is little room."""
        bend(narrow, self._body, self._long)

    def _dress(self) -> None:
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.px(3))
        self._body.setSpacing(theme.px(6))
        self._deck.setSpacing(theme.px(2))
        set_icon(self.more, "down" if self.more.isChecked() else "next")
