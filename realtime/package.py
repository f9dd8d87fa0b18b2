"""Model packages on disk: read, verify, write, find, check. Runs on the loader thread and in commands, never in audio.

    name/model.onnx  golden.npz  CARD.md  [*.png]  manifest.json (their sha256, and everything the engine must know)

    read   folder → manifest → every file's sha256            quick: what a list or a window needs
    load   read → graph against the manifest → a few steps    what is about to play
    check  load → the golden sound through the chain          what proves that it plays as its maker heard it

Specified in `docs/model-package.md`. Every refusal is a PackageError of one sentence. It passes 300 lines because each
way in which a folder can be wrong has its own sentence, and one place must know them all.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import realtime
from realtime.errors import ConfigError, PackageError
from realtime.features import Bands, PitchLoudnessFeatures, SpectrumFeatures
from realtime.manifest import (
    CARD_FILE,
    FORMAT,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    Control,
    Licences,
    Manifest,
    State,
    Target,
)

if TYPE_CHECKING:
    from realtime.session import Provider

__all__ = [
    "FORMAT",
    "CheckReport",
    "Control",
    "FoundPackage",
    "Licences",
    "Manifest",
    "Package",
    "State",
    "Target",
    "check",
    "default_package_name",
    "find_packages",
    "make_golden",
    "package_folders",
    "resolve",
    "write_package",
]

FloatArray = NDArray[np.float32]

MODELS_VARIABLE = "RETIMBRE_MODELS"
"""Environment variable: more folders of packages, separated as in PATH; they come first."""
GOLDEN_TOLERANCE = 1e-4
"""Largest difference that `check` accepts, as a part of the golden sound's peak."""
_GOLDEN_ARRAYS = ("x_audio", "y_audio", "target")
_GOLDEN_SECONDS = (0.5, 30.0)
_MAX_MANIFEST_BYTES = 1 << 20
_WARM_UP_STEPS = 4


@dataclass(frozen=True, slots=True)
class Package:
    """A verified package: its manifest and the very bytes of the model that were verified."""

    folder: Path
    manifest: Manifest
    model: bytes = field(repr=False)

    @classmethod
    def read(cls, folder: Path | str) -> Package:
        """Parse the manifest and compare every file's sha256; starts no model. Raises PackageError."""
        folder = Path(folder)
        manifest = _read_manifest(folder)
        model = b""
        for name, expected in manifest.files.items():
            data = _read_file(folder / name, folder)
            if hashlib.sha256(data).hexdigest() != expected:
                raise PackageError(_changed_sentence(folder / name, data))
            if name == MODEL_FILE:
                model = data
        return cls(folder, manifest, model)

    @classmethod
    def load(cls, folder: Path | str) -> Package:
        """`read`, then verify the graph against the manifest and run a few steps. Raises PackageError."""
        package = cls.read(folder)
        _warm_up(package)
        return package

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    def size_bytes(self) -> int:
        """Bytes of all declared files."""
        return sum((self.folder / name).stat().st_size for name in self.manifest.files)

    def card(self) -> str:
        """The text of CARD.md."""
        return _read_file(self.folder / CARD_FILE, self.folder).decode("utf-8", errors="replace")

    def golden(self) -> dict[str, FloatArray]:
        """The golden sound: `x_audio`, `y_audio` (samples,) and `target` (targets,). Raises PackageError."""
        data = _read_file(self.folder / GOLDEN_FILE, self.folder)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise PackageError(
                f"golden.npz of '{self.name}' cannot be read ({error}), but it must hold "
                f"{', '.join(_GOLDEN_ARRAYS)}: export the model again."
            ) from error
        _need_golden(arrays, self.manifest)
        return arrays


@dataclass(frozen=True, slots=True)
class FoundPackage:
    """What one folder holds: a package's manifest, or the sentence that says why it is none."""

    name: str
    folder: Path
    manifest: Manifest | None
    error: str | None
    size_bytes: int
    hidden: bool
    """An earlier folder holds a package of this name, which is the one that `resolve` takes."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How a package's golden sound came out on this machine."""

    name: str
    provider: str
    seconds: float
    """Length of the golden sound."""
    error: float
    """Largest difference from the golden sound, as a part of its peak."""
    tolerance: float
    real_time_factor: float
    """Seconds of sound per second of computing."""
    latency_samples: int
    latency_ms: float

    @property
    def passed(self) -> bool:
        """Whether it sounds as its maker heard it."""
        return self.error <= self.tolerance


def check(package: Package, provider: Provider = "cpu") -> CheckReport:
    """Replay the golden sound through the chain. Raises PackageError when a step of it fails."""
    golden = package.golden()
    heard, used, elapsed = play(package, golden["x_audio"], golden["target"], provider)
    expected = golden["y_audio"]
    error = float(np.abs(heard - expected).max() / np.abs(expected).max())
    rate = package.manifest.sample_rate
    return CheckReport(
        name=package.name,
        provider=used,
        seconds=len(heard) / rate,
        error=error,
        tolerance=GOLDEN_TOLERANCE,
        real_time_factor=len(heard) / rate / elapsed,
        latency_samples=package.manifest.latency_samples,
        latency_ms=1000.0 * package.manifest.latency_samples / rate,
    )


def play(
    package: Package, x_audio: FloatArray, target: FloatArray, provider: Provider
) -> tuple[FloatArray, str, float]:
    """`x_audio` through a fresh chain, every control at rest, latency left in; the provider; seconds of computing."""
    from realtime.chain import Chain  # late: it brings onnxruntime, and reads packages itself
    from realtime.controls import Controls

    weights = tuple(float(weight) for weight in target) if target.size else None
    chain = Chain(package, Controls(target=weights, octave="off"), provider=provider)
    step = chain.step_samples
    padded = np.zeros(-(-len(x_audio) // step) * step, np.float32)
    padded[: len(x_audio)] = x_audio
    heard = np.zeros_like(padded)
    began = time.perf_counter()
    for start in range(0, len(padded), step):
        chain.process(padded[start : start + step], heard[start : start + step])
    elapsed = time.perf_counter() - began
    if chain.faults:  # the chain has put the dry sound there, as it must live; here that would hide the fault
        raise PackageError(
            f"The model '{package.name}' failed in {chain.faults} of {len(padded) // step} steps ({chain.last_fault}), "
            "but every step must give sound: train or export it again."
        )
    return heard[: len(x_audio)], chain.provider, elapsed


def make_golden(
    manifest: Manifest, model: bytes, x_audio: FloatArray, target: Sequence[float] = ()
) -> dict[str, FloatArray]:
    """The golden sound of a model that is not yet packaged, played as `check` will play it.

    x_audio: mono input (samples,) at the model's rate.
    target: a weight per target of the manifest; left out, the first target alone.
    """
    weights = np.asarray(target, np.float32)
    if manifest.targets and weights.size == 0:
        weights = np.eye(1, len(manifest.targets), dtype=np.float32)[0]
    x_audio = np.ascontiguousarray(x_audio, np.float32)
    y_audio, _, _ = play(Package(Path(manifest.name), manifest, model), x_audio, weights, "cpu")
    golden = {"x_audio": x_audio, "y_audio": y_audio, "target": weights}
    _need_golden(golden, manifest)
    return golden


def write_package(
    folder: Path | str,
    manifest: Manifest,
    model: bytes,
    golden: Mapping[str, FloatArray],
    card: str,
    pictures: Mapping[str, bytes] | None = None,
) -> Package:
    """Write a package beside `folder`, load it, and only then give it its name; an older package there is replaced.

    folder: where to; its last part must be the manifest's name. manifest: its `files` are filled in here.
    golden: see `make_golden`. pictures: PNG files that the card shows, by file name.
    Raises PackageError when the parts do not fit together or cannot be written; then `folder` is as it was before.
    """
    folder = Path(folder).absolute()
    if folder.name != manifest.name:
        raise PackageError(
            f"The folder is called '{folder.name}', but the package's name is '{manifest.name}': "
            f"write it to {folder.parent / manifest.name}."
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST_FILE).is_file():
        raise PackageError(
            f"{folder} holds other things than a package, and they would be lost: choose another folder."
        )
    _need_golden(golden, manifest)
    archive = io.BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **{name: np.asarray(golden[name]) for name in _GOLDEN_ARRAYS})
    contents = {MODEL_FILE: model, GOLDEN_FILE: archive.getvalue(), CARD_FILE: card.encode("utf-8"), **(pictures or {})}
    manifest = manifest.with_files({name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    contents[MANIFEST_FILE] = manifest.to_text().encode("utf-8")
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.mkdir(parents=True)
        for name, data in contents.items():
            (partial / name).write_bytes(data)
        Package.load(partial)
        _put_in_place(partial, folder)
    except OSError as error:
        raise PackageError(
            f"{folder.parent} cannot hold the package ({error.strerror or error}): make room there, "
            "or choose another folder."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Package(folder, manifest, model)


def package_folders() -> list[Path]:
    """The folders that are searched for packages, in order: RETIMBRE_MODELS, beside the code, the user's own."""
    # Late: a quarter of this module's import time, and only those who look for packages need it.
    from platformdirs import user_data_path

    named = [Path(part) for part in os.environ.get(MODELS_VARIABLE, "").split(os.pathsep) if part]
    beside = Path(realtime.__file__).resolve().parent.parent / "exported_models"
    return list(dict.fromkeys([*named, beside, user_data_path("retimbre", appauthor=False) / "models"]))


def find_packages() -> list[FoundPackage]:
    """Every package in `package_folders`, broken ones with their sentence. Files are verified, no model is started."""
    found: list[FoundPackage] = []
    taken: set[str] = set()
    for folder in _candidates():
        try:
            package = Package.read(folder)
        except PackageError as error:
            found.append(FoundPackage(folder.name, folder, None, str(error), 0, hidden=folder.name in taken))
            continue
        hidden = package.name in taken
        found.append(FoundPackage(package.name, folder, package.manifest, None, package.size_bytes(), hidden))
        taken.add(package.name)
    return found


def resolve(name_or_path: str | Path) -> Package:
    """Load the package of that name, in that folder, or of that .nam file. Raises PackageError with near names."""
    text = str(name_or_path)
    if text.lower().endswith(".nam") and not Path(text).is_dir():
        from realtime.nam.capture import cached_package  # late: it is made of this module's parts

        return cached_package(text)
    if isinstance(name_or_path, Path) or any(mark and mark in text for mark in (os.sep, os.altsep)):
        return Package.load(name_or_path)
    names: list[str] = []
    broken: Path | None = None
    for folder in _candidates():
        try:
            name = _read_manifest(folder).name
        except PackageError:
            if folder.name == text:
                broken = broken or folder
            continue
        if name == text:
            return Package.load(folder)
        names.append(name)
    if broken is not None:
        return Package.load(broken)  # raises its own sentence
    if (Path(text) / MANIFEST_FILE).is_file():
        return Package.load(text)
    known = sorted(set(names))
    near = difflib.get_close_matches(text, known, n=3, cutoff=0.5) or [name for name in known if text and text in name]
    advice = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known) or 'none installed'}."
    raise PackageError(f"There is no model named '{text}' in any folder of packages: {advice}")


def default_package_name() -> str:
    """The model that commands play when none is named: the shipped voice, or identity where it is missing."""
    folders = (folder.name for folder in _candidates() if (folder / MANIFEST_FILE).is_file())
    return "voice" if "voice" in folders else "identity"


def _candidates() -> Iterator[Path]:
    """Folders that may be packages, in the order of the search; names that begin with a dot are half-written ones."""
    for parent in package_folders():
        if parent.is_dir():
            yield from sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _read_manifest(folder: Path) -> Manifest:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise PackageError(
            f"{folder} {what}, but a model package is a folder: see `retimbre models list` for those here."
        )
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise PackageError(f"{folder} is not a model package: it has no {MANIFEST_FILE}; export or copy it again.")
    if path.stat().st_size > _MAX_MANIFEST_BYTES:
        raise PackageError(f"{path} is larger than 1 MiB, which no manifest is: export or copy the package again.")
    return Manifest.parse(_read_file(path, folder), where=str(path))


def _read_file(path: Path, folder: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PackageError(f"{path.name} is missing from {folder}: copy or export the package again.") from error
    except OSError as error:
        raise PackageError(
            f"{path} cannot be read ({error.strerror}): check its permissions or copy it again."
        ) from error


def _changed_sentence(path: Path, data: bytes) -> str:
    """Why a file's sha256 may differ: the half of it that is missing has a plainer remedy than a changed byte."""
    if not data or (path.name == MODEL_FILE and _protobuf_ends_early(data)) or _zip_ends_early(path, data):
        return f"{path} ends too early, after {len(data)} bytes: it was copied only in part, copy the package again."
    return (
        f"{path} is not the file that was packaged (its sha256 differs from the manifest's): "
        "it was changed or damaged, get the package again from its source."
    )


def _protobuf_ends_early(data: bytes) -> bool:
    """Whether a field of the outermost message (they are few, the graph is one) reaches past the end of `data`."""
    position = 0

    def varint() -> int | None:
        nonlocal position
        value = shift = 0
        while position < len(data) and shift < 64:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
        return None

    while position < len(data):
        key = varint()
        if key is None:
            return True
        if key & 7 == 0:
            if varint() is None:
                return True
        elif key & 7 in (1, 5):
            position += 8 if key & 7 == 1 else 4
        elif key & 7 == 2:
            length = varint()
            if length is None:
                return True
            position += length
        else:
            return False  # no protobuf at all: damaged, not cut
    return position > len(data)


def _zip_ends_early(path: Path, data: bytes) -> bool:
    """Whether a .npz lacks the directory that a zip file ends with."""
    return path.suffix == ".npz" and data.startswith(b"PK") and b"PK\x05\x06" not in data[-65_558:]


def _warm_up(package: Package) -> None:
    """Run silence, then a plausible sound: a model that gives NaN must be found before it is heard."""
    from realtime.session import Session  # late: onnxruntime takes 0.3 s, and a list of packages needs none of it

    manifest = package.manifest
    for features in (manifest.input, manifest.output):
        if isinstance(features, SpectrumFeatures) and features.bands == "mel":
            try:
                Bands(features, manifest.sample_rate)
            except ConfigError as error:
                raise PackageError(f"In the manifest of '{manifest.name}', {error}") from error
    session = Session(package, "cpu")
    random = np.random.default_rng(0)
    for step in range(2 * _WARM_UP_STEPS):
        silent = step < _WARM_UP_STEPS
        if isinstance(manifest.input, PitchLoudnessFeatures):
            f0_hz = (manifest.input.f0_min_hz * manifest.input.f0_max_hz) ** 0.5
            session.x[0] = np.array([[f0_hz], [-100.0 if silent else 0.0], [0.0 if silent else 1.0]], np.float32)
        elif isinstance(manifest.input, SpectrumFeatures):
            quiet = -1.0 if manifest.input.compression == "log_unit" else 0.0
            session.x[:] = quiet if silent else random.uniform(quiet, 1.0, session.x.shape)
        else:
            session.x[:] = 0.0 if silent else random.uniform(-0.5, 0.5, session.x.shape)
        session.run()
        if not np.isfinite(session.y).all():
            raise PackageError(
                f"The model '{package.name}' gives samples that are not numbers (NaN or infinite) at step {step} of "
                f"{'silence' if silent else 'noise'}, but every sample must be finite: train or export it again."
            )


def _need_golden(golden: Mapping[str, NDArray[np.generic]], manifest: Manifest) -> None:
    """Refuse a golden sound that could not prove anything."""
    name = manifest.name
    if sorted(golden) != sorted(_GOLDEN_ARRAYS):
        raise PackageError(
            f"The golden sound of '{name}' has {', '.join(sorted(golden)) or 'nothing'}, but it must have "
            f"{', '.join(_GOLDEN_ARRAYS)}: make it with make_golden."
        )
    for key in _GOLDEN_ARRAYS:
        array = golden[key]
        if array.dtype != np.float32 or array.ndim != 1 or not np.isfinite(array).all():
            raise PackageError(
                f"{key} in the golden sound of '{name}' is {array.dtype} {array.shape}, "
                "but it must be one row of finite float32 values: export the model again."
            )
    x_audio, y_audio, target = (golden[key] for key in _GOLDEN_ARRAYS)
    low, high = (round(seconds * manifest.sample_rate) for seconds in _GOLDEN_SECONDS)
    if len(x_audio) != len(y_audio) or not low <= len(x_audio) <= high:
        raise PackageError(
            f"The golden sound of '{name}' has {len(x_audio)} samples in and {len(y_audio)} out, but both must have "
            f"the same number, from {low} to {high}: use two to four seconds."
        )
    if float(np.abs(y_audio).max()) < 1e-3:
        raise PackageError(
            f"The golden sound of '{name}' is silent (peak under −60 dB), but silence proves nothing: "
            "choose an input that makes the model sound."
        )
    weights = np.asarray(target, np.float64)
    if len(target) != len(manifest.targets) or (weights < 0).any() or (len(target) and abs(weights.sum() - 1) > 1e-3):
        raise PackageError(
            f"target in the golden sound of '{name}' is {target.tolist()}, but it must be {len(manifest.targets)} "
            "weights of at least 0 that sum to 1: give one a target."
        )


def _put_in_place(partial: Path, folder: Path) -> None:
    """Rename; an older package steps aside first and comes back when the rename fails."""
    if not folder.exists():
        partial.rename(folder)
        return
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.old")
    folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError as error:
        aside.rename(folder)
        raise PackageError(
            f"{folder} could not be replaced ({error.strerror}): the older package is still there."
        ) from error
    shutil.rmtree(aside, ignore_errors=True)
