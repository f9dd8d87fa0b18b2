"""A file manager for tests: a window in a corner of the screen from which one path can be dragged.

python file_shelf.py PATH X Y
"""

from __future__ import annotations

import sys
from pathlib import Path

from PyQt6.QtCore import QMimeData, Qt, QUrl
from PyQt6.QtGui import QDrag, QMouseEvent
from PyQt6.QtWidgets import QApplication, QLabel


class Shelf(QLabel):
    """The path, as something to take hold of."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.name)
        self._path = path
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802  (Qt's name)
        """Begin the drag."""
        drag, mime = QDrag(self), QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(self._path))])
        drag.setMimeData(mime)
        drag.exec(Qt.DropAction.CopyAction)


def main() -> None:
    """Show it until the process is ended."""
    app = QApplication(sys.argv)
    shelf = Shelf(Path(sys.argv[1]))
    shelf.setWindowFlag(Qt.WindowType.FramelessWindowHint)
    shelf.setGeometry(int(sys.argv[2]), int(sys.argv[3]), 160, 80)
    shelf.show()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    app.exec()


if __name__ == "__main__":
    main()
