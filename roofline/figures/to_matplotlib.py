"""A laid-out figure as a Matplotlib figure. No pyplot, no global settings changed."""

from __future__ import annotations

import io
import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from roofline import __version__
from roofline.figures.labels import PlacedLabel, diameters_mm
from roofline.figures.layout import Layout, PlacedPanel, Swatch, Words, x_title_mm, y_title_mm
from roofline.figures.letters import MM_PER_PT
from roofline.figures.marks import Area, Arrow, Axis, Bars, Cells, Label, Line, Mark, Points, Rule, mark_id
from roofline.figures.theme import FONT, HEAT, ON_CELLS, Look, Size, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCHEMA = "roofline.figure/1"
MADE_BY = f"roofline {__version__}"
_MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "star": "*", "cross": "x"}
_SCALE = {"circle": 1.0, "square": 0.88, "diamond": 0.8, "triangle": 1.0, "star": 1.3, "cross": 0.9}
"""Matplotlib's markers of one size differ in area; this makes them alike, and like Plotly's."""
DASHES: dict[str, tuple[float, ...]] = {
    "solid": (),
    "dash": (4.0, 2.4),
    "dot": (1.2, 1.8),
    "dashdot": (4.0, 1.8, 1.2, 1.8),
}
"""On and off in pt at the column's size, for both renderers."""


HALO = 0.75
"""How much of what lies behind a label is covered, so that a line through it does not hide it."""


def render(layout: Layout, theme: Theme) -> Figure:
    """Return the figure, as large as it is meant to be."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(layout.width / 25.4, layout.height / 25.4), facecolor=theme.background)
    FigureCanvasAgg(figure)
    for placed in layout.panels:
        _panel(figure, placed, layout, theme)
    for words in layout.words:
        _words(figure, words, layout, theme)
    for swatch in layout.swatches:
        _swatch(figure, swatch, layout, theme)
    return figure


def image(figure: Figure, form: str, dpi: int) -> bytes:
    """Return the figure as the content of a png, svg or pdf file; equal figures give equal bytes."""
    import warnings

    from matplotlib import rc_context

    buffer = io.BytesIO()
    said: dict[str, Any] = {
        "svg": {"Creator": MADE_BY, "Description": SCHEMA, "Date": None},
        "pdf": {"Creator": MADE_BY, "Subject": SCHEMA, "CreationDate": None},
    }.get(form, {"Software": MADE_BY, "Description": SCHEMA})
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "roofline", "pdf.fonttype": 42}
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from")  # a name in another script: boxes are drawn
        figure.savefig(buffer, format=form, dpi=dpi, metadata=said, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def _words(figure: Figure, words: Words, layout: Layout, theme: Theme) -> None:
    figure.text(
        words.x / layout.width, words.y / layout.height, words.text, ha="left", va="center", family=FONT,
        fontsize=words.size_pt, fontweight="bold" if words.is_bold else "normal", parse_math=False,
        color=theme.muted if words.is_muted else theme.ink, gid="words",
    )  # fmt: skip


def _swatch(figure: Figure, swatch: Swatch, layout: Layout, theme: Theme) -> None:
    from matplotlib.lines import Line2D

    look, factor = theme.look(swatch.role, swatch.group), layout.size.factor
    half = 1.6 * factor
    x = np.array([swatch.x - half, swatch.x + half]) / layout.width
    y = np.array([swatch.y, swatch.y]) / layout.height
    if swatch.kind == "marker":
        artist = Line2D(
            x[:1] + half / layout.width, y[:1], linestyle="", marker=_MARKERS[look.marker],
            markersize=1.8 * factor / MM_PER_PT * _SCALE[look.marker],
            markerfacecolor=(look.colour, max(0.6, look.fill)),
            **_edge(look, theme, factor, prefix="markeredge"),
        )  # fmt: skip
    elif swatch.kind == "line":
        artist = Line2D(x, y, color=look.colour, linewidth=look.width_pt * factor, **_dash(look))
    else:
        artist = Line2D(
            x, y, color=look.colour, alpha=look.fill, linewidth=1.6 * factor / MM_PER_PT, solid_capstyle="butt"
        )
    artist.set_gid("swatch")
    figure.add_artist(artist)


def _edge(look: Look, theme: Theme, factor: float, prefix: str) -> dict[str, Any]:
    ends = ("color", "width") if prefix == "markeredge" else ("colors", "widths")
    if look.marker == "cross":
        colour: Any = (look.colour, look.fill)
        return {prefix + ends[0]: colour, ("markeredgewidth" if prefix == "markeredge" else "linewidths"): 0.5 * factor}
    colour, width = (theme.ink, 0.25 * factor) if look.edge else ("none", 0.0)
    return {prefix + ends[0]: colour, ("markeredgewidth" if prefix == "markeredge" else "linewidths"): width}


def _dash(look: Look) -> dict[str, Any]:
    """Return the dashes, which Matplotlib wants in line widths."""
    if not DASHES[look.dash] or not look.width_pt:
        return {"linestyle": "-"}
    return {"linestyle": (0, tuple(part / look.width_pt for part in DASHES[look.dash])), "dash_capstyle": "butt"}


def _panel(figure: Figure, placed: PlacedPanel, layout: Layout, theme: Theme) -> None:
    size, panel = layout.size, placed.panel
    axes = figure.add_axes((
        placed.left / layout.width, placed.bottom / layout.height,
        placed.width / layout.width, placed.height / layout.height,
    ), facecolor=theme.background)  # fmt: skip
    axes.set_autoscale_on(False)
    for is_x, axis, ticks in ((True, panel.x, placed.x_ticks), (False, panel.y, placed.y_ticks)):
        ours = axes.xaxis if is_x else axes.yaxis
        if axis.scale == "log":
            (axes.set_xscale if is_x else axes.set_yscale)("log")
        (axes.set_xlim if is_x else axes.set_ylim)(*axis.limits)
        ours.set_ticks(list(ticks.values), list(ticks.texts), family=FONT, fontsize=size.small_pt, color=theme.muted,
                       parse_math=False)  # fmt: skip
        ours.set_ticks([], minor=True)
        ours.set_tick_params(length=0.0, pad=1.2 * size.factor)
        if axis.side == "far":
            (axes.xaxis.tick_top if is_x else axes.yaxis.tick_right)()
            axes.yaxis.set_label_position("right") if not is_x else axes.xaxis.set_label_position("top")
        ours.set_label_text(ticks.title, family=FONT, fontsize=size.text_pt, color=theme.ink, parse_math=False)
        if _has_grid(axis, panel.is_scale):
            ours.grid(True, color=theme.grid, linewidth=0.4 * size.factor)
    _titles_in_place(axes, placed, size)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom") and not panel.is_scale)
        spine.set(color=theme.muted, linewidth=0.5 * size.factor)
    for order, mark in enumerate(panel.marks):
        if not isinstance(mark, Label):
            _mark(axes, mark, placed, size, theme, 3 + order * 0.01)
    for label in placed.labels:
        _label(axes, label, size, theme)


def _titles_in_place(axes: Axes, placed: PlacedPanel, size: Size) -> None:
    """Put the axis titles in the room that the layout left for them, however large Matplotlib finds the tick texts."""
    axes.xaxis.set_label_coords(0.5, -x_title_mm(size) / placed.height)
    axes.xaxis.label.set(va="center")
    away = y_title_mm(placed, size) / placed.width
    axes.yaxis.set_label_coords(1 + away if placed.panel.y.side == "far" else -away, 0.5)
    axes.yaxis.label.set(va="center", rotation=90)


def _has_grid(axis: Axis, is_scale: bool) -> bool:
    return axis.scale != "category" and not is_scale


def _mark(axes: Axes, mark: Mark, placed: PlacedPanel, size: Size, theme: Theme, order: float) -> None:
    look, factor = theme.look(mark.role, mark.group), size.factor
    shared: dict[str, Any] = {"zorder": order, "gid": mark_id(mark)}
    if isinstance(mark, Points):
        areas = [(d / MM_PER_PT * _SCALE[look.marker]) ** 2 for d in diameters_mm(mark, size)]
        crossed = {"c": [look.colour], "alpha": look.fill} if look.marker == "cross" else {
            "facecolor": (look.colour, look.fill), **_edge(look, theme, factor, "edge")}  # fmt: skip
        if look.marker == "cross":
            crossed["linewidths"] = 0.5 * factor
        axes.scatter(mark.x, mark.y, s=areas, marker=_MARKERS[look.marker], clip_on=True, **crossed, **shared)
    elif isinstance(mark, Line):
        axes.plot(mark.x, mark.y, color=look.colour, linewidth=look.width_pt * factor, **_dash(look), **shared)
    elif isinstance(mark, Area):
        axes.fill((*mark.x, *mark.x[::-1]), (*mark.low, *mark.high[::-1]), facecolor=(look.colour, look.fill),
                  linewidth=0, **shared)  # fmt: skip
    elif isinstance(mark, Bars):
        lengths = np.subtract(mark.end, mark.start)
        fill = (look.colour, look.fill)
        bars = axes.barh(mark.at, lengths, left=mark.start, height=0.72, facecolor=fill, linewidth=0, zorder=order)
        for bar in bars:
            bar.set_gid(mark_id(mark))
    elif isinstance(mark, Rule):
        draw = axes.axvline if mark.axis == "x" else axes.axhline
        draw(mark.at, color=look.colour, linewidth=look.width_pt * factor, **_dash(look), **shared)
    elif isinstance(mark, Cells):
        _cells(axes, mark, shared, theme)
    elif isinstance(mark, Arrow):
        arrow = axes.annotate(
            "", xy=(mark.to_x, mark.to_y), xytext=(mark.x, mark.y), zorder=order, annotation_clip=False,
            arrowprops={"arrowstyle": "-|>", "color": look.colour, "linewidth": look.width_pt * factor,
                        "mutation_scale": 5 * factor, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
        arrow.set_gid(mark_id(mark))
    else:
        raise TypeError(f"no way to draw {type(mark).__name__}")


def _cells(axes: Axes, mark: Cells, shared: dict[str, Any], theme: Theme) -> None:
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    def edges(at: tuple[float, ...]) -> list[float]:
        if len(at) == 1:
            return [at[0] - 0.5, at[0] + 0.5]
        inner = [(a + b) / 2 for a, b in pairwise(at)]
        return [at[0] - (inner[0] - at[0]), *inner, at[-1] + (at[-1] - inner[-1])]

    axes.pcolormesh(
        edges(mark.x), edges(mark.y), np.ma.masked_invalid(np.array(mark.values)), norm=LogNorm(*mark.limits),
        cmap=LinearSegmentedColormap.from_list("heat", list(HEAT)), edgecolors=theme.background,
        linewidth=0.0 if len(mark.y) > 30 else 0.4, rasterized=len(mark.y) > 30, **shared,
    )  # fmt: skip


def label_colour(label: Label, theme: Theme) -> str:
    """Return the colour of a label: the ink, or on a cell what can be read there."""
    if label.role == "grid-cell":
        return ON_CELLS["white" if label.group == "dark" else "black"]
    return theme.muted if label.role in ("ceiling-unused", "candidate", "balance", "ceiling-a") else theme.ink


def _label(axes: Axes, placed: PlacedLabel, size: Size, theme: Theme) -> None:
    label, box = placed.label, placed.box
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure()
    assert figure is not None
    corner = axes.transAxes + ScaledTranslation(box.x / 25.4, box.y / 25.4, figure.dpi_scale_trans)
    line = None
    if placed.has_leader:
        line = {"arrowstyle": "-", "color": theme.muted, "linewidth": 0.35 * size.factor, "shrinkA": 0, "shrinkB": 0}
    text = axes.annotate(
        label.text, xy=(label.x, label.y), xytext=(0, 0), textcoords=corner, ha="center", va="center",
        rotation=math.degrees(box.angle), rotation_mode="anchor", family=FONT, fontsize=size.small_pt,
        color=label_colour(label, theme), arrowprops=line, zorder=9, annotation_clip=False, parse_math=False,
        bbox={"boxstyle": "square,pad=0.05", "edgecolor": "none",
              "facecolor": "none" if label.role == "grid-cell" else (theme.background, HALO)},
    )  # fmt: skip
    text.set_gid(mark_id(label))
