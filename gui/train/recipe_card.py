"""One recipe to choose: what comes out of it, how late it answers, how long it trains. GUI thread."""

from __future__ import annotations

from PyQt6.QtWidgets import QFrame, QLabel, QRadioButton, QVBoxLayout, QWidget

from gui import theme
from gui.train.catalogue import Recipe, rough_time


class RecipeCard(QFrame):
    """A recipe to choose: its words and its costs."""

    def __init__(self, recipe: Recipe, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.recipe = recipe
        theme.set_role(self, "card")
        self.button = QRadioButton(recipe.title)
        self.costs = QLabel()
        theme.set_role(self.costs, "small")
        purpose = QLabel(recipe.purpose)
        for label in (purpose, self.costs):
            label.setWordWrap(True)
        self.button.setAccessibleDescription(f"{recipe.purpose} {recipe.wants}")
        self.setToolTip(recipe.wants)
        column = QVBoxLayout(self)
        column.setSpacing(theme.px(1))
        for widget in (self.button, purpose, self.costs):
            column.addWidget(widget)
        column.addStretch(1)
        self.button.toggled.connect(self._mark)

    def set_seconds(self, seconds: float | None, unknown: str) -> None:
        """How long it would take; `unknown` while nobody knows."""
        latency = "" if self.recipe.latency_ms is None else f"answers after {self.recipe.latency_ms:.0f} ms · "
        self.costs.setText(latency + (unknown if seconds is None else f"{rough_time(seconds)} to train"))

    def mousePressEvent(self, _event: object) -> None:  # noqa: N802
        """A click anywhere chooses it."""
        self.button.setChecked(True)
        self.button.setFocus()

    def _mark(self, chosen: bool) -> None:
        self.setProperty("chosen", "true" if chosen else "false")
        theme.set_role(self, "card")
