"""Run a command on a pseudo-terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_terminal(*arguments: str, width: int = 100, of_stderr: bool = False, **environment: str) -> str:
    """Return what `roofline` writes to a terminal, escapes included; stderr alone, where that is the terminal."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM")}
    variables = {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "roofline", *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if of_stderr else its, stderr=its if of_stderr else subprocess.PIPE, env=variables,
    )  # fmt: skip
    os.close(its)
    found = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        found += part
    os.close(ours)
    if process.stderr is not None:
        complaint = process.stderr.read()
        process.stderr.close()
        assert complaint == b"", complaint
    assert process.wait() == 0
    return found.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    """Return text without escapes."""
    return ESCAPES.sub("", text)
