"""Both renderers draw the same marks, words and ticks, in both themes and sizes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from matplotlib.text import Text
from samples import picture

from roofline.figures.figure import Figure
from roofline.figures.labels import diameters_mm
from roofline.figures.marks import Bars, Label, Points, Rule, mark_id
from roofline.figures.placing import is_inside, overlap
from roofline.figures.theme import FONT, LOOKS, SIZES, THEMES
from roofline.plots.plot import KINDS

EVERY = ("marks", *KINDS)


def wanted(figure: Figure) -> Counter[str]:
    """Identity of every mark that has something to draw; a bar is a mark of its own to Matplotlib."""
    return Counter(mark_id(m) for p in figure.panels for m in p.marks if not isinstance(m, Label))


def in_matplotlib(figure: Figure) -> dict[str, Any]:
    native = figure.to_matplotlib()
    marks: Counter[str] = Counter()
    for axes in native.axes:
        bars = Counter(bar.get_gid() for bar in axes.patches if (bar.get_gid() or "").startswith("bars"))
        marks += Counter(gid for artist in axes.get_children() if (gid := artist.get_gid()) and gid not in bars)
        marks += bars
    labels = Counter({gid: n for gid, n in marks.items() if gid.startswith("label")})
    return {
        "marks": marks - labels,
        "labels": Counter(t.get_text() for a in native.axes for t in a.texts if t.get_text()),
        "titles": [t for a in native.axes for t in (a.get_xlabel(), a.get_ylabel()) if t],
        "ticks": [[t.get_text() for t in a.get_xticklabels()] for a in native.axes],
        "words": Counter(text.get_text() for text in native.texts),
        "swatches": sum(artist.get_gid() == "swatch" for artist in native.get_children()),
        "limits": [(*a.get_xlim(), *a.get_ylim()) for a in native.axes],
    }  # fmt: skip


def in_plotly(figure: Figure) -> dict[str, Any]:
    native = figure.to_plotly()
    notes = native.layout.annotations
    names = Counter(trace.meta for trace in native.data)
    names += Counter(n.name for n in notes if n.name.startswith("arrow"))
    axes = [native.layout[f"{xy}axis{n or ''}"] for n in ("", *range(2, 9)) for xy in "xy"
            if f"{xy}axis{n or ''}" in native.layout]  # fmt: skip
    scale = [[10**v for v in a.range] if a.type == "log" else list(a.range) for a in axes]
    return {
        "marks": names,
        "labels": Counter(n.text for n in notes if n.name.startswith("label")),
        "titles": [n.text for n in notes if n.name in ("x-title", "y-title")],
        "ticks": [list(a.ticktext) for a in axes[::2]],
        "words": Counter(n.text.removeprefix("<b>").removesuffix("</b>") for n in notes if n.name == "words"),
        "swatches": sum(s.name == "swatch" for s in native.layout.shapes),
        "limits": [(*x, *y) for x, y in zip(scale[::2], scale[1::2])],
    }  # fmt: skip


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize(("theme", "size"), [("light", "slide"), ("dark", "column")])
def test_both_show_the_same(kind: str, theme: str, size: str) -> None:
    figure = picture(kind).with_look(theme, size)
    left, right = in_matplotlib(figure), in_plotly(figure)
    bars = {mark_id(m): 0 for p in figure.panels for m in p.marks if isinstance(m, Bars)}
    for p in figure.panels:
        for m in p.marks:
            bars[mark_id(m)] = bars.get(mark_id(m), 0) + (len(m.at) if isinstance(m, Bars) else 0)
    assert right["marks"] == wanted(figure)
    for name, number in left["marks"].items():
        assert number == (bars[name] if name.startswith("bars") else wanted(figure)[name]), name
    assert set(left["marks"]) == set(wanted(figure))
    for part in ("labels", "words", "swatches", "ticks"):
        assert left[part] == right[part], part
    assert sorted(left["titles"]) == sorted(right["titles"])
    for a, b in zip(left["limits"], right["limits"], strict=True):
        assert a == pytest.approx(b)
    shown = Counter(placed.label.text for panel in figure.lay_out().panels for placed in panel.labels)
    assert left["labels"] == shown


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("size", SIZES)
def test_labels_do_not_collide_and_stay_inside(kind: str, size: str) -> None:
    layout = picture(kind).with_look(size=size).lay_out()
    assert layout.panels
    for panel in layout.panels:
        boxes = [placed.box for placed in panel.labels]
        assert all(is_inside(box, panel.width, panel.height) for box in boxes)
        assert not [1 for i, a in enumerate(boxes) for b in boxes[:i] if overlap(a, b)]
        assert panel.left >= 0 and panel.left + panel.width <= layout.width
        assert panel.bottom >= 0 and panel.bottom + panel.height <= layout.height
        assert (panel.width > 15 or panel.panel.is_scale) and panel.height > 12
    assert layout.width == SIZES[size].width_mm
    assert layout.height == (SIZES[size].height_mm or layout.height)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("size", SIZES)
def test_matplotlib_needs_no_more_room_than_was_reckoned(kind: str, size: str) -> None:
    """The boxes are reckoned from a table of letters; what the renderer draws must lie in them."""
    figure = picture(kind).with_look(size=size)
    layout, native = figure.lay_out(), figure.to_matplotlib()
    native.set_dpi(SIZES[size].dpi)
    renderer = native.canvas.get_renderer()
    mm = 25.4 / native.dpi
    for axes, panel in zip(native.axes, layout.panels, strict=True):
        labels = [t for t in axes.texts if t.get_text()]
        for text, placed in zip(labels, panel.labels, strict=True):
            angle = text.get_rotation()
            text.set_rotation(0)
            wide = Text.get_window_extent(text, renderer).width * mm  # without the line to its place
            text.set_rotation(angle)
            assert wide <= placed.box.width * 1.01, text.get_text()
    for text, words in zip(native.texts, layout.words, strict=True):
        box = text.get_window_extent(renderer)
        assert box.x0 * mm >= 0 and box.x1 * mm <= layout.width * 1.005, words.text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", EVERY)
def test_axis_titles_have_room(kind: str, size: str) -> None:
    native = picture(kind).with_look(size=size).to_matplotlib()
    native.canvas.draw()
    renderer = native.canvas.get_renderer()
    page = native.bbox
    boxes = []
    for axes in native.axes:
        for label in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
            if label.get_text():
                boxes.append((label.get_window_extent(renderer), label.get_text()))
    for box, name in boxes:
        assert box.x0 >= 0 and box.x1 <= page.x1 and box.y0 >= 0 and box.y1 <= page.y1, name


def test_a_points_area_is_its_share() -> None:
    mark = Points((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "layer", "matmul", share=(0.64, 0.16, 0.0))
    large, small, none = diameters_mm(mark, SIZES["column"])
    assert (large / small) ** 2 == pytest.approx(0.64 / 0.16)
    assert none > 0
    assert diameters_mm(mark, SIZES["slide"])[0] == pytest.approx(2 * large)


def test_matplotlib_draws_that_area() -> None:
    figure = picture("marks")
    (drawn,) = [c for c in figure.to_matplotlib().axes[0].collections if c.get_gid() == "points:layer:convolution"]
    wanted_mm = diameters_mm(Points((), (), "layer", "convolution", share=(0.25, 0.01)), SIZES["slide"])
    assert [s**0.5 * 25.4 / 72 for s in drawn.get_sizes()] == pytest.approx(list(wanted_mm))
    trace = next(t for t in figure.to_plotly().data if t.meta == "points:layer:convolution")
    assert [s / 96 * 25.4 for s in trace.marker.size] == pytest.approx(list(wanted_mm))


def test_rules_are_where_they_are_said_to_be() -> None:
    figure = picture("marks")
    rule = next(m for m in figure.panels[0].marks if isinstance(m, Rule))
    line = next(c for c in figure.to_matplotlib().axes[0].lines if c.get_gid() == mark_id(rule))
    trace = next(t for t in figure.to_plotly().data if t.meta == mark_id(rule))
    assert list(line.get_xdata()) == list(trace.x) == [10.0, 10.0]


def test_names_from_a_file_are_text_in_both() -> None:
    from roofline.figures.marks import Axis, Panel

    name = "<b>$x^2$</b> & co"
    figure = Figure(title=name, panels=(Panel(Axis("X"), Axis("Y"), (Label(0.5, 0.5, name, "layer"),)),))
    assert next(t for t in figure.to_matplotlib().axes[0].texts).get_text() == name
    figure.to_bytes(".png")  # mathematics would raise
    shown = next(n for n in figure.to_plotly().layout.annotations if n.name == "label:layer")
    assert shown.text == "&lt;b&gt;&#36;x^2&#36;&lt;/b&gt; &amp; co"
    assert "<title>&lt;b&gt;" in figure.to_html()


def test_themes_differ_in_colour_alone() -> None:
    light, dark = (picture("roofline").with_look(theme) for theme in ("light", "dark"))
    assert light.lay_out() == dark.lay_out()
    assert light.to_matplotlib().get_facecolor()[:3] == (1.0, 1.0, 1.0)
    assert max(dark.to_matplotlib().get_facecolor()[:3]) < 0.15
    assert light.to_plotly().layout.paper_bgcolor == THEMES["light"].background


def test_every_role_of_every_picture_has_a_look() -> None:
    for kind in EVERY:
        for panel in picture(kind).panels:
            for mark in panel.marks:
                assert isinstance(mark, Label) or mark.role in LOOKS


def test_text_is_text_in_svg_and_pictures_repeat() -> None:
    figure = picture("classes")
    svg = figure.to_bytes(".svg")
    assert b"Op classes: resnet50" in svg and FONT.encode() in svg
    assert svg == figure.to_bytes(".svg")
    assert figure.to_bytes(".pdf").startswith(b"%PDF")
    assert figure.to_bytes(".png").startswith(b"\x89PNG")
