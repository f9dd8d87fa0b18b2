"""What the input's level means for the player: silent, quiet, good or too loud, in a sentence. Pure arithmetic.

peaks, 30 a second ─▶ the loudest of the last 3 s ─▶ a verdict, that changes only when it is sure
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["waiting", "silent", "quiet", "good", "clipping"]
Kind = Literal["card", "notes", "file"]

SILENT: Final = 10 ** (-66 / 20)
QUIET: Final = 10 ** (-34 / 20)
CLIPPING: Final = 0.985
WINDOW_S: Final = 3.0
_FIRST_S = 1.5


@dataclass(frozen=True, slots=True)
class Advice:
    """A verdict, its short word and the next step."""

    verdict: Verdict
    word: str
    text: str


_WORDS: Final[dict[Verdict, str]] = {
    "waiting": "Listening…", "silent": "No sound", "quiet": "Quiet", "good": "Sound arrives", "clipping": "Too loud",
}  # fmt: skip
_STEPS: Final[dict[Kind, dict[Verdict, str]]] = {
    "card": {
        "silent": "Nothing arrives: look whether the cable is in the chosen channel, the instrument's volume is up and "
        "the interface's gain is turned up.",
        "quiet": "Turn the interface's gain up until loud notes reach the upper third of the meter.",
        "clipping": "Turn the interface's gain down until the loudest notes stay below the top.",
    },
    "notes": {
        "silent": "Play a note: on your MIDI keyboard, on the piano below, or with the computer's keys.",
        "quiet": "Play harder, or raise the level of what the notes play.",
        "clipping": "Lower the level of what the notes play.",
    },
    "file": {
        "silent": "The file is silent here, or it has ended: play it again, or choose another place.",
        "quiet": "The file is quiet: raise the input gain under Play.",
        "clipping": "The file is recorded up to the top: lower the input gain under Play if it sounds harsh.",
    },
}


class LevelWatch:
    """`push` each peak, read `advice`."""

    def __init__(self) -> None:
        """Nothing heard yet."""
        self.reset()

    def reset(self) -> None:
        """Forget what was heard, for another input."""
        self._peaks: deque[tuple[float, float]] = deque()
        self._began_s: float | None = None
        self._clipped_s = -WINDOW_S

    def push(self, peak: float, now_s: float) -> None:
        """A linear peak at a time."""
        if self._began_s is None:
            self._began_s = now_s
        self._peaks.append((now_s, peak))
        while self._peaks and self._peaks[0][0] < now_s - WINDOW_S:
            self._peaks.popleft()
        if peak >= CLIPPING:
            self._clipped_s = now_s

    def advice(self, kind: Kind = "card") -> Advice:
        """What to tell the player now."""
        verdict = self._verdict()
        return Advice(verdict, _WORDS[verdict], _STEPS[kind].get(verdict, ""))

    def _verdict(self) -> Verdict:
        if self._began_s is None or not self._peaks:
            return "waiting"
        now_s = self._peaks[-1][0]
        loudest = max(peak for _, peak in self._peaks)
        if now_s - self._clipped_s < WINDOW_S:
            return "clipping"
        if loudest >= QUIET:
            return "good"
        if now_s - self._began_s < _FIRST_S:
            return "waiting"
        return "quiet" if loudest >= SILENT else "silent"
