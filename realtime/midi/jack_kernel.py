"""The compiled half of MIDI through JACK: the process callback that moves a cycle's messages into a ring of numbers.

The numbers, int64, one array: what the callback needs first, then scratch, then the ring of pairs (frame, packed
message), packed = byte 0 | byte 1 << 8 | byte 2 << 16 | size << 24. Only whole channel messages and the system reset
enter the ring: sysex, clock and garbage end here. Thread: JACK's own, real-time, without Python's lock.

Pointers are passed as int64, which is the same to the machine; libjack's functions become known to the compiler by name
before the code is linked, so that the compiled code can be kept on disk.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cache
from importlib import import_module
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cfunc, types
from numba.extending import intrinsic

# Places in the numbers. EVENT: a jack_midi_event_t (time, size, pointer); BYTES: a message's bytes, copied.
CLIENT, PORT, RING, WRITTEN, PERIOD, EVENT_AT, BYTES_AT, EVENT, BYTES, FIRST = 0, 1, 2, 3, 4, 5, 6, 8, 12, 16
_FUNCTIONS = (
    "jack_port_get_buffer",
    "jack_last_frame_time",
    "jack_midi_get_event_count",
    "jack_midi_event_get",
)


@cache
def library() -> Any:
    """Libjack through ctypes, its functions made known to the compiler. Raises OSError where it is missing."""
    binding: Any = import_module("llvmlite.binding")  # numba's compiler; it has no types
    found: Any = ctypes.CDLL(ctypes.util.find_library("jack") or "libjack.so.0")
    found.jack_set_process_callback.argtypes = [ctypes.c_void_p] * 3
    for name in _FUNCTIONS:
        address = ctypes.cast(getattr(found, name), ctypes.c_void_p).value
        assert address is not None
        binding.add_symbol(name, address)
    return found


@cache
def last_frame_time() -> Any:
    """`jack_last_frame_time(client)`, called without giving up Python's lock."""
    function = ctypes.PyDLL(ctypes.util.find_library("jack") or "libjack.so.0").jack_last_frame_time
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_uint32
    return function


def new_numbers(client: int, port: int, ring: int) -> npt.NDArray[np.int64]:
    """Memory for the callback; it must live until the client is closed."""
    numbers = np.zeros(FIRST + 2 * ring, np.int64)
    numbers[CLIENT], numbers[PORT], numbers[RING] = client, port, ring
    numbers[EVENT_AT] = numbers.ctypes.data + 8 * EVENT
    numbers[BYTES_AT] = numbers.ctypes.data + 8 * BYTES
    return numbers


def _external(name: str, result: Any, *arguments: Any) -> Any:
    """A C function, known to the compiler by its name, called from compiled code."""
    return types.ExternalFunction(name, result(*arguments))


_get_buffer = _external("jack_port_get_buffer", types.int64, types.int64, types.uint32)
_last_frame_time = _external("jack_last_frame_time", types.uint32, types.int64)
_event_count = _external("jack_midi_get_event_count", types.uint32, types.int64)
_event_get = _external("jack_midi_event_get", types.int32, types.int64, types.int64, types.uint32)
_memcpy = _external("memcpy", types.int64, types.int64, types.int64, types.int64)
_carray: Any = vars(numba)["carray"]  # numba's types leave it out


def _fence(_typing: Any) -> Any:
    """Let every write so far be seen before any that follows."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        builder.fence("release")
        return context.get_dummy_value()

    return types.void(), generate


_publish: Any = intrinsic(_fence)


@cache
def process_address() -> int:
    """The callback's address in memory, compiled or read from the cache."""
    library()  # the names must be known when the code is linked
    compiled: Any = cfunc("int32(uint32, voidptr)", cache=True)(_process)
    return int(compiled.address)


def _process(frames: int, memory: Any) -> int:
    """One cycle: every message of the port's buffer into the ring."""
    head = _carray(memory, (FIRST,), np.int64)
    ring = head[RING]
    numbers = _carray(memory, (FIRST + 2 * ring,), np.int64)
    numbers[PERIOD] = frames
    buffer = _get_buffer(numbers[PORT], frames)
    count = _event_count(buffer)
    if count == 0:
        return 0
    cycle = np.int64(_last_frame_time(numbers[CLIENT]))
    for k in range(count):
        if _event_get(numbers[EVENT_AT], buffer, k) != 0:
            continue
        size = numbers[EVENT + 1]
        if size < 1 or size > 3:
            continue
        numbers[BYTES] = 0
        _memcpy(numbers[BYTES_AT], numbers[EVENT + 2], size)
        packed = numbers[BYTES]
        status = packed & 0xFF
        if status < 0x80 or packed & 0x808000:
            continue
        if status >= 0xF0:
            if status != 0xFF or size != 1:
                continue
        elif size != (2 if status & 0xE0 == 0xC0 else 3):
            continue
        written = numbers[WRITTEN]
        place = FIRST + 2 * (written % ring)
        numbers[place] = cycle + (numbers[EVENT] & 0xFFFFFFFF)
        numbers[place + 1] = packed | (size << 24)
        _publish()
        numbers[WRITTEN] = written + 1
    return 0
