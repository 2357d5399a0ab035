"""One cell of a measurement table: text to a value in SI units, and back. Errors name row and column."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from roofline.errors import MeasurementError
from roofline.measured.record import Column

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""A spreadsheet would run a text that begins so: it gets a quote in front, as `roofline.export.as_csv` does."""

PLAIN = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")
"""A number with a decimal point, and nothing else."""
SMALLEST, LARGEST = 1e-30, 1e30
"""Between these lie all numbers of a run: what is beyond overflows, or vanishes, when it is multiplied."""
_CLOCK_RANGE_HZ = (1e7, 5e10)
"""No processor or memory that runs a network is clocked outside."""


def parse(text: str, column: Column, where: str) -> Any:
    """Return the value of a cell; an empty one is None, or an empty text.

    Raises:
        MeasurementError: no number, not positive, a unit in the cell, none of the allowed words.
    """
    text = text.strip()
    if column.kind == "text":
        return _word(text[1:] if text.startswith("'") and _FORMULA.match(text) else text, column, where)
    if column.kind == "names":
        return _names(text, column, where)
    if not text or text.lower() in ("nan", "null", "none", "n/a", "na", "-"):
        return None
    return _count(text, column, where) if column.kind == "count" else _number(text, column, where)


def _word(text: str, column: Column, where: str) -> str:
    if text and column.choices and text not in column.choices:
        expected = " or ".join(column.choices)
        raise MeasurementError(f"{text!r} is none of the column's words", where=where, expected=expected)
    return text


def _names(text: str, column: Column, where: str) -> tuple[str, ...]:
    if not text.startswith('["'):
        return tuple(name.strip() for name in text.split(";") if name.strip())
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):  # no JSON; a number of thousands of digits; nested too deeply
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MeasurementError("this is no list of names", where=where, expected='["a", "b"], or a;b')
    return tuple(names)


def _count(text: str, column: Column, where: str) -> int:
    value = _plain(text, column, where, "a whole number")
    if value != int(value) or value < 1:
        raise MeasurementError(f"{text!r} is no count", where=where, expected="a whole number from 1 up")
    return int(value)


def _number(text: str, column: Column, where: str) -> float:
    value = _plain(text, column, where, f"a plain number in {column.unit}")
    if value <= 0:
        what = "is negative" if value < 0 else "is zero"
        expected = f"a number of {column.unit} above 0, or nothing where it is unknown"
        raise MeasurementError(f"{text!r} {what}", where=where, expected=expected)
    scaled = in_si(text, column.exponent)
    if column.dimension == "frequency":
        _refuse_other_unit(scaled, text, column, where)
    return scaled


def in_si(text: str, exponent: int) -> float:
    """Return a number times a power of ten, rounded once: ``in_si("4.2", -3) == 0.0042`` exactly."""
    mantissa, _, power = text.lower().partition("e")
    return float(f"{mantissa}e{int(power or 0) + exponent}")


def _plain(text: str, column: Column, where: str, expected: str) -> float:
    if not PLAIN.fullmatch(text):
        hint = ""
        if re.fullmatch(r"\d+,\d+", text):
            hint = "write a decimal point, and no separator of thousands"
        elif re.match(r"[+-]?\d", text) and column.unit:
            hint = f"the column's unit is {column.unit}: write the number alone"
        raise MeasurementError(f"{text!r} is no number", where=where, expected=expected, hint=hint)
    value = float(text)
    if value != 0 and not SMALLEST < abs(value) < LARGEST:
        raise MeasurementError(f"{text!r} is beyond anything that is measured", where=where, expected=expected)
    return value


def _refuse_other_unit(value_hz: float, text: str, column: Column, where: str) -> None:
    """Raise for a clock that only makes sense in another unit."""
    low, high = _CLOCK_RANGE_HZ
    if low <= value_hz <= high:
        return
    for name, exponent in (("GHz", 9), ("MHz", 6), ("kHz", 3), ("Hz", 0)):
        if low <= float(text) * 10.0**exponent <= high:
            raise MeasurementError(
                f"{text} {column.unit} is no clock: it looks like {name}",
                where=where,
                expected=f"{column.unit}",
                hint=f"write {float(text) * 10.0 ** (exponent - column.exponent):.10g}",
            )
    raise MeasurementError(f"{text} {column.unit} is no clock", where=where, expected=f"a clock in {column.unit}")


def show(value: Any, column: Column) -> str:
    """Return a value as it stands in the file; `parse` gives the same value back."""
    if value is None or value == "" or value == ():
        return ""
    if column.kind == "names":
        return json.dumps(list(value), ensure_ascii=False)
    if column.kind == "text":
        text = str(value)
        return f"'{text}" if _FORMULA.match(text) else text
    if column.kind == "count":
        return str(int(value))
    return f"{Decimal(repr(float(value))).scaleb(-column.exponent).normalize():f}"  # shifts the point, rounds nothing
