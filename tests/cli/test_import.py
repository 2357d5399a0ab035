"""``roofline import``: what it writes, and that nothing is left behind where it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from conftest import build_model, model_path
from onnx import helper

import roofline
from roofline.cli.main import main
from roofline.measured.table import read_table

DATA = Path(__file__).parents[1] / "data" / "imports"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["import", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_becomes_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out_file = tmp_path / "run.csv"
    code, out, err = run(
        capsys, "trtexec", DATA / "trt_times.json", DATA / "trt_profile.json", "--workload", "net",
        "--device", "agx-orin", "--mode", "30W,gpu_freq=816MHz",
        "--batch", 4, "--precision", "fp16", "--clocks", "locked", "-o", out_file,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"net: 1 row of whole runs, 4 of layers, written to {out_file}"
    whole, *layers = read_table(out_file).rows
    assert (whole.device, whole.power_mode) == ("orin-agx", "MODE_30W,gpu_freq=816MHz")
    assert (whole.batch_size, whole.precision, whole.clocks, whole.time_s) == (4, "fp16", "locked", 0.003)
    assert all(layer.layer and layer.batch_size == 4 for layer in layers)


def test_to_stdout_the_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "ort", DATA / "ort_profile.json", "--workload", "net", "--whole", "-o", "-")
    assert code == 0 and out.startswith("schema,source,") and len(out.splitlines()) == 2
    assert err.startswith("net: 1 row of whole runs, 0 of layers")


def test_power_of_a_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, *_ = run(capsys, "tegrastats", DATA / "tegrastats_agx.log", "--workload", "net", "--device", "orin-agx",
                   "--window", "1..3", "--iterations", 100, "-o", tmp_path / "p.csv")  # fmt: skip
    (row,) = read_table(tmp_path / "p.csv").rows
    assert code == 0 and (row.power_w, row.energy_j) == (10, 0.2)


def test_mapped_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text("t,what\n1500,net\n")
    code, *_ = run(capsys, "csv", tmp_path / "mine.csv", "--map", "latency_ms=t:us", "--map", "workload=what", "-o",
                   tmp_path / "out.csv")  # fmt: skip
    assert code == 0 and read_table(tmp_path / "out.csv").rows[0].time_s == 0.0015


def test_a_model_that_ran_and_one_that_did_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [helper.make_node("Relu", ["x"], ["c"], name="conv1"), helper.make_node("Tanh", ["c"], ["y"], name="fc")]
    onnx.save(build_model(nodes, {"x": [4]}, ["y"]), tmp_path / "mine.onnx")
    profile = DATA / "trt_profile.json"
    code, out, _ = run(capsys, "trtexec", profile, "--model", tmp_path / "mine.onnx", "-o", tmp_path / "a.csv")
    assert code == 0 and out.startswith("mine: ") and "of the counted layers are joined" in out
    code, out, err = run(capsys, "trtexec", profile, "--model", model_path("resnet18"), "-o", tmp_path / "b.csv")
    assert (code, out) == (1, "") and len(err.splitlines()) == 1
    assert "not one of 4 layers is in the model" in err and not (tmp_path / "b.csv").exists()


def test_a_model_of_the_same_family_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A profile of resnet18: its own names, operators and input shapes, a millisecond each."""
    model = roofline.analyze(model_path("resnet18"), traffic="unfused")
    events, start = [], 10
    for count in model.counts:
        if count.status == "counted":
            shape = next(t.shape for t in count.node.inputs if t is not None)
            args = {"op_name": count.node.op_type, "node_index": str(start), "input_type_shape": [{"float": shape}]}
            events.append(
                {"cat": "Node", "ts": start, "dur": 1000, "name": f"{count.node.name}_kernel_time", "args": args}
            )
            start += 1000
    events.append({"cat": "Session", "ts": 0, "dur": start + 10, "name": "model_run"})
    profile = tmp_path / "p.json"
    profile.write_text(json.dumps(events))
    code, out, _ = run(capsys, "ort", profile, "--model", model_path("resnet18"), "-o", tmp_path / "a.csv")
    assert code == 0 and "100.0% of the time and 100.0% of the counted layers are joined" in out
    for other, how in (
        ("resnet50", "in the run and Add of 1x256x56x56 in the model"),
        ("vgg16", "is none of its nodes"),
    ):
        code, out, err = run(capsys, "ort", profile, "--model", model_path(other), "-o", tmp_path / "b.csv")
        assert (code, out) == (1, "") and len(err.splitlines()) == 1 and not (tmp_path / "b.csv").exists()
        assert "is it the model that ran" in err and how in err


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["trtexec", "none.json", "--workload", "n"], 1, "no such file"),
        (["trtexec", str(DATA / "trt_times.json")], 1, "--workload NAME"),
        (
            ["trtexec", str(DATA / "trt_times.json"), "--workload", "n", "--device", "orin-agx", "--mode", "40W"],
            1,
            "40W",
        ),
        (["tegrastats", str(DATA / "tegrastats_agx.log"), "--workload", "n", "--window", "5"], 2, "A..B"),
        (["tegrastats", str(DATA / "tegrastats_nano.log"), "--workload", "n", "--interval", "1"], 1, "--interval"),
        (["csv", str(DATA / "zeus.csv"), "--map", "latency_ms"], 2, "OURS=THEIRS"),
        (["nvprof", "x"], 2, "nvprof"),
        (["ort", str(DATA / "ort_profile.json"), "--workload", "n", "--precision", "fp17"], 2, "fp17"),
        (["ort"], 2, "FILE"),
    ],
)
def test_what_is_refused(
    arguments: list[str], code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    got, out, err = run(capsys, *arguments, "-o", tmp_path / "out.csv")
    assert (got, out) == (code, "") and word in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_the_device_cannot_be_set_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.csv").write_text("workload,latency_ms,gpu_freq_hz,emc_freq_hz\nnet,1,612000000,3199000000\n"
                                    "net,2,613000000,3199000000\n")  # fmt: skip
    code, _, err = run(capsys, "csv", tmp_path / "m.csv", "--device", "orin-agx", "-o", tmp_path / "out.csv")
    assert code == 1 and "row 3, column gpu_freq_hz" in err and "612000000 or 714000000" in err
    assert not (tmp_path / "out.csv").exists()
