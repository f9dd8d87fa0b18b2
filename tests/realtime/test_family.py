from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PARENT = """
import multiprocessing, time
from realtime.bench_live import _spin
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    child.start()
    print(child.pid, flush=True)
    time.sleep(60)
"""


def lives(process_id: int) -> bool:
    try:
        return _fields(process_id)[0] != "Z"
    except OSError:
        return False


def test_a_spinning_process_ends_with_its_killed_parent(tmp_path: Path) -> None:
    """A child that computes without sleep is gone soon after its parent was killed outright."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline and not _spins(child):
        time.sleep(0.05)
    assert lives(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    while lives(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not lives(child)


def _spins(process_id: int) -> bool:
    """Whether it computes in the loop: more than two seconds of processor time, which starting does not take."""
    fields = _fields(process_id)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 2.0


def _fields(process_id: int) -> list[str]:
    return Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
