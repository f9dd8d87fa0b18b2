"""Serving a study: one process, a few threads (waitress), on this machine alone unless told otherwise.

Eight threads and fifty participants on two cores: the answers' lock is held for milliseconds, and who waits for a
thread waits in waitress's queue, where nothing is lost.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realtime.errors import ConfigError
from trainer.listening.limits import LIMITS, Limit

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


def start_server(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    threads: int = THREADS,
    behind_https: bool = False,
    names: Sequence[str] = (),
    limits: Mapping[str, Limit] = LIMITS,
) -> Any:
    """A waitress server that listens already; its `run()` serves until its `close()`.

    names: host names by which browsers may call it; on loopback those of this machine. Port 0: a free one, found in
    `effective_port`. Raises DataError or ConfigError.
    """
    import waitress

    from trainer.listening.web import create_app

    trusted = [*names, *(LOOPBACK_NAMES if is_loopback(host) else ())] if names or is_loopback(host) else None
    app = create_app(folder, behind_https=behind_https, trusted_hosts=trusted, limits=limits)
    # Its warnings say that a thread was waited for: fifty people at once are no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        return waitress.create_server(
            app, host=host, port=port, threads=threads, ident="retimbre", clear_untrusted_proxy_headers=True,
            connection_limit=1000, channel_timeout=60, max_request_body_size=64 * 1024,
            max_request_header_size=32 * 1024, **(_PROXY if behind_https else {}),
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The address {host}, port {port}, cannot be listened on ({error}): choose another with --host or --port."
        ) from error
