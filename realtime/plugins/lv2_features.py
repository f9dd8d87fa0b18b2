"""What this host offers the LV2 plugins that it loads: numbers for URIs, options, and a worker.

    urid:map, urid:unmap      one table for the process
    opts:options              sample rate, shortest, usual and longest run, size of event buffers
    worker:schedule           the plugin asks in `run`; a thread works; the answers are given back after a later `run`
    the rest of `lv2.FEATURES` needs no data: saying that it is there is all

The structures below are those of LV2's C headers. Python functions that C calls are kept alive by their owner, for
exactly as long as a plugin may call them. `map` may be called on any thread.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_uint32, c_void_p
from typing import Any, Final

from realtime.plugins.lv2 import ATOM, BUF_SIZE, FEATURES, OPTIONS, URID, WORKER
from realtime.scheduling import make_ordinary

_SAMPLE_RATE = "http://lv2plug.in/ns/ext/parameters#sampleRate"
EVENT_BYTES: Final = 8192
_MOST_ANSWERS = 256
_DONE, _NO_SPACE = 0, 2  # LV2_WORKER_SUCCESS, LV2_WORKER_ERR_NO_SPACE

_Map = CFUNCTYPE(c_uint32, c_void_p, c_char_p)
_Unmap = CFUNCTYPE(c_void_p, c_void_p, c_uint32)
_Schedule = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)
_Respond = CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)


class Feature(Structure):
    """LV2_Feature."""

    _fields_ = (("uri", c_char_p), ("data", c_void_p))


class _Service(Structure):
    """LV2_URID_Map, LV2_URID_Unmap and LV2_Worker_Schedule: a handle and a function."""

    _fields_ = (("handle", c_void_p), ("function", c_void_p))


class _Option(Structure):
    """LV2_Options_Option."""

    _fields_ = (
        ("context", c_int),
        ("subject", c_uint32),
        ("key", c_uint32),
        ("size", c_uint32),
        ("type", c_uint32),
        ("value", c_void_p),
    )


class _WorkerInterface(Structure):
    """LV2_Worker_Interface, which a plugin offers."""

    _fields_ = (
        ("work", CFUNCTYPE(c_int, c_void_p, _Respond, c_void_p, c_uint32, c_void_p)),
        ("work_response", CFUNCTYPE(c_int, c_void_p, c_uint32, c_void_p)),
        ("end_run", CFUNCTYPE(c_int, c_void_p)),
    )


def _address(function: Callable[..., Any]) -> int:
    address = ctypes.cast(function, c_void_p).value  # type: ignore[arg-type]  # a CFUNCTYPE is a pointer to ctypes
    assert address is not None
    return address


class UriTable:
    """Numbers for URIs, from 1, the same for the whole process."""

    def __init__(self) -> None:
        """An empty table."""
        self._numbers: dict[bytes, int] = {}
        self._texts: list[Any] = [None]
        self._lock = threading.Lock()
        self._functions = (_Map(self._map), _Unmap(self._unmap))
        self.map, self.unmap = (_Service(None, _address(one)) for one in self._functions)

    def number(self, uri: str) -> int:
        """Number of a URI, a new one where it has none."""
        return self._map(None, uri.encode())

    def _map(self, _handle: int | None, uri: bytes | None) -> int:
        if uri is None:
            return 0
        with self._lock:
            if uri not in self._numbers:
                self._numbers[uri] = len(self._texts)
                self._texts.append(ctypes.create_string_buffer(uri))  # its address is given to C for good
            return self._numbers[uri]

    def _unmap(self, _handle: int | None, number: int) -> int | None:
        return ctypes.addressof(self._texts[number]) if 0 < number < len(self._texts) else None


URIS: Final = UriTable()


class Worker:
    """Does what one plugin may not do in `run`: a thread of ordinary class works, `answer` gives results back.

    The thread begins with the first request, and ends with `close`.
    """

    def __init__(self) -> None:
        """Nothing to do yet, and no plugin to do it."""
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: deque[bytes] = deque()
        self._functions = (_Schedule(self._schedule), _Respond(self._respond))
        self.service = _Service(None, _address(self._functions[0]))
        self._thread: threading.Thread | None = None
        self._interface: Any = None
        self._plugin: int | None = None

    def attach(self, plugin: int, interface: int | None) -> None:
        """Say which instance this works for; `interface` is the address of its functions, or None."""
        self._plugin = plugin
        self._interface = ctypes.cast(interface, POINTER(_WorkerInterface)).contents if interface else None

    def answer(self) -> None:
        """Give the results that are there to the plugin: after its `run`, on the same thread."""
        if self._interface is None:
            return
        while self._answers:
            data = self._answers.popleft()
            self._interface.work_response(self._plugin, len(data), data)
        if self._interface.end_run:
            self._interface.end_run(self._plugin)

    def close(self) -> None:
        """End the thread, if one began."""
        if self._thread is not None:
            self._requests.put(None)
            self._thread.join()

    def _schedule(self, _handle: int | None, size: int, data: int | None) -> int:
        if self._requests.qsize() >= _MOST_ANSWERS:
            return _NO_SPACE
        self._requests.put(ctypes.string_at(data, size) if data and size else b"")
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="lv2-worker", daemon=True)
            self._thread.start()
        return _DONE

    def _respond(self, _handle: int | None, size: int, data: int | None) -> int:
        if len(self._answers) >= _MOST_ANSWERS:
            return _NO_SPACE
        self._answers.append(ctypes.string_at(data, size) if data and size else b"")
        return _DONE

    def _run(self) -> None:
        if hasattr(os, "sched_getscheduler"):
            make_ordinary()  # a thread inherits the class of the one that began it
        while (data := self._requests.get()) is not None:
            if self._interface is not None:
                self._interface.work(self._plugin, self._functions[1], None, len(data), data)


class Features:
    """The list of features for one instance, with everything that it points to."""

    def __init__(self, rate_hz: int, longest: int) -> None:
        """longest: the most frames of a run."""
        self.worker = Worker()
        self._numbers: dict[str, c_int32 | c_float] = {
            BUF_SIZE + "minBlockLength": c_int32(1),
            BUF_SIZE + "maxBlockLength": c_int32(longest),
            BUF_SIZE + "nominalBlockLength": c_int32(min(longest, 256)),
            BUF_SIZE + "sequenceSize": c_int32(EVENT_BYTES),
            _SAMPLE_RATE: c_float(rate_hz),
        }
        options = [
            _Option(0, 0, URIS.number(key), ctypes.sizeof(value), URIS.number(_type_of(value)), ctypes.addressof(value))
            for key, value in self._numbers.items()
        ]
        self._options = (_Option * (len(options) + 1))(*options)
        data = {
            URID + "map": ctypes.addressof(URIS.map),
            URID + "unmap": ctypes.addressof(URIS.unmap),
            OPTIONS: ctypes.addressof(self._options),
            WORKER + "schedule": ctypes.addressof(self.worker.service),
        }
        self._features = [Feature(uri.encode(), data.get(uri)) for uri in sorted(FEATURES)]
        self.pointers = (POINTER(Feature) * (len(self._features) + 1))(*map(ctypes.pointer, self._features))


def _type_of(value: c_int32 | c_float) -> str:
    return ATOM + ("Float" if isinstance(value, c_float) else "Int")
