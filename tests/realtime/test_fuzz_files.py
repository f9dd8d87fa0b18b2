"""Files from anywhere: whatever bytes they hold, they are read or refused with a sentence, never a crash."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from realtime.audio_file import read_audio
from realtime.errors import RetimbreError
from realtime.package import Package, check
from tests.realtime.live_parts import samples_package, tune

FORMATS = ("wav", "flac", "ogg", "aiff", "mp3")
damage = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=30)
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def damaged(data: bytes, changes: list[tuple[float, int]], end: float) -> bytes:
    """Some bytes changed, the rest cut off behind `end` (a part of the length)."""
    made = bytearray(data[: max(1, round(end * len(data)))])
    for place, value in changes:
        made[min(len(made) - 1, int(place * len(made)))] = value
    return bytes(made)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("sounds")
    sound = tune(0.2, 16000)
    for name in FORMATS:
        soundfile.write(folder / f"a.{name}", sound, 16000, format=name.upper())
    return {name: (folder / f"a.{name}").read_bytes() for name in FORMATS}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return samples_package(tmp_path_factory.mktemp("package")).folder


@often
@given(name=st.sampled_from(FORMATS), changes=damage, end=st.sampled_from((1.0, 1.0, 0.7, 0.1)))
def test_a_damaged_sound_is_read_or_refused(
    sounds: dict[str, bytes], tmp_path: Path, name: str, changes: list[tuple[float, int]], end: float
) -> None:
    """A sound file with changed or missing bytes gives numbers or one sentence."""
    path = tmp_path / f"b.{name}"
    path.write_bytes(damaged(sounds[name], changes, end))
    with contextlib.suppress(RetimbreError):
        sound = read_audio(path)
        assert np.isfinite(sound.signal).all() and sound.signal.shape[1] > 0


@often
@given(
    name=st.sampled_from(("manifest.json", "model.onnx", "golden.npz", "CARD.md")),
    changes=damage,
    end=st.sampled_from((1.0, 1.0, 0.5, 0.01)),
)
def test_a_damaged_package_is_loaded_or_refused(
    package: Path, tmp_path: Path, name: str, changes: list[tuple[float, int]], end: float
) -> None:
    """A package with changed or missing bytes in any file is refused with one sentence, or plays as it should."""
    folder = tmp_path / package.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder)
    (folder / name).write_bytes(damaged((folder / name).read_bytes(), changes, end))
    with contextlib.suppress(RetimbreError):
        assert check(Package.load(folder)).passed
