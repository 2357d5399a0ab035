"""What the pictures say, mark by mark, against arithmetic by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import build_model, model_path
from samples import MODEL, ONE_MODEL, TABLE, picture

import roofline
from roofline.errors import DeviceError, MeasurementError, UsageError
from roofline.figures.figure import Figure
from roofline.figures.layers import classes, waterfall
from roofline.figures.marks import Area, Arrow, Bars, Cells, Label, Line, Points, Rule
from roofline.figures.measured import POWER, Pair, measured_against
from roofline.figures.modes import ClockMap, Spot, front_of, heatmap, pareto
from roofline.figures.rooflines import Ceiling, Roof, modes_roofline, time_roofline
from roofline.figures.runs import BatchPoint, batch_sweep, memory_schedule
from roofline.figures.words import Spot as LayerSpot
from roofline.figures.words import labels_for, short_name
from roofline.plots.energies import layer_energies, priced

ROW = {"class": "matmul", "op_type": "MatMul", "limited_by": "memory", "ceiling": "DRAM", "bytes_read": 0,
       "bytes_written": 0, "energy_j": None}  # fmt: skip


def data(layers: list[dict[str, Any]] | None = None, **extra: Any) -> dict[str, Any]:
    """An analysis in its dict form, with what builders read."""
    return {
        "model": {"path": "net.onnx", "nodes": 3}, "device": "board", "device_name": "Board", "mode": "MAXN",
        "precision": "fp16", "batch": 1, "phase": "inference", "traffic": "fused", "basis": "roofline",
        "layers": layers or [], "findings": [], "coverage": {"nodes_unsupported": 0}, "bindings": {},
        "totals": {"flops": 300.0, "bytes": 100.0, "time_s": 1.0, "energy_j": None, "power_boundary": None}, **extra,
    }  # fmt: skip


def layer(name: str, flops: float, moved: float, time_s: float, share: float, **extra: Any) -> dict[str, Any]:
    return {**ROW, "name": name, "flops": flops, "intensity_flop_per_byte": flops / moved if moved else None,
            "roofline_time_s": time_s, "share": share, **extra}  # fmt: skip


def marks(figure: Figure, kind: type, role: str, panel: int = 0) -> list[Any]:
    return [mark for mark in figure.panels[panel].marks if isinstance(mark, kind) and mark.role == role]


def test_time_roofline_by_hand() -> None:
    layers = [
        layer("/a/MatMul", 100.0, 50.0, 4.0, 0.8),  # 2 FLOP/B, 25 FLOP/s
        layer("/b/Conv", 900.0, 10.0, 0.9, 0.18, **{"class": "convolution", "op_type": "Conv"}),  # 90, 1000
        layer("/c/Transpose", 0.0, 30.0, 0.1, 0.02),
    ]
    pipes = [Ceiling("fp16 matrix", 1000.0), Ceiling("int8 matrix", 2000.0, False)]
    figure = time_roofline(data(layers), pipes, [Ceiling("DRAM", 25.0, False), Ceiling("path", 12.5)])
    points = {p.group: p for p in marks(figure, Points, "layer")}
    assert (points["matmul"].x, points["matmul"].y, points["matmul"].share) == ((2.0,), (25.0,), (0.8,))
    assert (points["convolution"].x, points["convolution"].y) == ((90.0,), (1000.0,))
    assert "other" not in points
    path, flat = marks(figure, Line, "ceiling")
    assert all(y / x == pytest.approx(12.5) for x, y in zip(path.x, path.y))
    assert path.y[-1] == 2000.0  # up to the highest ceiling
    assert flat.x[0] == 1000.0 / 12.5 and flat.y == (1000.0, 1000.0)
    (ridge,) = marks(figure, Points, "ridge")
    assert (ridge.x, ridge.y) == ((80.0,), (1000.0,))
    dram, int8 = marks(figure, Line, "ceiling-unused")
    assert dram.y[0] / dram.x[0] == pytest.approx(25.0) and int8.x[0] == 2000.0 / 12.5
    words = [label.text for label in figure.panels[0].labels]
    assert words[:2] == ["fp16 matrix 1.00 kFLOP/s", "int8 matrix 2.00 kFLOP/s"] and {
        "ridge 80.0 FLOP/B",
        "a",
        "b",
    } <= set(words)
    assert figure.notes == ("Not shown: 1 layer moving bytes and computing nothing, 2.0 % of the time.",)
    assert "ROOFLINE ONLY" in figure.subtitle
    assert [(a.title, a.unit, a.scale) for a in figure.panels[0][:2]] == [
        ("Intensity", "FLOP/B", "log"), ("Performance", "FLOP/s", "log")]  # fmt: skip


def test_layers_at_one_place_share_a_label_and_ten_are_named() -> None:
    layers = [layer(f"/n{i}/MatMul", 100.0 * 3**i, 50.0, 4.0, 0.01 * (i + 1)) for i in range(14)]
    layers += [layer("/twin/MatMul", 100.0, 50.0, 4.0, 0.5)]
    figure = time_roofline(data(layers), [Ceiling("p", 1e12)], [Ceiling("DRAM", 1e12)])
    names = [label.text for label in marks(figure, Label, "layer")]
    assert len(names) == 10 and names[0] == "twin ×2" and "n13" in names and "n1" not in names


def test_modes_by_hand() -> None:
    roofs = [Roof("slow", 100.0, 10.0, 4.0), Roof("fast", 400.0, 10.0, 2.0)]
    figure = modes_roofline(data(), "fp16 matrix", roofs)  # the model: 300 FLOP, 100 B
    slow, fast = marks(figure, Line, "roof")
    assert (slow.x[1], fast.x[1]) == (10.0, 40.0) and (slow.y[2], fast.y[2]) == (100.0, 400.0)
    assert slow.y[0] == pytest.approx(10.0 * slow.x[0])
    stars = marks(figure, Points, "model")
    assert [(s.x, s.y) for s in stars] == [((3.0,), (75.0,)), ((3.0,), (150.0,))]


def test_front_is_what_none_beats() -> None:
    spots = [Spot("a", 1.0, 5.0), Spot("b", 2.0, 3.0), Spot("c", 2.5, 3.5), Spot("d", 3.0, 1.0), Spot("e", 1.0, 6.0),
             Spot("f", 0.5, math.nan)]  # fmt: skip
    assert [spot.name for spot in front_of(spots)] == ["a", "b", "d"]
    far = [Spot("g", 500.0, 900.0)]
    marked = {"chosen": spots[1], "maximum": spots[0]}
    marked["maximum"] = marked["maximum"]._replace(is_limited=True)
    figure = pareto(data(), spots + far, [Spot("over", 1.0, 9.0)], [spots[0], spots[3]], marked, 1.01, 0.01, "full")
    (line,) = marks(figure, Line, "front")
    assert list(zip(line.x, line.y)) == [(1.0, 5.0), (2.0, 5.0), (2.0, 3.0), (3.0, 3.0), (3.0, 1.0)]
    assert marks(figure, Points, "named")[0].x == (3.0,)  # the maximum is marked as that
    assert marks(figure, Points, "over-limit")[0][:2] == ((1.0,), (5.0,))
    assert marks(figure, Rule, "slack")[0].at == 1.01
    assert {label.text for label in figure.panels[0].labels} == {"a", "b", "d", "fastest sustained + 1 %"}
    # beyond 5 J x 1.12, the dearest of front and marks: the far one, the one over the limit, and "e"
    assert figure.notes[0] == "Not shown: 3 points of the grid further out."


def test_heat_map_by_hand() -> None:
    found = ClockMap("MAXN", "GPU clock", (1e8, 2e8, 3e8), (5e8, 1e9), ((4.0, 3.0, 3.0), (2.0, 1.014, 1.0)),
                     ((9.0, 8.0, 9.0), (6.0, 7.0, 8.0)), ((False,) * 3, (False, False, True)))  # fmt: skip
    figure = heatmap(data(), found, "energy", 0.01)
    (cells,) = marks(figure, Cells, "grid-cell")
    assert cells.values == found.energy_j and cells.limits == (6.0, 9.0)
    (edge,) = marks(figure, Line, "iso-latency")
    drawn = {(x, y) for x, y in zip(edge.x, edge.y) if not math.isnan(x)}
    # the fastest that the module can take is 1.014: only the two fast cells of the upper row are within 1 % of it, left
    # of them at x = 0.5, below them at y = 0.5
    assert drawn == {(0.5, 0.5), (0.5, 1.5), (1.5, 0.5), (2.5, 0.5)}
    (star,) = marks(figure, Points, "chosen")
    assert star.x == (1.0,) and 0.5 < star.y[0] < 1.5
    assert [label.text for label in figure.panels[0].labels][-1] == "8.00"
    (crosses,) = (m for m in figure.panels[0].marks if isinstance(m, Points) and m.role.startswith("cell-limited"))
    assert crosses.x == (2.0,) and 0.5 < crosses.y[0] < 1.0
    assert figure.panels[0].x.categories == ("100", "200", "300")
    assert figure.panels[1].is_scale and figure.panels[1].y.unit == "J"


def test_batches_by_hand() -> None:
    layers = [layer("/a/MatMul", 1.0, 1.0, 2.0, 0.6), layer("/b/MatMul", 1.0, 1.0, 1.0, 0.4)]
    points = [BatchPoint(1, 2.0, 10.0, (0.5, math.nan)), BatchPoint(4, 4.0, 20.0, (2.0, math.nan))]
    figure = batch_sweep(data(layers), points)
    assert [panel.y.title for panel in figure.panels] == ["Latency", "Samples/s", "Energy/sample", "Compute/memory"]
    values = [next(m for m in panel.marks if isinstance(m, Line)).y for panel in figure.panels]
    assert values == [(2.0, 4.0), (0.5, 1.0), (10.0, 5.0), (0.5, 2.0)]
    (crossing,) = marks(figure, Points, "crossed", 3)
    assert crossing.x == (4.0,)
    assert figure.panels[0].x.ticks == (1.0, 4.0)
    without = batch_sweep(data(layers), [point._replace(energy_j=None) for point in points])
    assert len(without.panels) == 3 and "unknown" in without.notes[0]


def test_memory_by_hand() -> None:
    figure = memory_schedule(data(), (10, 40, 20), ("a", "b", "c"), 100, 200.0)
    (activations,) = marks(figure, Area, "activations")
    assert activations.x == (0.5, 1.5, 1.5, 2.5, 2.5, 3.5) and activations.high == (110, 110, 140, 140, 120, 120)
    assert marks(figure, Area, "weights")[0].high == (100,) * 6
    assert marks(figure, Rule, "limit")[0].at == 200.0
    assert marks(figure, Points, "peak")[0][:2] == ((2.0,), (140.0,))
    roomy = memory_schedule(data(), (10, 30, 20), ("a", "b", "c"), 100, 13000.0)
    assert not marks(roomy, Rule, "limit") and roomy.notes[0] == "The device has 13.0 kB; at most 1.0 % of it is taken."
    assert len(roomy.panels) == 2 and marks(roomy, Area, "activations", 1)[0].high[2] == 30


def test_measured_by_hand() -> None:
    pairs = [Pair(1.0, 2.0, "a"), Pair(2.0, 3.0, "b"), Pair(4.0, 4.0, "c")]
    figure = measured_against(pairs, (0.8, 1.25), "prediction")
    (band,) = marks(figure, Area, "band")
    assert [h / x for h, x in zip(band.high, band.x)] == pytest.approx([1.25, 1.25])
    assert [low / x for low, x in zip(band.low, band.x)] == pytest.approx([0.8, 0.8])
    (points,) = marks(figure, Points, "measured")
    assert (points.x, points.y) == ((1.0, 2.0, 4.0), (2.0, 3.0, 4.0))
    # errors of 1/2, 1/3 and 0; measured/predicted 2, 1.5, 1
    assert figure.notes[0] == (
        "3 runs; the predicted time is off by 27.8% on average, median measured/predicted 1.50; the band: "
        "33% of the runs are in it."
    )
    watts = measured_against(pairs, None, "prediction", quantity=POWER)
    assert (watts.panels[0].x.title, watts.panels[0].x.unit) == ("Predicted power", "W")
    own = measured_against(pairs, None, "roofline")
    (band,) = marks(own, Area, "band")
    assert band.low[0] / band.x[0] == pytest.approx(1.1) and band.high[0] / band.x[0] == pytest.approx(1.9)


@pytest.mark.parametrize(
    ("name", "op", "short"),
    [("/layer4/layer4.0/conv2/Conv (backward)", "Conv", "layer4.0/conv2 (backward)"),
     ("/layer4/layer4.0/conv2/Conv", "Conv", "layer4.0/conv2"), ("/fc/Gemm", "Gemm", "fc"), ("", "Add", "Add"),
     ("/a/b/c/MatMul_1", "MatMul", "b/c"), ("node_conv2d_3", "Conv", "node_conv2d_3"), ("Conv", "Conv", "Conv")],
)  # fmt: skip
def test_short_names(name: str, op: str, short: str) -> None:
    assert short_name({"name": name, "op_type": op}) == short


def test_energy_roofline_of_a_real_model() -> None:
    figure = picture("energy")
    (arch,) = marks(figure, Line, "roof")
    # fp16-rails at 612 MHz: v = 1.028/1.295; 2.05 pJ/FLOP v^2 = 1.292, 61.3 + 138.7 v^2 = 148.7 pJ/B; idle 8.47 W to
    # 0.02 W; peak 8 SM x 2048 x 612 MHz = 10.03 TFLOP/s, 210 x 612 MHz = 128.5 GB/s
    per_flop, per_byte, idle, peak, bandwidth = 1.2918e-12, 148.70e-12, 8.47, 1.00270e13, 1.28520e11
    for x, y in list(zip(arch.x, arch.y))[::40]:
        time_per_flop = max(1 / peak, 1 / (x * bandwidth))
        assert y == pytest.approx(1 / (per_flop + per_byte / x + idle * time_per_flop), rel=2e-3)
    balance = {rule.name.split(":")[0]: rule.at for rule in marks(figure, Rule, "balance")}
    assert balance["energy balance"] == pytest.approx(per_byte / per_flop, rel=1e-3)
    assert balance["time balance"] == pytest.approx(peak / bandwidth, rel=1e-3)
    shares = [s for p in marks(figure, Points, "layer") for s in p.share]
    assert sum(shares) == pytest.approx(1.0, abs=0.01)


def test_power_line_of_a_real_model() -> None:
    figure = picture("power")
    modes = [line.name.split(":")[0] for line in marks(figure, Line, "roof")]
    assert modes == ["MAXN", "MODE_15W", "MODE_30W", "MODE_50W"]
    line = marks(figure, Line, "roof")[2]
    per_flop, per_byte, idle, peak, bandwidth = 1.2918e-12, 148.70e-12, 8.47, 1.00270e13, 1.28520e11
    assert max(line.y) == pytest.approx(per_flop * peak + per_byte * bandwidth + idle, rel=2e-3)  # both are busy
    assert marks(figure, Rule, "limit")[0].at == 60.0


@pytest.mark.parametrize("name", ["resnet50", "bert_base"])
def test_no_layer_is_above_its_roof_of_energy_or_power(name: str) -> None:
    """A float32 file: energies are counted node by node (Pagoda's traffic), times layer by layer of fused nodes.

    The arch of the ceiling with most work is no bound for layers on another one, so the highest arch is taken.
    """
    bindings = {"batch": 1, "seq": 128} if name == "bert_base" else {"batch": 1}
    analysis = roofline.analyze(model_path(name), "orin-agx", bindings=bindings)
    energy, power = analysis.plot("energy"), analysis.plot("power")
    best = max(max(line.y) for line in marks(energy, Line, "roof"))
    points = [(x, y) for p in marks(energy, Points, "layer") for x, y in zip(p.x, p.y)]
    assert points and max(y for _, y in points) <= best * (1 + 1e-9)
    own = next(line for line in marks(power, Line, "roof") if line.name.startswith("MODE_30W"))
    watts = [y for p in marks(power, Points, "layer") for y in p.y]
    assert watts and max(watts) <= max(own.y) * (1 + 1e-9)
    # work is kept: what is drawn adds up to Pagoda's FLOP of the layers that have any
    flops = sum(layer.flop for layer in layer_energies(priced(analysis), analysis.to_dict()))
    pagoda = roofline.analyze(model_path(name), "orin-agx", bindings=bindings, traffic="pagoda").totals["flops"]
    assert flops == pytest.approx(pagoda, rel=1e-3)


def test_layers_and_classes_add_up() -> None:
    analysis = roofline.analyze(MODEL, "orin-agx", precision="fp16")
    total = analysis.totals
    for kind in ("layers", "classes"):
        figure = analysis.plot(kind)
        for panel, key in enumerate(("time_s", "energy_j")):
            bars = [b for role in ("time", "rest") for b in marks(figure, Bars, role, panel)]
            assert sum(b.end[0] - b.start[0] for b in bars) == pytest.approx(total[key])
    bars = marks(analysis.plot("layers"), Bars, "time")
    assert [b.start[0] for b in bars[1:]] == [b.end[0] for b in bars[:-1]]
    assert len(bars) == 10


def test_comparison_moves_layers() -> None:
    figure = picture("compare")
    assert figure.title == "resnet50: MODE_30W → MAXN"
    arrow = next(m for m in figure.panels[0].marks if isinstance(m, Arrow) and m.role == "model-change")
    slow, fast = (roofline.analyze(MODEL, "orin-agx", precision="fp16", mode=m).totals for m in (None, "MAXN"))
    assert (arrow.y, arrow.to_y) == pytest.approx(tuple(t["flops"] / t["time_s"] for t in (slow, fast)))
    same = roofline.analyze(MODEL, "orin-agx", precision="fp16")
    other = roofline.analyze(MODEL, "orin-agx", precision="fp16", mode="MAXN")
    assert same.plot("compare", other=other).panels == figure.panels


def test_measured_runs_meet_their_mode_and_batch() -> None:
    figure = picture("measured")
    points = {key.text: p for key, p in zip(figure.key, marks(figure, Points, "measured"))}
    assert points["batch 1"].y == (0.0012, 0.0025) and points["batch 4"].y == (0.006, 0.004)
    at_30 = roofline.analyze(MODEL, "orin-agx", precision="fp16", bindings={"batch": 4}).totals["time_s"]
    assert points["batch 4"].x[0] == pytest.approx(at_30)
    assert "2 rows are of other models, precisions or phases, or have no time." in figure.notes
    alone = roofline.analyze(MODEL, "orin-agx", precision="fp16").plot("measured", measured=TABLE)
    assert "2 rows are of another batch size." in alone.notes
    with pytest.raises(
        MeasurementError, match="no row is a timed inference run in tf32; expected one of what is there"
    ):
        roofline.analyze(MODEL, "orin-agx").plot("measured", measured=TABLE)


def test_pareto_marks_what_select_chooses() -> None:
    chosen = roofline.select(MODEL, "orin-agx", grid="full", precision="fp16").choice
    assert chosen is not None
    (star,) = marks(picture("pareto"), Points, "chosen")
    assert (star.x, star.y) == ((chosen.time_s,), (chosen.energy_j,))
    (maximum,) = marks(picture("pareto"), Points, "maximum")
    assert maximum.names[0].startswith("MAXN")


def test_figures_show_and_save_themselves(tmp_path: Path) -> None:
    figure = picture("modes")
    for suffix, start in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".html", b"<!DOCTYPE html>")):
        figure.save(tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes().startswith(start)
    page = (tmp_path / "a.html").read_text()
    assert "<script src=" not in page and "Plotly.newPlot" in page  # no network needed
    assert len(figure.to_html(full=False)) < 100_000 < len(page)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure._repr_html_().startswith('<img alt="Power modes: resnet50')
    assert roofline.Figure is Figure


def test_what_cannot_be_drawn_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = roofline.analyze(MODEL)
    for kind in ONE_MODEL:
        if kind != "memory":
            with pytest.raises(
                UsageError, match=rf"--kind {kind}: this picture needs a device; expected --device as well"
            ):
                counts.plot(kind)
    assert counts.plot("memory").title == "Memory: resnet50"
    analysis = roofline.analyze(MODEL, "orin-agx", precision="int8")
    for kind in ("energy", "power", "pareto"):
        with pytest.raises(DeviceError, match="no coefficients for int8"):
            analysis.plot(kind)
    with pytest.raises(DeviceError, match="no coefficients for int8"):
        analysis.plot("heatmap", value="energy")
    assert analysis.plot("heatmap").title == "Time over the clocks: resnet50"
    assert len(analysis.plot("layers").panels) == 1 and "unknown" in analysis.plot("layers").notes[0]
    with pytest.raises(UsageError, match=r"no picture 'pie'; expected roofline, energy, modes"):
        analysis.plot("pie")
    with pytest.raises(UsageError, match=r"the suffix names no form of a picture; expected \.png, \.svg"):
        analysis.plot().save(tmp_path / "a.gif")
    with pytest.raises(UsageError, match="one analysis has one batch size"):
        analysis.plot("batch")
    with pytest.raises(DeviceError, match="the memory clock has one setting"):
        roofline.analyze(MODEL, "h100-sxm").plot("heatmap")
    monkeypatch.setattr("roofline.plots.clocks.LARGEST", 43)
    with pytest.raises(DeviceError, match="11 x 4 pairs of clocks; expected at most 43"):
        analysis.plot("heatmap")
    training = roofline.analyze(MODEL, "orin-agx", phase="training")
    with pytest.raises(UsageError, match="the schedule of a training step is not worked out"):
        training.plot("memory")
    assert training.plot("roofline").panels


def test_energy_that_is_not_counted_is_not_nothing() -> None:
    of = [layer("/a/MatMul", 100.0, 50.0, 4.0, 0.8), layer("/b/Softmax", 90.0, 1.0, 1.0, 0.2)]
    of[1]["class"] = "normalization"
    of[0]["energy_j"] = 10.0
    given = data(of)
    given["totals"] |= {"energy_j": 10.0, "power_boundary": "module"}
    for figure in (waterfall(given), classes(given)):
        said = [mark.text for mark in figure.panels[1].labels]
        assert said[:2] == ["10.0 J, 100 %", "not counted"]
        assert "The coefficients do not count 1 layer, 20 % of the time." in figure.notes


def test_unequal_layers_at_one_place_are_not_counted_as_equal() -> None:
    spots = [LayerSpot(1.0, 1.0, "a", 3.0, ("Conv", 1)), LayerSpot(1.01, 1.0, "b", 2.0, ("Conv", 1)),
             LayerSpot(1.0, 1.01, "c", 1.0, ("Add", 1)), LayerSpot(50.0, 1.0, "d", 0.1, ("Add", 1))]  # fmt: skip
    assert [label.text for label in labels_for(spots)] == ["a ×2, +1", "d"]


def test_a_model_that_computes_nothing_has_no_place_under_a_roof() -> None:
    node = onnx.helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0])
    model = build_model([node], {"x": (64, 32)}, ["y"])
    for kind in ("modes", "energy", "power"):
        with pytest.raises(UsageError, match="computes"):
            roofline.plot(model, "orin-agx", kind=kind)
    assert roofline.plot(model, "orin-agx", kind="layers").panels
    still = build_model([onnx.helper.make_node("Identity", ["x"], ["y"])], {"x": (2,)}, ["y"])
    with pytest.raises(UsageError, match="nothing that takes time"):
        roofline.plot(still, "orin-agx", kind="compare", vs={"mode": "MAXN"})
