"""The engine under real conditions: a JACK server that does not wait, sound coming in, a second core that is busy.

    feeder process ─▶ loopback 1 ─▶ engine process ─▶ loopback 2          busy process: a loop without end;
                                                                    drawing process: a picture 30 times a second

The server has no hardware (its dummy back end keeps time by the clock), so that this runs on a machine without a sound
card; late means lost, as on a real one. What is counted begins after the others have joined, because a client that
joins makes the server rearrange.

How many missed periods stand beside a halt of the machine itself is told, and what share of them would by chance (see
`realtime.machine_halts`).
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np

from realtime import meters
from realtime.bench import melody
from realtime.errors import DeviceError, EngineError
from realtime.family import end_with_parent
from realtime.host import Host, StreamSettings
from realtime.machine import machine
from realtime.machine_halts import LOOK_EVERY_S, HaltWatch, beside, share
from realtime.scheduling import lock_memory, make_real_time, real_time

_SETTLING_S = 3.0
_START_S = 60.0
_REPORT_EVERY_S = 0.5


@contextlib.contextmanager
def jack_without_hardware(*, period: int, rate_hz: int, loopback: int = 4) -> Iterator[Callable[[], str]]:
    """A JACK server of one's own for this process and its children; gives a function that reads what it said.

    Raises `DeviceError` when there is no JACK here.
    """
    if shutil.which("jackd") is None:
        raise DeviceError("The JACK server (jackd) was not found: install it (`apt install jackd2`) and try again.")
    name = f"retimbre-bench-{os.getpid()}"
    ours = {"JACK_NO_AUDIO_RESERVATION": "1", "JACK_NO_START_SERVER": "1", "JACK_DEFAULT_SERVER": name}
    before = {key: os.environ.get(key) for key in ours}
    os.environ.update(ours)
    with real_time() as allowed:
        pass
    command = ["jackd", "-R" if allowed else "-r", "-L", str(loopback), "-n", name]
    command += ["-d", "dummy", "-r", str(rate_hz), "-p", str(period)]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:

            def said() -> str:
                log.seek(0)
                return log.read().decode(errors="replace")

            if not answers(server, name):
                why = (said().strip().splitlines() or ["it said nothing"])[-1]
                raise DeviceError(f"The JACK server did not start ({why}): try again.")
            yield said
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=5)
            if server.poll() is None:
                server.kill()
                server.wait()
                release_name(name)
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


def release_name(name: str) -> None:
    """Give back what a killed server of this name still holds.

    JACK knows eight servers at most, and a killed one counts until another of its name has ended in order: after eight
    kills no server would start on this machine.
    """
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(["jackd", "-r", "-p", "64", "-n", name, "-d", "dummy"], start_new_session=True, **quiet)
    answers(server, name, 5.0)
    server.terminate()
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def answers(server: subprocess.Popen[bytes], name: str, patience_s: float = _START_S) -> bool:
    """Wait until a JACK server takes clients; whether it does, before it ends and `patience_s` seconds have passed."""
    deadline = time.monotonic() + patience_s
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(subprocess.TimeoutExpired):  # who asks is a client, and a sick server answers none
            asked = subprocess.run(["jack_wait", "-s", name, "-c"], check=False, capture_output=True, timeout=10)
            if asked.stdout.strip() == b"running":  # the exit code is 0 either way
                return True
        time.sleep(0.05)
    return False


def _feed(rate_hz: int, ready: Any) -> None:
    """Play the test melody into the first loopback channel for ever (a process of its own)."""
    from realtime import audio_io

    end_with_parent()
    with audio_io.quiet_stderr():
        import sounddevice
    sound = melody(10.0, rate_hz)
    place = 0
    gc.collect()
    gc.disable()

    def callback(outdata: Any, frames: int, _time: Any, _status: Any) -> None:
        nonlocal place
        if place + frames > sound.size:
            place = 0
        outdata[:, 0] = sound[place : place + frames]
        place += frames

    with sounddevice.OutputStream(rate_hz, device="loopback", channels=1, dtype="float32", callback=callback):
        ready.set()
        lock_memory()  # as the engine does, for the same reasons
        make_real_time(0, 1)
        while True:  # until the parent ends this process
            time.sleep(1.0)


def _spin() -> None:
    """Keep a core busy (a process of its own)."""
    end_with_parent()
    number = 0
    while True:
        number = (number * 1103515245 + 12345) & 0x7FFFFFFF


def _draw() -> None:
    """Repaint a picture thirty times a second, as a window would (a process of its own)."""
    end_with_parent()
    picture = np.zeros((720, 1280), np.float32)
    sound = np.random.default_rng(0).standard_normal(4096).astype(np.float32)
    while True:
        began = time.perf_counter()
        column = np.abs(np.fft.rfft(sound))[:720]
        picture[:, :-1] = picture[:, 1:]
        picture[: column.size, -1] = column
        np.sqrt(np.abs(picture))
        time.sleep(max(0.001, 1 / 30 - (time.perf_counter() - began)))


def bench_live(
    model: str,
    *,
    seconds: float = 60.0,
    period: int = 128,
    rate_hz: int = 48000,
    busy: int = 1,
    where: Literal["auto", "callback", "worker"] = "auto",
    progress: Any = None,
) -> dict[str, Any]:
    """Play for `seconds` and count. busy: how many processes spin beside; progress: called with seconds played.

    Raises `DeviceError` without JACK, `EngineError` when the engine ends or the server stalls meanwhile.
    """
    context = multiprocessing.get_context("spawn")
    watching = HaltWatch(period / rate_hz)
    with jack_without_hardware(period=period, rate_hz=rate_hz) as said, Host() as host, watching as watch:
        ready = context.Event()
        others = [context.Process(target=_feed, args=(rate_hz, ready), daemon=True)]
        others += [context.Process(target=_spin, daemon=True) for _ in range(busy)]
        others.append(context.Process(target=_draw, daemon=True))
        try:
            running = host.open(
                StreamSettings(model, input="loopback", output="loopback", output_channel=2, block=period, where=where)
            )
            for other in others:
                other.start()
            if not ready.wait(_START_S):
                raise EngineError(
                    "The process that feeds the engine did not start: try again when the machine is idle."
                )
            time.sleep(_SETTLING_S)
            before, counted, said_before = host.snapshot(), host.meters.copy(), len(said())
            began = looked = time.monotonic()
            missed: list[tuple[float, float, int]] = []
            xruns, reported = before.xruns, 0.0
            while (played := time.monotonic() - began) < seconds:
                time.sleep(min(LOOK_EVERY_S, seconds - played))
                # The moment before the number is read: what is new since is not older than the look before.
                now, found = time.monotonic(), host.snapshot().xruns
                if found > xruns:
                    missed.append((looked, time.monotonic(), found - xruns))
                looked, xruns = now, found
                if played - reported < _REPORT_EVERY_S:
                    continue
                reported = played
                if host.snapshot().stalled or not host.alive:
                    told = " ".join(event.sentence for event in host.events() if event.sentence)
                    raise EngineError(told or "The engine ended while it was measured: start again.")
                if progress is not None:
                    progress(played)
            after = host.snapshot()
            callback, model_times = host.meters.times_since(counted)
            halts = watch.halts(began)
            complaints = [line.strip() for line in said()[said_before:].splitlines() if "xrun" in line.casefold()]
        finally:
            for other in others:
                if other.pid is not None:
                    other.kill()
                    other.join()
    half_budget_us = 0.5e6 * period / rate_hz
    steps = max(1.0, period / rate_hz * running.model_rate_hz / running.step_samples)
    lost = {
        name: getattr(after, name) - getattr(before, name)
        for name in ("xruns", "late_callbacks", "late_model_calls", "faults", "model_faults")
    }
    return {
        "machine": machine(),
        "model": running.model,
        "seconds": round((after.samples - before.samples) / rate_hz, 1),
        "period": period,
        "rate_hz": rate_hz,
        "busy_processes": busy,
        "runs_in": running.where,
        "callbacks": after.callbacks - before.callbacks,
        **lost,
        # What no program can help: halts of a core longer than a quarter of a period.
        "machine_stalls": len(halts),
        "machine_longest_stall_us": round(1e6 * max((took for _, took in halts), default=0.0)),
        "xruns_beside_a_stall": beside(missed, halts),
        # Of moments drawn evenly as many would stand there: near 1, the number before says nothing.
        "moments_beside_a_stall": round(share(halts, began, seconds), 3),
        # Who was late, as the server says: itself (its clock, hence this machine), the engine or the feeder.
        "server_said": complaints[:20],
        "model_us": model_times.to_mapping(),
        "callback_us": callback.to_mapping(),
        "half_budget_us": round(half_budget_us, 1),
        "model_p99_of_half_budget": round(model_times.p99_us * steps / half_budget_us, 3),
        "output_rms_db": round(meters.level_db(after.output_rms), 1),
        "latency_ms": {name: round(ms, 2) for name, ms in running.latency.parts_ms().items() if ms},
        "latency_total_ms": round(running.latency.total_ms, 2),
        "clean": not any(lost.values()),
    }
