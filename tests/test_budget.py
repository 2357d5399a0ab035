"""Budgets: exact limits, times that can only be shown to be impossible, and nothing unknown passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from conftest import model_path
from onnx import helper

import roofline
from roofline.budget import Budget, Check, check_budget, findings_of, load_budget, over_budget, with_options
from roofline.cli.main import main
from roofline.errors import SpecError, SpecVersionError, UsageError

RESNET = str(model_path("resnet50"))
MACS = 4089184256  # torch's own counter


@pytest.fixture
def budget(tmp_path: Path) -> Callable[..., Budget]:
    def write(**keys: Any) -> Budget:
        path = tmp_path / "budget.yaml"
        lines = ["schema: roofline.budget/1", *(f"{key}: {value}" for key, value in keys.items())]
        path.write_text("\n".join(lines) + "\n")
        return load_budget(path)

    return write


@pytest.fixture(scope="module")
def resnet() -> dict[str, Any]:
    return roofline.analyze(RESNET, "orin-agx").to_dict()


def check(budget: Budget, data: dict[str, Any]) -> Check:
    [found] = check_budget(budget, data)
    return found


def test_quantities_are_read_with_their_units(budget: Callable[..., Budget]) -> None:
    found = budget(
        device="orin-agx", mode="30W", processor="gpu", precision="fp16", bindings="{seq: 128}", batch=2,
        max_latency="20 ms", min_throughput="60/s", max_energy="500 mJ", max_power="30 W", max_memory="2 GiB",
        max_macs="5 GMAC", max_flops="10 GFLOP", max_parameters="30e6",
    )  # fmt: skip
    assert {limit.name: limit.value for limit in found.limits} == {
        "max_latency": 0.02, "min_throughput": 60.0, "max_energy": 0.5, "max_power": 30.0, "max_memory": 2.0**31,
        "max_macs": 5e9, "max_flops": 10e9, "max_parameters": 30e6,
    }  # fmt: skip
    assert dict(found.settings) == {"device": "orin-agx", "mode": "30W", "processor": "gpu", "precision": "fp16"}
    assert dict(found.bindings) == {"seq": 128, "batch": 2}


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"max_latancy": "20 ms"}, "unknown key 'max_latancy'; did you mean 'max_latency'"),
        ({"max_latency": 20}, "max_latency: 20 is no quantity with a unit; expected a number with a unit of time"),
        ({"max_latency": "[20]"}, "max_latency: expected text or a whole number or a number, found a list"),
        ({"max_latency": "20 W"}, "max_latency: '20 W' has a unit that does not fit"),
        ({"max_energy": "-1 J"}, "max_energy: '-1 J' is negative"),
        ({"max_flops": "10 GMAC"}, "max_flops: '10 GMAC' has a unit that does not fit"),
        ({"min_throughput": "60"}, "such as '5/s'"),
        ({"max_parameters": -3}, "max_parameters: -3 is no count"),
        ({"max_parameters": "many"}, "max_parameters: expected a whole number or a number"),
        ({"batch": 2, "bindings": "{batch: 3}", "max_macs": "1 MAC"}, "it is 2, and bindings.batch is 3"),
        ({"bindings": "{seq: long}", "max_macs": "1 MAC"}, "bindings.seq: expected a whole number"),
        ({"device": "orin-agx"}, "there is no limit in it"),
    ],
)
def test_mistakes_in_the_file(budget: Callable[..., Budget], keys: dict[str, Any], text: str) -> None:
    with pytest.raises(SpecError) as caught:
        budget(**keys)
    assert text in str(caught.value) and "budget.yaml" in str(caught.value)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.yaml"
    path.write_text("schema: roofline.budget/2\nmax_macs: 1 MAC\n")
    with pytest.raises(SpecVersionError, match=r"expected roofline\.budget/1"):
        load_budget(path)


@pytest.mark.parametrize(("limit", "ok"), [(MACS, True), (MACS - 1, False)])
def test_an_exact_limit_is_kept_up_to_its_value(
    budget: Callable[..., Budget], resnet: dict[str, Any], limit: int, ok: bool
) -> None:
    found = check(budget(max_macs=f"{limit} MAC"), resnet)
    assert (found.ok, found.value, found.basis) == (ok, MACS, "exact")
    assert found.verdict == ("ok" if ok else "over")


def test_what_is_over_says_by_how_much(budget: Callable[..., Budget], resnet: dict[str, Any]) -> None:
    found = check(budget(max_macs=f"{MACS // 2} MAC"), resnet)
    assert found.over == pytest.approx(1.0)
    found = check(budget(max_parameters=0), resnet)
    assert not found.ok and found.over is None
    found = check(budget(max_memory="1 GB"), resnet)
    assert found.ok and found.value == resnet["totals"]["peak_memory_bytes"]


@pytest.mark.parametrize(
    ("factor", "of", "ok", "verdict"),
    [
        (0.999, "bound_time_s", False, "impossible"),
        (1.001, "bound_time_s", True, "roofline over"),
        (0.999, "roofline_time_s", True, "roofline over"),
        (1.001, "roofline_time_s", True, "not excluded"),
    ],
)
def test_without_a_calibration_a_time_is_impossible_or_not_excluded(
    budget: Callable[..., Budget], resnet: dict[str, Any], factor: float, of: str, ok: bool, verdict: str
) -> None:
    time = factor * resnet["totals"][of]
    for given in (budget(max_latency=f"{time} s"), budget(min_throughput=f"{1 / time}/s")):
        found = check(given, resnet)
        assert (found.ok, found.verdict, found.basis) == (ok, verdict, "bound")
        codes = [finding.code for finding in findings_of(given, [found])]
        assert codes == {"impossible": [], "roofline over": ["budget-roofline-over"],
                         "not excluded": ["budget-not-excluded"]}[verdict]  # fmt: skip


def test_throughput_counts_samples_and_says_how_short_it_falls(budget: Callable[..., Budget]) -> None:
    data = roofline.analyze(RESNET, "orin-agx", bindings={"batch": 8}).to_dict()
    most = 8 / data["totals"]["bound_time_s"]
    found = check(budget(min_throughput=f"{2 * most}/s"), data)
    assert found.value == pytest.approx(most) and found.over == pytest.approx(0.5)  # half of it is missing


def test_with_a_calibration_the_prediction_decides(budget: Callable[..., Budget], resnet: dict[str, Any]) -> None:
    totals = {**resnet["totals"], "predicted_time_s": 0.01, "time_s": 0.01}
    data = {**resnet, "basis": "prediction", "totals": totals}
    assert check(budget(max_latency="10 ms"), data).verdict == "ok"
    found = check(budget(max_latency="8 ms"), data)
    assert (found.verdict, found.basis, found.over) == ("over", "prediction", pytest.approx(0.25))
    assert check(budget(min_throughput="101/s"), data).verdict == "over"


def test_energy_and_power_rest_on_the_roofline_and_say_so(
    budget: Callable[..., Budget], resnet: dict[str, Any]
) -> None:
    energy = resnet["totals"]["energy_j"]
    given = budget(max_energy=f"{1.01 * energy} J", max_power="1 W")
    checks = check_budget(given, resnet)
    assert [(c.verdict, c.basis) for c in checks] == [("ok", "roofline"), ("over", "roofline")]
    assert {f.code for f in findings_of(given, checks)} == {"budget-roofline"}
    assert "by the roofline" in str(over_budget(given, checks))


def test_an_unknown_energy_is_a_failure(budget: Callable[..., Budget]) -> None:
    data = roofline.analyze(RESNET, "orin-agx", precision="int8").to_dict()
    given = budget(max_energy="1 kJ", max_power="1 kW")
    checks = check_budget(given, data)
    assert [(c.ok, c.verdict, c.value) for c in checks] == [(False, "unknown", None)] * 2
    assert "max_energy cannot be checked (the energy is not known" in str(over_budget(given, checks))
    assert [f.code for f in findings_of(given, checks)] == ["budget-unknown"] * 2


def test_a_sum_that_lacks_nodes_keeps_no_limit(
    budget: Callable[..., Budget], build: Callable[..., onnx.ModelProto]
) -> None:
    nodes = [
        helper.make_node("Mystery", ["x"], ["m"], domain="acme"),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    data = roofline.analyze(build(nodes, {"x": [4]}, ["m", "y"], domains=("acme",))).to_dict()
    found = check(budget(max_flops="1 GFLOP"), data)
    assert (found.ok, found.verdict) == (False, "unknown") and "1 nodes are not counted" in found.reason
    assert check(budget(max_flops="3 FLOP"), data).verdict == "over"  # 4 comparisons: over with what is counted
    assert check(budget(max_parameters=0), data).ok  # read off the file, whole


def test_throughput_of_an_unknown_batch_is_unknown(
    budget: Callable[..., Budget], build: Callable[..., onnx.ModelProto]
) -> None:
    node = helper.make_node("MatMul", ["a", "b"], ["y"])
    data = roofline.analyze(build([node], {"a": [3, 5], "b": [5, 7]}, ["y"]), "orin-agx").to_dict()
    assert data["batch"] is None
    found = check(budget(min_throughput="1/s"), data)
    assert not found.ok and found.reason == "the batch size is not known"


def test_options_win_over_the_file_and_it_is_said(budget: Callable[..., Budget]) -> None:
    given = budget(device="orin-agx", mode="30W", precision="fp16", bindings="{batch: 2, seq: 9}", max_latency="1 s")
    options, bindings, findings = with_options(given, {"device": None, "mode": "MAXN", "precision": "fp16"}, {"seq": 5})
    assert options == {"device": "orin-agx", "mode": "MAXN", "precision": "fp16"}
    assert bindings == {"batch": 2, "seq": 5}
    assert [(f.code, f.where.rpartition(": ")[2]) for f in findings] == [
        ("budget-overruled", "mode"), ("budget-overruled", "bind seq"),
    ]  # fmt: skip


@pytest.mark.parametrize("limit", ["max_latency: 1 s", "min_throughput: 1/s", "max_energy: 1 J", "max_power: 1 W"])
def test_a_limit_on_time_or_energy_needs_a_device(budget: Callable[..., Budget], limit: str) -> None:
    key, _, value = limit.partition(": ")
    with pytest.raises(UsageError, match=f"{key} needs a device"):
        with_options(budget(**{key: value}), {}, {})
    assert with_options(budget(max_macs="1 MAC"), {}, {})[0] == {}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_the_example_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    examples = Path(__file__).parents[1] / "examples"
    arguments = ["analyze", str(examples / "models" / "resnet50.onnx"), "--budget", str(examples / "budget.yaml")]
    code, out, err = run(capsys, *arguments)
    assert (code, err) == (0, "")
    assert out.startswith("Budget: nothing is over, max_latency and min_throughput not excluded. ROOFLINE ONLY")
    assert "MODE_30W (fp16, batch 1)" in out.splitlines()[0]


def test_a_budget_that_is_not_kept_still_prints_and_exits_3(
    capsys: pytest.CaptureFixture[str], budget: Callable[..., Budget], tmp_path: Path
) -> None:
    path = budget(device="orin-agx", max_latency="1 ms", max_macs="2 GMAC", max_memory="1 GB").path
    code, out, err = run(capsys, "analyze", RESNET, "--budget", path)
    assert code == 3 and out.startswith("OVER BUDGET: max_latency, max_macs. ROOFLINE ONLY, not calibrated. resnet50")
    assert f"Budget {path}: 2 of 3 limits not kept" in out and "Layers by time" in out
    assert err.count("\n") == 1 and "max_latency impossible: " in err and "104.5% over" in err  # 4.089 of 2 GMAC
    code, out, err = run(capsys, "analyze", RESNET, "--budget", path, "--strict", "-o", str(tmp_path / "x.json"))
    data = json.loads((tmp_path / "x.json").read_text())
    assert (code, out) == (3, "") and "the budget is not kept" in data["reason"] and "batch-assumed" in data["reason"]
    assert [(row["name"], row["ok"], row["verdict"]) for row in data["budget"]] == [
        ("max_latency", False, "impossible"), ("max_memory", True, "ok"), ("max_macs", False, "over"),
    ]  # fmt: skip
    assert all(set(row) >= {"name", "limit", "value", "ok", "verdict"} for row in data["budget"])
    assert data["budget"][0]["limit"] == 0.001 and data["budget"][2]["value"] == MACS
    code, out, _ = run(capsys, "analyze", RESNET, "--budget", path, "--format", "markdown")
    assert code == 3 and "| max_latency | 1.00 ms |" in out
    code, out, _ = run(capsys, "analyze", RESNET, "--budget", path, "--format", "csv")
    assert code == 3 and out.startswith("name,op_type,")


def test_what_is_unknown_is_told_apart_from_what_is_over(
    capsys: pytest.CaptureFixture[str], budget: Callable[..., Budget]
) -> None:
    path = budget(device="orin-agx", precision="int8", max_energy="1 J").path
    code, out, err = run(capsys, "analyze", RESNET, "--budget", path)
    assert code == 3 and out.startswith("NOT KNOWN: max_energy. ") and "cannot be checked" in err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--budget", "nothing.yaml"], 1, "nothing.yaml: no such file"),
        (["--budget", "FILE"], 2, "max_latency needs a device; expected --device"),
        (["--budget", "FILE", "--device", "orin-agx", "--explain", "/fc/Gemm"], 2, "ask for one of them"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], budget: Callable[..., Budget], arguments: list[str], code: int, text: str
) -> None:
    path = budget(max_latency="1 s").path
    got, out, err = run(capsys, "analyze", RESNET, *(path if a == "FILE" else a for a in arguments))
    assert (got, out) == (code, "") and err.count("\n") == 1 and text in err
