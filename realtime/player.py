"""What happens for every block of sound: the audio callback, and the worker for a model that is too slow for it.

    card ─▶ input ─┬─▶ adapter ─▶ chain ────────────┬─▶ mute ramp ─▶ limit ─▶ card
                   │   (here, or in the worker,     │
                   │    one or more blocks later)   │
                   └─▶ delay by the same time ──────┘ instead, for a block that the model failed or missed

The callback never raises, waits, logs or makes memory to speak of; what goes wrong is counted, and the block is the
delayed input instead, faded in and out over the block, so that the sound never stops because of a model. Threads:
`callback` is PortAudio's; `Worker._run` is the worker; the rest is the engine's control thread before and after.
"""

from __future__ import annotations

import _thread
import threading
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realtime import audio_io, meters
from realtime.controls import Smoother, ramp_samples
from realtime.ring import BlockAdapter, DelayLine, Stepper

if TYPE_CHECKING:
    from realtime.meters import Histogram, Meters
    from realtime.recorder import Recorder

FloatArray = NDArray[np.float32]

LONGEST_BLOCK = 1 << 14
_PEAK_FALL_PER_S = 10 ** (-20 / 20)  # a peak shown falls by 20 dB a second
_RMS_S = 0.1
_LOAD_S = 0.5


class TimedStepper:
    """A chain whose steps are timed into a histogram."""

    def __init__(self, chain: Stepper, times: Histogram) -> None:
        """chain: what does the work."""
        self._chain, self._times = chain, times
        self.step_samples, self.sample_rate = chain.step_samples, chain.sample_rate

    def process(self, block: FloatArray, out: FloatArray) -> None:
        """One step, timed."""
        began = perf_counter()
        self._chain.process(block, out)
        self._times.add(perf_counter() - began)

    def reset(self) -> None:
        """Forget the sound so far."""
        self._chain.reset()


class Worker:
    """Runs an adapter in a thread of its own: output n is due `slack` samples after input n.

    Positions are absolute counts of samples; each has one writer. The wake-up is a lock that only the callback opens
    and only the worker closes, so that opening it never waits.
    """

    def __init__(self, adapter: BlockAdapter, block: int, slack: int) -> None:
        """slack: samples, a whole number of blocks."""
        size = 1 << max(15, (8 * (block + slack)).bit_length())
        self._mask, self._size = size - 1, size
        self._input, self._output = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self._adapter, self._block, self._slack = adapter, block, slack
        self._pushed = self._done = 0
        self._wake = _thread.allocate_lock()
        self._wake.acquire()
        self._ended = False
        self.failed_steps = 0
        self.thread = threading.Thread(target=self._run, name="model", daemon=True)
        self.thread.start()

    def exchange(self, block: FloatArray, out: FloatArray) -> bool:
        """Hand a block over and take the one from `slack` samples ago; false when that one is not ready."""
        _copy_in(self._input, self._pushed & self._mask, block)
        self._pushed += block.size
        if self._wake.locked():
            self._wake.release()
        first = self._pushed - block.size - self._slack
        if first < 0:
            out.fill(0.0)
            return True
        if self._done < first + block.size:
            return False
        _copy_out(self._output, first & self._mask, out)
        return True

    def end(self) -> None:
        """Stop the thread."""
        self._ended = True
        if self._wake.locked():
            self._wake.release()
        self.thread.join(timeout=2.0)

    def _run(self) -> None:
        block = np.zeros(self._block, np.float32)
        out = np.zeros(self._block, np.float32)
        while True:
            self._wake.acquire()
            if self._ended:
                return
            while self._pushed - self._done >= self._block and not self._ended:
                behind = self._pushed - self._done
                if behind > self._size // 2:
                    # Hopelessly late: what was missed was played as input already; go on with what comes now.
                    self._done += (behind // self._block - 1) * self._block
                _copy_out(self._input, self._done & self._mask, block)
                try:
                    self._adapter.process(block, out)
                except Exception:  # noqa: BLE001  (the thread must live; the callback counts the block)
                    self.failed_steps += 1
                    out.fill(np.nan)  # the callback plays the input instead and asks for nothing
                if not np.isfinite(np.dot(out, out)):
                    self._adapter.reset()
                _copy_in(self._output, self._done & self._mask, out)
                self._done += self._block


def _copy_in(ring: FloatArray, begin: int, block: FloatArray) -> None:
    first = min(block.size, ring.size - begin)
    ring[begin : begin + first] = block[:first]
    ring[: block.size - first] = block[first:]


def _copy_out(ring: FloatArray, begin: int, out: FloatArray) -> None:
    first = min(out.size, ring.size - begin)
    out[:first] = ring[begin : begin + first]
    out[first:] = ring[: out.size - first]


class Player:
    """One stream's callback and all that it needs, made ready before the first block."""

    def __init__(
        self,
        chain: Stepper,
        shown: Meters,
        *,
        rate_hz: int,
        block: int,
        delay_samples: int,
        slack_samples: int = 0,
        input_channel: int = 0,
        output_channels: tuple[int, ...] = (0,),
        muted: bool = False,
    ) -> None:
        """Make ready.

        delay_samples: what the law says between callback in and out (without the devices); slack_samples: 0 runs the
        model in the callback, else in a worker. Channels are counted from 0 here.
        """
        self.adapter = BlockAdapter(TimedStepper(chain, shown.model), rate_hz)
        self._numbers, self._times = shown.numbers, shown.callback
        self._rate_hz, self._block = rate_hz, block
        self._input_channel, self._output_channels = input_channel, output_channels
        self._dry_line = DelayLine(delay_samples, LONGEST_BLOCK)
        self._in, self._out = np.zeros(LONGEST_BLOCK, np.float32), np.zeros(LONGEST_BLOCK, np.float32)
        self._fade = np.zeros(LONGEST_BLOCK, np.float32)
        self._fade_in = np.linspace(0.0, 1.0, block, dtype=np.float32)
        self._failed_before = False
        self._gain = Smoother(0.0 if muted else 1.0, ramp_samples(rate_hz), LONGEST_BLOCK)
        self.muted = muted
        self.recorder: Recorder | None = None
        self.ended = False
        self.frames = 0
        """Frames of the latest callback."""
        self.thread_id: int | None = None
        self.worker = Worker(self.adapter, block, slack_samples) if slack_samples else None
        self._numbers[meters.BLOCK], self._numbers[meters.RATE_HZ] = block, rate_hz

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
            outdata.fill(0.0)
            numbers[meters.FAULTS] += 1
        if flags & audio_io.XRUN:
            numbers[meters.XRUNS] += 1
        numbers[meters.CALLBACKS] += 1
        numbers[meters.SAMPLES] += frames
        took = perf_counter() - began
        self._times.add(took)
        period = frames / self._rate_hz
        if took > period:
            numbers[meters.LATE_CALLBACKS] += 1
        numbers[meters.LOAD] += (took / period - numbers[meters.LOAD]) * min(1.0, period / _LOAD_S)

    def close(self) -> None:
        """Play silence from now on and end the worker; after it the chain is free for another owner."""
        self.ended = True
        if self.worker is not None:
            self.worker.end()

    def _serve(self, indata: FloatArray, outdata: FloatArray, frames: int) -> None:
        numbers = self._numbers
        block, out = self._in[:frames], self._out[:frames]
        block[:] = indata[:, self._input_channel]
        if self.worker is None:
            made = True
            try:
                self.adapter.process(block, out)
            except Exception:  # noqa: BLE001  (counted, and the input is played instead)
                made = False
                numbers[meters.FAULTS] += 1
                self.adapter.reset()
        else:
            made = self.worker.exchange(block, out)
            if not made:
                numbers[meters.LATE_MODEL_CALLS] += 1
        if made and not np.isfinite(np.dot(out, out)):
            made = False
            numbers[meters.FAULTS] += 1
            if self.worker is None:
                self.adapter.reset()
        dry = self._dry_line.push(block)
        if not made or self._failed_before:
            self._replace(dry, out, made)
        recorder = self.recorder
        if recorder is not None:
            recorder.push(dry, out)
            numbers[meters.RECORDED_SAMPLES] = recorder.frames
            numbers[meters.RECORDING_LOST_SAMPLES] = recorder.lost_frames
        self._gain.to(0.0 if self.muted else 1.0)
        if not self._gain.settled or self.muted:
            np.multiply(out, self._gain.fill(frames), out=out)
        self._show(block, out, frames)
        if numbers[meters.OUTPUT_PEAK] > 1.0:
            np.clip(out, -1.0, 1.0, out=out)
        outdata.fill(0.0)
        for channel in self._output_channels:
            outdata[:, channel] = out

    def _replace(self, dry: FloatArray, out: FloatArray, made: bool) -> None:
        """Play the delayed input instead of the model; the first good block fades back."""
        self._failed_before = not made
        if not made or self._fade_in.size != out.size:
            out[:] = dry
            return
        back = self._fade[: out.size]
        np.subtract(out, dry, out=back)
        np.multiply(back, self._fade_in, out=back)
        np.add(dry, back, out=out)

    def _show(self, block: FloatArray, out: FloatArray, frames: int) -> None:
        numbers = self._numbers
        fall = _PEAK_FALL_PER_S ** (frames / self._rate_hz)
        part = min(1.0, frames / self._rate_hz / _RMS_S)
        for samples, peak, rms in (
            (block, meters.INPUT_PEAK, meters.INPUT_RMS),
            (out, meters.OUTPUT_PEAK, meters.OUTPUT_RMS),
        ):
            highest = max(float(samples.max()), -float(samples.min()))
            numbers[peak] = max(highest, numbers[peak] * fall)
            power = float(np.dot(samples, samples)) / frames
            numbers[rms] = np.sqrt(max(0.0, numbers[rms] ** 2 * (1 - part) + power * part))
            if samples is out and highest > 1.0:
                numbers[meters.CLIPPED_BLOCKS] += 1
