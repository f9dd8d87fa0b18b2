"""How far a run of the queue is, and how long it will still take, in words.

    part = Σ done / Σ all,   left = elapsed · (1 − part) / part,   both weighed by seconds of sound

Pure; the GUI thread calls it a few times a second.
"""

from __future__ import annotations

from collections.abc import Iterable

from gui.convert.job import Job

_SURE_AFTER_S = 2.0
_SURE_PART = 0.03


def overall_part(jobs: Iterable[Job]) -> float:
    """0 to 1 over the given jobs; what failed or was cancelled no longer counts."""
    whole = done = 0.0
    for job in jobs:
        if job.state in {"waiting", "running", "done"}:
            whole += job.weight
            done += job.weight * (1.0 if job.state == "done" else job.part)
    return done / whole if whole > 0 else 0.0


def seconds_left(part: float, elapsed_s: float) -> float | None:
    """None as long as a number would be a guess."""
    if elapsed_s < _SURE_AFTER_S or part < _SURE_PART:
        return None
    return elapsed_s * (1.0 - part) / part


def in_words(seconds: float | None) -> str:
    """Such as "about 2 min left", in steps that do not flicker."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} s left"
    if seconds < 3600 - 30:
        return f"about {max(1, round(seconds / 60))} min left"
    return f"about {seconds / 3600:.1f} h left"


def clock(seconds: float) -> str:
    """3:07, or 1:03:07 past an hour."""
    whole = int(max(0.0, seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
