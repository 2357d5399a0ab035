"""Interactive pictures in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import SIZES, Opened

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Label, Panel, Points

NAME = "a $price$ of <b>1</b>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.html"
    points = Points((1.0, 100.0), (1.0, 100.0), "layer", "matmul", share=(0.1, 0.2), names=(NAME, "other"))
    limits = (0.1, 1000.0)
    panel = Panel(Axis("X", "", "log", limits), Axis("Y", "", "log", limits), (points, Label(1.0, 1.0, NAME, "layer")))
    Figure(title=NAME, panels=(panel,)).save(path)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_fills_its_window_and_points_tell_their_names(browser: Any, page: Path, size: str) -> None:
    found = Opened(browser, page, size)
    width, height = SIZES[size]
    drawn = found.page.locator("svg.main-svg").first.bounding_box()
    assert max(drawn["width"] / width, drawn["height"] / height) == pytest.approx(1.0, abs=0.01)
    assert drawn["width"] <= width + 1 and drawn["height"] <= height + 1
    point = found.page.locator("path.point").first.bounding_box()
    found.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    hover = found.page.locator(".hovertext")
    hover.wait_for(timeout=5000)
    assert hover.text_content() == NAME
    assert found.complaints == []
    assert found.requests == [page.as_uri()]
    found.context.close()
