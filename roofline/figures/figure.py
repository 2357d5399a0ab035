"""A finished figure: what it says as data, and how to see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from roofline.errors import UsageError
from roofline.figures.layout import Layout, lay_out
from roofline.figures.marks import Key, Panel
from roofline.figures.theme import Theme, find_size, find_theme
from roofline.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure
    from plotly.graph_objects import Figure as PlotlyFigure

STATIC = (".png", ".svg", ".pdf")
SUFFIXES = (*STATIC, ".html")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figure:
    """A figure as data: panels of marks in SI units, and words about them. It draws itself with either library.

    >>> figure = analysis.plot("roofline")  # doctest: +SKIP
    >>> figure.save("roofline.svg")  # doctest: +SKIP
    """

    title: str
    panels: tuple[Panel, ...]
    subtitle: str = ""
    key: tuple[Key, ...] = ()
    notes: tuple[str, ...] = ()
    """What is left out or assumed, under the panels."""
    beside: bool = False
    """Panels side by side at every size."""
    theme: str = "light"
    size: str = "slide"

    def with_look(self, theme: str | None = None, size: str | None = None) -> Figure:
        """Return the figure in another theme (``light``, ``dark``) or size (``column``, ``slide``).

        Raises:
            UsageError: there is none of this name.
        """
        return replace(self, theme=find_theme(theme or self.theme).name, size=find_size(size or self.size).name)

    def lay_out(self) -> Layout:
        """Return where everything goes, in mm."""
        return lay_out(self, find_size(self.size))

    def _theme(self) -> Theme:
        return find_theme(self.theme)

    def to_matplotlib(self) -> MatplotlibFigure:
        """Return a Matplotlib figure, to be changed or saved further."""
        from roofline.figures.to_matplotlib import render

        return render(self.lay_out(), self._theme())

    def to_plotly(self) -> PlotlyFigure:
        """Return a Plotly figure."""
        from roofline.figures.to_plotly import render

        return render(self.lay_out(), self._theme())

    def to_html(self, *, full: bool = True) -> str:
        """Return an interactive page that needs no network.

        Args:
            full: a whole page with Plotly's script in it; else a fragment for a page that has the script already.
        """
        from roofline.figures.to_plotly import html

        return html(self.to_plotly(), self.title, full=full)

    def to_bytes(self, suffix: str) -> bytes:
        """Return the figure as the content of a ``.png``, ``.svg``, ``.pdf`` or ``.html`` file.

        Raises:
            UsageError: another suffix.
        """
        check_suffix(f"figure{suffix}")
        if suffix.lower() == ".html":
            return self.to_html().encode()
        from roofline.figures.to_matplotlib import image

        return image(self.to_matplotlib(), suffix.lower()[1:], find_size(self.size).dpi)

    def save(self, path: str | Path) -> None:
        """Write the figure to a file whose suffix says how: ``.png``, ``.svg``, ``.pdf`` or ``.html``.

        Raises:
            UsageError: another suffix.
            RooflineError: the file cannot be written.
        """
        check_suffix(path)
        write_whole(self.to_bytes(Path(path).suffix), path)

    def _repr_png_(self) -> bytes:
        return self.to_bytes(".png")

    def _repr_html_(self) -> str:
        from base64 import b64encode
        from html import escape

        data = b64encode(self.to_bytes(".svg")).decode()
        name = escape(f"{self.title}. {self.subtitle}", quote=True)
        return f'<img alt="{name}" style="max-width:100%" src="data:image/svg+xml;base64,{data}">'


def check_suffix(path: str | Path) -> None:
    """Raise `UsageError` where a file's suffix names no form that a figure has."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError("the suffix names no form of a picture", where=f"-o {path}", expected=", ".join(SUFFIXES))
