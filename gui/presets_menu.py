"""The preset in the header: its name, whether the sound differs from it, and behind it every preset.

    [ Violin, bright • ▾ ]  ─▶  search · list with favourites · Save · Save as · Rename · Delete · folder

A click on a preset loads it and closes. Deleting can be taken back; overwriting says so on the button before it does.
Files are read and written in the background. GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QPoint, QSize, Qt, QTimer
from PyQt6.QtWidgets import QSizePolicy, QToolButton, QWidget

from gui import preset_files, theme
from gui.icon import set_icon
from gui.presets_popup import PresetsPopup
from realtime.errors import RetimbreError

if TYPE_CHECKING:
    from gui.bridge import Bridge
    from gui.live_state import LiveState
    from gui.memory import Memory
    from realtime.messages import StreamSettings
    from realtime.presets.preset import Preset

_COMPARE_MS: Final = 150


class PresetsMenu(QToolButton):
    """A button with the preset's name; `open_list` is what a click does."""

    def __init__(self, bridge: Bridge, memory: Memory, parent: QWidget | None = None) -> None:
        """memory: the favourites."""
        super().__init__(parent)
        self._bridge, self._memory = bridge, memory
        self._loaded: Preset | None = None
        self._loaded_name: str | None = None
        self._popup: PresetsPopup | None = None
        self.modified = False
        """Whether what sounds differs from the preset."""
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._compare_timer = QTimer(self)
        self._compare_timer.setInterval(_COMPARE_MS)
        self._compare_timer.setSingleShot(True)
        self._compare_timer.timeout.connect(self._compare)
        self.clicked.connect(self.open_list)
        bridge.state_changed.connect(self._follow)
        bridge.controls_changed.connect(lambda _: self._compare_soon())
        theme.notifier.changed.connect(self._dress)
        self._dress()
        self._follow(bridge.state)

    @property
    def popup(self) -> PresetsPopup:
        """The list, made when it is first wanted."""
        if self._popup is None:
            self._popup = PresetsPopup(self._bridge, self._memory, self)
            self._popup.saved.connect(self._read)
        return self._popup

    def open_list(self) -> None:
        """Show every preset, below the button."""
        popup = self.popup
        popup.begin(modified=self.modified)
        screen = self.screen()
        size = popup.sizeHint()
        corner = self.mapToGlobal(QPoint(0, self.height() + theme.px(1)))
        if screen is not None:
            room = screen.availableGeometry()
            size = size.boundedTo(room.size())
            corner.setX(max(room.left(), min(corner.x(), room.right() - size.width())))
            corner.setY(max(room.top(), min(corner.y(), room.bottom() - size.height())))
        popup.resize(size)
        popup.move(corner)
        popup.show()
        popup.search.setFocus(Qt.FocusReason.PopupFocusReason)

    def showMenu(self) -> None:  # noqa: N802
        """As a click."""
        self.open_list()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Room for a usual name."""
        wide = self.fontMetrics().horizontalAdvance(self.text()) + theme.px(13)
        return QSize(min(max(wide, theme.px(32)), theme.px(50)), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Room for a short one."""
        return QSize(theme.px(24), super().minimumSizeHint().height())

    def _follow(self, state: LiveState) -> None:
        if state.preset != self._loaded_name:
            self._read()
        self._compare_soon()

    def _read(self) -> None:
        name = self._loaded_name = self._bridge.state.preset
        self._loaded = None
        if name:
            self._bridge.in_background(lambda: preset_files.read(name), lambda found: self._take(name, found))
        self._show()

    def _take(self, name: str, preset: Preset | None) -> None:
        if name == self._loaded_name:
            self._loaded = preset
            self._compare()

    def _compare_soon(self) -> None:
        if not self._compare_timer.isActive():
            self._compare_timer.start()

    def _compare(self) -> None:
        state, modified = self._bridge.state, False
        if self._loaded is not None:
            try:
                modified = differs(self._loaded, state.settings, state.targets)
            except RetimbreError:  # the model that plays has not the preset's targets: it is another
                modified = True
        if modified != self.modified:
            self.modified = modified
        self._show()

    def _show(self) -> None:
        name = self._loaded_name or "No preset"
        text = f"{name} •" if self.modified and self._loaded_name else name
        said = f"Preset {name}" + (", changed since it was loaded" if self.modified and self._loaded_name else "")
        if text != self.text() or said != self.accessibleName():
            self.setText(text)
            self.setAccessibleName(said)
            self.setToolTip(f"{said} (Ctrl+K)")
            self.updateGeometry()

    def _dress(self) -> None:
        set_icon(self, "star")


def differs(preset: Preset, settings: StreamSettings, targets: tuple[str, ...]) -> bool:
    """Whether what is set differs from what a preset says: model, controls, plugins, what controllers turn.

    Raises `RetimbreError` where the preset names targets that are not among `targets`.
    """
    wanted = preset.settings(targets)
    if (wanted.model, wanted.before, wanted.after) != (settings.model, settings.before, settings.after):
        return True
    if wanted.controls != settings.controls:
        return True
    return settings.midi is not None and settings.midi.map.cc != preset.midi.cc
