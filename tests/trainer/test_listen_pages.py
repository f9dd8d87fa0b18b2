from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tests.trainer.listen_load import stored
from tests.trainer.listen_material import SHORT, hidden, make, questions, sounds
from trainer.listening.answers import Participant, Trial, open_answers
from trainer.listening.limits import Buckets, Limit
from trainer.listening.study import read_study
from trainer.listening.web import HEADERS, create_app


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Path]]:
    """A study of four clips a section, and its application."""
    folder = make(tmp_path_factory.mktemp("pages"), SHORT)
    app = create_app(folder, trusted_hosts=["localhost"])
    yield app, folder
    close(app)


@pytest.fixture
def folder(serving: tuple[Flask, Path]) -> Path:
    """The study, without answers of other tests."""
    engine = open_answers(serving[1])
    with engine.begin() as connection:
        connection.execute(delete(Participant))
    engine.dispose()
    return serving[1]


@pytest.fixture
def app(serving: tuple[Flask, Path], folder: Path) -> Flask:
    """Its application."""
    return serving[0]


def close(app: Flask) -> None:
    """Close the connections to its answers."""
    with app.app_context():
        app.extensions["retimbre-listen"].database.engine.dispose()


def consent(client: FlaskClient) -> str:
    """Agree and say what one listens with; the key of the resume link."""
    page = client.get("/").text
    assert client.post("/", data={"csrf_token": hidden(page, "csrf_token"), "agreed": "y"}).location == "/instructions"
    page = client.get("/instructions").text
    form = {"csrf_token": hidden(page, "csrf_token"), "listens_on": "headphones"}
    assert client.post("/instructions", data=form).location == "/trial"
    found = re.search(r"/resume/([\w-]+)", page)
    assert found
    return found[1]


def form_of(page: str, rating: str = "4") -> dict[str, str]:
    """What a browser sends from a trial's page."""
    form = {"csrf_token": hidden(page, "csrf_token"), "place": hidden(page, "place"), "plays": "2"}
    return form | dict.fromkeys(questions(page), rating)


def count(folder: Path, what: type[Participant | Trial]) -> int:
    """Rows of a table."""
    engine = open_answers(folder)
    with Session(engine) as session:
        found = session.scalar(select(func.count()).select_from(what)) or 0
    engine.dispose()
    return found


def test_nothing_is_stored_before_consent(app: Flask, folder: Path) -> None:
    """Without the box ticked the page comes back with a sentence, and there is no participant."""
    client = app.test_client()
    answer = client.post("/", data={"csrf_token": hidden(client.get("/").text, "csrf_token")})
    assert answer.status_code == 422 and "Tick the box" in answer.text
    assert count(folder, Participant) == 0
    assert [client.get(page).location for page in ("/instructions", "/trial", "/thanks", "/withdraw")] == ["/"] * 4


def test_a_participant_rates_every_clip_once(app: Flask, folder: Path) -> None:
    """The pages lead through both sections, ask each one's question, and end with a code; all answers are stored."""
    client = app.test_client()
    key, asked = consent(client), []
    while (page := client.get("/trial")).status_code == 200:
        asked.append((hidden(page.text, "place"), *questions(page.text)))
        for sound in sounds(page.text):
            with client.get(sound) as answer:
                assert answer.status_code == 200
        assert client.post("/trial", data=form_of(page.text)).location == "/trial"
    assert page.location == "/thanks"
    content = [(f"1.{position}", "content") for position in range(1, 5)]
    assert asked == [*content, *((f"2.{position}", "style") for position in range(1, 5))]
    assert re.search(r"<code[^>]*>[0-9A-F]{8}</code>", client.get("/thanks").text)
    expected = {(1, position): {"content": 4} for position in range(1, 5)}
    assert stored(folder, key) == expected | {(2, position): {"style": 4} for position in range(1, 5)}


def test_no_page_gives_a_system_away(app: Flask, folder: Path) -> None:
    """No page of a trial names a system, a clip, the reference or the anchor."""
    client = app.test_client()
    consent(client)
    words = {"flow", "unet", "piece 0", "piece 1", "reference", "anchor"}
    while (page := client.get("/trial")).status_code == 200:
        assert not [word for word in words if word in page.text]
        client.post("/trial", data=form_of(page.text))


def test_one_comes_back_by_the_link(app: Flask, folder: Path) -> None:
    """On another device, the link leads to the first clip that is not rated; a made-up link leads nowhere."""
    client, other = app.test_client(), app.test_client()
    key = consent(client)
    client.post("/trial", data=form_of(client.get("/trial").text))
    assert other.get("/trial").location == "/"
    assert other.get(f"/resume/{key}").location == "/trial"
    page = other.get("/trial").text
    assert hidden(page, "place") == "1.2"
    other.post("/trial", data=form_of(page, "1"))
    assert hidden(client.get("/trial").text, "place") == "1.3"
    assert other.get(f"/resume/{key[:-1]}x").status_code == 404


def test_an_answer_sent_twice_counts_once(app: Flask, folder: Path) -> None:
    """The first answer stands, the second is answered as if it were stored, and a consent sent twice begins once."""
    client = app.test_client()
    consent_form = {"csrf_token": hidden(client.get("/").text, "csrf_token"), "agreed": "y"}
    assert {client.post("/", data=consent_form).location for _ in range(2)} <= {"/instructions", "/trial"}
    assert count(folder, Participant) == 1
    key = consent_key(client)
    page = client.get("/trial").text
    assert [client.post("/trial", data=form_of(page, rating)).location for rating in "25"] == ["/trial"] * 2
    assert stored(folder, key) == {(1, 1): {"content": 2}}


def consent_key(client: FlaskClient) -> str:
    """For one who has agreed: say what one listens with; the key."""
    page = client.get("/instructions").text
    client.post("/instructions", data={"csrf_token": hidden(page, "csrf_token"), "listens_on": "built-in"})
    found = re.search(r"/resume/([\w-]+)", page)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "spoilt",
    [{"content": "6"}, {"content": "0"}, {"content": "4; DROP"}, {"content": ""}, {"plays": "many"}, {"plays": "-1"}],
)
def test_only_one_of_five_answers_is_taken(app: Flask, folder: Path, spoilt: dict[str, str]) -> None:
    """Anything else is refused, the same clip is asked for again, and nothing is stored."""
    client = app.test_client()
    key = consent(client)
    page = client.get("/trial").text
    answer = client.post("/trial", data=form_of(page) | spoilt)
    assert answer.status_code == 422 and hidden(answer.text, "place") == "1.1"
    assert stored(folder, key) == {}


@pytest.mark.parametrize("wrong", ["", "1", "3.1", "0.1", "1.99", "²,1", "1.1.1", "1.-1", "9" * 5000])
def test_a_made_up_place_is_refused(app: Flask, folder: Path, wrong: str) -> None:
    """A trial that the participant does not have is refused, and nothing is stored."""
    client = app.test_client()
    key = consent(client)
    page = client.get("/trial").text
    assert client.post("/trial", data=form_of(page) | {"place": wrong}).status_code == 400
    assert stored(folder, key) == {}


def test_what_another_site_sends_is_refused(app: Flask, folder: Path) -> None:
    """A form without this site's token, or with another participant's, stores and deletes nothing."""
    client, other = app.test_client(), app.test_client()
    key = consent(client)
    consent(other)
    page = client.get("/trial").text
    for token in ("", hidden(other.get("/trial").text, "csrf_token")):
        assert client.post("/trial", data=form_of(page) | {"csrf_token": token}).status_code == 400
        assert client.post("/withdraw", data={"csrf_token": token}).status_code == 400
    assert stored(folder, key) == {} and count(folder, Participant) == 2


@pytest.mark.parametrize(
    "asked",
    [
        "../study.json",
        "..%2Fstudy.json",
        "%2e%2e/secret.key",
        "/etc/passwd",
        "study.json",
        "answers.sqlite",
        "a" * 32,
        "%00",
    ],
)
def test_only_sounds_of_the_study_are_served(app: Flask, asked: str) -> None:
    """Nothing that a browser asks for becomes part of a path: what is not the name of a sound is not there."""
    client = app.test_client()
    consent(client)
    assert client.get(f"/clip/{asked}").status_code == 404


def test_sounds_need_a_participants_cookie_and_can_be_heard_in_part(app: Flask, folder: Path) -> None:
    """Without a cookie there is no sound; with one it is FLAC, and a range of it is answered, so that one can seek."""
    identity = next(iter(read_study(folder).sounds))
    assert app.test_client().get(f"/clip/{identity}").status_code == 404
    client = app.test_client()
    consent(client)
    answer = client.get(f"/clip/{identity}", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.data, answer.mimetype) == (206, b"fLaC", "audio/flac")
    answer.close()


def test_every_answer_carries_the_security_headers(app: Flask) -> None:
    """Pages, errors, sounds and styles carry them; nothing on a page comes from elsewhere or is inline."""
    client = app.test_client()
    pages = [client.get("/"), client.get("/nothing"), client.get("/static/listen.js"), client.post("/trial")]
    consent(client)
    pages += [client.get("/instructions"), client.get("/trial")]
    for page in pages:
        assert {name: page.headers.get(name) for name in HEADERS} == HEADERS
        if page.mimetype == "text/html":
            assert not re.findall(r"(?:src|href|action)=\"(?:https?:)?//", page.text)
            assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
            assert page.headers["Cache-Control"] == "no-store"
        page.close()
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("behind_https", [False, True])
def test_cookies_are_safe(folder: Path, behind_https: bool) -> None:
    """No script can read the cookie, no other site's form sends it, and behind HTTPS it never travels without."""
    app = create_app(folder, behind_https=behind_https)
    page = app.test_client().get("/", base_url=f"http{'s' * behind_https}://localhost")
    (cookie,) = page.headers.getlist("Set-Cookie")
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and ("; Secure" in cookie) is behind_https
    assert ("Strict-Transport-Security" in page.headers) is behind_https
    close(app)


def test_an_unknown_host_name_is_refused(app: Flask) -> None:
    """A page of another site cannot reach the loopback server under that site's name."""
    answer = app.test_client().get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400 and "another name" in answer.text


def test_large_forms_are_refused(app: Flask) -> None:
    """A form of more than 16 KiB is refused unread, with a sentence."""
    client = app.test_client()
    answer = client.post("/", data={"agreed": "y", "more": "x" * 20_000})
    assert answer.status_code == 413 and "more than an answer can hold" in answer.text


def test_floods_wait(folder: Path) -> None:
    """Who asks too often is told how long to wait, in a sentence; another address is not held back."""
    app = create_app(folder, limits={name: Limit(3, 0.1) for name in ("address", "participant", "start", "resume")})
    client = app.test_client()
    answers = [client.get("/nothing") for _ in range(5)]
    assert [one.status_code for one in answers] == [404, 404, 404, 429, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 11 and "wait a little" in answers[-1].text
    assert client.get("/", environ_overrides={"REMOTE_ADDR": "10.0.0.9"}).status_code == 200
    close(app)


def test_a_bucket_fills_again_and_forgets_no_one_early() -> None:
    """Tokens come back with time, each asker has their own, and the wait that is told is long enough."""
    now = [0.0]
    buckets = Buckets({"page": Limit(2, 0.5)}, now=lambda: now[0])
    assert [buckets.seconds_to_wait("page", "a") for _ in range(3)] == [0, 0, 2.0]
    assert buckets.seconds_to_wait("page", "b") == 0
    now[0] = 2.0
    assert [buckets.seconds_to_wait("page", "a") for _ in range(2)] == [0, 2.0]


def test_one_can_withdraw(app: Flask, folder: Path) -> None:
    """After asking once more, every row of the participant is deleted, and the link leads nowhere."""
    client, other = app.test_client(), app.test_client()
    key = consent(client)
    consent(other)
    client.post("/trial", data=form_of(client.get("/trial").text))
    page = client.get("/withdraw").text
    assert count(folder, Participant) == 2
    assert "Deleted" in client.post("/withdraw", data={"csrf_token": hidden(page, "csrf_token")}).text
    assert (count(folder, Participant), count(folder, Trial)) == (1, 8)
    assert client.get(f"/resume/{key}").status_code == 404


def test_no_more_begin_than_are_wanted(folder: Path, tmp_path: Path) -> None:
    """When as many have begun as the study allows, the next is thanked and not stored; those who began go on."""
    full = tmp_path / "study"
    shutil.copytree(folder, full, ignore=shutil.ignore_patterns("answers*"))
    replace(read_study(full), most_participants=1).write(full)
    app = create_app(full)
    client, late = app.test_client(), app.test_client()
    consent(client)
    form = {"csrf_token": hidden(late.get("/").text, "csrf_token"), "agreed": "y"}
    answer = late.post("/", data=form)
    assert answer.status_code == 503 and "no more answers are needed" in answer.text
    assert client.get("/trial").status_code == 200 and count(full, Participant) == 1
    close(app)


def test_a_restart_loses_nobody(app: Flask, folder: Path) -> None:
    """With the server started anew, the same cookie and even the page that is open still work."""
    client = app.test_client()
    key = consent(client)
    page = client.get("/trial").text
    again = create_app(folder, trusted_hosts=["localhost"])
    after = again.test_client()
    cookie = client.get_cookie("retimbre_listen")
    assert cookie is not None
    after.set_cookie("retimbre_listen", cookie.value)
    assert after.post("/trial", data=form_of(page)).location == "/trial"
    assert stored(folder, key) == {(1, 1): {"content": 4}}
    close(again)


def test_the_key_file_is_its_owners(app: Flask, folder: Path) -> None:
    """The key that signs cookies can be read by its owner alone, and the answers hold no participant's key."""
    assert (folder / "secret.key").stat().st_mode & 0o077 == 0
    key = consent(app.test_client())
    assert not [path for path in folder.glob("answers.sqlite*") if key.encode() in path.read_bytes()]


def test_serving_needs_no_torch() -> None:
    """Making, serving and evaluating a listening test loads neither torch nor Qt."""
    modules = ("making", "web", "pages", "server", "report")
    code = "; ".join(f"import trainer.listening.{name}" for name in modules)
    code += "; import sys; print([name for name in ('torch', 'PyQt6', 'librosa') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"
