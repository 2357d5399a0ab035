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
    if command[0] == "formula":
        return
    if command[0] != "sweep":
        assert main([*command, "--format", "csv", "-o", "sweep.csv"]) == 0
    with (tmp_path / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and {row["schema"] for row in rows} == {f"roofline.{schema}"}


def test_the_list_of_devices_says_its_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "list", "--format", "json"]) == 0
    assert main(["devices", "list", "-o", str(tmp_path / "list.csv")]) == 0
    with (tmp_path / "list.csv").open(newline="") as file:
        for rows in (json.loads(capsys.readouterr().out), list(csv.DictReader(file))):
            assert len(rows) > 10 and {row["schema"] for row in rows} == {"roofline.devices/1"}


@pytest.mark.parametrize("form", ["svg", "png", "pdf", "html"])
def test_pictures_say_version_and_schema(form: str, tmp_path: Path) -> None:
    from PIL import Image

    made = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.{form}"
        assert main(["plot", CHAIN, "--device", "t4", "-q", "--kind", "classes", "-o", str(path)]) == 0
        made.append(path.read_bytes())
    version, schema = f"roofline {roofline.__version__}", "roofline.figure/1"
    if form == "png":
        said = Image.open(tmp_path / "a.png").text
        assert (said["Software"], said["Description"]) == (version, schema)
    else:
        said = {
            "svg": (f"<dc:title>{version}</dc:title>", f"<dc:description>{schema}</dc:description>"),
            "pdf": (f"/Creator ({version})", f"/Subject ({schema})"),
            "html": (f'<meta name="generator" content="{version}, {schema}">',),
        }[form]
        assert all(text.encode() in made[0] for text in said)
    assert form == "html" or made[0] == made[1]  # Plotly names its element at random


def test_pages_and_scripts_say_their_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = f"roofline {roofline.__version__}"
    page = tmp_path / "page.html"
    assert main(["validate", CHAIN, *NANO, *ONLY, "-o", str(page)]) == 0
    assert f'<meta name="generator" content="{version}, roofline.validation/1">' in page.read_text()
    assert main(["devices", "export-nvpmodel", "orin-agx"]) == 0
    assert f"made by {version}.\n" in capsys.readouterr().out.partition("<")[0]
    script = ["calibrate", CHAIN, "--device", "orin-agx", "--runtime", "tensorrt", "--precision", "fp16",
              "--suggest", "2", "--emit", "script"]  # fmt: skip
    assert main(script) == 0
    head = capsys.readouterr().out.splitlines()[:4]
    assert any(line.startswith("#") and version in line for line in head)


def test_every_schema_that_is_written_is_documented() -> None:
    """A name that the code knows stands in CONTRIBUTING's table, whole or after the comma of a family."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    sources = [p for p in (ROOT / "roofline").rglob("*") if p.suffix in (".py", ".js")]
    known = {name for p in sources for name in re.findall(r"roofline(\.[a-z-]+/\d)", p.read_text())}
    assert len(known) >= 15 and not {name for name in known if f"{name}`" not in text}


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
