"""The answers, in SQLite: who began, what each is to rate, and what was rated. Any thread, each with its own session.

    participant   key_hash (of the key in the resume link; the key itself is stored nowhere), code, listens_on, times
    trial         participant, section, position → stimulus; content, style (1–5), plays, answered_at once rated

All trials of a participant are written when they begin, so an answer is the update of one row that has none yet: sent
twice it is stored once, and the first stands. A transaction that writes takes the lock at its beginning (BEGIN
IMMEDIATE), because SQLite refuses, without waiting, one that reads first and finds the file changed when it writes;
others wait for it up to `BUSY_SECONDS`. The log is written ahead (WAL: pages are read meanwhile) and is on the disk
before an answer counts as stored.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import CheckConstraint, Engine, ForeignKey, UniqueConstraint, create_engine, delete, event, func, select
from sqlalchemy import update as update_of
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from realtime.errors import DataError
from trainer.listening import plan
from trainer.listening.study import Study

BUSY_SECONDS = 30
_WRITES = {"writes": True}
Outcome = Literal["stored", "already", "unknown"]


class StudyFullError(DataError):
    """As many have begun as the study allows."""


class Table(DeclarativeBase):
    """Of the tables below."""


class Participant(Table):
    """One person, known by nothing but a key."""

    __tablename__ = "participant"
    __table_args__ = ({"sqlite_autoincrement": True},)  # a number is not used again: it turns the plan

    id: Mapped[int] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(unique=True)
    code: Mapped[str]
    listens_on: Mapped[str | None]
    began_at: Mapped[str]
    finished_at: Mapped[str | None]


class Trial(Table):
    """One stimulus that a participant rates or has rated; its clip and condition are those of study.json."""

    __tablename__ = "trial"
    __table_args__ = (
        UniqueConstraint("participant_id", "section", "position"),
        CheckConstraint("content BETWEEN 1 AND 5"),
        CheckConstraint("style BETWEEN 1 AND 5"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    participant_id: Mapped[int] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    section: Mapped[int]
    position: Mapped[int]
    stimulus: Mapped[str]
    content: Mapped[int | None]
    style: Mapped[int | None]
    plays: Mapped[int | None]
    answered_at: Mapped[str | None]


def database_path(folder: Path) -> Path:
    """Where a study's answers lie."""
    return folder / "answers.sqlite"


def prepare(engine: Engine) -> None:
    """Give an engine's connections the settings of this module, and make the tables where there are none."""

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # Python's driver begins nothing by itself: `_begin` does
        for setting in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    with engine.connect().execution_options(**_WRITES) as connection, connection.begin():
        Table.metadata.create_all(connection)


def open_answers(folder: Path) -> Engine:
    """The answers of a study outside the web application. The caller disposes of the engine."""
    engine = create_engine(f"sqlite:///{database_path(folder)}", connect_args={"timeout": BUSY_SECONDS})
    prepare(engine)
    return engine


def hashed(key: str) -> str:
    """What of a key is stored: keys are 256 random bits, so a plain hash cannot be undone."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    """A key for one who is about to begin."""
    return secrets.token_urlsafe(32)


def find(session: Session, key: str | None) -> Participant | None:
    """Whose key this is."""
    return session.scalar(select(Participant).where(Participant.key_hash == hashed(key))) if key else None


def begin(session: Session, study: Study, key: str) -> Participant:
    """The participant of this key, with all trials; made now unless there already. Raises StudyFullError."""
    _writing(session)
    if there := find(session, key):
        session.commit()
        return there
    if (session.scalar(select(func.count(Participant.id))) or 0) >= study.most_participants:
        session.rollback()
        raise StudyFullError("As many people as were asked for have taken part: thank you, no more answers are needed.")
    participant = Participant(key_hash=hashed(key), code=secrets.token_hex(4).upper(), began_at=_now())
    session.add(participant)
    session.flush()
    for number, section in enumerate(study.sections, 1):
        stimuli = plan.trials(section, participant.id - 1, study.seed)
        session.add_all(
            Trial(participant_id=participant.id, section=number, position=position, stimulus=one.identity)
            for position, one in enumerate(stimuli, 1)
        )
    session.commit()
    return participant


def set_listens_on(session: Session, participant: int, listens_on: str) -> None:
    """Note what the participant listens with."""
    _writing(session)
    session.execute(update_of(Participant).where(Participant.id == participant).values(listens_on=listens_on))
    session.commit()


def next_trial(session: Session, participant: int) -> Trial | None:
    """The first trial that is not rated yet; None when all are."""
    asked = select(Trial).where(Trial.participant_id == participant, Trial.answered_at.is_(None))
    return session.scalar(asked.order_by(Trial.section, Trial.position).limit(1))


def counts(session: Session, participant: int, section: int) -> tuple[int, int]:
    """Of how many trials the participant's section consists, and of how many all sections do."""
    asked = select(Trial.section, func.count(Trial.id)).where(Trial.participant_id == participant)
    found = {number: count for number, count in session.execute(asked.group_by(Trial.section))}  # noqa: C416 -- typed rows
    return found.get(section, 0), sum(found.values())


def rate(
    session: Session, participant: int, section: int, position: int, ratings: Mapping[str, int], plays: int
) -> Outcome:
    """Store the ratings (question → 1 to 5) of one trial: once; what is there already stands."""
    _writing(session)
    here = (Trial.participant_id == participant, Trial.section == section, Trial.position == position)
    values = {**ratings, "plays": plays, "answered_at": _now()}
    changed: Any = session.execute(update_of(Trial).where(*here, Trial.answered_at.is_(None)).values(**values))
    outcome: Outcome = "stored"
    if changed.rowcount == 0:
        outcome = "already" if session.scalar(select(Trial.id).where(*here)) else "unknown"
    elif next_trial(session, participant) is None:
        session.execute(update_of(Participant).where(Participant.id == participant).values(finished_at=_now()))
    session.commit()
    return outcome


def withdraw(session: Session, participant: int) -> None:
    """Delete a participant and every answer."""
    _writing(session)
    session.execute(delete(Participant).where(Participant.id == participant))
    session.commit()


def _writing(session: Session) -> None:
    """Begin a transaction that writes; what was read before it is forgotten, because others may have written since."""
    session.rollback()
    session.connection(execution_options=_WRITES)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
