"""Room for labels: each is put where it covers no other label, and as little of the marks as can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_PAD_MM = 0.25
_FAR = 1.5
"""From this cost on a place around a point has a line to it."""


class Box(NamedTuple):
    """A rectangle around (x, y), turned by `angle` radians. Lengths in mm."""

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    @property
    def corners(self) -> Array:
        """(4, 2)."""
        across = np.array([math.cos(self.angle), math.sin(self.angle)]) * self.width / 2
        up = np.array([-math.sin(self.angle), math.cos(self.angle)]) * self.height / 2
        return np.asarray(np.array([self.x, self.y]) + np.array([across + up, across - up, -across - up, -across + up]))


class Wish(NamedTuple):
    """A label that wants room: its text's size, and the places where it could be, the best first."""

    places: tuple[Place, ...]
    must: bool = False
    """Covering marks does not count (it belongs on them)."""
    at: tuple[float, float] | None = None
    """The point that a line leads to from a place further off."""


class Place(NamedTuple):
    """One place for a label."""

    box: Box
    cost: float = 0.0
    """How much worse it is than the first one."""


class Obstacles(NamedTuple):
    """What labels should not cover, as discs; lines are rows of small ones."""

    centres: Array
    """(discs, 2)."""
    radius: Array
    weight: Array


def overlap(a: Box, b: Box) -> bool:
    """Return whether two boxes cover a common point (separating axes of two rectangles)."""
    reach = (math.hypot(a.width, a.height) + math.hypot(b.width, b.height)) / 2
    if math.hypot(a.x - b.x, a.y - b.y) >= reach:
        return False
    of_a, of_b = a.corners, b.corners
    for angle in {a.angle, a.angle + math.pi / 2, b.angle, b.angle + math.pi / 2}:
        axis = np.array([math.cos(angle), math.sin(angle)])
        along_a, along_b = of_a @ axis, of_b @ axis
        if along_a.max() <= along_b.min() + 1e-9 or along_b.max() <= along_a.min() + 1e-9:
            return False
    return True


def is_inside(box: Box, width: float, height: float) -> bool:
    """Return whether a box lies in the panel (0, 0) to (width, height)."""
    corners = box.corners
    return bool(corners.min() >= -1e-9 and corners[:, 0].max() <= width + 1e-9 and corners[:, 1].max() <= height + 1e-9)


def covered(box: Box, obstacles: Obstacles) -> float:
    """Return the weight of the marks that a box covers."""
    if not len(obstacles.centres):
        return 0.0
    moved = obstacles.centres - np.array([box.x, box.y])
    c, s = math.cos(box.angle), math.sin(box.angle)
    across, up = np.abs(moved[:, 0] * c + moved[:, 1] * s), np.abs(moved[:, 1] * c - moved[:, 0] * s)
    hit = (across < box.width / 2 + obstacles.radius) & (up < box.height / 2 + obstacles.radius)
    return float(obstacles.weight[hit].sum())


def place(wishes: Sequence[Wish], obstacles: Obstacles, width: float, height: float) -> list[Box | None]:
    """Return a box for every label, in the order of the wishes; None where no place is free.

    The first wishes choose first. Among the places inside the panel that touch no label placed before, the one that
    covers the least weight of marks plus its own cost is taken.
    """
    taken: list[Box] = []
    leaders = Obstacles(np.empty((0, 2)), np.empty(0), np.empty(0))
    found: list[Box | None] = []
    for wish in wishes:
        best: Box | None = None
        least = math.inf
        for spot in wish.places:
            if spot.cost >= least:
                continue
            padded = spot.box._replace(width=spot.box.width + 2 * _PAD_MM, height=spot.box.height + 2 * _PAD_MM)
            if not is_inside(spot.box, width, height) or any(overlap(padded, other) for other in taken):
                continue
            cost = spot.cost + (0.0 if wish.must else covered(spot.box, obstacles) + covered(spot.box, leaders))
            if cost < least and wish.at is not None and spot.cost >= _FAR:
                line = _leader(wish.at, spot.box)
                crossed = sum(bool(_inside(line, other).any()) for other in taken)
                cost += 6.0 * crossed + 0.5 * _crossings(line, leaders)
            if cost < least:
                best, least = spot.box, cost
        found.append(best)
        if best is not None:
            taken.append(best)
            if wish.at is not None:
                line = _leader(wish.at, best)
                leaders = Obstacles(
                    np.concatenate([leaders.centres, line]),
                    np.concatenate([leaders.radius, np.full(len(line), 0.1)]),
                    np.concatenate([leaders.weight, np.full(len(line), 0.8)]),
                )
    return found


def _leader(at: tuple[float, float], box: Box) -> Array:
    """Return points on the line from a place to its label, up to the label's box."""
    steps = np.linspace(0, 1, max(2, math.ceil(math.hypot(box.x - at[0], box.y - at[1]) / 0.5)))[:, None]
    line = np.array(at) + steps * (np.array([box.x, box.y]) - np.array(at))
    return np.asarray(line[~_inside(line, box)])


def _inside(points: Array, box: Box) -> NDArray[np.bool_]:
    moved = points - np.array([box.x, box.y])
    c, s = math.cos(box.angle), math.sin(box.angle)
    across, up = np.abs(moved[:, 0] * c + moved[:, 1] * s), np.abs(moved[:, 1] * c - moved[:, 0] * s)
    return np.asarray((across < box.width / 2) & (up < box.height / 2))


def _crossings(line: Array, leaders: Obstacles) -> float:
    """Return how many points of a line are right beside other leaders."""
    if not len(leaders.centres) or not len(line):
        return 0.0
    apart = np.hypot(*(line[:, None, :] - leaders.centres[None, :, :]).transpose(2, 0, 1))
    return float((apart.min(axis=1) < 0.5).sum())


_SIDES = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1),
          (0.5, 1), (-0.5, 1), (0.5, -1), (-0.5, -1))  # fmt: skip


def around(x: float, y: float, width: float, height: float, free_mm: float) -> tuple[Place, ...]:
    """Return places around a point, the nearest to the right and above first. `free_mm` keeps clear of its marker."""
    found = []
    for distance, cost in ((0.0, 0.0), (1.5, 1.5), (3.5, 3.0), (6.0, 5.0), (10.0, 8.0), (15.0, 12.0), (22.0, 17.0)):
        gap = free_mm + distance
        diagonal = free_mm * 0.7 + distance
        for rank, (across, up) in enumerate(_SIDES):
            step = gap if 0 in (across, up) else diagonal
            centre = x + across * (width / 2 + step), y + up * (height / 2 + step)
            found.append(Place(Box(*centre, width, height), cost + 0.15 * rank))
    return tuple(found)


def along(
    path: Array, width: float, height: float, gap_mm: float, panel: tuple[float, float], sides: Sequence[int] = (1, -1)
) -> tuple[Place, ...]:
    """Return places on either side of a line (points in mm), parallel to it; above (1) before below (-1).

    Straight lines are labelled at their far end if level, in the middle if they rise; bends cost.
    """
    dots = dots_along(path, panel, 0.4)
    if len(dots) < 2:
        return ()
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(dots, axis=0).T))])
    length = float(travelled[-1])
    half = min(width, length) / 2
    found: list[Place] = []
    for centre in np.linspace(half, length - half, 31 if length > width else 1):
        inside = dots[(travelled >= centre - half - 0.2) & (travelled <= centre + half + 0.2)]
        chord = inside[-1] - inside[0]
        angle = math.atan2(chord[1], chord[0])
        if angle > math.pi / 2 + 1e-9 or angle < -math.pi / 2 + 1e-9:
            angle -= math.copysign(math.pi, angle)
        normal = np.array([-math.sin(angle), math.cos(angle)])
        away = (inside - inside[0]) @ normal
        bend = float(away.max() - away.min())
        wanted = 0.98 if abs(angle) < 0.3 else 0.5
        part = (centre - half) / (length - 2 * half) if length > width else wanted
        middle = (inside[0] + inside[-1]) / 2
        for side in sides:
            cost = 0.0 if side == 1 else 0.8
            clear = float(away.max()) if side == 1 else -float(away.min())
            at = middle + side * normal * (clear + height / 2 + gap_mm)
            if abs(angle) < 0.01 and length < width:  # text may be longer than the line it is about
                at = np.array([min(max(at[0], width / 2), panel[0] - width / 2), at[1]])
            worse = cost + 1.2 * abs(wanted - part) + 2.0 * bend + (1.0 if length < width else 0.0)
            found.append(Place(Box(float(at[0]), float(at[1]), width, height, angle), worse))
    return tuple(sorted(found, key=lambda spot: spot.cost))


def _visible(path: Array, panel: tuple[float, float]) -> Array:
    """Return a line's points, its straight segments cut to the panel."""
    found: list[Array] = []
    for start, end in pairwise(path):
        step = end - start
        if not np.isfinite(step).all():  # a gap in the line
            continue
        low, high = 0.0, 1.0
        for axis in (0, 1):
            if abs(step[axis]) < 1e-12:
                if not 0 <= start[axis] <= panel[axis]:
                    low, high = 1.0, 0.0
                continue
            a, b = sorted(((0 - start[axis]) / step[axis], (panel[axis] - start[axis]) / step[axis]))
            low, high = max(low, a), min(high, b)
        if low < high:
            found += [start + low * step, start + high * step]
    return np.array(found) if found else np.empty((0, 2))


def dots_along(path: Array, panel: tuple[float, float], every_mm: float = 0.8) -> Array:
    """Return points on a line, `every_mm` apart, inside the panel: (n, 2)."""
    keep = _visible(path, panel)
    parts = []
    for start, end in zip(keep[:-1:2], keep[1::2]):
        number = max(2, math.ceil(float(np.hypot(*(end - start))) / every_mm) + 1)
        parts.append(start + np.linspace(0, 1, number)[:, None] * (end - start))
    return np.concatenate(parts) if parts else np.empty((0, 2))
