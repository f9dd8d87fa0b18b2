"""Many participants at once, over HTTP, and a count of what was stored; as a program it prints figures.

    python -m tests.trainer.listen_load STUDY --participants 50       a fresh study; serves it in a process of its own

Each participant is a thread with a connection of its own that does what a browser does: consent, instructions, every
sound, every answer; every answer is sent twice, the second time with other ratings, as by one who clicks twice.
"""

from __future__ import annotations

import argparse
import http.client
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.trainer.listen_material import hidden, questions, sounds
from trainer.listening.answers import Trial, find, open_answers

Answers = dict[tuple[int, int], dict[str, int]]


@dataclass(slots=True)
class Visitor:
    """One participant with a browser's memory."""

    port: int
    seed: int
    with_sounds: bool = True
    key: str = ""
    answers: Answers = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)  # of each answer, until it is told to be stored
    requests: int = 0
    held_back: int = 0
    _cookie: str = ""
    _heard: set[str] = field(default_factory=set)
    _connection: http.client.HTTPConnection | None = None

    def visit(self) -> Visitor:
        """From the first page to the last."""
        chance = random.Random(self.seed)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        page = self._page("GET", "/")
        self._page("POST", "/", {"csrf_token": hidden(page, "csrf_token"), "agreed": "y"}, expected=302)
        page = self._page("GET", "/instructions")
        found = re.search(r"/resume/([\w-]+)", page)
        assert found
        self.key = found[1]
        form = {"csrf_token": hidden(page, "csrf_token"), "listens_on": "headphones"}
        self._page("POST", "/instructions", form, expected=302)
        while True:
            status, page = self._ask("GET", "/trial")
            if status == 302:
                break
            if self.with_sounds:
                for sound in set(sounds(page)) - self._heard:
                    assert self._ask("GET", sound)[0] == 200
                    self._heard.add(sound)
            section, position = (int(part) for part in hidden(page, "place").split("."))
            ratings = {question: chance.randint(1, 5) for question in questions(page)}
            form = {"csrf_token": hidden(page, "csrf_token"), "place": f"{section}.{position}", "plays": "1"}
            start = time.perf_counter()
            self._page("POST", "/trial", form | _texts(ratings), expected=302)
            self.seconds.append(time.perf_counter() - start)
            self.answers[section, position] = ratings
            again = {question: chance.randint(1, 5) for question in ratings}
            self._page("POST", "/trial", form | _texts(again), expected=302)
        assert "every clip is rated" in self._page("GET", "/thanks").lower()
        self._connection.close()
        return self

    def _page(self, method: str, path: str, form: Mapping[str, str] | None = None, *, expected: int = 200) -> str:
        status, page = self._ask(method, path, form)
        assert status == expected, f"{method} {path} gave {status}: {page[-300:]}"
        return page

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        assert self._connection is not None
        headers = {"Cookie": self._cookie} if self._cookie else {}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        while True:
            self._connection.request(method, path, urlencode(form) if form is not None else None, headers)
            response = self._connection.getresponse()
            content = response.read()
            self.requests += 1
            if cookie := response.getheader("Set-Cookie"):
                self._cookie = cookie.partition(";")[0]
            if response.status != 429:
                return response.status, content.decode("utf-8", "replace")
            self.held_back += 1  # as a person would: wait, and do it again
            time.sleep(float(response.getheader("Retry-After") or 1))


def _texts(ratings: Mapping[str, int]) -> dict[str, str]:
    return {question: str(value) for question, value in ratings.items()}


def visit_at_once(port: int, participants: int, *, with_sounds: bool = True) -> list[Visitor]:
    """All of them from beginning to end, at the same time."""
    visitors = [Visitor(port, seed, with_sounds) for seed in range(participants)]
    with ThreadPoolExecutor(participants) as pool:
        return list(pool.map(Visitor.visit, visitors))


def stored(folder: Path, key: str) -> Answers:
    """What the study has of one participant."""
    engine = open_answers(folder)
    try:
        with Session(engine) as session:
            participant = find(session, key)
            assert participant is not None
            rows = session.scalars(
                select(Trial).where(Trial.participant_id == participant.id, Trial.answered_at.is_not(None))
            )
            return {
                (one.section, one.position): {
                    name: value for name, value in (("content", one.content), ("style", one.style)) if value is not None
                }
                for one in rows
            }
    finally:
        engine.dispose()


def main() -> None:
    """Print figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("study", type=Path)
    parser.add_argument("--participants", type=int, default=50)
    asked = parser.parse_args()
    command = [sys.executable, "-m", "realtime.cli", "listen", "serve", str(asked.study), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r":(\d+)/", server.stdout.readline())
            assert address
            start = time.perf_counter()
            visitors = visit_at_once(int(address[1]), asked.participants)
            seconds = time.perf_counter() - start
        finally:
            server.terminate()
    lost = sum(stored(asked.study, one.key) != one.answers for one in visitors)
    given = sum(len(one.answers) for one in visitors)
    waits = np.quantile([wait for one in visitors for wait in one.seconds], [0.5, 0.95, 1.0]) * 1000
    requests = sum(one.requests for one in visitors)
    lines = (
        f"{asked.participants} participants at once, {given} answers, each sent twice, {requests} requests",
        f"{seconds:.1f} s: {requests / seconds:.0f} requests and {given / seconds:.0f} answers a second",
        f"an answer is stored after {waits[0]:.0f} ms (median), {waits[1]:.0f} ms (95 %), {waits[2]:.0f} ms (slowest)",
        f"held back by the rate limit: {sum(one.held_back for one in visitors)} requests",
        f"participants with an answer lost: {lost}",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
