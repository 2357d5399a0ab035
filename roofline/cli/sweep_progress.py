"""A bar on stderr while a sweep runs: on a terminal only, and only if it takes more than a second."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from roofline.cli.progress import DELAY_S as _DELAY_S
from roofline.cli.progress import is_shown


class SweepProgress:
    """Use as a context; `update` is called after each model."""

    def __init__(self, quiet: bool = False) -> None:
        self._shown = is_shown(quiet)
        self._since_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._state = (0, 0, 0)

    def update(self, done: int, models: int, failed: int) -> None:
        """Show how far it is."""
        self._state = done, models, failed
        if not self._shown or time.monotonic() - self._since_s < _DELAY_S:
            return
        if self._bar is None:
            self._start(models)
        self._bar.update(self._task, completed=done, failed=f"{failed} with errors" if failed else "")

    def _start(self, models: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("sweeping"), BarColumn(), MofNCompleteColumn(), TextColumn("models"), TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}", style="red"),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=models, failed="")
        self._bar.start()

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        done, models, _ = self._state
        if isinstance(error, KeyboardInterrupt) and done:
            sys.stderr.write(f"{done} of {models} models are kept: the same command goes on from there\n")
