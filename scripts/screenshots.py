"""Pictures of every view of the real app, dark and light: python scripts/screenshots.py FOLDER.

A JACK server, a player on it and a screen are started here and end here; the user's own files are never touched.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from realtime.audio_file import read_audio, write_audio  # noqa: E402
from realtime.bench import melody  # noqa: E402
from realtime.bench_live import answers  # noqa: E402
from realtime.controls import Controls  # noqa: E402
from realtime.messages import MidiSettings, StreamSettings  # noqa: E402
from realtime.midi.source import SourceSettings  # noqa: E402
from realtime.plain import to_plain  # noqa: E402
from realtime.plugins.spec import PluginSpec  # noqa: E402
from tests.conftest import may_run_in_real_time  # noqa: E402
from tests.gui.desk import Desk  # noqa: E402

_SETTLE_S = 1.2
_BLEND = (0.55, 0.0, 0.0, 0.0, 0.0, 0.45)
_PLUGIN = "http://drobilla.net/plugins/mda/Ambience"


def main(target: Path) -> None:
    """Take them all."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, **_own_places(folder)}
        server = _jack(folder, environment)
        desk = Desk(folder, environment)
        try:
            _play(desk)
            for look in ("dark", "light"):
                _take_all(desk, folder, look, target)
        finally:
            desk.close()
            server.kill()  # asked to end, it waits for clients that are gone
            server.wait()


def _own_places(folder: Path) -> dict[str, str]:
    places = {f"XDG_{what}_HOME": str(folder / what.lower()) for what in ("DATA", "CONFIG", "STATE", "CACHE")}
    songs = folder / "config" / "retimbre" / "presets" / "setlists"
    songs.mkdir(parents=True)
    (songs / "Friday.toml").write_text('format = 1\npresets = ["violin", "sax-and-trumpet", "plucked-guitar"]\n')
    return places | {
        "XDG_MUSIC_DIR": str(folder / "Music"), "JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1",
        "JACK_DEFAULT_SERVER": f"retimbre-pictures-{os.getpid()}",
    }  # fmt: skip


def _jack(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    name = environment["JACK_DEFAULT_SERVER"]
    command = ["jackd", "-R" if may_run_in_real_time() else "-r", "-S", "-t", "4900", "-n", name]
    command += ["-d", "dummy", "-r", "48000", "-p", "256"]
    with (folder / "jackd.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    if answers(server, name):
        return server
    server.kill()
    raise SystemExit(f"jackd did not start: {(folder / 'jackd.log').read_text()}")


def _play(desk: Desk) -> None:
    np.save(desk.folder / "sound.npy", melody(8.0, 48000))  # without a rest, in which every meter would be empty
    box = desk.start("stage_box.py", desk.folder / "sound.npy")
    assert box.stdout is not None
    assert box.stdout.readline() == "ready\n", desk.said("stage_box.py")


def _memory(folder: Path, look: str, scale: float = 1.0, *, guide: bool = False) -> Path:
    settings = StreamSettings(
        "voice", Controls(target=_BLEND), input="stagebox", output="stagebox", headphones=True,
        midi=MidiSettings(keyboard=True, source=SourceSettings(), mixed=True),
        after=(PluginSpec(_PLUGIN),) if Path("/usr/lib/lv2/mda.lv2").is_dir() else (),
    )  # fmt: skip
    values: dict[str, Any] = {"look.theme": look, "look.scale": scale, "live.setlist": "Friday"}
    if not guide:
        values |= {
            "first_start.done": True, "live.settings": to_plain(settings), "start.power": True, "live.power": True,
        }  # fmt: skip
    path = folder / f"{look}-{scale}-{guide}.json"
    path.write_text(json.dumps({"format": 1, "values": values}), encoding="utf-8")
    return path


def _take_all(desk: Desk, folder: Path, look: str, target: Path) -> None:
    def keep(name: str, settle_s: float = _SETTLE_S) -> None:
        time.sleep(settle_s)
        desk.ask(grab=str(target / f"{name}-{look}.png"))
        print(target / f"{name}-{look}.png")

    def opened(memory: Path) -> None:
        desk.open_app(memory)
        desk.until(lambda: desk.ask(state=True)["panel"], "a panel")
        desk.hand("mousemove", 700, 60)

    opened(_memory(folder, look, guide=True))
    desk.until(lambda: "stagebox" in desk.ask(choices="Input device"), "the sound card")
    keep("first-start")
    _quit(desk)
    opened(_memory(folder, look))
    desk.until(lambda: desk.ask(state=True)["power"] == "on", "the power", 120.0)
    desk.key("r")
    keep("play", 6.0)
    desk.key("r")
    for name, keys in _VIEWS:
        desk.key(*keys)
        if name == "convert":
            _convert(desk, folder, look)
        keep(name, 2.5)
    _quit(desk)
    opened(_memory(folder, look, 2.0))
    desk.until(lambda: desk.ask(state=True)["power"] == "on", "the power", 120.0)
    keep("play-200-percent", 4.0)
    _quit(desk)


def _convert(desk: Desk, folder: Path, look: str) -> None:
    """Drop two songs from a file manager, and wait for what becomes of them."""
    songs = folder / look / "Songs"
    songs.mkdir(parents=True)
    for song in ("greensleeves-oboe", "prelude-piano"):
        sound = read_audio(ROOT / "realtime" / "examples" / f"{song}.flac")
        write_audio(songs / f"{song}.wav", sound.signal[:, : 6 * sound.sample_rate], sound.sample_rate)
    there = desk.place("Choose files…")
    desk.drop(songs, (there["x"], there["y"] - 60), lambda: desk.ask(where="Convert 2 files"))
    desk.click("Convert 2 files")
    desk.until(lambda: desk.ask(where="Convert 2 files again"), "the results", 600.0)
    desk.hand("mousemove", 700, 60)


_VIEWS = (
    ("learn", ("l",)),
    ("library", ("Escape", "ctrl+l")),
    ("source", ("ctrl+2",)),
    ("chain", ("ctrl+3",)),
    ("convert", ("ctrl+4",)),
    ("train", ("ctrl+5",)),
    ("setlist", ("ctrl+6",)),
    ("settings", ("ctrl+comma",)),
    ("shortcuts", ("F1",)),
    ("stage", ("Escape", "F11")),
)


def _quit(desk: Desk) -> None:
    desk.key("ctrl+q")
    app = desk.app
    assert app is not None
    app.wait(30.0)


if __name__ == "__main__":
    if shutil.which("Xvfb") is None or shutil.which("xdotool") is None or shutil.which("jackd") is None:
        raise SystemExit("Xvfb, xdotool and jackd are needed: run scripts/test once, which installs them.")
    main(Path(sys.argv[1]))
