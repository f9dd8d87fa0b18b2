"""How to convert: the model, its target or blend, what matters offline, and where the results go. Remembered.

    preset ────────────────────────────────────────┐
    model ─▶ targets ─▶ sound (mix, level, pitch, phase) ─▶ results (folder, format, when one exists)  ══▶ Request

A preset brings all that makes its sound, plugins too, so nothing of it is shown beside it. What a model has no use for
is not shown: no blend without targets, no pitch where it takes spectra, no Griffin-Lim where it gives samples. GUI
thread; the models are read in the background.

Over 300 lines because each setting is made, shown, remembered and asked for here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_music_path
from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from gui import theme
from gui.bridge import Bridge
from gui.convert.job import Existing, Request, label_of
from gui.icon import set_icon
from gui.memory import Memory
from gui.preset_files import listed
from gui.widgets.blend_pad import BlendPad
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.fader import Fader
from gui.widgets.toggle import Toggle
from realtime.audio_file import FORMATS
from realtime.controls import RANGES
from realtime.package import FoundPackage, default_package_name, find_packages

_EXISTING: tuple[tuple[str, Existing], ...] = (
    ("Keep both: number the new one", "number"),
    ("Leave the one that is there", "leave"),
    ("Replace the one that is there", "replace"),
)
_SOURCES = (("Plucked string", "pluck"), ("Oscillator", "oscillator"))


class SettingsForm(QWidget):
    """The settings column. `changed` whenever a request would be another."""

    changed = pyqtSignal()
    cannot = pyqtSignal(str)

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self.packages: dict[str, FoundPackage] = {}
        self.out = memory.get("convert.folder", user_music_path() / "Retimbre" / "Converted")
        self.preset = _choice("Preset")
        self.preset_words = QLabel("Files sound as the preset does on stage: its model, blend, levels and plugins.")
        self.model = _choice("Model")
        self.blend = BlendPad()
        self.blend_words = QLabel()
        self.mix = Fader("Mix", 0.0, 1.0, 1.0)
        self.gain = Fader("Output gain", -24.0, 24.0, 0.0, RANGES["output_gain_db"][2])
        self.transpose = Fader("Transpose", -24.0, 24.0, 0.0, RANGES["transpose_semitones"][2], step=1.0)
        self.octave = Toggle("Octaves into the target's range")
        self.match = Toggle("Loudness of the input")
        self.griffin_lim = Toggle("Phase from the whole file")
        self.midi_label = QLabel("MIDI files are played by")
        self.midi_source = _choice("What plays MIDI files")
        self.format = _choice("Format of the results")
        self.existing = _choice("When a result exists already")
        self.folder = ElidedLabel("", Qt.TextElideMode.ElideMiddle)
        self.choose_folder = QPushButton("Change…")
        self._titles: list[QLabel] = []
        self._midi_wanted = False
        self._fill()
        self._lay_out()
        self._restore()
        self._connect()
        theme.notifier.changed.connect(self._dress)
        self._dress()

    @property
    def ready(self) -> bool:
        """Whether the models are known and one is chosen, or a preset."""
        return bool(self.preset.currentData()) or self._package() is not None

    def request(self) -> Request:
        """What is set."""
        if preset := str(self.preset.currentData() or ""):
            return Request(
                out=self.out, model="", label=label_of("", preset), preset=preset,
                format_name=str(self.format.currentData()), existing=self.existing.currentData(),
            )  # fmt: skip
        package = self._package()
        assert package is not None
        assert package.manifest is not None
        names = [one.name for one in package.manifest.targets]
        weights = self.blend.weights()
        target = ""
        if names:
            heard = [(name, weight) for name, weight in zip(names, weights, strict=False) if weight >= 0.005]
            alone = len(heard) == 1
            target = heard[0][0] if alone else ",".join(f"{name}={weight:.3f}" for name, weight in heard)
        pitched = package.manifest.level_db is not None
        return Request(
            out=self.out,
            model=str(package.folder),
            target=target,
            label=label_of(target, package.name),
            mix=self.mix.value(),
            gain_db=self.gain.value(),
            transpose=self.transpose.value() if pitched else 0.0,
            octave=self.octave.isChecked(),
            match_loudness=self.match.isChecked(),
            griffin_lim=self.griffin_lim.isChecked() and package.manifest.phase is not None,
            midi_source=str(self.midi_source.currentData()),
            format_name=str(self.format.currentData()),
            existing=self.existing.currentData(),
        )

    def set_out(self, folder: Path) -> None:
        """Put results there from now on."""
        self.out = folder
        self._memory.set("convert.folder", folder)
        self._show_folder()
        self.changed.emit()

    def set_midi_wanted(self, wanted: bool) -> None:
        """Show what plays MIDI files only while there are any."""
        self._midi_wanted = wanted
        wanted = wanted and not self.preset.currentData()
        self.midi_label.setVisible(wanted)
        self.midi_source.setVisible(wanted)

    def read_models(self, then: Callable[[], None] | None = None) -> None:
        """Find the packages and presets, keeping the choice."""

        def find() -> tuple[list[FoundPackage], list[str]]:
            return find_packages(), [one.name for one in listed() if one.error is None]

        def show(found: tuple[list[FoundPackage], list[str]]) -> None:
            self._show_presets(found[1])
            self._show_models(found[0])
            if then is not None:
                then()

        self._bridge.in_background(find, show, self.cannot.emit)

    # inside

    def _package(self) -> FoundPackage | None:
        return self.packages.get(str(self.model.currentData()))

    def _show_presets(self, names: list[str]) -> None:
        shown = [self.preset.itemData(row) for row in range(1, self.preset.count())]
        if names != shown:
            wanted = self.preset.currentData() or self._memory.get("convert.preset", "")
            blocked = self.preset.blockSignals(True)
            self.preset.clear()
            self.preset.addItem("None: choose below", "")
            for name in names:
                self.preset.addItem(name, name)
            self.preset.setCurrentIndex(max(0, self.preset.findData(wanted)))
            self.preset.blockSignals(blocked)
            self._show_model()

    def _show_models(self, found: list[FoundPackage]) -> None:
        usable = [one for one in found if one.manifest is not None and not one.hidden]
        if [one.folder for one in usable] == [one.folder for one in self.packages.values()]:
            return
        self.packages = {one.name: one for one in usable}
        wanted = self.model.currentData() or self._memory.get("convert.model", default_package_name())
        blocked = self.model.blockSignals(True)
        self.model.clear()
        for one in usable:
            assert one.manifest is not None
            self.model.addItem(one.manifest.title, one.name)
        self.model.setCurrentIndex(max(0, self.model.findData(wanted)))
        self.model.blockSignals(blocked)
        if not usable:
            self.cannot.emit("No model was found; import one in the library on the Play panel.")
        self._show_model()

    def _show_model(self) -> None:
        package, alone = self._package(), not self.preset.currentData()
        self.preset_words.setVisible(not alone)
        always: tuple[QWidget, ...] = (
            self._sound_title, self._model_title, self.model, self.mix, self.gain, self.match,
        )  # fmt: skip
        sometimes: tuple[QWidget, ...] = (self.blend, self.blend_words, self.transpose, self.octave, self.griffin_lim)
        for part in (*always, *sometimes):
            part.setVisible(alone and part in always)
        self.set_midi_wanted(self._midi_wanted)
        if not alone or package is None or package.manifest is None:
            self.changed.emit()
            return
        manifest = package.manifest
        names = [one.title for one in manifest.targets]
        self.blend.set_targets(names)
        remembered: tuple[Any, ...] = self._memory.get(f"convert.weights.{package.name}", ())
        if names and len(remembered) == len(names) and all(isinstance(one, int | float) for one in remembered):
            self.blend.set_weights(remembered)
        elif names:
            self.blend.set_weights((1.0, *[0.0] * (len(names) - 1)))
        self.blend.setVisible(len(names) > 1)
        pitched = manifest.level_db is not None
        self.transpose.setVisible(pitched)
        self.octave.setVisible(pitched)
        self.griffin_lim.setVisible(manifest.phase is not None)
        self._show_blend()
        self.changed.emit()

    def _show_blend(self) -> None:
        package = self._package()
        titles = [] if package is None or package.manifest is None else [one.title for one in package.manifest.targets]
        parts = [
            f"{title} {round(100 * weight)} %"
            for title, weight in zip(titles, self.blend.weights(), strict=False)
            if weight >= 0.005
        ]
        self.blend_words.setText(
            " · ".join(parts) if len(parts) > 1 else parts[0].removesuffix(" 100 %") if parts else ""
        )
        self.blend_words.setVisible(bool(parts) and len(titles) == 1)  # a pad says it itself

    def _show_folder(self) -> None:
        self.folder.setText(str(self.out))
        self.folder.setAccessibleName(f"Results go to {self.out}")

    def _choose_folder(self) -> None:
        start = self.out if self.out.is_dir() else self.out.parent
        chosen = QFileDialog.getExistingDirectory(self, "Where the results go", str(start))
        if chosen:
            self.set_out(Path(chosen))

    def _choose_source(self) -> None:
        if self.midi_source.currentData() == "choose":
            chosen, _ = QFileDialog.getOpenFileName(self, "A SoundFont", "", "SoundFonts (*.sf2 *.sf3)")
            if chosen:
                self._add_soundfont(chosen)
            self.midi_source.setCurrentIndex(self.midi_source.findData(chosen) if chosen else 0)
        self._keep()

    def _add_soundfont(self, path: str) -> None:
        if self.midi_source.findData(path) < 0:
            self.midi_source.insertItem(self.midi_source.count() - 1, Path(path).name, path)

    def _fill(self) -> None:
        for words, value in _SOURCES:
            self.midi_source.addItem(words, value)
        self.midi_source.addItem("A SoundFont…", "choose")
        self.format.addItem("As each file is", "")
        for name in FORMATS:
            self.format.addItem(name.upper() if name != "aiff" else "AIFF", name)
        for text, existing in _EXISTING:
            self.existing.addItem(text, existing)
        self.choose_folder.setAccessibleName("Change the folder for results")
        self.blend.setAccessibleName("Blend of the targets")
        self.griffin_lim.setToolTip("Griffin-Lim: slower, and rings less than what is possible live")
        self.octave.setToolTip("Adds whole octaves so that what you play lies where the target plays")
        self.match.setToolTip("Gives each result the loudness that its input has")
        theme.set_role(self.blend_words, "dim")
        self.blend_words.setWordWrap(True)
        theme.set_role(self.preset_words, "dim")
        self.preset_words.setWordWrap(True)

    def _lay_out(self) -> None:
        self._column = QVBoxLayout(self)
        self._head("Preset")
        self._column.addWidget(self.preset)
        self._column.addWidget(self.preset_words)
        self._model_title = self._head("Model")
        for widget in (self.model, self.blend, self.blend_words):
            self._column.addWidget(widget)
        self._head("Results")
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose_folder)
        self._column.addLayout(row)
        for words, box in (("Format", self.format), ("Where a result is there already", self.existing)):
            label = QLabel(words)
            theme.set_role(label, "dim")
            self._column.addWidget(label)
            self._column.addWidget(box)
        self._sound_title = self._head("Sound")
        for control in (self.mix, self.gain, self.transpose, self.octave, self.match, self.griffin_lim):
            self._column.addWidget(control)
        self._column.addWidget(self.midi_label)
        self._column.addWidget(self.midi_source)
        note = QLabel("Length, channels and sample rate stay as they are.")
        note.setWordWrap(True)
        theme.set_role(note, "small")
        self._column.addWidget(note)
        self._column.addStretch(1)
        self.set_midi_wanted(False)

    def _head(self, words: str) -> QLabel:
        label = QLabel(words)
        theme.set_role(label, "strong")
        self._titles.append(label)
        self._column.addWidget(label)
        return label

    def _restore(self) -> None:
        memory = self._memory
        self.mix.set_value(memory.get("convert.mix", 1.0), quiet=True)
        self.gain.set_value(memory.get("convert.gain_db", 0.0), quiet=True)
        self.transpose.set_value(memory.get("convert.transpose", 0.0), quiet=True)
        self.octave.set_checked(memory.get("convert.octave", True), quiet=True)
        self.match.set_checked(memory.get("convert.match_loudness", True), quiet=True)
        self.griffin_lim.set_checked(memory.get("convert.griffin_lim", False), quiet=True)
        source = memory.get("convert.midi_source", "pluck")
        if source not in {"pluck", "oscillator", "choose"}:
            self._add_soundfont(source)
        for box, value in (
            (self.midi_source, source),
            (self.format, memory.get("convert.format", "")),
            # To replace is a choice for once: it is never what a new day begins with.
            (self.existing, memory.get("convert.existing", "number")),
        ):
            box.setCurrentIndex(max(0, box.findData(value)))
        self._show_folder()

    def _connect(self) -> None:
        self.preset.currentIndexChanged.connect(self._show_model)
        self.preset.currentIndexChanged.connect(self._keep)
        self.model.currentIndexChanged.connect(self._show_model)
        self.model.currentIndexChanged.connect(self._keep)
        self.blend.weights_changed.connect(self._keep_weights)
        for fader in (self.mix, self.gain, self.transpose):
            fader.value_changed.connect(self._keep)
        for toggle in (self.octave, self.match, self.griffin_lim):
            toggle.toggled.connect(self._keep)
        for box in (self.format, self.existing):
            box.currentIndexChanged.connect(self._keep)
        self.midi_source.activated.connect(self._choose_source)
        self.choose_folder.clicked.connect(self._choose_folder)

    def _keep_weights(self) -> None:
        package = self._package()
        if package is not None:
            self._memory.set(f"convert.weights.{package.name}", [round(one, 4) for one in self.blend.weights()])
        self._show_blend()
        self.changed.emit()

    def _keep(self, *_: object) -> None:
        """Remember everything, and say that it changed."""
        values = {
            "preset": self.preset.currentData() or "",
            "model": self.model.currentData(),
            "mix": self.mix.value(),
            "gain_db": self.gain.value(),
            "transpose": self.transpose.value(),
            "octave": self.octave.isChecked(),
            "match_loudness": self.match.isChecked(),
            "griffin_lim": self.griffin_lim.isChecked(),
            "midi_source": self.midi_source.currentData(),
            "format": self.format.currentData(),
            "existing": "number" if self.existing.currentData() == "replace" else self.existing.currentData(),
        }
        for name, value in values.items():
            self._memory.set(f"convert.{name}", value)
        self.changed.emit()

    def _dress(self) -> None:
        self._column.setSpacing(theme.px(1.5))
        self._column.setContentsMargins(theme.px(3), theme.px(2), theme.px(3), theme.px(2))
        for title in self._titles[1:]:
            title.setContentsMargins(0, theme.px(3), 0, 0)
        self.blend.setFixedHeight(theme.px(46))
        set_icon(self.choose_folder, "folder")


def _choice(name: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box
