"""Skeleton."""

from __future__ import annotations
from typing import TYPE_CHECKING
from PyQt6.QtCore import Qt
from PyQt6.QtWidgets import QWidget
from realtime.controls import RANGES, Controls
from gui.widgets.fader import Fader
from gui.widgets.toggle import Toggle

if TYPE_CHECKING:
    from gui.bridge import Bridge


class ControlFader(Fader):
    """A fader bound to one number of `Controls`."""

    def __init__(
        self,
        bridge: Bridge,
        control: str,
        label: str = "",
        *,
        step: float | None = None,
        orientation: Qt.Orientation = Qt.Orientation.Horizontal,
        colour_role: str = "accent",
        parent: QWidget | None = None,
    ) -> None:
        low, high, unit = RANGES[control]
        super().__init__(
            label or control,
            low,
            high,
            getattr(Controls(), control),
            unit,
            step=step,
            orientation=orientation,
            colour_role=colour_role,
            parent=parent,
        )


class ControlToggle(Toggle):
    """A switch bound to one true-or-false of `Controls`."""

    def __init__(
        self, bridge: Bridge, control: str, label: str = "", icon: str | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(label or control, icon, parent)
