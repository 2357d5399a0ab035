"""``roofline select`` as people type it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from conftest import model_path

import roofline
from roofline.cli.main import main

MODEL = str(model_path("mobilenet_v2"))


def test_answer_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", MODEL, "--device", "orin-agx", "--grid", "full"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ROOFLINE ONLY, not calibrated. mobilenet_v2 (tf32) on NVIDIA Jetson AGX Orin 64GB: MODE_30W")
    for part in ("less energy", "The gpu clock can fall from 1300.5MHz", "Best mode by slack", "Pareto front",
                 "15314 candidates, 46 that the model can tell apart", "unseen-knobs"):  # fmt: skip
        assert part in out


def test_json_has_the_fixed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", MODEL, "--device", "orin-agx", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == "roofline.selection/1" and data["basis"] == "roofline"
    for key in ("choice", "default", "maximum", "saving_vs_default", "saving_vs_maximum", "by_slack", "runner_up",
                "binding_constraint", "candidates", "distinct", "pareto", "findings"):  # fmt: skip
        assert key in data
    assert set(data["choice"]) >= {"mode", "knobs", "time_s", "energy_j", "power_w", "reboot"}
    assert [s["slack"] for s in data["by_slack"]] == [0, 0.01, 0.02, 0.05, 0.1, 0.2]


def test_csv(tmp_path: Path) -> None:
    target = tmp_path / "modes.csv"
    assert main(["select", MODEL, "--device", "orin-agx", "-o", str(target)]) == 0
    rows = list(csv.DictReader(target.read_text().splitlines()))
    assert rows[0]["what"] == "choice" and float(rows[0]["gpu_freq"]) > 1e8


def test_no_feasible_mode_is_exit_3_with_the_nearest_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", MODEL, "--device", "orin-agx", "--max-latency", "1ns", "--format", "json"]) == 3
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert data["choice"] is None and "nearest miss is MODE_50W" in data["reason"]
    assert captured.err.count("\n") == 1 and "no feasible mode" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--max-latency", "20"], 2, "no quantity with a unit"),
        (["--max-power", "20ms"], 2, "unit that does not fit"),
        (["--slack", "much"], 2, "no share"),
        (["--batch", "1,1"], 2, "no list of different batch sizes"),
        (["--mode", "MAXN"], 2, "the mode is what is chosen"),
        (["--rate", "30"], 2, "no quantity"),
        (["--grid", "all"], 2, "no grid 'all'"),
        (["--precision", "int8"], 1, "no coefficients for int8"),
        (["--current", "12W"], 1, "no mode '12W'"),
        (["--strict"], 3, "--strict is not met: batch-assumed"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["select", MODEL, "--device", "orin-agx", *arguments]) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and message in err, err


def test_a_device_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", MODEL]) == 2
    assert "--device as well" in capsys.readouterr().err


def test_current_mode_decides_about_the_reboot(capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for current in ("MAXN", "30W"):
        assert main(["select", MODEL, "--device", "orin-agx", "--current", current, "--format", "json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["choice"])
    assert found[0]["knobs"]["tpc"] == 8
    assert [c["reboot"] for c in found] == [False, True]


def test_emit_adds_one_block_to_the_boards_own_file(capsys: pytest.CaptureFixture[str]) -> None:
    base = Path(__file__).parents[1] / "data" / "nvpmodel" / "orin_agx.conf"
    arguments = ["select", MODEL, "--device", "orin-agx", "--grid", "full", "--emit", "nvpmodel", "--base", str(base)]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    added = [line for line in captured.out.splitlines() if line not in base.read_text().splitlines()]
    assert added[:2] == [f"# ROOFLINE is made by roofline {roofline.__version__}", "< POWER_MODEL ID=4 NAME=ROOFLINE >"]
    # 918 MHz is a clock that no block of the file has; the chosen mode holds the GPU there
    assert {"GPU MIN_FREQ 918000000", "GPU MAX_FREQ 918000000"} <= set(added)
    assert captured.out.index("NAME=ROOFLINE") < captured.out.index("< PM_CONFIG")
    assert "sudo nvpmodel -m 4" in captured.err and "To undo it" in captured.err


def test_emit_without_a_base_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", MODEL, "--device", "orin-agx", "--emit", "nvpmodel"]) == 0
    captured = capsys.readouterr()
    assert "NOT INSTALLABLE BY ITSELF" in captured.out and "NOT INSTALLABLE" in captured.err


def test_emit_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["select", MODEL, "--device", "orin-agx"]
    for more, code, message in (
        (["--base", "x.conf"], 2, "--base goes with --emit"),
        (["--emit", "nvpmodel", "--format", "json"], 2, "--format has no place"),
        (["--emit", "nvpmodel", "--base", "none.conf"], 1, "none.conf"),
        (["--emit", "nvpmodel", "--max-latency", "1ns"], 3, "no feasible mode"),
    ):
        assert main([*arguments, *more]) == code
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and message in captured.err
        assert "POWER_MODEL" not in captured.out


def test_emit_refuses_another_boards_file(capsys: pytest.CaptureFixture[str]) -> None:
    base = Path(__file__).parents[1] / "data" / "nvpmodel" / "orin_agx.conf"
    arguments = ["select", MODEL, "--device", "xavier-agx", "--objective", "time", "--emit", "nvpmodel"]
    assert main([*arguments, "--base", str(base)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and "12 cores, and modes or GPU clocks that xavier-agx does not have" in captured.err
