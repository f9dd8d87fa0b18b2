"""The forms of the pages, each with its CSRF token: what a browser sends is one of few words, or is refused."""

from __future__ import annotations

from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, IntegerField, RadioField, SubmitField
from wtforms.validators import DataRequired, NumberRange, Optional
from wtforms.widgets import HiddenInput

from trainer.listening.study import SCALE, Section

DEVICES: dict[str, str] = {
    "headphones": "Headphones or earphones",
    "loudspeakers": "Loudspeakers",
    "built-in": "The speaker of a phone, tablet or laptop",
}
ASKED: dict[str, str] = {
    "content": "How similar are the notes and the rhythm to those of the original?",
    "style": "How similar is the sound of the instrument to the example?",
}
_STEPS = {str(number): words for number, words in enumerate(SCALE, 1)}


class ConsentForm(FlaskForm):
    """The first page."""

    agreed = BooleanField(
        "I have read this, I am 18 or older, and I agree to take part.",
        validators=[DataRequired("Tick the box to take part; without it nothing is stored.")],
    )
    submit = SubmitField("Take part")


class DeviceForm(FlaskForm):
    """The instructions' page."""

    listens_on = RadioField(
        "What do you listen with?",
        choices=DEVICES,
        validators=[DataRequired("Choose what you listen with.")],
    )
    submit = SubmitField("Begin")


class RatingForm(FlaskForm):
    """One trial. A question that its section does not ask is taken away by `rating_form`."""

    content = RadioField(ASKED["content"], choices=_STEPS, validators=[DataRequired("Choose one of the five answers.")])
    style = RadioField(ASKED["style"], choices=_STEPS, validators=[DataRequired("Choose one of the five answers.")])
    # Counted by the page's script; without it the field stays empty.
    plays = IntegerField(widget=HiddenInput(), validators=[Optional(), NumberRange(0, 10_000)])
    place = HiddenField()
    submit = SubmitField("Next")


class WithdrawForm(FlaskForm):
    """On the last page."""

    submit = SubmitField("Withdraw, and delete my answers")


def rating_form(section: Section) -> RatingForm:
    """The form of a trial in this section."""
    form = RatingForm()
    for question in ASKED:
        if question not in section.questions:
            delattr(form, question)
    return form
