"""The command line: formats, exit codes, one-line errors, files written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import build_model, model_path
from onnx import helper

from roofline.cli.main import main

RESNET = str(model_path("resnet50"))
BERT = str(model_path("bert_base"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_the_sentence_everybody_types(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", RESNET, "--device", "orin-agx")
    assert (code, err) == (0, "")
    first = out.splitlines()[0]
    assert first.startswith("ROOFLINE ONLY, not calibrated. resnet50 on NVIDIA Jetson AGX Orin 64GB in MODE_30W")
    assert "batch=1 (assumed)" in out and "121 counted nodes run as 55 kernels" in out
    for mode in ("MAXN", "MODE_15W", "MODE_30W *", "MODE_50W"):
        assert f"\n{mode}" in out
    assert "35 more" in out and "coverage 100.0% of the nodes" in out


def test_json_follows_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "analyze", RESNET, "--device", "orin-agx", "--format", "json", "--tensors")
    data = json.loads(out)
    assert code == 0 and data["schema"] == "roofline.analysis/1" and data["basis"] == "roofline"
    assert set(data) >= {"verdict", "model", "device", "mode", "clocks", "precision", "phase", "traffic", "runtime",
                         "calibration", "bindings", "batch", "totals", "modes", "coverage", "layers", "tensors",
                         "findings"}  # fmt: skip
    assert set(data["model"]) >= {"path", "opset", "nodes", "parameters", "weight_bytes"}
    assert set(data["totals"]) >= {
        "macs", "flops", "bytes_read", "bytes_written", "bytes", "intensity_flop_per_byte", "weight_bytes_read",
        "peak_memory_bytes", "overhead_energy_j", "bound_time_s", "roofline_time_s", "predicted_time_s", "time_s",
        "energy_j", "power_w", "power_boundary", "time_per_sample_s", "energy_per_sample_j", "throughput_per_s",
        "limited_by"}  # fmt: skip
    layer_keys = {"name", "op_type", "domain", "nodes", "class", "pipe", "precision", "macs", "flops", "bytes_read",
                  "bytes_written", "intensity_flop_per_byte", "roofline_time_s", "predicted_time_s", "share", "ceiling",
                  "energy_j", "limited_by", "status"}  # fmt: skip
    assert all(set(layer) >= layer_keys for layer in data["layers"])
    assert all(set(f) == {"code", "where", "message", "hint"} for f in data["findings"])
    assert all(set(m) >= {"mode", "time_s", "energy_j", "power_w", "limited_by"} for m in data["modes"])
    assert data["tensors"]["output"] == {"shape": [1, 1000], "dtype": "float32"}
    counted = [layer for layer in data["layers"] if layer["status"] == "counted"]
    assert sum(layer["roofline_time_s"] for layer in counted) == pytest.approx(data["totals"]["time_s"])
    energies = [layer["energy_j"] or 0 for layer in data["layers"]]
    assert sum(energies) == pytest.approx(data["totals"]["energy_j"])
    assert sum(layer["share"] for layer in counted) == pytest.approx(1)
    assert {layer["pipe"] for layer in counted} == {"matrix", "vector"}


def test_without_a_device_times_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "analyze", RESNET, "--format", "json")
    data = json.loads(out)
    assert data["device"] is None and data["totals"]["time_s"] is None and data["totals"]["energy_j"] is None
    _, out, _ = run(capsys, "analyze", RESNET)
    assert out.startswith("resnet50, batch 1: 4.09 GMAC = 8.21 GFLOP")


def test_csv_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "analyze", RESNET, "--device", "orin-agx", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (
        len(rows) == 102
        and {len(r["nodes"].split()) for r in rows} == {1, 2, 3}
        and sum(int(r["macs"]) for r in rows) == 4089184256
    )
    _, out, _ = run(capsys, "analyze", RESNET, "--device", "orin-agx", "--format", "markdown", "--top", "3")
    assert out.count("\n| /") == 3 and "| ---" in out


def test_top_and_sort(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "analyze", RESNET, "--device", "orin-agx", "--top", "0", "-q")
    assert "more," not in out and "Findings" not in out and "/conv1/Conv" in out
    _, out, _ = run(capsys, "analyze", RESNET, "--device", "orin-agx", "--top", "5", "--sort", "graph", "-q")
    names = [line.split()[0] for line in out.splitlines() if line.startswith("/")]
    order = [node.name for node in onnx.load(RESNET, load_external_data=False).graph.node]
    assert len(names) == 5
    assert names == sorted(
        names, key=lambda n: order.index(next(o for o in order if o.startswith(n.partition("…")[0])))
    )


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["analyze", "nothing.onnx"], 1, "nothing.onnx: no such file"),
        (["analyze", RESNET, "--device", "orin-agy"], 1, "did you mean orin-agx"),
        (["analyze", RESNET, "--device", "orin-agx", "--mode", "77W"], 1, "no mode '77W'"),
        (["analyze", RESNET, "--device", "orin-agx", "--processor", "dla"], 1, "expected gpu, cpu"),
        (["analyze", BERT], 2, "no value for seq"),
        (["analyze", RESNET, "--bind", "seq=3"], 2, "no free dimension 'seq'"),
        (["analyze", RESNET, "--bind", "batch"], 2, "NAME=SIZE"),
        (["analyze", RESNET, "--bind", "batch=1.5"], 2, "NAME=SIZE"),
        (["analyze", RESNET, "--bind", "batch=1", "--bind", "batch=2"], 2, "two values"),
        (["analyze", RESNET, "--shapes", "input"], 2, "INPUT:SHAPE"),
        (["analyze", RESNET, "--precision", "fp12"], 2, "expected fp32, tf32"),
        (["analyze", RESNET, "--traffic", "fusion"], 2, "'fusion' is unknown; expected fused, unfused, ideal, pagoda"),
        (["analyze", RESNET, "--phase", "training", "--traffic", "ideal"], 2, "expected fused or unfused"),
        (["analyze", RESNET, "--runtime", "tvm"], 2, "expected tensorrt"),
        (["analyze", RESNET, "--calibration", "mine.yaml"], 2, "a calibration without a device"),
        (["analyze", RESNET, "--device", "orin-agx", "--calibration", "mine.yaml"], 1, "no such calibration file"),
        (["analyze", RESNET, "--mode", "30W"], 2, "--device"),
        (["analyze", RESNET, "-o", "x.pdf"], 2, "suffix"),
        (["analyze", RESNET, "-o", "/no/such/folder/x.json"], 1, "cannot write"),
        (["analyze"], 2, "MODEL"),
        (["analize"], 2, "No such command"),
        (["analyze", RESNET, "--topp", "3"], 2, "--top"),
        (["devices", "show", "nothing"], 1, "no device 'nothing'"),
        (["devices", "check", "nothing.yaml"], 1, "no such file"),
    ],
)
def test_errors_are_one_line_with_the_right_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    got, out, err = run(capsys, *arguments)
    assert got == code and out == ""
    assert err.count("\n") == 1 and err.startswith("roofline: ") and text in err


def test_strict_still_prints_and_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "analyze", RESNET, "--strict", "--format", "json")
    assert code == 3 and "batch-assumed" in json.loads(out)["reason"] and "--strict is not met" in err
    code, _, _ = run(capsys, "analyze", RESNET, "--strict", "--bind", "batch=1")
    assert code == 0


def test_output_file_is_written_whole_or_not_at_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out.json"
    assert run(capsys, "analyze", RESNET, "--device", "orin-agx", "-o", str(target)) == (0, "", "")
    assert json.loads(target.read_text())["model"]["nodes"] == 169
    before = target.read_bytes()

    def full(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    code, _, err = run(capsys, "analyze", RESNET, "-o", str(target))
    assert code == 1 and "No space left" in err
    assert target.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_unexpected_errors_are_one_line_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("a bug\nof ours")

    monkeypatch.setattr("roofline.reader.read_graph", broken)
    code, _, err = run(capsys, "analyze", RESNET)
    assert code == 1 and err.count("\n") == 1 and "unexpected ZeroDivisionError" in err and "report it" in err
    code, _, err = run(capsys, "analyze", RESNET, "--debug")
    assert code == 1 and "Traceback" in err


def test_devices_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "devices", "list", "--format", "json")
    row = next(r for r in json.loads(out) if r["id"] == "orin-agx")
    assert code == 0 and (row["modes"], row["grid_modes"], row["has_energy"]) == (4, 15312, True)
    code, out, _ = run(capsys, "devices", "show", "orin-agx")
    assert code == 0 and "5.33 TFLOP/s" in out and "LIN-CONCORD" in out and "Unknown" in out
    code, out, _ = run(capsys, "devices", "show", "orin-agx", "--format", "json")
    assert json.loads(out)["schema"] == "roofline.device/1"
    code, out, _ = run(capsys, "devices", "check", "device_specs/orin-agx.yaml")
    assert code == 0 and "ok, 4 modes" in out


@pytest.mark.parametrize("name", ["a" * 100_000, f"{'a' * 100_000}@x", f"{'a' * 100_000}.yaml", f"{'a' * 5000}/x"])
def test_a_device_of_a_name_that_no_file_can_have(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "devices", "show", name)
    assert code == 1 and ("no device 'aaa" in err or "no such device file" in err)
    options = ("analyze", str(model_path("resnet18")), "--device", "orin-agx", "--calibration", name)
    code, _, err = run(capsys, *options)
    assert code == 1 and ("no calibration 'aaa" in err or "no such calibration file" in err)


@pytest.mark.parametrize(
    ("options", "suffix", "words"),
    [
        (("--suggest", "3"), "yaml", "a list of modes to measure is no .yaml file; use .txt"),
        (("--suggest", "3"), "json", "a list of modes to measure is no .json file; use .txt"),
        (("--suggest", "3", "--emit", "script"), "yaml", "a script is no .yaml file; use .sh"),
        (("--measured", "runs.csv"), "json", "a calibration is no .json file; use .yaml"),
    ],
)
def test_a_suffix_of_another_format(
    options: tuple[str, ...], suffix: str, words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    output = tmp_path / f"out.{suffix}"
    code, _, err = run(
        capsys, "calibrate", str(model_path("resnet18")), "--device", "orin-agx", *options, "-o", str(output)
    )
    assert code == 2 and words in err and not output.exists()


def test_modes_to_measure_as_text_and_as_markdown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    model = str(model_path("resnet18"))
    command = ("calibrate", model, "--device", "orin-agx", "--runtime", "tensorrt", "--suggest", "3")
    for suffix, words in ((".txt", "\nModes to measure\n"), (".md", "**Modes to measure**")):
        assert run(capsys, *command, "-o", str(tmp_path / f"modes{suffix}")) == (0, "", "")
        assert words in (tmp_path / f"modes{suffix}").read_text()


def test_check_goes_on_after_a_bad_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: roofline.device/1\n")
    code, out, err = run(capsys, "devices", "check", str(bad), "device_specs/orin-agx.yaml")
    assert code == 1 and "ok, 4 modes" in out and err.count("\n") == 1


def test_stdin_pipe_and_broken_pipe() -> None:
    data = Path(RESNET).read_bytes()
    command = [sys.executable, "-m", "roofline", "analyze", "-", "--format", "json"]
    result = subprocess.run(command, input=data, capture_output=True, check=True)
    assert json.loads(result.stdout)["totals"]["macs"] == 4089184256
    shell = f"{sys.executable} -m roofline analyze {RESNET} --format json --top 0 | head -c 10"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", shell], capture_output=True, check=False)
    assert result.stderr == b""


def test_names_from_the_file_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    evil = "\x1b[2J=cmd()|x\n"
    path = tmp_path / "evil.onnx"
    node = helper.make_node("Relu", ["x"], ["y"], name=evil)
    path.write_bytes(build_model([node], {"x": [2]}, ["y"]).SerializeToString())
    for form in ("table", "markdown", "csv"):
        code, out, _ = run(capsys, "analyze", str(path), "--device", "orin-agx", "--format", form)
        assert code == 0
        if form != "csv":
            assert "\x1b" not in out
    _, out, _ = run(capsys, "analyze", str(path), "--format", "csv")
    path.write_bytes(
        build_model([helper.make_node("Relu", ["x"], ["y"], name="=1+1")], {"x": [2]}, ["y"]).SerializeToString()
    )
    _, out, _ = run(capsys, "analyze", str(path), "--format", "csv")
    assert "\n'=1+1," in out


def test_runs_from_any_folder(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, "-m", "roofline", "devices", "list"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "orin-agx" in result.stdout
