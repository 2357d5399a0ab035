"""``roofline compare``: what --vs takes, formats, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import model_path

from roofline.cli.compare import changes_of
from roofline.cli.main import main

RESNET, BERT, MOBILENET = (str(model_path(n)) for n in ("resnet50", "bert_base", "mobilenet_v2"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["compare", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_what_is_different_on_side_b() -> None:
    found = changes_of(
        (
            "mode=30W,gpu_freq=816MHz",
            "bind=batch=8",
            "bind=seq=128,input[1]=3",
            "shapes=x:1x3",
            "recompute=true",
            "runtime=",
        )
    )
    assert found == {
        "mode": "30W,gpu_freq=816MHz", "bindings": {"batch": 8, "seq": 128, "input[1]": 3}, "shapes": {"x": (1, 3)},
        "recompute": True, "runtime": None,
    }  # fmt: skip


def test_two_precisions(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, RESNET, "--device", "orin-agx", "--vs", "precision=fp16", "--top", "3")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("ROOFLINE ONLY, not calibrated. resnet50 on NVIDIA Jetson AGX Orin 64GB in MODE_30W")
    assert lines[1].startswith("A  resnet50.onnx on orin-agx (gpu) in MODE_30W") and ": tf32," in lines[1]
    assert lines[2].startswith("B  ") and ": fp16," in lines[2]
    assert "A: tf32" in out and "B: fp16" in out and "52 more" in out
    assert "- energy-not-compared  A and B: " in out


def test_mode_with_knobs_and_changed_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, RESNET, "--device", "orin-agx", "--vs", "mode=30W,gpu_freq=306MHz", "-q", "--top", "0")
    assert "MODE_30W -> MODE_30W,gpu_freq=306MHz" in out.splitlines()[0]
    assert "Findings" not in out and "more (--top" not in out


def test_two_models(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, RESNET, MOBILENET)
    assert code == 0 and out.startswith("resnet50 -> mobilenet_v2 (fp32, batch 1): 4.09 GMAC -> 301 MMAC (0.0736x)")
    assert "By operator" in out and "Only in A: " in out and "roofline time" not in out


def test_json_csv_and_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "c.json"
    assert run(capsys, RESNET, MOBILENET, "--device", "orin-agx", "-o", str(target)) == (0, "", "")
    data = json.loads(target.read_text())
    assert data["schema"] == "roofline.comparison/1"
    _, out, _ = run(capsys, RESNET, MOBILENET, "--device", "orin-agx", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == len(data["layers"]) + len(data["only_in_a"]) + len(data["only_in_b"])
    assert sum(row["name_a"] == "" for row in rows) == len(data["only_in_b"])
    assert sum(float(r["time_a_s"] or 0) for r in rows) == pytest.approx(data["totals"]["time_s"]["a"])
    _, out, _ = run(capsys, RESNET, MOBILENET, "--device", "orin-agx", "--format", "markdown")
    assert "| MACs | 4.09 GMAC | 301 MMAC |" in out


def test_strict_prints_and_exits_3(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, RESNET, MOBILENET, "--strict", "--format", "json")
    assert code == 3 and "batch-assumed" in json.loads(out)["reason"] and err.count("\n") == 1
    code, _, _ = run(capsys, RESNET, MOBILENET, "--strict", "--bind", "batch=1")
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "MODEL"),
        ([RESNET], 2, "give a second model, or say what is different on side B: --vs precision=fp16"),
        ([RESNET, "--vs", "fp16"], 2, "--vs fp16: expected KEY=VALUE"),
        ([RESNET, "--vs", "precison=fp16"], 2, "no such key; did you mean precision?"),
        ([RESNET, "--vs", "zzz=fp16"], 2, "no such key; keys: device, mode, precision"),
        ([RESNET, "--vs", "mode=30W", "--vs", "mode=50W"], 2, "--vs mode is given two values"),
        ([RESNET, "--vs", "bind=batch"], 2, "'batch' is no NAME=SIZE"),
        ([RESNET, "--vs", "levels=1"], 2, "expected true or false"),
        ([RESNET, "--vs", "precision=fp12"], 2, "side B: --precision: 'fp12' is unknown"),
        ([RESNET, "--vs", "mode=30W"], 2, "side B: a mode without a device"),
        ([RESNET, "nothing.onnx"], 1, "side B: nothing.onnx: no such file"),
        ([BERT, RESNET], 2, "side A: "),
        ([RESNET, "--device", "orin-agx", "--vs", "device=orin-agy"], 1, "did you mean orin-agx"),
        ([RESNET, MOBILENET, "-o", "x.pdf"], 2, "suffix"),
    ],
)
def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str) -> None:
    got, out, err = run(capsys, *arguments)
    assert (got, out) == (code, "") and err.count("\n") == 1 and err.startswith("roofline: ") and text in err
