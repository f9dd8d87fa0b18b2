from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from realtime import machine_halts
from tests.realtime.live_parts import samples_package


def bench(*words: str, timeout: float = 90) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "realtime.cli", "bench", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_bench_compares_a_model_with_its_budget(tmp_path: Path) -> None:
    """`retimbre bench --json` gives the machine, the times of a step on a schedule and the speed of files."""
    package = samples_package(tmp_path)
    code, found = bench("--model", str(package.folder), "--seconds", "0.5", "--period", "128")
    live = found["live"]
    assert code == 0
    assert found["machine"]["cores"] >= 1
    assert live["budget_us"] == round(1e6 * 128 / 48000, 1)
    assert live["step"]["count"] == 2 * live["callback"]["count"] == 2 * (24000 // 128)
    assert 0 < live["step"]["p50_us"] <= live["step"]["p99_us"] <= live["step"]["max_us"] <= live["callback"]["max_us"]
    assert live["runs_in"] == "callback"
    assert found["convert"]["times_real_time"] > 1


def test_a_heavier_model_is_measured_as_slower(tmp_path: Path) -> None:
    """A model with work in it takes longer than one without; what is around it is measured apart."""
    light, heavy = samples_package(tmp_path / "light"), samples_package(tmp_path / "heavy", work=4)
    times = [bench("--model", str(one.folder), "--seconds", "0.3")[1]["live"] for one in (light, heavy)]
    assert times[1]["step"]["p50_us"] > 3 * times[0]["step"]["p50_us"]
    assert all(0 < one["overhead"]["p50_us"] < one["callback"]["p99_us"] for one in times)


def test_bench_live_counts_through_a_server(tmp_path: Path) -> None:
    """`retimbre bench live --json` plays a melody through a server and counts; 1 says that anything was lost."""
    package = samples_package(tmp_path)
    words = ("live", "--model", str(package.folder), "--seconds", "2", "--period", "256", "--busy", "0")
    code, found = bench(*words)
    assert found["callbacks"] > 0 and abs(found["callbacks"] - found["seconds"] * 48000 / 256) < 20
    assert found["output_rms_db"] > -60
    assert found["model_us"]["count"] >= 2 * found["callbacks"]
    assert code == (0 if found["clean"] else 1)
    assert found["latency_total_ms"] > 0
    assert 0 <= found["xruns_beside_a_stall"] <= found["xruns"]
    assert 0 <= found["moments_beside_a_stall"] <= 1


def test_a_missed_period_is_laid_to_the_machine_only_just_after_it_stood_still() -> None:
    """Of missed periods those count that stand within 20 ms after a halt; the same of moments drawn evenly."""
    ring = [2.0, 0.003, 5.0, 0.002, 3.0, 0.001, 0.0, 0.0, 0.0, 0.0]
    halts = machine_halts.halts_of(ring, 1.0)
    assert halts == [(3.0, 0.001), (5.0, 0.002)]
    missed = [(2.9, 2.91, 1), (3.01, 3.02, 2), (3.1, 3.11, 4), (4.995, 5.005, 8)]
    assert machine_halts.beside(missed, halts) == 2 + 8
    share = machine_halts.share(halts, 1.0, 10.0)
    assert 0.002 < share < 0.02
