"""The version from one place, and the schema on everything that is written for other programs."""

from __future__ import annotations

import csv
import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import build_model
from onnx import helper

import roofline
from roofline.cli.main import main
from roofline.devices.load import load_device

ROOT = Path(__file__).parents[2]
CHAIN = str(ROOT / "device_specs" / "measurements" / "models" / "gemm_chain.onnx")
RUNS = str(ROOT / "device_specs" / "measurements" / "orin-nano-emc-gpu-grid" / "measurements.csv")
NANO = ["--device", "orin-nano-8gb", "--runtime", "ort-cuda", "--precision", "fp16"]
ONLY = ["--measured", RUNS, "--only", "workload=gemm_chain"]


def test_the_version_stands_in_one_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"roofline, version {roofline.__version__}\n"
    assert metadata.version("roofline") == roofline.__version__
    text = (ROOT / "roofline" / "__init__.py").read_text()
    assert text.count(f'"{roofline.__version__}"') == 1
    assert roofline.__version__ not in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (["analyze", "MODEL", "--device", "t4"], "analysis/1"),
        (["formula", "MODEL"], "formula/1"),
        (["select", "MODEL", "--device", "orin-agx"], "selection/1"),
        (["compare", "MODEL", "MODEL", "--device", "t4", "--vs", "precision=fp16"], "comparison/1"),
        (["validate", "MODEL", "--device", "t4", "--measured", "runs.csv"], "validation/1"),
        (["sweep", "MODEL", "--device", "t4", "-o", "sweep.csv", "--jobs", "1"], "sweep/1"),
        (["devices", "show", "t4"], "device/1"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_json_and_csv_say_their_schema(
    arguments: list[str],
    schema: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    model = build_model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["batch", 8]}, ["y"],
                        {"w": np.zeros((8, 8), np.float32)})  # fmt: skip
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    head = "device,power_mode,precision,workload,phase,batch_size,latency_ms"
    (tmp_path / "runs.csv").write_text(f"{head}\nt4,{load_device('t4').default_mode},fp32,m,inference,1,0.5\n")
    command = ["m.onnx" if part == "MODEL" else part for part in arguments]
    assert main([*command, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == f"roofline.{schema}"
    if command[0] in ("formula", "devices"):
        return
    if command[0] != "sweep":
        assert main([*command, "--format", "csv", "-o", "sweep.csv"]) == 0
    with (tmp_path / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and {row["schema"] for row in rows} == {f"roofline.{schema}"}


def test_files_that_are_read_back_say_their_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def first(*arguments: str) -> Any:
        output = arguments[-1]
        assert main(list(arguments)) == 0, capsys.readouterr().err
        return yaml.safe_load(Path(output).read_text())["schema"]

    assert first("calibrate", CHAIN, *NANO, *ONLY, "-o", str(tmp_path / "c.yaml")) == "roofline.calibration/1"
    conf = str(ROOT / "tests" / "data" / "nvpmodel" / "orin_agx.conf")
    made = tmp_path / "mine.yaml"
    assert first("devices", "import-nvpmodel", conf, "--device", "orin-agx", "-o", str(made)) == "roofline.device/1"
    table = tmp_path / "runs.csv"
    profile = str(ROOT / "tests" / "data" / "imports" / "ort_profile.json")
    assert main(["import", "ort", profile, "--workload", "net", "-o", str(table)]) == 0
    with table.open(newline="") as file:
        assert {row["schema"] for row in csv.DictReader(file)} == {"roofline.measurement/1"}
    assert all(
        re.match(r"roofline\.[a-z]+/1$", yaml.safe_load(p.read_text())["schema"]) for p in ROOT.glob("examples/*.yaml")
    )
