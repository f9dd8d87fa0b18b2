"""One question about this machine, answered by trying: `python -m realtime.probe QUESTION`, a public function here.

Run by `realtime.doctor` in a process of its own, because a sound server that died hangs its callers for ever and a MIDI
API without its server may crash them. The answer is one line of JSON on stdout; what libraries print goes to stderr.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_CALLBACK_SECONDS = 2.0


def audio() -> dict[str, Any]:
    """List PortAudio's host APIs with their devices, and open the default ones until a callback has come."""
    import sounddevice as sd

    apis = []
    for api in sd.query_hostapis():
        devices = [
            {"name": device["name"], "inputs": device["max_input_channels"], "outputs": device["max_output_channels"]}
            for device in (sd.query_devices(index) for index in api["devices"])
        ]
        tried = {
            direction: _hears_callback(sd, direction, api[f"default_{direction}_device"])
            for direction in ("input", "output")
            if api[f"default_{direction}_device"] >= 0
        }
        apis.append({"name": api["name"], "devices": devices, "tried": tried})
    return {"portaudio": sd.get_portaudio_version()[1], "apis": apis}


def _hears_callback(sd: Any, direction: str, device: int) -> str:
    """Open `device` on its own; the empty string when its callback came, else what went wrong."""
    came = threading.Event()

    def on_input(_data: Any, _frames: int, _time: Any, _flags: Any) -> None:
        came.set()

    def on_output(data: Any, _frames: int, _time: Any, _flags: Any) -> None:
        data.fill(0)
        came.set()

    try:
        stream = (
            sd.InputStream(device=device, callback=on_input)
            if direction == "input"
            else sd.OutputStream(device=device, callback=on_output)
        )
        with stream:
            return "" if came.wait(_CALLBACK_SECONDS) else "it opens, but never asks for sound"
    except (sd.PortAudioError, ValueError) as error:
        return str(error).splitlines()[0]


def midi(api: str | None = None) -> dict[str, Any]:
    """Without `api` the names of the APIs rtmidi was built with; with one, its ports through real clients."""
    import rtmidi

    names = {name.removeprefix("API_"): value for name, value in vars(rtmidi).items() if name.startswith("API_")}
    if api is None:
        built = set(rtmidi.get_compiled_api())
        silent = {rtmidi.API_UNSPECIFIED, rtmidi.API_RTMIDI_DUMMY}
        return {"apis": sorted(name for name, value in names.items() if value in built - silent)}
    listener = rtmidi.MidiIn(rtapi=names[api], name="retimbre-doctor")
    sender = rtmidi.MidiOut(rtapi=names[api], name="retimbre-doctor")
    ports = {"inputs": listener.get_ports(), "outputs": sender.get_ports()}
    listener.delete()
    sender.delete()
    return ports


def inference() -> dict[str, Any]:
    """Say which execution providers run a model here, by running one."""
    import numpy as np
    import onnxruntime as ort

    from realtime.session import _TINY_MODEL, CPU, CUDA, cuda_works

    one = np.ones(1, np.float32)
    answer = ort.InferenceSession(_TINY_MODEL, providers=[CPU]).run(None, {"x": one})[0]
    return {
        "version": ort.__version__,
        "cpu": bool(np.array_equal(answer, one)),
        "cuda_built": CUDA in ort.get_available_providers(),
        "cuda": bool(cuda_works()),
        "nvidia_card": any(Path(path).exists() for path in ("/dev/nvidia0", "/proc/driver/nvidia/version")),
    }


def models() -> dict[str, Any]:
    """Load and verify every model package that can be found."""
    from realtime.errors import RetimbreError
    from realtime.package import Package, find_packages

    verified: list[str] = []
    damaged: dict[str, str] = {}
    for found in find_packages():
        try:
            verified.append(Package.load(found.folder).name)
        except RetimbreError as error:
            damaged[found.name] = str(error)
    return {"verified": verified, "damaged": damaged}


def files() -> dict[str, Any]:
    """Write a sound to memory in each format that convert reads, read it back and resample it."""
    import numpy as np
    import soundfile as sf
    import soxr

    sound = (0.1 * np.sin(np.arange(4410) * 0.05)).astype(np.float32)
    formats = {}
    for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF"):
        memory = io.BytesIO()
        try:
            sf.write(memory, sound, 44100, format=name)
            memory.seek(0)
            formats[name.lower()] = bool(len(sf.read(memory)[0]) >= sound.size)
        except (sf.SoundFileError, ValueError):
            formats[name.lower()] = False
    resampled = len(soxr.resample(sound, 44100, 48000))
    return {"libsndfile": sf.__libsndfile_version__, "formats": formats, "resamples": abs(resampled - 4800) <= 1}


def real_time() -> dict[str, Any]:
    """Ask for a real-time scheduling class and give it back."""
    if not hasattr(os, "sched_setscheduler"):
        return {"allowed": None}
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError as error:
        return {"allowed": False, "why": error.strerror}
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return {"allowed": True}


def main(arguments: list[str]) -> int:
    """Answer the question `arguments[0]` with the rest as its arguments."""
    questions: tuple[Callable[..., dict[str, Any]], ...] = (audio, midi, inference, models, files, real_time)
    with contextlib.redirect_stdout(sys.stderr):
        answer: dict[str, Any]
        try:
            ask = next(question for question in questions if question.__name__ == arguments[0])
            answer = {"answer": ask(*arguments[1:])}
        except Exception as error:  # noqa: BLE001  # whatever it was, it is the answer
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    # Left at once: a library's exit handler may wait for a server that is gone.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
