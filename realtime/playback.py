"""A sound file in the audio callback: instead of what the card hears, or behind everything.

    gain  1 ┤   ╱▔▔▔▔▔▔▔▔▔▔▔╲ ╱▔▔▔▔▔▔▔▔▔▔▔        a file begins and ends over 10 ms; another one that takes its place
          0 ┼──╱─────────────╳───────────▶        crossfades with it, in step if wished: two takes can be compared
               begin     another

The sound is in memory, at the device's rate (`realtime.file_deck` reads it). In a loop the last sample is followed by
the first without a seam: where the two do not fit, the first 2 ms are bent toward the last sample. Threads: `Sound`,
`Voice` and `play` are the control thread's; `begin` and what follows it the audio callback's.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Smoother, ramp_samples
from realtime.lane import LONGEST_BLOCK

if TYPE_CHECKING:
    from pathlib import Path

    from realtime.messages import PlayedFile

FloatArray = NDArray[np.float32]

FADE_MS = 10.0
_SEAM_MS, _BEND_MS = 2.0, 0.5
_SHORTEST_S = 0.05  # what is shorter is filled with silence, lest a loop of a few samples be endless work


class Sound:
    """A whole file at the device's rate: `samples` (1 or 2 channels, samples)."""

    def __init__(self, path: Path, samples: FloatArray, rate_hz: int) -> None:
        """samples: as they are in the file; more than two channels are not heard."""
        lacking = max(0, round(_SHORTEST_S * rate_hz) - samples.shape[1])
        self.path, self.rate_hz = path, rate_hz
        self.samples = np.ascontiguousarray(np.pad(samples[:2], ((0, 0), (0, lacking))) if lacking else samples[:2])
        self.seam = _seam(self.samples, rate_hz)
        """What takes the place of the first samples when the last ones were just heard."""

    @property
    def length(self) -> int:
        """Samples of one channel."""
        return int(self.samples.shape[1])


def _seam(samples: FloatArray, rate_hz: int) -> FloatArray:
    """The beginning, bent so that it goes on where the end was heading."""
    size = ramp_samples(rate_hz, _SEAM_MS)
    first, second, before, last = samples[:, 0], samples[:, 1], samples[:, -2], samples[:, -1]
    gap = last - first + 0.5 * ((last - before) + (second - first))
    count = np.arange(size)
    fall = np.exp(-count / (rate_hz * _BEND_MS / 1000)) * (1.0 - count / size)
    return (samples[:, :size] + gap[:, None] * fall).astype(np.float32)


class Voice:
    """A sound on its way through time; handed over to the callback, which alone moves it."""

    def __init__(self, sound: Sound, wanted: PlayedFile) -> None:
        """wanted: where it goes and where it begins."""
        self.sound, self.wanted = sound, wanted
        rate_hz = sound.rate_hz
        self.place = round(wanted.from_s * rate_hz)
        self.place = self.place % sound.length if wanted.loop else min(self.place, sound.length)
        self.gain = Smoother(0.0, ramp_samples(rate_hz, FADE_MS), LONGEST_BLOCK)
        self.made = np.zeros((sound.samples.shape[0], LONGEST_BLOCK), np.float32)
        self.weight = np.zeros(LONGEST_BLOCK, np.float32)
        """How much of what it replaces is replaced."""
        # What is left of a file that ends, sample by sample, falls to zero over the same 10 ms.
        fade = self.gain.ramp_samples
        self._end = (np.arange(fade, 0, -1) / fade).astype(np.float32)
        self._wrapped = False

    @property
    def over(self) -> bool:
        """Whether nothing of it will be heard any more."""
        faded = self.gain.settled and self.gain.goal == 0.0
        return faded or (self.place >= self.sound.length and not self.wanted.loop)

    def step_beside(self, other: Voice) -> None:
        """Stand where `other` is."""
        place = round(other.place * self.sound.rate_hz / other.sound.rate_hz)
        self.place = place % self.sound.length if self.wanted.loop else min(place, self.sound.length)

    def fill(self, frames: int) -> FloatArray:
        """The next samples, weighted: (channels, frames), valid until the next call."""
        made, weight = self.made[:, :frames], self.weight[:frames]
        begin = self.place
        self._read(made)
        weight[:] = self.gain.fill(frames)
        left = self.sound.length - begin
        if not self.wanted.loop and left < frames + self._end.size:
            # In this block lies some of the end, of which `skipped` samples were in the block before.
            first, skipped = max(0, left - self._end.size), max(0, self._end.size - left)
            part = self._end[skipped : skipped + frames - first]
            weight[first : first + part.size] *= part
            weight[max(0, left) :] = 0.0
        np.multiply(made, weight, out=made)
        return made

    def _read(self, out: FloatArray) -> None:
        samples, seam, length = self.sound.samples, self.sound.seam, self.sound.length
        done, frames = 0, out.shape[1]
        while done < frames:
            place = self.place
            if place >= length:
                if not self.wanted.loop:
                    out[:, done:] = 0.0
                    return
                place, self._wrapped = 0, True
            source = seam if self._wrapped and place < seam.shape[1] else samples
            part = min(frames - done, source.shape[1] - place)
            out[:, done : done + part] = source[:, place : place + part]
            self.place = place + part
            done += part
        if self.wanted.loop and self.place >= length:
            self.place, self._wrapped = 0, True


class Playback:
    """The file that is heard and the one that it takes the place of."""

    def __init__(self) -> None:
        """Nothing plays."""
        self._asked: Voice | None = None
        self._adopted: Voice | None = None
        self._voice: Voice | None = None
        self._leaving: Voice | None = None
        self.paused = False
        """Set by the control thread: let everything pass as if there were no file."""
        self.ended: deque[Voice] = deque(maxlen=8)
        """What came to its end by itself."""

    def play(self, voice: Voice | None) -> None:
        """Let this be heard instead of what is; None: nothing."""
        self._asked = voice

    @property
    def asked(self) -> Voice | None:
        """What was asked for last."""
        return self._asked

    @property
    def heard(self) -> Voice | None:
        """What plays now."""
        return self._voice

    @property
    def sounds(self) -> bool:
        """Whether a file is heard at the output."""
        return not self.paused and any(
            voice is not None and voice.wanted.to == "output" for voice in (self._voice, self._leaving)
        )

    @property
    def place_s(self) -> float:
        """Where the file is; NaN without one."""
        voice = self._voice
        return math.nan if voice is None else voice.place / voice.sound.rate_hz

    def begin(self) -> bool:
        """Look what is wanted, once a block; whether there is anything to do."""
        asked = self._asked
        # One that is still leaving has its 10 ms; of what is asked for meanwhile the newest comes then.
        if asked is not self._adopted and self._leaving is None:
            old, self._adopted = self._voice, asked
            if asked is not None:
                if asked.wanted.in_step and old is not None:
                    asked.step_beside(old)
                asked.gain.to(1.0)
            if old is not None:
                old.gain.to(0.0)
            self._voice, self._leaving = asked, old
        return (self._voice is not None or self._leaving is not None) and not self.paused

    def to_input(self, block: FloatArray) -> None:
        """Take the place of what is in `block` (frames,)."""
        voices = [one for one in (self._leaving, self._voice) if one is not None and one.wanted.to == "input"]
        if len(voices) == 2:  # the two weights sum to 1: nothing of the card's is left between them
            block.fill(0.0)
        for voice in voices:
            made = voice.fill(block.size)
            if len(voices) == 1:
                weight = voice.weight[: block.size]
                np.multiply(block, np.subtract(1.0, weight, out=weight), out=block)
            np.add(block, _mono(made), out=block)

    def to_output(self, outs: FloatArray, sides: int, channels: int) -> int:
        """Add to `outs` (2, frames), of which `sides` are used, for so many channels of the card; how many are now."""
        frames = outs.shape[1]
        for voice in (self._leaving, self._voice):
            if voice is None or voice.wanted.to != "output":
                continue
            made = voice.fill(frames)
            if channels < 2:
                np.add(outs[0], _mono(made), out=outs[0])
                continue
            if sides < 2 <= made.shape[0]:
                outs[1] = outs[0]
                sides = 2
            np.add(outs[:sides], made, out=outs[:sides])
        return sides

    def end(self) -> None:
        """Let go what is over, once a block."""
        if self._leaving is not None and self._leaving.over:
            self._leaving = None
        voice = self._voice
        if voice is not None and voice.over:
            self._voice = None
            if self._asked is voice:
                self.ended.append(voice)


def _mono(made: FloatArray) -> FloatArray:
    """All channels as one, in place."""
    if made.shape[0] == 1:
        only: FloatArray = made[0]
        return only
    whole: FloatArray = made[0]
    np.add(whole, made[1], out=whole)
    np.multiply(whole, 0.5, out=whole)
    return whole
