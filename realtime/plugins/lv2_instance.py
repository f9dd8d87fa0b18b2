"""One LV2 plugin that runs: its ports connected to memory of ours, its preset, its latency.

    audio      own buffers of `longest` frames, 64-byte aligned: connected once, whatever block comes; no side chain
    control    one float each;  the latency port is read after each run
    atom       inputs hold an empty sequence, outputs room for one that nobody reads;  CV: zeros

Loading runs foreign code: do it in a process that may die. Everything on one thread, the plugin's worker excepted.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_uint32, c_void_p
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from realtime.errors import PluginError
from realtime.plugins.lv2 import ATOM, WORKER, Port, World
from realtime.plugins.lv2_features import URIS, Features
from realtime.plugins.plugin import FloatArray

_LONGEST_RUN: Final = 4096
_ALIGNMENT = 64
_SEQUENCE = struct.Struct("=IIII")  # LV2_Atom_Sequence without events: size of the body, type, unit of time, padding
_SETTLING_FRAMES = 64
_NUMBER_TYPES: dict[str, Any] = {"Float": c_float, "Double": c_double, "Int": c_int32, "Long": c_int64, "Bool": c_int32}

_SetPortValue = CFUNCTYPE(None, c_char_p, c_void_p, c_void_p, c_uint32, c_uint32)


class _Descriptor(Structure):
    """LV2_Descriptor."""

    _fields_ = (
        ("uri", c_char_p),
        ("instantiate", c_void_p),
        ("connect_port", CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)),
        ("activate", CFUNCTYPE(None, c_void_p)),
        ("run", CFUNCTYPE(None, c_void_p, c_uint32)),
        ("deactivate", CFUNCTYPE(None, c_void_p)),
        ("cleanup", CFUNCTYPE(None, c_void_p)),
        ("extension_data", CFUNCTYPE(c_void_p, c_char_p)),
    )


class _Instance(Structure):
    """LilvInstance."""

    _fields_ = (("descriptor", POINTER(_Descriptor)), ("handle", c_void_p), ("pimpl", c_void_p))


class Lv2Plugin:
    """A `HostedPlugin`."""

    def __init__(self, world: World, uri: str, rate_hz: int, longest: int, preset: str | None = None) -> None:
        """Load, connect, take the preset and activate. Raises `PluginError` when that cannot be."""
        self.info = world.info(uri, rate_hz)
        if self.info.problem is not None:
            raise PluginError(self.info.problem)
        wanted = None if preset is None else self.info.preset(preset)
        self._world, self._longest = world, min(longest, _LONGEST_RUN)
        self._features = Features(rate_hz, self._longest)
        address = world.lilv.lilv_plugin_instantiate(world.plugin(uri), float(rate_hz), self._features.pointers)
        if not address:
            raise PluginError(
                f"The plugin {self.info.name} could not be loaded (its library is missing or refuses {rate_hz} Hz): "
                "install it again, or leave it out."
            )
        self._address: int | None = address
        instance = ctypes.cast(address, POINTER(_Instance)).contents
        self._descriptor, self._handle = instance.descriptor.contents, instance.handle
        self._run: Callable[..., Any] = self._descriptor.run
        extension = self._descriptor.extension_data
        work = extension((WORKER + "interface").encode()) if extension else None
        self._features.worker.attach(self._handle, work)
        ports = world.ports(uri, rate_hz)
        self._connect(ports, world.latency_port(uri))
        if wanted is not None:
            self._restore(wanted)
        self.latency_samples = 0
        self._activate()
        self._settle()

    def values(self) -> list[float]:
        """Value of each parameter."""
        return [float(self._controls[port]) for port in self._places]

    def set_value(self, place: int, value: float) -> None:
        """Set one parameter, from the next `run` on."""
        self._controls[self._places[place]] = value

    def run(self, inputs: FloatArray, outputs: FloatArray) -> None:
        """Process (info.inputs, frames) into (info.outputs, frames)."""
        frames = inputs.shape[1]
        if frames <= self._longest:
            self._run_piece(inputs, outputs, frames)
        else:
            for begin in range(0, frames, self._longest):
                part = slice(begin, min(frames, begin + self._longest))
                self._run_piece(inputs[:, part], outputs[:, part], part.stop - begin)
        if self._latency_port is not None:
            self.latency_samples = self._read_latency()

    def _run_piece(self, inputs: FloatArray, outputs: FloatArray, frames: int) -> None:
        self._inputs[:, :frames] = inputs
        for room in self._events:
            room.clear()
        self._run(self._handle, frames)
        self._features.worker.answer()
        outputs[:] = self._outputs[:, :frames]

    def reset(self) -> None:
        """Forget the sound so far."""
        self._deactivate()
        self._activate()

    def close(self) -> None:
        """Free it; a second call does nothing."""
        if self._address is None:
            return
        self._deactivate()
        self._features.worker.close()
        self._world.lilv.lilv_instance_free(self._address)
        self._address = None

    def _connect(self, ports: list[Port], latency_port: int | None) -> None:
        self._controls = _aligned(max(1, len(ports)))
        self._places = [port.index for port in ports if port.parameter is not None]
        self._latency_port = latency_port
        self._events: list[_Events] = []
        self._inputs = _aligned(self.info.inputs, self._longest)
        self._outputs = _aligned(self.info.outputs, self._longest)
        # Silence for what we do not feed, and a place for what we do not hear.
        self._unused = [_aligned(self._longest) for _ in ports if _.type == "cv" or _.side_chain]
        unused, heard, made = iter(self._unused), iter(self._inputs), iter(self._outputs)
        for port in ports:
            place: int | None = None
            if port.type == "control":
                self._controls[port.index] = port.default
                place = self._controls[port.index :].ctypes.data
            elif port.type == "atom":
                room = _Events(port.size, is_input=port.is_input)
                self._events.append(room)
                place = room.address
            elif port.type == "cv" or port.side_chain:
                place = next(unused).ctypes.data
            elif port.type == "audio":
                place = next(heard if port.is_input else made).ctypes.data
            self._descriptor.connect_port(self._handle, port.index, place)

    def _restore(self, preset: str) -> None:
        """Take the values of a preset, and its state where the plugin has one."""
        lilv, world = self._world.lilv, self._world
        state = lilv.lilv_state_new_from_world(world.pointer, ctypes.byref(URIS.map), world.node(preset))
        if not state:
            raise PluginError(
                f"The preset {preset} of plugin {self.info.name} cannot be read: install it again, or leave it out."
            )
        symbols = {one.symbol: place for place, one in enumerate(self.info.parameters)}
        types = {URIS.number(ATOM + name): type_ for name, type_ in _NUMBER_TYPES.items()}

        def take(symbol: bytes, _data: int | None, value: int, _size: int, type_: int) -> None:
            place = symbols.get(symbol.decode(errors="replace"))
            if place is not None and type_ in types and value:
                number = ctypes.cast(value, POINTER(types[type_])).contents.value
                self.set_value(place, self.info.parameters[place].fitted(number))

        taken = _SetPortValue(take)
        lilv.lilv_state_restore(state, self._address, taken, None, 0, self._features.pointers)
        lilv.lilv_state_free(state)

    def _settle(self) -> None:
        """Let it work out its latency on a little silence, and forget that."""
        if self._latency_port is None:
            return
        count = min(_SETTLING_FRAMES, self._longest)
        self.run(np.zeros((self.info.inputs, count), np.float32), np.zeros((self.info.outputs, count), np.float32))
        self.reset()

    def _read_latency(self) -> int:
        value = float(self._controls[self._latency_port])
        return round(value) if 0.0 <= value < 1e9 else 0  # so a value that is no number counts as none

    def _activate(self) -> None:
        if self._descriptor.activate:
            self._descriptor.activate(self._handle)

    def _deactivate(self) -> None:
        if self._descriptor.deactivate:
            self._descriptor.deactivate(self._handle)


class _Events:
    """Memory of one atom port: an empty sequence before each run, or room for what the plugin says."""

    def __init__(self, size: int, *, is_input: bool) -> None:
        self._memory = _aligned((size + 3) // 4)
        self.address: int = self._memory.ctypes.data
        if is_input:
            header = _SEQUENCE.pack(8, URIS.number(ATOM + "Sequence"), 0, 0)
        else:
            header = _SEQUENCE.pack(size - 8, URIS.number(ATOM + "Chunk"), 0, 0)
        self._header = np.frombuffer(header, np.float32)

    def clear(self) -> None:
        """Make it ready for the next run."""
        self._memory.view(np.uint32)[:4] = self._header.view(np.uint32)


def _aligned(*shape: int) -> NDArray[np.float32]:
    """Zeros that begin, each row too, where vector instructions like it."""
    columns = shape[-1] + -shape[-1] % (_ALIGNMENT // 4)
    rows = shape[0] if len(shape) > 1 else 1
    memory = np.zeros(rows * columns + _ALIGNMENT // 4, np.float32)
    first = -memory.ctypes.data % _ALIGNMENT // 4
    whole = memory[first : first + rows * columns].reshape(rows, columns)[:, : shape[-1]]
    return whole if len(shape) > 1 else whole[0]
