"""The WaveNet's benchmark: every way is measured on what it draws, and draws what the reference draws."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from realtime.cli import build_app
from trainer import wavenet_bench
from trainer.wavenet_stack import WaveNetShape


def test_every_way_draws_the_same_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """`retimbre bench wavenet --json` has a row for each shape and way, all agreeing as far as both drew."""
    shape = WaveNetShape(cycles=1, layers=3, residual=8, skip=8, levels=32)
    monkeypatch.setattr(wavenet_bench, "SHAPES", (shape,))
    result = CliRunner().invoke(build_app(), ["bench", "wavenet", "--rounds", "2", "--block", "128", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.output)["rows"]
    assert [row["way"] for row in rows][:4] == ["reference", "compiled", "package, 1", "package, 128"]
    for row in rows:
        assert row["agreed"] == row["compared"] >= 24
        assert row["samples_per_second"] > 0
        assert row["samples_per_second_by_clock"] > 0
        assert row["shape"] == "R=8 S=8 1×3"
