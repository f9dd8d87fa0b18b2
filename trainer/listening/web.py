"""The web application of a study: settings, guards and headers; the pages themselves are in trainer.listening.pages.

    request ─▶ trusted host? ─▶ rate limit ─▶ size limit ─▶ CSRF ─▶ page ─▶ security headers

Runs in the server's threads. Nothing is fetched from elsewhere, and no script or style stands inside a page, so the
content security policy allows neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, render_template, request, session
from flask_bootstrap import Bootstrap5
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException, SecurityError

from trainer.listening.answers import BUSY_SECONDS, Table, database_path, prepare
from trainer.listening.limits import LIMITS, Buckets, Limit
from trainer.listening.study import Study, read_study, secret_key

LARGEST_FORM_BYTES = 16 * 1024
DAYS_TO_RESUME = 60
HEADERS: dict[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
# What went wrong, for one who only wants to rate sounds. None of these sentences holds anything from the request.
SENTENCES: dict[int, str] = {
    400: "Your browser sent something that this page does not understand; load the page again and try once more.",
    404: "There is no such page here; your answers are kept.",
    405: "There is no such page here; your answers are kept.",
    413: "Your browser sent more than an answer can hold; load the page again and try once more.",
    429: "There were too many requests in a short time; wait a little and load the page again. Your answers are kept.",
    500: "Something broke on our side; load the page again. Your earlier answers are kept.",
    503: "As many people as were asked for have taken part: thank you, no more answers are needed.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """What the pages need beside the request: the study, where it lies, its answers, and how often one may ask."""

    folder: Path
    study: Study
    buckets: Buckets
    database: SQLAlchemy = field(default_factory=lambda: SQLAlchemy(model_class=Table, disable_autonaming=True))


def place() -> Place:
    """Of the application that handles this request."""
    found: Place = current_app.extensions["retimbre-listen"]
    return found


def create_app(
    folder: Path,
    *,
    behind_https: bool = False,
    trusted_hosts: Sequence[str] | None = None,
    limits: Mapping[str, Limit] = LIMITS,
) -> Flask:
    """The application of the study in `folder`.

    behind_https: browsers come by HTTPS (the server knows the proxy that speaks it), so cookies are Secure.
    trusted_hosts: names by which it may be called, None any. Raises DataError when the folder is no study.
    """
    from trainer.listening.pages import pages

    folder = folder.resolve()
    study = read_study(folder)
    app = Flask(__name__, static_folder="static", template_folder="templates")
    app.config.update(
        SECRET_KEY=secret_key(folder),
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{database_path(folder)}",
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": BUSY_SECONDS}},
        BOOTSTRAP_SERVE_LOCAL=True,
        MAX_CONTENT_LENGTH=LARGEST_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=LARGEST_FORM_BYTES,
        MAX_FORM_PARTS=32,
        SESSION_COOKIE_NAME="retimbre_listen",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",  # Strict would lose the place of who comes by a link in a mail
        SESSION_COOKIE_SECURE=behind_https,
        PERMANENT_SESSION_LIFETIME=timedelta(days=DAYS_TO_RESUME),
        SESSION_REFRESH_EACH_REQUEST=False,  # a sound that arrives late must not bring an older cookie back
        WTF_CSRF_TIME_LIMIT=None,  # as long as the cookie: one may pause over lunch in the middle of a trial
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1),
        TRUSTED_HOSTS=list(trusted_hosts) if trusted_hosts else None,
    )
    here = Place(folder, study, Buckets(limits))
    app.extensions["retimbre-listen"] = here
    here.database.init_app(app)
    Bootstrap5(app)
    app.before_request(_hold_back_floods)
    app.after_request(_with_headers)
    app.register_error_handler(HTTPException, _in_a_sentence)
    # After the limit, so that a flood does not cost the check of a token.
    CSRFProtect(app)
    app.register_blueprint(pages)
    app.jinja_env.globals["study"] = study
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    with app.app_context():
        prepare(here.database.engine)
    return app


class TooManyRequests(HTTPException):
    """429 with the time to wait."""

    code = 429
    description = SENTENCES[429]

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def get_headers(self, *_arguments: Any) -> list[tuple[str, str]]:
        """Say when to come back."""
        return [("Content-Type", "text/html; charset=utf-8"), ("Retry-After", str(max(1, round(self.seconds + 0.5))))]


def take_a_token(kind: str, who: str) -> None:
    """Count one request of `kind` by `who`; raises TooManyRequests when there are too many."""
    if wait := place().buckets.seconds_to_wait(kind, who):
        raise TooManyRequests(wait)


def _hold_back_floods() -> None:
    take_a_token("address", request.remote_addr or "")
    if request.endpoint not in {"static", "bootstrap.static"} and (key := session.get("key")):
        take_a_token("participant", key)


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if response.mimetype == "text/html":  # the way back shows what is stored, not what was shown
        response.headers["Cache-Control"] = "no-store"
    return response


def _in_a_sentence(error: HTTPException) -> Response | HTTPException:
    """The page of an error. A redirect is none."""
    code = error.code or 500
    if code < 400:
        return error
    if isinstance(error, SecurityError):  # an unknown host name: no address of a page can be built
        return Response("This listening test is served under another name.\n", code, mimetype="text/plain")
    page = render_template("error.html", sentence=SENTENCES.get(code, SENTENCES[400 if code < 500 else 500]))
    response = Response(page, code)
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = dict(error.get_headers())["Retry-After"]
    return response
