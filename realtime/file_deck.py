"""Reads sound files for the player, beside the sound: decoded, at the device's rate, ready to begin at once.

    wish ─▶ shelf (read already?) ─▶ or a loader thread ─▶ Voice ─▶ Playback, in the callback        tick ─▶ events

What plays plays on until the next one is read. The files that were heard last stay in memory for half a minute, so that
switching between two of them is immediate. A file may take LARGEST_BYTES as samples of 32 bits: 23 minutes of stereo at
48 kHz. Control thread; the loader only reads.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime.audio_file import read_audio
from realtime.errors import AudioFileError, RetimbreError
from realtime.loading import Loading
from realtime.messages import Event, PlayedFile
from realtime.playback import Playback, Sound, Voice
from realtime.resample import resample_signal

LARGEST_BYTES = 512 << 20
_KEPT_S = 30.0
_NEAR_S = 0.25

Key = tuple[Path, int, int, int]
"""A file as it was read: its path, time and size, and the rate that it was read for."""


class FileDeck:
    """Plays one file at a time into a `Playback`."""

    def __init__(self) -> None:
        """Without a stream nothing plays."""
        self._playback: Playback | None = None
        self._rate_hz = 0
        self._wanted: PlayedFile | None = None  # what is not yet handed over
        self._loading: tuple[Path, Loading[tuple[Key, Sound]]] | None = None
        self._shelf: dict[Key, Sound] = {}
        self._used_s = 0.0

    def join(self, playback: Playback, rate_hz: int) -> None:
        """Play into this stream from now on."""
        self._playback, self._rate_hz, self._wanted = playback, rate_hz, None

    def leave(self) -> None:
        """The stream ends."""
        self._playback = self._wanted = None

    def play(self, wanted: PlayedFile | None) -> None:
        """Play this file as soon as it is read; None ends the one that plays."""
        self._wanted = wanted if wanted is None else self._in_step(wanted)
        if wanted is None and self._playback is not None:
            self._playback.play(None)

    def _in_step(self, wanted: PlayedFile) -> PlayedFile:
        """Whoever asks for another file where this one is (which was a moment ago) means in step with it."""
        voice = None if self._playback is None else self._playback.heard
        if voice is None or (voice.wanted.path, voice.wanted.loop) == (wanted.path, wanted.loop):
            return wanted
        near = abs(voice.place / voice.sound.rate_hz - wanted.from_s) < _NEAR_S
        return replace(wanted, in_step=wanted.in_step or near)

    def tick(self) -> list[Event]:
        """What there is to tell: a file that ended, or that cannot be read."""
        told: list[Event] = []
        try:
            self._advance()
        except RetimbreError as error:
            self._wanted = None
            told.append(Event("refused", str(error), "file"))
        playback = self._playback
        while playback is not None and playback.ended:
            voice = playback.ended.popleft()
            if self._wanted is None and playback.asked is voice:
                playback.play(None)
                told.append(Event("file", "", voice.wanted.path))
        if playback is not None and playback.asked is not None:
            self._used_s = time.monotonic()
        if self._shelf and time.monotonic() - self._used_s > _KEPT_S:
            self._shelf.clear()
        return told

    def _advance(self) -> None:
        """Take what was read, and begin to read what is wanted. Raises `RetimbreError` for what cannot be read."""
        if self._loading is not None:
            path, loading = self._loading
            if not loading.done:
                return
            self._loading = None
            try:
                key, sound = loading.result()
            except RetimbreError:
                if self._wanted is not None and self._wanted.path == path:
                    raise
            else:
                self._keep(key, sound)
                if self._wanted is not None and self._wanted.path == path and key[3] == self._rate_hz:
                    self._begin(sound)  # as it was read, though the file may grow meanwhile
        wanted, playback = self._wanted, self._playback
        if wanted is None or playback is None:
            return
        known = self._shelf.get(_key(wanted.path, self._rate_hz))
        if known is None:
            rate_hz = self._rate_hz
            self._loading = wanted.path, Loading(lambda: read_sound(wanted.path, rate_hz))
            return
        self._begin(known)

    def _begin(self, sound: Sound) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted is not None and self._playback is not None:
            self._playback.play(Voice(sound, wanted))
        self._used_s = time.monotonic()

    def _keep(self, key: Key, sound: Sound) -> None:
        self._shelf[key] = sound
        while sum(one.samples.nbytes for one in self._shelf.values()) > LARGEST_BYTES and len(self._shelf) > 1:
            del self._shelf[next(iter(self._shelf))]
        self._used_s = time.monotonic()


def read_sound(path: Path, rate_hz: int) -> tuple[Key, Sound]:
    """A file as it is now, at `rate_hz`. Raises `AudioFileError` with a sentence. Takes long."""
    key = _key(path, rate_hz)
    refuse_too_long(path, rate_hz)
    try:
        file = read_audio(path)
        samples = resample_signal(file.signal[:2], file.sample_rate, rate_hz)
    except MemoryError:
        raise AudioFileError(f"{path} needs more memory than there is: cut it into parts.") from None
    # What a resampler adds around full scale the limiter takes; only sums of two files could be infinite.
    return key, Sound(path, np.nan_to_num(samples, copy=False), rate_hz)


def refuse_too_long(path: Path, rate_hz: int) -> None:
    """Ask the header whether the samples have room. Raises `AudioFileError`; a header that is none passes."""
    import soundfile  # only where files are played

    try:
        info = soundfile.info(str(path))
    except (OSError, RuntimeError, ValueError):
        return
    longest_s = LARGEST_BYTES / (4 * info.channels * max(info.samplerate, rate_hz))
    if math.isfinite(info.duration) and info.duration > longest_s:
        raise AudioFileError(
            f"{path} lasts {info.duration / 60:.0f} minutes with {info.channels} "
            f"channel{'s' if info.channels > 1 else ''}, but at most {longest_s / 60:.0f} of those fit into memory: "
            "cut it into parts."
        )


def _key(path: Path, rate_hz: int) -> Key:
    try:
        state = path.stat()
    except OSError:  # its sentence follows when it is read
        return path, 0, 0, rate_hz
    return path, state.st_mtime_ns, state.st_size, rate_hz
