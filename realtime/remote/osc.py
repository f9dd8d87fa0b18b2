"""Remote control by Open Sound Control over UDP: a socket beside the session, and not one thread more.

    TouchOSC, Max, a foot switch … ── datagram ──▶ serve ─▶ RemoteControl ─▶ Remote (the live session)
                                   ◀── answers, meters ──┘     only ever to the address that a request came from

`serve(seconds)` takes the place of the pause in the loop of the session's own thread: it handles what arrives the
moment it arrives, sends meters to those who subscribed, and returns when the time is over. So nothing needs a lock and
a `Remote` is called on one thread. No datagram can make it raise: what cannot be done is answered with
`/retimbre/error` and one sentence. Only this machine is listened to unless another `host` is asked for; OSC knows no
passwords, so whoever reaches the port can play.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from realtime.closing import Closing
from realtime.errors import ConfigError, DeviceError, RetimbreError
from realtime.presets.file_name import shown
from realtime.remote.arguments import first_word
from realtime.remote.control import RemoteControl
from realtime.remote.osc_wire import LONGEST_DATAGRAM, decode, encode
from realtime.remote.session import OUTGOING, ROOT, Answer, Argument, Remote

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 7770
METERS_PER_S = 10.0
SUBSCRIPTION_S = 10.0
_LONGEST_SUBSCRIPTION_S = 60.0
_MOST_SUBSCRIBERS = 8
_MOST_AT_ONCE = 256  # datagrams before anything else has its turn
_ERRORS_PER_S = 20.0  # more than this is a flood, and is met with silence

_T = TypeVar("_T")
Peer = tuple[Any, ...]
"""A socket's address: host, port and, with IPv6, more."""


@dataclass(slots=True)
class _Subscriber:
    until: float
    sent: dict[str, tuple[Argument, ...]] = field(default_factory=dict)


def recordings_folder() -> Path:
    """Where recordings that are asked for from afar are made: the user's own folder of the program."""
    from platformdirs import user_data_path

    return user_data_path("retimbre", appauthor=False) / "recordings"


class OscServer(Closing):
    """Listens on one UDP port from its making until `close`; works only inside `serve`."""

    def __init__(
        self,
        remote: Remote,
        *,
        port: int = DEFAULT_PORT,
        host: str = LOOPBACK,
        recordings: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """port: 0 lets the system choose; host: whose datagrams to hear. Raises `DeviceError` when it cannot listen."""
        self._control = RemoteControl(remote, recordings_folder() if recordings is None else recordings)
        self._clock = clock
        self._subscribers: dict[Peer, _Subscriber] = {}
        self._next_meters = 0.0
        self._errors_left, self._errors_at = _ERRORS_PER_S, clock()
        self._turned_by: dict[Peer, None] = {}
        self._socket = _listening(host, port)
        self._own: Peer = self._socket.getsockname()
        self.host: str = self._own[0]
        self.port: int = self._own[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def fileno(self) -> int:
        """The socket's number, for a loop of somebody else that calls `serve()` when there is something to read."""
        return self._socket.fileno()

    def serve(self, seconds: float = 0.0) -> None:
        """Do what comes in for so long; 0 does what has come already. Never raises for anything that comes in."""
        until = self._clock() + seconds
        while True:
            self._send_meters()
            now = self._clock()
            wait = until - now
            if self._subscribers:
                wait = min(wait, self._next_meters - now)
            if self._selector.select(max(0.0, wait)):
                self._receive()
            if self._clock() >= until:
                return

    def tell(self, sentence: str) -> None:
        """Send `/retimbre/event` with a sentence of the engine to all who subscribed."""
        for peer in self._subscribers:
            self._send(peer, [(f"{ROOT}/event", (sentence,))])

    def close(self) -> None:
        """Stop listening."""
        self._selector.close()
        self._socket.close()

    def _receive(self) -> None:
        for _ in range(_MOST_AT_ONCE):
            try:
                datagram, peer = self._socket.recvfrom(LONGEST_DATAGRAM + 1)
            except BlockingIOError:
                break
            except OSError:  # Windows tells here that an earlier answer found nobody
                continue
            if peer != self._own:
                self._handle(datagram, peer)
        self._flush()

    def _handle(self, datagram: bytes, peer: Peer) -> None:
        try:
            messages = decode(datagram)
        except ConfigError as error:
            self._refuse(peer, str(error))
            return
        for address, values in messages:
            if first_word(address) in OUTGOING:
                continue
            answers = self._tried(partial(self._do, address, values, peer), [peer])
            if self._control.turned:
                self._turned_by[peer] = None
            if answers:
                self._send(peer, answers)

    def _do(self, address: str, values: Sequence[Argument], peer: Peer) -> list[Answer]:
        if address == f"{ROOT}/subscribe":
            return self._subscribe(peer, values)
        if address == f"{ROOT}/unsubscribe":
            self._subscribers.pop(peer, None)
            return []
        if not self._control.gathers(address):
            self._flush()
        return self._control.do(address, values)

    def _subscribe(self, peer: Peer, values: Sequence[Argument]) -> list[Answer]:
        seconds = values[0] if values else SUBSCRIPTION_S
        if isinstance(seconds, str) or not 0 < seconds <= _LONGEST_SUBSCRIPTION_S:
            raise ConfigError(
                f"A subscription for {shown(seconds)} was asked for, but it lasts at most "
                f"{_LONGEST_SUBSCRIPTION_S:g} seconds: ask again before it ends."
            )
        if peer not in self._subscribers and len(self._subscribers) == _MOST_SUBSCRIBERS:
            raise ConfigError(f"{_MOST_SUBSCRIBERS} others have subscribed already: wait until one of them ends.")
        if not self._subscribers:
            self._next_meters = self._clock()
        known = self._subscribers.setdefault(peer, _Subscriber(0.0))
        known.until = self._clock() + seconds
        return []

    def _send_meters(self) -> None:
        now = self._clock()
        if not self._subscribers or now < self._next_meters:
            return
        self._next_meters = now + 1 / METERS_PER_S
        self._subscribers = {peer: known for peer, known in self._subscribers.items() if known.until > now}
        if not self._subscribers:
            return
        everybody = list(self._subscribers)
        values = dict(self._tried(lambda: list(self._control.values().items()), everybody) or ())
        meters = self._tried(self._control.meters, everybody) or []
        for peer, known in self._subscribers.items():
            changed = [(address, value) for address, value in values.items() if known.sent.get(address) != value]
            known.sent = values
            if meters or changed:
                self._send(peer, [*meters, *changed])

    def _flush(self) -> None:
        """Hand over what was turned; when that fails, all who turned something hear of it."""
        peers, self._turned_by = list(self._turned_by), {}
        self._tried(self._control.flush, peers)

    def _tried(self, work: Callable[[], _T], peers: Sequence[Peer]) -> _T | None:
        """What `work` gives; where it fails, None, and `peers` hear why."""
        try:
            return work()
        except RetimbreError as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001  # a defect of the session must not end the listening
            sentence = f"A defect stopped this request ({type(error).__name__}: {error}): report it if it comes back."
        for peer in peers:
            self._refuse(peer, sentence)
        return None

    def _refuse(self, peer: Peer, sentence: str) -> None:
        now = self._clock()
        self._errors_left = min(_ERRORS_PER_S, self._errors_left + (now - self._errors_at) * _ERRORS_PER_S)
        self._errors_at = now
        if self._errors_left >= 1.0:
            self._errors_left -= 1.0
            self._send(peer, [(f"{ROOT}/error", (sentence,))])

    def _send(self, peer: Peer, answers: Sequence[Answer]) -> None:
        # A datagram may be lost anyway: nobody there, no route, a full buffer.
        with contextlib.suppress(OSError):
            self._socket.sendto(encode(answers), peer)


def _listening(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise ConfigError(f"The OSC port is {port}, but it must be from 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except (OSError, UnicodeError):
        raise ConfigError(f"The OSC host {host!r} is not known: give an address of this machine, or 0.0.0.0.") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise DeviceError(
            f"OSC cannot listen on {host} port {port} ({error.strerror}): choose another port, or end the program "
            "that has it."
        ) from None
    listening.setblocking(False)
    return listening
