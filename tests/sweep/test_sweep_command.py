"""``roofline sweep``: what it says, and with which exit code."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import roofline
from roofline.cli import sweep_progress
from roofline.cli.main import main
from roofline.cli.sweep_progress import SweepProgress


def test_failures_are_listed_and_do_not_stop_it(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o.csv"
    arguments = ["sweep", *models, "--device", "orin-agx,t4", "--batch", "1,2", "-o", str(output), "--jobs", "1"]
    assert main(arguments) == 0
    said = capsys.readouterr()
    first = said.out.splitlines()[0]
    rows = sum("bad.onnx" not in line for line in output.read_text().splitlines()[1:])
    counts = f"13 models on 2 devices; {rows} rows in {output}; 1 model failed; 1 row of errors"
    assert first == f"{counts}; ROOFLINE ONLY, not calibrated"
    assert "bad.onnx" in said.out and said.err == ""
    assert main([*arguments, "-q"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_summary_as_json(models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--device", "orin-agx", "-o", str(tmp_path / "o.csv"), "--jobs", "1", "--format", "json"]
    assert main(["sweep", *models, *arguments]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "roofline.sweep/1"
    assert (data["models"], data["computed"], [f["model"] for f in data["failures"]]) == (13, 13, [models[5]])


def test_all_failed_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "o.csv"
    assert main(["sweep", "a.onnx", "b.onnx", "--device", "orin-agx", "-o", str(output), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert "not one model could be evaluated" in said.err and len(said.err.splitlines()) == 1
    assert output.read_text().count("no such file") == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["m.onnx", "--device", "orin-agx"], 2),
        (["--device", "orin-agx", "-o", "o.csv"], 2),
        (["m.onnx", "-o", "o.csv"], 2),
        (["m.onnx", "--device", "orin-agx", "-o", "o.xls"], 2),
        (["m.onnx", "--device", "orin-agx", "-o", "o.csv", "--batch", "0"], 2),
        (["m.onnx", "--device", "orin-agx", "-o", "o.csv", "--precision", "fp12"], 2),
        (["m.onnx", "--device", "no-such", "-o", "o.csv"], 1),
        (["m.onnx", "--device", "orin-agx", "-o", "missing/o.csv"], 1),
    ],
)
def test_wrong_usage(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", *arguments]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with SweepProgress() as progress:
        progress.update(1, 10, 0)
    assert stream.getvalue() == ""
    monkeypatch.setattr(sweep_progress, "_DELAY_S", 0.0)
    with pytest.raises(KeyboardInterrupt), SweepProgress() as progress:
        progress.update(4, 10, 1)
        raise KeyboardInterrupt
    shown = stream.getvalue()
    assert "4/10" in shown and "1 with errors" in shown
    assert shown.endswith("4 of 10 models are kept: the same command goes on from there\n")


def test_elsewhere_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sweep_progress, "_DELAY_S", 0.0)
    with SweepProgress() as progress:
        progress.update(4, 10, 1)
    assert stream.getvalue() == ""


def test_strict_is_exit_code_3_and_the_rows_are_there(
    models: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "o.csv"
    arguments = ["sweep", *models, "--device", "orin-agx", "-o", str(output), "--jobs", "1"]
    assert main([*arguments, "--strict"]) == 3
    said = capsys.readouterr()
    assert said.err == f"roofline: {output}: --strict is not met: rows of errors: 13\n"  # each assumes its batch size
    assert len(output.read_text().splitlines()) == 14
    good = [name for name in models if "bad" not in name]
    assert main(["sweep", *good, *arguments[1 + len(models) :], "--strict", "--batch", "1"]) == 0


def test_a_table_says_its_schema(models: list[str], tmp_path: Path) -> None:
    for name in ("o.csv", "o.parquet"):
        assert main(["sweep", *models, "--device", "orin-agx", "-o", str(tmp_path / name), "--jobs", "1"]) == 0
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.schema.metadata[b"schema"] == b"roofline.sweep/1"
    assert table.schema.metadata[b"roofline"].decode() == roofline.__version__
    assert set(table.column("schema").to_pylist()) == {"roofline.sweep/1"}
    with (tmp_path / "o.csv").open(newline="") as file:
        assert {line["schema"] for line in csv.DictReader(file)} == {"roofline.sweep/1"}
