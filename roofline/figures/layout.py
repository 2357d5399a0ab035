"""Where everything of a figure goes, in mm from the lower left corner: both renderers draw exactly this."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from roofline.figures.labels import ROW_MM, PlacedLabel, place_labels
from roofline.figures.letters import height_mm, shortened, width_mm, wrapped
from roofline.figures.marks import Area, Bars, Cells, Key, Label, Panel, Points
from roofline.figures.theme import Size
from roofline.figures.ticks import Ticks, shown, ticks_of

if TYPE_CHECKING:
    from roofline.figures.figure import Figure

_SCALE_MM = 3.0
"""Width of a scale of colours, at the column's size."""


class Words(NamedTuple):
    """A line of text whose left end and middle are at (x, y)."""

    text: str
    x: float
    y: float
    size_pt: float
    is_bold: bool = False
    is_muted: bool = False


class Swatch(NamedTuple):
    """A sample of how a role is drawn."""

    x: float
    y: float
    role: str
    group: str
    kind: Literal["marker", "line", "patch"]


class PlacedPanel(NamedTuple):
    """A panel and its rectangle."""

    panel: Panel
    left: float
    bottom: float
    width: float
    height: float
    x_ticks: Ticks
    y_ticks: Ticks
    labels: tuple[PlacedLabel, ...]


class Layout(NamedTuple):
    """A figure in mm."""

    size: Size
    width: float
    height: float
    words: tuple[Words, ...]
    swatches: tuple[Swatch, ...]
    panels: tuple[PlacedPanel, ...]


def x_title_mm(size: Size) -> float:
    """Return how far the middle of an x axis's title is below its panel."""
    return height_mm(size.small_pt) * 1.15 + 0.55 * height_mm(size.text_pt)


def y_title_mm(placed: PlacedPanel, size: Size) -> float:
    """Return how far the middle of a y axis's title is beside its panel: behind the widest tick text."""
    texts = max((width_mm(text, size.small_pt) for text in placed.y_ticks.texts), default=0.0)
    return texts + 1.0 * size.factor + 0.6 * height_mm(size.text_pt)


def lay_out(figure: Figure, size: Size) -> Layout:
    """Place a figure's words, key, panels, ticks and labels."""
    edge = 1.5 * size.factor
    room = size.width_mm - 2 * edge
    head = _head(figure, size, room)
    foot = [line for note in figure.notes for line in wrapped(note, size.small_pt, room)]
    head_mm = sum(height_mm(pt, 1) for _, pt, _ in head)
    rows = _key_rows(figure, size, room)
    key_mm = len(rows) * height_mm(size.small_pt) * 1.15
    foot_mm = height_mm(size.small_pt, len(foot)) + (0.5 * edge if foot else 0)
    above = edge + head_mm + key_mm + 0.8 * edge
    grid = _Grid(figure, size, room)
    height = size.height_mm or above + grid.wanted_mm + foot_mm + edge
    panels = grid.place(edge, edge + foot_mm, height - above - foot_mm - edge)
    words, y = [], height - edge
    for text, pt, is_bold in head:
        words.append(Words(text, edge, y - height_mm(pt) / 2, pt, is_bold, is_muted=not is_bold))
        y -= height_mm(pt)
    swatches = []
    for row in rows:
        y -= height_mm(size.small_pt) * 1.15
        for key, x in row:
            middle = y + height_mm(size.small_pt) * 0.5
            wide = _swatch(figure, key, size)
            if key.role:
                at = edge + x + (wide - 0.8 * size.factor) / 2
                swatches.append(Swatch(at, middle, key.role, key.group, _kind(figure, key)))
            words.append(Words(key.text, edge + x + wide, middle, size.small_pt, is_muted=not key.role))
    for number, line in enumerate(reversed(foot)):
        words.append(Words(line, edge, edge + height_mm(size.small_pt) * (number + 0.5), size.small_pt, is_muted=True))
    words += grid.titles
    return Layout(size, size.width_mm, height, tuple(words), tuple(swatches), tuple(panels))


def _head(figure: Figure, size: Size, room: float) -> list[tuple[str, float, bool]]:
    lines = [(line, size.text_pt * 1.1, True) for line in wrapped(figure.title, size.text_pt * 1.1, room, True)]
    return lines + [(line, size.small_pt, False) for line in wrapped(figure.subtitle, size.small_pt, room)]


def _swatch(figure: Figure, key: Key, size: Size) -> float:
    """Return the width of a key's sample, with the gap behind it."""
    if not key.role:
        return 0.0
    return (2.8 if _kind(figure, key) == "marker" else 4.2) * size.factor


def _kind(figure: Figure, key: Key) -> Literal["marker", "line", "patch"]:
    """Return what a role is drawn as: by its first mark."""
    for panel in figure.panels:
        for mark in panel.marks:
            if not isinstance(mark, Label) and mark.role == key.role:
                return "marker" if isinstance(mark, Points) else "patch" if isinstance(mark, (Area, Bars)) else "line"
    return "marker"


def _key_rows(figure: Figure, size: Size, room: float) -> list[list[tuple[Key, float]]]:
    rows: list[list[tuple[Key, float]]] = []
    x = math.inf
    for key in figure.key:
        sample = _swatch(figure, key, size)
        key = key._replace(text=shortened(key.text, size.small_pt, room - sample))
        wide = width_mm(key.text, size.small_pt) + sample
        if x + wide > room:
            rows.append([])
            x = 0.0
        rows[-1].append((key, x))
        x += wide + 2.2 * size.factor
    return rows


class _Grid:
    """Panels in rows and columns, each with room for its ticks and titles."""

    def __init__(self, figure: Figure, size: Size, room: float) -> None:
        self._size, self._room = size, room
        main = [panel for panel in figure.panels if not panel.is_scale]
        self._scales = dict(zip(self._owners(figure), (p for p in figure.panels if p.is_scale)))
        self._panels = main
        columns = len(main) if figure.beside else min(size.columns, len(main))
        self._rows = [main[i : i + columns] for i in range(0, len(main), columns)]
        self.titles: list[Words] = []
        self._title = height_mm(size.text_pt) * 1.25
        self._ticks = height_mm(size.small_pt) * 1.15
        tall = [max(self._panel_mm(panel) for panel in row) for row in self._rows]
        self.wanted_mm = sum(tall) + sum(self._around_y(row) for row in self._rows)

    @staticmethod
    def _owners(figure: Figure) -> list[int]:
        found, number = [], -1
        for panel in figure.panels:
            if panel.is_scale:
                found.append(number)
            else:
                number += 1
        return found

    def _panel_mm(self, panel: Panel) -> float:
        if panel.y.scale == "category":
            rows = len(panel.y.categories) + 0.5
            return max(20.0, rows * ROW_MM * self._size.factor) if not _has_cells(panel) else 40.0
        return self._size.panel_mm * (1.0 if len(self._panels) == 1 else 0.55)

    def _around_y(self, row: Sequence[Panel]) -> float:
        """Height of what is above and below a row of panels: its titles and ticks."""
        above = height_mm(self._size.text_pt) * 1.15 if any(panel.title for panel in row) else self._ticks * 0.5
        return above + self._ticks + self._title

    def place(self, left: float, bottom: float, height: float) -> list[PlacedPanel]:
        """Return every panel in the rectangle that starts at (left, bottom)."""
        around_all = sum(self._around_y(row) for row in self._rows)
        wanted = [max(self._panel_mm(panel) for panel in row) for row in self._rows]
        stretch = (height - around_all) / sum(wanted)
        found: list[PlacedPanel] = []
        y = bottom + height
        number = 0
        for row, tall in zip(self._rows, wanted):
            high = tall * stretch
            y -= self._around_y(row) + high
            found += self._row(row, number, left, y + self._ticks + self._title, high)
            number += len(row)
        return found

    def _row(self, row: Sequence[Panel], number: int, left: float, bottom: float, high: float) -> list[PlacedPanel]:
        size = self._size
        gap = 2.0 * size.factor
        sides = [self._sides(panel, self._scales.get(number + i), high) for i, panel in enumerate(row)]
        wide = (self._room - sum(sum(side) for side in sides) - gap * (len(row) - 1)) / len(row)
        found, x = [], left
        for i, (panel, (before, after)) in enumerate(zip(row, sides)):
            x += before
            found.append(self._placed(panel, x, bottom, wide, high, before))
            scale = self._scales.get(number + i)
            if scale is not None:
                found.append(self._placed(scale, x + wide + gap, bottom, _SCALE_MM * size.factor, high, 0.0))
            if panel.title:
                at = bottom + high + height_mm(size.text_pt) * 0.6
                self.titles.append(Words(shortened(panel.title, size.text_pt, wide), x, at, size.text_pt))
            x += wide + after + gap
        return found

    def _sides(self, panel: Panel, scale: Panel | None, high: float) -> tuple[float, float]:
        """Width of what is left and right of a panel."""
        size = self._size
        before = self._name_mm(panel, high) + (self._title if panel.y.title else 0) + 1.2 * size.factor
        after = 1.5 * size.factor
        if scale is not None:
            after += 2.0 * size.factor + _SCALE_MM * size.factor + self._name_mm(scale, high) + self._title
        return before, after

    def _name_mm(self, panel: Panel, high: float) -> float:
        texts = ticks_of(panel.y, high, self._size.small_pt, is_x=False).texts
        return min(0.33 * self._room, max((width_mm(text, self._size.small_pt) for text in texts), default=0.0))

    def _placed(self, panel: Panel, x: float, y: float, wide: float, high: float, before: float) -> PlacedPanel:
        size = self._size
        x_ticks = ticks_of(panel.x, wide, size.small_pt, is_x=True)
        y_ticks = ticks_of(panel.y, high, size.small_pt, is_x=False)
        if panel.y.side == "near":
            y_ticks = shown(y_ticks, size.small_pt, 0.33 * self._room)
        labels = place_labels(panel, wide, high, size)
        return PlacedPanel(panel, x, y, wide, high, x_ticks, y_ticks, labels)


def _has_cells(panel: Panel) -> bool:
    return any(isinstance(mark, Cells) for mark in panel.marks)
