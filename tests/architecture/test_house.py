"""The laws of shape and words: sizes, docstrings, paths, names and the weight of what is shipped."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("realtime", "trainer", "gui")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).glob("**/*.py"))
TESTS = sorted((ROOT / "tests").glob("**/test_*.py"))
LONGEST_MODULE = 300
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "core", "manager", "misc"}
MEBIBYTE = 2**20
# Spelt in two parts, so that this file does not name what it forbids.
MACHINE_PATHS = re.compile(rb"/(?:wor" + rb"k|roo" + rb"t|hom" + rb"e)/[A-Za-z0-9_.-]+")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def kept_files() -> list[Path]:
    """Every file that git keeps or would keep, as in a checkout without git the whole tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_is_short_or_says_why(path: Path) -> None:
    """A module past 300 lines says why in its docstring, with the word lines."""
    text = path.read_text(encoding="utf-8")
    length = len(text.splitlines())
    if length > LONGEST_MODULE:
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert re.search(r"\blines\b", docstring), f"{length} lines and no word of why"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_module_has_a_name_and_a_docstring_that_say_something(path: Path) -> None:
    """Every module has a docstring, and none has a name under which anything could hide."""
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert path.stem not in VAGUE_NAMES


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_every_test_states_a_truth(path: Path) -> None:
    """Every test has a docstring that ends with a full stop."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    tests = [node for node in functions if node.name.startswith("test_")]
    silent = [node.name for node in tests if not (ast.get_docstring(node) or "").rstrip().endswith(".")]
    assert tests, "a test file without a test"
    assert not silent


def test_no_file_names_a_path_of_a_machine() -> None:
    """No kept text file names a folder of the machine that it was written on."""
    found = {}
    for path in kept_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192] and (match := MACHINE_PATHS.search(content)):
            found[relative(path)] = match.group().decode()
    assert not found


def test_shipped_models_are_small() -> None:
    """Each shipped package weighs at most 16 MiB, and all of them together at most 150 MiB."""
    sizes = {
        folder.name: sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        for folder in (ROOT / "exported_models").iterdir()
        if folder.is_dir()
    }
    assert {name: size for name, size in sizes.items() if size > 16 * MEBIBYTE} == {}
    assert sum(sizes.values()) <= 150 * MEBIBYTE


def test_identity_is_always_shipped() -> None:
    """The package `identity`, which only tests the host, is there."""
    assert (ROOT / "exported_models" / "identity" / "manifest.json").is_file()


def test_kept_files_are_light() -> None:
    """No kept file weighs more than 16 MiB: data sets stay outside."""
    assert not [relative(path) for path in kept_files() if path.stat().st_size > 16 * MEBIBYTE]
