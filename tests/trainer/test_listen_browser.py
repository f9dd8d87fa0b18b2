from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.trainer.listen_browser import Browser
from tests.trainer.listen_load import stored
from tests.trainer.listen_material import make
from trainer.listening.server import Server, start_server

PHONE = (360, 740)
STUDY = """
[study]
title = "Piano becomes guitar"
[[section]]
title = "The notes"
ask = "content"
clips = 3
[[section]]
title = "The sound"
ask = "both"
clips = 3
"""
# What a page says of itself to someone who does not see it, and how it fits.
FAULTS = """(function () {
  const faults = [];
  const say = (what, one) => faults.push(what + ": " + one.outerHTML.slice(0, 120));
  if (document.documentElement.lang !== "en") faults.push("no language");
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one heading");
  if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
  const ids = Array.from(document.querySelectorAll("[id]"), one => one.id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice: " + ids);
  for (const one of document.querySelectorAll("input:not([type=hidden])")) {
    if (one.type === "submit" ? !one.value : !one.labels.length) say("no label", one);
    if (one.type !== "radio") continue;
    if (!one.closest("fieldset").querySelector("legend").textContent.trim()) say("no legend", one);
  }
  for (const one of document.querySelectorAll("audio, progress")) {
    const label = document.getElementById(one.getAttribute("aria-labelledby"));
    if (!label || !label.textContent.trim()) say("no name", one);
  }
  for (const one of document.querySelectorAll(".btn")) {
    const box = one.getBoundingClientRect();
    if (box.height < 37 || box.width < 44) say("too small to touch", one);
  }
  return faults;
})()"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Server]]:
    """A study of twice three clips on a real server."""
    folder = make(tmp_path, STUDY, systems=("flow",))
    server = start_server(folder)
    serving = Thread(target=server.run)
    serving.start()
    yield folder, server
    server.stop()
    serving.join(timeout=60)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser of a desk's size that has been nowhere."""
    one = Browser()
    yield one
    one.close()


def at(browser: Browser, path: str) -> None:
    """Wait until this page is there."""
    browser("wait", f"location.pathname === '{path}' && document.readyState === 'complete'")


def shown(browser: Browser, name: str) -> None:
    """Keep a picture where RETIMBRE_SCREENSHOTS names a folder."""
    if folder := os.environ.get("RETIMBRE_SCREENSHOTS"):
        browser("shot", str(Path(folder) / f"listen-{name}.png"))


def test_a_browser_goes_through_by_keyboard_alone(served: tuple[Path, Server], browser: Browser) -> None:
    """With Tab, Space, arrows and Return one agrees, listens, rates all clips, at a desk and on a phone's width.

    Every page has its labels, fits, and fetches nothing from elsewhere; a clip that was not played is not rated.
    """
    folder, server = served
    assert browser("open", f"http://127.0.0.1:{server.port}/")
    assert browser("ask", FAULTS) == []
    shown(browser, "consent")
    browser.tab_to("#agreed")
    browser("key", "Space")
    browser.tab_to("#submit")
    browser("key", "Return")
    at(browser, "/instructions")
    assert browser("ask", FAULTS) == []
    key = urlsplit(browser("ask", "document.getElementById('resume-link').value")).path.rpartition("/")[2]
    browser.tab_to("[name=listens_on]")
    browser("key", "Space")
    browser.tab_to("#submit")
    browser("key", "Return")
    expected = {}
    for place in range(6):
        section, position = 1 + place // 3, 1 + place % 3
        at(browser, "/trial")
        browser("wait", f"document.querySelector('input[name=place]')?.value === '{section}.{position}'")
        assert browser("ask", FAULTS) == []
        asked = ("content",) if section == 1 else ("content", "style")
        ratings = {question: 1 + (place + number) % 5 for number, question in enumerate(asked)}
        if place == 0:  # rated unheard: the page says so and stays
            browser.tab_to("[name=content]")
            browser("key", "Space")
            browser.tab_to("#submit")
            browser("key", "Return")
            browser("wait", "!document.getElementById('unheard').hidden")
            assert browser("ask", "document.activeElement.dataset.role") == "judged"
        browser.tab_to("audio[data-role=judged]")
        browser("key", "Space")
        browser("wait", "document.querySelector('audio[data-role=judged]').currentTime > 0.1")
        for question, rating in ratings.items():
            browser.tab_to(f"[name={question}]")
            browser("key", "Space")
            for _ in range(5):
                if browser("ask", f"document.querySelector('[name={question}]:checked').value") == str(rating):
                    break
                browser("key", "Right")
        if place == 0:
            shown(browser, "trial")
        if place == 3:
            browser("size", *PHONE)
            assert browser("ask", FAULTS) == []
            shown(browser, "phone")
        browser.tab_to("#submit")
        browser("key", "Return")
        expected[section, position] = ratings
    at(browser, "/thanks")
    assert browser("ask", FAULTS) == []
    assert stored(folder, key) == expected
    seen = browser("seen")
    assert {urlsplit(address).netloc for address in seen["requests"]} == {f"127.0.0.1:{server.port}"}
    assert seen["console"] == []
