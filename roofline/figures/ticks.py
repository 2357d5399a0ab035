"""Where an axis has ticks, and what is written at them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from roofline.figures.letters import height_mm, shortened, width_mm
from roofline.figures.marks import Axis

RATIOS = ("FLOP/B", "samples/s")
"""Units that are written without a prefix."""
MOST = 8
"""Ticks of one axis."""
_PREFIXES = {-12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


class Ticks(NamedTuple):
    """Ticks in the data's unit, with their texts; `title` holds the unit that the texts are in."""

    values: tuple[float, ...]
    texts: tuple[str, ...]
    title: str


def ticks_of(axis: Axis, room_mm: float, size_pt: float, *, is_x: bool) -> Ticks:
    """Return as many ticks as have room on `room_mm`, at steps that people read.

    Texts of a log axis over more than three decades each carry their prefix (``10 G``); else all are in one.
    """
    if axis.scale == "category":
        if not axis.categories:
            return Ticks((), (), _title(axis, 0))
        every = max(1, math.ceil(len(axis.categories) * height_mm(size_pt) / room_mm)) if not is_x else 1
        while is_x and not _fit(axis, range(0, len(axis.categories), every), axis.categories[::every], room_mm,
                                size_pt):  # fmt: skip
            every += 1
        return Ticks(
            tuple(map(float, range(0, len(axis.categories), every))), axis.categories[::every], _title(axis, 0)
        )
    low, high = sorted(axis.limits)
    spread = axis.scale == "log" and math.log10(high / low) > 3
    exponent = 0 if spread else _exponent(axis, low, high)
    best: Ticks | None = None
    for values in _candidates(axis, low, high, exponent):
        texts = [
            _each(value) if spread and axis.unit not in RATIOS else _plain(value, exponent, values) for value in values
        ]
        found = Ticks(tuple(values), tuple(texts), _title(axis, exponent))
        fits = _fit(axis, values, texts, room_mm, size_pt) if is_x else _fit_up(axis, values, room_mm, size_pt)
        few = len(values) <= MOST or bool(axis.ticks)
        if fits and few and (best is None or len(values) > len(best.values)):
            best = found
    return best or Ticks((), (), _title(axis, exponent))


def position(axis: Axis, value: float) -> float:
    """Return where a value is on an axis: 0 at the first limit, 1 at the second."""
    first, last = axis.limits
    if axis.scale == "log":
        if value <= 0:
            return -math.inf
        return math.log(value / first) / math.log(last / first)
    return (value - first) / (last - first)


def value_at(axis: Axis, place: float) -> float:
    """Return the value at a place on an axis: the inverse of `position`."""
    first, last = axis.limits
    return first * (last / first) ** place if axis.scale == "log" else first + place * (last - first)


def _title(axis: Axis, exponent: int) -> str:
    if not axis.unit:
        return axis.title
    if axis.unit == axis.title.lower():
        return axis.title
    return f"{axis.title} ({_PREFIXES[exponent]}{axis.unit})"


def _exponent(axis: Axis, low: float, high: float) -> int:
    if not axis.unit or axis.unit in RATIOS:
        return 0
    largest = max(abs(low), abs(high))
    if axis.scale == "log":
        largest = math.sqrt(low * high) * 2
    if not largest:
        return 0
    return min(15, max(-12, 3 * math.floor(math.log10(largest * 1.0000001) / 3)))


def _plain(value: float, exponent: int, values: Sequence[float]) -> str:
    scaled = value / 10.0**exponent
    return f"{float(f'{scaled:.6g}'):g}" if abs(scaled) < 1e5 else f"{scaled:.3g}"


def _each(value: float) -> str:
    exponent = min(15, max(-12, 3 * math.floor(math.log10(value * 1.0000001) / 3)))
    if -3 <= exponent < 0:
        return f"{value:g}"
    return f"{value / 10.0**exponent:g} {_PREFIXES[exponent]}".rstrip()


def _candidates(axis: Axis, low: float, high: float, exponent: int) -> list[list[float]]:
    if axis.ticks:
        return [list(axis.ticks[::step]) for step in range(1, len(axis.ticks) + 1)]
    if axis.scale == "linear":
        return _linear(low, high)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = range(first, last + 1)
    sets = [
        [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
        [1.0, 2.0, 5.0],
        [1.0, 3.0],
    ]
    wide = math.log10(high / low)
    found = [[s * 10.0**d for d in decades for s in steps] for steps in sets] if wide < 3.01 else []
    found += [[10.0**d for d in decades if d % step == 0] for step in (1, 2, 3)]
    first_at = low * (high / low) ** 0.012  # a text at the very corner runs into the other axis's
    inside = [[v for v in values if first_at <= v <= high * 1.000001] for values in found]
    if wide < 0.7:
        inside += _linear(low, high)
    return inside


def _linear(low: float, high: float) -> list[list[float]]:
    found = []
    magnitude = math.floor(math.log10((high - low) or 1.0))
    for power in (magnitude - 2, magnitude - 1, magnitude, magnitude + 1):
        for step in (1, 2, 5):
            size = step * 10.0**power
            first, last = math.ceil(low / size - 1e-9), math.floor(high / size + 1e-9)
            if last - first <= 30:
                found.append([float(f"{i * size:.12g}") for i in range(first, last + 1)])
    return found


def _fit(axis: Axis, values: Sequence[float], texts: Sequence[str], room_mm: float, size_pt: float) -> bool:
    gap = width_mm("0", size_pt) * 1.2
    edges = sorted((position(axis, value) * room_mm, width_mm(text, size_pt)) for value, text in zip(values, texts))
    return all(a + wa / 2 + gap <= b - wb / 2 for (a, wa), (b, wb) in pairwise(edges))


def _fit_up(axis: Axis, values: Sequence[float], room_mm: float, size_pt: float) -> bool:
    places = sorted(position(axis, value) * room_mm for value in values)
    apart = height_mm(size_pt) * (1.0 if axis.ticks else 1.7)
    return all(b - a >= apart for a, b in pairwise(places))


def shown(ticks: Ticks, size_pt: float, room_mm: float) -> Ticks:
    """Return ticks whose texts are cut to at most `room_mm`."""
    return ticks._replace(texts=tuple(shortened(text, size_pt, room_mm) for text in ticks.texts))
