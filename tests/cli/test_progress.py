"""The progress line: on a terminal only, and wiped at the end."""

from __future__ import annotations

import io
import sys

import pytest

from roofline.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with pytest.raises(KeyboardInterrupt), Progress("measuring") as progress:
        progress.say("preparing weights")
        progress.tick(3, 10, 0.5)
        raise KeyboardInterrupt
    shown = stream.getvalue()
    assert "measuring: preparing weights" in shown and "3 runs, 30%" in shown
    assert shown.endswith("\r\x1b[K") and "\n" not in shown


def test_elsewhere_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("measuring") as progress:
        progress.say("preparing weights")
        progress.tick(1, 1, 1.0)
    assert stream.getvalue() == ""
