from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.controls import RANGES, Controls, Smoother, ramp_samples, target_weights
from realtime.errors import ConfigError


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("wrong", ["below", "above", "nan", "text", "true"])
def test_refuses_what_is_out_of_range(name: str, wrong: str) -> None:
    """A number outside its range, or no number, is refused by a sentence that names the control and the range."""
    low, high, _ = RANGES[name]
    value = {"below": low - 0.1, "above": high + 0.1, "nan": float("nan"), "text": "loud", "true": True}[wrong]
    with pytest.raises(ConfigError, match=rf"{name} is .* from {low:g} to {high:g}"):
        Controls().with_changes(**{name: value})


def test_refuses_an_unknown_control() -> None:
    """A control that does not exist is refused, and the ones that do are listed."""
    with pytest.raises(ConfigError, match=r"no control named 'reverb'.*mix"):
        Controls.from_mapping({"reverb": 1.0})


def test_refuses_wrong_kinds() -> None:
    """Bypass and limiter must be truth values and octave one of its words."""
    for name in ("bypass", "limiter"):
        with pytest.raises(ConfigError, match=f"control {name} is 1, but it must be true or false"):
            Controls.from_mapping({name: 1})
    with pytest.raises(ConfigError, match="octave"):
        Controls.from_mapping({"octave": "up"})


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=6).filter(lambda values: sum(values) > 1e-3))
def test_target_weights_sum_to_one(weights: list[float]) -> None:
    """Weights keep their proportions and sum to 1."""
    target = Controls(target=tuple(weights)).target
    assert target is not None
    assert sum(target) == pytest.approx(1.0)
    np.testing.assert_allclose(np.array(target) * sum(weights), weights, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -0.5), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_refuses_weights_that_are_no_blend(weights: tuple[float, ...]) -> None:
    """No weights, all zero, negative or not finite weights are refused."""
    with pytest.raises(ConfigError, match="weight"):
        Controls(target=weights)


def test_plain_values_come_back() -> None:
    """Controls survive JSON unchanged."""
    controls = Controls(mix=0.25, target=(1.0, 3.0), octave="off", bypass=True, player_level_db=-31.5, limiter=False)
    assert Controls.from_mapping(json.loads(json.dumps(controls.to_mapping()))) == controls


def test_reads_a_blend() -> None:
    """`NAME` and `NAME=w,NAME=w` become weights in the package's order."""
    names = ["violin", "flute", "cello"]
    assert target_weights("flute", names) == (0.0, 1.0, 0.0)
    assert target_weights("cello=3, violin=1", names) == (0.25, 0.0, 0.75)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("tuba", "no target 'tuba'"), ("flute=x", "not a number"), ("flute,flute", "twice"), ("flute=0", "all zero")],
)
def test_refuses_a_blend_that_means_nothing(text: str, sentence: str) -> None:
    """An unknown, doubled, unweighable or weightless target has its own sentence."""
    with pytest.raises(ConfigError, match=sentence):
        target_weights(text, ["violin", "flute"])
    with pytest.raises(ConfigError, match="no targets"):
        target_weights(text, [])


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_smoother_walks_the_same_line_in_any_blocks(blocks: list[int]) -> None:
    """A walk is the straight line from 0 to 1 over the ramp, however it is cut, and then stays."""
    smoother = Smoother(0.0, 960, 200)
    smoother.to(1.0)
    walked = np.concatenate([smoother.fill(block).copy() for block in blocks])
    line = np.minimum(np.arange(1, sum(blocks) + 1) / 960, 1.0)
    np.testing.assert_allclose(walked, line, atol=2e-6)
    assert smoother.settled == (sum(blocks) >= 960)


def test_smoother_turns_without_a_jump() -> None:
    """A new goal in the middle of a walk starts from where the walk stands."""
    smoother = Smoother(0.0, 100, 50)
    smoother.to(1.0)
    first = smoother.fill(50).copy()
    smoother.to(0.0)
    values = np.concatenate([first, smoother.fill(50).copy(), smoother.fill(50).copy(), smoother.fill(50).copy()])
    assert float(np.abs(np.diff(values)).max()) < 0.0101
    assert values[-1] == 0.0
    assert float(smoother.fill(50).max()) == 0.0


def test_smoother_jumps_when_told() -> None:
    """A jump stands at the value at once, also after a walk."""
    smoother = Smoother(0.0, 100, 50)
    smoother.to(1.0)
    smoother.fill(10)
    smoother.jump(0.5)
    assert (smoother.fill(50) == 0.5).all()
    assert ramp_samples(48000) == 960
