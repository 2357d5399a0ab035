"""Pictures of predicted times: by hand, and against what `analyze` and `select` say with the same calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import model_path
from test_pictures import data, layer, marks

import roofline
from roofline.figures.figure import Figure
from roofline.figures.layers import classes, waterfall
from roofline.figures.marks import Bars, Cells, Label, Points
from roofline.figures.rooflines import Ceiling, time_roofline

ROOT = Path(__file__).parents[2]
MOBILENET = model_path("mobilenet_v2")
NANO: dict[str, Any] = {"device": "orin-nano-8gb", "precision": "tf32", "runtime": "ort-cuda"}
ONE: dict[str, Any] = {**NANO, "bindings": {"batch": 1}}
INCEPTION = model_path("inception_v3")
TRITON = "xavier-nx.triton-inference-server-tensorflow-graphdef.fp32.inception_v3_x1.request"
XAVIER: dict[str, Any] = {"device": "xavier-nx", "precision": "fp32", "calibration": TRITON, "bindings": {"batch": 1}}
"""Its calibration has powers."""
NAME = "orin-nano-8gb.ort-cuda.tf32.mobilenet_v2.host"


def predicted(**energy: Any) -> dict[str, Any]:
    """Two layers that take 3 s and 1 s of a run of 5 s; the second would be the longer by its roofline."""
    totals = {"flops": 300.0, "bytes": 100.0, "time_s": 5.0, "energy_j": None, "power_boundary": None,
              "overhead_energy_j": None}  # fmt: skip
    return data(
        [layer("/a/MatMul", 120.0, 60.0, 0.5, 0.6, predicted_time_s=3.0, **energy),
         layer("/b/MatMul", 180.0, 40.0, 0.8, 0.2, predicted_time_s=1.0, **energy)],
        basis="prediction", totals={**totals, **({"energy_j": 10.0, "overhead_energy_j": 2.0} if energy else {})},
    )  # fmt: skip


def test_layers_stand_at_their_predicted_rates() -> None:
    figure = time_roofline(predicted(), [Ceiling("p", 1000.0)], [Ceiling("DRAM", 500.0)])
    (points,) = marks(figure, Points, "layer")
    assert points.y == (40.0, 180.0)  # 120 FLOP in 3 s, 180 in 1 s
    assert figure.panels[0].y.title == "Predicted performance"
    assert "PREDICTED times" in figure.subtitle and "ROOFLINE" not in figure.subtitle
    assert "3.00 s (60.0%)" in points.names[0]


def test_what_no_layer_takes_has_a_bar_of_its_own() -> None:
    figure = waterfall(predicted(energy_j=4.0))
    assert figure.panels[0].y.categories == ("a", "b", "outside layers", "total")
    assert figure.panels[0].x.title == "Predicted time"
    bars = [marks(figure, Bars, role, panel)[0] for panel in (0, 1) for role in ("rest", "total")]
    assert [(bar.start[0], bar.end[0]) for bar in bars] == [(4.0, 5.0), (0.0, 5.0), (8.0, 10.0), (0.0, 10.0)]
    assert [bar.end[0] for bar in marks(figure, Bars, "time")] == [3.0, 4.0]
    by_class = classes(predicted())
    assert by_class.panels[0].y.categories == ("matmul (2)", "outside layers")
    assert [bar.end[0] for bar in marks(by_class, Bars, "rest")] == [1.0]


def bar_of(figure: Figure, role: str, panel: int = 0) -> float:
    return sum(bar.end[0] - bar.start[0] for bar in marks(figure, Bars, role, panel))


@pytest.mark.parametrize(("model", "options"), [(MOBILENET, ONE), (INCEPTION, XAVIER)], ids=["nano", "xavier"])
def test_bars_add_up_to_what_analyze_says(model: Path, options: dict[str, Any]) -> None:
    analysis = roofline.analyze(model, **options)
    said = analysis.totals
    assert said["time_s"] == said["predicted_time_s"] > said["roofline_time_s"]
    for kind in ("layers", "classes"):
        figure = analysis.plot(kind)
        assert bar_of(figure, "time") + bar_of(figure, "rest") == pytest.approx(said["time_s"], rel=1e-9)
        assert len(figure.panels) == (2 if said["energy_j"] is not None else 1)
        if said["energy_j"] is not None:
            assert bar_of(figure, "time", 1) + bar_of(figure, "rest", 1) == pytest.approx(said["energy_j"], rel=1e-9)
    assert bar_of(analysis.plot("layers"), "total") == pytest.approx(said["time_s"])
    calibration = analysis.calibration
    assert calibration is not None and any(calibration.name in note for note in figure.notes)


def test_modes_and_maps_show_what_analyze_says_in_each_mode() -> None:
    analysis = roofline.analyze(MOBILENET, **ONE)
    figure = analysis.plot("modes")
    shown = {label.text for label in marks(figure, Label, "model")}
    for mode in ("7W", "15W", "25W", "MAXN_SUPER"):
        totals = roofline.analyze(MOBILENET, mode=mode, **ONE).totals
        assert f"{mode}: {roofline.units.text(totals['predicted_time_s'], 's')}" in shown
    (cells,) = marks(analysis.plot("heatmap"), Cells, "grid-cell")
    at = roofline.analyze(MOBILENET, mode="25W,gpu_freq=306MHz,mem_freq=204MHz", **ONE).totals
    assert cells.values[0][0] == pytest.approx(at["predicted_time_s"], rel=1e-12)
    assert analysis.plot("heatmap").panels[1].y.title == "Predicted time"
    assert any(NAME in note and "8 of 10" in note for note in analysis.plot("heatmap").notes)


def test_the_front_is_of_predicted_times_and_powers() -> None:
    figure = roofline.analyze(INCEPTION, **XAVIER).plot("pareto", grid="named")
    chosen = roofline.select(INCEPTION, grid="named", **XAVIER).choice
    (star,) = marks(figure, Points, "chosen")
    assert chosen is not None and (star.x, star.y) == ((chosen.time_s,), (chosen.energy_j,))
    assert figure.panels[0].x.title == "Predicted time"
    assert roofline.analyze(INCEPTION, **XAVIER).plot("heatmap").panels[1].y.title == "Energy"


def test_a_calibration_for_one_batch_size_does_not_mix_into_a_line_over_them() -> None:
    mixed = roofline.plot(MOBILENET, kind="batch", batches=(1, 2), **NANO)
    without = roofline.plot(MOBILENET, kind="batch", batches=(1, 2), calibration="none", **NANO)
    assert mixed.panels == without.panels and "ROOFLINE ONLY" in mixed.subtitle
    alone = roofline.plot(MOBILENET, kind="batch", batches=(1,), **NANO)
    assert alone.panels[0].y.title == "Predicted latency" and any(NAME in note for note in alone.notes)


def test_two_sides_are_compared_by_one_kind_of_time() -> None:
    modes = roofline.plot(MOBILENET, kind="compare", vs={"mode": "MAXN_SUPER"}, **ONE)
    assert "PREDICTED" in modes.subtitle and modes.panels[0].y.title == "Predicted performance"
    mixed = roofline.plot(MOBILENET, kind="compare", vs={"calibration": "none"}, **ONE)
    assert "one side has no calibration" in mixed.subtitle and mixed.panels[0].y.title == "Performance"
    (label,) = marks(mixed, Label, "model-change")
    roof = roofline.units.text(roofline.analyze(MOBILENET, **ONE).totals["roofline_time_s"], "s")
    assert label.text == f"whole model: {roof} → {roof}"


def test_energy_coefficients_stay_those_of_rooflines() -> None:
    chain = ROOT / "device_specs" / "measurements" / "models" / "gemm_chain.onnx"
    analysis = roofline.analyze(chain, "orin-nano-8gb", precision="fp16", runtime="ort-cuda")
    assert analysis.calibration is not None
    for kind in ("energy", "power"):
        assert "ROOFLINE ONLY" in analysis.plot(kind).subtitle
    assert "PREDICTED" in analysis.plot("layers").subtitle
