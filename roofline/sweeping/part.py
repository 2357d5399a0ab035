"""What one model gives: blocks of rows, as plain data, and the rows that they stand for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

SCHEMA = "roofline.sweep/1"
TEXT, WHOLE, REAL = "text", "whole", "real"
COLUMNS = {
    "model": TEXT, "model_sha256": TEXT, "device": TEXT, "variant": TEXT, "mode": TEXT, "knobs": TEXT, "batch": WHOLE,
    "precision": TEXT, "traffic": TEXT, "macs": WHOLE, "flops": WHOLE, "bytes": WHOLE, "peak_memory_bytes": WHOLE,
    "time_s": REAL, "roofline_time_s": REAL, "predicted_time_s": REAL, "bound_time_s": REAL, "energy_j": REAL,
    "power_w": REAL, "limited_by": TEXT, "basis": TEXT, "calibration": TEXT, "findings": TEXT, "error": TEXT,
    "schema": TEXT,
}  # fmt: skip
"""Column -> kind. Unknown values are null; `findings` are codes of what makes a row incomplete or assumed.

`time_s` is the predicted time where there is a calibration (`basis`: prediction), else the roofline time.
"""
PER_MODE = ("time_s", "roofline_time_s", "predicted_time_s", "bound_time_s", "energy_j", "power_w", "limited_by")
"""Columns that a block holds once per mode; `mode` and `knobs` are shared by the blocks of a part."""
LARGEST = 2**63 - 1
"""Largest count that a column holds."""


class Part(NamedTuple):
    """All rows of one model. Plain data, without the model's path: two files of one content have equal parts."""

    sha256: str | None
    """Of the file; None where it cannot be read."""
    grids: list[list[list[str]]]
    """[names, knobs] of the modes that blocks refer to by number."""
    blocks: list[dict[str, Any]]
    """Scalar columns, and lists over modes (`PER_MODE`); ``grid`` is None for an error, which is one row."""
    used: list[str]
    """The bindings and shapes that the model has a use for."""

    def is_sound(self) -> bool:
        """Whether everything has the form that rows are made of: a part may come from a damaged file."""
        if not isinstance(self.grids, list) or not isinstance(self.blocks, list) or not isinstance(self.used, list):
            return False
        for block in self.blocks:
            if not isinstance(block, dict) or "grid" not in block:
                return False
            number = block["grid"]
            if number is None:
                if not isinstance(block.get("error"), str):
                    return False
                continue
            if not isinstance(number, int) or not 0 <= number < len(self.grids):
                return False
            size = len(self.grids[number][0])
            if any(not isinstance(block.get(name), list) or len(block[name]) != size for name in PER_MODE):
                return False
        return all(isinstance(name, str) for name in self.used)

    @property
    def errors(self) -> list[str]:
        """What went wrong."""
        return [block["error"] for block in self.blocks if block["grid"] is None]

    @property
    def is_failed(self) -> bool:
        """Whether nothing of it could be evaluated."""
        return all(block["grid"] is None for block in self.blocks)

    @property
    def size(self) -> int:
        """Number of rows."""
        return sum(1 if block["grid"] is None else len(block["time_s"]) for block in self.blocks)

    def columns(self, path: str) -> dict[str, list[Any]]:
        """Return the rows as one list per column."""
        found: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for block in self.blocks:
            number = block["grid"]
            size = 1 if number is None else len(block["time_s"])
            per_mode = {} if number is None else {name: block[name] for name in PER_MODE}
            if number is not None:
                per_mode["mode"], per_mode["knobs"] = self.grids[number]
            for name, column in found.items():
                column.extend(per_mode[name] if name in per_mode else [block.get(name)] * size)
        found["model"] = [shown_path(path)] * len(found["device"])
        found["schema"] = [SCHEMA] * len(found["device"])
        found["model_sha256"] = [self.sha256] * len(found["device"])
        return found

    def rows(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the rows, one dict each."""
        columns = self.columns(path)
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def failed_part(error: str, sha256: str | None = None) -> Part:
    """Return the part of a model of which nothing could be evaluated."""
    return Part(sha256, [], [error_block(error)], [])


def error_block(error: str, **known: Any) -> dict[str, Any]:
    """Return one row that says what went wrong; `known` are the columns that are settled."""
    return {**known, "grid": None, "error": error}


def shown_path(path: str) -> str:
    """Return a path as text that any file can hold: bytes that are no UTF-8 are shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
