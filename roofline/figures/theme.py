"""How roles look: one table for both renderers. Colours: Okabe and Ito, "Color universal design" (2008)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from roofline.errors import UsageError

OKABE_ITO: Mapping[str, str] = MappingProxyType({
    "blue": "#0072B2", "vermillion": "#D55E00", "green": "#009E73", "purple": "#CC79A7", "orange": "#E69F00",
    "sky": "#56B4E9", "yellow": "#F0E442",
})  # fmt: skip
ON_CELLS: Mapping[str, str] = MappingProxyType({"white": "#ffffff", "black": "#1a1a1a"})
"""What is written on dark and on light cells of a heat map, on either background."""
Marker = Literal["circle", "square", "diamond", "triangle", "star", "cross"]
OP_CLASSES: Mapping[str, tuple[str, Marker]] = MappingProxyType({
    "convolution": ("blue", "circle"),
    "matmul": ("vermillion", "circle"),
    "attention": ("purple", "diamond"),
    "normalization": ("green", "square"),
    "elementwise": ("orange", "square"),
    "recurrent": ("yellow", "circle"),
    "reduction": ("sky", "square"),
    "pooling": ("sky", "triangle"),
    "movement": ("muted", "triangle"),
    "quantization": ("ink", "diamond"),
    "other": ("muted", "cross"),
})  # fmt: skip
"""Op class -> colour and marker; classes that share a colour have markers of their own."""
SERIES = (("blue", "solid"), ("vermillion", "dash"), ("green", "dot"), ("purple", "dashdot"), ("orange", "solid"),
          ("sky", "dash"), ("ink", "dot"), ("muted", "dashdot"))  # fmt: skip
"""Colour and dash of the first, second, ... of things that are alike (modes), so that neither says it alone."""
_ON_DARK = ("sky", "orange", "green", "purple", "vermillion", "yellow", "ink", "muted")
HEAT = ("#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725")
"""Viridis in eight steps: even in lightness, read alike with any colour vision."""
FONT = "DejaVu Sans"
FONTS = "DejaVu Sans, Verdana, sans-serif"
"""Matplotlib ships the first; the second is about as wide, so boxes worked out for one hold for the other."""


class Look(NamedTuple):
    """How one role is drawn. Lengths are those of the column size; a slide's are larger by its factor."""

    colour: str = "ink"
    """A name of `OKABE_ITO` or of a `Theme`; ``class`` and ``series`` take it from the mark's group."""
    width_pt: float = 0.8
    dash: str = "solid"
    marker: Marker = "circle"
    diameter_mm: float = 1.2
    fill: float = 1.0
    """Opacity of what is filled."""
    edge: bool = True
    """A thin outline in the ink's colour, which pale colours on white need."""


LOOKS: Mapping[str, Look] = MappingProxyType({
    "ceiling": Look("ink", 1.1),
    "ceiling-unused": Look("muted", 0.6, "dash"),
    "ceiling-a": Look("muted", 0.9, "dash"),
    "roof": Look("series", 1.2),
    "ridge": Look("ink", 0.5, "dot", "diamond", 1.5),
    "balance": Look("muted", 0.6, "dot"),
    "layer": Look("class", fill=0.75),
    "model": Look("series", marker="star", diameter_mm=2.6),
    "candidate": Look("muted", diameter_mm=0.7, fill=0.35, edge=False),
    "power-limited": Look("muted", marker="cross", diameter_mm=0.9, fill=0.45, edge=False),
    "front": Look("blue", 1.0, diameter_mm=1.2),
    "named": Look("sky", marker="square", diameter_mm=1.9),
    "default": Look("green", marker="square", diameter_mm=1.9),
    "chosen": Look("vermillion", 1.2, marker="star", diameter_mm=2.4),
    "maximum": Look("purple", marker="diamond", diameter_mm=2.2),
    "limit": Look("ink", 0.9, "dash"),
    "slack": Look("green", 0.9, "dash"),
    "iso-latency": Look("vermillion", 1.8),
    "time": Look("class", fill=0.9),
    "rest": Look("muted", fill=0.25),
    "total": Look("muted", fill=0.45),
    "connector": Look("muted", 0.5, "dot"),
    "grid-cell": Look("ink"),
    "over-limit": Look("ink", marker="cross", diameter_mm=3.2, edge=False),
    "cell-limited": Look("white", marker="cross", diameter_mm=1.1, edge=False),
    "cell-limited-pale": Look("black", marker="cross", diameter_mm=1.1, edge=False),
    "latency": Look("blue", 1.2, diameter_mm=1.5),
    "throughput": Look("green", 1.2, diameter_mm=1.5),
    "energy": Look("vermillion", 1.2, diameter_mm=1.5),
    "crossing": Look("series", 0.9, diameter_mm=1.5),
    "crossed": Look("series", diameter_mm=1.5),
    "diagonal": Look("ink", 0.8),
    "band": Look("sky", 0.0, fill=0.3),
    "measured": Look("series", diameter_mm=1.5, fill=0.8),
    "side-a": Look("class", fill=0.3),
    "side-b": Look("class", fill=0.85),
    "change": Look("class", 0.8),
    "model-change": Look("ink", 1.4),
    "weights": Look("blue", 0.0, fill=0.75),
    "activations": Look("orange", 0.0, fill=0.75),
    "peak": Look("ink", 0.6, "dot", "diamond", 1.8),
})  # fmt: skip
"""Role -> how it looks."""


class Theme(NamedTuple):
    """The colours that change with the background."""

    name: str
    background: str
    ink: str
    muted: str
    """For what is said beside the point."""
    grid: str
    series: tuple[str, ...]

    def colour(self, name: str) -> str:
        """Return ``#rrggbb`` of a colour's name."""
        if name in ("ink", "muted", "grid", "background"):
            found: str = getattr(self, name)
            return found
        return ON_CELLS.get(name) or OKABE_ITO[name]

    def look(self, role: str, group: str = "") -> Look:
        """Return how a role is drawn, its colour as ``#rrggbb``.

        Args:
            group: an op class, or ``0``, ``1``, ... where a role is one of a series.
        """
        look = LOOKS[role]
        if look.colour == "class":
            name, marker = OP_CLASSES.get(group, OP_CLASSES["other"])
            return look._replace(colour=self.colour(name), marker=marker)
        if look.colour == "series":
            place = int(group or 0) % len(SERIES)
            marked = look if look.marker != "circle" else look._replace(marker=_MARKERS[place % len(_MARKERS)])
            return marked._replace(colour=self.colour(self.series[place]), dash=SERIES[place][1])
        return look._replace(colour=self.colour(look.colour))


_MARKERS: tuple[Marker, ...] = ("circle", "square", "diamond", "triangle")
THEMES: Mapping[str, Theme] = MappingProxyType({
    "light": Theme("light", "#ffffff", "#1a1a1a", "#6b6b6b", "#e4e4e4", tuple(name for name, _ in SERIES)),
    "dark": Theme("dark", "#14171c", "#ececec", "#9aa0a8", "#2d323a", _ON_DARK),
})  # fmt: skip


class Size(NamedTuple):
    """How large a figure is. Lengths in mm, text in pt."""

    name: str
    width_mm: float
    height_mm: float | None
    """None: as high as its panels need."""
    panel_mm: float
    """Height of a panel where the whole has none."""
    text_pt: float
    small_pt: float
    factor: float
    """Line widths and markers, against the column's."""
    columns: int
    """Panels side by side, where they may be."""
    dpi: int


SIZES: Mapping[str, Size] = MappingProxyType({
    "column": Size("column", 83.0, None, 60.0, 7.0, 5.8, 1.0, 1, 300),
    "slide": Size("slide", 254.0, 142.9, 90.0, 13.0, 10.5, 2.0, 2, 150),
})  # fmt: skip
"""One column of a paper; a slide of 16:9, or a whole page's width."""


def find_theme(name: str) -> Theme:
    """Return a theme.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in THEMES:
        raise UsageError(f"no theme {name!r}", where="--theme", expected=", ".join(THEMES))
    return THEMES[name]


def find_size(name: str) -> Size:
    """Return a size.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in SIZES:
        raise UsageError(f"no size {name!r}", where="--size", expected=", ".join(SIZES))
    return SIZES[name]
