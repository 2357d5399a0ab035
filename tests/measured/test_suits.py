"""Runs of something else, times in another unit, runs that tell nothing apart: one line that names row and column."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from conftest import model_path

import roofline
from roofline.cli.main import main
from roofline.errors import MeasurementError, SpecError
from roofline.measured.record import Measurement
from roofline.measured.suits import runtime_named
from roofline.measured.table import write_table

GPU = (1.3005e9, 1020e6, 816e6, 612e6, 408e6)
MEMORY = (3.199e9, 3.199e9, 3.199e9, 2.133e9, 2.133e9)
FACTOR = 2.5
"""Every made-up time is this many times the roofline, so what comes out is known."""


def analysis(**options: object) -> roofline.Analysis:
    return roofline.analyze(model_path("resnet18"), "orin-agx", bindings={"batch": 1}, runtime="tensorrt",
                            precision="fp16", **options)  # type: ignore[arg-type]  # fmt: skip


def runs(**other: object) -> list[Measurement]:
    made = []
    for gpu, memory in zip(GPU, MEMORY, strict=True):
        mode = f"MAXN,gpu_freq={gpu / 1e6:g}MHz,mem_freq={memory / 1e6:g}MHz"
        time = analysis(mode=mode, calibration="none").totals["roofline_time_s"]
        made.append(Measurement("resnet18", power_mode="MAXN", gpu_freq_hz=gpu, mem_freq_hz=memory, batch_size=1,
                                time_s=FACTOR * time, runtime="TensorRT 10.3"))  # fmt: skip
    return [row._replace(**other) for row in made]


@pytest.mark.parametrize("text, name", [
    ("PyTorch 2.1 eager", "torch"), ("ONNX Runtime 1.23.0 CUDA EP", "ort-cuda"), ("ort-cpu", "ort-cpu"),
    ("trtexec", "tensorrt"), ("onnxruntime TensorRT EP", "tensorrt"),
    ("Triton Inference Server TensorFlow GraphDef", ""), ("", ""),
])  # fmt: skip
def test_runtimes_in_words(text: str, name: str) -> None:
    assert runtime_named(text) == name


@pytest.mark.parametrize("change, message", [
    ({"precision": "int8"}, "row 1, column precision: int8 in the row, the model is counted for fp16"),
    ({"runtime": "PyTorch 2.1"}, "column runtime: 'PyTorch 2.1' in the row, the model is counted for tensorrt"),
    ({"phase": "training"}, "column phase: training in the row, the model is counted for inference"),
    ({"batch_size": 8}, "column batch_size: batch size 8 in the row"),
    ({"device": "xavier-nx"}, "column device: xavier-nx in the row, the model is counted for orin-agx"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["calibrate", "validate"])
def test_runs_of_something_else(
    command: str, change: dict[str, object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = runs(**change)
    with pytest.raises(MeasurementError) as error:
        getattr(roofline, command)({"resnet18": model_path("resnet18")}, "orin-agx", measured=rows,
                                   bindings={"batch": 1}, runtime="tensorrt", precision="fp16")  # fmt: skip
    assert message in str(error.value)
    write_table(rows, tmp_path / "runs.csv")
    arguments = [command, str(model_path("resnet18")), "--bind", "batch=1", "--device", "orin-agx", "--runtime",
                 "tensorrt", "--precision", "fp16", "--measured", str(tmp_path / "runs.csv"), "-o",
                 str(tmp_path / "out.yaml")]  # fmt: skip
    if command == "calibrate":
        assert main(arguments) == 1
        assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out.yaml").exists()


def fitted(rows: list[Measurement]) -> object:
    return roofline.calibrate({"resnet18": model_path("resnet18")}, "orin-agx", measured=rows, bindings={"batch": 1},
                              runtime="tensorrt", precision="fp16")  # fmt: skip


def test_seconds_and_milliwatts_are_named() -> None:
    seconds = [row._replace(time_s=(row.time_s or 0) / 1e3) for row in runs()]
    with pytest.raises(MeasurementError, match=r"row 1, column latency_ms: .* nothing can be faster .* in seconds"):
        fitted(seconds)
    with pytest.raises(MeasurementError, match=r"row 1, column power_w: 20000 W, where .* 60 W.*milliwatts"):
        fitted(runs(power_w=20000.0))


def test_runs_that_differ_in_what_the_model_does_not_see() -> None:
    """Five CPU clocks at one GPU and memory clock are one point."""
    rows = [row._replace(gpu_freq_hz=GPU[0], mem_freq_hz=MEMORY[0], cpu_freq_hz=clock)
            for row, clock in zip(runs(), (2.2016e9, 1.9584e9, 1.728e9, 1.4976e9, 1.1136e9), strict=True)]  # fmt: skip
    with pytest.raises(MeasurementError, match="runs in 5 modes that are 1 for the model"):
        fitted(rows)


def test_what_was_left_out_or_put_together_is_said() -> None:
    rows = runs()
    powers = [row._replace(time_s=None, power_w=20.0 + i) for i, row in enumerate(rows)]
    twice = rows[0]._replace(time_s=9.0)
    lost = rows[1]._replace(power_mode="", gpu_freq_hz=None, mem_freq_hz=None)
    found = fitted([*rows, *powers, twice, lost])
    assert found.power is not None and len(found.runs) == 5  # type: ignore[attr-defined]
    assert found.note == (  # type: ignore[attr-defined]
        "1 rows name no power mode, nor enough clocks: left out; 1 modes were measured more than once: the shortest "
        "time stands; the power of 5 modes is from rows of its own"
    )


def test_blank_cells_do_not_hide_what_the_others_say() -> None:
    rows = runs(time_kind="gpu_compute", clocks="locked", power_boundary="module")
    rows[0] = rows[0]._replace(time_kind="", clocks="", power_boundary="")
    key = fitted(rows).key  # type: ignore[attr-defined]
    assert (key.time_kind, key.clocks, key.power_boundary, key.phase) == (
        "gpu_compute",
        "locked",
        "module",
        "inference",
    )


def test_a_calibration_of_inference_says_nothing_of_training(tmp_path: Path) -> None:
    found = fitted(runs(clocks="locked"))
    with pytest.raises(SpecError, match="it is for phase inference, this is training"):
        analysis(calibration=found, phase="training")
    with pytest.raises(SpecError, match="it is for locked clocks, this is for stock clocks"):
        analysis(calibration=found, clocks="stock")


def test_modes_beyond_the_runs_and_times_below_the_bound_are_findings() -> None:
    found = fitted(runs())
    inside = analysis(calibration=found, mode="MAXN,gpu_freq=714MHz")
    assert not {"outside-runs", "below-bound"} & {f.code for f in inside.findings}
    assert inside.totals["predicted_time_s"] == pytest.approx(FACTOR * inside.totals["roofline_time_s"], rel=0.1)
    beyond = analysis(calibration=found, mode="MAXN,mem_freq=665.6MHz")
    (finding,) = [f for f in beyond.findings if f.code == "outside-runs"]
    assert "mem_freq=665.6MHz (measured: 2133MHz to 3199MHz)" in finding.message
    wrong = found._replace(time=found.time._replace(classes={  # type: ignore[attr-defined]
        "all": type(found.time.classes["all"])(*(  # type: ignore[attr-defined]
            type(found.time.knee)(v, "fitted") for v in (0.01, 0.01, 0.0)))},  # type: ignore[attr-defined]
        host_s=type(found.time.knee)(1e-9, "fitted")))  # type: ignore[attr-defined]  # fmt: skip
    assert "below-bound" in {f.code for f in analysis(calibration=wrong).findings}


def test_the_only_mode_of_a_device_needs_no_name(tmp_path: Path) -> None:
    """As a device file of this machine has it: rows of `measure` name no mode."""
    spec = yaml.safe_load((Path(__file__).parents[2] / "device_specs" / "raspberry-pi-5.yaml").read_text())
    assert len(spec["modes"]) == 1
    row = Measurement("resnet18", batch_size=1, time_s=0.2)
    found = roofline.validate(
        {"resnet18": model_path("resnet18")}, "raspberry-pi-5", measured=[row], bindings={"batch": 1}
    )
    assert [point.mode for point in found.runs] == [spec["modes"][0]["name"]]
