"""One model between a block in and a block out, guarded by the dry signal; a player crossfades between lanes.

    block ─┬─▶ adapter ─▶ chain   (in the callback, or in the worker `slack` samples later) ─┬─ × share ──────┐
           └─▶ delay by the same time ───────────────────────────────────────────────────────┴─ × (1 − share) ┴▶ out

`share` is 1 while the model is well. A block that the model missed or spoilt sends it to 0 within 2.5 ms, where the
model's part goes on from its last sample and dies away, so that nothing clicks; once there, and the model well again,
it comes back. Standing aside does the same by wish: then the chain is not called and may be taken elsewhere.

Threads: `serve` is the audio callback; `Worker._run` is the worker; the rest is the control thread.
"""

from __future__ import annotations

import _thread
import math
import threading
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from realtime.controls import Smoother, ramp_samples
from realtime.ring import BlockAdapter, DelayLine, Stepper

if TYPE_CHECKING:
    from realtime.meters import Histogram

FloatArray = NDArray[np.float32]
Trouble = Literal["missed", "failed", "not finite"]

LONGEST_BLOCK = 1 << 14
_SHARE_MS, _FALL_MS = 2.5, 0.5


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
                    out.fill(np.nan)  # the callback plays the input instead and asks for nothing
                if not math.isfinite(np.dot(out, out)):
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


class Lane:
    """A chain made ready for blocks of one size."""

    def __init__(
        self, chain: Stepper, times: Histogram, *, rate_hz: int, block: int, delay_samples: int, slack_samples: int = 0
    ) -> None:
        """Make ready.

        times: where model steps are timed; block: frames of a callback; delay_samples: what the law says between
        callback in and out; slack_samples: 0 runs the model in the callback, else in a worker.
        """
        self.chain = chain
        self.block, self.delay_samples, self.slack_samples = block, delay_samples, slack_samples
        self.adapter = BlockAdapter(TimedStepper(chain, times), rate_hz)
        self.worker = Worker(self.adapter, block, slack_samples) if slack_samples else None
        self._dry_line = DelayLine(delay_samples, LONGEST_BLOCK)
        self.dry: FloatArray = np.zeros(0, np.float32)
        """The delayed input of the last `serve`, valid until the next."""
        self._share = Smoother(1.0, ramp_samples(rate_hz, _SHARE_MS), LONGEST_BLOCK)
        self._fall = np.exp(-np.arange(1, LONGEST_BLOCK + 1) / (rate_hz * _FALL_MS / 1000)).astype(np.float32)
        self._last = 0.0
        self._part = np.zeros(LONGEST_BLOCK, np.float32)
        self._falling = False
        self.aside = False
        """Set by the control thread: leave the model alone and give the delayed input."""

    @property
    def quiet(self) -> bool:
        """Whether it stands aside wholly: nobody calls the chain any more (besides the worker until `close`)."""
        return self.aside and self._share.settled and self._share.goal == 0.0

    def serve(self, block: FloatArray, out: FloatArray) -> Trouble | None:
        """A block (frames,) in, the same number of samples out; what was wrong with the model, if anything."""
        trouble: Trouble | None = None
        # Blocks of another size than it was made for: the control thread is about to bring another lane.
        resting = self.quiet or block.size > LONGEST_BLOCK or (self.worker is not None and block.size != self.block)
        if not resting:
            trouble = self._ask(block, out)
        self.dry = dry = self._dry_line.push(block)
        share = self._share
        lost = resting or trouble is not None
        if lost or self.aside:
            share.to(0.0)
        elif share.settled:
            share.to(1.0)
        self._falling = lost or (self._falling and share.goal == 0.0)
        if self._falling:
            np.multiply(self._fall[: out.size], self._last, out=out)
        self._last = float(out[-1])
        if share.settled and share.goal == 1.0:
            return trouble
        # dry + (model − dry)·share
        values = share.fill(out.size)
        part = self._part[: out.size]
        np.subtract(out, dry, out=part)
        np.multiply(part, values, out=part)
        np.add(dry, part, out=out)
        return trouble

    def close(self) -> None:
        """End the worker; after it the chain is free for another lane."""
        if self.worker is not None:
            self.worker.end()

    def _ask(self, block: FloatArray, out: FloatArray) -> Trouble | None:
        if self.worker is not None:
            if not self.worker.exchange(block, out):
                return "missed"
        else:
            try:
                self.adapter.process(block, out)
            except Exception:  # noqa: BLE001  (told to the player, and the input is heard instead)
                self.adapter.reset()
                return "failed"
        if math.isfinite(np.dot(out, out)):
            return None
        if self.worker is None:
            self.adapter.reset()
        return "not finite"
