"""Which sound devices and MIDI inputs there are, asked of a child process, and which of them are the best choice.

    app ── ask ──▶ child: lists ──▶ poll ─▶ Hardware           app ── suggest(devices) ──▶ input, output, a sentence why

PortAudio must never be opened in the app's process: its calls hang for ever when a sound server dies. The child is
started by the first `ask`, sleeps between two of them, ends with the app, and is killed when it does not answer within
5 s; the next `ask` starts another. No method waits. A device that an engine holds may be missing from the list where
the system lets only one program have it (ALSA): who shows the list adds what runs. Any one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime import audio_io
from realtime.audio_io import Device
from realtime.errors import DeviceError

ANSWER_S = 5.0
START_S = 20.0  # a fresh child imports numpy and PortAudio first, on a slow disk


@dataclass(frozen=True, slots=True)
class Hardware:
    """What there is: sound devices, names of MIDI ports that send, and what is wrong with the sound system, if anything."""

    devices: tuple[Device, ...] = ()
    midi_inputs: tuple[str, ...] = ()
    problem: str = ""


class DeviceWatch:
    """A child process that lists devices when asked."""

    def ask(self) -> None:
        """Let the child list everything; nothing happens while it is at it."""

    def poll(self) -> Hardware | None:
        """What it found, once for every `ask`; None while there is no answer yet."""

    def close(self) -> None:
        """End the child."""


def suggest(devices: Sequence[Device]) -> tuple[Device, Device, str]:
    """The input and output that are the best choice, and the sentence why. Raises `DeviceError` without any."""
    raise DeviceError(audio_io.no_card("input"))
