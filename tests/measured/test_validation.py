"""Validation: its figures by hand, its page, its pictures, and what it says when rows do not tell their mode."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from conftest import model_path

import roofline
from roofline.cli.main import main
from roofline.errors import MeasurementError, UsageError
from roofline.figures.marks import Area, Points
from roofline.measured.record import Measurement
from roofline.measured.table import write_table
from roofline.report.validation_page import validation_html
from roofline.validation import Point, Validation, validate

NAN = float("nan")


def point(measured: float, predicted: float, **other: object) -> Point:
    fields = {"workload": "net", "mode": "MAXN,gpu_freq=816MHz", "layer": "", "op_class": "", "bound_time_s": 1.0,
              "power_w": NAN, "predicted_power_w": NAN, "energy_j": NAN, "predicted_energy_j": NAN,
              "line": 2, **other}  # fmt: skip
    return Point(time_s=measured, predicted_time_s=predicted, **fields)  # type: ignore[arg-type]


def validation(*runs: Point, **other: object) -> Validation:
    fields = {"layers": (), "basis": "prediction", "calibration": "mine", "joined": {}, "findings": (),
              "bands": {"time": (0.9, 1.1)}, **other}  # fmt: skip
    return Validation(runs=runs, **fields)  # type: ignore[arg-type]


FOUND = validation(point(10.0, 11.0), point(20.0, 16.0), point(40.0, 40.0), point(0.96, 1.0), point(0.98, 1.0))


def test_errors_by_hand() -> None:
    """Off by +10, -20, 0, +4.17 and +2.04 %; 1.25 = 20/16 is outside 0.9 to 1.1; a bound of 1 s is beaten by 4 %."""
    errors = FOUND.errors("time")
    assert errors.n == 5 and errors.mape == pytest.approx((0.1 + 0.2 + 0 + 1 / 24 + 1 / 49) / 5)
    assert errors.bias == pytest.approx((0.1 - 0.2 + 0 + 1 / 24 + 1 / 49) / 5)
    assert errors.median_abs_error == pytest.approx(1 / 24)
    assert FOUND.in_band("time") == pytest.approx(4 / 5)
    assert [p.time_s for p in FOUND.bound_violations] == [0.96]
    assert FOUND.errors("power").n == 0 and FOUND.to_dict()["in_band"] == {"time": 0.8}


def test_picture_shows_the_points_and_the_calibrations_band() -> None:
    (panel,) = FOUND.plot().panels
    (points,) = [mark for mark in panel.marks if isinstance(mark, Points)]
    assert points.x == (11.0, 16.0, 40.0, 1.0, 1.0) and points.y == (10.0, 20.0, 40.0, 0.96, 0.98)
    (band,) = [mark for mark in panel.marks if isinstance(mark, Area)]
    assert band.high[0] / band.x[0] == pytest.approx(1.1)
    with pytest.raises(UsageError, match="no power was both measured and predicted"):
        FOUND.plot("power")
    layers = validation(layers=(point(1.0, 2.0, layer="/conv", op_class="convolution"),))
    assert "1 layers" in layers.plot().notes[0]


def test_page_is_whole_and_names_are_text_in_it() -> None:
    hostile = "<script>alert(1)</script>\u202e"
    page = validation_html(validation(point(10.0, 11.0, workload=hostile), point(2.0, 2.0, workload=hostile)))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in page and "http" not in re.sub(r'content="[^"]*"|http-equiv', "", page)
    light, dark = (base64.b64decode(data).decode() for data in re.findall(r"base64,([^\"]+)", page)[::-1])
    assert "<svg" in light and "<svg" in dark and light != dark
    assert "All 2 rows" in page and page.count("10.0 s") >= 2


def rows(**other: object) -> list[Measurement]:
    return [
        Measurement("resnet18", batch_size=1, gpu_freq_hz=f, mem_freq_hz=3.199e9, time_s=t, **other)  # type: ignore[arg-type]
        for f, t in ((1.3005e9, 1e-3), (816e6, 1.5e-3), (612e6, 2e-3))
    ]


@pytest.mark.parametrize("suffix", [".html", ".png", ".svg", ".pdf"])
def test_command_writes_pages_and_pictures(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(rows(), tmp_path / "runs.csv")
    target = tmp_path / f"found{suffix}"
    model = str(model_path("resnet18"))
    arguments = ["validate", model, "--bind", "batch=1", "--device", "orin-agx", "--measured"]
    assert main([*arguments, str(tmp_path / "runs.csv"), "-o", str(target)]) == 0
    start = {".html": b"<!doctype html>", ".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert target.read_bytes().startswith(start[suffix]) and capsys.readouterr().out == ""
    assert main([*arguments, str(tmp_path / "runs.csv"), "-o", str(target), "--format", "json"]) == 0
    assert json.loads(target.read_text())["time"]["n"] == 3
    assert main([*arguments, str(tmp_path / "runs.csv"), "-o", str(tmp_path / "x.png"), "--value", "power"]) == 2
    assert "--value: no power was both measured" in capsys.readouterr().err and not (tmp_path / "x.png").exists()


def test_rows_without_a_mode_are_said() -> None:
    analysis = roofline.analyze(model_path("resnet18"), "orin-agx", bindings={"batch": 1})
    unknown = [row._replace(mem_freq_hz=None) for row in rows()]
    with pytest.raises(MeasurementError, match="3 rows name no power mode, nor enough clocks"):
        validate({"resnet18": analysis}, unknown)
