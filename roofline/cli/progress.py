"""A line on stderr that says how far a long run is: on a terminal only, never with -q, and wiped at the end."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import TracebackType

_PERIOD_S = 0.1
DELAY_S = 1.0
"""What takes less says nothing."""


def is_shown(quiet: bool = False) -> bool:
    """Return whether somebody looks at stderr and has not asked for quiet."""
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _show(text: str) -> None:
    width = max(20, _columns() - 1)
    sys.stderr.write(f"\r\x1b[K{text if len(text) <= width else text[: width - 1] + '…'}")
    sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):  # no terminal of the system's
        return 80


class Progress:
    """For runs that tell how far they are. Use as a context."""

    def __init__(self, label: str, quiet: bool = False) -> None:
        self._label = label
        self._shown = is_shown(quiet)
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
            _show(f"{self._label}: {text}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            _show("")


class Waiting(logging.Handler):
    """For a library call that takes as long as it takes: after a second its last logged step, and the seconds so far.

    Use as a context around the call; the line is wiped before the answer is written.

    Args:
        label: what is being done.
        quiet: show nothing, for -q; also where -v logs the steps themselves.
    """

    def __init__(self, label: str, quiet: bool | int = False) -> None:
        super().__init__(logging.INFO)
        self._label, self._step = label, ""
        self._shown = is_shown(bool(quiet))
        self._done = threading.Event()
        self._logger = logging.getLogger("roofline")
        self._level = self._logger.level
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def emit(self, record: logging.LogRecord) -> None:
        self._step = record.getMessage()

    def _watch(self) -> None:
        since_s = time.monotonic()
        pause_s = DELAY_S
        while not self._done.wait(pause_s):
            step = f": {self._step}" if self._step else ""
            _show(f"{self._label} ({time.monotonic() - since_s:.0f} s){step}")
            pause_s = _PERIOD_S
        if pause_s != DELAY_S:
            _show("")

    def __enter__(self) -> Waiting:
        if self._shown:
            self._logger.addHandler(self)
            self._logger.setLevel(logging.INFO)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._done.set()
            self._thread.join()
            self._logger.removeHandler(self)
            self._logger.setLevel(self._level)
