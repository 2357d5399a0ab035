"""`roofline.validate` and `roofline.calibrate` against their commands, and what notebooks show of answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import model_path

import roofline
from roofline.calibration.file import as_yaml
from roofline.cli.main import main
from roofline.errors import MeasurementError, SpecError, UsageError
from roofline.figures.marks import Points
from roofline.measured.record import Measurement
from roofline.measured.table import read_table

GRID = Path(__file__).parents[1] / "device_specs" / "measurements" / "orin-nano-emc-gpu-grid" / "measurements.csv"
MODEL = model_path("mobilenet_v2")
SETUP: dict[str, Any] = {"bindings": {"batch": 1}, "precision": "tf32", "runtime": "ort-cuda"}
COMMAND = (str(MODEL), "--device", "orin-nano-8gb", "--bind", "batch=1", "--precision", "tf32", "--runtime", "ort-cuda",
           "--measured", str(GRID), "--only", "workload=mobilenet_v2", "--only", "precision=fp32")  # fmt: skip


def runs() -> list[Measurement]:
    return [row for row in read_table(GRID).rows if (row.workload, row.precision) == ("mobilenet_v2", "fp32")]


def test_validate_says_what_the_command_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = roofline.validate(MODEL, "orin-nano-8gb", measured=runs(), **SETUP)
    assert main(["validate", *COMMAND, "--format", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert found.verdict == said["verdict"]
    assert found.to_dict()["time"] == said["time"]
    assert said["verdict"] in found._repr_html_()


def test_calibrate_fits_what_the_command_fits(capsys: pytest.CaptureFixture[str]) -> None:
    found = roofline.calibrate(MODEL, "orin-nano-8gb", measured=runs(), **SETUP)
    assert main(["calibrate", *COMMAND, "-o", "-"]) == 0
    assert as_yaml(found) == capsys.readouterr().out
    made = roofline.analyze(MODEL, "orin-nano-8gb", calibration=found, **SETUP)
    assert made.totals["predicted_time_s"] > made.totals["roofline_time_s"]
    assert made.calibration == found
    with pytest.raises(SpecError, match=r"orin-nano-8gb\.ort-cuda.*does not apply.*it is for device orin-nano-8gb"):
        roofline.analyze(MODEL, "orin-agx", calibration=found, **SETUP)


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(UsageError, match="a calibration is what is made"):
        roofline.calibrate(MODEL, "orin-nano-8gb", measured=runs(), calibration="none", **SETUP)
    with pytest.raises(MeasurementError, match=r"no row is of resnet50, bert.*mobilenet_v2"):
        roofline.validate({"resnet50": MODEL, "bert": MODEL}, "orin-nano-8gb", measured=runs(), **SETUP)
    with pytest.raises(UsageError, match="which runs are of this model"):
        roofline.validate([MODEL.read_bytes(), MODEL], "orin-nano-8gb", measured=runs(), **SETUP)
    with pytest.raises(MeasurementError, match="no such file"):
        roofline.validate(MODEL, "orin-nano-8gb", measured="no.csv", **SETUP)


class Run:
    """What `roofline.measure` returns, as far as its rows go: the model once, two of its layers."""

    def rows(self) -> list[Measurement]:
        whole = runs()[0]
        layers = [layer["name"] for layer in roofline.analyze(MODEL, bindings={"batch": 1}).layers][:200]
        counted = [name for name in layers if name.endswith("/Conv")][:2]
        times = (4e-5, 8e-5)
        return [whole, *(whole._replace(layer=name, nodes=(name,), op_type="Conv", time_s=time)
                         for name, time in zip(counted, times, strict=True))]  # fmt: skip


def test_one_run_with_layers_is_drawn_layer_by_layer() -> None:
    analysis = roofline.analyze(MODEL, "orin-nano-8gb", **SETUP, calibration="none")
    figure = analysis.plot("measured", measured=Run())
    (points,) = (m for m in figure.panels[0].marks if isinstance(m, Points) and m.role == "measured")
    layers = {layer["name"]: layer for layer in analysis.layers}
    first = next(layer for name, layer in layers.items() if name.endswith("/Conv"))
    assert points.y == (4e-5, 8e-5)
    assert points.x[0] == pytest.approx(first["roofline_time_s"])
    assert figure.notes[0].startswith("2 layers; the roofline time is off by ")
    assert points.names[0].startswith("features.0.0: ")  # not the runtime's name for it


def test_answers_show_their_verdict_in_a_notebook() -> None:
    choice = roofline.select(MODEL, "orin-agx", precision="fp16", bindings={"batch": 1})
    beside = roofline.compare(MODEL, device="orin-agx", bindings={"batch": 1}, vs={"precision": "fp16"})
    for answer in (choice, beside):
        page = answer._repr_html_()
        assert answer.verdict == answer.to_dict()["verdict"]
        assert page.startswith("<p>") and "<table>" in page
        assert answer.verdict.replace("&", "&amp;").replace(">", "&gt;").split("'")[0] in page
