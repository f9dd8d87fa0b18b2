"""Open a program's window on a screen that nobody sees, look whether it draws, close it with Ctrl+Q: exit code 0 or 1.

python scripts/try_window.py PROGRAM ARGUMENT …
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

_PATIENCE_S = 60.0


def main(command: list[str]) -> int:
    """Run it."""
    reader, writer = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x900x24", "-nolisten", "tcp"], pass_fds=[writer]
    )
    os.close(writer)
    with os.fdopen(reader, encoding="ascii") as answer:
        environment = {**os.environ, "DISPLAY": f":{answer.readline().strip()}", "QT_QPA_PLATFORM": "xcb"}
    began = time.monotonic()
    program = subprocess.Popen(command, env=environment)
    try:
        search = ["xdotool", "search", "--onlyvisible", "--name", "Retimbre"]
        while not (
            found := subprocess.run(search, env=environment, capture_output=True, text=True, check=False).stdout
        ):
            if program.poll() is not None or time.monotonic() - began > _PATIENCE_S:
                print(f"try_window: no window came (exit code {program.poll()})", file=sys.stderr)
                return 1
            time.sleep(0.1)
        window = found.split()[0]
        print(f"try_window: the window is there after {time.monotonic() - began:.1f} s", file=sys.stderr)
        time.sleep(2.0)  # the panel and the guide come after the first picture
        subprocess.run(
            ["xdotool", "windowfocus", window, "key", "--clearmodifiers", "ctrl+q"], env=environment, check=True
        )
        code = program.wait(_PATIENCE_S)
        print(f"try_window: closed with Ctrl+Q, exit code {code}", file=sys.stderr)
        return int(code != 0)
    finally:
        program.kill()
        program.wait()
        screen.terminate()
        screen.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
