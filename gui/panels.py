"""The panels: which there are; each is made when it is first shown, so that the app starts at once. GUI thread.

Their modules are imported behind the start, on another thread: that is half of what a first look would wait for.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final, cast

from gui.live_state import Place

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QWidget

    from gui.bridge import Bridge
    from gui.memory import Memory


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """A panel: its key, words, icon, the class that makes it, the keys that show it, and one line of what it is for."""

    key: str
    title: str
    icon: str
    module: str
    name: str
    keys: str
    purpose: str

    @property
    def place(self) -> Place:
        """Where its notices are shown."""
        return cast("Place", self.key)

    def make(self, bridge: Bridge, memory: Memory) -> QWidget:
        """The panel."""
        made: QWidget = getattr(import_module(self.module), self.name)(bridge, memory)
        return made

    def read(self) -> None:
        """Import its module and those beside it, so that `make`, and what is made later, is quick; on any thread."""
        made = import_module(self.module)
        package = made.__spec__.parent if made.__spec__ is not None else None
        if package and package != "gui":
            for beside in iter_modules(import_module(package).__path__):
                import_module(f"{package}.{beside.name}")


PANELS: Final = (
    PanelSpec("play", "Play", "play", "gui.play.play_panel", "PlayPanel", "Ctrl+1", "Play and hear"),
    PanelSpec("source", "Source", "source", "gui.source.source_panel", "SourcePanel", "Ctrl+2", "What is played"),
    PanelSpec("chain", "Chain", "chain", "gui.chain.chain_panel", "ChainPanel", "Ctrl+3", "Plugins round the model"),
    PanelSpec("convert", "Convert", "convert", "gui.convert.convert_panel", "ConvertPanel", "Ctrl+4", "Files"),
    PanelSpec("train", "Train", "train", "gui.train.train_panel", "TrainPanel", "Ctrl+5", "New models"),
    PanelSpec("setlist", "Setlist", "setlist", "gui.stage.setlist_panel", "SetlistPanel", "Ctrl+6", "The evening"),
)
SETTINGS: Final = PanelSpec(
    "settings", "Settings", "settings", "gui.settings_page", "SettingsPage", "Ctrl+,", "How the app looks and starts"
)
EVERY_PANEL: Final = (*PANELS, SETTINGS)


def spec_of(key: str) -> PanelSpec:
    """The panel of this key; Play for an unknown one."""
    return next((spec for spec in EVERY_PANEL if spec.key == key), PANELS[0])
