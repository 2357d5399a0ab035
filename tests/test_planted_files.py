"""What somebody else has put in the way: side folders, links, devices, parts; and text made to exhaust a reader."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import onnx
import pytest
from conftest import model_path
from onnx import TensorProto, helper

from roofline.cli.main import main
from roofline.errors import RooflineError, SpecError
from roofline.export.as_csv import csv_line
from roofline.export.tables import Table, markdown
from roofline.files import write_whole
from roofline.strict_yaml import loads
from roofline.sweeping.part import PER_MODE, Part

SWEEP = ["sweep", str(model_path("resnet18")), "--bind", "batch=1", "--device", "orin-agx", "-q", "-o"]


@pytest.mark.parametrize("schema", ["", "roofline.sweep-parts/1"])
def test_a_planted_lock_is_not_followed(schema: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts, victim = tmp_path / "out.csv.parts", tmp_path / "victim.txt"
    parts.mkdir()
    victim.write_text("precious")
    (parts / "manifest.json").write_text(json.dumps({"schema": schema}))
    (parts / "lock").symlink_to(victim)
    assert main([*SWEEP, str(tmp_path / "out.csv")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert victim.read_text() == "precious" and not (tmp_path / "out.csv").exists()


def test_a_side_folder_that_is_a_link_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out.csv.parts").symlink_to(tmp_path / "elsewhere")
    assert main([*SWEEP, str(tmp_path / "out.csv")]) == 1
    assert "this is a link, not a folder" in capsys.readouterr().err
    assert not list((tmp_path / "elsewhere").iterdir())


BLOCK = {
    "grid": 0, "device": "d", "variant": None, "batch": 1, "precision": "fp16", "traffic": "fused", "macs": 1,
    "flops": 2, "bytes": 3, "peak_memory_bytes": 4, "basis": "roofline", "calibration": None, "findings": "",
    **{name: [1.0, None] for name in PER_MODE}, "limited_by": ["memory", None],
}  # fmt: skip
SOUND = Part("0", [[["A", "B"], ["", "x=1"]]], [BLOCK, {"grid": None, "error": "no"}], ["batch"])


@pytest.mark.parametrize("change", [
    {"blocks": [1]}, {"blocks": [{"grid": 3}]}, {"blocks": [{"grid": None}]}, {"used": [1]}, {"used": [None]},
    {"grids": None}, {"sha256": 5}, {"sha256": "\ud800"}, {"blocks": [{"grid": None, "error": "no", "basis": []}]},
    {"blocks": [{name: value for name, value in BLOCK.items() if name != "bytes"}]},
    *({"grids": [grid]} for grid in (
        [["A", "B"], ["x=1"]], [["A", "B"]], [["A"], ["", "x=1"]], [["A", None], ["", ""]], [["A", 1], ["", ""]], "AB",
    )),
    *({"blocks": [{**BLOCK, **change}]} for change in (
        {"grid": True}, {"grid": -1}, {"basis": ["roofline"]}, {"device": 1}, {"macs": "1"}, {"macs": 1.0},
        {"bytes": 2**63}, {"batch": True}, {"error": 1}, {"findings": "\udfff"}, {"time_s": [1.0]}, {"time_s": "12"},
        {"time_s": ["1", None]}, {"power_w": [10**400, None]}, {"energy_j": [float("nan"), 1.0]},
        {"limited_by": [1.0, 2.0]},
    )),
])  # fmt: skip
def test_damaged_parts_are_no_parts(change: dict[str, object]) -> None:
    assert SOUND.is_sound() and not SOUND._replace(**change).is_sound()  # type: ignore[arg-type]


def test_a_link_is_followed_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_whole("text", tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole("text", tmp_path / "pipe")
    assert os.read(reader, 10) == b"text" and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    os.close(reader)


@pytest.mark.parametrize("text", ["schema: " + "[" * 50_000, "a: " + "[" * 60_000 + "]" * 60_000, "{a: " * 50_000],
                         ids=["open", "closed", "mappings"])  # fmt: skip
def test_yaml_nested_deeper_than_the_stack(text: str) -> None:
    with pytest.raises(SpecError, match="nested too deeply"):
        loads(text, "deep.yaml")


def test_an_input_of_many_dimensions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2] * 65)
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [made],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "deep.onnx")
    assert main(["analyze", str(tmp_path / "deep.onnx")]) == 1
    assert "input x: 65 dimensions; expected at most 64" in capsys.readouterr().err


@pytest.mark.parametrize("cell, shown", [
    ("a\x1b[31mb", "a\\x1b[31mb"), ("\x07", "\\x07"), (" =1+1", "' =1+1"), ("\n=1+1", "'\\n=1+1"),
    ("\uff1d1", "'\uff1d1"), ("plain", "plain"), (-1.5, "-1.5"),
])  # fmt: skip
def test_cells_of_csv(cell: object, shown: str) -> None:
    assert csv_line([cell]) == f"{shown}\n"


def test_markdown_is_text() -> None:
    table = Table(title="T", columns=("c",), rows=[["<img src=x> & |"]], right=frozenset())
    assert "<" not in markdown(table) and "&lt;img src=x> &amp; \\|" in markdown(table)


def test_what_is_quoted_from_a_file_is_cut() -> None:
    assert len(str(RooflineError("1+" * 100_000, where="ops.yaml", expected="x" * 5000))) < 2500


def test_one_device_by_two_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*SWEEP, str(tmp_path / "o.csv"), "--device", "jetson-agx-orin"]
    assert main(arguments) == 2
    assert "--device: the same one is there twice, by another name" in capsys.readouterr().err
