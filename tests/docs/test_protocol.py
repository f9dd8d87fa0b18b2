from __future__ import annotations

import re
from pathlib import Path

from realtime.messages import EVENTS, PROTOCOL, REQUESTS

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")


def test_the_page_lists_every_request_and_event() -> None:
    """The protocol's page names each request and each event once, no other, and the version."""
    requests, events = PAGE.split("| event |")
    assert set(re.findall(r"^\| `(\w+)` \|", requests, re.MULTILINE)) == set(REQUESTS)
    assert set(re.findall(r"^\| `(\w+)` \|", events, re.MULTILINE)) == set(EVENTS)
    assert f"version {PROTOCOL}" in PAGE and f'"retimbre": {PROTOCOL}' in PAGE
