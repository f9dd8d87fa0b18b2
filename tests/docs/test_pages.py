"""The pages tell the truth: links lead somewhere, commands and options exist, words are defined once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from realtime.cli import build_app

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# A command starts a line of a block, or an inline code span; a program's path may stand before it.
COMMAND = re.compile(r"(?:^[ $]*|`)(?:\.venv/bin/)?retimbre((?: [^`\n#|&;]*)?)", re.MULTILINE)
SCRIPT = re.compile(r"\bscripts/[A-Za-z0-9_.]*[A-Za-z0-9_]")


def pages() -> list[Path]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return sorted(path for name in done.stdout.decode().split("\0") if name and (path := ROOT / name).is_file())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """The names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_in(words: list[str], command: Any) -> str:
    """What the command line `words` asks of `command` that is not there; empty when nothing."""
    options = {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}
    for place, word in enumerate(words):
        if word.startswith("-") and word.partition("=")[0] not in options | {"--help", "-h"}:
            return f"no option {word}"
        if hasattr(command, "commands") and not word.startswith("-"):
            if word in command.commands:
                return wrong_in(words[place + 1 :], command.commands[word])
            if word.islower() and word.isalpha():
                return f"no command {word}"
    return ""


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture leads to a file that is there, and every anchor to a heading."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_commands_and_options_exist(page: Path) -> None:
    """Every `retimbre …` on a page names subcommands and options that the program has."""
    program = typer.main.get_command(build_app())
    wrong = {}
    for found in COMMAND.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
        words = [word.strip("[]().,:'\"…") for word in found.split()]
        if problem := wrong_in([word for word in words if word], program):
            wrong[f"retimbre{found}"] = problem
    assert not wrong


@pytest.mark.parametrize("page", pages(), ids=relative)
def test_scripts_exist(page: Path) -> None:
    """Every script that a page names is there."""
    named = set(SCRIPT.findall(page.read_text(encoding="utf-8")))
    assert not {name for name in named if not (ROOT / name).exists()}


def test_readme_says_something() -> None:
    """The README names how to hear it, how to play it and how to train it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "scripts/demo" in text
    assert "retimbre live" in text
    assert "retimbre train" in text


def test_the_glossary_defines_each_word_once() -> None:
    """No word of the glossary is defined twice, and each has a meaning that ends with a full stop."""
    rows = re.findall(
        r"^\| \*\*(.+?)\*\* \| (.+?) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    words = [word.strip() for row, _ in rows for word in row.split(",")]
    assert len(words) > 20
    assert len(words) == len(set(words))
    assert all(meaning.endswith(".") for _, meaning in rows)


def test_every_decision_is_listed() -> None:
    """Each page of a decision stands in the list of decisions."""
    folder = ROOT / "docs/decisions"
    listed = set(re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


def test_scripts_are_sound_shell() -> None:
    """Every script parses, and those that run stop at the first error."""
    beside = [path for path in (ROOT / "scripts").iterdir() if path.suffix in {"", ".sh"} and path.is_file()]
    scripts = [*beside, ROOT / ".ci" / "run"]
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True, timeout=10)
        if script.suffix == "":
            assert "set -euo pipefail" in script.read_text(encoding="utf-8"), relative(script)
            assert script.stat().st_mode & 0o111, f"{relative(script)} cannot be run"
