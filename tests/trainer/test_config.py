from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import ConfigError
from trainer.config import (
    RunConfig,
    apply_overrides,
    described_settings,
    first_difference,
    flattened,
    from_table,
    read_run_file,
    recipe_config,
    setting,
    to_table,
    without_none,
)


@dataclass(frozen=True)
class Model:
    """A setting of every type."""

    width: int = setting(16, "channels", minimum=1, maximum=64)
    rate: float = setting(1e-3, "learning rate", minimum=0)
    kind: Literal["small", "large"] = setting("small", "size")
    sizes: tuple[int, ...] = setting((1, 2), "sizes", minimum=1)
    range_hz: tuple[float, float] = setting((20.0, 50.0), "range")
    note: str | None = setting(None, "a remark")
    fast: bool = setting(default=False, meaning="quick")


@dataclass(frozen=True)
class Data:
    """A setting without default."""

    index: Path = setting(meaning="where")


@dataclass(frozen=True)
class Config:
    """Two sections."""

    data: Data
    model: Model = field(default_factory=Model)


TABLES = {"data": {"index": "a/b.json"}}


def test_defaults_fill_what_a_run_file_leaves_out() -> None:
    """A section that is absent, and a key that is absent, have their defaults."""
    assert recipe_config(Config, TABLES) == Config(Data(Path("a/b.json")), Model())


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("model.width=8", 8),
        ("model.rate=2", 2.0),
        ("model.rate=1e-4", 1e-4),
        ("model.kind=large", "large"),
        ("model.sizes=[4, 5]", (4, 5)),
        ("model.range_hz=[1, 2.5]", (1.0, 2.5)),
        ("model.note=123", "123"),
        ("model.note=none", None),
        ("model.fast=true", True),
    ],
)
def test_overrides_are_read_by_the_type_of_their_setting(override: str, value: object) -> None:
    """`--set` needs no quotes: text is read as the declared type of the setting."""
    config = recipe_config(Config, apply_overrides(TABLES, [override]))
    found = getattr(config.model, override.partition("=")[0].partition(".")[2])
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.widht=8", "model.*'widht'.*did you mean width"),
        ("modle.width=8", r"unknown section \[modle\].*did you mean model"),
        ("model.width=0", "model.width is 0, expected between 1 and 64"),
        ("model.width=65", "model.width is 65, expected between 1 and 64"),
        ("model.width=1.5", "model.width is 1.5, expected int"),
        ("model.width=true", "model.width is True, expected int"),
        ("model.rate=nan", "model.rate is nan, expected at least 0"),
        ("model.rate=fast", "model.rate is 'fast', expected float"),
        ("model.kind=huge", "model.kind is 'huge', expected one of small, large"),
        ("model.sizes=[1, 0]", "model.sizes is 0, expected at least 1"),
        ("model.sizes=[1, a]", "no TOML list"),
        ("model.range_hz=[1]", "model.range_hz is .*expected tuple"),
        ("width=8", "expected section.key=value"),
        ("model.width", "expected section.key=value"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(override: str, sentence: str) -> None:
    """Every wrong override is a ConfigError that names the setting and what was expected."""
    with pytest.raises(ConfigError, match=sentence):
        recipe_config(Config, apply_overrides(TABLES, [override]))


def test_a_missing_setting_is_named() -> None:
    """A setting without default that nobody set is asked for by its whole name."""
    with pytest.raises(ConfigError, match=r"data\.index is missing.*--set data\.index=VALUE"):
        recipe_config(Config, {})


def test_an_unreadable_run_file_is_one_sentence(tmp_path: Path) -> None:
    """A run file that is absent or no TOML is a ConfigError with its path."""
    broken = tmp_path / "broken.toml"
    broken.write_text("[run\n")
    for path in (broken, tmp_path / "absent.toml"):
        with pytest.raises(ConfigError, match=path.name):
            read_run_file(path)


@given(
    st.builds(
        Model,
        width=st.integers(1, 64),
        rate=st.floats(0, 1e3),
        kind=st.sampled_from(["small", "large"]),
        sizes=st.lists(st.integers(1, 99), max_size=4).map(tuple),
        note=st.none() | st.text(),
        fast=st.booleans(),
    )
)
def test_a_config_survives_its_table(model: Model) -> None:
    """What `to_table` writes, `recipe_config` reads back as an equal config."""
    config = Config(Data(Path("x")), model)
    assert recipe_config(Config, without_none(to_table(config))) == config


def test_the_first_difference_that_matters_is_named() -> None:
    """Settings that say where and how long may differ between a run and its resumption, others not."""
    run = to_table(RunConfig("toy", Path("a")))
    same = {"run": run | {"steps": 1, "out": "b", "device": "cpu"}, "model": {"width": 1}}
    assert first_difference({"run": run, "model": {"width": 1}}, same) is None
    other = {"run": run, "model": {"width": 2}}
    assert first_difference(same, other) == ("model.width", 1, 2)


def test_every_setting_has_a_sentence() -> None:
    """Each setting of every system and of `[run]` tells what it means."""
    from trainer.recipe import registered

    run = described_settings(RunConfig("toy", Path("a")), "run")
    assert [key for key, _, _, meaning in run if not meaning] == []
    assert {key for key, *_ in run} == set(flattened({"run": to_table(RunConfig("toy", Path("a")))}))
    from dataclasses import fields
    from typing import get_type_hints

    for name, recipe in registered().items():
        for section, kind in get_type_hints(recipe.Config).items():
            silent = [f"{name}: {section}.{f.name}" for f in fields(kind) if not f.metadata.get("help")]
            assert silent == []


def test_shipped_runs_are_valid() -> None:
    """Every run file of trainer/runs names a known system and sets only what it knows."""
    from trainer.recipe import find
    from trainer.zoo import RUNS

    paths = sorted(RUNS.glob("*.toml"))
    assert paths
    for path in paths:
        tables = read_run_file(path)
        run = from_table(RunConfig, tables["run"], "run")
        recipe_config(find(run.recipe).Config, tables)
