"""Finished parts on disk: those of a sweep that was cut off, and a cache of results that sweeps share."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import stat
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from roofline.errors import RooflineError
from roofline.files import read_text, write_whole
from roofline.sweeping.part import SCHEMA, Part
from roofline.sweeping.plan import Plan

_LOG = logging.getLogger(__name__)
KEPT = "what is finished is kept: once there is room, the same command goes on from there"
"""What to tell people when a disk is full."""
_PART = re.compile(r"[0-9a-f]{64}\.json")
_MANIFEST = "manifest.json"
_SCHEMA = "roofline.sweep-parts/1"


class Store:
    """Parts by key in a folder, each written whole or not at all: any number of processes may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RooflineError(f"cannot be made: {error.strerror}", where=str(folder)) from None

    def load(self, key: str) -> Part | None:
        """Return a part, or None where there is none that can be read."""
        try:
            data = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            part = Part(*(data[name] for name in Part._fields))
            return part if data["schema"] == SCHEMA and part.is_sound() else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def save(self, key: str, part: Part) -> None:
        """Keep a part."""
        text = json.dumps({"schema": SCHEMA, **part._asdict()}, allow_nan=False)
        write_whole(text, self.folder / f"{key}.json")


class Cache:
    """Results of models by content, plan and version, for any sweep. Failures are not kept: they may pass."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._store, self._plan = Store(folder), plan.key
        self._is_told = False

    def load(self, sha256: str) -> Part | None:
        """Return the part of a model of this content, or None."""
        return self._store.load(_key(self._plan, sha256))

    def save(self, part: Part) -> None:
        """Keep a part that is good throughout; that it cannot be kept is logged, once."""
        if part.sha256 is None or part.errors:
            return
        try:
            self._store.save(_key(self._plan, part.sha256), part)
        except RooflineError as error:
            if not self._is_told:
                _LOG.warning("results are not kept in the cache: %s", error)
            self._is_told = True


class Unfinished:
    """The side folder of a sweep: ``OUT.parts``. Only one process at a time may have it.

    It holds the finished parts, a manifest that says of what, and the output while it is written. A part's name
    is made of the model's name and content, the plan and the version: what has changed is done again.
    """

    def __init__(self, output: Path, plan: Plan, *, resume: bool) -> None:
        self.folder = output.parent / f"{output.name}.parts"
        self._plan = plan.key
        fresh = not self.folder.exists()
        if self.folder.is_symlink():
            raise RooflineError("this is a link, not a folder", where=str(self.folder), hint="remove it")
        if not fresh and not self._is_of_a_sweep() and any(self.folder.iterdir()):
            hint = "move it away, or choose another -o"
            raise RooflineError("this folder was not made by a sweep", where=str(self.folder), hint=hint)
        self._store = Store(self.folder)
        self._lock = self._locked()
        if not resume:
            self._empty()
        self._drop_leftovers()
        write_whole(_manifest(plan), self.folder / _MANIFEST)
        self.has_parts = self._any_parts()

    def _is_of_a_sweep(self) -> bool:
        path = self.folder / _MANIFEST
        try:
            return not path.is_symlink() and json.loads(read_text(path, expected="a manifest"))["schema"] == _SCHEMA
        except (RooflineError, ValueError, KeyError, TypeError):
            return False

    def _locked(self) -> IO[bytes]:
        # a link or a pipe in its place would be written to, or waited for
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        path = self.folder / "lock"
        while True:
            lock = self._open_locked(path, flags)
            # whoever had it may have removed the file meanwhile, and another one have made it anew
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.fileno()), path.stat(follow_symlinks=False)):
                    return lock
            lock.close()

    def _open_locked(self, path: Path, flags: int) -> IO[bytes]:
        try:
            lock = os.fdopen(os.open(path, flags, 0o666), "rb+", buffering=0)
        except OSError as error:
            raise RooflineError(f"cannot be opened: {error.strerror}", where=str(path), hint="remove it") from None
        if not stat.S_ISREG(os.fstat(lock.fileno()).st_mode):
            lock.close()
            raise RooflineError("this is no regular file", where=str(path), hint="remove it")
        try:
            import fcntl
        except ImportError:  # Windows: nobody is kept out
            return lock
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise RooflineError("another sweep is writing this file", where=str(self.folder)) from None
        return lock

    def path(self, name: str) -> Path:
        """Return where a file may be made that is part of nothing yet."""
        return self.folder / f".making.{name}"

    def key(self, name: str, sha256: str | None) -> str:
        """Return the key of a model's part."""
        return _key(self._plan, sha256, name)

    def load(self, key: str) -> Part | None:
        """Return a finished part, or None."""
        return self._store.load(key)

    def save(self, key: str, part: Part) -> None:
        """Keep a finished part."""
        try:
            self._store.save(key, part)
        except RooflineError as error:
            error.hint = KEPT
            raise

    def close(self) -> None:
        """Let others have the folder; the parts stay."""
        self._lock.close()

    def remove(self) -> None:
        """Remove the folder: the sweep is complete."""
        self._empty()
        self._drop_leftovers()
        for name in (_MANIFEST, "lock"):
            (self.folder / name).unlink(missing_ok=True)
        self.close()
        with contextlib.suppress(OSError):  # something of the user's is in it
            self.folder.rmdir()

    def _any_parts(self) -> bool:
        return any(_PART.fullmatch(path.name) for path in self.folder.iterdir())

    def _empty(self) -> None:
        for path in self.folder.iterdir():
            if _PART.fullmatch(path.name):
                path.unlink()

    def _drop_leftovers(self) -> None:
        for path in self.folder.iterdir():
            if path.name.startswith("."):  # what was being written when a sweep was cut off
                path.unlink()

    def __enter__(self) -> Unfinished:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not self._lock.closed:
            self._drop_leftovers()
            if not self._any_parts():
                self.remove()
        self.close()


def _key(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _manifest(plan: Plan) -> str:
    said = {
        "schema": _SCHEMA,
        "note": "parts of a sweep that is not finished; the same command goes on from here",
        "version": plan.version,
        "plan": plan.key,
        "devices": [entry["where"] for entry in plan.devices],
        "grid": plan.grid,
        "batches": plan.batches,
        "precisions": plan.precisions,
        "traffics": plan.traffics,
    }
    return json.dumps(said, indent=1)
