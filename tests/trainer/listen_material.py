"""Small listening tests to try: tones instead of music, so that a study is made in a moment."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from realtime.audio_file import FloatArray, write_audio
from trainer.listening.making import make_study
from trainer.listening.source import read_source

RATE = 16_000
SECONDS = 1.2


def tone(seed: int, seconds: float = SECONDS, level: float = 0.2) -> FloatArray:
    """Four notes, each seed others."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 200 * 2 ** (random.integers(0, 24, 4)[np.minimum(3, (4 * time / seconds).astype(int))] / 12)
    wave: FloatArray = (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
    return wave


def write_source(folder: Path, systems: Iterable[str] = ("flow", "unet"), clips: int = 2) -> Path:
    """A folder as `retimbre listen create` takes it."""
    for number, name in enumerate(("reference", "target", *systems)):
        for clip in range(clips):
            write_audio(folder / name / f"piece {clip}.wav", tone(100 * number + clip), RATE)
    return folder


def make(folder: Path, toml: str = "", *, systems: Iterable[str] = ("flow", "unet"), clips: int = 2) -> Path:
    """A study in `folder / "study"`; toml: of a study.toml instead of the default."""
    source = write_source(folder / "source", systems, clips)
    if toml:
        (source / "study.toml").write_text(toml, encoding="utf-8")
    make_study(read_source(source), folder / "study")
    return folder / "study"


SHORT = """
[study]
title = "A short one"
[[section]]
title = "Notes"
ask = "content"
clips = 4
[[section]]
title = "Sound"
ask = "style"
clips = 4
"""


def hidden(page: str, name: str) -> str:
    """The value of a hidden field of a page."""
    found = re.search(rf'name="{name}" type="hidden" value="([^"]*)"', page)
    assert found, f"the page has no field {name}"
    return found[1]


def sounds(page: str) -> list[str]:
    """The addresses of the sounds that a page plays."""
    return re.findall(r'src="(/clip/[^"]+)"', page)


def questions(page: str) -> set[str]:
    """What a trial's page asks."""
    return set(re.findall(r'id="(content|style)-0"', page))
