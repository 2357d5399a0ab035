"""Notebooks run in a kernel as they are, say what the command line says, and store no output."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from roofline.cli.main import main
from roofline.units import text

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed: pip install '.[test]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[test]'")
ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MODELS = ROOT / "examples" / "models"


class Ran:
    """What a notebook showed."""

    def __init__(self, name: str) -> None:
        self.notebook = nbformat.read(FOLDER / f"{name}.ipynb", 4)
        client = nbclient.NotebookClient(self.notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}})
        client.execute()
        outputs = [out for cell in self.notebook.cells if cell.cell_type == "code" for out in cell.outputs]
        assert [out for out in outputs if out.output_type == "error"] == []
        assert [out.text for out in outputs if out.output_type == "stream" and out.name == "stderr"] == []
        self.printed = "".join(out.text for out in outputs if out.output_type == "stream")
        data = [out.data for out in outputs if out.output_type in ("execute_result", "display_data")]
        self.figures = [base64.b64decode(d["image/png"]) for d in data if "image/png" in d]
        self.alt = [re.findall('alt="([^"]*)"', d["text/html"])[0] for d in data if "image/png" in d]
        self.values = [d["text/plain"].strip("'\"") for d in data if "image/png" not in d]
        assert all(figure.startswith(b"\x89PNG") and len(figure) > 20_000 for figure in self.figures)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Return what a command prints as JSON."""
    assert main([*arguments, "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_output_is_stored(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert path.stat().st_size < 8_000  # short enough to read
    assert cells[0]["source"][0].startswith("# ") and cells[-1]["cell_type"] == "markdown"


def test_there_are_five_and_links_between_them_hold() -> None:
    assert [path.name[0] for path in NOTEBOOKS] == list("12345")
    for path in NOTEBOOKS:
        for target in re.findall(r"\]\((?!http)([^)]+)\)", path.read_text(encoding="utf-8")):
            assert (FOLDER / target).exists(), f"{path.name}: {target}"


@pytest.mark.slow
def test_first_roofline(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran("1_first_roofline")
    model = str(MODELS / "resnet50.onnx")
    said = answer(capsys, "analyze", model, "--device", "orin-agx", "--precision", "fp16", "--bind", "batch=1")
    assert ran.values == [said["verdict"]]
    assert [alt.partition(":")[0] for alt in ran.alt] == ["Time roofline", "Layers"]


@pytest.mark.slow
def test_energy_and_power_modes(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran("2_energy_and_power_modes")
    said = answer(
        capsys, "select", str(MODELS / "mobilenet_v2.onnx"), "--device", "orin-agx", "--precision", "fp16",
        "--bind", "batch=1", "--grid", "full",
    )  # fmt: skip
    assert ran.values == [said["verdict"]]
    chosen, maximum = said["choice"], said["maximum"]
    assert chosen["time_s"] <= 1.01 * maximum["time_s"] and chosen["energy_j"] < 0.9 * maximum["energy_j"]
    saved = 1 - chosen["energy_j"] / maximum["energy_j"]
    assert f"{chosen['mode']}: {saved:.0%} less energy than {maximum['mode']}" in ran.printed
    assert [alt.partition(":")[0] for alt in ran.alt] == [
        "Energy roofline", "Energy over the clocks", "Time and energy of power modes"]  # fmt: skip


@pytest.mark.slow
def test_batch_precision_fusion(capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran("3_batch_precision_fusion")
    model, options = str(MODELS / "resnet50.onnx"), ("--device", "orin-agx", "--mode", "50W", "--bind", "batch=1")
    one = answer(capsys, "analyze", model, *options)
    two = answer(capsys, "analyze", model, *options[:-1], "batch=2")
    flops, moved = ([answer["totals"][key] for answer in (one, two)] for key in ("flops", "bytes"))
    assert f"{flops[0]}*batch FLOP\n" in ran.printed and flops[1] == 2 * flops[0]
    each = moved[1] - moved[0]
    assert f"{each}*batch + {moved[0] - each} bytes\n" in ran.printed
    for precision in ("fp32", "tf32", "fp16", "int8"):
        totals = answer(capsys, "analyze", model, *options, "--precision", precision)["totals"]
        assert f"{precision}: {totals['time_s'] * 1e3:5.2f} ms, {totals['bytes'] / 1e6:4.0f} MB" in ran.printed
    fp16 = answer(capsys, "analyze", model, *options, "--precision", "fp16")["totals"]
    assert text(fp16["time_s"], "s") in ran.values[0]
    assert [alt.split(".")[0] for alt in ran.alt] == ["Batch sizes: resnet50", "resnet50: unfused → fused"]


@pytest.mark.slow
def test_measure_and_validate() -> None:
    ran = Ran("4_measure_and_validate")
    measured, validated = ran.printed.splitlines()
    assert re.match(r"MEASURED\. mobilenet_v2 takes [\d.]+ ms here \(median of \d+ runs", measured)
    assert re.search(r"rooflines are off by [\d.]+% in 1 runs .* in \d+ layers", validated)
    (alt,) = ran.alt
    assert alt.startswith("Measured against computed: mobilenet_v2. ") and ran.values[0] in alt


@pytest.mark.slow
def test_a_device_of_your_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran("5_a_device_of_your_own")
    source = next(cell.source for cell in ran.notebook.cells if cell.cell_type == "code")
    written = source.split('"""')[1]
    path = tmp_path / "my-board.yaml"
    path.write_text(written)
    assert main(["devices", "check", str(path)]) == 0
    capsys.readouterr()
    clock = "gpu_freq: 300 MHz, mem", "gpu_freq: 350 MHz, mem"
    for wrong, place in ((("16 B,", "16 GB/s,"), "memory.dram.bus"), (clock, "modes[1].knobs.gpu_freq")):
        path.write_text(written.replace(*wrong))
        assert main(["devices", "check", str(path)]) == 1
        said = capsys.readouterr().err.partition(f"{path}: ")[2]
        assert said.startswith(place) and said in ran.printed
    assert ran.values[0] == "My board"
    # by hand: 6 SM x 1024 FLOP/clk x 900 MHz, and 2 x 2133 MHz x 16 B x 0.85
    path.write_text(written)
    said = answer(capsys, "analyze", str(MODELS / "resnet50.onnx"), "--device", str(path), "--precision", "fp16")
    assert said["ceilings"]["compute"]["fp16 matrix"]["peak_flop_per_s"] == pytest.approx(5.5296e12)
    assert said["ceilings"]["bandwidth_byte_per_s"] == pytest.approx(58.0176e9)
    assert text(said["totals"]["time_s"], "s").split()[0] in ran.values[-1]
    assert ran.alt[0].startswith("Power modes: resnet50. ") and "My board" in ran.alt[0]
