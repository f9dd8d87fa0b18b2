"""A live session without sound, for the tests of remote control: real controls and meters, and a list of its deeds."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from realtime.controls import Controls
from realtime.errors import EngineError
from realtime.meters import Meters, Snapshot
from realtime.plugins.spec import PluginSpec
from realtime.remote.osc_wire import decode, encode
from realtime.remote.session import Answer, Argument, Place, RemoteState

DELAY = PluginSpec("urn:test:delay", {"mix": 0.25})


class SilentSession:
    """Fulfils `Remote`; `done` holds each call with its arguments, `broken` makes every deed fail."""

    def __init__(self, targets: tuple[str, ...] = ("violin", "flute")) -> None:
        self.now = RemoteState("voice", targets, Controls(), before=(DELAY,), preset="lead", position=2, songs=3)
        self.done: list[tuple[Any, ...]] = []
        self.broken: Exception | None = None
        self.meters = Meters()

    def _note(self, *what: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.done.append(what)

    def state(self) -> RemoteState:
        """What is playing."""
        return self.now

    def snapshot(self) -> Snapshot:
        """What the meters show."""
        return self.meters.snapshot()

    def change_controls(self, changes: Mapping[str, Any]) -> None:
        """Turn controls."""
        self._note("controls", dict(changes))
        self.now = replace(self.now, controls=self.now.controls.with_changes(**changes))

    def mute(self, muted: bool) -> None:
        """Silence or not."""
        self._note("mute", muted)
        self.now = replace(self.now, muted=muted)

    def record(self, path: Path | None) -> str | None:
        """Begin or end."""
        self._note("record", path)
        lost = "The recording has gaps." if path is None and self.now.recording is not None else None
        self.now = replace(self.now, recording=path)
        return lost

    def load_model(self, name: str) -> None:
        """Change the model."""
        self._note("model", name)
        self.now = replace(self.now, model=name)

    def load_preset(self, which: str | int) -> None:
        """Change the preset."""
        self._note("preset", which)
        self.now = replace(self.now, preset=str(which), position=which if isinstance(which, int) else 0)

    def step_preset(self, by: int) -> None:
        """Go on or back."""
        self._note("step", by)
        self.now = replace(self.now, position=self.now.position + by)

    def set_plugin_parameter(self, place: Place, index: int, name: str, value: float) -> None:
        """Turn the one parameter there is."""
        if name not in DELAY.parameters:
            raise EngineError(f"There is no parameter {name!r}.")
        self._note("parameter", place, index, name, value)

    def set_plugin_bypass(self, place: Place, index: int, bypass: bool) -> None:
        """Take out or in."""
        self._note("bypass", place, index, bypass)


class Controller:
    """A controller at the other end of a real socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5.0)
        self._to = ("127.0.0.1", port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, address: str, *values: Argument) -> None:
        """Send one message."""
        self.send_bytes(encode([(address, values)]))

    def send_bytes(self, datagram: bytes) -> None:
        """Send anything."""
        self.socket.sendto(datagram, self._to)

    def receive(self) -> list[Answer]:
        """The messages of the next datagram, which must come."""
        return decode(self.socket.recv(65536))

    def waiting(self) -> list[Answer]:
        """All messages that have come."""
        found: list[Answer] = []
        self.socket.setblocking(False)
        try:
            while True:
                found += decode(self.socket.recv(65536))
        except BlockingIOError:
            return found
        finally:
            self.socket.settimeout(5.0)


def answered(port: int, address: str, *values: Argument) -> dict[str, tuple[Argument, ...]]:
    """What a server in another process answers to one message, by address; a socket of its own has no older answers."""
    found: dict[str, tuple[Argument, ...]] = {}
    with Controller(port) as controller:
        controller.send(address, *values)
        controller.send("/retimbre/ping")
        while "/retimbre/pong" not in (came := dict(controller.receive())):
            found |= came
    return found
