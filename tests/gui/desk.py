"""A desk of a test's own: a screen (Xvfb), a hand (xdotool), the app on it, and the question where things are.

    desk = Desk(tmp_path);  app = desk.open_app();  desk.click("Power");  desk.key("ctrl+q")

Everything that is started ends with `close`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCREEN = (1600, 900)
_PATIENCE_S = 90.0  # for what comes late on a busy machine; what never comes is said then


class Desk:
    """One screen and what is open on it."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        """folder: for logs; environment: of every process started here, which gets the DISPLAY."""
        self.folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        reader, writer = os.pipe()
        width, height = SCREEN
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp"]
        with (folder / "xvfb.log").open("wb") as log:
            self._screen = subprocess.Popen(command, pass_fds=[writer], stdout=log, stderr=log)
        os.close(writer)
        with os.fdopen(reader, encoding="ascii") as answer:
            self.display = f":{answer.readline().strip()}"
        self.environment = {
            **(os.environ if environment is None else environment),
            "DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb", "QT_ENABLE_HIGHDPI_SCALING": "0",
        }  # fmt: skip
        self.environment.pop("WAYLAND_DISPLAY", None)
        self.app: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """End everything."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        self._screen.terminate()
        self._screen.wait()

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        """A script beside this one, with pipes; what it complains of goes to a log."""
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        with (self.folder / f"{script}.log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                cwd=HERE.parents[1],
            )  # fmt: skip
        self._processes.append(process)
        return process

    def said(self, script: str) -> str:
        """What a script complained of."""
        return (self.folder / f"{script}.log").read_text(errors="replace")

    def open_app(self, memory: Path, *, watch_stalls: bool = True) -> None:
        """The app, and wait until it answers; watching costs a sixth of its time."""
        self.app = self.start("driven_app.py", "--memory", memory, *["--watch-stalls"] * watch_stalls)
        self.until(lambda: self.ask(state=True)["active"], "a window that has the keyboard")

    def ask(self, **question: Any) -> Any:
        """What the app answers (see driven_app.py)."""
        assert self.app is not None
        assert self.app.stdin is not None
        assert self.app.stdout is not None
        self.app.stdin.write(json.dumps(question) + "\n")
        self.app.stdin.flush()
        while True:
            line = self.app.stdout.readline()
            assert line, f"the app ended:\n{self.said('driven_app.py')}"
            if line[0] in '{["tfn':
                return json.loads(line)

    def until(self, done: Callable[[], Any], what: str, patience_s: float = _PATIENCE_S) -> Any:
        """Wait for it; the app's picture is kept when it does not come."""
        deadline = time.monotonic() + patience_s
        while not (found := done()):
            if time.monotonic() > deadline:
                self.ask(grab=str(self.folder / "waited.png"))
                raise AssertionError(f"waited in vain for {what}; {self.ask(state=True)}; {self.ask(names=True)}")
            time.sleep(0.05)
        return found

    def place(self, name: str) -> dict[str, Any]:
        """Where something is that can be clicked, awaited."""

        def there() -> dict[str, Any] | None:
            found: dict[str, Any] | None = self.ask(where=name)
            return found if found is not None and found["enabled"] else None

        found: dict[str, Any] = self.until(there, f"{name!r} on the screen")
        return found

    def hand(self, *words: object) -> None:
        """Real input, by xdotool."""
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True)

    def click(self, name: str, button: int = 1, *, at: tuple[float, float] = (0.5, 0.5)) -> None:
        """Press and let go of a mouse button on it; at: where, as parts of its width and height."""
        spot = self.place(name)
        x, y = spot["left"] + at[0] * spot["width"], spot["top"] + at[1] * spot["height"]
        self.hand("mousemove", int(x), int(y), "click", button)

    def choose(self, box: str, what: str) -> None:
        """Open a list to choose from, and choose, when what is wanted is on it."""
        self.until(lambda: what in self.ask(choices=box), f"{what} among the choices of {box}")
        self.click(box)
        self.until(lambda: self.ask(popup=True), f"the list of {box}")
        self.hand("mousemove_relative", "--sync", 0, 24)  # a release where the list was opened from chooses nothing
        self.click(what)
        self.until(lambda: not self.ask(popup=True), f"the end of the list of {box}")

    def drop(self, path: Path, end: tuple[int, int], came: Callable[[], Any]) -> None:
        """Drag a path from a file manager's window to a place, as often as it takes until it `came`."""
        shelf = self.start("file_shelf.py", path, SCREEN[0] - 160, SCREEN[1] - 80)
        assert shelf.stdout is not None
        assert shelf.stdout.readline() == "ready\n", self.said("file_shelf.py")
        slow = 1.0
        while True:
            self.drag((SCREEN[0] - 80, SCREEN[1] - 40), end, slow)
            deadline = time.monotonic() + 5.0 * slow
            while time.monotonic() < deadline:
                if came():
                    shelf.terminate()
                    return
                time.sleep(0.1)
            slow *= 2.0  # a hand that sees nothing happen tries again, slower
            assert slow < 20.0, f"nothing came; {self.ask(names=True)}"

    def drag(self, begin: tuple[int, int], end: tuple[int, int], slow: float = 1.0) -> None:
        """Press at one place of the screen, move in small steps, let go at the other."""
        self.hand("mousemove", *begin, "mousedown", 1)
        for part in range(1, 11):
            spot = [round(a + (b - a) * part / 10) for a, b in zip(begin, end, strict=True)]
            self.hand("mousemove", *spot)
            time.sleep(0.05 * slow)  # a drag is a conversation between two programs, step by step
        self.hand("mousemove", end[0] + 2, end[1] + 2)
        time.sleep(0.3 * slow)
        self.hand("mouseup", 1)

    def key(self, *names: str) -> None:
        """Press keys, one after the other."""
        self.hand("key", "--clearmodifiers", *names)

    def type(self, text: str) -> None:
        """Type words."""
        self.hand("type", "--delay", 15, text)
