"""Record what is played: the input, delayed so that it lines up, then the output; a WAV file of 32-bit floats.

    callback --push--> ring (never waits; what does not fit is counted and replaced by silence) --thread--> file

The thread writes twice a second and then puts the right sizes into the file's header, so that a process that is killed
leaves a file that opens, at most half a second short. A disk that fills up ends the recording with a sentence; the
sound goes on. `push` belongs to the audio callback, everything else to the control thread.
"""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections import deque
from io import FileIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from realtime.errors import AudioFileError

RecordedSides = Literal["input", "output", "both"]
_RING_S = 8.0
_PERIOD_S = 0.1
_HEADER_EVERY_S = 0.5
_PIECE = 1 << 15
# A RIFF size is 32 bits wide; the recording goes on in a second file before it is reached.
_LONGEST_BYTES = (1 << 32) - (1 << 20)
_HEADER = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")


def wav_header(rate_hz: int, channels: int, frames: int) -> bytes:
    """Header of a 32-bit float WAV file."""
    frame_bytes = 4 * channels
    data = frames * frame_bytes
    return _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + data, b"WAVE",
        b"fmt ", 18, 3, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 32, 0,
        b"fact", 4, frames,
        b"data", data,
    )  # fmt: skip


class Recorder:
    """Writes blocks of input and output to a file from a thread of its own, until `close`."""

    def __init__(self, path: Path, rate_hz: int, recorded: RecordedSides = "both", sides: int = 1) -> None:
        """Create the file, which must end in .wav and not exist yet. Raises `AudioFileError`.

        sides: channels of the output; the file has the input before them, or it alone, or them alone.
        """
        if path.suffix.lower() != ".wav":
            raise AudioFileError(f"A recording is written as .wav, not as {path.name!r}: name it {path.stem}.wav.")
        self.path, self._rate_hz = path, rate_hz
        self._recorded = recorded
        self._channels = (recorded != "output") + (recorded != "input") * sides
        self.first = path
        self._file = self._create(path)
        size = 1 << int(_RING_S * rate_hz).bit_length()
        self._ring = np.zeros((size, self._channels), dtype=np.float32)
        # Counters of frames since the start; each has one writer.
        self._pushed = self._written = 0
        self._owed_silence = 0
        self._gaps: deque[tuple[int, int]] = deque()  # (where in the count of pushed frames, how many were lost)
        self.lost_frames = 0
        self.frames = 0
        self.problem: str | None = None
        self._parts = 1
        self._in_file = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def push(self, dry: NDArray[np.float32], heard: NDArray[np.float32]) -> None:
        """Take a block, (samples,) and (sides, samples); never waits.

        What finds no room is lost, counted and replaced by silence.
        """
        samples = len(dry)
        if self._pushed - self._written + samples > len(self._ring):
            self._owed_silence += samples
            self.lost_frames += samples
            return
        if self._owed_silence:
            self._gaps.append((self._pushed, self._owed_silence))
            self._owed_silence = 0
        ring, begin = self._ring, self._pushed % len(self._ring)
        first = min(samples, len(ring) - begin)
        place = 0
        if self._recorded != "output":
            ring[begin : begin + first, 0] = dry[:first]
            ring[: samples - first, 0] = dry[first:]
            place = 1
        if self._recorded != "input":
            ring[begin : begin + first, place:] = heard[: self._channels - place, :first].T
            ring[: samples - first, place:] = heard[: self._channels - place, first:].T
        self._pushed += samples

    def close(self) -> None:
        """Write what is left and finish the file; `problem` says in a sentence whether something went wrong."""
        self._stop.set()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        next_header = time.monotonic() + _HEADER_EVERY_S
        try:
            while not self._stop.wait(_PERIOD_S):
                self._drain()
                if time.monotonic() >= next_header:
                    next_header = time.monotonic() + _HEADER_EVERY_S
                    self._write_header()
            self._drain()
            self._write_silence(self._owed_silence)
            self._write_header()
        except OSError as error:
            self._give_up(error)
        finally:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        with contextlib.suppress(OSError):  # it overwrites in place, which a full disk allows
            self._write_header()
        if self.problem is None:
            seconds = self.frames / self._rate_hz
            self.problem = (
                f"The recording {self.path.name!r} ended after {seconds:.1f} s ({error.strerror or error}): make room "
                "on the disk and start a new recording; the sound goes on."
            )

    def _drain(self) -> None:
        size = len(self._ring)
        while (waiting := self._pushed - self._written) > 0:
            if self._gaps and self._gaps[0][0] == self._written:
                self._write_silence(self._gaps.popleft()[1])
            begin = self._written % size
            until_gap = self._gaps[0][0] - self._written if self._gaps else waiting
            part = min(waiting, until_gap, size - begin, _PIECE)
            self._write_frames(self._ring[begin : begin + part])
            self._written += part

    def _write_silence(self, frames: int) -> None:
        while frames:
            part = min(frames, _PIECE)
            self._write_frames(np.zeros((part, self._channels), np.float32))
            frames -= part

    def _write_frames(self, sound: NDArray[np.float32]) -> None:
        if self._in_file + sound.nbytes > _LONGEST_BYTES:
            self._next_file()
        self._write(sound.tobytes())
        self.frames += len(sound)

    def _write(self, data: bytes) -> None:
        # Unbuffered, so that only what the file system has taken is counted and a full disk leaves a true header.
        left = memoryview(data)
        while left:
            taken = self._file.write(left)
            self._in_file += taken
            left = left[taken:]

    def _write_header(self) -> None:
        self._file.seek(0)
        self._file.write(wav_header(self._rate_hz, self._channels, self._in_file // (4 * self._channels)))
        self._file.seek(0, 2)

    def _next_file(self) -> None:
        self._write_header()
        self._file.close()
        self._parts += 1
        self.path = self.first.with_name(f"{self.first.stem}-{self._parts}{self.first.suffix}")
        self._in_file = 0
        self._file = self._create(self.path)

    def _create(self, path: Path) -> FileIO:
        try:
            file = path.open("xb", buffering=0)
            file.write(wav_header(self._rate_hz, self._channels, 0))
        except FileExistsError:
            raise AudioFileError(f"There is already a file {str(path)!r}: name a new one, or move it away.") from None
        except OSError as error:
            raise AudioFileError(
                f"The recording {str(path)!r} cannot be written ({error.strerror or error}): name a file in a folder "
                "that exists and that you may write to."
            ) from None
        return file
