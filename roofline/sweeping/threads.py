"""One thread per worker: the arrays here are small, and linear algebra's own threads would wait by spinning."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by the libraries behind numpy when they are loaded; what the user has set stands."""


@contextlib.contextmanager
def one_thread_each() -> Iterator[None]:
    """Let numpy, where it is loaded inside this block or in processes started there, use one thread."""
    added = [name for name in _LIMITS if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
