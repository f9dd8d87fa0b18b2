"""Serving a study: one process, a few threads (waitress), on this machine alone unless told otherwise.

Eight threads and fifty participants on two cores: the answers' lock is held for milliseconds, and who waits for a
thread waits in waitress's queue, where nothing is lost.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realtime.errors import ConfigError
from trainer.listening.limits import LIMITS, Limit

if TYPE_CHECKING:
    from flask import Flask

THREADS = 8
_FORWARDED = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
_PROXY: dict[str, Any] = {"trusted_proxy": "*", "trusted_proxy_headers": _FORWARDED}
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Server:
    """A study that is listened for already, and answered while `run` runs."""

    def __init__(self, waiting: Any, sockets: dict[int, Any], app: Flask) -> None:
        self._waiting, self._sockets, self._app = waiting, sockets, app
        several = getattr(waiting, "effective_listen", None)  # a name may stand for several addresses
        self.host, port = several[0] if several else (waiting.effective_host, waiting.effective_port)
        self.port = int(port)

    def run(self) -> None:
        """Serve until `stop` or Ctrl-C; then what is being answered is answered, and everything is closed."""
        try:
            self._waiting.run()
        finally:
            self.close()

    def stop(self) -> None:
        """End `run`, from any thread."""
        for one in list(self._sockets.values()):
            if hasattr(one, "pull_trigger"):
                one.pull_trigger(self._end)
                return

    def close(self) -> None:
        """Give back port, threads and database."""
        self._waiting.task_dispatcher.shutdown(cancel_pending=False)
        self._end()
        _give_back(self._app)

    def _end(self) -> None:
        # The loop runs for as long as it has a socket.
        for one in list(self._sockets.values()):
            one.close()


def _give_back(app: Flask) -> None:
    with app.app_context():
        app.extensions["retimbre-listen"].database.engine.dispose()


def start_server(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    threads: int = THREADS,
    behind_https: bool = False,
    names: Sequence[str] = (),
    limits: Mapping[str, Limit] = LIMITS,
) -> Server:
    """A server that listens already, with its `run` still to be called.

    names: host names by which browsers may call it; on loopback those of this machine. Port 0: a free one. Raises
    DataError when the folder is no study, ConfigError when the address cannot be had.
    """
    import waitress

    from trainer.listening.web import create_app

    trusted = [*names, *(LOOPBACK_NAMES if is_loopback(host) else ())] if names or is_loopback(host) else None
    app = create_app(folder, behind_https=behind_https, trusted_hosts=trusted, limits=limits)
    # Its warnings say that a thread was waited for: fifty people at once are no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    sockets: dict[int, Any] = {}
    try:
        waiting = waitress.create_server(
            app, map=sockets, host=host, port=port, threads=threads, ident="retimbre",
            clear_untrusted_proxy_headers=True, connection_limit=1000, channel_timeout=60,
            max_request_body_size=64 * 1024, max_request_header_size=32 * 1024, **(_PROXY if behind_https else {}),
        )  # fmt: skip
    except (OSError, ValueError) as error:
        for one in list(sockets.values()):
            one.close()
        _give_back(app)
        raise ConfigError(
            f"The address {host}, port {port}, cannot be listened on ({error}): choose another with --host or --port."
        ) from error
    return Server(waiting, sockets, app)
