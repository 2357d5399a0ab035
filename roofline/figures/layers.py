"""Time and energy by layer (a waterfall) and by op class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Bars, Label, Line, Mark, Panel
from roofline.figures.words import (
    LABELLED,
    by_class,
    class_keys,
    describe,
    heading,
    kind_of,
    op_class,
    per_cent,
    settings,
    short_name,
    time_of,
    timed,
    without_energy,
)
from roofline.units import text

Of = Callable[[dict[str, Any]], "float | None"]

_OUTSIDE = "outside layers"
"""What a run takes besides its layers: the host's time, of a calibration."""


def waterfall(data: dict[str, Any]) -> Figure:
    """Draw the time and the energy of the ten longest layers, then of the rest, each bar starting where the last ended.

    Layers with the same operator, work, bytes, time and energy are one bar, ``conv2 ×3``.

    Args:
        data: an analysis with a device; where no energy is known, there is no panel for it and a note says so.
    """
    layers = [layer for layer in data["layers"] if time_of(layer) or layer["energy_j"]]
    alike: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for layer in layers:
        alike.setdefault((*kind_of(layer), time_of(layer), layer["energy_j"]), []).append(layer)
    groups = sorted(alike.values(), key=lambda group: -_sum(group, time_of))
    top, rest = groups[:LABELLED], sum(map(len, groups[LABELLED:]))
    outside = _outside(layers, data)
    others = ([f"{rest} others" if rest > 1 else "1 other"] if rest else []) + ([_OUTSIDE] if any(outside) else [])
    shown = [short_name(group[0]) + (f" ×{len(group)}" if len(group) > 1 else "") for group in top]
    names = (*_distinct(shown), *others, "total")
    panels: list[Panel] = []
    for (of, title, unit), more in zip(_known(data), outside):
        marks: list[Mark] = []
        start = 0.0
        total = sum(of(layer) or 0.0 for layer in layers) + more
        for row, group in enumerate(top):
            end = start + _sum(group, of)
            words = (f"{len(group)} layers, each as " if len(group) > 1 else "") + describe(group[0])
            is_known = any(of(layer) is not None for layer in group)
            marks += _bar(row, start, end, "time", op_class(group[0]), words, unit, total, is_known)
            start = end
        for row, name in enumerate(others, len(top)):
            end = total if name == _OUTSIDE else total - more
            marks += _bar(row, start, end, "rest", "", name, unit, total)
            start = end
        marks += _bar(len(names) - 1, 0.0, total, "total", "", "total", unit, 0.0)
        marks = [mark for mark in marks if not isinstance(mark, Label)] + [m for m in marks if isinstance(m, Label)]
        panels.append(_panel(names if not panels else ("",) * len(names), title, unit, total, marks))
    return Figure(
        title=heading("Layers", data), subtitle=settings(data), panels=tuple(panels), beside=True,
        key=class_keys(by_class(group[0] for group in top), "time"), notes=_notes(data),
    )  # fmt: skip


def classes(data: dict[str, Any]) -> Figure:
    """Draw the time and the energy of each op class.

    Args:
        data: an analysis with a device.
    """
    layers = [layer for layer in data["layers"] if time_of(layer) or layer["energy_j"]]
    groups = by_class(layers)
    order = sorted(groups, key=lambda name: -_sum(groups[name], time_of))
    outside = _outside(layers, data)
    names = (*(f"{name} ({len(groups[name])})" for name in order), *([_OUTSIDE] if any(outside) else []))
    panels: list[Panel] = []
    for (of, title, unit), more in zip(_known(data), outside):
        total = _sum(layers, of) + more
        largest = max([*(_sum(groups[name], of) for name in order), more])
        marks: list[Mark] = []
        for row, name in enumerate(order):
            is_known = any(of(layer) is not None for layer in groups[name])
            marks += _bar(row, 0.0, _sum(groups[name], of), "time", name, name, unit, total, is_known)
        if any(outside):
            marks += _bar(len(order), 0.0, more, "rest", "", _OUTSIDE, unit, total)
        marks = [mark for mark in marks if not isinstance(mark, Label)] + [m for m in marks if isinstance(m, Label)]
        panels.append(_panel(names if not panels else ("",) * len(names), title, unit, largest * 1.5, marks))
    return Figure(title=heading("Op classes", data), subtitle=settings(data), panels=tuple(panels), beside=True,
                  notes=_notes(data))  # fmt: skip


def _known(data: dict[str, Any]) -> list[tuple[Of, str, str]]:
    """Return what is drawn: how to get it of a layer, the panel's title and unit."""
    found: list[tuple[Of, str, str]] = [(time_of, timed("time", data), "s")]
    if data["totals"]["energy_j"] is not None:
        found.append((lambda layer: layer["energy_j"], "Energy", "J"))
    return found


def _outside(layers: Sequence[dict[str, Any]], data: dict[str, Any]) -> tuple[float, float]:
    """Return the time and the energy of a run that are in none of its layers; without a prediction there are none."""
    if data["basis"] != "prediction":
        return 0.0, 0.0
    totals = data["totals"]
    return max(0.0, totals["time_s"] - _sum(layers, time_of)), totals["overhead_energy_j"] or 0.0


def _notes(data: dict[str, Any]) -> tuple[str, ...]:
    if data["totals"]["energy_j"] is None:
        return ("The energy is unknown: no coefficients for this device and precision.",)
    fixed = [f["message"] for f in data["findings"] if f["code"] == "energy-traffic"]
    said = [f"{message[0].upper()}{message[1:]}." for message in fixed[:1]]
    return (f"Energy at the {data['totals']['power_boundary']} boundary.", *without_energy(data), *said)


def _sum(layers: Sequence[dict[str, Any]], of: Of) -> float:
    return float(sum(of(layer) or 0.0 for layer in layers))


def _distinct(names: list[str]) -> list[str]:
    """Return names, with a number behind those that are there twice."""
    found: list[str] = []
    for name in names:
        seen = sum(1 for other in found if other == name or other.startswith(f"{name} #"))
        found.append(f"{name} #{seen + 1}" if seen else name)
    return found


def _bar(
    row: int, start: float, end: float, role: str, group: str, name: str, unit: str, total: float, is_known: bool = True
) -> list[Mark]:
    short = text(end - start, unit) if is_known else "not counted"
    words = short + (f", {per_cent((end - start) / total)}" if total and is_known else "")
    found: list[Mark] = [
        Bars((float(row),), (start,), (end,), role, group, names=(name,)),
        Label(end if role != "total" else start, float(row), words, "value", where="end",
              path=((start, end), (float(row),) * 2), short=short),
    ]  # fmt: skip
    if role in ("time", "rest") and total and start:
        found.append(Line((start, start), (row - 1.0, float(row)), "connector"))
    return found


def _panel(names: tuple[str, ...], title: str, unit: str, high: float, marks: Sequence[Mark]) -> Panel:
    return Panel(
        Axis(title, unit, "linear", (0.0, high * 1.02 or 1.0)),
        Axis("", "", "category", (len(names) - 0.5, -0.5), categories=names),
        tuple(marks),
    )
