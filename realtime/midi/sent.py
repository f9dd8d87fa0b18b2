"""MIDI messages that the host sends: an on-screen keyboard, a test, anything without a port.

    Host.send_midi ─▶ send (control thread) ─▶ collect, at the beginning of the next block (audio thread) ─▶ source

They act as if they had come from a port, and beside one. A sender that is stuck cannot flood the audio thread:
MOST_PER_S messages within a second are taken, more are refused with a sentence.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

from realtime.errors import ConfigError
from realtime.midi.ports import RESET, MidiInput, is_channel_message
from realtime.midi.source import MidiEvent

MOST_PER_S = 1000
"""About what a MIDI cable carries."""


class SentMessages(MidiInput):
    """An input without a port."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        super().__init__("keyboard")
        self._waiting: deque[bytes] = deque()
        self._silence = False
        self._times: deque[float] = deque(maxlen=MOST_PER_S)

    def send(self, message: Sequence[int]) -> None:
        """One message of a channel, 2 or 3 numbers from 0 to 255. Raises `ConfigError`. Control thread."""
        whole = len(message) in (2, 3) and all(0 <= number <= 255 for number in message)
        if not whole or not is_channel_message(bytes(message)):
            shown = " ".join(map(str, message[:4])) + (" …" if len(message) > 4 else "")
            raise ConfigError(
                f"{shown or 'Nothing'} is no message of a MIDI channel: send the 2 or 3 bytes of a note, pressure, "
                "controller, program or bend."
            )
        now = time.monotonic()
        if len(self._times) == MOST_PER_S and now - self._times[0] < 1.0:
            raise ConfigError(f"More than {MOST_PER_S} MIDI messages were sent within a second: send fewer.")
        self._times.append(now)
        self._waiting.append(bytes(message))

    def silence(self) -> None:
        """End every note with the next block, and forget what waits. Control thread."""
        self._silence = True

    def collect(self, frames: int) -> list[MidiEvent]:
        """What was sent since the last block, at the beginning of this one. Audio thread."""
        events: list[MidiEvent] = []
        if self._silence:
            self._silence = False
            self._waiting.clear()
            events.append((0, RESET))
        for _ in range(len(self._waiting)):
            message = self._waiting.popleft()
            events.append((0, message))
            self._overhear(message)
        return events
