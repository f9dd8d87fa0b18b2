"""A sound card of JACK's for tests: a process whose client plays a given sound for ever and keeps what it hears.

    python stage_box.py SOUND.npy        the client `stagebox`: port `guitar` plays, port `monitor` listens
    keep SECONDS FILE.npz ⏎              writes `played` and `heard`, both (samples,), of the same moments: `kept`

PortAudio takes it for a device `stagebox` with one input and one output.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import jack
import numpy as np


def main() -> None:
    """Play until the standard input ends."""
    sound = np.load(sys.argv[1]).astype(np.float32)
    client = jack.Client("stagebox", no_start_server=True)
    speak, listen = client.outports.register("guitar"), client.inports.register("monitor")
    played = np.zeros(0, np.float32)
    heard = np.zeros(0, np.float32)
    place = filled = 0
    full = threading.Event()

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(frames: int) -> None:
        nonlocal place, filled
        block = np.take(sound, np.arange(place, place + frames), mode="wrap")
        place = (place + frames) % sound.size
        speak.get_array()[:] = block
        if filled < played.size:
            kept = min(frames, played.size - filled)
            played[filled : filled + kept] = block[:kept]
            heard[filled : filled + kept] = listen.get_array()[:kept]
            filled += kept
            if filled == played.size:
                full.set()

    with client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            _, seconds, path = line.split(maxsplit=2)
            full.clear()
            size = int(float(seconds) * client.samplerate)
            heard = np.zeros(size, np.float32)
            filled = size  # nothing is kept until both are there
            played = np.zeros(size, np.float32)
            filled = 0
            if full.wait(float(seconds) + 10.0):
                np.savez(Path(path.strip()), played=played, heard=heard, rate_hz=client.samplerate)
                sys.stdout.write("kept\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
