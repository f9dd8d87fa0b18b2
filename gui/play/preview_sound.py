"""The golden sound of a package as files that can be played: what went in, and what came out. Background threads only.

    golden.npz ─▶ cache/NAME-in.wav, NAME-out.wav

The files lie in the system's folder for temporary files and are written anew when the package has changed.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Literal

from realtime.audio_file import write_audio
from realtime.errors import PackageError
from realtime.manifest import GOLDEN_FILE
from realtime.package import Package

Heard = Literal["in", "out"]


def preview_file(folder: Path, heard: Heard) -> Path:
    """A file with the package's golden input or output. Raises `PackageError` where it holds no sound."""
    package = Package.read(folder)
    golden = package.golden()
    sound = golden["x_audio" if heard == "in" else "y_audio"]
    if not sound.size:
        raise PackageError(f"'{package.name}' has no sound to hear.")
    mark = hashlib.sha256((str(folder) + package.manifest.files.get(GOLDEN_FILE, "")).encode()).hexdigest()[:12]
    parent = Path(tempfile.gettempdir()) / "retimbre-previews"
    path = parent / f"{package.name}-{mark}-{heard}.wav"
    if not path.is_file():
        write_audio(path, sound, package.manifest.sample_rate)
    return path
