"""The labels of a panel: how large they are, where they could be, what they should not cover."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from roofline.figures.letters import height_mm, width_mm
from roofline.figures.marks import Arrow, Bars, Label, Line, Panel, Points, Rule
from roofline.figures.placing import Array, Box, Obstacles, Place, Wish, along, around, dots_along, place
from roofline.figures.theme import LOOKS, Size
from roofline.figures.ticks import position, value_at

LARGEST_MM = 11.0
"""Diameter of a point whose share is the whole; area is in proportion to share."""
SMALLEST_MM = 0.7
_BESIDE = 14.0
"""How much worse a place with a line to it is, for a label that belongs along one."""
_HEAVY = {"candidate": 0.4, "power-limited": 0.4, **dict.fromkeys(("model", "chosen", "maximum", "default"), 8.0)}
"""How much it costs to cover a small point of a role, where it is not 2."""
_UNCLEAR = 6.0
"""How much worse a place along a line is that is about as near to another one."""
_ROW = 3.0
"""How much worse a place is that has room for a row of text between it and its line."""
ROW_MM = 3.6
"""Height of one bar at the column's size."""


class PlacedLabel(NamedTuple):
    """A label and its box, in mm from the panel's lower left corner."""

    label: Label
    box: Box
    has_leader: bool
    """Far enough from its place to need a line to it."""


def diameters_mm(mark: Points, size: Size) -> tuple[float, ...]:
    """Return the diameter of each of a mark's points."""
    if not mark.share:
        return (LOOKS[mark.role].diameter_mm * size.factor,) * len(mark.x)
    return tuple(size.factor * max(SMALLEST_MM, LARGEST_MM * math.sqrt(share)) for share in mark.share)


def _mm(panel: Panel, x: Sequence[float], y: Sequence[float], wide: float, high: float) -> Array:
    """Return points in mm from the panel's lower left corner, (n, 2)."""
    across = [position(panel.x, value) for value in x]
    up = [position(panel.y, value) for value in y]
    return np.asarray(np.clip(np.array([across, up], dtype=np.float64).T, -50, 50) * np.array([wide, high]))


def _obstacles(panel: Panel, wide: float, high: float, size: Size) -> Obstacles:
    centres, radius, weight = [np.empty((0, 2))], [np.empty(0)], [np.empty(0)]

    def add(at: Array, r: float | Array, w: float | Array) -> None:
        inside = ((at >= 0) & (at <= (wide, high))).all(axis=1)
        centres.append(at[inside])
        radius.append(np.broadcast_to(r, len(at))[inside])
        weight.append(np.broadcast_to(w, len(at))[inside])

    for mark in panel.marks:
        if isinstance(mark, Points):
            heavy = _HEAVY.get(mark.role, 2.0)
            middles = _mm(panel, mark.x, mark.y, wide, high)
            # many layers alike are one point to the eye
            spots: dict[tuple[float, float], float] = {}
            for spot, diameter in zip(map(tuple, middles.round(1).tolist()), diameters_mm(mark, size)):
                spots[spot] = max(spots.get(spot, 0.0), diameter / 2)
            radii = np.array([*spots.values()])
            add(np.array([*spots]).reshape(-1, 2), radii, heavy * (1 + radii / size.factor))  # a large one is worse
        elif isinstance(mark, (Line, Arrow, Rule)):
            add(dots_along(_path(panel, mark, wide, high), (wide, high)), 0.1, 0.6)
        elif isinstance(mark, Bars):
            for at, start, end in zip(mark.at, mark.start, mark.end):
                ends = _mm(panel, (start, end), (at, at), wide, high)
                add(dots_along(ends, (wide, high)), 0.3 * ROW_MM, 0.5)
    return Obstacles(np.concatenate(centres), np.concatenate(radius), np.concatenate(weight))


def _path(panel: Panel, mark: Line | Arrow | Rule, wide: float, high: float) -> Array:
    if isinstance(mark, Line):
        return _mm(panel, mark.x, mark.y, wide, high)
    if isinstance(mark, Arrow):
        return _mm(panel, (mark.x, mark.to_x), (mark.y, mark.to_y), wide, high)
    if mark.axis == "x":
        return _mm(panel, (mark.at, mark.at), panel.y.limits, wide, high)
    return _mm(panel, panel.x.limits, (mark.at, mark.at), wide, high)


def place_labels(panel: Panel, wide: float, high: float, size: Size) -> tuple[PlacedLabel, ...]:
    """Return the labels of a panel that have room, each with its box."""
    labels = panel.labels
    if not labels:
        return ()
    paths = {label: dots_along(_mm(panel, *label.path, wide, high), (wide, high)) for label in labels
             if label.where == "along"}  # fmt: skip
    wishes = [_clearer(_wish(panel, label, wide, high, size), label, paths) for label in labels]
    boxes = place(wishes, _obstacles(panel, wide, high, size), wide, high)
    lost = {label.role for label, box in zip(labels, boxes) if box is None and label.all_or_none}
    found = []
    for label, box in zip(labels, boxes):
        if box is None or (label.all_or_none and label.role in lost):
            continue
        is_apart = _is_apart(panel, label, box, wide, high, size)
        if label.short and box.width < width_mm(label.text, size.small_pt):
            label = label._replace(text=label.short)
        if is_apart and len(paths.get(label, ())):  # the line leads to the nearest place of its own
            near = min(paths[label], key=lambda dot: math.hypot(*(dot - (box.x, box.y))))
            label = label._replace(x=value_at(panel.x, near[0] / wide), y=value_at(panel.y, near[1] / high))
        found.append(PlacedLabel(label, box, is_apart))
    return tuple(found)


def _clearer(wish: Wish, label: Label, paths: Mapping[Label, Array]) -> Wish:
    """Return a wish for a place along a line, places that could as well be about another line being worse."""
    others = [path for other, path in paths.items() if other.path != label.path and len(path)]
    if label not in paths or not others or not len(paths[label]):
        return wish
    theirs, own = np.concatenate(others), paths[label]

    def away(spot: Place, dots: Array) -> float:
        return float(np.hypot(*(dots - (spot.box.x, spot.box.y)).T).min())

    worse = [_UNCLEAR if away(spot, theirs) < 1.5 * away(spot, own) else 0.0 for spot in wish.places]
    return wish._replace(places=tuple(s._replace(cost=s.cost + more) for s, more in zip(wish.places, worse)))


def _is_apart(panel: Panel, label: Label, box: Box, wide: float, high: float, size: Size) -> bool:
    """Return whether a label is so far from what it is about that it needs a line to it."""
    if label.where == "near":
        at = _mm(panel, (label.x,), (label.y,), wide, high)[0]
        apart = max(abs(box.x - at[0]) - box.width / 2, abs(box.y - at[1]) - box.height / 2)
        return bool(apart > _free(panel, label, size) + size.factor)
    if label.where == "along":
        away = dots_along(_mm(panel, *label.path, wide, high), (wide, high)) - np.array([box.x, box.y])
        rows = 2 if label.clear else 1
        return bool(np.hypot(*away.T).min(initial=math.inf) > rows * box.height + size.factor)
    return False


def _wish(panel: Panel, label: Label, wide: float, high: float, size: Size) -> Wish:
    box = width_mm(label.text, size.small_pt), height_mm(size.small_pt) * 0.86
    at = _mm(panel, (label.x,), (label.y,), wide, high)[0]
    if label.where == "along":
        path = _mm(panel, *label.path, wide, high)
        gap = 0.35 * size.factor
        if label.clear:
            side = 1 if label.clear == "above" else -1
            off = along(path, *box, gap + box[1], (wide, high), sides=(side,))
            return Wish((*along(path, *box, gap, (wide, high)), *(s._replace(cost=s.cost + _ROW) for s in off)))
        further = [
            spot._replace(cost=spot.cost + _BESIDE)
            for spot in around(float(at[0]), float(at[1]), box[0], box[1], 1.5 * size.factor)
        ]
        return Wish((*along(path, *box, gap, (wide, high)), *further), at=(float(at[0]), float(at[1])))
    if label.where == "centre":
        return Wish((Place(Box(at[0], at[1], *box)),), must=True)
    if label.where == "end":
        step = box[0] / 2 + 0.8 * size.factor
        before = _mm(panel, label.path[0][:1], label.path[1][:1], wide, high)[0][0] if label.path[0] else at[0]
        inside = min(max(at[0] - step, box[0] / 2), wide - box[0] / 2)
        spots = [(at[0] + step, box), (before - step, box)]
        if label.short:
            less = width_mm(label.short, size.small_pt), box[1]
            step -= (box[0] - less[0]) / 2
            spots += [(at[0] + step, less), (before - step, less)]
        spots.append((inside, box))
        return Wish(tuple(Place(Box(x, at[1], *of), i) for i, (x, of) in enumerate(spots)), must=True)
    return Wish(around(at[0], at[1], *box, _free(panel, label, size)), at=(float(at[0]), float(at[1])))


def _free(panel: Panel, label: Label, size: Size) -> float:
    """Return how far a label must stay from its point: the largest marker there, and a little."""
    radius = 0.0
    for mark in panel.marks:
        if isinstance(mark, Points):
            sizes = diameters_mm(mark, size)
            radius = max([radius, *(d / 2 for x, y, d in zip(mark.x, mark.y, sizes) if (x, y) == (label.x, label.y))])
    return radius + 0.5 * size.factor
