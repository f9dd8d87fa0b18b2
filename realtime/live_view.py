"""The terminal while `retimbre live` plays: the latency by part, moving meters, and keys without Enter."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from realtime.latency import Latency
from realtime.messages import Running
from realtime.meters import Meters, Snapshot, level_db

if TYPE_CHECKING:
    from realtime.desk.tuner import Tuner

_BAR = 40
_FLOOR_DB = -60.0
_PART_NAMES = {
    "device_in": "card in: one block, and the driver",
    "buffering": "blocks against model steps",
    "slack": "slack of the model's thread",
    "analysis": "spectrum analysis and synthesis",
    "lookahead": "future that the model looks at",
    "model": "the model itself",
    "feature": "pitch and loudness estimate",
    "resampler": "resampling, both ways",
    "plugins": "plugins, as they report",
    "device_out": "card out, as the driver declares",
}


def latency_table(law: Latency) -> Table:
    """Every part of the law that is not zero, with the sum."""
    table = Table("latency", "samples", "ms", box=None)
    for name, samples in law.parts().items():
        if samples:
            table.add_row(_PART_NAMES[name], f"{samples:.0f}", f"{1000 * samples / law.rate:.2f}")
    table.add_row("together", f"{law.total:.0f}", f"{law.total_ms:.2f}", style="bold")
    return table


def opening_lines(running: Running) -> list[str]:
    """What runs, in a few lines."""
    warm = running.model_warm
    return [
        f"{running.title} ({running.model}), {running.model_rate_hz} Hz, on {running.provider}",
        f"{running.input} -> {running.output} ({running.host_api}), {running.rate_hz} Hz, block {running.block}",
        (
            f"A step of {1000 * running.step_samples / running.model_rate_hz:.2f} ms takes "
            f"{warm.p50_us / 1000:.2f} ms (99.9 %: {warm.p999_us / 1000:.2f} ms). {running.why}"
        ),
        *running.remarks,
    ]


class TunerView:
    """Names what is played, from the samples that the engine shows."""

    def __init__(self, meters: Meters) -> None:
        """meters: the engine's."""
        self._meters = meters
        self._tuner: Tuner | None = None
        self._end = 0

    def line(self) -> str:
        """The note and the cents beside it, as they are now; empty before sound comes."""
        rate_hz = self._meters.snapshot().rate_hz
        if not rate_hz:
            return ""
        if self._tuner is None or self._tuner.rate_hz != rate_hz:
            from realtime.desk.tuner import Tuner  # it compiles, and needs no place where nobody looks

            self._tuner = Tuner(rate_hz)
        heard, self._end = self._meters.scope.since(self._end)
        self._tuner.push(np.ascontiguousarray(heard[0]))
        reading = self._tuner.reading
        if reading.f0_hz is None:
            return "  –"
        place = round(max(-50.0, min(50.0, reading.cents)) / 5)
        needle = "".join("│" if at == place else "·" for at in range(-10, 11))
        return f"{reading.note:>3} {reading.cents:+4.0f} cents {needle} {reading.f0_hz:7.1f} Hz"


def meters_view(now: Snapshot, tuner: str = "") -> Group:
    """The moving picture: two bars, the tuner's line, and one line of counts."""
    counts = (
        f"{now.seconds:7.1f} s  cpu {100 * now.load:3.0f} %  xruns {now.xruns}  late {now.late_callbacks}"
        f"  missed {now.late_model_calls}  faults {now.faults + now.model_faults}"
    )
    if now.recorded_samples:
        counts += f"  recorded {now.recorded_samples / now.rate_hz:.0f} s"
    if now.recording_lost_samples:
        counts += f" (lost {now.recording_lost_samples / now.rate_hz:.1f} s)"
    if now.reduction_db > 0.1 or not now.gate_open:
        counts += f"  -{now.reduction_db:.0f} dB" + ("" if now.gate_open else "  gate closed")
    if now.missed_plugins:
        counts += f"  plugins missed {now.missed_plugins}"
    keys = "q quit   u unmute   m mute"
    return Group(
        _bar("in ", now.input_peak, now.input_rms),
        _bar("out", now.output_peak, now.output_rms, muted=now.muted),
        Text(tuner),
        Text(counts),
        Text(keys, style="dim"),
    )


def _bar(name: str, peak: float, rms: float, *, muted: bool = False) -> Text:
    def cells(level: float) -> int:
        return round(_BAR * min(1.0, max(0.0, 1.0 - level_db(level) / _FLOOR_DB)))

    filled, top = cells(rms), cells(peak)
    line = Text(f"{name} ")
    line.append("█" * filled, style="red" if peak > 1.0 else "green")
    line.append("─" * max(0, top - filled - 1) + ("│" if top > filled else ""), style="yellow")
    line.append(" " * (_BAR - max(filled, top)))
    line.append(f" {level_db(peak):6.1f} dB peak {level_db(rms):6.1f} dB rms")
    if muted:
        line.append("  muted", style="bold red")
    return line


@contextlib.contextmanager
def keys() -> Iterator[Callable[[], str]]:
    """A function that gives the key pressed since the last call, or the empty string; then the terminal as it was."""
    if not sys.stdin.isatty():
        yield lambda: ""
    elif sys.platform == "win32":
        import msvcrt

        yield lambda: msvcrt.getwch() if msvcrt.kbhit() else ""
    else:
        import select
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        saved = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)
        try:
            yield lambda: sys.stdin.read(1) if select.select([sys.stdin], [], [], 0)[0] else ""
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, saved)
