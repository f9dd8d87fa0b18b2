"""The streaming WaveNet's benchmark: every size and block is measured beside the standard capture."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from realtime.cli import build_app
from trainer import streaming_bench
from trainer.streaming_network import StreamingModel


def test_every_size_is_measured_beside_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """`retimbre bench streaming --json` has a row for each network and block, in parts of the standard capture's."""
    monkeypatch.setattr(streaming_bench, "sizes", lambda: {"tiny": StreamingModel(channels=4, dilations=(1, 2))})
    monkeypatch.setattr(streaming_bench, "BLOCKS", (64, 128))
    result = CliRunner().invoke(build_app(), ["bench", "streaming", "--calls", "12", "--json"])
    assert result.exit_code == 0, result.output
    rows = {(row["name"], row["block"]): row for row in json.loads(result.output)["rows"]}
    assert list(rows) == [(name, block) for name in ("tiny", "NAM standard") for block in (64, 128)]
    for (name, block), row in rows.items():
        standard = rows["NAM standard", block]
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["in_standards"] == pytest.approx(row["p50_ms"] / standard["p50_ms"])
        assert row["real_time_factor"] == pytest.approx(row["p50_ms"] / (1000 * block / 48_000))
        assert row["parameters"] == (13_802 if name == "NAM standard" else row["parameters"]) > 0


def test_the_shipped_sizes_are_four() -> None:
    """The run files of the four sizes are found, each larger than the one before."""
    widths = [model.channels for model in streaming_bench.sizes().values()]
    assert widths == sorted(set(widths))
    assert list(streaming_bench.sizes()) == ["nano", "small", "medium", "large"]
