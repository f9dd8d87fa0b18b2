from __future__ import annotations

import json
from pathlib import Path

import pytest

from gui.memory import Memory


def test_what_is_set_is_there_after_a_new_start(tmp_path: Path) -> None:
    """Values of every kind are there again for the next memory of the same file."""
    path = tmp_path / "deep" / "desktop.json"
    memory = Memory(path)
    memory.set("folder", tmp_path)
    memory.set("places", ("a", "b"))
    memory.set("size", 2)
    memory.set("gone", "x")
    memory.set("gone", None)
    memory.close()
    again = Memory(path)
    assert again.get("folder", Path()) == tmp_path
    assert list(again.get("places", ("",))) == ["a", "b"]
    assert again.get("size", 1.0) == 2.0
    assert again.get("gone", "default") == "default"
    assert again.problem == ""


def test_it_is_written_by_itself_soon_after_a_change(tmp_path: Path) -> None:
    """Without any close the file is there a moment later, so that a crash loses a second at most."""
    memory = Memory(tmp_path / "desktop.json")
    memory.set("a", 1)
    assert memory._timer is not None
    memory._timer.join(10)
    assert json.loads(memory.path.read_text(encoding="utf-8"))["values"] == {"a": 1}
    assert list(tmp_path.iterdir()) == [memory.path]


def test_a_value_of_another_type_is_not_given(memory: Memory) -> None:
    """Where the file holds another type than asked for, the default is given."""
    memory.set("number", "seven")
    memory.set("flag", 1)
    assert memory.get("number", 7) == 7
    assert memory.get("flag", False) is False
    assert memory.get("number", (1,)) == (1,)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99, "values": {}}', '{"values": {}}', "\0\xff"])
def test_a_file_that_does_not_fit_is_put_aside_and_said(text: str, tmp_path: Path) -> None:
    """A damaged file, or one of another format, is kept beside, and one sentence says where."""
    path = tmp_path / "desktop.json"
    path.write_text(text, encoding="latin-1")
    memory = Memory(path)
    aside = tmp_path / "desktop-aside.json"
    assert aside.read_text(encoding="latin-1") == text
    assert str(aside) in memory.problem and memory.problem.endswith(".")
    memory.set("a", 1)
    memory.close()
    assert Memory(path).get("a", 0) == 1


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """Where nothing can be written the app goes on and has a sentence about it."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    memory = Memory(tmp_path / "file" / "desktop.json")
    memory.set("a", 1)
    memory.close()
    assert "cannot be remembered" in memory.problem
