"""What works on this machine: findings, each with its repair. Runs for `retimbre doctor`; nothing here is live.

Every back end is tried, not asked about, in a process of its own (`realtime.probe`) with a time limit: one that crashes
or hangs is a finding like any other. `needed` findings decide whether files can be converted; the rest is comfort.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

AREAS = ("install", "files", "inference", "models", "sound", "midi", "train")
# import name → distribution, of what playing and converting need
_BASE = {
    "numpy": "numpy", "sounddevice": "sounddevice", "soundfile": "soundfile", "soxr": "soxr", "numba": "numba",
    "mido": "mido", "rtmidi": "python-rtmidi", "platformdirs": "platformdirs", "typer": "typer", "rich": "rich",
}  # fmt: skip
_TRAIN = {"torch": "torch", "librosa": "librosa", "onnx": "onnx", "onnxscript": "onnxscript",
          "tensorboard": "tensorboard", "matplotlib": "matplotlib", "swift_f0": "swift-f0"}  # fmt: skip
REAL_TIME = "real-time scheduling"
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_PROBE_SECONDS = 20.0
_LINUX = sys.platform.startswith("linux")
_REINSTALL = "`pip install --force-reinstall retimbre` (in a checkout: `pip install -e .`)"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. `repair` is a sentence exactly when it does not work."""

    area: str
    name: str
    works: bool
    detail: str
    repair: str = ""
    needed: bool = False

    def __post_init__(self) -> None:
        """Hold the law: what does not work says how to repair it, what works does not."""
        if self.works == bool(self.repair):
            raise ValueError(f"the finding {self.name!r} works={self.works} but its repair is {self.repair!r}")


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found, in the order of `AREAS`."""

    findings: tuple[Finding, ...]

    @property
    def can_convert(self) -> bool:
        """True when files can be converted here."""
        return all(finding.works for finding in self.findings if finding.needed)

    @property
    def can_play_live(self) -> bool:
        """True when, besides, a sound card really called back."""
        cards = [found for found in self.findings if found.area == "sound" and found.name != REAL_TIME]
        return self.can_convert and any(found.works for found in cards)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "version": version("retimbre"),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "can_convert": self.can_convert,
            "can_play_live": self.can_play_live,
            "findings": [asdict(finding) for finding in self.findings],
        }


def examine() -> Findings:
    """Try everything, the slow parts side by side."""
    parts = (_install, _files, _inference, _models, _sound, _real_time, _midi, _train)
    with ThreadPoolExecutor(len(parts)) as pool:
        found = [finding for part in pool.map(lambda part: list(part()), parts) for finding in part]
    return Findings(tuple(sorted(found, key=lambda finding: AREAS.index(finding.area))))


def ask(*question: str, seconds: float = _PROBE_SECONDS) -> tuple[Any, str]:
    """Ask `realtime.probe` in its own process; return (answer, "") or (None, what went wrong)."""
    command = [sys.executable, "-m", "realtime.probe", *question]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None, f"it did not answer within {seconds:g} s"
    if done.returncode != 0 or not done.stdout:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return None, f"it crashed ({how})"
    reply = json.loads(done.stdout.splitlines()[-1])
    return reply.get("answer"), reply.get("error", "")


def _version_of(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _install() -> Iterator[Finding]:
    found = {name: _version_of(name) for name in _BASE.values()}
    missing = [name for name, number in found.items() if number is None]
    yield Finding(
        "install",
        "packages",
        not missing,
        ", ".join(f"{name} {number or 'missing'}" for name, number in found.items()),
        f"Install what is missing ({', '.join(missing)}) with {_REINSTALL}." if missing else "",
        needed=True,
    )
    runtimes = {name: number for name in _RUNTIMES if (number := _version_of(name)) is not None}
    repair = ""
    if len(runtimes) > 1:
        repair = (
            "onnxruntime and onnxruntime-gpu overwrite one another, so remove both and install one: "
            "`pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu`."
        )
    elif not runtimes:
        repair = f"Install onnxruntime with {_REINSTALL}."
    detail = ", ".join(f"{name} {number}" for name, number in runtimes.items()) or "missing"
    yield Finding("install", "onnxruntime", not repair, detail, repair, needed=True)
    number = _version_of("PyQt6")
    yield Finding(
        "install", "PyQt6", number is not None, number or "missing", "" if number else f"Install it with {_REINSTALL}."
    )


def _files() -> Iterator[Finding]:
    answer, wrong = ask("files")
    if wrong:
        repair = "Install libsndfile and soxr for Python again: `pip install --force-reinstall soundfile soxr`."
        yield Finding("files", "reading and writing", works=False, detail=wrong, repair=repair, needed=True)
        return
    able = [name for name, works in answer["formats"].items() if works]
    unable = [name for name in answer["formats"] if name not in able]
    yield Finding(
        "files",
        "resampling",
        answer["resamples"],
        "soxr",
        "" if answer["resamples"] else "Reinstall soxr: `pip install --force-reinstall soxr`.",
        needed=True,
    )
    repair = "Install a newer libsndfile (1.1 or later): `pip install --upgrade soundfile`."
    yield Finding(
        "files",
        "wav, flac",
        {"wav", "flac"} <= set(able),
        f"libsndfile {answer['libsndfile']}",
        "" if {"wav", "flac"} <= set(able) else repair,
        needed=True,
    )
    others = [name for name in ("ogg", "mp3", "aiff") if name in unable]
    yield Finding(
        "files",
        "ogg, mp3, aiff",
        not others,
        f"not here: {', '.join(others)}" if others else "all",
        repair if others else "",
    )


def _inference() -> Iterator[Finding]:
    answer, wrong = ask("inference", seconds=60)
    if wrong:
        repair = f"Install onnxruntime again with {_REINSTALL}."
        yield Finding("inference", "CPU", works=False, detail=wrong, repair=repair, needed=True)
        return
    works = answer["cpu"]
    yield Finding(
        "inference",
        "CPU",
        works,
        f"onnxruntime {answer['version']} ran a model",
        "" if works else f"Install onnxruntime again with {_REINSTALL}.",
        needed=True,
    )
    if answer["cuda"]:
        yield Finding("inference", "CUDA", works=True, detail="ran a model on the card")
    elif answer["nvidia_card"]:
        repair = "Install CUDA and cuDNN where onnxruntime finds them: `pip install 'onnxruntime-gpu[cuda,cudnn]'`."
        yield Finding(
            "inference", "CUDA", works=False, detail="there is an NVIDIA card, but no model runs on it", repair=repair
        )
    else:
        repair = "Nothing to do: the shipped models are made for the CPU; an NVIDIA card with its driver adds CUDA."
        yield Finding("inference", "CUDA", works=False, detail="no NVIDIA card", repair=repair)


def _models() -> Iterator[Finding]:
    answer, wrong = ask("models", seconds=60)
    if wrong:
        repair = f"Install retimbre and onnxruntime again with {_REINSTALL}."
        yield Finding("models", "verified", works=False, detail=wrong, repair=repair, needed=True)
        return
    verified, damaged = answer["verified"], answer["damaged"]
    repair = "" if verified else "Install retimbre again, or train and export a model of your own: none was found."
    yield Finding("models", "verified", bool(verified), ", ".join(verified) or "none", repair, needed=True)
    for name, sentence in damaged.items():
        repair = f"Replace the folder {name} by an undamaged copy."
        yield Finding("models", name, works=False, detail=sentence, repair=repair)


def _sound() -> Iterator[Finding]:
    answer, wrong = ask("audio")
    if wrong:
        repair = "Install PortAudio (Debian: `apt install libportaudio2`); if a sound server hangs, restart it."
        yield Finding("sound", "PortAudio", works=False, detail=wrong, repair=repair)
        return
    if not any(api["devices"] for api in answer["apis"]):
        names = ", ".join(api["name"] for api in answer["apis"]) or "none"
        repair = "Plug in a sound card or start a sound server" + (
            " (Debian: `apt install jackd2`, then `jackd -d alsa`; or pipewire-jack), and let this user use it: "
            "`sudo usermod -aG audio $USER`, then log in again."
            if _LINUX
            else "."
        )
        yield Finding("sound", "devices", works=False, detail=f"no device (host APIs: {names})", repair=repair)
    for api in answer["apis"]:
        if not api["devices"]:
            continue
        broken = {direction: why for direction, why in api["tried"].items() if why}
        works = bool(api["tried"]) and not broken
        names = "; ".join(
            f"{device['name']} ({device['inputs']} in, {device['outputs']} out)" for device in api["devices"]
        )
        detail = names + "".join(f"; {direction}: {why}" for direction, why in broken.items())
        which = " and ".join(broken) or "default"
        repair = f"Free the {which} device of {api['name']}, which another program may hold, or choose another."
        yield Finding("sound", api["name"], works, detail, "" if works else repair)


def _real_time() -> Iterator[Finding]:
    answer, wrong = ask("real_time")
    allowed = not wrong and answer["allowed"] is not False
    repair = (
        "Live playing may click under load: allow real-time scheduling with `sudo apt install jackd2` (answer yes), "
        "`sudo usermod -aG audio $USER`, and log in again."
    )
    detail = wrong or ("left to the system" if answer["allowed"] is None else answer.get("why", "allowed"))
    yield Finding("sound", REAL_TIME, allowed, detail, "" if allowed else repair)


def _midi() -> Iterator[Finding]:
    answer, wrong = ask("midi")
    if wrong:
        yield Finding(
            "midi",
            "rtmidi",
            works=False,
            detail=wrong,
            repair="Install rtmidi again: `pip install --force-reinstall python-rtmidi`.",
        )
        return
    for api in answer["apis"]:
        ports, wrong = ask("midi", api)
        if wrong:
            yield Finding(
                "midi",
                api,
                works=False,
                detail=wrong,
                repair=_MIDI_REPAIRS.get(api, "Update the system's MIDI service."),
            )
        else:
            detail = f"inputs: {', '.join(ports['inputs']) or 'none'}; outputs: {', '.join(ports['outputs']) or 'none'}"
            yield Finding("midi", api, works=True, detail=detail)


_MIDI_REPAIRS = {
    "UNIX_JACK": "Start a JACK server, for example `jackd -d alsa` (Debian: `apt install jackd2`).",
    "LINUX_ALSA": "Load the sequencer (`sudo modprobe snd-seq`); join group audio (`sudo usermod -aG audio $USER`).",
}


def _train() -> Iterator[Finding]:
    found = {name: _version_of(name) for name in _TRAIN.values()}
    missing = [name for name, number in found.items() if number is None]
    detail = ", ".join(f"{name} {number}" for name, number in found.items() if number) or "not installed"
    how = []
    if [name for name in missing if name != "swift-f0"]:
        how.append("`pip install 'retimbre[train]'` (in a checkout: `pip install -e '.[train]'`)")
    if "swift-f0" in missing:
        how.append("`pip install --no-deps swift-f0`")
    repair = f"Only training needs it: {' and '.join(how)}." if missing else ""
    yield Finding("train", "training extra", not missing, detail, repair)
