"""Write a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from roofline.errors import RooflineError


def write_whole(content: str | bytes, output: str | Path) -> None:
    """Write text or bytes to a file in one step: beside it first, then in its place.

    Raises:
        RooflineError: it cannot be written; what was there before is untouched.
    """
    path = Path(output)
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
