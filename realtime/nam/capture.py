"""Captures of Neural Amp Modeler as model packages: one `.nam` file in, one package out. Loader thread and commands.

    amp.nam ─▶ settings and weights ─▶ graph (realtime.nam.graph) ─▶ package: samples in, samples out, no latency

`import_capture` writes a package that stays; `cached_package` keeps one per file's contents in the user's cache, so
that `--model amp.nam` plays at once. The format and what of it is understood: docs/nam.md. No torch.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.controls import RANGES
from realtime.errors import PackageError
from realtime.features import SamplesFeatures
from realtime.manifest import FORMAT, MANIFEST_FILE, Control, Licences, Manifest, State
from realtime.nam.card import Metadata, describe_network, write_card
from realtime.nam.fields import Fields
from realtime.nam.nets import Network, channels_out, read_network
from realtime.package import Package, make_golden, package_folders, write_package

FloatArray = NDArray[np.float32]

DEFAULT_STEP = 64
STEPS = (16, 1024)
_REVISION = 1  # counts changes of what an import makes, so that a cache filled by an older retimbre is not taken
_DEFAULT_RATE = 48000  # of files that name none
_MOST_BYTES = 1 << 26
_LOUDNESS_DB = -18.0  # where players bring a capture that says how loud it is
_GOLDEN_SECONDS = 1.0


def import_capture(
    path: Path | str,
    folder: Path | str | None = None,
    *,
    name: str | None = None,
    step: int = DEFAULT_STEP,
    size: float = 1.0,
) -> Package:
    """Write the capture at `path` as a package into `folder` and return it; a package of that name is replaced.

    folder: what the package's own folder is put into; None: the user's folder of packages.
    name: the package's name; None: made of the file's name. step: samples per call, within STEPS.
    size: 0 to 1, of a file that holds several sizes or a network that can be cut; others are read in full.
    Raises PackageError, and nothing else, when the file cannot be read, understood or written as a package.
    """
    path = Path(path)
    parent = package_folders()[-1] if folder is None else Path(folder)
    return _write(path, _read(path), parent, name, step, size)


def cached_package(path: Path | str) -> Package:
    """The capture at `path` as a package in the user's cache, written on the first call. Raises PackageError."""
    from platformdirs import user_cache_path

    path = Path(path)
    data = _read(path)
    digest = hashlib.sha256(data).hexdigest()[:32]
    parent = user_cache_path("retimbre", appauthor=False) / "nam" / f"{digest}-{_REVISION}"
    folder = parent / _name_of(path)
    try:
        return Package.load(folder)
    except PackageError:
        pass  # not there yet, or damaged
    try:
        return _write(path, data, parent, None, DEFAULT_STEP, 1.0)
    except PackageError:
        if (folder / MANIFEST_FILE).is_file():  # another process was quicker
            return Package.load(folder)
        raise


def _write(path: Path, data: bytes, parent: Path, name: str | None, step: int, size: float) -> Package:
    if not STEPS[0] <= step <= STEPS[1]:
        raise PackageError(f"The step is {step} samples, but it must be from {STEPS[0]} to {STEPS[1]}: change it.")
    if not 0.0 <= size <= 1.0:
        raise PackageError(f"The size is {size:g}, but it must be from 0 to 1: change it.")
    model = Fields.of(_parse(path, data), path.name)
    network = read_network(model, size=size)
    if channels_out(network) != 1:
        raise PackageError(f"{path.name} gives {channels_out(network)} channels, but one is played: train it as mono.")
    metadata = Metadata.of(model.data.get("metadata"), path)
    manifest, graph = _package_parts(path, model, network, metadata, name or _name_of(path), step)
    try:
        golden = make_golden(manifest, graph, _golden_input(manifest.sample_rate))
    except PackageError as error:
        raise PackageError(
            f"{path.name} gives no sound that could be kept as proof ({str(error).partition(', but ')[0]}), "
            "but a capture must sound and stay finite: export it again."
        ) from error
    card = write_card(manifest, metadata, path.name, hashlib.sha256(data).hexdigest())
    return write_package(parent / manifest.name, manifest, graph, golden, card)


def _package_parts(
    path: Path, model: Fields, network: Network, metadata: Metadata, name: str, step: int
) -> tuple[Manifest, bytes]:
    from realtime.nam.graph import build_graph

    try:
        graph, states = build_graph(network, step)
    except MemoryError as error:
        raise PackageError(f"{path.name} is too large for this machine's memory: train a smaller network.") from error
    manifest = Manifest(
        format=FORMAT,
        name=name,
        title=metadata.title,
        architecture=f"Neural Amp Modeler {describe_network(network)}",
        description=metadata.description,
        sample_rate=_sample_rate(model),
        input=SamplesFeatures(),
        output=SamplesFeatures(),
        phase=None,
        step=step,
        lookahead=0,
        model_delay_samples=0,
        level_db=None,
        states=tuple(State(f"state_{k}", shape) for k, shape in enumerate(states)),
        targets=(),
        controls=_controls(metadata),
        licences=Licences(
            code="MIT (Neural Amp Modeler)",
            weights="as the capture's author says",
            data="as the capture's author says",
        ),
    )
    return manifest, graph


def _controls(metadata: Metadata) -> tuple[Control, ...]:
    """Drive, volume (at the level that players bring captures to) and mix."""
    volume = 0.0 if metadata.loudness_db is None else _LOUDNESS_DB - metadata.loudness_db
    low, high, unit = RANGES["output_gain_db"]
    return (
        Control("input_gain_db", "Drive", "dB", -24.0, 24.0, 0.0),
        Control("output_gain_db", "Volume", unit, low, high, round(min(max(volume, low), high), 1)),
        Control("mix", "Mix", "", 0.0, 1.0, 1.0),
    )


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise PackageError(f"{path} has {size >> 20} MiB, but no capture has more than {_MOST_BYTES >> 20}.")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PackageError(f"{path} does not exist: name a .nam file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PackageError(f"{path} cannot be read ({reason}): name a .nam file that you may read.") from error


def _parse(path: Path, data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        reason = re.sub(r"\s+", " ", str(error))[:120] or type(error).__name__
        raise PackageError(
            f"{path.name} is not the JSON that a .nam file is ({reason}): get the file again from its source."
        ) from error


def _sample_rate(model: Fields) -> int:
    """The file's rate; that of the model inside where only that has one."""
    where = model
    for _ in range(8):
        if "sample_rate" in where:
            break
        inner = where.data.get("config", {})
        lists = [inner.get(key) for key in ("submodels", "models")] if isinstance(inner, dict) else []
        first = next((items[-1] for items in lists if items), None)
        if not isinstance(first, dict):
            return _DEFAULT_RATE
        where = Fields(first.get("model", first), where.where)
    rate = where.number("sample_rate", float(_DEFAULT_RATE))
    if not 1000 <= rate <= 768_000 or abs(rate - round(rate)) > 1e-6:
        where.refuse("sample_rate", "a whole number of Hz from 1000 to 768000")
    return round(rate)


def _name_of(path: Path) -> str:
    """A package's name that a person recognises the file by."""
    return re.sub(r"[^a-z0-9_]+", "-", path.stem.lower()).strip("-_")[:64].rstrip("-_") or "capture"


def _golden_input(sample_rate: int) -> FloatArray:
    """Struck notes that rise, quiet and loud, and a breath of noise: what bends a curve and what shows its memory."""
    count = round(_GOLDEN_SECONDS * sample_rate)
    times = np.arange(count) / sample_rate
    sound = np.random.default_rng(0).normal(0.0, 0.003, count)
    for k, (hz, peak) in enumerate(((82.4, 0.1), (110.0, 0.3), (164.8, 0.6), (329.6, 0.9))):
        since = times - 0.24 * k
        rung = np.exp(-6.0 * np.clip(since, 0.0, None)) * (since >= 0)
        sound += peak * rung * np.sin(2 * np.pi * hz * since) * 0.7
        sound += peak * rung * np.sin(4 * np.pi * hz * since) * 0.2
    return np.clip(sound, -1.0, 1.0).astype(np.float32)
