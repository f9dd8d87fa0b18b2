"""What a fixed stage of the path is set to: faders on the controls that belong to it.

    SECTIONS["gate"] ─▶ title, a sentence what it does, its faders

and `stage_word`, which says in a word what the stage does now. GUI thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from gui import theme
from gui.control_fader import ControlFader, ControlToggle
from gui.widgets.quantity import Quantity
from realtime.controls import GATE_OFF_DB, Controls

if TYPE_CHECKING:
    from gui.bridge import Bridge


@dataclass(frozen=True, slots=True)
class Section:
    """A stage: its title, what it does, and its controls with their labels."""

    title: str
    text: str
    faders: tuple[tuple[str, str], ...]
    toggles: tuple[tuple[str, str], ...] = ()


SECTIONS: Final = {
    "input": Section(
        "Input", "The level of what you play, before everything else.", (("input_gain_db", "Input gain"),)
    ),
    "gate": Section(
        "Gate",
        "What is quieter than the threshold becomes silence: hum and breath between notes.",
        (("gate_db", "Threshold"), ("gate_hysteresis_db", "Hysteresis")),
    ),
    "highpass": Section(
        "High-pass", "Takes rumble and handling noise away, below this frequency.", (("highpass_hz", "Frequency"),)
    ),
    "compressor": Section(
        "Compressor",
        "Makes loud notes quieter above the threshold, so that soft and loud are nearer.",
        (
            ("compressor_db", "Threshold"),
            ("compressor_ratio", "Ratio"),
            ("compressor_attack_ms", "Attack"),
            ("compressor_release_ms", "Release"),
            ("compressor_makeup_db", "Make-up"),
        ),
    ),
    "model": Section(
        "Model",
        "What turns your instrument into another.",
        (("mix", "Mix"), ("transpose_semitones", "Transpose"), ("player_level_db", "Player level")),
        (("bypass", "Bypass"),),
    ),
    "leveller": Section(
        "Leveller", "Brings the loudness slowly to this level, whatever the model makes.", (("leveller_db", "Level"),)
    ),
    "limiter": Section(
        "Limiter", "No sample leaves louder than the ceiling.", (("ceiling_db", "Ceiling"),), (("limiter", "Limiter"),)
    ),
    "output": Section("Output", "The level of everything, at the very end.", (("output_gain_db", "Output gain"),)),
}


class StageEditor(QWidget):
    """The controls of one fixed stage."""

    def __init__(self, bridge: Bridge, key: str, parent: QWidget | None = None) -> None:
        """key: of `SECTIONS`."""
        super().__init__(parent)
        section = SECTIONS[key]
        title, text = QLabel(section.title), QLabel(section.text)
        theme.set_role(title, "title")
        theme.set_role(text, "dim")
        text.setWordWrap(True)
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.px(6))
        grid.setVerticalSpacing(theme.px(3))
        toggles = [ControlToggle(bridge, name, label) for name, label in section.toggles]
        faders = [ControlFader(bridge, name, label) for name, label in section.faders]
        for place, widget in enumerate([*toggles, *faders]):
            grid.addWidget(widget, place // 2, place % 2, Qt.AlignmentFlag.AlignTop)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.px(4), theme.px(3), theme.px(4), theme.px(3))
        column.setSpacing(theme.px(3))
        column.addWidget(title)
        column.addWidget(text)
        column.addLayout(grid)
        column.addStretch(1)


def _db(value: float, low: float = -100.0, high: float = 0.0) -> str:
    """As its fader writes it."""
    return Quantity(low, high, 0.0, "dB").text(value)


def stage_word(key: str, controls: Controls) -> tuple[str, bool]:
    """What a stage does now, in a word, and whether it does nothing."""
    match key:
        case "input":
            return _db(controls.input_gain_db, low=-60, high=40), False
        case "gate":
            off = controls.gate_db <= GATE_OFF_DB
            return "off" if off else _db(controls.gate_db), off
        case "highpass":
            off = controls.highpass_hz <= 0
            return "off" if off else f"{controls.highpass_hz:.0f} Hz", off
        case "compressor":
            off = controls.compressor_db >= 0
            return "off" if off else f"{controls.compressor_ratio:.1f} : 1", off
        case "leveller":
            off = controls.leveller_db >= 0
            return "off" if off else _db(controls.leveller_db), off
        case "limiter":
            return _db(controls.ceiling_db) if controls.limiter else "off", not controls.limiter
        case "output":
            return _db(controls.output_gain_db, low=-60, high=40), False
    return ("bypassed" if controls.bypass else ""), controls.bypass
