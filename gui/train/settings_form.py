"""Every setting of a recipe as a form, from its own documentation: title, field, what it means, its range.

Rows are made a few at a time, so that sixty of them take no long moment of the GUI thread; a search field finds one.
GUI thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from gui import theme
from gui.train.catalogue import Setting
from realtime.errors import ConfigError

_ROWS_A_TURN: Final = 4
SECTIONS: Final = {
    "run": "Training", "data": "Data", "model": "Model", "training": "Learning", "stream": "The exported model",
}  # fmt: skip


class SettingRow(QWidget):
    """One setting; `changed` with its key when it holds another valid value, or an invalid one."""

    changed = pyqtSignal()

    def __init__(self, setting: Setting, value: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self.problem = ""
        self._value = value
        self.field: QWidget
        if setting.kind == "bool":
            check = QCheckBox("on")
            check.setChecked(bool(value))
            check.toggled.connect(self._take_bool)
            self.field = check
        elif setting.kind == "choice":
            combo = QComboBox()
            combo.addItems([str(choice) for choice in setting.choices])
            combo.setCurrentText(str(value))
            combo.currentTextChanged.connect(self._take)
            self.field = combo
        else:
            line = QLineEdit(setting.shown(value))
            line.textEdited.connect(self._take)
            self.field = line
        limits = [f"at least {setting.minimum:g}"] if setting.minimum is not None else []
        limits += [f"at most {setting.maximum:g}"] if setting.maximum is not None else []
        meaning = setting.help[:1].upper() + setting.help[1:] + (f" ({', '.join(limits)})" if limits else "")
        self.field.setAccessibleName(setting.title)
        self.field.setAccessibleDescription(meaning)
        self.field.setToolTip(f"{setting.key}: {meaning}")
        self.title, self.meaning = QLabel(setting.title), QLabel(meaning)
        self.title.setBuddy(self.field)
        self.meaning.setWordWrap(True)
        theme.set_role(self.meaning, "dim")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.title, 0, 0)
        grid.addWidget(self.field, 0, 1)
        grid.addWidget(self.meaning, 0, 2)
        grid.setColumnMinimumWidth(0, theme.px(40))
        grid.setColumnMinimumWidth(1, theme.px(36))
        grid.setColumnStretch(2, 1)
        self.field.setFixedWidth(theme.px(36))

    @property
    def value(self) -> Any:
        """The last value that was valid."""
        return self._value

    def _take_bool(self, on: bool) -> None:
        self._value = on
        self.changed.emit()

    def _take(self, text: str) -> None:
        try:
            self._value, self.problem = self.setting.read(text), ""
        except ConfigError as error:
            self.problem = str(error)
        self.field.setProperty("wrong", "true" if self.problem else "false")
        style = self.field.style()
        if style is not None:
            style.unpolish(self.field)
            style.polish(self.field)
        self.changed.emit()


class SettingsForm(QWidget):
    """`show_settings`, then `changes()`: what differs from the shipped run."""

    changed = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows: list[SettingRow] = []
        self._waiting: list[Setting] = []
        self._heads: list[tuple[str, QLabel]] = []
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a setting")
        self.search.setAccessibleName("Find a setting")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._filter)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.search)
        self._turn = QTimer(self)
        self._turn.timeout.connect(self._add_rows)

    def show_settings(self, settings: Sequence[Setting]) -> None:
        """Begin anew with these, at their shipped values."""
        for widget in (*self.rows, *(head for _, head in self._heads)):
            widget.setParent(None)
            widget.deleteLater()
        self.rows, self._heads = [], []
        self.search.clear()
        self._waiting = list(settings)
        self._turn.start()

    @property
    def complete(self) -> bool:
        """Whether every row is there."""
        return not self._waiting

    def changes(self) -> dict[str, Any]:
        """Values that differ from the shipped ones, by key."""
        return {row.setting.key: row.value for row in self.rows if row.value != row.setting.value}

    def problem(self) -> str:
        """The first sentence about a value that cannot be; empty when all can."""
        return next((row.problem for row in self.rows if row.problem), "")

    def _add_rows(self) -> None:
        for setting in self._waiting[:_ROWS_A_TURN]:
            section = setting.key.partition(".")[0]
            if not self._heads or self._heads[-1][0] != section:
                head = QLabel(SECTIONS.get(section, section.capitalize()))
                theme.set_role(head, "strong")
                self._heads.append((section, head))
                self._column.addWidget(head)
            row = SettingRow(setting, setting.value)
            row.changed.connect(self.changed)
            self.rows.append(row)
            self._column.addWidget(row)
        del self._waiting[:_ROWS_A_TURN]
        if not self._waiting:
            self._turn.stop()
            self._filter(self.search.text())

    def _filter(self, text: str) -> None:
        words = text.lower().split()
        shown = set()
        for row in self.rows:
            told = f"{row.setting.key} {row.setting.title} {row.setting.help}".lower()
            fits = all(word in told for word in words)
            row.setVisible(fits)
            if fits:
                shown.add(row.setting.key.partition(".")[0])
        for section, head in self._heads:
            head.setVisible(section in shown)
