"""The progress line: on a terminal only, and wiped at the end."""

from __future__ import annotations

import io
import logging
import re
import sys
import time
from pathlib import Path

import pytest
from conftest import model_path
from terminals import on_terminal

from roofline.cli import progress as module
from roofline.cli.progress import Progress, Waiting


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


def waited(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, delay_s: float, quiet: bool = False) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(module, "DELAY_S", delay_s)
    with pytest.raises(KeyError), Waiting("choosing", quiet):
        logging.getLogger("roofline.selection").info("%d candidates", 7)
        time.sleep(0.3)
        raise KeyError
    return stream.getvalue()


def test_waiting_shows_the_last_step_after_a_while_and_is_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    level = logging.getLogger("roofline").level
    shown = waited(monkeypatch, Terminal(), 0.05)
    assert "\r\x1b[Kchoosing (0 s): 7 candidates" in shown
    assert shown.endswith("\r\x1b[K") and "\n" not in shown
    assert (logging.getLogger("roofline").level, logging.getLogger("roofline").handlers) == (level, [])


def test_what_is_done_soon_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waited(monkeypatch, Terminal(), 5.0) == ""


@pytest.mark.parametrize("quiet", [True, False])
def test_waiting_says_nothing_where_nobody_looks(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    assert waited(monkeypatch, Terminal() if quiet else io.StringIO(), 0.05, quiet) == ""


def test_a_dumb_terminal_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert waited(monkeypatch, Terminal(), 0.05) == ""


@pytest.mark.slow
def test_a_page_that_takes_seconds_says_how_far_it_is(tmp_path: Path) -> None:
    command = ("report", str(model_path("vit_b_16")), "--bind", "batch=1", "--device", "orin-agx", "-o")
    shown = on_terminal(*command, str(tmp_path / "a.html"), of_stderr=True)
    assert re.search(r"writing the page \(\d+ s\): \d+ of 15 other ways to count", shown)
    assert shown.endswith("\r\x1b[K") and "\n" not in shown
    assert on_terminal(*command, str(tmp_path / "b.html"), "-q", of_stderr=True) == ""
