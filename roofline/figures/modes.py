"""Choosing a mode: the Pareto front over a grid, and maps over two clocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Cells, Floats, Key, Label, Line, Mark, Panel, Points, Rule
from roofline.figures.words import heading, log_limits, settings, timed
from roofline.units import counted, significant, text


class Spot(NamedTuple):
    """One mode."""

    name: str
    time_s: float
    energy_j: float
    is_limited: bool = False
    """Whether it needs more power than the module can take."""


class ClockMap(NamedTuple):
    """Time and energy over two clocks, everything else as in one mode."""

    mode: str
    clock: str
    """The processor's clock in words, ``GPU clock``."""
    clock_hz: Floats
    memory_hz: Floats
    time_s: tuple[Floats, ...]
    """One row per memory clock."""
    energy_j: tuple[Floats, ...]
    """NaN where unknown."""
    limited: tuple[tuple[bool, ...], ...]
    """Where the module cannot take the power."""

    @property
    def fastest_s(self) -> float:
        """The shortest time of those that the module can take; NaN where it can take none."""
        kept = [t for times, over in zip(self.time_s, self.limited) for t, limited in zip(times, over) if not limited]
        return min(kept, default=math.nan)


def front_of(spots: Sequence[Spot]) -> list[Spot]:
    """Return the modes that no other one beats in time and energy at once, fastest first."""
    found: list[Spot] = []
    for spot in sorted(spots, key=lambda spot: (spot.time_s, spot.energy_j)):
        if math.isfinite(spot.energy_j) and (not found or spot.energy_j < found[-1].energy_j):
            found.append(spot)
    return found


def pareto(
    data: dict[str, Any], candidates: Sequence[Spot], limited: Sequence[Spot], named: Sequence[Spot],
    marked: dict[str, Spot], slack_s: float | None, slack: float | None, grid: str,
) -> Figure:  # fmt: skip
    """Draw every candidate mode as (time, energy), and the front of those that none beats in both.

    Args:
        data: an analysis with a device.
        candidates: modes that can be kept up.
        limited: modes that need more than the module can take.
        named: the device's named modes.
        marked: ``default``, ``maximum`` and ``chosen`` modes, those that there are.
        slack_s: the longest time within the slack, None without.
        slack: the slack as a share.
        grid: which modes these are, in words.
    """
    front = front_of(candidates)
    inside = [*front, *named, *marked.values()]
    x = log_limits((spot.time_s for spot in inside), 1.12, 1.25, 1.6)
    y = log_limits((spot.energy_j for spot in inside if math.isfinite(spot.energy_j)), 1.12, 1.12, 1.6)
    words = f"fastest{' sustained' if limited else ''} + {100 * slack:g} %" if slack is not None else ""
    far = sum(math.isfinite(spot.energy_j) for spot in (*candidates, *limited))
    candidates = [spot for spot in candidates if _is_within(spot, x, y)]
    limited = [spot for spot in limited if _is_within(spot, x, y)]
    far -= len(candidates) + len(limited)
    marks: list[Mark] = []
    for role, spots in (("power-limited", limited), ("candidate", candidates), ("front", front)):
        if role == "front" and front:
            steps = [(a, b) for spot, after in pairwise(front)
                     for a, b in ((spot.time_s, spot.energy_j), (after.time_s, spot.energy_j))]  # fmt: skip
            steps.append((front[-1].time_s, front[-1].energy_j))
            marks.append(Line(tuple(a for a, _ in steps), tuple(b for _, b in steps), "front", "", "front"))
        marks.append(_points(spots, role))
    labels: list[Label] = []
    if slack_s is not None:
        marks.append(Rule("x", slack_s, "slack", "", words))
        labels.append(Label(slack_s, y[1], words, "slack", where="along", path=((slack_s, slack_s), y)))
    names = {spot.name for role, spot in marked.items()}
    marks.append(_points([spot for spot in named if spot.name not in names], "named"))
    marks += [_points([marked[role]], role) for role in ("default", "maximum", "chosen") if role in marked]
    marks.append(_points([spot for spot in (*named, *marked.values()) if spot.is_limited], "over-limit"))
    shown = {spot.name: (spot, role) for role, spot in marked.items()}
    shown |= {spot.name: (spot, "named") for spot in named if spot.name not in shown}
    labels += [Label(spot.time_s, spot.energy_j, name, role) for name, (spot, role) in shown.items()
               if math.isfinite(spot.energy_j)]  # fmt: skip
    keys = [Key(words, role) for role, words in (
        ("chosen", "chosen"), ("maximum", "maximum"), ("default", "default"), ("named", "named mode"),
        ("candidate", f"{grid} grid"), ("power-limited", "more power than the module can take"))
        if role in marked or (role == "named" and named) or (role == "candidate" and candidates)
        or (role == "power-limited" and limited)]  # fmt: skip
    per = " per run" if (data["batch"] or 1) > 1 else ""
    return Figure(
        title=heading("Time and energy of power modes", data),
        subtitle=settings(data, with_mode=False),
        panels=(Panel(Axis(f"{timed('time', data)}{per}", "s", "log", x), Axis(f"Energy{per}", "J", "log", y),
                      (*(mark for mark in marks if not isinstance(mark, Points) or mark.x), *labels)),),
        key=(*keys, Key("line: none is better in both")),
        notes=(*((f"Not shown: {counted(far, 'point')} of the grid further out.",) if far else ()),
               *_traffic_note(data)),
    )  # fmt: skip


def _traffic_note(data: dict[str, Any]) -> tuple[str, ...]:
    """Return what energies over all modes are of, where the time is of other traffic."""
    if not any(finding["code"] == "energy-traffic" for finding in data["findings"]):
        return ()
    return (f"Energies are of the traffic that their coefficients were fitted to, times of {data['traffic']} traffic.",)


def _is_within(spot: Spot, x: tuple[float, float], y: tuple[float, float]) -> bool:
    return x[0] <= spot.time_s <= x[1] and y[0] <= spot.energy_j <= y[1]


def _points(spots: Sequence[Spot], role: str) -> Points:
    known = [spot for spot in spots if math.isfinite(spot.energy_j)]
    return Points(
        tuple(spot.time_s for spot in known), tuple(spot.energy_j for spot in known), role,
        names=tuple(f"{spot.name}: {text(spot.time_s, 's')}, {text(spot.energy_j, 'J')}" for spot in known),
    )  # fmt: skip


def heatmap(data: dict[str, Any], found: ClockMap, value: str, slack: float) -> Figure:
    """Draw time or energy over the processor's and the memory's clock, and the line of equal latency.

    Left of and below the line a mode is more than `slack` slower than the fastest one of the map that the module can
    take; the star is the mode of least energy that is not. A cross marks what the module cannot take.

    Args:
        data: an analysis with a device.
        found: the map.
        value: ``time`` or ``energy``.
        slack: a share.
    """
    rows, unit, title = (found.time_s, "s", "Time") if value == "time" else (found.energy_j, "J", "Energy")
    flat = [v for row in rows for v in row if math.isfinite(v)]
    low, high = min(flat), max(flat)
    scale = _scale(high, unit)
    xs, ys = tuple(map(float, range(len(found.clock_hz)))), tuple(map(float, range(len(found.memory_hz))))
    limit = (1 + slack) * found.fastest_s
    inside = [[t <= limit * (1 + 1e-12) for t in row] for row in found.time_s]
    names = tuple(
        tuple(f"{f / 1e6:g} MHz, memory {m / 1e6:g} MHz: {text(t, 's')}, {text(e, 'J')}"
              for f, t, e in zip(found.clock_hz, times, energies))
        for m, times, energies in zip(found.memory_hz, found.time_s, found.energy_j)
    )  # fmt: skip
    edge_x, edge_y = _border(inside)
    marks: list[Mark] = [Cells(xs, ys, rows, (low, high), "grid-cell", "", names)]
    if edge_x:
        marks.append(Line(edge_x, edge_y, "iso-latency", "", f"{slack:.0%} slower than the fastest"))
    best = _best(found, inside)
    if best is not None:
        marks.append(
            Points((xs[best[1]],), (ys[best[0]] + 0.3,), "chosen", names=(f"least energy: {names[best[0]][best[1]]}",))
        )
    crosses: dict[str, list[tuple[float, float]]] = {"cell-limited": [], "cell-limited-pale": []}
    for j, row in enumerate(rows):
        for i, v in enumerate(row):
            if math.isfinite(v):
                is_dark = math.log(v / low) < 0.55 * math.log(high / low)
                marks.append(Label(xs[i], ys[j], significant(v / scale[0], 3), "grid-cell",
                                   "dark" if is_dark else "light", where="centre", all_or_none=True))  # fmt: skip
                if found.limited[j][i]:
                    crosses["cell-limited" if is_dark else "cell-limited-pale"].append((xs[i], ys[j] - 0.3))
    marks += [Points(tuple(x for x, _ in at), tuple(y for _, y in at), role) for role, at in crosses.items() if at]
    clocks = tuple(f"{f / 1e6:.0f}" for f in found.clock_hz)
    memory = tuple(f"{f / 1e6:.0f}" for f in found.memory_hz)
    high = max(high, 1.01 * low)
    steps = tuple(low * (high / low) ** (i / 63) for i in range(64))
    ramp = Cells((0.0,), steps, tuple((v,) for v in steps), (low, high), "grid-cell")
    up = Axis(timed("time", data) if value == "time" else title, unit, "log", (low, high), side="far")
    colours = Panel(Axis("", "", "category", (-0.5, 0.5)), up, (ramp,), is_scale=True)
    over = any(map(any, found.limited))
    fastest = "the fastest that the module can take" if over else "the fastest"
    keys = [Key(f"within {100 * slack:g} % of {fastest}", "iso-latency")] if edge_x else []
    keys += [Key("of those the least energy", "chosen")] if best is not None else []
    keys += [Key("more power than the module can take", "power-limited")] if over else []
    return Figure(
        title=heading(f"{title} over the clocks", data),
        subtitle=f"other knobs as in {found.mode} · {settings(data, with_mode=False)}",
        panels=(Panel(_clocks(f"{found.clock} (MHz)", clocks), _clocks("Memory clock (MHz)", memory), tuple(marks)),
                colours),
        key=tuple(keys),
        notes=_traffic_note(data) if value == "energy" else (),
    )  # fmt: skip


def _clocks(title: str, values: tuple[str, ...]) -> Axis:
    return Axis(title, "", "category", (-0.5, len(values) - 0.5), values)


def _scale(high: float, unit: str) -> tuple[float, str]:
    shown = text(high, unit).split(" ")[-1]
    prefix = shown[: len(shown) - len(unit)]
    return {"": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "k": 1e3}[prefix], shown


def _best(found: ClockMap, inside: Sequence[Sequence[bool]]) -> tuple[int, int] | None:
    usable = [(e, j, i) for j, row in enumerate(found.energy_j) for i, e in enumerate(row)
              if inside[j][i] and math.isfinite(e) and not found.limited[j][i]]  # fmt: skip
    return min(usable)[1:] if usable else None


def _border(inside: Sequence[Sequence[bool]]) -> tuple[Floats, Floats]:
    """Return the edges between cells that are inside and those that are not, a NaN after each."""
    x: list[float] = []
    y: list[float] = []
    for j, row in enumerate(inside):
        for i, mine in enumerate(row):
            if i + 1 < len(row) and row[i + 1] != mine:
                x += [i + 0.5, i + 0.5, math.nan]
                y += [j - 0.5, j + 0.5, math.nan]
            if j + 1 < len(inside) and inside[j + 1][i] != mine:
                x += [i - 0.5, i + 0.5, math.nan]
                y += [j + 0.5, j + 0.5, math.nan]
    return tuple(x), tuple(y)
