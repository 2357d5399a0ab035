"""Batch sizes, and memory over the schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from roofline.figures.figure import Figure
from roofline.figures.marks import Area, Axis, Floats, Key, Label, Line, Mark, Panel, Points, Rule
from roofline.figures.ticks import MOST
from roofline.figures.words import heading, log_limits, per_cent, settings, short_name, time_of, timed
from roofline.units import significant, text


class BatchPoint(NamedTuple):
    """A model at one batch size."""

    batch: int
    time_s: float
    energy_j: float | None
    """Per run."""
    balance: Floats
    """Compute time over memory time of each layer: above 1 it is past its ridge. NaN where it has neither."""


def batch_sweep(data: dict[str, Any], points: Sequence[BatchPoint]) -> Figure:
    """Draw latency, throughput and energy per sample over the batch size, and where layers cross their ridge.

    Args:
        data: the analysis at one of the batch sizes; it gives the layers.
        points: one per batch size, ascending; `balance` has one entry per layer of `data`.
    """
    batches = tuple(float(point.batch) for point in points)
    x = Axis(
        "Batch size",
        "",
        "log",
        (batches[0] / 1.25, batches[-1] * 1.25 if len(batches) > 1 else batches[0] * 2),
        ticks=batches,
    )
    rows: list[tuple[str, str, str, Floats]] = [
        (
            "Latency" if data["basis"] == "roofline" else timed("latency", data),
            "s",
            "latency",
            tuple(point.time_s for point in points),
        ),
        ("Samples/s", "samples/s", "throughput", tuple(point.batch / point.time_s for point in points)),
    ]
    energies = [point.energy_j for point in points]
    known = [energy / point.batch for energy, point in zip(energies, points) if energy is not None]
    if len(known) == len(points):
        rows.append(("Energy/sample", "J", "energy", tuple(known)))
    panels = []
    for title, unit, role, values in rows:
        names = tuple(f"batch {b:g}: {_in_words(v, unit)}" for b, v in zip(batches, values))
        shown = dict.fromkeys((0, len(values) - 1))
        ends = [Label(batches[i], values[i], _in_words(values[i], unit), role) for i in shown]
        y = Axis(title, unit, "linear", (0.0, 1.25 * max(values)))
        panels.append(
            Panel(x, y, (Line(batches, values, role, "", title), Points(batches, values, role, names=names), *ends))
        )
    crossings = _crossings(data, points, x)
    panels.append(crossings)
    past = [mark for mark in crossings.marks if isinstance(mark, Points)]
    return Figure(
        title=heading("Batch sizes", data),
        subtitle=settings({**data, "batch": None}),
        panels=tuple(panels),
        key=(Key("the batch size by which a layer crosses its ridge", "crossed", past[0].group),) if past else (),
        notes=(
            *(() if len(known) == len(points)
              else ("The energy is unknown: no coefficients for this device and precision.",)),
            "Compute/memory: a layer's time at its compute ceiling over its time at the memory's; 1 is its ridge.",
        ),
    )  # fmt: skip


def _in_words(value: float, unit: str) -> str:
    return f"{significant(value, 3)} /s" if unit == "samples/s" else text(value, unit)


def _crossings(data: dict[str, Any], points: Sequence[BatchPoint], x: Axis) -> Panel:
    """Draw how far the layers that matter are from their ridge; those whose lines are one share a label."""
    layers = data["layers"]
    order = sorted(range(len(layers)), key=lambda i: -(time_of(layers[i]) or 0))
    lines: dict[tuple[float, ...], list[int]] = {}
    for i in order:
        values = tuple(point.balance[i] for point in points)
        if all(math.isfinite(v) and v > 0 for v in values):
            lines.setdefault(tuple(round(20 * math.log10(v)) for v in values), []).append(i)
    ranked = sorted(lines.values(), key=lambda group: -sum(time_of(layers[i]) or 0 for i in group))[:5]
    batches = tuple(float(point.batch) for point in points)
    marks: list[Mark] = [Rule("y", 1.0, "balance", "", "ridge")]
    labels = [Label(batches[0], 1.0, "ridge", "balance", where="along", path=(x.limits, (1.0, 1.0)))]
    everything = [1.0]
    for number, group in enumerate(ranked):
        first = group[0]
        values = tuple(point.balance[first] for point in points)
        more = f" ×{len(group)}" if len(group) > 1 else ""
        marks.append(Line(batches, values, "crossing", str(number), layers[first]["name"]))
        past = next((k for k in range(1, len(values)) if (values[k] > 1) != (values[k - 1] > 1)), None)
        if past is not None:
            words = f"{layers[first]['name']}: crosses its ridge by batch {batches[past]:g}"
            marks.append(Points((batches[past],), (values[past],), "crossed", str(number), names=(words,)))
        labels.append(Label(batches[-1], values[-1], short_name(layers[first]) + more, "crossing", where="along",
                            path=(batches, values)))  # fmt: skip
        everything += values
    return Panel(x, Axis("Compute/memory", "", "log", log_limits(everything, 1.5, 1.5)), (*marks, *labels))


def memory_schedule(
    data: dict[str, Any], live_bytes: Sequence[int], names: Sequence[str], weight_bytes: int, device_bytes: float | None
) -> Figure:
    """Draw the memory that is held while each layer runs: weights below, activations on top.

    Where weights are most of it, a second panel holds the activations alone.

    Args:
        data: an analysis.
        live_bytes: activations alive while each layer runs, in order.
        names: what the layers are called.
        weight_bytes: held throughout.
        device_bytes: the device's memory, drawn where it is near and noted where it is not.
    """
    peak = max(range(len(live_bytes)), key=live_bytes.__getitem__)
    top = weight_bytes + live_bytes[peak]
    near = device_bytes if device_bytes is not None and device_bytes < 4 * top else None
    panels = [_held("Held at once", live_bytes, names, weight_bytes, near)]
    if weight_bytes > 3 * live_bytes[peak] > 0:
        panels.append(_held("Activations", live_bytes, names, 0, None))
    notes = ["Workspaces of a runtime's algorithms are not in it."]
    if device_bytes is not None and near is None:
        notes.insert(
            0, f"The device has {text(device_bytes, 'B')}; at most {per_cent(top / device_bytes)} of it is taken."
        )
    return Figure(
        title=heading("Memory", data),
        subtitle=settings({**data, "basis": ""}, with_mode=False),
        panels=tuple(panels),
        key=(*((Key(f"weights {text(weight_bytes, 'B')}", "weights"),) if weight_bytes else ()),
             Key(f"activations, at most {text(live_bytes[peak], 'B')}", "activations")),
        notes=tuple(notes),
    )  # fmt: skip


def _held(title: str, live: Sequence[int], names: Sequence[str], weights: int, limit: float | None) -> Panel:
    x = tuple(at for step in range(len(live)) for at in (step + 0.5, step + 1.5))
    heights = tuple(float(weights + held) for held in live for _ in (0, 1))
    base = (float(weights),) * len(x)
    peak = max(range(len(live)), key=live.__getitem__)
    top = float(weights + live[peak])
    marks: list[Mark] = []
    labels = [Label(peak + 1.0, top, f"peak {text(top, 'B')} at {names[peak]}", "peak")]
    if weights:
        marks.append(Area(x, (0.0,) * len(x), base, "weights", "", f"weights {text(weights, 'B')}"))
    marks.append(Area(x, base, heights, "activations", "", "activations"))
    if limit is not None:
        words = f"device memory {text(limit, 'B')}"
        marks.append(Rule("y", limit, "limit", "", words))
        labels.append(Label(0.5, limit, words, "limit", where="along", path=((x[0], x[-1]), (limit, limit))))
    marks.append(Points((peak + 1.0,), (top,), "peak", names=(f"{names[peak]}: {text(top, 'B')}",)))
    every = max(1, -(-len(live) // MOST))
    places = tuple(float(n) for n in range(every, len(live) + 1, every))
    return Panel(Axis("Layer, in order", "", "linear", (x[0], x[-1]), ticks=places if len(live) < 2 * MOST else ()),
                 Axis(title, "B", "linear", (0.0, 1.25 * max(top, limit or 0.0))), (*marks, *labels))  # fmt: skip
