"""The rows of a sweep: counts by hand, and the same figures as `analyze` and `select` give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import model_path

import roofline
from roofline.errors import DeviceError, SpecError, UsageError
from roofline.selection.select import select
from roofline.sweeping.part import COLUMNS
from roofline.sweeping.plan import make_plan
from sweep.helpers import write_gemm


def rows_of(models: list[str] | str, devices: Any = "orin-agx", **options: Any) -> list[dict[str, Any]]:
    return list(roofline.sweep([models] if isinstance(models, str) else models, devices, **options))


def test_counts_by_hand(tmp_path: Path) -> None:
    # (batch, 48) x (48, 32): batch * 48 * 32 MAC; in fp32 48 * 32 weights, batch * 48 read, batch * 32 written
    path = write_gemm(tmp_path / "a.onnx", 48, 32)
    rows = rows_of(str(path), batches=(1, 4), precisions=("fp32", "fp16"))
    assert list(rows[0]) == list(COLUMNS)
    for row in rows:
        width = {"fp32": 4, "fp16": 2}[row["precision"]]
        macs = row["batch"] * 48 * 32
        assert (row["macs"], row["flops"]) == (macs, 2 * macs)
        assert row["bytes"] == width * (48 * 32 + row["batch"] * (48 + 32))
        assert row["error"] is None and row["basis"] == "roofline"
    modes = len(roofline.load_device("orin-agx").modes)
    assert len(rows) == 2 * 2 * modes
    assert {(r["batch"], r["precision"]) for r in rows} == {(b, p) for b in (1, 4) for p in ("fp32", "fp16")}


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "resnet18_qdq_int8", "lstm_lm"])
@pytest.mark.parametrize("traffic", ["fused", "ideal", "pagoda"])
def test_every_row_is_what_analyze_says(name: str, traffic: str) -> None:
    bindings = {"seq": 64}
    rows = rows_of(str(model_path(name)), ["orin-agx", "orin-nano-8gb"], traffics=(traffic,), bindings=bindings)
    mine = bindings if name == "lstm_lm" else {}
    for device in ("orin-agx", "orin-nano-8gb"):
        found = [row for row in rows if row["device"] == device]
        data = roofline.analyze(model_path(name), device, traffic=traffic, bindings=mine).to_dict()
        assert [row["mode"] for row in found] == [mode["mode"] for mode in data["modes"]]
        for row, mode in zip(found, data["modes"], strict=True):
            assert {n: row[n] for n in ("macs", "flops", "bytes", "peak_memory_bytes")} == {
                n: data["totals"][n] for n in ("macs", "flops", "bytes", "peak_memory_bytes")
            }
            assert row["time_s"] == pytest.approx(mode["time_s"], rel=1e-12)
            assert row["limited_by"] == mode["limited_by"]
            assert (row["energy_j"] is None) == (mode["energy_j"] is None)
            assert row["energy_j"] is None or row["energy_j"] == pytest.approx(mode["energy_j"], rel=1e-12)
            assert row["power_w"] is None or row["power_w"] == pytest.approx(mode["power_w"], rel=1e-12)
            assert (row["precision"], row["batch"]) == (data["precision"], data["batch"])
            assert row["bound_time_s"] <= row["time_s"] * (1 + 1e-12) or traffic == "pagoda"


def test_a_mode_of_the_full_grid_can_be_asked_for_again(tmp_path: Path) -> None:
    path = str(model_path("resnet18"))
    rows = rows_of(path, grid="full", precisions=("fp16",))
    assert len(rows) > len(roofline.load_device("orin-agx").modes)
    assert len({row["mode"] for row in rows}) == len(rows)
    row = rows[-1]
    again = roofline.analyze(path, "orin-agx", mode=row["mode"], precision="fp16").totals
    assert row["time_s"] == pytest.approx(again["time_s"], rel=1e-12)
    assert row["energy_j"] == pytest.approx(again["energy_j"], rel=1e-12)
    by_knobs = roofline.analyze(path, "orin-agx", mode=row["knobs"], precision="fp16").totals
    assert by_knobs["bound_time_s"] == pytest.approx(row["bound_time_s"], rel=1e-12)
    chosen = select(path, "orin-agx", grid="full", precision="fp16", objective="time", allow_power_limited=True).choice
    assert chosen is not None and chosen.time_s == pytest.approx(min(row["time_s"] for row in rows), rel=1e-12)


def test_a_grid_from_a_file(tmp_path: Path) -> None:
    path = write_gemm(tmp_path / "a.onnx", 48, 32)
    grid = tmp_path / "grid.txt"
    grid.write_text("30W\nMAXN,gpu_freq=816MHz  # slower\n")
    rows = rows_of(str(path), grid=str(grid))
    assert [row["mode"] for row in rows] == ["MODE_30W", "MAXN,gpu_freq=816MHz"]
    grid.write_text("30W\n31W\n")
    with pytest.raises(DeviceError, match="31W"):
        rows_of(str(path), grid=str(grid))


def test_bindings_go_to_the_models_that_have_them(tmp_path: Path) -> None:
    free = write_gemm(tmp_path / "free.onnx", 48, 32, batch="rows")
    fixed = write_gemm(tmp_path / "fixed.onnx", 48, 32, batch=3)
    rows = rows_of([str(free), str(fixed)], bindings={"rows": 5})
    assert {(Path(r["model"]).name, r["macs"]) for r in rows} == {
        ("free.onnx", 5 * 48 * 32),
        ("fixed.onnx", 3 * 48 * 32),
    }
    summary = roofline.sweep([free], "orin-agx", output=tmp_path / "o.csv", bindings={"rows": 5, "row": 7})
    assert [(f.code, f.where) for f in summary.findings] == [("binding-unused", "row")]


def test_a_batch_that_a_file_does_not_have_is_an_error_row(tmp_path: Path) -> None:
    fixed = write_gemm(tmp_path / "fixed.onnx", 48, 32, batch=2)
    rows = rows_of(str(fixed), batches=(1, 2))
    errors = [row for row in rows if row["error"]]
    assert [row["batch"] for row in errors] == [1] and "fixes its batch size to 2" in errors[0]["error"]
    assert {row["batch"] for row in rows if not row["error"]} == {2}


def test_what_is_assumed_or_unknown_is_in_the_row(tmp_path: Path) -> None:
    path = write_gemm(tmp_path / "a.onnx", 48, 32)
    assert {row["findings"] for row in rows_of(str(path))} == {"batch-assumed"}
    row = rows_of(str(path), batches=(1,), precisions=("int8",))[0]
    assert row["energy_j"] is None and "energy-unknown" in row["findings"].split()
    (strict,) = rows_of(str(path), strict=True)
    assert "--strict is not met: batch-assumed" in strict["error"]


def test_counts_beyond_64_bits_are_an_error_row(tmp_path: Path) -> None:
    path = write_gemm(tmp_path / "a.onnx", 48, 32, batch="rows")
    rows = rows_of(str(path), bindings={"rows": 2**40}, precisions=("fp16",))
    assert not rows[0]["error"]  # 2**40 * 1536 * 2 fits
    huge = write_gemm(tmp_path / "b.onnx", 4096, 4096, batch="rows")
    (row,) = rows_of(str(huge), bindings={"rows": 2**40}, precisions=("fp16",))
    assert "64 bits" in row["error"] and row["macs"] is None


def test_one_precision_that_a_device_has_not_is_told_in_its_rows(tmp_path: Path) -> None:
    path = str(write_gemm(tmp_path / "a.onnx", 48, 32))
    rows = rows_of(path, ["orin-agx", "jetson-nano"], precisions=("int8",), batches=(1,))
    assert {(row["device"], bool(row["error"])) for row in rows} == {("orin-agx", False), ("jetson-nano", True)}
    with pytest.raises(DeviceError, match="int8 rate"):
        rows_of(path, "jetson-nano", precisions=("int8",))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"batches": (0,)}, "whole number from 1"),
        ({"batches": (1, 1)}, "there twice"),
        ({"precisions": ("fp12",)}, "'fp12' is unknown"),
        ({"traffics": ("fussed",)}, "'fussed' is unknown"),
        ({"grid": "fulll"}, "no grid 'fulll'"),
        ({"jobs": 0}, "no number of processes"),
        ({"phase": "training", "traffics": ("fused", "ideal")}, "no ideal traffic"),
    ],
)
def test_what_cannot_be_right_is_refused_before_the_first_model(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        roofline.sweep(["missing.onnx"], "orin-agx", **arguments)


def test_no_models_no_devices_no_standard_input() -> None:
    for models, devices, said in (
        ([], "t4", "needs models"),
        (["a"], [], "needs devices"),
        (["-"], "t4", "reads files"),
    ):
        with pytest.raises(UsageError, match=said):
            roofline.sweep(models, devices)


def test_a_training_step(tmp_path: Path) -> None:
    path = str(model_path("resnet18"))
    row = rows_of(path, phase="training", optimizer="sgd", batches=(2,))[0]
    totals = roofline.analyze(path, "orin-agx", phase="training", optimizer="sgd", bindings={"batch": 2}).totals
    assert (row["macs"], row["bytes"]) == (totals["macs"], totals["bytes"])


CHAIN = Path(__file__).parents[2] / "device_specs" / "measurements" / "models" / "gemm_chain.onnx"
ON_NANO: dict[str, Any] = {"runtime": "ort-cuda", "precision": "fp16"}
"""A shipped calibration holds for the chain on Orin Nano under these; none does for another model."""


def test_calibrated_rows_are_what_analyze_says(tmp_path: Path) -> None:
    other = str(model_path("resnet18"))
    options = {"runtime": "ort-cuda", "precisions": ("fp16",)}
    rows = rows_of([str(CHAIN), other], "orin-nano-8gb", **options)
    told = {row["model"]: (row["basis"], row["calibration"]) for row in rows}
    assert told == {
        str(CHAIN): ("prediction", "orin-nano-8gb.ort-cuda.fp16.gemm_chain.host"),
        other: ("roofline", None),
    }
    for name in (str(CHAIN), other):
        data = roofline.analyze(name, "orin-nano-8gb", **ON_NANO).to_dict()
        mine = [row for row in rows if row["model"] == name]
        assert [row["mode"] for row in mine] == [mode["mode"] for mode in data["modes"]]
        for row, mode in zip(mine, data["modes"], strict=True):
            for key in ("time_s", "roofline_time_s", "bound_time_s", "energy_j", "power_w"):
                assert row[key] is mode[key] is None or row[key] == pytest.approx(mode[key], rel=1e-12), key
            assert row["limited_by"] == mode["limited_by"]
            assert row["predicted_time_s"] == (row["time_s"] if name == str(CHAIN) else None)
    chain = [row for row in rows if row["calibration"]]
    assert all(row["time_s"] > 1.3 * row["roofline_time_s"] for row in chain)  # its factors are 1.6 and 2.0
    (pool,) = [rows_of([str(CHAIN), other], "orin-nano-8gb", jobs=2, ordered=True, **options)]
    assert pool == rows  # workers need no calibration files


def test_a_calibration_that_is_named_or_left_out(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    shipped = CHAIN.parents[2] / "calibrations" / "orin-nano-8gb.ort-cuda.fp16.gemm_chain.host.yaml"
    file.write_bytes(shipped.read_bytes())
    names, options = [str(CHAIN), str(model_path("resnet18"))], {"runtime": "ort-cuda", "precisions": ("fp16",)}
    for wanted in (shipped.stem, str(file)):
        rows = rows_of(names, "orin-nano-8gb", calibration=wanted, **options)
        assert {row["basis"] for row in rows if row["model"] == names[0]} == {"prediction"}
        (refused,) = [row for row in rows if row["model"] == names[1]]
        assert "this calibration does not apply" in refused["error"]
    assert {row["basis"] for row in rows_of(names, "orin-nano-8gb", calibration="none", **options)} == {"roofline"}
    with pytest.raises(SpecError, match="no calibration 'nobody'"):
        rows_of(names, "orin-nano-8gb", calibration="nobody", **options)
    key = make_plan(["orin-nano-8gb"], calibration=str(file), runtime="ort-cuda").key
    file.write_text(file.read_text().replace("1.60846", "1.7"))
    assert make_plan(["orin-nano-8gb"], calibration=str(file), runtime="ort-cuda").key != key  # another result


def test_what_takes_most_time_in_a_calibrated_mode_may_be_overhead(tmp_path: Path) -> None:
    """A fixed time of 1 s per run is more than the chain takes anywhere."""
    shipped = CHAIN.parents[2] / "calibrations" / "orin-nano-8gb.ort-cuda.fp16.gemm_chain.host.yaml"
    slow = tmp_path / "slow.yaml"
    slow.write_text(shipped.read_text().replace("host_s: {value: 0.00200092", "host_s: {value: 1.0"))
    rows = rows_of(str(CHAIN), "orin-nano-8gb", calibration=str(slow), runtime="ort-cuda", precisions=("fp16",))
    assert {row["limited_by"] for row in rows} == {"overhead"} and min(row["time_s"] for row in rows) > 1
