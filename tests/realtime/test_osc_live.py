from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import soundfile

from realtime.controls import Controls
from realtime.presets.library import write_preset, write_setlist
from realtime.presets.preset import Preset
from realtime.presets.setlist import Setlist
from realtime.remote.osc import recordings_folder
from tests.conftest import JackServer
from tests.realtime.remote_parts import Controller, answered

_START_S = 60.0


def test_a_box_without_a_screen_is_played_from_afar_and_ends_cleanly(
    jack_server: Callable[..., JackServer], tmp_path: Path
) -> None:
    """`retimbre live` with a setlist and OSC plays presets as it is told, records, and ends at SIGTERM with 0."""
    server = jack_server(period=256)
    write_preset(Preset("one", "identity", controls=Controls(mix=0.5)))
    write_preset(Preset("two", "identity", controls=Controls(mix=0.25)))
    write_setlist(Setlist("evening", ("one", "two")))
    with Controller(0) as finder:
        port = finder.socket.getsockname()[1]
    command = [sys.executable, "-m", "realtime.cli", "live", "--setlist", "evening", "--osc-port", str(port)]
    with (tmp_path / "said.txt").open("w") as said, Controller(port) as controller:
        box = subprocess.Popen(
            [*command, "--host-api", "JACK", "--i-use-headphones"], stdout=said, stderr=said, env=server.environment
        )
        try:
            deadline = time.monotonic() + _START_S
            while not controller.waiting():
                assert box.poll() is None, (tmp_path / "said.txt").read_text()
                assert time.monotonic() < deadline
                controller.send("/retimbre/ping")
                time.sleep(0.1)
            assert answered(port, "/retimbre/control/mix") == {"/retimbre/control/mix": (0.5,)}
            assert answered(port, "/retimbre/preset", 2) == {
                "/retimbre/now/preset": ("two",),
                "/retimbre/now/position": (2,),
            }
            status = answered(port, "/retimbre/status")
            assert status["/retimbre/control/mix"] == (0.25,)
            assert status["/retimbre/now/model"] == ("identity",)
            assert "from 0 to 1" in str(answered(port, "/retimbre/control/mix", 3.0)["/retimbre/error"])
            path = recordings_folder() / "take.wav"
            assert answered(port, "/retimbre/record", "take") == {"/retimbre/now/recording": (str(path),)}
            deadline = time.monotonic() + _START_S
            while answered(port, "/retimbre/status")["/retimbre/meter/recorded_samples"] < (10_000,):
                assert time.monotonic() < deadline
            box.send_signal(signal.SIGTERM)
            assert box.wait(_START_S) == 0, (tmp_path / "said.txt").read_text()
            assert soundfile.info(path).frames >= 10_000
        finally:
            box.kill()
            box.wait()
