"""Remote control of the app by Open Sound Control: what is heard is done on the session thread, as any wish is.

    datagram ──▶ door thread: only waits ──▶ session thread: OscServer.serve ──▶ SessionWork, power on or off

The thread that waits exists because the session thread sleeps in its queue and cannot wait for a socket; nothing is
read or done on it. Everything else here runs on the session thread.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.closing import Closing
from realtime.meters import Snapshot
from realtime.remote.osc import LOOPBACK, OscServer
from realtime.remote.session import RemoteState

if TYPE_CHECKING:
    from gui.session_work import SessionWork

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where the player asks for it, beside words that say what it means
_SERVED_WITHIN_S = 1.0  # a session thread that opens a card is busy for longer: then what came waits in the socket


class OscDoor(Closing):
    """Hears OSC on one port from its making until `close`."""

    def __init__(
        self, work: SessionWork, post: Callable[[Callable[[], None]], None], *, port: int, network: bool
    ) -> None:
        """post: has something done on the session thread. network: not only this machine is heard.

        Raises `DeviceError` or `ConfigError` when it cannot listen.
        """
        self._server = OscServer(
            _WorkRemote(work), port=port, host=EVERYWHERE if network else LOOPBACK, recordings=work.takes_folder
        )
        self.port, self.network = self._server.port, network
        self._post = post
        self._served = threading.Event()
        self._closed = threading.Event()
        self._bell, self._ring = socket.socketpair()
        self._thread = threading.Thread(target=self._wait, name="retimbre-osc", daemon=True)
        self._thread.start()

    def serve(self) -> None:
        """Do what has come, and send meters to who subscribed."""
        if not self._closed.is_set():
            self._server.serve(0.0)
        self._served.set()

    def tell(self, sentence: str) -> None:
        """Send a sentence of the engine to who subscribed."""
        self._server.tell(sentence)

    def close(self) -> None:
        """Hear nothing more."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._ring.send(b"\0")
        self._served.set()
        self._thread.join()
        self._server.close()
        self._bell.close()
        self._ring.close()

    def _wait(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._bell, selectors.EVENT_READ)
            while not self._closed.is_set():
                selector.select()
                if self._closed.is_set():
                    return
                self._served.clear()
                self._post(self.serve)
                self._served.wait(_SERVED_WITHIN_S)


class _WorkRemote:
    """The session of the app as `realtime.remote.session.Remote`: power on or off, as the player's own wishes."""

    def __init__(self, work: SessionWork) -> None:
        self._work = work

    def state(self) -> RemoteState:
        """What is playing, or would."""
        work = self._work
        if work.on:
            return work.session.state()
        wanted = work.wanted
        return RemoteState(
            wanted.model, work.targets(), wanted.controls, wanted.before, wanted.after, work.preset, work.position,
            len(work.setlist.presets) if work.setlist is not None else 0,
        )  # fmt: skip

    def snapshot(self) -> Snapshot:
        """What the meters show."""
        return self._work.session.snapshot()

    def change_controls(self, changes: Mapping[str, Any]) -> None:
        """Turn controls."""
        self._work.change_controls(changes, self._work.applied)

    def mute(self, muted: bool) -> None:
        """Silence the output, or let it sound."""
        self._work.mute(muted)

    def record(self, path: Path | None) -> str | None:
        """Begin to record into this file, or end."""
        self._work.need_power("record")
        return self._work.session.record(path)

    def load_model(self, name: str) -> None:
        """Play through another model."""
        self._work.load_model(name)

    def load_preset(self, which: str | int) -> None:
        """Load a preset."""
        self._work.load_preset(which)

    def step_preset(self, by: int) -> None:
        """Go on in the setlist."""
        self._work.step_preset(by)

    def set_plugin_parameter(self, place: Any, index: int, name: str, value: float) -> None:
        """Turn a parameter of a plugin."""
        self._work.change_plugin(place, index, name, value)

    def set_plugin_bypass(self, place: Any, index: int, bypass: bool) -> None:
        """Take a plugin out of the way, or back in."""
        self._work.change_plugin(place, index, "bypass", float(bypass))
