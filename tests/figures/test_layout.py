"""Ticks, letters, places for labels, and colours: against hand arithmetic and published formulas."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from samples import MODEL, ROOT

import roofline
from roofline.errors import UsageError
from roofline.figures.letters import shortened, width_mm, wrapped
from roofline.figures.marks import Axis
from roofline.figures.placing import Box, Obstacles, around, covered, is_inside, overlap, place
from roofline.figures.placing import Wish as W
from roofline.figures.theme import OKABE_ITO, OP_CLASSES, THEMES, find_size, find_theme
from roofline.figures.ticks import position, ticks_of

NOTHING = Obstacles(np.empty((0, 2)), np.empty(0), np.empty(0))


@pytest.mark.parametrize(
    ("axis", "values", "texts", "title"),
    [
        (Axis("Time", "s", "linear", (0.0, 0.004)), (0.0, 0.001, 0.002, 0.003, 0.004), "0 1 2 3 4", "Time (ms)"),
        (Axis("Power", "W", "linear", (0.0, 30.0)), (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0), "0 5 10 15 20 25 30",
         "Power (W)"),
        (Axis("Rate", "samples/s", "linear", (0.0, 2e3)), (0.0, 500.0, 1e3, 1500.0, 2e3), "0 500 1000 1500 2000",
         "Rate (samples/s)"),
        (Axis("I", "FLOP/B", "log", (0.05, 2000.0)), (0.1, 1.0, 10.0, 100.0, 1000.0), "0.1 1 10 100 1000",
         "I (FLOP/B)"),
    ],
)  # fmt: skip
def test_ticks(axis: Axis, values: tuple[float, ...], texts: str, title: str) -> None:
    found = ticks_of(axis, 40.0, 7.0, is_x=True)
    assert found.values == pytest.approx(values)
    assert (" ".join(found.texts), found.title) == (texts, title)


def test_ticks_over_many_decades_carry_their_prefix() -> None:
    found = ticks_of(Axis("P", "FLOP/s", "log", (5e9, 2e13)), 60.0, 7.0, is_x=False)
    assert (found.texts, found.title) == (("10 G", "100 G", "1 T", "10 T"), "P (FLOP/s)")


def test_ticks_never_touch() -> None:
    axis = Axis("P", "W", "linear", (0.0, 160.0))
    for room in (8.0, 15.0, 30.0, 120.0):
        found = ticks_of(axis, room, 7.0, is_x=True)
        ends = [(v / 160 * room - width_mm(t, 7.0) / 2, v / 160 * room + width_mm(t, 7.0) / 2)
                for v, t in zip(found.values, found.texts)]  # fmt: skip
        assert all(a[1] < b[0] for a, b in pairwise(ends))
    assert len(ticks_of(axis, 120.0, 7.0, is_x=True).values) > len(ticks_of(axis, 15.0, 7.0, is_x=True).values)


def test_position_on_axes() -> None:
    assert position(Axis("", scale="log", limits=(1.0, 100.0)), 10.0) == pytest.approx(0.5)
    assert position(Axis("", limits=(11.5, -0.5)), 5.5) == pytest.approx(0.5)
    assert position(Axis("", scale="log", limits=(1.0, 100.0)), 0.0) == -math.inf


def test_boxes_overlap_as_drawn_on_paper() -> None:
    level = Box(0.0, 0.0, 10.0, 2.0)
    assert overlap(level, Box(9.0, 0.0, 10.0, 2.0))
    assert not overlap(level, Box(10.0, 0.0, 10.0, 2.0))  # they touch
    assert not overlap(level, Box(0.0, 2.0, 10.0, 2.0))
    # turned by 45 degrees, the lowest corner of the first is at 6 - (5 + 1)/sqrt(2) = 1.76, above the level box's 1
    assert not overlap(level, Box(0.0, 6.0, 10.0, 2.0, math.pi / 4))
    # its lower side is the line y = x + 6 - sqrt(2): at x = -5, where the level box ends, that is -0.41
    assert overlap(level, Box(0.0, 6.0, 20.0, 2.0, math.pi / 4))
    assert not overlap(level, Box(0.0, 8.5, 20.0, 2.0, math.pi / 4))  # y = 2.09 there


def test_labels_of_one_point_are_put_around_it() -> None:
    wishes = [W(around(20.0, 20.0, 8.0, 2.0, 1.0), at=(20.0, 20.0)) for _ in range(10)]
    found = place(wishes, NOTHING, 40.0, 40.0)
    boxes = [box for box in found if box is not None]
    assert len(boxes) == 10
    assert not [1 for a, b in combinations(boxes, 2) if overlap(a, b)]
    assert all(is_inside(box, 40.0, 40.0) for box in boxes)
    assert (boxes[0].x, boxes[0].y) == (20.0 + 4.0 + 1.0, 20.0)  # the first one to the right, 1 mm away


def test_a_label_without_room_is_left_out_and_marks_are_avoided() -> None:
    tall = W(around(1.0, 1.0, 30.0, 2.0, 1.0))
    assert place([tall], NOTHING, 20.0, 20.0) == [None]
    right = Obstacles(np.array([[26.0, 20.0]]), np.array([1.0]), np.array([5.0]))
    (box,) = place([W(around(20.0, 20.0, 8.0, 2.0, 1.0))], right, 40.0, 40.0)
    assert box is not None and covered(box, right) == 0.0


def test_words_are_broken_and_cut() -> None:
    text = "one two three four"
    lines = wrapped(text, 7.0, width_mm("one two", 7.0))
    assert " ".join(lines) == text and lines[0] == "one two"
    cut = shortened("a_very_long_layer_name", 7.0, 15.0)
    assert "…" in cut and width_mm(cut, 7.0) <= 15.0 and cut.startswith("a_v") and cut.endswith("ame")


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_words_can_be_read(theme) -> None:  # type: ignore[no-untyped-def]
    def contrast(a: str, b: str) -> float:
        low, high = sorted((luminance(a), luminance(b)))
        return (high + 0.05) / (low + 0.05)

    assert contrast(theme.ink, theme.background) >= 7
    assert contrast(theme.muted, theme.background) >= 4.5
    for name in theme.series[:4]:  # as many as any board has named modes
        assert contrast(theme.colour(name), theme.background) >= (3 if name != "purple" else 2.4)


# Machado, Oliveira, Fernandes (2009), severity 1: what protanopes and deuteranopes see, in linear RGB
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(colour: str, matrix: list[list[float]]) -> np.ndarray:
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(matrix) @ linear, 0, 1)
    rgb_to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = rgb_to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_differ_for_the_colour_blind(kind: str) -> None:
    for a, b in combinations(OKABE_ITO.values(), 2):
        assert np.linalg.norm(lab(a, BLINDNESS[kind]) - lab(b, BLINDNESS[kind])) > 10, (a, b)


def test_op_classes_are_told_apart() -> None:
    assert len(set(OP_CLASSES.values())) == len(OP_CLASSES)
    from typing import get_args

    from roofline.ops.table import OpClass

    assert set(get_args(OpClass)) <= set(OP_CLASSES)


def test_unknown_looks_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no theme 'sepia'; expected light, dark"):
        find_theme("sepia")
    with pytest.raises(UsageError, match=r"no size 'a4'; expected column, slide"):
        find_size("a4")


@pytest.mark.parametrize("device", sorted(path.stem for path in (ROOT / "device_specs").glob("*.yaml")))
def test_every_ceiling_is_labelled_along_its_line(device: str) -> None:
    for size in ("slide", "column"):
        (panel,) = roofline.plot(MODEL, device, size=size, bindings={"batch": 1}).lay_out().panels
        wanted = [label.text for label in panel.panel.labels if label.role.startswith("ceiling")]
        placed = [found for found in panel.labels if found.label.role.startswith("ceiling")]
        assert sorted(found.label.text for found in placed) == sorted(wanted)
        assert not [found.label.text for found in placed if found.has_leader and size == "slide"]
