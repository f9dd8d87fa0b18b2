"""The same test clips after every validation: what goes in, what comes out at a chosen step, and the real thing.

    clip [violin to cello ▾]                    after step 1500  ├────────●──┤
    ┌─ heard ─────▶┐  ┌─ made ──────▶┐  ┌─ real ──────▶┐     ▶ plays it; pictures are spectrograms, low notes below
    └──────────────┘  └──────────────┘  └──────────────┘

Pictures are read in the background and kept; the newest step is shown until another is chosen. GUI thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PyQt6.QtCore import QRectF, QSize, Qt
from PyQt6.QtGui import QImage, QPainter, QPaintEvent, QPen
from PyQt6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui import theme
from gui.icon import set_icon
from gui.train.asking import ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gui.bridge import Bridge
    from gui.train.listening import Listening
    from gui.train.run_folder import ClipFile

PARTS = (("input", "What goes in"), ("output", "What comes out"), ("truth", "The real thing"))
_KEPT_PICTURES = 60
_LARGEST_PX = 640


class Picture(QWidget):
    """A picture that fills its room; an empty frame while there is none."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self.setAccessibleName(f"Spectrogram: {name}")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.notifier.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: N802
        """A third of the page."""
        return QSize(theme.px(40), theme.px(32))

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Enough to see notes."""
        return QSize(theme.px(22), theme.px(18))

    def set_image(self, image: QImage | None) -> None:
        """Show this."""
        self._image = image
        self.update()

    @property
    def empty(self) -> bool:
        """Whether nothing is shown."""
        return self._image is None

    def paintEvent(self, _event: QPaintEvent | None) -> None:  # noqa: N802
        """The picture, or an edge."""
        painter = QPainter(self)
        room = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self._image is None:
            painter.setPen(QPen(theme.color("line"), 1))
            painter.setBrush(theme.color("surface"))
            painter.drawRect(room)
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(room, self._image)


class ClipsView(QWidget):
    """`set_clips` with what the run's folder lists."""

    def __init__(self, bridge: Bridge, listening: Listening, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._listening = bridge, listening
        self._clips: Sequence[ClipFile] = ()
        self._steps: list[int] = []
        self._newest = True
        self._images: dict[Path, QImage | None] = {}
        self.choice = QComboBox()
        self.choice.setAccessibleName("Test clip")
        self.choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.choice.setMinimumContentsLength(12)
        self.when = QLabel()
        theme.set_role(self.when, "dim")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName("After how many steps")
        self.slider.setToolTip("How the clip sounded after each validation")
        grid = QGridLayout()
        grid.setSpacing(theme.px(2))
        self.pictures: dict[str, Picture] = {}
        self.buttons: dict[str, QToolButton] = {}
        for column, (part, words) in enumerate(PARTS):
            label, button = QLabel(words), QToolButton()
            theme.set_role(label, "small")
            theme.set_role(button, "ghost")
            button.setCheckable(True)
            button.setAccessibleName(f"Play: {words.lower()}")
            button.setToolTip(f"Play: {words.lower()}")
            button.clicked.connect(lambda _checked, part=part: self._play(part))
            head = QHBoxLayout()
            head.addWidget(label, 1)
            head.addWidget(button)
            self.buttons[part], self.pictures[part] = button, Picture(words)
            grid.addLayout(head, 0, column)
            grid.addWidget(self.pictures[part], 1, column)
            grid.setColumnStretch(column, 1)
        grid.setRowStretch(1, 1)
        top = QHBoxLayout()
        top.addWidget(self.choice, 2)
        top.addWidget(self.when)
        top.addWidget(self.slider, 1)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(0, 0, 0, 0)
        column_of_all.addLayout(top)
        column_of_all.addLayout(grid, 1)
        self.choice.currentIndexChanged.connect(self._show)
        self.slider.valueChanged.connect(self._choose_step)
        listening.changed.connect(self._mark_playing)
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self.set_clips(())

    def set_clips(self, clips: Sequence[ClipFile]) -> None:
        """What there is now; keeps the clip and step that were chosen."""
        if clips and len(clips) == len(self._clips) and clips[-1] == self._clips[-1]:
            return
        self._clips = clips
        names = list(dict.fromkeys(clip.clip for clip in clips))
        if [self.choice.itemData(k) for k in range(self.choice.count())] != names:
            before = self.choice.currentData()
            self.choice.blockSignals(True)
            self.choice.clear()
            for name in names:
                self.choice.addItem(clip_words(name), name)
            self.choice.setCurrentIndex(max(0, names.index(before) if before in names else 0))
            self.choice.blockSignals(False)
        self._steps = sorted({clip.step for clip in clips if clip.part == "output"})
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(self._steps) - 1))
        if self._newest:
            self.slider.setValue(len(self._steps) - 1)
        self.slider.blockSignals(False)
        self._show()

    def shown_step(self) -> int | None:
        """The step whose output is shown."""
        return self._steps[self.slider.value()] if self._steps else None

    def file(self, part: str) -> ClipFile | None:
        """The chosen clip's file of this part; of the output, that of the chosen step."""
        name, step = self.choice.currentData(), self.shown_step()
        found = [clip for clip in self._clips if clip.clip == name and clip.part == part]
        return next((clip for clip in found if part != "output" or clip.step == step), None)

    def _choose_step(self, place: int) -> None:
        self._newest = place == len(self._steps) - 1
        self._show()

    def _show(self) -> None:
        step = self.shown_step()
        self.when.setText("no clips yet" if step is None else "untrained" if step == 0 else f"after step {step}")
        self.slider.setEnabled(len(self._steps) > 1)
        self.choice.setEnabled(self.choice.count() > 0)
        for part, _ in PARTS:
            clip = self.file(part)
            self.buttons[part].setEnabled(clip is not None)
            self._load(part, clip)
        self._mark_playing(self._listening.path)

    def _load(self, part: str, clip: ClipFile | None) -> None:
        if clip is None:
            self.pictures[part].set_image(None)
            return
        path = clip.picture
        if path in self._images:
            self.pictures[part].set_image(self._images[path])
            return
        if len(self._images) > _KEPT_PICTURES:
            self._images.clear()
        self._images[path] = None

        def keep(image: QImage) -> None:
            self._images[path] = None if image.isNull() else image
            now = self.file(part)
            if now is not None and now.picture == path:
                self.pictures[part].set_image(self._images[path])

        ask(self, self._bridge, lambda: _read_image(path), keep)

    def _play(self, part: str) -> None:
        clip = self.file(part)
        if clip is not None:
            self._listening.toggle(clip.sound)

    def _mark_playing(self, path: Path | None) -> None:
        for part, _ in PARTS:
            clip = self.file(part)
            playing = clip is not None and clip.sound == path
            self.buttons[part].setChecked(playing)
            set_icon(self.buttons[part], "stop" if playing else "play")

    def _dress(self) -> None:
        self._mark_playing(self._listening.path)


def clip_words(name: str) -> str:
    """A clip's name as words: `0-violin-to-cello` is "violin to cello"."""
    number, dash, rest = name.partition("-")
    return (rest if dash and number.isdecimal() else name).replace("-", " ").replace("_", " ")


def _read_image(path: Path) -> QImage:
    image = QImage(str(path))
    # Half a minute of sound is thousands of columns: painting would take long.
    return image if image.width() <= _LARGEST_PX else image.scaledToWidth(
        _LARGEST_PX, Qt.TransformationMode.SmoothTransformation
    )  # fmt: skip
