"""``roofline measure``: a tiny model run for real, its rows, its findings, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from conftest import DATA, build_model, model_path, true_bindings
from onnx import helper

from roofline.bench import measure as measuring
from roofline.bench import remarks
from roofline.bench.measure import measure
from roofline.bench.sensors import InaMeter, RaplMeter
from roofline.bench.timing import Timing
from roofline.cli.main import main
from roofline.errors import UsageError

FAST = ("--runs", "3", "--warmup", "1", "--min-time", "0s", "--threads", "1")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="mm"),
        helper.make_node("Softmax", ["h"], ["y"], name="sm"),
    ]
    model = build_model(nodes, {"x": ["batch", 8]}, ["y"], {"w": np.eye(8, 4, dtype="f4")})
    path = tmp_path / "tiny.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(autouse=True)
def no_sensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own counters stay out of the tests."""
    monkeypatch.setenv("ROOFLINE_POWER_SENSORS", str(tmp_path / "no-sensors"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_rows(capsys: pytest.CaptureFixture[str], tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.csv"
    code, out, err = run(capsys, "measure", str(tiny), "--bind", "batch=2", *FAST, "-o", str(output))
    assert (code, out, err) == (0, "", "")
    with output.open() as file:
        rows = list(csv.DictReader(file))
    whole, *nodes = rows
    assert whole["workload"] == "tiny" and whole["layer"] == "" and whole["phase"] == "inference"
    assert whole["batch_size"] == "2" and whole["input_shape"] == "x:2x8" and whole["precision"] == "fp32"
    assert whole["runtime"] == "ort-cpu" and whole["runtime_version"] == ort.__version__
    assert whole["time_kind"] == "host" and whole["n"] == "3" and whole["cpu_cores"] == "1"
    assert 0 < float(whole["latency_ms"]) == float(whole["latency_p50_ms"]) <= float(whole["latency_p99_ms"])
    assert whole["power_w"] == whole["energy_j"] == whole.get("power_boundary", "") == ""
    assert "warmup 1" in whole["notes"]
    assert [(n["layer"], n["op_type"], n["nodes"], n["n"]) for n in nodes] == [
        ("mm", "MatMul", '["mm"]', "3"), ("sm", "Softmax", '["sm"]', "3"),
    ]  # fmt: skip


def test_json(capsys: pytest.CaptureFixture[str], tiny: Path) -> None:
    code, out, _ = run(capsys, "measure", str(tiny), *FAST, "--format", "json")
    data = json.loads(out)
    assert code == 0 and data["schema"] == "roofline.measurement/1" and data["verdict"].startswith("MEASURED. tiny")
    totals = data["totals"]
    assert 0 < totals["shortest_time_s"] <= totals["time_s"] <= totals["p99_time_s"] <= totals["longest_time_s"]
    assert totals["energy_j"] is None and totals["runs"] == 3
    assert {f["code"] for f in data["findings"]} >= {"batch-assumed", "energy-not-measured"}
    assert [layer["name"] for layer in data["layers"]] == ["mm", "sm"]


def test_table(capsys: pytest.CaptureFixture[str], tiny: Path) -> None:
    code, out, err = run(capsys, "measure", str(tiny), *FAST, "--no-layers")
    assert (code, err) == (0, "") and out.startswith("MEASURED. tiny takes ")
    assert "energy   -" in out and "Nodes by time" not in out and "no energy counter below" in out
    _, out, _ = run(capsys, "measure", str(tiny), *FAST, "-q", "--top", "1")
    assert "Findings" not in out and "1 more" in out


def test_standard_input(capsys: pytest.CaptureFixture[str], tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(tiny.read_bytes())

    monkeypatch.setattr(sys, "stdin", Input)
    code, out, _ = run(capsys, "measure", "-", *FAST, "--format", "json")
    assert code == 0 and json.loads(out)["workload"] == "model"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--provider", "gpu"], 2, "'gpu' is unknown"),
        (["--provider", "cuda"], 1, "has no CUDAExecutionProvider"),
        (["--runtime", "torch"], 2, "torch is not onnxruntime"),
        (["--runtime", "ort-cuda", "--provider", "cpu"], 2, "contradict"),
        (["--precision", "int8"], 2, "the file computes in fp32"),
        (["--phase", "training"], 2, "runs inference"),
        (["--min-time", "2"], 1, "no quantity with a unit"),
        (["--runs", "0"], 2, "--runs"),
        (["--device", "no-such-board"], 1, "no-such-board"),
        (["--inputs", "no-such.npz"], 1, "no-such.npz"),
        (["-o", "rows.xlsx"], 2, "suffix"),
        (["--bind", "seq=3"], 2, "no free dimension 'seq'"),
    ],
)
def test_refusals(
    capsys: pytest.CaptureFixture[str], tiny: Path, arguments: list[str], code: int, message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    found, out, err = run(capsys, "measure", str(tiny), *FAST, *arguments)
    assert (found, out) == (code, "") and message in err and err.count("\n") == 1


def test_without_onnxruntime(
    capsys: pytest.CaptureFixture[str], tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for command in (["measure", str(tiny)], ["devices", "measure", "-o", str(tmp_path / "d.yaml")]):
        code, out, err = run(capsys, *command)
        assert (code, out) == (1, "") and "pip install 'roofline[measure-cpu]'" in err and err.count("\n") == 1


def test_a_model_that_fails_while_it_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "to"], ["y"], allowzero=1)]
    path = tmp_path / "bad.onnx"
    onnx.save(build_model(nodes, {"x": ["batch", 3]}, ["y"], {"to": np.array([2, 3], "i8")}), path)
    code, out, err = run(capsys, "measure", str(path), "--bind", "batch=5", *FAST)
    assert (code, out) == (1, "") and "bad.onnx: onnxruntime refuses it" in err and err.count("\n") == 1


def test_interrupted_runs_leave_no_file(
    capsys: pytest.CaptureFixture[str], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "repeat", interrupted)
    folder = tmp_path / "out"
    folder.mkdir()
    code, out, err = run(capsys, "measure", str(tiny), *FAST, "-o", str(folder / "rows.csv"))
    assert (code, out, err.strip()) == (130, "", "roofline: interrupted") and list(folder.iterdir()) == []


def test_strict_refuses_an_assumed_batch(capsys: pytest.CaptureFixture[str], tiny: Path) -> None:
    code, out, err = run(capsys, "measure", str(tiny), *FAST, "--strict", "--format", "csv")
    assert code == 3 and out.startswith("schema,source,device") and "batch-assumed" in err


def test_energy_of_a_module(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InaMeter, "least_s", 0.02)
    found = measure(tiny, runs=1, warmup=0, min_time_s=0, threads=1, device="orin-agx", mode="30W", per_node=False,
                    power_sensors=str(DATA / "sysfs/orin-agx"))  # fmt: skip
    (row,) = found.rows()
    assert row.device == "orin-agx" and row.power_mode == "MODE_30W" and row.power_boundary == "module"
    assert found.energy is not None and found.energy_per_run_j is not None
    assert row.power_w == pytest.approx(14.5)  # tests/data/sysfs: 8 + 2 + 4.5 W
    assert row.energy_j is not None
    assert row.energy_j * found.energy_runs == pytest.approx(row.power_w * found.energy.duration_s)
    assert "VDD_GPU_SOC+VDD_CPU_CV+VIN_SYS_5V0" in row.notes


def test_a_counter_that_stands_still_gives_null(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(RaplMeter, "least_s", 0.0)
    shutil.copytree(DATA / "sysfs/rapl", tmp_path / "rapl")
    found = measure(tiny, runs=1, warmup=0, min_time_s=0, threads=1, power_sensors=str(tmp_path / "rapl"))
    assert found.rows()[0].energy_j is None
    assert any("stood still" in f.message for f in found.findings)


def test_made_up_weights_and_noise_are_said() -> None:
    found = measure(model_path("mobilenet_v2"), runs=1, warmup=0, min_time_s=0, threads=1, per_node=False)
    assert any(f.code == "weights-made-up" and f.message.startswith("59 weights") for f in found.findings)
    times = Timing(10, 1.0, 1.6, 0.9, 1.7)
    assert [f.code for f in remarks.noise(times, 0.95, "m")] == ["noisy"]
    assert [f.code for f in remarks.noise(times._replace(p99_s=1.4), 0.5, "m")] == ["machine-busy"]


def test_infinite_outputs_are_said(tmp_path: Path) -> None:
    path = tmp_path / "log.onnx"
    onnx.save(build_model([helper.make_node("Log", ["x"], ["y"])], {"x": [64]}, ["y"]), path)
    found = measure(path, runs=1, warmup=0, min_time_s=0, threads=1, per_node=False)
    assert any(f.code == "outputs-not-finite" for f in found.findings)


def test_own_inputs(tmp_path: Path) -> None:
    path = tmp_path / "log.onnx"
    onnx.save(build_model([helper.make_node("Log", ["x"], ["y"])], {"x": [4]}, ["y"]), path)
    np.savez(tmp_path / "in.npz", x=np.ones(4, "f4"))
    found = measure(path, runs=1, warmup=0, min_time_s=0, threads=1, per_node=False, inputs=tmp_path / "in.npz")
    assert not any(f.code == "outputs-not-finite" for f in found.findings)


def test_gpu_providers_switch_precision() -> None:
    cuda, tensorrt = measuring.find_provider("cpu")._replace(name="cuda"), None
    assert measuring._precision("tf32", "fp32", cuda) == ("tf32", {"use_tf32": "1"})
    assert measuring._precision("fp32", "fp32", cuda) == ("fp32", {"use_tf32": "0"})
    assert measuring._precision(None, "fp32", cuda) == ("fp32", {})
    tensorrt = cuda._replace(name="tensorrt")
    assert measuring._precision("fp16", "fp32", tensorrt) == ("fp16", {"trt_fp16_enable": "True"})
    with pytest.raises(UsageError, match="fp32"):
        measuring._precision("fp16", "fp32", cuda)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["resnet50", "mobilenet_v2", "bert_base", "gpt2", "vit_b_16", "shufflenet_v2_x1_0", "efficientnet_b0",
     "densenet121", "segformer_b0", "unet", "lstm_lm", "resnet18_qdq_int8", "bert_base_ort_extended",
     "whisper_tiny_enc"],
)  # fmt: skip
def test_graphs_without_weights_run(name: str) -> None:
    found = measure(model_path(name), bindings=true_bindings(name), runs=1, warmup=0, min_time_s=0)
    assert found.timing.n == 1 and len(found.nodes) > 5
    assert not any(f.code in ("outputs-not-finite", "input-guessed") for f in found.findings)
