from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from realtime.errors import ConfigError, DataError
from tests.trainer.listen_load import stored, visit_at_once
from tests.trainer.listen_material import make
from trainer.listening import answers
from trainer.listening.answers import Trial, begin, database_path, new_key, open_answers, rate
from trainer.listening.server import is_loopback, start_server
from trainer.listening.study import read_study, secret_key, sound_path

BOTH = """
[[section]]
title = "Notes and sound"
ask = "both"
clips = 4
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of four clips that asks both questions of each."""
    return make(tmp_path_factory.mktemp("answers"), BOTH)


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    """Its answers."""
    engine = open_answers(folder)
    yield engine
    engine.dispose()


def test_fifty_at_once_lose_no_answer(folder: Path) -> None:
    """Fifty on eight threads of a real server send each answer twice: all are stored, the first of each."""
    server = start_server(folder)
    serving = Thread(target=server.run)
    serving.start()
    try:
        visitors = visit_at_once(server.port, 50, with_sounds=False)
    finally:
        server.stop()
        serving.join(timeout=30)
    assert not serving.is_alive()
    assert len({one.key for one in visitors}) == 50
    for one in visitors:
        assert len(one.answers) == 4 and all(set(ratings) == {"content", "style"} for ratings in one.answers.values())
        assert stored(folder, one.key) == one.answers


def test_of_many_that_rate_the_same_trial_one_is_first(folder: Path, engine: Engine) -> None:
    """Twenty threads rate one trial differently at the same moment: one is stored, and it is the one that stands."""
    key, study = new_key(), read_study(folder)
    with Session(engine) as session:
        participant = begin(session, study, key).id
    barrier = threading.Barrier(20)

    def send(number: int) -> tuple[str, int]:
        rating = 1 + number % 5
        with Session(engine) as session:
            barrier.wait(timeout=60)
            return rate(session, participant, 1, 1, {"content": rating, "style": rating}, 1), rating

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(send, range(20)))
    assert Counter(outcome for outcome, _ in outcomes) == {"stored": 1, "already": 19}
    (first,) = (rating for outcome, rating in outcomes if outcome == "stored")
    assert stored(folder, key) == {(1, 1): {"content": first, "style": first}}


def test_a_consent_sent_many_times_begins_once(folder: Path, engine: Engine) -> None:
    """Ten threads that begin with one key at the same moment make one participant with one set of trials."""
    key, study = new_key(), read_study(folder)
    barrier = threading.Barrier(10)

    def start(_number: int) -> int:
        with Session(engine) as session:
            barrier.wait(timeout=60)
            return begin(session, study, key).id

    with ThreadPoolExecutor(10) as pool:
        (participant,) = set(pool.map(start, range(10)))
    with Session(engine) as session:
        assert session.scalar(select(func.count(Trial.id)).where(Trial.participant_id == participant)) == 4


def test_a_writer_waits_for_another(folder: Path, engine: Engine) -> None:
    """While another process holds the lock an answer waits; it is stored when the lock is given back."""
    key = new_key()
    with Session(engine) as session:
        participant = begin(session, read_study(folder), key).id
    other = sqlite3.connect(database_path(folder), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcome: list[str] = []

    def send() -> None:
        with Session(engine) as session:
            outcome.append(rate(session, participant, 1, 2, {"content": 3, "style": 3}, 1))

    waiting = Thread(target=send)
    waiting.start()
    waiting.join(timeout=0.3)
    assert waiting.is_alive() and not outcome
    other.execute("COMMIT")
    other.close()
    waiting.join(timeout=60)
    assert outcome == ["stored"] and stored(folder, key) == {(1, 2): {"content": 3, "style": 3}}


def test_an_answer_is_on_the_disk_before_it_counts(engine: Engine) -> None:
    """The log is written ahead and synchronised at each commit, and a writer waits for half a minute."""
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        }
        busy = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert (pragmas, busy) == ({"journal_mode": "wal", "synchronous": 2}, 1000 * answers.BUSY_SECONDS)


def test_the_database_refuses_what_is_no_rating(folder: Path, engine: Engine) -> None:
    """Even past the forms, a rating outside 1 to 5 cannot be stored."""
    from sqlalchemy.exc import IntegrityError

    with Session(engine) as session:
        participant = begin(session, read_study(folder), new_key()).id
        with pytest.raises(IntegrityError):
            rate(session, participant, 1, 1, {"content": 6}, 1)


def test_a_server_is_on_loopback_unless_told(folder: Path) -> None:
    """Without a host only this machine can reach the server; a host or port that cannot be had is a sentence."""
    server = start_server(folder)
    assert server.host == "127.0.0.1" and is_loopback(server.host)
    with pytest.raises(ConfigError, match="cannot be listened on"):
        start_server(folder, port=server.port)
    server.close()
    assert not is_loopback("192.0.2.1") and not is_loopback("study.example") and is_loopback("::1")


def test_a_damaged_study_is_refused(tmp_path: Path) -> None:
    """A folder that is no study, lacks a sound, is of a newer form or has half a key is refused with what to do."""
    with pytest.raises(DataError, match="retimbre listen create"):
        read_study(tmp_path)
    folder = make(tmp_path)
    text = (folder / "study.json").read_text(encoding="utf-8")
    (folder / "study.json").write_text(text.replace('"format": 1', '"format": 2'), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"study\.format is 2"):
        read_study(folder)
    (folder / "study.json").write_text(text[:-20], encoding="utf-8")
    with pytest.raises(DataError, match="is damaged"):
        read_study(folder)
    (folder / "study.json").write_text(text, encoding="utf-8")
    (folder / "secret.key").write_bytes(b"short")
    with pytest.raises(DataError, match="holds 5 bytes, expected 32"):
        secret_key(folder)
    sound_path(folder, min(read_study(folder).sounds)).unlink()
    with pytest.raises(DataError, match="lacks 1 of"):
        read_study(folder)
