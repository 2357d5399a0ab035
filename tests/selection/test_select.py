"""Choosing a mode: one product worked out by hand on AGX Orin's ceilings, and what users ask of a choice."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import build_model, model_path
from onnx import helper

import roofline
from roofline.devices.mode_set import mode_set
from roofline.devices.modes import find_mode
from roofline.errors import DeviceError, UsageError
from roofline.mode_totals import distinct_modes, totals_over_modes
from roofline.selection.candidates import candidates

GPU = [306e6, 408e6, 510e6, 612e6, 714e6, 816e6, 918e6, 1020e6, 1122e6, 1224e6, 1300.5e6]
MEM = [204e6, 665.6e6, 2133e6, 3199e6]


def copy_like() -> Any:
    """One Add of two 64 MiB tensors: 3 * 64 MiB move, 16 Mi FLOP; bound by memory in every mode."""
    return build_model([helper.make_node("Add", ["x", "z"], ["y"])], {"x": [4096, 4096], "z": [4096, 4096]}, ["y"])


BYTES = 3 * 4 * 4096 * 4096


def by_hand(gpu: float, mem: float) -> tuple[float, float]:
    """Return time and energy of `copy_like` by the figures of orin-agx.yaml, typed in anew."""
    time = BYTES / min(0.93 * 2 * 32 * mem, 210 * gpu)
    v2 = (np.interp(gpu, [306e6, 612e6, 816e6, 1300.5e6], [1, 1.028, 1.085, 1.295]) / 1.295) ** 2
    speed = gpu / 1300.5e6
    static = 3.54 + 2.87 * speed * v2 + 4.07 * mem / 3199e6 + 12.6 * speed * v2
    energy = 8.67e-12 * v2 * 4096 * 4096 + (41.0e-12 + 92.7e-12 * v2) * BYTES + static * time
    return time, energy


def test_full_grid_by_hand() -> None:
    """Memory-bound: the GPU clock falls to the lowest one whose path carries what DRAM gives (918 MHz), no further."""
    found = roofline.select(copy_like(), "orin-agx", grid="full", slack=0.01)
    grid = {(g, m): by_hand(g, m) for g, m in itertools.product(GPU, MEM)}
    fastest = min(t for t, _ in grid.values())
    want = min((e, key) for key, (t, e) in grid.items() if t <= 1.01 * fastest)
    assert found.choice is not None
    knobs = found.choice.mode.knobs
    assert (knobs["gpu_freq"], knobs["mem_freq"]) == want[1] == (918e6, 3199e6)
    assert found.choice.energy_j == pytest.approx(want[0])
    assert found.choice.time_s == pytest.approx(grid[918e6, 3199e6][0])
    assert found.maximum is not None and found.maximum.mode.name == "MAXN"
    data = found.to_dict()
    assert data["saving_vs_maximum"] == pytest.approx(1 - want[0] / by_hand(1300.5e6, 3199e6)[1])
    # knobs that the model cannot see keep the default mode's value, and that is said
    assert (knobs["cpu_freq"], knobs["cpu_cores"]) == (1728e6, 8)
    assert {"unseen-knobs", "not-calibrated", "custom-mode", "not-verified"} <= {f.code for f in found.findings}
    assert found.candidates == 12 * 29 * 11 * 4 + 2  # MODE_15W and MODE_30W switch TPCs off
    assert found.distinct == 11 * 4 + 2
    for at in found.by_slack:
        best = min(e for t, e in grid.values() if t <= (1 + at.slack) * fastest * (1 + 1e-9))
        assert at.choice.energy_j <= best * (1 + 1e-9)


def test_old_clock_list_has_its_own_grid() -> None:
    assert roofline.select(copy_like(), "orin-agx@r35.1", grid="full").candidates == 12 * 29 * 13 * 4 + 2


def test_a_grid_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roofline.selection.candidates._LARGEST", 11 * 4)
    assert roofline.select(copy_like(), "orin-agx", grid="full").distinct == 11 * 4 + 2
    with pytest.raises(DeviceError, match=r"^--grid full\+tpc: the grid of orin-agx has 352 modes .* --grid named, or"):
        roofline.select(copy_like(), "orin-agx", grid="full+tpc")
    monkeypatch.undo()
    largest = roofline.select(copy_like(), "xavier-agx", grid="full+tpc", objective="time")
    assert largest.candidates >= 29 * 8 * 14 * 9 * 4


def test_masks_are_candidates_where_asked_for() -> None:
    found = roofline.select(copy_like(), "orin-agx", grid="full+tpc")
    assert found.candidates == 12 * 29 * 11 * 4 * 8
    assert found.choice is not None and found.default.mode.knobs["tpc"] == 4
    assert found.choice.reboot == (found.choice.mode.knobs["tpc"] != 4)


def test_grid_totals_are_those_of_single_modes() -> None:
    """The block-wise path over a grid and the layer-wise path of one mode agree; collapsing changes nothing."""
    analysis = roofline.analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 4})
    assert analysis.evaluation is not None
    task = analysis.evaluation.task
    found = candidates(task, "full+tpc")
    totals = totals_over_modes(task, found.modes)
    first, same = distinct_modes(task, found.modes)
    collapsed = totals_over_modes(task, found.modes.take(first))
    for full, part in zip(totals, collapsed, strict=True):
        np.testing.assert_array_equal(full, part[same])
    for i in np.random.default_rng(1).choice(found.modes.size, 8, replace=False):
        knobs = {name: values[i] for name, values in found.modes.knobs.items()}
        text = ",".join(
            f"{name}={value / 1e6:.10g}MHz" if name.endswith("_freq") else f"{name}={value:g}"
            for name, value in knobs.items()
        )
        alone = roofline.analyze(model_path("resnet50"), "orin-agx", mode=text, bindings={"batch": 4}).totals
        assert totals.time_s[i] == pytest.approx(alone["time_s"], rel=1e-12)
        assert totals.energy_j[i] == pytest.approx(alone["energy_j"], rel=1e-12)
        assert totals.bound_time_s[i] == pytest.approx(alone["bound_time_s"], rel=1e-12)
        assert totals.power_w[i] == pytest.approx(alone["power_w"], rel=1e-12)


def test_named_modes_are_never_beaten_by_the_choice_of_a_larger_grid() -> None:
    for name in ("mobilenet_v2", "bert_base"):
        bindings = {"batch": 1} if name == "mobilenet_v2" else {"batch": 1, "seq": 128}
        named, full = (
            roofline.select(model_path(name), "orin-agx", grid=grid, bindings=bindings, slack=10.0)
            for grid in ("named", "full")
        )
        assert named.choice is not None and full.choice is not None
        assert full.choice.energy_j <= named.choice.energy_j


def test_unverified_and_careful_choice() -> None:
    found = roofline.select(copy_like(), "orin-agx", grid="full")
    assert found.choice is not None and not found.choice.is_verified
    assert found.choice.time_upper_s == pytest.approx(found.choice.time_s * 1300.5 / 918)
    assert found.careful is not None and found.careful.mode.knobs["gpu_freq"] == 1300.5e6


def test_limits() -> None:
    time, energy = by_hand(612e6, 3199e6)  # MODE_30W
    fast = roofline.select(copy_like(), "orin-agx", max_latency_s=time * 0.99, slack=10.0)
    assert fast.choice is not None and fast.choice.time_s < time
    assert set(fast.binding) <= {"max-latency"}
    cheap = roofline.select(copy_like(), "orin-agx", max_energy_j=energy * 1.0001, slack=10.0)
    assert cheap.choice is not None and cheap.choice.energy_j <= energy * 1.0001
    weak = roofline.select(copy_like(), "orin-agx", grid="full", max_power_w=16.0, slack=10.0)
    assert weak.choice is not None and weak.choice.power_w <= 16.0
    busy = roofline.select(copy_like(), "orin-agx", min_throughput_per_s=4096 / time * 1.1)
    assert busy.choice is not None and busy.choice.time_s < time / 1.1


def test_limit_over_the_roofline_but_not_the_bound_is_not_excluded() -> None:
    analysis = roofline.analyze(copy_like(), "orin-agx", mode="MAXN")
    bound, time = analysis.totals["bound_time_s"], analysis.totals["roofline_time_s"]
    assert bound < time
    between = roofline.select(copy_like(), "orin-agx", max_latency_s=(bound + time) / 2)
    assert between.choice is not None and "limit-not-excluded" in {f.code for f in between.findings}
    never = roofline.select(copy_like(), "orin-agx", max_latency_s=bound * 0.5)
    assert never.choice is None and never.binding == ("infeasible",)
    assert "nearest miss is MAXN" in never.reason and "(100 % off)" in never.reason
    assert not never.pareto and never.evaluation is None
    assert never.to_dict()["choice"] is None


def test_rate_by_hand() -> None:
    """Ten frames a second, one run each: P = 10 * (E + P_idle * (0.1 - T))."""
    found = roofline.select(copy_like(), "orin-agx", bindings={}, rate_per_s=4096 * 10.0)
    assert found.objective == "power" and found.slack is None and found.choice is not None
    for choice in (found.choice, *found.pareto):
        gpu, mem = choice.mode.knobs["gpu_freq"], choice.mode.knobs["mem_freq"]
        time, energy = by_hand(gpu, mem)
        v2 = (np.interp(gpu, [306e6, 612e6, 816e6, 1300.5e6], [1, 1.028, 1.085, 1.295]) / 1.295) ** 2
        idle = 3.54 + 2.87 * gpu / 1300.5e6 * v2 + 4.07 * mem / 3199e6
        assert choice.average_power_w == pytest.approx(10 * (energy + idle * (0.1 - time)))
    assert found.choice.average_power_w == min(c.average_power_w for c in (found.choice, *found.pareto))
    assert found.choice.mode.name == "MODE_15W"  # it idles at least power
    hopeless = roofline.select(copy_like(), "orin-agx", rate_per_s=4096 * 1e6)
    assert hopeless.choice is None and "--rate" in hopeless.reason


def test_batches_are_compared_per_sample() -> None:
    found = roofline.select(model_path("mobilenet_v2"), "orin-agx", batches=(1, 8))
    one = roofline.select(model_path("mobilenet_v2"), "orin-agx", bindings={"batch": 8})
    assert found.choice is not None and one.choice is not None
    assert found.choice.batch == 8 and found.choice.energy_j == one.choice.energy_j
    assert found.candidates == 8
    few = roofline.select(model_path("mobilenet_v2"), "orin-agx", batches=(1, 8), max_latency_s=one.choice.time_s / 2)
    assert few.choice is not None and few.choice.batch == 1
    with pytest.raises(UsageError, match="the file fixes its batch size"):
        roofline.select(copy_like(), "orin-agx", batches=(1, 2))
    with pytest.raises(UsageError, match="batch is bound already"):
        roofline.select(model_path("mobilenet_v2"), "orin-agx", batches=(1, 2), bindings={"batch": 1})


def test_grid_of_a_file(tmp_path: Path) -> None:
    listed = tmp_path / "modes.txt"
    listed.write_text("# mine\n50W\n30W,gpu_freq=816MHz  # faster\n\nMAXN\n")
    found = roofline.select(copy_like(), "orin-agx", grid=str(listed))
    assert found.candidates == 3
    assert found.choice is not None and found.choice.mode.name == "MAXN"  # the others' paths carry less
    listed.write_text("30W,gpu_freq=817MHz\n")
    with pytest.raises(DeviceError, match="816MHz or 918MHz"):
        roofline.select(copy_like(), "orin-agx", grid=str(listed))
    listed.write_text("# nothing\n")
    with pytest.raises(DeviceError, match="no mode in it"):
        roofline.select(copy_like(), "orin-agx", grid=str(listed))
    with pytest.raises(UsageError, match="no grid 'fulll'"):
        roofline.select(copy_like(), "orin-agx", grid="fulll")


def test_a_mode_name_of_an_answer_can_be_typed_back() -> None:
    device = roofline.load_device("orin-agx")
    found = roofline.select(model_path("resnet50"), "orin-agx", grid="full+tpc", bindings={"batch": 1})
    for choice in (found.choice, *found.pareto):
        assert choice is not None
        again = find_mode(device, choice.mode.name)
        assert dict(again.knobs) == dict(choice.mode.knobs)
        assert mode_set(device, (again,)).base[0] == mode_set(device, (choice.mode,)).base[0]


def test_energy_is_refused_where_it_is_unknown_and_time_is_not() -> None:
    with pytest.raises(DeviceError, match=r"no coefficients for int8.*--objective time"):
        roofline.select(model_path("mobilenet_v2"), "orin-agx", precision="int8")
    found = roofline.select(model_path("mobilenet_v2"), "orin-agx", precision="int8", objective="time", grid="full")
    assert found.choice is not None and np.isnan(found.choice.energy_j)
    data = json.loads(found.to_json())
    assert data["choice"]["energy_j"] is None and data["saving_vs_maximum"] is None


def test_flips_are_the_layers_whose_limit_differs() -> None:
    found = roofline.select(model_path("resnet50"), "orin-agx", bindings={"batch": 1}, slack=2.0)
    assert found.choice is not None and found.maximum is not None
    limits = [
        {layer["name"]: layer["limited_by"] for layer in roofline.analyze(
            model_path("resnet50"), "orin-agx", bindings={"batch": 1}, mode=mode.name).layers}
        for mode in (found.maximum.mode, found.choice.mode)
    ]  # fmt: skip
    want = {name for name in limits[0] if limits[0][name] != limits[1][name]}
    assert {name for name, _, _ in found.flips} == want and want


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slack": -0.1}, "no slack"),
        ({"objective": "money"}, "'money' is unknown"),
        ({"max_latency_s": 0.0}, "0 is no limit"),
        ({"rate_per_s": -1.0}, "-1 is no rate"),
        ({"rate_per_s": float("inf")}, "is no rate"),
        ({"mode": "MAXN"}, "the mode is what is chosen"),
        ({"batches": (2, 2)}, "above 0 and differ"),
    ],
)
def test_wrong_usage(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        roofline.select(copy_like(), "orin-agx", **options)


def test_modes_over_the_module_limit_are_not_eligible_unless_asked() -> None:
    """resnet50 in tf32 needs more than 60 W at high clocks; brute force over single analyses gives the same answer."""
    options = {"bindings": {"batch": 1}}
    found = roofline.select(model_path("resnet50"), "orin-agx", grid="full", slack=0.05, **options)
    assert found.choice is not None and found.choice.power_w <= 60
    assert all(point.power_w <= 60 for point in found.pareto)
    answers = []
    for gpu, mem in itertools.product(GPU, MEM):
        mode = f"30W,tpc=8,gpu_freq={gpu / 1e6:g}MHz,mem_freq={mem / 1e6:g}MHz"
        answers.append(roofline.analyze(model_path("resnet50"), "orin-agx", mode=mode, **options).totals)
    eligible = [a for a in answers if a["power_w"] <= 60]
    fastest = min(a["time_s"] for a in eligible)
    want = min(a["energy_j"] for a in eligible if a["time_s"] <= 1.05 * fastest)
    assert found.choice.energy_j == pytest.approx(want)
    hot = roofline.select(model_path("resnet50"), "orin-agx", grid="full", allow_power_limited=True, **options)
    assert hot.choice is not None and hot.choice.power_w > 60
    assert "power-limited" in {f.code for f in hot.findings}


def test_energy_of_a_set_is_that_of_its_own_traffic_model() -> None:
    """The fp32 set counts Pagoda's bytes node by node: the energy is the same whatever traffic the time is of."""
    energies = {
        traffic: roofline.analyze(model_path("resnet50"), "orin-agx", traffic=traffic, bindings={"batch": 1}).totals
        for traffic in ("pagoda", "fused", "unfused")
    }
    assert energies["fused"]["energy_j"] == pytest.approx(energies["pagoda"]["energy_j"], rel=1e-12)
    assert energies["unfused"]["energy_j"] == pytest.approx(energies["pagoda"]["energy_j"], rel=1e-12)
    assert energies["fused"]["energy_time_s"] == pytest.approx(energies["pagoda"]["time_s"], rel=1e-12)
    layers = roofline.analyze(model_path("resnet50"), "orin-agx", bindings={"batch": 1}).layers
    assert sum(layer["energy_j"] or 0 for layer in layers) == pytest.approx(energies["fused"]["energy_j"])


def test_modes_that_differ_in_unseen_knobs_alone() -> None:
    """Three modes of Xavier NX differ in CPU cores and clocks: the one that gives the host most is taken, and said."""
    found = roofline.select(model_path("mobilenet_v2"), "xavier-nx", objective="time")
    assert found.choice is not None and found.choice.mode.name == "MODE_20W_6CORE"
    assert set(found.equals) == {"MODE_20W_2CORE", "MODE_20W_4CORE"}
    assert found.maximum is not None and found.maximum.mode.name == "MODE_20W_6CORE"


def test_verified_at_each_slack() -> None:
    """At 1300.5 MHz the best time is certain; 5 % slower clocks can be 5 % slower, which only some slacks allow."""
    found = roofline.select(copy_like(), "orin-agx", grid="full", slack=1.0)
    for at in found.by_slack:
        assert at.choice.is_verified == (
            at.choice.time_upper_s <= found.by_slack[0].choice.time_s * (1 + at.slack) * 1.0001
        )


def test_no_average_power_where_the_rate_cannot_be_kept() -> None:
    totals = roofline.analyze(copy_like(), "orin-agx", rate_per_s=4096 * 1e4).totals
    assert totals["average_power_w"] is None


def test_slack_can_be_left_out() -> None:
    """Energy under a power cap: no mode is too slow."""
    capped = roofline.select(copy_like(), "orin-agx", grid="full", max_power_w=12.0, slack=float("inf"))
    kept = roofline.select(copy_like(), "orin-agx", grid="full", max_power_w=12.0, slack=0.0)
    assert capped.choice is not None and kept.choice is not None and capped.slack is None
    assert capped.choice.energy_j <= kept.choice.energy_j


def test_idle_power_beyond_what_was_measured_is_said() -> None:
    found = roofline.select(copy_like(), "orin-agx", grid="full", rate_per_s=4096.0)
    assert found.choice is not None and found.choice.mode.knobs["mem_freq"] < 2133e6
    assert "idle-extrapolated" in {f.code for f in found.findings}


def test_an_answer_over_a_limit_says_so_first() -> None:
    """No roofline of resnet50 meets 1 ms, some bounds do: the fastest eligible mode, and the verdict says it misses."""
    found = roofline.select(model_path("resnet50"), "orin-agx", max_latency_s=1e-3, slack=0.5, bindings={"batch": 1})
    assert found.choice is not None and found.choice.time_s > 1e-3 > found.choice.bound_s
    data = found.to_dict()
    assert "MISSES --max-latency" in data["verdict"] and data["not_excluded"] == ["max-latency"]
    assert "not-verified" not in {f.code for f in found.findings}


def test_a_rate_whose_average_power_is_not_known_names_the_reason() -> None:
    """Energies are of a run with Pagoda's bytes, which takes longer than the frame; the roofline's own run does not."""
    asked = {"rate_per_s": 600.0, "bindings": {"batch": 1}}
    found = roofline.select(model_path("resnet50"), "orin-agx", **asked)
    assert found.choice is None and "average power is not known" in found.reason
    answer = roofline.select(
        model_path("resnet50"), "orin-agx", rate_per_s=600.0, objective="time", bindings={"batch": 1}
    )
    assert answer.choice is not None and answer.choice.time_s <= 1 / 600
    analysis = roofline.analyze(model_path("resnet50"), "orin-agx", mode="50W", **asked)
    assert "average-power-unknown" in {f.code for f in analysis.findings}


def test_of_equals_the_one_with_most_units_is_taken() -> None:
    """Memory-bound: how many TPCs are on changes neither time nor energy in the model; all on has most to spare."""
    found = roofline.select(copy_like(), "orin-agx", grid="full+tpc", slack=0.0)
    assert found.choice is not None and found.choice.mode.knobs["tpc"] == 8
    assert any("tpc=3" in name for name in found.equals)
