"""A MIDI pedal board for tests: a process with the JACK MIDI port `pedal:out` that sends what it reads.

    python midi_pedal.py          says `ready`
    CHANNEL NUMBER VALUE ⏎        one control change, in the next period

A process of its own, because libjack may not outlive its server in the tests' process.
"""

from __future__ import annotations

import sys
from collections import deque

import jack


def main() -> None:
    """Send until the standard input ends."""
    client = jack.Client("pedal", no_start_server=True)
    port = client.midi_outports.register("out")
    waiting: deque[tuple[int, int, int]] = deque()

    @client.set_process_callback  # type: ignore[untyped-decorator]
    def process(_frames: int) -> None:
        port.clear_buffer()
        if waiting:
            channel, number, value = waiting.popleft()
            port.write_midi_event(0, (0xB0 | (channel - 1), number, value))

    with client:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for line in sys.stdin:
            channel, number, value = (int(word) for word in line.split())
            waiting.append((channel, number, value))


if __name__ == "__main__":
    main()
