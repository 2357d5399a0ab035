"""Read a file within a limit; write it whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from roofline.errors import RooflineError

MAX_BYTES = 2_000_000
"""More than any text that people write by hand."""


def read_bytes(
    path: str | Path, *, expected: str, error: type[RooflineError] = RooflineError, max_bytes: int = MAX_BYTES
) -> bytes:
    """Return the content of a file that should be small.

    Args:
        path: the file.
        expected: what it should have been, for the message.
        error: what to raise.
        max_bytes: no more than one byte past this is read, so a device file or a pipe without end is no trap.

    Raises:
        RooflineError: as `error`, if it cannot be read or is larger.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise error("no such file", where=str(path), expected=expected) from None
    except OSError as problem:
        raise error(f"cannot be read: {problem.strerror}", where=str(path), expected=expected) from None
    if len(data) > max_bytes:
        raise error(f"more than {max_bytes} bytes", where=str(path), expected=expected)
    return data


def read_text(
    path: str | Path, *, expected: str, error: type[RooflineError] = RooflineError, max_bytes: int = MAX_BYTES
) -> str:
    """Return the text of a small UTF-8 file; arguments and errors as for `read_bytes`."""
    try:
        return read_bytes(path, expected=expected, error=error, max_bytes=max_bytes).decode("utf-8")
    except UnicodeDecodeError:
        raise error("this is not UTF-8 text", where=str(path), expected=expected) from None


def _write_into(path: Path, content: str | bytes, output: str | Path) -> None:
    try:
        with path.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise RooflineError(f"cannot write: {error.strerror}", where=str(output)) from None


def write_whole(content: str | bytes, output: str | Path) -> None:
    """Write text or bytes to a file in one step: beside it first, then in its place.

    Raises:
        RooflineError: it cannot be written; what was there before is untouched.
    """
    import tempfile  # slow to import, and most commands write nothing

    path = Path(os.path.realpath(output))  # what a link leads to, not the link
    if path.exists() and not path.is_file() and not path.is_dir():
        _write_into(path, content, output)  # a device, a pipe
        return
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        hint = "does the folder exist?"
        raise RooflineError(f"cannot write: {error.strerror}", where=str(output), hint=hint) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise RooflineError(f"cannot write: {error.strerror}", where=str(output)) from None
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
