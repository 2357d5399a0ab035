"""Two models, precisions or modes in one roofline picture."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import PurePath
from typing import Any, NamedTuple

from roofline.figures.figure import Figure
from roofline.figures.marks import Arrow, Axis, Label, Line, Mark, Panel, Points
from roofline.figures.words import BASIS, LABELLED, by_class, class_keys, log_limits, op_class, performance, short_name
from roofline.units import text


class Side(NamedTuple):
    """The roof of one side: its highest pipe in use, and its memory."""

    label: str
    ceiling: str
    peak_flop_per_s: float
    bandwidth_byte_per_s: float


def comparison(data: dict[str, Any], a: Side, b: Side, layers: Sequence[dict[str, Any]]) -> Figure:
    """Draw both roofs, and arrows from where layers are on side A to where they are on side B.

    Args:
        data: a comparison with a device on both sides, as `Comparison.to_dict` gives it.
        a, b: the roofs.
        layers: pairs of layers that belong together, each with its ``class``.
    """
    moved = [row for row in layers if all(row[f"{key}_{side}"] for side in "ab" for key in ("flops", "bytes"))
             and all(row[f"time_{side}_s"] for side in "ab")]  # fmt: skip
    key_of_time = "predicted_time_s" if data["basis"] == "prediction" else "roofline_time_s"
    times = {side: data[side]["totals"][key_of_time] for side in "ab"}
    totals = {side: max(times[side] or 0.0, 1e-30) for side in "ab"}
    whole = [_place(data[side]["totals"]["flops"], data[side]["totals"]["bytes"], times[side]) for side in "ab"]
    spots = {
        side: [_place(r[f"flops_{side}"], r[f"bytes_{side}"], r[f"time_{side}_s"]) for r in moved] for side in "ab"
    }
    everywhere = [*spots["a"], *spots["b"], *(spot for spot in whole if spot)]
    ridges = [side.peak_flop_per_s / side.bandwidth_byte_per_s for side in (a, b)]
    x = log_limits([*(spot[0] for spot in everywhere if spot), *ridges], 2.0, 5.0)
    y = log_limits([*(spot[1] for spot in everywhere if spot), a.peak_flop_per_s, b.peak_flop_per_s], 2.0, 2.2)
    marks: list[Mark] = []
    labels: list[Label] = []
    same = a[2:] == b[2:]
    for roof, ridge, role in ((a, ridges[0], "ceiling-a"), (b, ridges[1], "ceiling")):
        if same and role == "ceiling-a":
            continue
        line = Line((x[0], ridge, x[1]), (x[0] * roof.bandwidth_byte_per_s, roof.peak_flop_per_s, roof.peak_flop_per_s),
                    role, "", roof.label)  # fmt: skip
        marks.append(line)
        name = "" if same else f"{'A' if role == 'ceiling-a' else 'B'}: "
        alike = a.bandwidth_byte_per_s == b.bandwidth_byte_per_s
        memory = [] if alike and role == "ceiling-a" else [
            Label(x[0], line.y[0], f"{'' if alike else name}{text(roof.bandwidth_byte_per_s, 'B/s')}", role,
                  where="along", path=(line.x[:2], line.y[:2]))]  # fmt: skip
        labels += [
            Label(x[1], roof.peak_flop_per_s, f"{name}{roof.ceiling} {text(roof.peak_flop_per_s, 'FLOP/s')}", role,
                  where="along", path=(line.x[1:], line.y[1:])),
            *memory,
        ]  # fmt: skip
    classes = by_class(moved)
    for side in "ab":
        for name in classes:
            mine = [(spot, row) for spot, row in zip(spots[side], moved) if op_class(row) == name and spot]
            marks.append(Points(
                tuple(spot[0] for spot, _ in mine), tuple(spot[1] for spot, _ in mine), f"side-{side}", name,
                share=tuple(row[f"time_{side}_s"] / totals[side] for _, row in mine),
                names=tuple(f"{side.upper()} {row[f'name_{side}']}: {text(row[f'time_{side}_s'], 's')}"
                            for _, row in mine),
            ))  # fmt: skip
    order = sorted(range(len(moved)), key=lambda i: -(moved[i]["time_a_s"] + moved[i]["time_b_s"]))
    seen: set[tuple[int, ...]] = set()
    for i in order:
        start, end = spots["a"][i], spots["b"][i]
        if start is None or end is None or len(seen) >= LABELLED:
            continue
        key = tuple(round(20 * v) for v in map(log10, (*start, *end)))
        if key in seen:
            continue
        seen.add(key)
        if key[:2] != key[2:]:
            marks.append(Arrow(*start, *end, "change", op_class(moved[i])))
        labels.append(Label(*end, short_name({**moved[i], "name": moved[i]["name_b"]}), "side-b"))
    if whole[0] and whole[1]:
        before, after = text(times["a"], "s"), text(times["b"], "s")
        marks.append(Arrow(*whole[0], *whole[1], "model-change", "", f"{before} to {after}"))
        labels.insert(0, Label(*whole[1], f"whole model: {before} → {after}", "model-change"))
    return Figure(
        title=_title(data),
        subtitle=_subtitle(data),
        panels=(
            Panel(
                Axis("Intensity", "FLOP/B", "log", x), Axis(performance(data), "FLOP/s", "log", y), (*marks, *labels)
            ),
        ),
        key=class_keys(classes, "side-b", "pale: A, strong: B", "area: share of the time"),
        notes=_notes(data, len(layers) - len(moved)),
    )


def _place(flop: float | None, moved: float | None, time_s: float | None) -> tuple[float, float] | None:
    return (flop / moved, flop / time_s) if flop and moved and time_s else None


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
        found.append(f"Layers without a partner are not shown: {alone[0]} of A, {alone[1]} of B.")
    if without:
        found.append(f"Not shown: {without} pairs of layers without FLOP on one side.")
    return tuple(found)
