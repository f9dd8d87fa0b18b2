"""A new training: 1 Data, 2 Recipe, and the button that starts it. GUI thread.

The list of recipes is asked for when the data are checked, their speed on this machine right after: both by one command
that runs beside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from gui import theme
from gui.icon import set_icon
from gui.own_command import own_command
from gui.train import run_process
from gui.train.asking import ask
from gui.train.catalogue import Recipe, rough_time
from gui.train.data_page import Data, DataPage
from gui.train.failure import failure
from gui.train.json_command import JsonCommand
from gui.train.recipe_page import RecipePage
from gui.widgets.bending import bend, scrolling
from gui.widgets.notice_bar import NoticeBar
from realtime.errors import ConfigError

if TYPE_CHECKING:
    from gui.bridge import Bridge


class NewPage(QWidget):
    """`started` with the folder of the training that was begun."""

    started = pyqtSignal(object)

    def __init__(self, bridge: Bridge, data: DataPage, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self.data = bridge, data
        self._zoo: JsonCommand | None = None
        self._recipes: list[Recipe] = []
        self._speeds: dict[str, float] = {}
        self._device = ""
        self._gpu = False
        self._narrow = False
        self._starting = False
        self.recipe: RecipePage | None = None
        self.steps = [QPushButton("1  Data"), QPushButton("2  Recipe")]
        self._pages = QStackedWidget()
        self.notices = NoticeBar()
        self.words = QLabel()
        self.words.setWordWrap(True)
        theme.set_role(self.words, "dim")
        self.back, self.next = QPushButton("Back"), QPushButton("Choose a recipe")
        self.back.clicked.connect(lambda: self.show_step(0))
        self.next.clicked.connect(self._go_on)
        self._arrange()
        theme.notifier.changed.connect(self._dress)
        self._dress()
        # In an event of its own: together they would take long.
        self.data.ready.connect(self._take_data)
        QTimer.singleShot(0, self._show_data)

    def _show_data(self) -> None:
        self._pages.addWidget(scrolling(self.data))
        self.show_step(0)
        QTimer.singleShot(0, lambda: self.data.found)

    def show_step(self, number: int) -> None:
        """Show 0 Data or 1 Recipe."""
        if number == 1 and self._pages.count() < 2:
            self._build_recipe()
            QTimer.singleShot(0, lambda: self.show_step(1))
            return
        self._pages.setCurrentIndex(number)
        self.data.fall_silent()
        self._show_state()

    def _build_recipe(self) -> None:
        """Build the second step; it is put in its place and filled in events of their own."""
        if self.recipe is None:
            self.recipe = RecipePage()
            QTimer.singleShot(0, self._place_recipe)

    def _place_recipe(self) -> None:
        if self.recipe is not None:
            self.recipe.changed.connect(self._show_state)
            self.recipe.bend(self._narrow)
            self._pages.addWidget(scrolling(self.recipe))
            QTimer.singleShot(0, self._fill_recipe)

    def _fill_recipe(self) -> None:
        if self.recipe is not None and self._pages.count() > 1:
            self.recipe.set_data(self.data.data)
            self.recipe.set_recipes(self._recipes)
            self._show_speeds()

    def end_commands(self) -> None:
        """End what runs beside: the check and the measuring of speed. Trainings go on."""
        self.data.end_command()
        if self._zoo is not None:
            self._zoo.close()

    def start(self) -> None:
        """Begin the training."""
        page, data = self.recipe, self.data.data
        if page is None or page.recipe is None or data is None or page.problem() or self._starting:
            return
        self._starting = True
        self.notices.clear()
        self._show_state()
        recipe, title = page.recipe, page.name.text().strip()
        tables = recipe.with_changes(page.changes())

        def begin() -> Path:
            folder = run_process.free_folder(run_process.home() / "runs", run_process.slug(title))
            return run_process.begin(folder, title, recipe.run, tables)

        ask(self, self._bridge, begin, self._take_started, self._fail)

    def _go_on(self) -> None:
        if self._pages.currentIndex() == 0:
            self.show_step(1)
        else:
            self.start()

    def _take_started(self, folder: Path) -> None:
        self._starting = False
        self.show_step(0)
        self.started.emit(folder)

    def _fail(self, sentence: str) -> None:
        self._starting = False
        self.notices.show_notice(failure(sentence))
        self._show_state()

    def _take_data(self, data: Data | None) -> None:
        if self.recipe is not None:
            QTimer.singleShot(0, self._fill_recipe)
        if data is not None and not self._recipes and self._zoo is None:
            QTimer.singleShot(0, self._ask_zoo)
        if data is not None:
            QTimer.singleShot(0, self._build_recipe)
        self._show_state()

    def _ask_zoo(self) -> None:
        if self._zoo is not None:
            return
        self._zoo = JsonCommand(own_command("zoo", "--json", "--speed"), self)
        self._zoo.said.connect(self._hear_zoo)
        self._zoo.ended.connect(self._end_zoo)

    def _hear_zoo(self, line: dict[str, Any]) -> None:
        kind = line.get("kind")
        if kind == "device":
            self._device, self._gpu = str(line.get("words", "")), bool(line.get("gpu"))
        elif kind == "run":
            try:
                self._recipes.append(Recipe.from_line(line))
            except ConfigError as error:
                self._fail(str(error))
        elif kind == "listed" and self.recipe is not None:
            self.recipe.set_recipes(self._recipes)
        elif kind == "speed":
            self._speeds[str(line.get("run"))] = float(line.get("seconds", 0.0))
        self._show_speeds()
        self._show_state()

    def _end_zoo(self, ok: bool, sentence: str) -> None:
        zoo, self._zoo = self._zoo, None
        if zoo is not None:
            zoo.deleteLater()
        if not ok and sentence:
            self._fail(sentence)
        self._show_speeds()
        self._show_state()

    def _show_speeds(self) -> None:
        if self.recipe is not None:
            measuring = self._zoo is not None
            self.recipe.set_speeds(
                self._speeds, "measuring the speed of this machine…" if measuring else "time unknown"
            )

    def _show_state(self) -> None:
        number, data = self._pages.currentIndex(), self.data.data
        for place, button in enumerate(self.steps):
            button.setChecked(place == number)
        self.steps[1].setEnabled(data is not None)
        self.back.setVisible(number == 1)
        theme.set_role(self.next, "primary")
        if number == 0:
            self.next.setText("Choose a recipe")
            self.next.setEnabled(data is not None)
            self.words.setText("")
            return
        page = self.recipe
        problem = "" if page is None else page.problem()
        if not self._recipes:
            problem = "Looking for recipes…" if self._zoo is not None else "There are no recipes to choose from."
        self.next.setText("Starting…" if self._starting else "Start training")
        self.next.setEnabled(not problem and not self._starting)
        self.words.setText(problem or self._start_words())

    def _start_words(self) -> str:
        seconds = None if self.recipe is None else self.recipe.seconds()
        time = f"{rough_time(seconds)}" if seconds is not None else "for a time that is still being measured"
        device = self._device or "this machine"
        no_gpu = "" if self._gpu or not self._device else " No graphics card for training was found."
        return f"It will train on {device}, {time}, also when the app is closed.{no_gpu}"

    def _arrange(self) -> None:
        top = QHBoxLayout()
        for number, button in enumerate(self.steps):
            button.setCheckable(True)
            theme.set_role(button, "chip")
            button.clicked.connect(lambda _checked, number=number: self.show_step(number))
            top.addWidget(button)
        top.addStretch(1)
        self._foot, buttons = QHBoxLayout(), QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.back)
        buttons.addWidget(self.next)
        self._foot.addWidget(self.words, 1)
        self._foot.addLayout(buttons)
        self._column = QVBoxLayout(self)
        line = QFrame()
        theme.set_role(line, "line")
        self._column.addLayout(top)
        self._column.addWidget(line)
        self._column.addWidget(self.notices)
        self._column.addWidget(self._pages, 1)
        self._column.addLayout(self._foot)

    def bend(self, narrow: bool) -> None:
        """Stand in one column where there is little room."""
        self._narrow = narrow
        bend(narrow, self._foot)
        self.data.bend(narrow)
        if self.recipe is not None:
            self.recipe.bend(narrow)

    def _dress(self) -> None:
        self._column.setContentsMargins(theme.px(4), 0, theme.px(4), 0)
        self._column.setSpacing(theme.px(3))
        set_icon(self.back, "previous")

    def hideEvent(self, event: Any) -> None:  # noqa: N802
        """Nobody listens to what is not seen."""
        self.data.fall_silent()
        super().hideEvent(event)
