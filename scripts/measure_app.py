"""What the app costs and whether sound suffers from it: see scripts/measure_app.

Of late callbacks and xruns it is told how many stand just after the machine itself stood still, as `retimbre bench
live` tells it.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from gui.memory import Memory
from realtime.bench import melody
from realtime.bench_live import jack_without_hardware
from realtime.machine import machine
from realtime.machine_halts import HaltWatch, beside, share
from tests.gui.desk import Desk

RATE = 48000
LOOK_S = 1 / 30  # between two looks at the meters
# What a restless player clicks on; after each a moment to draw.
CLICKS = (
    "Play",
    "Source",
    "Chain",
    "Convert",
    "Train",
    "Setlist",
    "Settings",
    "Play",
    "Mute",
    "Mute",
    "Blend of targets",
)


def main(seconds: float = 300.0, period: int = 128) -> int:
    """Measure and print; 1 when a callback was late that the machine had not held up."""
    with tempfile.TemporaryDirectory() as place, jack_without_hardware(period=period, rate_hz=RATE, loopback=2):
        folder = Path(place)
        for name in ("CONFIG", "DATA", "STATE", "CACHE"):
            if name != "CACHE":  # what was compiled once stays compiled
                os.environ[f"XDG_{name}_HOME"] = str(folder / name.lower())
        os.environ["XDG_MUSIC_DIR"] = str(folder / "music")
        memory = folder / "memory.json"
        remembered = Memory(memory)
        remembered.set("first_start.done", True)
        remembered.close()
        np.save(folder / "melody.npy", melody(8.0, RATE))
        desk = Desk(folder)
        try:
            box = desk.start("stage_box.py", folder / "melody.npy")
            assert box.stdout is not None
            box.stdout.readline()
            starts = [start_s(desk, memory) for _ in range(3)]
            with HaltWatch(period / RATE) as watch:
                measured = play(desk, seconds, memory, watch)
        finally:
            desk.close()
    print(json.dumps({"machine": machine(), "period": period, "start_to_interactive_s": starts, **measured}, indent=1))
    clicked = measured["clicked"]
    return int(clicked["late_callbacks"] > clicked["late_callbacks_beside_a_stall"])


def start_s(desk: Desk, memory: Path) -> float:
    """From the command to an app that answers and shows its panel."""
    began = time.monotonic()
    desk.open_app(memory, watch_stalls=False)
    desk.until(lambda: desk.ask(where="Choose a model"), "the Play panel")
    took = time.monotonic() - began
    assert desk.app is not None
    desk.key("ctrl+q")
    desk.app.wait(20.0)
    return round(took, 2)


def play(desk: Desk, seconds: float, memory: Path, watch: HaltWatch) -> dict[str, dict[str, float]]:
    """Play: a fifth of the time left alone, then being clicked."""
    desk.open_app(memory, watch_stalls=False)
    desk.key("ctrl+2")
    for name in ("Input device", "Output device"):
        desk.choose(name, "stagebox")
    desk.key("ctrl+1", "ctrl+p")
    desk.until(lambda: desk.ask(state=True)["power"] == "on", "the power", 120.0)
    time.sleep(5.0)
    alone = part(desk, seconds / 5, (), watch)
    return {"left_alone": alone, "clicked": part(desk, seconds, CLICKS, watch)}


def part(desk: Desk, seconds: float, clicks: tuple[str, ...], watch: HaltWatch) -> dict[str, float]:
    """A stretch of time: what was late, and the share of one core that the app's process took."""
    assert desk.app is not None
    process = psutil.Process(desk.app.pid)
    before, used, began = desk.ask(state=True), process.cpu_times(), time.monotonic()
    todo = itertools.cycle(clicks)
    while time.monotonic() - began < seconds:
        if clicks:
            desk.click(next(todo))
        time.sleep(1.0)
    now, spent, took = desk.ask(state=True), process.cpu_times(), time.monotonic() - began
    halts = watch.halts(began)
    missed = [one for one in desk.ask(missed=True) if one[1] >= began]
    of_core = (spent.user + spent.system - used.user - used.system) / took
    return {
        "seconds": round(took, 1),
        "late_callbacks": now["late"] - before["late"],
        "late_callbacks_beside_a_stall": beside([(begin, end, late) for begin, end, late, _ in missed], halts),
        "xruns": now["xruns"] - before["xruns"],
        "xruns_beside_a_stall": beside([(begin, end, xruns) for begin, end, _, xruns in missed], halts),
        "machine_stalls": len(halts),
        "machine_longest_stall_us": round(1e6 * max((length for _, length in halts), default=0.0)),
        "moments_beside_a_stall": round(share(halts, began, took, look_s=LOOK_S), 3),
        "app_share_of_a_core": round(of_core, 3),
    }


if __name__ == "__main__":
    sys.exit(main(*(kind(text) for kind, text in zip((float, int), sys.argv[1:], strict=False))))
