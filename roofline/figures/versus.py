"""Two models, precisions or modes in one roofline picture."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import PurePath
from typing import Any, NamedTuple

from roofline.figures.figure import Figure
from roofline.figures.marks import Arrow, Axis, Label, Line, Mark, Panel, Points
from roofline.figures.words import (
    BASIS,
    LABELLED,
    Spot,
    by_class,
    class_keys,
    labels_for,
    log_limits,
    op_class,
    others_key,
    performance,
    short_name,
)
from roofline.units import counted, text


class Side(NamedTuple):
    """The roof of one side: its highest pipe in use, and its memory."""

    label: str
    ceiling: str
    peak_flop_per_s: float
    bandwidth_byte_per_s: float


def comparison(data: dict[str, Any], a: Side, b: Side, layers: Sequence[dict[str, Any]]) -> Figure:
    """Draw both roofs, the layers of both sides, and arrows from where layers are on side A to where they are on B.

    Args:
        data: a comparison with a device on both sides, as `Comparison.to_dict` gives it.
        a, b: the roofs.
        layers: pairs of layers that belong together, each with its ``class``; one side of a layer without a partner
            has no layers.
    """
    key_of_time = "predicted_time_s" if data["basis"] == "prediction" else "roofline_time_s"
    times = {side: data[side]["totals"][key_of_time] for side in "ab"}
    placed = _places(layers)
    whole = [_place(data[side]["totals"]["flops"], data[side]["totals"]["bytes"], times[side]) for side in "ab"]
    everywhere = [spot for row in placed for spot in (row.a, row.b) if spot] + [spot for spot in whole if spot]
    ridges = [side.peak_flop_per_s / side.bandwidth_byte_per_s for side in (a, b)]
    x = log_limits([*(spot[0] for spot in everywhere), *ridges], 2.0, 5.0)
    y = log_limits([*(spot[1] for spot in everywhere), a.peak_flop_per_s, b.peak_flop_per_s], 2.0, 2.2)
    roofs, labels = _roofs(a, b, x)
    points = _points(placed, {side: max(times[side] or 0.0, 1e-30) for side in "ab"})
    arrows, names = _moves([row for row in placed if row.a and row.b])
    marks: list[Mark] = [*roofs, *points, *arrows]
    labels += names
    if whole[0] and whole[1]:
        before, after = text(times["a"], "s"), text(times["b"], "s")
        marks.append(Arrow(*whole[0], *whole[1], "model-change", "", f"{before} to {after}"))
        labels.insert(0, Label(*whole[1], f"whole model: {before} → {after}", "model-change"))
    for side, without, room in (("a", "b", (LABELLED - len(names)) // 2), ("b", "a", (LABELLED - len(names) + 1) // 2)):
        alone = [row.as_spot(side) for row in placed if not row.row[f"layers_{without}"]]
        labels += labels_for(alone, f"side-{side}")[:room]
    return Figure(
        title=_title(data),
        subtitle=_subtitle(data),
        panels=(Panel(Axis("Intensity", "FLOP/B", "log", x), Axis(performance(data), "FLOP/s", "log", y),
                      (*marks, *labels)),),
        key=(*class_keys(by_class(row.row for row in placed), "side-b", "pale: A, strong: B",
                         "area: share of the time"), *others_key(labels)),
        notes=_notes(data, len(layers) - len(placed)),
    )  # fmt: skip


class _Placed(NamedTuple):
    """A pair of layers, and where each is: (intensity, FLOP/s), None on a side that has none or computes nothing."""

    row: dict[str, Any]
    a: tuple[float, float] | None
    b: tuple[float, float] | None

    def on(self, side: str) -> tuple[float, float] | None:
        return self.a if side == "a" else self.b

    def as_spot(self, side: str) -> Spot:
        x, y = self.on(side) or (0.0, 0.0)
        name = f"{side.upper()}: {short_name({**self.row, 'name': self.row[f'name_{side}']})}"
        kind = (self.row["op_type"], self.row[f"flops_{side}"], self.row[f"bytes_{side}"])
        return Spot(x, y, name, self.row[f"time_{side}_s"] or 0.0, kind)


def _places(layers: Sequence[dict[str, Any]]) -> list[_Placed]:
    """Return what can be drawn: both sides of a pair, or the one side of a layer without a partner."""
    found = []
    for row in layers:
        spots = [_place(row[f"flops_{side}"], row[f"bytes_{side}"], row[f"time_{side}_s"]) for side in "ab"]
        wanted = [bool(row[f"layers_{side}"]) for side in "ab"]
        if [spot is not None for spot in spots] == wanted:
            found.append(_Placed(row, *spots))
    return found


def _place(flop: float | None, moved: float | None, time_s: float | None) -> tuple[float, float] | None:
    return (flop / moved, flop / time_s) if flop and moved and time_s else None


def _roofs(a: Side, b: Side, x: tuple[float, float]) -> tuple[list[Mark], list[Label]]:
    """Return the roofs and what is said along them; equal ones as one."""
    marks: list[Mark] = []
    labels: list[Label] = []
    same = a[2:] == b[2:]
    for roof, role in ((a, "ceiling-a"), (b, "ceiling")):
        if same and role == "ceiling-a":
            continue
        ridge = roof.peak_flop_per_s / roof.bandwidth_byte_per_s
        line = Line((x[0], ridge, x[1]), (x[0] * roof.bandwidth_byte_per_s, roof.peak_flop_per_s, roof.peak_flop_per_s),
                    role, "", roof.label)  # fmt: skip
        marks.append(line)
        name = "" if same else f"{'A' if role == 'ceiling-a' else 'B'}: "
        labels.append(Label(x[1], roof.peak_flop_per_s, f"{name}{roof.ceiling} {text(roof.peak_flop_per_s, 'FLOP/s')}",
                            role, where="along", path=(line.x[1:], line.y[1:])))  # fmt: skip
        alike = a.bandwidth_byte_per_s == b.bandwidth_byte_per_s
        if not (alike and role == "ceiling-a"):
            words = f"{'' if alike else name}{text(roof.bandwidth_byte_per_s, 'B/s')}"
            labels.append(Label(x[0], line.y[0], words, role, where="along", path=(line.x[:2], line.y[:2])))
    return marks, labels


def _points(placed: Sequence[_Placed], totals: dict[str, float]) -> list[Mark]:
    marks: list[Mark] = []
    for side in "ab":
        for name in by_class(row.row for row in placed):
            mine = [(spot, row.row) for row in placed if op_class(row.row) == name and (spot := row.on(side))]
            marks.append(Points(
                tuple(spot[0] for spot, _ in mine), tuple(spot[1] for spot, _ in mine), f"side-{side}", name,
                share=tuple(row[f"time_{side}_s"] / totals[side] for _, row in mine),
                names=tuple(f"{side.upper()} {row[f'name_{side}']}: {text(row[f'time_{side}_s'], 's')}"
                            for _, row in mine),
            ))  # fmt: skip
    return marks


def _moves(pairs: Sequence[_Placed]) -> tuple[list[Mark], list[Label]]:
    """Return arrows for the pairs that take longest, and their names; those that move alike as one."""
    arrows: list[Mark] = []
    labels: list[Label] = []
    seen: set[tuple[int, ...]] = set()
    for pair in sorted(pairs, key=lambda pair: -(pair.row["time_a_s"] + pair.row["time_b_s"])):
        assert pair.a is not None and pair.b is not None
        key = tuple(round(20 * v) for v in map(log10, (*pair.a, *pair.b)))
        if key in seen or len(seen) >= LABELLED:
            continue
        seen.add(key)
        if key[:2] != key[2:]:
            arrows.append(Arrow(*pair.a, *pair.b, "change", op_class(pair.row)))
        labels.append(Label(*pair.b, short_name({**pair.row, "name": pair.row["name_b"]}), "side-b"))
    return arrows, labels


def _title(data: dict[str, Any]) -> str:
    names = [PurePath(data[side]["model"]).stem for side in "ab"]
    labels = f"{data['a']['label']} → {data['b']['label']}"
    return f"{names[0]}: {labels}" if names[0] == names[1] else f"{names[0]} → {names[1]}"


def _subtitle(data: dict[str, Any]) -> str:
    a, b = data["a"], data["b"]
    common = [str(a[key]) for key in ("device_name", "mode", "precision") if a[key] == b[key] and a[key]]
    return " · ".join(filter(None, (f"A: {a['label']}, B: {b['label']}", *common, BASIS[data["basis"]])))


def _notes(data: dict[str, Any], without: int) -> tuple[str, ...]:
    found = []
    alone = len(data["only_in_a"]), len(data["only_in_b"])
    if any(alone):
        found.append(f"Layers without a partner have no arrow: {alone[0]} of A, {alone[1]} of B.")
    if without:
        found.append(f"Not shown: {counted(without, 'pair')} of layers, or single ones, without FLOP on a side.")
    return tuple(found)
