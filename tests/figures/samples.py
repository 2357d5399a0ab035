"""Small figures of every mark, and one of every kind of picture: what the tests of figures look at."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import roofline
from roofline.figures.figure import Figure
from roofline.figures.marks import Area, Arrow, Axis, Bars, Cells, Key, Label, Line, Panel, Points, Rule
from roofline.plots.plot import KINDS

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "tests" / "data" / "models" / "resnet50.onnx"
TABLE = Path(__file__).with_name("runs.csv")
ONE_MODEL = tuple(kind for kind in KINDS if kind not in ("batch", "compare", "measured"))
LOG = Axis("Intensity", "FLOP/B", "log", (0.1, 1000.0))


def every_mark() -> Figure:
    """One panel with each mark once, two of some."""
    marks = (
        Area((1.0, 10.0), (1.0, 1.0), (2.0, 3.0), "band", "", "band"),
        Line((1.0, 10.0, 100.0), (1.0, 10.0, 10.0), "ceiling", "", "roof"),
        Rule("x", 10.0, "balance", "", "ridge"),
        Rule("y", 5.0, "limit", "", "limit"),
        Points((2.0, 20.0), (2.0, 9.0), "layer", "convolution", share=(0.25, 0.01), names=("a", "b")),
        Points((5.0,), (1.0,), "power-limited"),
        Arrow(1.0, 1.0, 50.0, 8.0, "change", "matmul"),
        Label(2.0, 2.0, "a layer", "layer"),
        Label(100.0, 10.0, "a ceiling", "ceiling", where="along", path=((10.0, 100.0), (10.0, 10.0))),
    )
    cells = Cells((0.0, 1.0), (0.0, 1.0), ((1.0, 2.0), (3.0, 4.0)), (1.0, 4.0), "grid-cell")
    bars = Bars((0.0, 1.0), (0.0, 1.0), (1.0, 3.0), "time", "matmul", names=("a", "b"))
    names = Axis("", "", "category", (1.5, -0.5), ("first", "second"))
    return Figure(
        title="Every mark", subtitle="once", key=(Key("convolution", "layer", "convolution"), Key("area: share")),
        panels=(Panel(LOG, Axis("Power", "W", "linear", (0.0, 12.0)), marks),
                Panel(Axis("Time", "s", "linear", (0.0, 4.0)), names, (bars,)),
                Panel(names, names, (cells,))),
    )  # fmt: skip


@cache
def picture(kind: str) -> Figure:
    """A picture of one kind, of ResNet-50 in fp16 on AGX Orin."""
    if kind == "marks":
        return every_mark()
    if kind == "measured":
        return roofline.plot(MODEL, "orin-agx", kind=kind, precision="fp16", measured=TABLE)
    extra = {"batch": {"batches": (1, 4, 16)}, "compare": {"vs": {"mode": "MAXN"}}}.get(kind, {})
    if extra:
        return roofline.plot(MODEL, "orin-agx", kind=kind, precision="fp16", **extra)
    return roofline.analyze(MODEL, "orin-agx", precision="fp16").plot(kind)
