"""What happens for every block of sound: the audio callback.

    card ─▶ input, or a source that MIDI plays ─▶ strip ─▶ plugins ─▶ lane ─▶ plugins ─▶ strip ─▶ mute ramp ─▶ card
            └ or a file                                              lane ─▶ (coming) ┘ crossfade   or a file ┘ limiter

The callback never raises, waits for long, logs or makes memory to speak of; what goes wrong is counted and noted as an
incident with its time, and the sound goes on (see `realtime.lane`). Another model comes as another lane: it first hears
what is played until it is warm, then the two crossfade, then the old one is handed back. Threads: `callback` is
PortAudio's; the rest is the engine's control thread.
"""

from __future__ import annotations

import _thread
import contextlib
import math
from collections import deque
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime import audio_io, meters
from realtime.controls import Controls, Smoother, ramp_samples
from realtime.desk.dynamics import Limiter
from realtime.desk.level_kernel import show_level
from realtime.desk.strip import Strip
from realtime.lane import LONGEST_BLOCK, Lane
from realtime.meters import Cause, Incident
from realtime.playback import Playback

if TYPE_CHECKING:
    from realtime.meters import Meters
    from realtime.plugins.rack import Rack
    from realtime.recorder import Recorder

FloatArray = NDArray[np.float32]

CROSSFADE_MS = 30.0
_PEAK_FALL_PER_S = 10 ** (-20 / 20)  # a peak shown falls by 20 dB a second
_RMS_S = 0.1
_LOAD_S = 0.5
_MOST_INCIDENTS = 1000  # between two looks of the control thread; more of them say nothing new


class Feed(Protocol):
    """What is played instead of the sound card's input, or with it: a source that MIDI plays."""

    mixed: bool
    """Whether it is heard beside the input, not instead."""

    def fill(self, block: FloatArray) -> None:
        """Replace or add to `block` (frames,), in place. Audio callback."""


class Player:
    """One stream's callback and all that it needs, made ready before the first block."""

    def __init__(
        self,
        lane: Lane,
        shown: Meters,
        *,
        rate_hz: int,
        input_channel: int = 0,
        output_channels: tuple[int, ...] = (0,),
        controls: Controls | None = None,
        muted: bool = False,
    ) -> None:
        """Channels are counted from 0 here."""
        self._shown = shown
        self._numbers, self._times = shown.numbers, shown.callback
        self._rate_hz = rate_hz
        self._input_channel, self._output_channels = input_channel, output_channels
        self._lane = lane
        self._coming: Lane | None = None
        self._warm_left = 0
        self._cross = Smoother(0.0, ramp_samples(rate_hz, CROSSFADE_MS), LONGEST_BLOCK)
        self._block = np.zeros(LONGEST_BLOCK, np.float32)
        self._other = np.zeros(LONGEST_BLOCK, np.float32)
        self._outs = np.zeros((2, LONGEST_BLOCK), np.float32)
        self._gain = Smoother(0.0 if muted else 1.0, ramp_samples(rate_hz), LONGEST_BLOCK)
        self._strip = Strip(rate_hz, LONGEST_BLOCK)
        self._asked = self._adopted = controls or Controls()
        self._strip.adopt(self._asked, at_once=True)
        self.muted = muted
        self.hushed = False
        """Silent for a moment, while plugins are exchanged."""
        self.panicked = False
        """Silent for a moment, so that what feeds on itself dies away."""
        self.playback = Playback()
        self._file_limiter = Limiter(rate_hz)
        self.recorder: Recorder | None = None
        self.feed: Feed | None = None
        self.before: Rack | None = None
        self.after: Rack | None = None
        self.incidents: deque[Incident] = deque(maxlen=_MOST_INCIDENTS)
        self.ended = False
        self.frames = 0
        """Frames of the latest callback."""
        self.thread_id: int | None = None
        self._numbers[meters.BLOCK], self._numbers[meters.RATE_HZ] = lane.block, rate_hz

    @property
    def lane(self) -> Lane:
        """What is heard, or will be once a change is done."""
        return self._coming or self._lane

    @property
    def silent(self) -> bool:
        """Whether muting or hushing has arrived at silence."""
        return self._gain.settled and self._gain.goal == 0.0

    @property
    def changing(self) -> bool:
        """Whether another lane is on its way in."""
        return self._coming is not None

    def set_controls(self, controls: Controls) -> None:
        """What stands before and behind the model follows these from the next block on."""
        self._asked = controls

    def change_to(self, lane: Lane) -> None:
        """Crossfade to `lane` once it is warm; wait until `changing` is over, then close the lane that was there."""
        self._warm_left = lane.delay_samples + self._rate_hz // 20
        self._cross.jump(0.0)
        self._coming = lane

    def callback(self, indata: FloatArray, outdata: FloatArray, frames: int, flags: int) -> None:
        """PortAudio's: shapes (frames, channels)."""
        began = perf_counter()
        numbers = self._numbers
        try:
            self.frames = frames
            if self.thread_id is None:
                self.thread_id = _thread.get_native_id()
            if self.ended or frames > LONGEST_BLOCK:
                outdata.fill(0.0)
            else:
                self._serve(indata, outdata, frames)
        except BaseException:  # noqa: BLE001
            # Nothing may reach PortAudio, which would end the stream.
            with contextlib.suppress(BaseException):
                outdata.fill(0.0)
            numbers[meters.FAULTS] += 1
            self._note("defect", began)
        if flags & audio_io.XRUN:
            numbers[meters.XRUNS] += 1
            self._note("xrun", began)
        numbers[meters.CALLBACKS] += 1
        numbers[meters.SAMPLES] += frames
        took = perf_counter() - began
        self._times.add(took)
        period = frames / self._rate_hz
        if took > period:
            numbers[meters.LATE_CALLBACKS] += 1
            self._note("late callback", began)
        numbers[meters.LOAD] += (took / period - numbers[meters.LOAD]) * min(1.0, period / _LOAD_S)

    def close(self) -> None:
        """Play silence from now on and end the workers; after it the chains are free for another owner."""
        self.ended = True
        for lane in (self._lane, self._coming):
            if lane is not None:
                lane.close()

    def _serve(self, indata: FloatArray, outdata: FloatArray, frames: int) -> None:
        numbers, strip = self._numbers, self._strip
        if self._asked is not self._adopted:
            self._adopted = self._asked
            strip.adopt(self._adopted)
        block, outs = self._block[:frames], self._outs[:, :frames]
        out = outs[0]
        block[:] = indata[:, self._input_channel]
        if not math.isfinite(np.dot(block, block)):
            np.nan_to_num(block, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        files = self.playback.begin()
        feed = self.feed
        if feed is not None and not feed.mixed:
            feed.fill(block)
        if files:
            self.playback.to_input(block)
        if feed is not None and feed.mixed:
            feed.fill(block)
        self._show(block, meters.INPUT_PEAK, meters.INPUT_RMS, frames)
        strip.before(block)
        if self.before is not None:
            made = self._other[:frames]
            self._check_plugins(self.before.process(block[None], made[None]))
            block[:] = made
        dry = self._through_lanes(block, out)
        sides = 1
        if self.after is not None:
            sides = 2
            other = self._other[:frames]
            other[:] = out
            self._check_plugins(self.after.process(other[None], outs))
        heard = outs[:sides]
        if self._show(out, meters.MADE_PEAK, meters.MADE_RMS, frames) > 1.0:
            numbers[meters.CLIPPED_BLOCKS] += 1
        strip.after(heard)
        numbers[meters.GATE_OPEN], numbers[meters.REDUCTION_DB] = strip.gate_open, strip.reduction_db
        recorder = self.recorder
        if recorder is not None:
            recorder.push(dry, heard)
            numbers[meters.RECORDED_SAMPLES] = recorder.frames
            numbers[meters.RECORDING_LOST_SAMPLES] = recorder.lost_frames
        silent = self.muted or self.hushed or self.panicked
        self._gain.to(0.0 if silent else 1.0)
        if silent or not self._gain.settled:
            np.multiply(heard, self._gain.fill(frames), out=heard)
        if files:
            sides = self.playback.to_output(outs, sides, len(self._output_channels))
            heard = outs[:sides]
        if files or not self._file_limiter.idle:
            self._limit(heard)
        self._show(out, meters.OUTPUT_PEAK, meters.OUTPUT_RMS, frames)
        np.clip(heard, -1.0, 1.0, out=heard)
        outdata.fill(0.0)
        for place, channel in enumerate(self._output_channels):
            outdata[:, channel] = heard[min(place, sides - 1)]
        self._shown.scope.push(block, out)

    def _limit(self, heard: FloatArray) -> None:
        """Keep the sum with a file under the ceiling; behind the strip's own limiter, for mute comes in between."""
        playback, limiter = self.playback, self._file_limiter
        limiter.adopt(self._adopted.ceiling_db, on=playback.sounds, at_once=self.silent)
        if not limiter.idle:
            limiter.process(heard)
        playback.end()
        self._numbers[meters.FILE_S] = playback.place_s

    def _through_lanes(self, block: FloatArray, out: FloatArray) -> FloatArray:
        """Fill `out`; the delayed input that belongs to it comes back."""
        self._check(self._lane.serve(block, out))
        coming = self._coming
        if coming is None:
            return self._lane.dry
        other = self._other[: block.size]
        self._check(coming.serve(block, other))
        if self._warm_left > 0:
            self._warm_left -= block.size
            return self._lane.dry
        self._cross.to(1.0)
        np.subtract(other, out, out=other)
        np.multiply(other, self._cross.fill(block.size), out=other)
        np.add(out, other, out=out)
        if self._cross.settled:
            self._lane, self._coming = coming, None
        return coming.dry

    def _check(self, trouble: str | None) -> None:
        if trouble is None:
            return
        place = meters.LATE_MODEL_CALLS if trouble == "missed" else meters.FAULTS
        self._numbers[place] += 1
        self._note(f"model {trouble}", perf_counter())  # type: ignore[arg-type]  # the three causes of a lane

    def _check_plugins(self, made: bool) -> None:
        if not made:
            self._numbers[meters.MISSED_PLUGINS] += 1
            self._note("plugins missed", perf_counter())

    def _note(self, cause: Cause, began: float) -> None:
        took_us = (perf_counter() - began) * 1e6
        self.incidents.append(Incident(monotonic(), int(self._numbers[meters.SAMPLES]), cause, took_us))

    def _show(self, samples: FloatArray, peak: int, rms: int, frames: int) -> float:
        seconds = frames / self._rate_hz
        highest: float = show_level(
            samples, self._numbers, peak, rms, _PEAK_FALL_PER_S**seconds, min(1.0, seconds / _RMS_S)
        )
        return highest
