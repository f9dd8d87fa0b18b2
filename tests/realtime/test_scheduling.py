from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, sys
import psutil
from realtime.scheduling import give_back_memory

if sys.argv[1] == "give back":
    assert give_back_memory()
library = ctypes.CDLL(None)
library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
size = 2 << 20
library.free(library.malloc(size))  # from now on glibc would keep such blocks
before = psutil.Process().memory_full_info().uss
blocks = [library.malloc(size) for _ in range(40)]
for block in blocks:
    ctypes.memset(block, 1, size)
for block in blocks[:-1]:
    library.free(block)
print(psutil.Process().memory_full_info().uss - before)
"""


def kept_bytes(how: str) -> int:
    """What a process holds of 40 blocks of 2 MB when only the last of them is in use."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="only there something is to be set")
def test_large_blocks_go_back_to_the_system() -> None:
    """Of 40 large blocks only the one in use is held, where else glibc holds all of them."""
    assert kept_bytes("give back") < 8 << 20
    assert kept_bytes("keep") > 40 << 20
