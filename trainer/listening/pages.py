"""The pages, in the order in which a participant meets them.

    /               what it is about, consent               nothing is stored before the box is ticked
    /instructions   how to rate, sound check, resume link
    /trial          one clip after the other, until all are rated
    /thanks         a code that shows that one has finished; withdrawing
    /resume/KEY     the link by which one comes back, on this device or another
    /clip/ID        a sound, by its random name

Every step is decided by what is stored, not by what the browser says: who reloads, goes back or sends twice arrives at
the first trial that is not rated.
"""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request, send_file, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from trainer.listening import answers
from trainer.listening.answers import Participant, StudyFullError, Trial
from trainer.listening.forms import ConsentForm, DeviceForm, RatingForm, WithdrawForm, rating_form
from trainer.listening.study import Section, sound_path
from trainer.listening.web import place, take_a_token

pages = Blueprint("pages", __name__)
CLIP_AGE_SECONDS = 3600
Page = str | tuple[str, int] | AnyResponse


@pages.route("/", methods=["GET", "POST"])
def start() -> Page:
    """Consent."""
    if _participant() is not None:
        return redirect(url_for("pages.trial"))
    form = ConsentForm()
    if request.method == "POST":
        take_a_token("start", request.remote_addr or "")
    if form.validate_on_submit():
        try:
            answers.begin(place().database.session(), place().study, session["key"])
        except StudyFullError:
            abort(503)
        return redirect(url_for("pages.instructions"))
    # The key is there before the box is ticked, so that a form sent twice begins once.
    session.setdefault("key", answers.new_key())
    session.permanent = True
    return render_template("start.html", form=form), 422 if form.errors else 200


@pages.route("/resume/<key>")
def resume(key: str) -> Page:
    """Come back by the link."""
    take_a_token("resume", request.remote_addr or "")
    if answers.find(place().database.session(), key) is None:
        abort(404)
    session.clear()
    session["key"] = key
    session.permanent = True
    return redirect(url_for("pages.trial"))


@pages.route("/instructions", methods=["GET", "POST"])
def instructions() -> Page:
    """What to listen for, and at which volume."""
    participant = _participant()
    if participant is None:
        return redirect(url_for("pages.start"))
    form = DeviceForm(listens_on=participant.listens_on)
    if form.validate_on_submit():
        answers.set_listens_on(place().database.session(), participant.id, form.listens_on.data)
        return redirect(url_for("pages.trial"))
    first = place().study.sections[0]
    link = url_for("pages.resume", key=session["key"], _external=True)
    sound = next(iter(first.originals.values()))
    return render_template("instructions.html", form=form, link=link, sound=sound), 422 if form.errors else 200


@pages.route("/trial", methods=["GET", "POST"])
def trial() -> Page:
    """Rate a clip."""
    participant = _participant()
    if participant is None:
        return redirect(url_for("pages.start"))
    if participant.listens_on is None:
        return redirect(url_for("pages.instructions"))
    number = participant.id
    open_now = answers.next_trial(place().database.session(), number)
    if request.method == "POST":
        section, position = _place_in_form()
        form = rating_form(place().study.sections[section - 1])
        if form.validate_on_submit():
            ratings = {name: int(form[name].data) for name in place().study.sections[section - 1].questions}
            stored = answers.rate(place().database.session(), number, section, position, ratings, form.plays.data or 0)
            if stored == "unknown":
                abort(400)
            return redirect(url_for("pages.trial"))
        if open_now is not None and (open_now.section, open_now.position) == (section, position):
            return _trial_page(number, open_now, form), 422
        return redirect(url_for("pages.trial"))
    if open_now is None:
        return redirect(url_for("pages.thanks"))
    return _trial_page(number, open_now, rating_form(place().study.sections[open_now.section - 1]))


@pages.route("/thanks")
def thanks() -> Page:
    """All is rated."""
    participant = _participant()
    if participant is None:
        return redirect(url_for("pages.start"))
    if participant.finished_at is None:
        return redirect(url_for("pages.trial"))
    return render_template("thanks.html", code=participant.code, form=WithdrawForm())


@pages.route("/withdraw", methods=["GET", "POST"])
def withdraw() -> Page:
    """Ask whether to delete everything, and do."""
    participant = _participant()
    if participant is None:
        return redirect(url_for("pages.start"))
    form = WithdrawForm()
    if form.validate_on_submit():
        answers.withdraw(place().database.session(), participant.id)
        session.clear()
        return render_template("withdrawn.html")
    return render_template("withdraw.html", form=form)


@pages.route("/clip/<identity>")
def clip(identity: str) -> Response:
    """A sound. What was asked for is compared with the names in study.json; only such a name becomes a path."""
    known = next((one for one in (identity,) if one in place().study.sounds), None)
    if known is None or "key" not in session:
        abort(404)
    response = send_file(sound_path(place().folder, known), mimetype="audio/flac")
    response.headers["Cache-Control"] = f"private, max-age={CLIP_AGE_SECONDS}"
    return response


def _participant() -> Participant | None:
    return answers.find(place().database.session(), session.get("key"))


def _place_in_form() -> tuple[int, int]:
    """Section and position that the form was shown for, as it says."""
    first, _, second = request.form.get("place", "").partition(".")
    if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit()) or len(first + second) > 6:
        abort(400)
    section, position = int(first), int(second)
    if not 1 <= section <= len(place().study.sections):
        abort(400)
    return section, position


def _trial_page(participant: int, shown: Trial, form: RatingForm) -> str:
    study = place().study
    section: Section = study.sections[shown.section - 1]
    stimulus = study.stimuli[shown.stimulus]
    trials, _ = answers.counts(place().database.session(), participant, shown.section)
    form.place.data = f"{shown.section}.{shown.position}"
    return render_template(
        "trial.html", form=form, section=section, number=shown.section, position=shown.position, trials=trials,
        original=section.originals.get(stimulus.clip) if "content" in section.questions else None,
        example=section.examples.get(stimulus.clip) if "style" in section.questions else None,
        judged=stimulus.identity,
    )  # fmt: skip
