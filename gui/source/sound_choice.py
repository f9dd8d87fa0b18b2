"""What MIDI notes play into the model: a plucked string, an oscillator, a SoundFont, or nothing. GUI thread.

    kind, faders, SoundFont and program ─▶ SourceSettings ── a moment after the last move ──▶ changed

Only what matters to a musician is shown; the rest of `SourceSettings` is kept as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PyQt6.QtCore import QTimer, pyqtSignal
from PyQt6.QtWidgets import QFileDialog, QGridLayout, QWidget

from gui import theme
from gui.source.arrange import Card, Form, button, words
from gui.source.choice_box import ChoiceBox
from gui.source.offers import Offer
from gui.source.soundfont_list import Instrument, SoundFontList
from gui.widgets.elided_label import ElidedLabel
from gui.widgets.fader import Fader
from gui.widgets.toggle import Toggle
from realtime.midi.source import SOURCE_RANGES, SourceSettings

if TYPE_CHECKING:
    from gui.memory import Memory

_SETTLE_MS: Final = 250  # a fader that moves makes one new source, not sixty
_KINDS: Final = (
    Offer("Plucked string", "pluck"),
    Offer("Oscillator", "oscillator"),
    Offer("SoundFont (recorded instruments)", "soundfont"),
    Offer("Nothing: MIDI only turns knobs", None),
)
_WAVES: Final = (
    Offer("Saw: bright, like strings", "saw"),
    Offer("Square: hollow", "square"),
    Offer("Sine: pure", "sine"),
)
# field: (label, fader's highest where the range is too wide to be played, its step)
_FADERS: Final[Mapping[str, tuple[str, float | None, float | None]]] = {
    "level_db": ("Level", None, None),
    "transpose_semitones": ("Shift", 24.0, 1.0),
    "tuning_hz": ("A4", 466.0, 1.0),
    "bend_semitones": ("Bend", None, 1.0),
    "brightness": ("Brightness", None, None),
    "ring_s": ("Ring", 12.0, None),
    "attack_ms": ("Attack", 1000.0, None),
    "decay_ms": ("Decay", 4000.0, None),
    "sustain": ("Sustain", None, None),
    "release_ms": ("Release", 2000.0, None),
}
_TIPS: Final = {
    "transpose_semitones": "Transpose: how far every note is moved",
    "bend_semitones": "How far the pitch wheel reaches, up and down",
    "tuning_hz": "The pitch of A above middle C",
    "ring_s": "How long an A of 220 Hz rings",
}
_OF_ALL: Final = ("level_db", "transpose_semitones", "tuning_hz", "bend_semitones")
_OF_KIND: Final[Mapping[Any, tuple[str, ...]]] = {
    "pluck": ("brightness", "ring_s", "release_ms", *_OF_ALL),
    "oscillator": ("brightness", "attack_ms", "decay_ms", "sustain", "release_ms", *_OF_ALL),
    "soundfont": _OF_ALL,
    None: (),
}


class SoundChoice(Card):
    """`changed` says the new settings (None: notes play nothing), `mixed_changed` whether the card is heard beside."""

    changed = pyqtSignal(object)
    mixed_changed = pyqtSignal(bool)

    def __init__(self, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: keeps the folder of SoundFonts and the kinds' settings that are not chosen now."""
        super().__init__("Notes play", parent)
        self._memory = memory
        self._settings: SourceSettings | None = None
        self._last = SourceSettings()  # kept while notes play nothing
        self._timer = QTimer(self)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._tell)
        self.fonts = SoundFontList(self)
        self.fonts.found.connect(self._show_instruments)
        self.fonts.failed.connect(self._show_failure)
        self._listed: Path | None = None
        self.kind = ChoiceBox("What notes play")
        self.kind.offer(_KINDS, None)
        self.kind.chosen.connect(self._choose_kind)
        self.column.addWidget(self.kind)
        self.column.addWidget(self._make_font())
        self.wave = ChoiceBox("Wave")
        self.wave.offer(_WAVES, "saw")
        self.wave.chosen.connect(lambda wave: self._set(wave=wave))
        self.column.addWidget(self.wave)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.px(3))
        self._grid.setVerticalSpacing(0)
        self.column.addLayout(self._grid)
        self.faders: dict[str, Fader] = {}
        self._arranged: object = ()
        self.mixed = Toggle("Hear the sound card's input too")
        self.mixed.toggled.connect(self.mixed_changed)
        self.column.addWidget(self.mixed)

    def _make_font(self) -> QWidget:
        self.font_box = QWidget()
        form = Form()
        form.setContentsMargins(0, 0, 0, 0)
        self.font_box.setLayout(form)
        self.font_file = ElidedLabel("No SoundFont chosen")
        self.choose_font = button("Choose…", "folder")
        self.choose_font.clicked.connect(self._choose_file)
        self.program = ChoiceBox("Instrument of the SoundFont")
        self.program.chosen.connect(lambda where: self._set(bank=where[0], program=where[1]))
        self.font_problem = words("", "warn")
        form.add("File", self.font_file, self.choose_font)
        form.add("Instrument", self.program)
        form.addWidget(self.font_problem, form.rowCount(), 0, 1, 3)
        self.font_problem.hide()
        return self.font_box

    def show_settings(self, settings: SourceSettings | None, *, mixed: bool) -> None:
        """Follow what is wanted, unless a hand is at it."""
        if self._timer.isActive():
            return
        self._settings = settings
        if settings is not None:
            self._last = settings
        self.mixed.set_checked(mixed, quiet=True)
        self._show()

    def _show(self) -> None:
        settings = self._settings
        kind = None if settings is None else settings.kind
        self.kind.offer(_KINDS, kind)
        self.wave.setVisible(kind == "oscillator")
        self.font_box.setVisible(kind == "soundfont")
        self.mixed.setVisible(settings is not None)
        self._arrange(kind)
        if settings is None:
            return
        self.wave.offer(_WAVES, settings.wave)
        for name in _OF_KIND[kind]:
            self.faders[name].set_value(getattr(settings, name), quiet=True)
        if settings.soundfont is not None and kind == "soundfont":
            self.font_file.setText(settings.soundfont.name)
            if self._listed != settings.soundfont:
                self._listed = settings.soundfont
                self.program.offer([Offer("Reading…", None)], None)
                self.fonts.read(settings.soundfont)
            elif self.program.value is not None:
                self.program.offer(self.program.offers, (settings.bank, settings.program))

    def _arrange(self, kind: str | None) -> None:
        if kind == self._arranged:
            return
        self._arranged = kind
        for name in _OF_KIND[kind]:
            if name not in self.faders:
                self.faders[name] = self._make_fader(name)
        for place in reversed(range(self._grid.count())):
            self._grid.takeAt(place)
        for name, fader in self.faders.items():
            fader.setVisible(name in _OF_KIND[kind])
        for place, name in enumerate(_OF_KIND[kind]):
            self._grid.addWidget(self.faders[name], place // 2, place % 2)

    def _make_fader(self, name: str) -> Fader:
        low, high, unit = SOURCE_RANGES[name]
        label, reach, step = _FADERS[name]
        high = high if reach is None else reach
        low = -24.0 if name == "transpose_semitones" else 415.0 if name == "tuning_hz" else low
        fader = Fader(label, low, high, getattr(SourceSettings(), name), unit, step=step, parent=self)
        fader.setToolTip(_TIPS.get(name, ""))
        fader.moved.connect(lambda value: self._set(**{name: value}))
        return fader

    def _set(self, **values: Any) -> None:
        if self._settings is not None:
            self._settings = replace(self._settings, **values)
            self._timer.start()

    def _tell(self) -> None:
        if self._settings is not None:
            self._last = self._settings
        self.changed.emit(self._settings)

    def _choose_kind(self, kind: Any) -> None:
        if kind is None:
            self._settings = None
        elif kind == "soundfont" and self._last.soundfont is None:
            remembered: str = self._memory.get("source.soundfont", "")
            if remembered and Path(remembered).is_file():
                self.use_font(Path(remembered))
            else:
                self._choose_file()
            return
        else:
            self._settings = replace(self._last, kind=kind)
        self._show()
        self._timer.stop()
        self._tell()

    def _choose_file(self) -> None:
        folder: str = self._memory.get("source.soundfont_folder", "")
        dialog = QFileDialog(self, "Choose a SoundFont", folder, "SoundFonts (*.sf2);;All files (*)")
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(lambda path: self.use_font(Path(path)))
        dialog.rejected.connect(self._show)  # the list shows what is, not what was reached for
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def use_font(self, path: Path) -> None:
        """Read this SoundFont; notes play its first instrument once it is known."""
        self._memory.set("source.soundfont_folder", str(path.parent))
        self.font_problem.hide()
        self.font_box.show()
        self.font_file.setText(path.name)
        self._listed = path
        self.program.offer([Offer("Reading…", None)], None)
        self.fonts.read(path)

    def _show_instruments(self, path: Path, found: list[Instrument]) -> None:
        if not found:
            self._show_failure(path, f"{path.name} holds no instrument: take another .sf2 file.")
            return
        several = len({bank for bank, _, _ in found}) > 1
        offers = [
            Offer(f"{program + 1:03d}  {name}" + (f"  (bank {bank})" if several and bank else ""), (bank, program))
            for bank, program, name in found
        ]
        self._memory.set("source.soundfont", str(path))
        there = [one.value for one in offers]
        last = self._settings or self._last
        same = last.soundfont == path and (last.bank, last.program) in there
        bank, program = (last.bank, last.program) if same else there[0]
        self.program.offer(offers, (bank, program))
        wanted = replace(last, kind="soundfont", soundfont=path, bank=bank, program=program)
        if wanted != self._settings:
            self._settings = wanted
            self._show()
            self._tell()

    def _show_failure(self, path: Path, sentence: str) -> None:
        self._listed = None if self._settings is None or self._settings.soundfont != path else path
        self.program.offer([], None)
        self.font_problem.setText(sentence)
        self.font_problem.show()
