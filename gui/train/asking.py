"""Work in the background for a widget that may be gone when the answer comes. GUI thread.

ask(self, bridge, lambda: read(path), self.show)     nobody is told when `self` was deleted meanwhile
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from PyQt6 import sip
from PyQt6.QtCore import QObject

if TYPE_CHECKING:
    from gui.bridge import Bridge

T = TypeVar("T")


def ask(
    owner: QObject,
    bridge: Bridge,
    work: Callable[[], T],
    then: Callable[[T], None],
    failed: Callable[[str], None] | None = None,
) -> None:
    """`bridge.in_background`, whose answers reach `owner` only while it lives."""

    def tell(result: T) -> None:
        if not sip.isdeleted(owner):
            then(result)

    def tell_failed(sentence: str) -> None:
        if failed is not None and not sip.isdeleted(owner):
            failed(sentence)

    bridge.in_background(work, tell, None if failed is None else tell_failed)
