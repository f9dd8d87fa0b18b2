"""What is ended by the end of a `with` statement: its `close`. Any thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self


class Closing(ABC):
    """Something that holds what must be given back."""

    @abstractmethod
    def close(self) -> Any:
        """Give everything back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
