"""A real browser without a screen, driven by lines of JSON: Qt's WebEngine (Chromium), in a process of its own.

It must be loaded before any QApplication is made, and a window system is chosen once a process, so the tests start this
file as a program. A line in is `[command, arguments …]`, a line out is `[result]` or `{"error": sentence}`.

    open ADDRESS · ask SCRIPT · wait SCRIPT · key NAME [shift] · size WIDTH HEIGHT · shot PATH · seen
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

SECONDS = 30.0  # a busy machine's; a test that passes waits a fraction of it


class Browser:
    """The tests' end."""

    def __init__(self, width: int = 900, height: int = 900) -> None:
        environment = {
            **os.environ,
            "QT_QPA_PLATFORM": "offscreen",
            "QT_SCALE_FACTOR": "1",
            "QTWEBENGINE_CHROMIUM_FLAGS": "--disable-gpu --disable-audio-output --force-color-profile=srgb"
            + (" --no-sandbox" if getattr(os, "geteuid", lambda: 1)() == 0 else ""),  # Chromium's sandbox refuses root
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(width), str(height)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def __call__(self, *words: Any) -> Any:
        """One command; its result."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the browser ended: {self._process.stderr.read()[-2000:] if self._process.stderr else ''}"
        answer = json.loads(line)
        assert isinstance(answer, list), f"{words[0]}: {answer['error']}"
        return answer[0]

    def tab_to(self, selector: str, *, most: int = 60) -> None:
        """Press Tab until the element that the selector finds has the focus."""
        asked = f"document.activeElement !== null && document.activeElement.matches({json.dumps(selector)})"
        for _ in range(most):
            if self("ask", asked):
                return
            self("key", "Tab")
        raise AssertionError(f"{selector} cannot be reached with Tab")

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


def main() -> None:
    """The browser's end."""
    from PyQt6.QtCore import QEventLoop, Qt, QTimer, QUrl
    from PyQt6.QtTest import QTest
    from PyQt6.QtWebEngineCore import (
        QWebEnginePage,
        QWebEngineProfile,
        QWebEngineUrlRequestInfo,
        QWebEngineUrlRequestInterceptor,
    )
    from PyQt6.QtWebEngineWidgets import QWebEngineView
    from PyQt6.QtWidgets import QApplication

    application = QApplication(sys.argv[:1])
    requests: list[str] = []
    said: list[str] = []

    class Watcher(QWebEngineUrlRequestInterceptor):
        """Remembers what is fetched."""

        def interceptRequest(self, info: QWebEngineUrlRequestInfo) -> None:  # noqa: N802 -- Qt's name
            requests.append(info.requestUrl().toString())

    class Page(QWebEnginePage):
        """Remembers what the console says."""

        def javaScriptConsoleMessage(  # noqa: N802 -- Qt's name
            self, _level: Any, message: str | None, line: int, source: str | None
        ) -> None:
            said.append(f"{message} ({source}:{line})")

    profile = QWebEngineProfile()  # off the record: begins without cookies
    watcher = Watcher()
    profile.setUrlRequestInterceptor(watcher)
    view = QWebEngineView()
    page = Page(profile, view)
    view.setPage(page)
    view.resize(int(sys.argv[1]), int(sys.argv[2]))
    view.show()
    view.activateWindow()
    loads: list[bool] = []
    page.loadFinished.connect(loads.append)

    def rest(milliseconds: int) -> None:
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def ask(script: str) -> Any:
        found: list[Any] = []
        loop = QEventLoop()

        def take(value: Any) -> None:
            found.append(value)
            loop.quit()

        page.runJavaScript(script, take)
        QTimer.singleShot(int(1000 * SECONDS), loop.quit)
        if not found:
            loop.exec()
        return found[0] if found else None

    def until(condition: Any, what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come true in {SECONDS:g} s")
            rest(10)

    def run(command: str, *words: Any) -> Any:
        if command == "open":
            loads.clear()
            page.load(QUrl(words[0]))
            until(lambda: loads, f"loading {words[0]}")
            view.setFocus()
            return loads[0]
        if command == "ask":
            return ask(words[0])
        if command == "wait":
            until(lambda: ask(f"Boolean({words[0]})"), words[0])
            return True
        if command == "key":
            modifier = Qt.KeyboardModifier.ShiftModifier if "shift" in words else Qt.KeyboardModifier.NoModifier
            key: Qt.Key = getattr(Qt.Key, f"Key_{words[0]}")
            QTest.keyClick(view.focusProxy(), key, modifier)  # type: ignore[call-overload] # its stubs name self twice
            rest(15)
            return None
        if command == "size":
            view.resize(words[0], words[1])
            until(lambda: ask("innerWidth") == words[0], f"a width of {words[0]}")
            return None
        if command == "shot":
            rest(300)
            return view.grab().save(words[0])
        if command == "seen":
            return {"requests": list(requests), "console": list(said)}
        raise ValueError(f"{command} is no command")

    for line in sys.stdin:
        try:
            answer: Any = [run(*json.loads(line))]
        except Exception as error:  # noqa: BLE001 -- the tests' end raises it
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    page.deleteLater()
    view.close()
    application.processEvents()
    os._exit(0)  # Chromium's own ending may hang without a display


if __name__ == "__main__":
    main()
