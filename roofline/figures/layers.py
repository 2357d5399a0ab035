"""Time and energy by layer (a waterfall) and by op class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Bars, Label, Line, Mark, Panel
from roofline.figures.words import (
    LABELLED,
    by_class,
    class_keys,
    describe,
    heading,
    op_class,
    per_cent,
    settings,
    short_name,
)
from roofline.units import text

_QUANTITIES = (("roofline_time_s", "Time", "s"), ("energy_j", "Energy", "J"))


def waterfall(data: dict[str, Any]) -> Figure:
    """Draw the time and the energy of the ten longest layers, then of the rest, each bar starting where the last ended.

    Args:
        data: an analysis with a device; where no energy is known, there is no panel for it and a note says so.
    """
    layers = [layer for layer in data["layers"] if layer["roofline_time_s"] or layer["energy_j"]]
    layers.sort(key=lambda layer: -(layer["roofline_time_s"] or 0))
    top, rest = layers[:LABELLED], layers[LABELLED:]
    names = tuple(_distinct([short_name(layer) for layer in top]))
    names += (f"{len(rest)} others", "total") if rest else ("total",)
    panels: list[Panel] = []
    for key, title, unit in _known(data):
        marks: list[Mark] = []
        start = 0.0
        total = sum(layer[key] or 0.0 for layer in layers)
        for row, layer in enumerate(top):
            end = start + (layer[key] or 0.0)
            marks += _bar(row, start, end, "time", op_class(layer), describe(layer), unit, total)
            start = end
        if rest:
            marks += _bar(len(top), start, total, "rest", "", f"{len(rest)} others", unit, total)
        marks += _bar(len(names) - 1, 0.0, total, "total", "", "total", unit, 0.0)
        marks = [mark for mark in marks if not isinstance(mark, Label)] + [m for m in marks if isinstance(m, Label)]
        panels.append(_panel(names if not panels else ("",) * len(names), title, unit, total, marks))
    used = [op_class(layer) for layer in top]
    return Figure(
        title=heading("Layers", data), subtitle=settings(data), panels=tuple(panels), beside=True,
        key=class_keys([name for name in by_class(top) if name in used], "time"), notes=_notes(data),
    )  # fmt: skip


def classes(data: dict[str, Any]) -> Figure:
    """Draw the time and the energy of each op class.

    Args:
        data: an analysis with a device.
    """
    layers = [layer for layer in data["layers"] if layer["roofline_time_s"] or layer["energy_j"]]
    groups = by_class(layers)
    order = sorted(groups, key=lambda name: -_sum(groups[name], "roofline_time_s"))
    names = tuple(f"{name} ({len(groups[name])})" for name in order)
    panels: list[Panel] = []
    for key, title, unit in _known(data):
        total = _sum(layers, key)
        largest = max((_sum(groups[name], key) for name in order), default=0.0)
        marks: list[Mark] = []
        for row, name in enumerate(order):
            marks += _bar(row, 0.0, _sum(groups[name], key), "time", name, name, unit, total)
        marks = [mark for mark in marks if not isinstance(mark, Label)] + [m for m in marks if isinstance(m, Label)]
        panels.append(_panel(names if not panels else ("",) * len(names), title, unit, largest * 1.5, marks))
    return Figure(title=heading("Op classes", data), subtitle=settings(data), panels=tuple(panels), beside=True,
                  notes=_notes(data))  # fmt: skip


def _known(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [item for item in _QUANTITIES if item[0] != "energy_j" or data["totals"]["energy_j"] is not None]


def _notes(data: dict[str, Any]) -> tuple[str, ...]:
    if data["totals"]["energy_j"] is None:
        return ("The energy is unknown: no coefficients for this device and precision.",)
    fixed = [f["message"] for f in data["findings"] if f["code"] == "energy-traffic"]
    return (f"Energy at the {data['totals']['power_boundary']} boundary.", *fixed[:1])


def _sum(layers: Sequence[dict[str, Any]], key: str) -> float:
    return float(sum(layer[key] or 0.0 for layer in layers))


def _distinct(names: list[str]) -> list[str]:
    """Return names, with a number behind those that are there twice."""
    found: list[str] = []
    for name in names:
        seen = sum(1 for other in found if other == name or other.startswith(f"{name} #"))
        found.append(f"{name} #{seen + 1}" if seen else name)
    return found


def _bar(row: int, start: float, end: float, role: str, group: str, name: str, unit: str, total: float) -> list[Mark]:
    words = text(end - start, unit) + (f", {per_cent((end - start) / total)}" if total else "")
    found: list[Mark] = [
        Bars((float(row),), (start,), (end,), role, group, names=(name,)),
        Label(end if role != "total" else start, float(row), words, "value", where="end"),
    ]
    if role in ("time", "rest") and total and start:
        found.append(Line((start, start), (row - 1.0, float(row)), "connector"))
    return found


def _panel(names: tuple[str, ...], title: str, unit: str, high: float, marks: Sequence[Mark]) -> Panel:
    return Panel(
        Axis(title, unit, "linear", (0.0, high * 1.02 or 1.0)),
        Axis("", "", "category", (len(names) - 0.5, -0.5), categories=names),
        tuple(marks),
    )
