"""What a figure is made of: panels with axes and typed marks. Data in SI units, roles instead of colours.

| here | Matplotlib | Plotly |
|---|---|---|
| `Panel` | Axes | a pair of axes |
| `Points` | scatter | Scatter, markers |
| `Line` | plot | Scatter, lines |
| `Area` | fill | Scatter filled to itself |
| `Bars` | barh | Bar |
| `Rule` | axvline, axhline | line shape over the whole axis |
| `Cells` | pcolormesh | Heatmap |
| `Arrow` | annotate | annotation with a head |
| `Label` | annotate | annotation with text |
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Floats: TypeAlias = "tuple[float, ...]"
Scale = Literal["linear", "log", "category"]


class Axis(NamedTuple):
    """One axis of a panel. Values are in `unit`; the layout chooses a prefix for the ticks."""

    title: str
    unit: str = ""
    """SI unit of the values, ``FLOP/s``; empty for counts and names."""
    scale: Scale = "linear"
    limits: tuple[float, float] = (0.0, 1.0)
    """From left to right, from bottom to top; the first may be the larger one."""
    categories: tuple[str, ...] = ()
    """Names at 0, 1, 2, ... where the scale is ``category``."""
    ticks: Floats = ()
    """Where ticks must be, such as the batch sizes that were run; empty lets the layout choose."""
    side: Literal["near", "far"] = "near"
    """``far`` puts ticks and title to the right of the panel (or above it)."""


class Points(NamedTuple):
    """Markers. With `share`, their area is in proportion to it."""

    x: Floats
    y: Floats
    role: str
    group: str = ""
    share: Floats = ()
    """Each point's share of a whole, from 0 to 1; empty gives all one size."""
    names: tuple[str, ...] = ()
    """What to show when the pointer is on a point."""


class Line(NamedTuple):
    """A line through points."""

    x: Floats
    y: Floats
    role: str
    group: str = ""
    name: str = ""


class Area(NamedTuple):
    """What lies between two lines over the same x."""

    x: Floats
    low: Floats
    high: Floats
    role: str
    group: str = ""
    name: str = ""


class Bars(NamedTuple):
    """Horizontal bars from `start` to `end` at the heights `at`."""

    at: Floats
    start: Floats
    end: Floats
    role: str
    group: str = ""
    names: tuple[str, ...] = ()


class Rule(NamedTuple):
    """A straight line across the whole panel at one value of one axis."""

    axis: Literal["x", "y"]
    at: float
    role: str
    group: str = ""
    name: str = ""


class Cells(NamedTuple):
    """Coloured cells around (x, y); the colour runs with the logarithm from the lowest to the highest of `limits`."""

    x: Floats
    y: Floats
    values: tuple[Floats, ...]
    """One row per y, positive. NaN is not drawn."""
    limits: tuple[float, float]
    role: str
    group: str = ""
    names: tuple[tuple[str, ...], ...] = ()


class Arrow(NamedTuple):
    """From one point to another."""

    x: float
    y: float
    to_x: float
    to_y: float
    role: str
    group: str = ""
    name: str = ""


class Label(NamedTuple):
    """Words about a place. The layout finds room for them; where there is none, they are left out."""

    x: float
    y: float
    text: str
    role: str
    group: str = ""
    where: Literal["near", "along", "end", "centre"] = "near"
    """Around the point, along `path`, at the end of a bar, or on the point."""
    path: tuple[Floats, Floats] = ((), ())
    """The line that an ``along`` label belongs to, the bar of an ``end`` one: its x and its y."""
    clear: Literal["", "above", "below"] = ""
    """The side of `path` with no other line like it, where the label may be a row further off."""
    short: str = ""
    """What it says where it has no room beside its bar."""
    all_or_none: bool = False
    """Leave every label of this role out if one of them has no room."""


Mark: TypeAlias = "Points | Line | Area | Bars | Rule | Cells | Arrow | Label"


class Key(NamedTuple):
    """One entry of the key above the panels: a swatch as the role is drawn, and what it means."""

    text: str
    role: str = ""
    group: str = ""
    """Without a role the entry is words alone."""


class Panel(NamedTuple):
    """One pair of axes and what is drawn between them, the first mark lowest."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    title: str = ""
    is_scale: bool = False
    """A narrow scale of colours that belongs to the panel before it."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels among the marks."""
        return tuple(mark for mark in self.marks if isinstance(mark, Label))


def mark_id(mark: Mark) -> str:
    """Return what names a mark in both renderers' results: its kind, role and group."""
    return ":".join(filter(None, (type(mark).__name__.lower(), mark.role, mark.group)))
