"""One hostile file, one command, and what may come of it."""

from __future__ import annotations

import contextlib
import csv
import gc
import io
import json
import os
import re
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from roofline.cli.main import main

SECONDS = 10
MEMORY_BYTES = 1 << 30
"""What a case may take beyond what the process has."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod", "os.chown")
)
_NEVER = frozenset(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"))
_UNEXPECTED = re.compile(r": unexpected [A-Z]\w+: ")
_FINDS_OUT = frozenset((0, 1, 2, 3))
_watch: dict[int, tuple[tuple[str, ...], list[str]]] = {}
"""Thread -> (folders that it may write to, what it did elsewhere)."""
_hooked: list[bool] = []


class Outcome(NamedTuple):
    """How a command ended, and what was wrong with that."""

    code: int
    said: str
    """Its last line on stderr."""
    defect: str
    """Empty where all is as it should be."""


class Hang(BaseException):
    """A case takes too long. No Exception, so that nothing handles it."""


def attempt(arguments: Sequence[str], folder: Path, *, seconds: float = SECONDS) -> Outcome:
    """Run a command in `folder`, which may write to its subfolder ``out`` and to its caches.

    Allowed: exit code 0 or 3 with a result, 1 or 2 with one line on stderr and nothing written. No file elsewhere is
    opened for writing, no process started, no connection made; JSON is strict; no cell of a CSV file is a formula;
    nothing that is shown holds a control character.
    """
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    before = _listing(folder)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
    trespasses: list[str] = []
    code: int | None = None
    defect = ""
    with _at(folder), _watched((str(out), str(folder / "cache")), trespasses), _limits(seconds):
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                code = main(list(arguments))
        except Hang:
            defect = f"more than {seconds:g} s"
        except MemoryError:
            defect = "MemoryError"
        except BaseException as error:  # SystemExit and pyo3's PanicException too
            defect = f"traceback: {type(error).__name__}: {error}"
        finally:
            gc.enable()
    shown, said = (stream.buffer.getvalue().decode("utf-8", "replace") for stream in (stdout, stderr))
    left = _listing(folder)
    defect = defect or _wrong(code, shown, said) or (f"touched {trespasses[0]}" if trespasses else "")
    defect = defect or _left_wrong(code, before, left, folder, is_sweep="sweep" in arguments)
    lines = said.strip().splitlines()
    return Outcome(-1 if code is None else code, lines[-1] if lines else "", defect)


def _wrong(code: int | None, shown: str, said: str) -> str:
    if code not in _FINDS_OUT:
        return f"exit code {code}"
    if "please report it" in said or "Traceback" in said or "Warning" in said:
        return f"unexpected: {said.strip().splitlines()[-1][:200]}"
    if code in (1, 2) and said.count("\n") != 1:
        return f"{said.count(chr(10))} lines for exit code {code}"
    for text in (shown, said):
        odd = [c for c in text if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
        if odd:
            return f"shows the control character {odd[0]!r}"
    return ""


def _listing(folder: Path) -> dict[str, int]:
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)  # noqa: PTH118 - thousands of times
            if not full.startswith(str(folder / "cache")):
                found[os.path.relpath(full, folder)] = os.lstat(full).st_mtime_ns
    return found


def _left_wrong(
    code: int | None, before: dict[str, int], after: dict[str, int], folder: Path, *, is_sweep: bool
) -> str:
    """Say what is wrong with the files that a command left."""
    changed = sorted(name for name in after if before.get(name) != after[name]) + sorted(before.keys() - after.keys())
    for name in changed:
        path = folder / name
        if not name.startswith("out/"):
            return f"changed {name!r}"
        if path.name.startswith(".") or ".parts/" in name:
            return f"left {name!r}"
        if code in (1, 2) and not is_sweep:
            return f"exit code {code}, but wrote {name!r}"
        if not path.stat().st_size:
            return f"left {name!r} empty"
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(), parse_constant=_refuse)
            except ValueError as error:
                return f"{name!r} is no JSON: {error}"
        elif path.suffix == ".csv":
            cell = _wrong_cell(path)
            if cell:
                return f"{name!r} has the cell {cell!r}"
        elif path.suffix in (".html", ".svg") and "<script>alert(1)" in path.read_text():
            return f"{name!r} holds a script of the model's"
    return ""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} in it")


def _wrong_cell(path: Path) -> str:
    """Return a cell that a spreadsheet would run, or an error of a sweep that nobody expected."""
    csv.field_size_limit(1 << 30)
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.reader(file):
            for cell in line:
                if cell.startswith(("=", "+", "-", "@", "\t", "\r")):
                    try:
                        float(cell)
                    except ValueError:
                        return cell
                if _UNEXPECTED.search(cell):
                    return cell
    return ""


@contextlib.contextmanager
def _at(folder: Path) -> Iterator[None]:
    """Work in a folder, with its own caches."""
    before, home = Path.cwd(), dict(os.environ)
    cache = str(folder / "cache")
    os.environ.update(HOME=cache, XDG_CACHE_HOME=cache, XDG_CONFIG_HOME=cache, MPLCONFIGDIR=cache)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(home)


@contextlib.contextmanager
def _watched(allowed: tuple[str, ...], found: list[str]) -> Iterator[None]:
    if not _hooked:
        sys.addaudithook(_hook)  # for good: hooks cannot be taken away
        _hooked.append(True)
    _watch[threading.get_ident()] = allowed, found
    try:
        yield
    finally:
        del _watch[threading.get_ident()]


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    watch = _watch.get(threading.get_ident())
    if watch is None:
        return
    allowed, found = watch
    if event in _NEVER and arguments[0] != "fc-list":  # how Matplotlib looks for fonts, once
        found.append(f"{event}: {arguments[0]!r}")
    elif event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES):
        for path in arguments[: 2 if event in ("os.rename", "os.link") else 1]:
            if isinstance(path, (str, bytes, os.PathLike)):
                full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed
                if not full.startswith(allowed) and full != os.devnull and "__pycache__" not in full:
                    found.append(f"{event}: {full}")


@contextlib.contextmanager
def _limits(seconds: float) -> Iterator[None]:
    def stop(_signal: int, _frame: object) -> None:
        raise Hang

    before = resource.getrlimit(resource.RLIMIT_DATA)
    used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY_BYTES, before[1]))
    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_DATA, before)
