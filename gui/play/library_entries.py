"""What the model library shows: every package that is found, as words, tags and one picture. Background threads only.

    find_packages() ─▶ Entry (title, targets, latency, licence, tags, picture | the sentence why it is broken)
    "vio 10 ms", {"Your own"} ─▶ matching(entries, …)

Reading verifies every file of every package, so it never runs on the GUI thread.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from platformdirs import user_data_path
from PyQt6.QtCore import QSize, Qt
from PyQt6.QtGui import QImage

from realtime import package
from realtime.errors import RetimbreError
from realtime.manifest import CARD_FILE, GOLDEN_FILE, Licences, Manifest, Target
from realtime.package import FoundPackage, Package, find_packages

Origin = Literal["shipped", "own"]

SHIPPED, OWN, CAPTURE, BLEND, BROKEN = "Comes with Retimbre", "Your own", "Amp capture", "Blends", "Broken"
QUICK, MIDDLE, SLOW = "Under 10 ms", "10 to 30 ms", "Over 30 ms"
TAG_ORDER: Final = (SHIPPED, OWN, CAPTURE, BLEND, QUICK, MIDDLE, SLOW, BROKEN)
"""The tags in the order in which they stand above the list."""
PICTURE_SIZE: Final = QSize(288, 192)
_CAPTURE_MARK = "Neural Amp Modeler"
_PICTURES = re.compile(r"!\[([^\]]*)\]\(([A-Za-z0-9][A-Za-z0-9_-]{0,63}\.png)\)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One package of the library, or the folder of a broken one with its sentence."""

    name: str
    title: str
    description: str
    folder: Path
    origin: Origin
    error: str
    hidden: bool
    size_bytes: int
    architecture: str = ""
    targets: tuple[Target, ...] = ()
    latency_ms: float = 0.0
    rate_hz: int = 0
    licences: Licences | None = None
    tags: tuple[str, ...] = ()
    picture: QImage | None = None
    has_sound: bool = False

    @property
    def playable(self) -> bool:
        """Whether it can be chosen by its name."""
        return not self.error and not self.hidden

    @property
    def removable(self) -> bool:
        """Whether it is the user's to remove."""
        return self.origin == "own"

    @property
    def words(self) -> str:
        """Everything that a search looks through, in lower case."""
        titles = " ".join(target.title for target in self.targets)
        return " ".join(
            (
                self.name,
                self.title,
                self.description,
                self.architecture,
                titles,
                *self.tags,
                f"{self.latency_ms:.0f} ms",
            )
        ).lower()


def read_library() -> tuple[Entry, ...]:
    """All packages, those that can be played first, broken and hidden ones last."""
    entries = [_entry(found) for found in find_packages()]
    return tuple(sorted(entries, key=lambda entry: (not entry.playable, entry.title.lower(), str(entry.folder))))


def shipped_folder() -> Path:
    """Where the packages lie that came with the program."""
    return Path(package.__file__).resolve().parent.parent / "exported_models"


def own_folder() -> Path:
    """Where imported packages go."""
    return user_data_path("retimbre", appauthor=False) / "models"


def matching(entries: Iterable[Entry], search: str, tags: Collection[str]) -> list[Entry]:
    """Entries that have all the tags, and every word of the search somewhere."""
    words = search.lower().split()
    return [
        entry
        for entry in entries
        if all(tag in entry.tags for tag in tags) and all(word in entry.words for word in words)
    ]


def tags_of(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The tags that at least one entry has, in their order."""
    found = {tag for entry in entries for tag in entry.tags}
    return tuple(tag for tag in TAG_ORDER if tag in found)


def latency_tag(latency_ms: float) -> str:
    """The class of latency that a player feels: at once, a little late, late."""
    return QUICK if latency_ms < 10 else MIDDLE if latency_ms <= 30 else SLOW


def card_pictures(card: str) -> list[tuple[str, str]]:
    """(words, file name) of each picture that a card shows; the one that shows sound first."""
    found = [(match[1], match[2]) for match in _PICTURES.finditer(card)]
    return sorted(found, key=lambda one: "spectrogram" not in one[0].lower())


def _entry(found: FoundPackage) -> Entry:
    origin: Origin = "shipped" if found.folder.parent == shipped_folder() else "own"
    tag = SHIPPED if origin == "shipped" else OWN
    manifest = found.manifest
    if manifest is None:
        return Entry(
            found.name, found.name, "", found.folder, origin, found.error or "", found.hidden, 0, tags=(tag, BROKEN)
        )
    latency_ms = 1000.0 * manifest.latency_samples / manifest.sample_rate
    tags = [tag, latency_tag(latency_ms)]
    if manifest.architecture.startswith(_CAPTURE_MARK):
        tags.append(CAPTURE)
    if len(manifest.targets) > 1:
        tags.append(BLEND)
    return Entry(
        name=found.name,
        title=manifest.title,
        description=manifest.description,
        folder=found.folder,
        origin=origin,
        error="",
        hidden=found.hidden,
        size_bytes=found.size_bytes,
        architecture=manifest.architecture,
        targets=manifest.targets,
        latency_ms=latency_ms,
        rate_hz=manifest.sample_rate,
        licences=manifest.licences,
        tags=tuple(tags),
        picture=_picture(found.folder, manifest),
        has_sound=GOLDEN_FILE in manifest.files,
    )


def _picture(folder: Path, manifest: Manifest) -> QImage | None:
    """The card's picture that shows sound; without one, the shape of the golden sound as a mask to be tinted."""
    try:
        card = (folder / CARD_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        card = ""
    for words, name in card_pictures(card):
        if "spectrogram" in words.lower():
            image = QImage(str(folder / name))
            if not image.isNull():
                return _cropped(image)
    return sound_shape(Package(folder, manifest, b""))


def _cropped(image: QImage) -> QImage:
    """Filled, not squeezed: the middle of a picture says more than a stripe of all of it."""
    scaled = image.scaled(
        PICTURE_SIZE, Qt.AspectRatioMode.KeepAspectRatioByExpanding, Qt.TransformationMode.SmoothTransformation
    )
    across = (scaled.width() - PICTURE_SIZE.width()) // 2
    down = (scaled.height() - PICTURE_SIZE.height()) // 2
    return scaled.copy(across, down, PICTURE_SIZE.width(), PICTURE_SIZE.height())


def sound_shape(one: Package) -> QImage | None:
    """The waveform of the golden output, white on nothing; None where there is none."""
    try:
        sound = one.golden()["y_audio"]
    except RetimbreError:
        return None
    width, height = PICTURE_SIZE.width(), PICTURE_SIZE.height()
    columns = np.array_split(np.abs(sound), width // 3)
    peaks = np.array([float(column.max(initial=0.0)) for column in columns])
    reach = 0.42 * height * peaks / max(1e-9, float(peaks.max(initial=0.0)))
    rows = np.abs(np.arange(height) - (height - 1) / 2)
    alpha = np.zeros((height, width), np.uint8)
    for bar in range(width // 3):
        alpha[rows <= max(1.0, reach[bar]), 3 * bar : 3 * bar + 2] = 255
    return QImage(alpha.tobytes(), width, height, width, QImage.Format.Format_Alpha8).copy()
