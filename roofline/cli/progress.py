"""One line on stderr that says how far a long run is; only on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_PERIOD_S = 0.1


class Progress:
    """Use as a context: the line is wiped at the end, so that nothing of it is left among the results."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown = sys.stderr.isatty()
        self._last_s = 0.0

    def __enter__(self) -> Progress:
        return self

    def say(self, text: str) -> None:
        """Show what is being done."""
        self._show(text)

    def tick(self, done: int, wanted: int, time_share: float) -> None:
        """Show runs done; called after each run, shown ten times a second at most."""
        now = time.monotonic()
        if now - self._last_s >= _PERIOD_S:
            self._last_s = now
            self._show(f"{done} runs, {min(done / wanted, time_share, 1.0):.0%}")

    def _show(self, text: str) -> None:
        if self._shown:
            sys.stderr.write(f"\r\x1b[K{self._label}: {text}")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
