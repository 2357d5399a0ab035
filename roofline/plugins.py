"""Packages that bring rules for their own operators, found by the entry point group ``roofline.ops``."""

from __future__ import annotations

import logging
from threading import RLock

from roofline.errors import RooflineError

GROUP = "roofline.ops"
_LOG = logging.getLogger(__name__)
_loaded: list[str] = []
_LOCK = RLock()
"""A thread that needs a plugin waits while another one loads it."""


def load_plugins() -> bool:
    """Import every installed plugin, once; return whether that was now. Looked for only when an operator is unknown.

    Raises:
        RooflineError: a plugin cannot be imported.
    """
    with _LOCK:
        if _loaded:
            return False
        _loaded.append("")  # even when there is none
        from importlib.metadata import entry_points

        for point in entry_points(group=GROUP):
            try:
                point.load()
            except Exception as error:
                _loaded.clear()
                raise RooflineError(
                    f"the plugin {point.name!r} ({point.value}) fails: {type(error).__name__}: {error}",
                    where=f"entry point group {GROUP}",
                    hint="mend or uninstall the package that brings it",
                ) from error
            _LOG.info("loaded operators of %s", point.value)
            _loaded.append(point.name)
        return len(_loaded) > 1
