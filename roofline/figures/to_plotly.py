"""A laid-out figure as a Plotly figure, of the same size and with the same marks at the same places."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from roofline.figures.labels import PlacedLabel, diameters_mm
from roofline.figures.layout import Layout, PlacedPanel, Swatch, Words, x_title_mm, y_title_mm
from roofline.figures.marks import Area, Arrow, Axis, Bars, Cells, Label, Line, Mark, Points, Rule, mark_id
from roofline.figures.theme import FONTS, HEAT, Look, Theme
from roofline.figures.ticks import Ticks, position
from roofline.figures.to_matplotlib import DASHES, HALO, MADE_BY, SCHEMA, label_colour

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

PX_PER_MM = 96 / 25.4
PX_PER_PT = 96 / 72
_MARKERS = {"circle": "circle", "square": "square", "diamond": "diamond", "triangle": "triangle-up", "star": "star",
            "cross": "x-thin"}  # fmt: skip


_FIT = """
  const fit = () => {{
    const scale = Math.min(innerWidth / {width}, innerHeight / {height});
    document.getElementById("page").style.transform = `scale(${{scale}})`;
  }};
  addEventListener("resize", fit);
  fit();
"""
"""As large as the window lets it be: labels have places that hold at one ratio of width to height only."""
_TEXT = "%{text}<extra></extra>"
_NAME = "%{fullData.name}<extra></extra>"


def render(layout: Layout, theme: Theme) -> Figure:
    """Return the figure, as many pixels large as its size in mm is on a screen of 96 dpi."""
    import plotly.graph_objects as go

    drawing = _Drawing(layout, theme)
    for number, placed in enumerate(layout.panels):
        drawing.panel(placed, "" if number == 0 else str(number + 1))
    for words in layout.words:
        drawing.words(words)
    for swatch in layout.swatches:
        drawing.swatch(swatch)
    return go.Figure(
        data=drawing.traces,
        layout={
            "width": round(layout.width * PX_PER_MM), "height": round(layout.height * PX_PER_MM),
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0}, "paper_bgcolor": theme.background,
            "plot_bgcolor": theme.background, "font": {"family": FONTS, "color": theme.ink}, "showlegend": False,
            "hovermode": "closest", "bargap": 0, "barmode": "overlay", "annotations": drawing.annotations,
            "shapes": drawing.shapes, **drawing.axes,
        },
    )  # fmt: skip


def html(figure: Figure, title: str, *, full: bool) -> str:
    """Return a page with Plotly's script in it, or a fragment without."""
    from html import escape

    text = figure.to_html(full_html=False, include_plotlyjs=full, config={"displaylogo": False, "responsive": False})
    if not full:
        return str(text)
    ground, fit = figure.layout.paper_bgcolor, _FIT.format(width=figure.layout.width, height=figure.layout.height)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="generator" content="{escape(MADE_BY)}, {SCHEMA}">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head>'
        f'<body style="margin:0;overflow:hidden;background:{ground}"><div id="page" style="transform-origin:0 0">{text}'
        f"</div><script>{fit}</script></body></html>\n"
    )


def _rgba(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


class _Drawing:
    """Collects traces, shapes, annotations and axes."""

    def __init__(self, layout: Layout, theme: Theme) -> None:
        self._layout, self._theme, self._size = layout, theme, layout.size
        self.traces: list[Any] = []
        self.shapes: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.axes: dict[str, Any] = {}

    def _font(self, size_pt: float, colour: str) -> dict[str, Any]:
        return {"size": size_pt * PX_PER_PT, "color": colour, "family": FONTS}

    def words(self, words: Words) -> None:
        """Draw a line of text of the figure itself."""
        text = _plain(words.text)
        self.annotations.append({
            "text": f"<b>{text}</b>" if words.is_bold else text, "x": words.x / self._layout.width,
            "y": words.y / self._layout.height, "xref": "paper", "yref": "paper", "xanchor": "left",
            "yanchor": "middle", "showarrow": False, "name": "words", "borderpad": 0,
            "font": self._font(words.size_pt, self._theme.muted if words.is_muted else self._theme.ink),
        })  # fmt: skip

    def swatch(self, swatch: Swatch) -> None:
        """Draw one sample of the key."""
        look, factor = self._theme.look(swatch.role, swatch.group), self._size.factor
        half = 0.9 * factor if swatch.kind == "marker" else 1.6 * factor
        high = half if swatch.kind == "marker" else 0.8 * factor
        x = (swatch.x - half) / self._layout.width, (swatch.x + half) / self._layout.width
        y = (swatch.y - high) / self._layout.height, (swatch.y + high) / self._layout.height
        shared = {"xref": "paper", "yref": "paper", "name": "swatch"}
        if swatch.kind == "line":
            at = swatch.y / self._layout.height
            ends = {"x0": x[0], "x1": x[1], "y0": at, "y1": at}
            self.shapes.append({**shared, "type": "line", **ends, "line": self._line(look)})
            return
        is_marker = swatch.kind == "marker"
        fill = _rgba(look.colour, max(0.6, look.fill) if is_marker else look.fill)
        edge = {"width": 0.25 * factor * PX_PER_PT if look.edge and is_marker else 0, "color": self._theme.ink}
        path = _outline(look.marker if is_marker else "square", x, y)
        self.shapes.append({**shared, "type": "path", "path": path, "fillcolor": fill, "line": edge})

    def _line(self, look: Look) -> dict[str, Any]:
        dash = ",".join(f"{part * PX_PER_PT * self._size.factor:g}px" for part in DASHES[look.dash])
        return {"color": look.colour, "width": look.width_pt * self._size.factor * PX_PER_PT, "dash": dash or "solid"}

    def panel(self, placed: PlacedPanel, number: str) -> None:
        """Draw one panel; `number` is what Plotly calls its axes by."""
        panel, page, size = placed.panel, self._layout, self._size
        for name, other, axis, ticks, start, length, whole in (
            ("x", "y", panel.x, placed.x_ticks, placed.left, placed.width, page.width),
            ("y", "x", panel.y, placed.y_ticks, placed.bottom, placed.height, page.height),
        ):
            limits = [math.log10(v) for v in axis.limits] if axis.scale == "log" else list(axis.limits)
            far = axis.side == "far"
            side = ("top" if far else "bottom") if name == "x" else ("right" if far else "left")
            self.axes[f"{name}axis{number}"] = {
                "domain": [start / whole, (start + length) / whole], "anchor": f"{other}{number}", "side": side,
                "type": "log" if axis.scale == "log" else "linear", "range": limits, "autorange": False,
                "tickmode": "array", "tickvals": list(ticks.values), "ticktext": [_plain(t) for t in ticks.texts],
                "tickfont": self._font(size.small_pt, self._theme.muted), "ticks": "", "zeroline": False,
                "showgrid": axis.scale != "category" and not panel.is_scale, "gridcolor": self._theme.grid,
                "gridwidth": 0.4 * size.factor * PX_PER_PT, "showline": not far and not panel.is_scale,
                "linecolor": self._theme.muted, "linewidth": 0.5 * size.factor * PX_PER_PT, "minor": {"ticks": ""},
                "automargin": False, "ticklabelstandoff": round(0.3 * size.factor * PX_PER_MM),
            }  # fmt: skip
            self._axis_title(placed, axis, ticks, name)
        for mark in panel.marks:
            if not isinstance(mark, Label):
                self._mark(mark, placed, number)
        for label in placed.labels:
            self._label(label, placed, number)

    def _axis_title(self, placed: PlacedPanel, axis: Axis, ticks: Ticks, name: str) -> None:
        """Write an axis title where the layout left room for it, and as the axis's own name for readers of the data."""
        if not ticks.title:
            return
        size = self._size
        x, y = placed.left + placed.width / 2, placed.bottom - x_title_mm(size)
        if name == "y":
            away = y_title_mm(placed, size)
            x = placed.left + placed.width + away if axis.side == "far" else placed.left - away
            y = placed.bottom + placed.height / 2
        self.annotations.append({
            "text": _plain(ticks.title), "x": x / self._layout.width, "y": y / self._layout.height, "xref": "paper",
            "yref": "paper", "xanchor": "center", "yanchor": "middle", "showarrow": False, "name": f"{name}-title",
            "textangle": 0 if name == "x" else -90, "font": self._font(size.text_pt, self._theme.ink), "borderpad": 0,
        })  # fmt: skip

    def _mark(self, mark: Mark, placed: PlacedPanel, number: str) -> None:
        look, size = self._theme.look(mark.role, mark.group), self._size
        shared: dict[str, Any] = {"xaxis": f"x{number}", "yaxis": f"y{number}", "meta": mark_id(mark)}
        shared |= {"name": _plain(mark.name) if isinstance(mark, (Line, Area, Rule)) else mark.role}
        if isinstance(mark, Points):
            edge = {"width": 0.25 * size.factor * PX_PER_PT if look.edge else 0, "color": self._theme.ink}
            if look.marker == "cross":
                edge = {"width": 0.5 * size.factor * PX_PER_PT, "color": _rgba(look.colour, look.fill)}
            self.traces.append({
                "type": "scatter", "mode": "markers", "x": mark.x, "y": mark.y, **shared, **_hover(mark.names),
                "marker": {"size": [d * PX_PER_MM for d in diameters_mm(mark, size)], "sizemode": "diameter",
                           "symbol": _MARKERS[look.marker], "color": _rgba(look.colour, look.fill), "line": edge,
                           "opacity": 1},
            })  # fmt: skip
        elif isinstance(mark, Line):
            hover = {"hovertemplate": _NAME} if mark.name else {"hoverinfo": "skip"}
            self.traces.append({"type": "scatter", "mode": "lines", "x": mark.x, "y": mark.y, "line": self._line(look),
                                **shared, **hover})  # fmt: skip
        elif isinstance(mark, Area):
            self.traces.append({
                "type": "scatter", "mode": "lines", "x": (*mark.x, *mark.x[::-1]), "y": (*mark.low, *mark.high[::-1]),
                "fill": "toself", "fillcolor": _rgba(look.colour, look.fill), "line": {"width": 0}, "hoveron": "fills",
                "hoverinfo": "name" if mark.name else "skip", **shared,
            })  # fmt: skip
        elif isinstance(mark, Bars):
            self.traces.append({
                "type": "bar", "orientation": "h", "textposition": "none", "width": 0.72,
                "y": mark.at, "base": mark.start,
                "x": [end - start for start, end in zip(mark.start, mark.end)], **shared, **_hover(mark.names),
                "marker": {"color": _rgba(look.colour, look.fill), "line": {"width": 0}},
            })  # fmt: skip
        elif isinstance(mark, Cells):
            self.traces.append({
                "type": "heatmap", "x": mark.x, "y": mark.y,
                "z": [[math.log10(v) for v in row] for row in mark.values],
                "zmin": math.log10(mark.limits[0]), "zmax": math.log10(mark.limits[1]), "showscale": False,
                **dict.fromkeys(("xgap", "ygap"), 0 if len(mark.y) > 30 else 1),
                "colorscale": [[i / (len(HEAT) - 1), colour] for i, colour in enumerate(HEAT)], **shared,
                **({"text": mark.names, "hovertemplate": _TEXT} if mark.names else {"hoverinfo": "skip"}),
            })  # fmt: skip
        elif isinstance(mark, Rule):
            # a line over the panel: shapes on log axes are read in another way by each version of Plotly
            ends = {"x": (mark.at, mark.at), "y": placed.panel.y.limits}
            if mark.axis == "y":
                ends = {"x": placed.panel.x.limits, "y": (mark.at, mark.at)}
            hover = {"hovertemplate": _NAME} if mark.name else {"hoverinfo": "skip"}
            self.traces.append(
                {"type": "scatter", "mode": "lines", **ends, "line": self._line(look), **shared, **hover}
            )
        elif isinstance(mark, Arrow):
            at_x, at_y = _at(placed.panel.x), _at(placed.panel.y)
            self.annotations.append({
                "text": "", "x": at_x(mark.to_x), "y": at_y(mark.to_y), "ax": at_x(mark.x), "ay": at_y(mark.y),
                "xref": f"x{number}", "yref": f"y{number}", "axref": f"x{number}", "ayref": f"y{number}",
                "showarrow": True, "arrowhead": 2, "arrowsize": 1.1, "arrowcolor": look.colour, "name": mark_id(mark),
                "arrowwidth": max(0.3, look.width_pt * size.factor * PX_PER_PT),
            })  # fmt: skip
        else:
            raise TypeError(f"no way to draw {type(mark).__name__}")

    def _label(self, placed: PlacedLabel, panel: PlacedPanel, number: str) -> None:
        """Write a label beside the place it is about, so that it moves along when the picture is zoomed."""
        label, box = placed.label, placed.box
        x = position(panel.panel.x, label.x) * panel.width
        y = position(panel.panel.y, label.y) * panel.height
        across, up = (box.x - x) * PX_PER_MM, (box.y - y) * PX_PER_MM
        look: dict[str, Any] = {"showarrow": False, "xshift": across, "yshift": up}
        if placed.has_leader:
            look = {"showarrow": True, "ax": across, "ay": -up, "arrowhead": 0, "arrowcolor": self._theme.muted,
                    "arrowwidth": max(0.3, 0.35 * self._size.factor * PX_PER_PT)}  # fmt: skip
        self.annotations.append({
            "text": _plain(label.text), "x": _at(panel.panel.x)(label.x), "y": _at(panel.panel.y)(label.y),
            "xref": f"x{number}", "yref": f"y{number}", "xanchor": "center", "yanchor": "middle",
            "textangle": -math.degrees(box.angle), "name": mark_id(label), "borderpad": 0,
            "bgcolor": "rgba(0,0,0,0)" if label.role == "grid-cell" else _rgba(self._theme.background, HALO),
            "font": self._font(self._size.small_pt, label_colour(label, self._theme)), **look,
        })  # fmt: skip


def _hover(names: tuple[str, ...]) -> dict[str, Any]:
    if not names:
        return {"hoverinfo": "skip"}
    return {"text": [_plain(name) for name in names], "hovertemplate": _TEXT}


def _plain(text: str) -> str:
    """Return text as Plotly shows it, which reads a few HTML tags and TeX between dollars: names come from files."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def _at(axis: Axis) -> Any:
    """Return how annotations give a place on an axis: the logarithm on a log axis."""
    return math.log10 if axis.scale == "log" else float


def _outline(marker: str, x: tuple[float, float], y: tuple[float, float]) -> str:
    """Return an SVG path of a marker in a rectangle."""
    (x0, x1), (y0, y1) = x, y
    if marker == "diamond":
        around = [((x0 + x1) / 2, y0), (x1, (y0 + y1) / 2), ((x0 + x1) / 2, y1), (x0, (y0 + y1) / 2)]
    elif marker == "triangle":
        around = [(x0, y0), (x1, y0), ((x0 + x1) / 2, y1)]
    elif marker == "square":
        around = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    else:  # circle, star and cross, as polygons: a path has no arcs in paper units
        number = {"star": 10, "cross": 8}.get(marker, 24)
        around = []
        for i in range(number):
            angle = math.pi / 2 + 2 * math.pi * i / number
            radius = 0.5 if marker not in ("star", "cross") or i % 2 == 0 else 0.2
            around.append(((x0 + x1) / 2 + radius * (x1 - x0) * math.cos(angle),
                           (y0 + y1) / 2 + radius * (y1 - y0) * math.sin(angle)))  # fmt: skip
    return "M" + " L".join(f"{a:.5f},{b:.5f}" for a, b in around) + " Z"
