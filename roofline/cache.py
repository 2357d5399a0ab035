"""A small content-addressed cache on disk: parsed files, keyed by the hash of what was parsed.

Most of what reading a device file costs is ``import yaml`` (tests/benchmarks/start_costs.py). The key is the
SHA-256 of the file's content, so an entry can never be stale; entries are written whole or not at all, and
one that cannot be read or written is simply not used. ``ROOFLINE_CACHE=off`` turns it off; the folder is
``roofline`` in ``XDG_CACHE_HOME`` (``~/.cache``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from _thread import get_ident  # `threading` costs a millisecond to import
from pathlib import Path
from typing import Any

_FORMAT = 1
"""Part of the key: changes with what is stored."""


def _folder() -> Path | None:
    if os.environ.get("ROOFLINE_CACHE", "").lower() == "off":
        return None
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "roofline"
    except RuntimeError:  # no home directory
        return None


def key_of(content: bytes) -> str:
    """Return the name under which what was made of `content` is kept."""
    return f"yaml{_FORMAT}-{hashlib.sha256(content).hexdigest()}.json"


def load(key: str) -> Any:
    """Return what is stored under `key`, or None."""
    folder = _folder()
    if folder is None:
        return None
    try:
        return json.loads((folder / key).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def store(key: str, value: Any) -> None:
    """Store plain data under `key`; a folder that cannot be written is no error."""
    folder = _folder()
    if folder is None:
        return
    temporary = folder / f".{key}.{os.getpid()}.{get_ident()}"  # of this thread of this process alone
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(value), encoding="utf-8")
            temporary.replace(folder / key)
        finally:
            temporary.unlink(missing_ok=True)
