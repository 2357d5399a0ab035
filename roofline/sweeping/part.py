"""What one model gives: blocks of rows, as plain data, and the rows that they stand for."""

from __future__ import annotations

import math
import os
import re
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
_IN_BLOCK = COLUMNS.keys() - {"model", "model_sha256", "mode", "knobs", "error", "schema"}
"""What every block of modes has, known or None."""
LARGEST = 2**63 - 1
"""Largest count that a column holds."""
_SURROGATE = re.compile("[\ud800-\udfff]")


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
        """Whether every row can be made and written: a part may come from a file that is damaged, or was edited."""
        if not all(isinstance(of, list) for of in (self.grids, self.blocks, self.used)):
            return False
        return (
            _fits(TEXT, self.sha256)
            and _are_texts(self.used)
            and all(map(_is_grid, self.grids))
            and all(self._is_block(block) for block in self.blocks)
        )

    def _is_block(self, block: Any) -> bool:
        if not isinstance(block, dict) or "grid" not in block:
            return False
        number = block["grid"]
        if number is None:
            known = {name: [block.get(name)] for name in COLUMNS}
            return isinstance(block.get("error"), str) and _fit(known)
        if type(number) is not int or not 0 <= number < len(self.grids) or not block.keys() >= _IN_BLOCK:
            return False
        size = len(self.grids[number][0])
        lists = {name: block[name] for name in PER_MODE}
        if any(not isinstance(values, list) or len(values) != size for values in lists.values()):
            return False
        return _fit({name: [block.get(name)] for name in COLUMNS if name not in PER_MODE} | lists)

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


def _is_grid(grid: Any) -> bool:
    """Whether this is names and knobs of modes, as many of one as of the other."""
    return isinstance(grid, list) and len(grid) == 2 and all(map(_are_texts, grid)) and len(grid[0]) == len(grid[1])


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(value is not None and _fits(TEXT, value) for value in values)


def _fit(columns: dict[str, list[Any]]) -> bool:
    return all(_fits(COLUMNS[name], value) for name, values in columns.items() for value in values)


def _fits(kind: str, value: Any) -> bool:
    """Whether a column of this kind can hold a value."""
    if value is None:
        return True
    if kind == WHOLE:
        return type(value) is int and abs(value) <= LARGEST
    if kind == REAL:
        return type(value) is float and math.isfinite(value)
    return isinstance(value, str) and not _SURROGATE.search(value)  # half a character cannot be written


def failed_part(error: str, sha256: str | None = None) -> Part:
    """Return the part of a model of which nothing could be evaluated."""
    return Part(sha256, [], [error_block(error)], [])


def error_block(error: str, **known: Any) -> dict[str, Any]:
    """Return one row that says what went wrong; `known` are the columns that are settled."""
    return {**known, "grid": None, "error": error}


def shown_path(path: str) -> str:
    """Return a path as text that any file can hold: bytes that are no UTF-8 are shown as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
