"""What the readers of all formats share: options, results, statistics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from roofline.devices.spec import DeviceSpec
from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.cells import LARGEST, PLAIN
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")


class Options(NamedTuple):
    """What the user says about a run because the tool's files do not."""

    template: Measurement = Measurement(workload="")
    """The fields that are the same in every row: device, mode, batch, precision and so on."""
    device: DeviceSpec | None = None
    layers: bool = True
    """Whether rows of layers are wanted."""
    whole: bool = True
    """Whether rows of whole runs are wanted."""
    warmup: int | None = None
    """Runs at the start to leave out; None is the format's own default."""
    iterations: int | None = None
    """How many times the model ran in the file, or in the window."""
    window: tuple[str, str] | None = None
    """Start and end of the part of a log that counts: seconds from its first line, or times of day."""
    interval_s: float | None = None
    """Time between two lines of a log; goes before stamps of whole seconds."""
    columns: Mapping[str, str] = MappingProxyType({})
    """Our column -> ``NAME`` or ``NAME:UNIT`` of the file's."""


class Imported(NamedTuple):
    """What was read."""

    rows: tuple[Measurement, ...]
    findings: tuple[Finding, ...]


class Summary(NamedTuple):
    """Times of repeated runs."""

    median_s: float
    p99_s: float | None
    """Linear between ranks, so near the slowest run where there are less than 100; None for a single run."""
    n: int


def summary(times_s: Sequence[float]) -> Summary:
    """Return median and 99th percentile of at least one time."""
    values = np.asarray(times_s, dtype=np.float64)
    p99 = float(np.percentile(values, 99)) if len(values) > 1 else None
    return Summary(float(np.median(values)), p99, len(values))


def timed(row: Measurement, times_s: Sequence[float], kind: str) -> Measurement:
    """Return `row` with the median of repeated runs as its time."""
    found = summary(times_s)
    return row._replace(
        time_s=found.median_s, time_p50_s=found.median_s, time_p99_s=found.p99_s, n=found.n, time_kind=kind
    )


def read_json(path: str, what: str) -> Any:
    """Return the content of a JSON file; `what` says how it should have been made.

    Raises:
        MeasurementError: it is no JSON, or was cut off.
    """
    text = read_text(path)
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        cut = error.pos > 0 and error.pos >= len(text.rstrip()) - 1
        problem = "the file ends too early" if cut else f"no valid JSON: {error.msg}"
        raise MeasurementError(problem, where=f"{path}: line {error.lineno}", expected=what) from None
    except RecursionError:
        raise MeasurementError("nested too deeply", where=path, expected=what) from None
    except ValueError:  # Python reads no whole number of more than 4300 digits
        raise MeasurementError("a number has thousands of digits", where=path, expected=what) from None


def number(value: Any, where: str) -> float:
    """Return a number of a tool's file; commas may stand between thousands (``1,234.5``) and nowhere else.

    Raises:
        MeasurementError: it is no number, one with a decimal comma, or beyond `LARGEST`.
    """
    given = value
    if isinstance(value, str):
        text = value.strip()
        if _THOUSANDS.fullmatch(text):
            text = text.replace(",", "")
        elif not PLAIN.fullmatch(text):
            hint = "the file is of a locale with decimal commas: write it with LC_ALL=C" if "," in text else ""
            raise MeasurementError(f"{text[:60]!r} is no number", where=where, hint=hint,
                                   expected="a number with a decimal point, such as 1234.5 or 1,234.5")  # fmt: skip
        value = float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -LARGEST < value < LARGEST:
        expected = f"a number below {LARGEST:g}"
        raise MeasurementError(f"{str(given)[:60]!r} is no number", where=where, expected=expected)
    return float(value)


def count(value: Any, where: str) -> int:
    """Return how often something was done.

    Raises:
        MeasurementError: it is no whole number from 1 up.
    """
    found = number(value, where)
    if found < 1 or found % 1:
        raise MeasurementError(f"{value} is no count", where=where, expected="a whole number from 1 up")
    return int(found)


def distinct(names: Iterable[str]) -> list[str]:
    """Return names told apart: the second ``x`` is ``x #2``."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return found


def only_file(paths: Sequence[str], form: str) -> str:
    """Return the one file that a format takes."""
    if len(paths) != 1:
        raise MeasurementError(f"{len(paths)} files", where=form, expected="one file for each run")
    return paths[0]


def base_row(options: Options, paths: Sequence[str], form: str) -> Measurement:
    """Return the row that all rows of a run start from; its source is the format and the files, unless one is given."""
    row = options.template
    if not row.workload:
        raise MeasurementError("the files do not say which model ran", where=form, expected="--workload NAME")
    names = ", ".join(Path(path).name for path in paths)
    return row._replace(source=row.source or f"{form}: {names}", phase=row.phase or "inference")


def noted(row: Measurement, *notes: str) -> Measurement:
    """Return `row` with notes added to those it has."""
    return row._replace(notes="; ".join(note for note in (row.notes, *notes) if note))
