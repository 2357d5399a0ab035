"""The script of the page works out what the Python works out, in any mode."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conftest import model_path, true_bindings
from js_engine import run_js

from roofline import units
from roofline.analysis import Analysis, analyze
from roofline.calibration.record import (
    COUNTING_VERSION,
    Band,
    Calibration,
    ClassFactors,
    Coefficient,
    Key,
    PowerFit,
    TimeFit,
)
from roofline.devices.load import load_device
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.evaluate import evaluate
from roofline.model import roofline as roofs
from roofline.report.data import report_data
from roofline.report.variants import variants

SCRIPTS = ("model.js", "words.js", "table.js")
EXACT = 1e-9
RESULTS = """data.asked.map(({ way, mode }) => {
  const w = ways[way];
  const found = model.evaluate(data.device, w, mode);
  return {
    ...found, time: Array.from(found.time), energy: found.energy && Array.from(found.energy),
    roofline: Array.from(found.roofline), charged: found.charged && Array.from(found.charged),
    isMemoryBound: Array.from(found.isMemoryBound), path: Number.isFinite(found.roofs.path) ? found.roofs.path : null,
    ceilings: table.records(w, found).map((row) => row.ceiling),
  };
})"""


def triton(device: str) -> str:
    return f"{device}.triton-inference-server-tensorflow-graphdef.fp32.inception_v3_x1.request"


def without_idle_model(name: str) -> DeviceSpec:
    return load_device(name)._replace(idle_models=())


def random_mode(device: DeviceSpec, draw: random.Random) -> PowerMode:
    knobs = {name: draw.choice(knob.values) for name, knob in device.knobs.items()}
    return PowerMode("drawn", None, knobs, base=draw.choice(device.modes).name)


def as_data(device: DeviceSpec, mode: PowerMode) -> dict[str, Any]:
    base = [named.name for named in device.modes].index(mode.base)
    return {"name": mode.name, "base": base, "knobs": dict(mode.knobs)}


def page_data(analyses: Sequence[Analysis], **more: Any) -> str:
    return json.dumps({**report_data(analyses), **more})


def close(found: float | None, expected: float) -> bool:
    """Unknown (NaN) is null in JSON."""
    if not np.isfinite(expected):
        return found is None
    return found is not None and abs(found - expected) <= EXACT * abs(expected)


def same(found: Sequence[float], expected: Any) -> bool:
    return len(found) == len(expected) and all(map(close, found, expected.tolist()))


def invented(power: bool, **key: Any) -> Calibration:
    """A calibration with everything that one can have: classes, kernels, a knee, powers. Its numbers mean nothing."""

    def number(value: float) -> Coefficient:
        return Coefficient(value, "fitted")

    classes = {
        "all": ClassFactors(number(1.7), number(1.3), number(3e-6)),
        "convolution": ClassFactors(number(2.9), number(1.1), number(7e-6)),
    }
    terms = (number(4.0), number(3.0), number(9.0), number(5e-11))
    named = {"processor": "gpu", "variant": "", "runtime_version": "", "traffic": "fused", "clocks": "",
             "phase": "inference", "time_kind": "", "power_boundary": "module" if power else "",
             "counting": COUNTING_VERSION}  # fmt: skip
    return Calibration(
        name="invented", key=Key(**{**named, **key}), workload="", work=None, runs=(), sources=(), note="",
        time=TimeFit(number(1.5), number(4e-4), classes, Band(0.9, 1.2), 0.1),
        power=PowerFit(terms, 8 * 1300.5e6, Band(0.95, 1.07), 0.05) if power else None,
    )  # fmt: skip


AGX = {"device": "orin-agx", "variant": "r36", "runtime": "tensorrt"}
CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "idle model, voltage": ("resnet50", "orin-agx", {}),
    "idle table": ("mobilenet_v2", lambda: without_idle_model("orin-agx"), {"mode": "50W,gpu_freq=1020MHz"}),
    "stock clocks": ("resnet18", "orin-nano-8gb", {"clocks": "stock"}),
    "quantised": ("resnet18_qdq_int8", "orin-nano-8gb", {}),
    "recurrent": ("lstm_lm", "orin-nx-16gb", {}),
    "cpu": ("mobilenet_v2", "orin-agx", {"processor": "cpu"}),
    "no memory clock": ("resnet18", "t4", {}),
    "voltage, no energy": ("resnet18", "jetson-nano", {}),
    "pagoda": ("resnet50", "orin-agx", {"traffic": "pagoda"}),
    "predicted": ("mobilenet_v2", "orin-nano-8gb", {"precision": "tf32", "runtime": "ort-cuda"}),
    "predicted, powers": ("inception_v3", "xavier-nx", {"precision": "fp32", "calibration": triton("xavier-nx")}),
    "predicted, powers, voltage": (
        "inception_v3",
        "jetson-nano",
        {"precision": "fp32", "calibration": triton("jetson-nano")},
    ),
    "classes and kernels": (
        "resnet18",
        "orin-agx",
        {"precision": "fp16", "runtime": "tensorrt", "calibration": invented(False, **AGX, precision="fp16")},
    ),
    "classes and powers": (
        "bert_base",
        "orin-agx",
        {"precision": "fp16", "runtime": "tensorrt", "calibration": invented(True, **AGX, precision="fp16")},
    ),
    "training": ("resnet18", "orin-agx", {"phase": "training", "optimizer": "sgd"}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hundred_modes_come_out_as_in_python(case: str) -> None:
    model, device, options = CASES[case]
    spec = device() if callable(device) else load_device(device)
    first = analyze(model_path(model), spec, bindings=true_bindings(model), **options)
    carried = {name: options[name] for name in ("optimizer", "precision", "calibration") if name in options}
    analyses = [first, *variants(first, **carried)]
    draw = random.Random(case)
    modes = [random_mode(spec, draw) for _ in range(100)]
    asked = [
        {"way": draw.randrange(len(analyses)) if i % 2 else 0, "mode": as_data(spec, mode)}
        for i, mode in enumerate(modes)
    ]
    data = page_data(analyses, asked=asked)
    answers = run_js(SCRIPTS, f"(() => {{ const ways = model.unpack(data); return {RESULTS}; }})()", data)
    assert len(answers) == 100
    assert (first.calibration is not None) == case.startswith(("predicted", "classes"))
    for ask, mode, answer in zip(asked, modes, answers, strict=True):
        _compare(analyses[ask["way"]], mode, answer)


def _compare(analysis: Analysis, mode: PowerMode, answer: dict[str, Any]) -> None:
    assert analysis.evaluation is not None
    task = analysis.evaluation.task
    expected = evaluate(task, [mode])
    charged = task.workload.moved_byte + task.workload.flop.sum(axis=0)
    parts = task.energy_workload.moved_byte + task.energy_workload.flop.sum(axis=0)
    layers = np.arange(len(parts)) if task.energy_layers is None else task.energy_layers
    charged = charged + np.bincount(layers, parts, minlength=len(charged))
    statuses = [layer["status"] for layer in analysis.layers]
    kept = [i for i, status in enumerate(statuses) if status != "free" or charged[i] > 0]
    assert same(answer["time"], expected.shown_layer_s[0, kept])
    assert same(answer["roofline"], expected.layer_time_s[0, kept])
    assert close(answer["roofline_s"], float(expected.roofline_time_s[0]))
    assert answer["isMemoryBound"] == expected.is_memory_bound[0, kept].astype(int).tolist()
    assert close(answer["total_s"], float(expected.time_s[0]))
    assert close(answer["bound_s"], float(expected.bound_time_s[0]))
    assert close(answer["energy_j"], float(expected.energy_j[0]))
    assert close(answer["energyTime_s"], float(expected.energy_time_s[0]))
    assert close(answer["power_w"], float(expected.power_w[0]))
    assert answer["limitedBy"] == expected.limited_by(0)
    assert same(answer["roofs"]["peak"], expected.table.peak_flop_per_s[0])
    assert close(answer["roofs"]["bandwidth"], float(expected.table.bandwidth_byte_per_s[0]))
    assert close(answer["path"], float(expected.table.path_byte_per_s[0]))
    assert answer["isPowerLimited"] == bool(task.is_power_limited(expected.power_w)[0])
    for key, energies in (("energy", expected.shown_layer_j), ("charged", expected.layer_energy_j)):
        if energies is None:
            assert answer[key] is None
        else:
            assert same(answer[key], energies[0, kept])
    if expected.prediction is not None:
        low, high = expected.prediction.factors.time_band
        assert close(answer["low_s"], low * float(expected.time_s[0]))
        assert close(answer["high_s"], high * float(expected.time_s[0]))
    for place, layer in enumerate(kept):
        pipe, precision = expected.table.ceilings[int(expected.ceiling[0, layer])]
        if answer["ceilings"][place] is None:
            assert statuses[layer] != "counted" or expected.layer_time_s[0, layer] == 0
        elif not expected.is_memory_bound[0, layer]:
            assert answer["ceilings"][place] == f"{precision} {pipe}"
        else:
            is_path = expected.table.path_byte_per_s[0] < expected.table.dram_byte_per_s[0]
            assert answer["ceilings"][place] == ("memory path" if is_path else "DRAM")


def test_drawn_modes_meet_both_limits_and_both_bandwidths() -> None:
    """Else the comparison above would say less than it seems to."""
    spec, draw = load_device("orin-agx"), random.Random("idle model, voltage")
    analysis = analyze(model_path("resnet50"), spec, bindings={"batch": 1})
    assert analysis.evaluation is not None
    modes = [random_mode(spec, draw) for _ in range(100)]
    found = evaluate(analysis.evaluation.task, modes)
    paths = found.table.path_byte_per_s < found.table.dram_byte_per_s
    assert {found.limited_by(i) for i in range(100)} == {"compute", "memory"}
    assert set(paths.tolist()) == {True, False}
    assert len({mode.knobs["gpu_freq"] for mode in modes}) == 11


def test_an_invented_calibration_reaches_every_kind_of_limit() -> None:
    """Else the comparison above would say less than it seems to."""
    model, device, options = CASES["classes and kernels"]
    analysis = analyze(model_path(model), device, bindings={"batch": 1}, **options)
    ways = variants(analysis, precision="fp16", calibration=options["calibration"])
    assert {way.precision for way in ways if way.calibration is not None} == {"fp16"}
    assert {way.precision for way in ways if way.calibration is None} > {"fp32", "int8"}
    draw, spec = random.Random("classes and kernels"), load_device("orin-agx")
    assert analysis.evaluation is not None
    found = evaluate(analysis.evaluation.task, [random_mode(spec, draw) for _ in range(100)])
    assert {found.limited_by(i) for i in range(100)} == {"compute", "memory", "overhead"}


@pytest.mark.parametrize(
    ("device", "options"),
    [("orin-agx", {}), ("orin-nano-8gb", {}), ("t4", {}), ("raspberry-pi-5", {}),
     ("orin-nano-8gb", {"runtime": "ort-cuda"})],
    ids=["orin-agx", "orin-nano-8gb", "t4", "raspberry-pi-5", "predicted"],
)  # fmt: skip
def test_the_verdict_is_that_of_analyze_in_every_named_mode_and_way(device: str, options: dict[str, Any]) -> None:
    first = analyze(model_path("mobilenet_v2"), device, bindings={"batch": 1}, **options)
    assert (first.calibration is not None) == bool(options)
    analyses = [first, *variants(first)]
    expression = """(() => {
      const ways = model.unpack(data);
      return ways.map((way) => {
        const named = data.modes.map((mode) => model.evaluate(data.device, way, mode));
        return data.modes.map((mode, i) => words.verdict(data, way, mode, named[i], named));
      });
    })()"""
    found = run_js(SCRIPTS, expression, page_data(analyses))
    for analysis, lines in zip(analyses, found, strict=True):
        spec = analysis.device
        assert spec is not None
        for mode, line in zip(spec.modes, lines, strict=True):
            again = analyze(
                analysis.graph, spec, mode=mode.name, traffic=analysis.traffic, levels=analysis.levels is not None,
                precision=None if analysis.precision == first.precision else analysis.precision, **options,
            )  # fmt: skip
            assert line == again.to_dict()["verdict"]


def test_numbers_are_written_as_in_python() -> None:
    draw = random.Random(7)
    values = [draw.uniform(1, 10) * 10.0 ** draw.randrange(-13, 17) for _ in range(400)]
    values += [0.0, 1.0, 9.995, 9.985, 99.95, 999.5, 0.9995, 0.9994, 1000.0, 1125.0, 1.125, 2.5e6, 112.5, 113.5, 0.125]
    values += [k / 8 for k in range(1, 200)] + [12.25 * 2**k for k in range(40)]
    found = run_js(SCRIPTS, "data.map((value) => words.text(value, 's'))", json.dumps(values))
    assert found == [units.text(value, "s") for value in values]
    assert run_js(SCRIPTS, "[words.text(null, 's'), words.text(NaN, 's')]") == ["-", "-"]


def test_a_tie_goes_to_the_even_digit() -> None:
    assert run_js(SCRIPTS, "[1.125, 1.375, 112.5, 113.5].map((v) => words.significant(v))") == [
        "1.12", "1.38", "112", "114",
    ]  # fmt: skip


def test_custom_modes_are_named_as_mode_takes_them() -> None:
    analysis = analyze(model_path("resnet18"), "orin-agx", mode="30W,gpu_freq=1300.5MHz,tpc=8", bindings={"batch": 1})
    assert analysis.evaluation is not None
    assert (
        run_js(SCRIPTS, "words.modeName(data, data.start)", page_data([analysis])) == analysis.evaluation.modes[0].name
    )


def test_voltage_is_flat_beyond_the_curve_and_linear_within() -> None:
    expression = "[0, 1, 1.5, 2, 3, 4, 9].map((x) => model.interpolate(x, [1, 2, 4], [10, 20, 0]))"
    assert run_js(SCRIPTS, expression) == [10, 10, 15, 20, 10, 0, 0]


def test_the_energy_roof_is_that_of_the_model() -> None:
    draw = random.Random(3)
    cases = [[draw.uniform(0.1, 500), draw.uniform(1e-13, 1e-10), draw.uniform(1e-11, 1e-9), draw.uniform(1, 60),
              draw.uniform(1e10, 1e14), draw.uniform(1e9, 1e12)] for _ in range(50)]  # fmt: skip
    found = run_js(SCRIPTS, "data.map((of) => model.energyRoof(...of))", json.dumps(cases))
    assert found == pytest.approx([float(roofs.energy_roof(*case)) for case in cases], rel=EXACT)


ROWS = json.dumps([
    {"i": 0, "name": "b10", "op": "Conv", "nodes": ["b10"], "class": "convolution",
     "share": 0.5, "roofline_time_s": 5, "energy_j": None},
    {"i": 1, "name": "b9", "op": "Add", "nodes": ["b9"], "class": None,
     "share": 0.2, "roofline_time_s": 2, "energy_j": 3},
    {"i": 2, "name": "=x", "op": "Gemm +1", "nodes": ["=x", "inner/Relu"], "class": "matmul",
     "share": 0.3, "roofline_time_s": 3, "energy_j": 1},
])  # fmt: skip


def test_rows_sort_with_unknown_values_last() -> None:
    def order(key: str, is_descending: str) -> list[int]:
        found: list[int] = run_js(SCRIPTS, f"table.sorted({ROWS}, '{key}', {is_descending}).map((row) => row.i)")
        return found

    assert order("time", "true") == [0, 2, 1]
    assert order("time", "false") == [1, 2, 0]
    assert order("energy", "true") == [1, 2, 0]
    assert order("energy", "false") == [2, 1, 0]
    assert order("name", "false") == [2, 1, 0]


def test_rows_are_filtered_by_text_class_and_share_of_time() -> None:
    def kept(call: str) -> list[int]:
        found: list[int] = run_js(SCRIPTS, f"table.{call}.map((row) => row.i)")
        return found

    assert kept(f"filtered({ROWS}, 'RELU', new Set())") == [2]
    assert kept(f"filtered({ROWS}, 'gemm inner', new Set())") == [2]
    assert kept(f"filtered({ROWS}, 'gemm conv', new Set())") == []
    assert kept(f"filtered({ROWS}, '', new Set(['other', 'matmul']))") == [0]
    assert kept(f"mostOfTime({ROWS}, 0.5)") == [0]
    assert kept(f"mostOfTime({ROWS}, 0.51)") == [0, 2]
    assert kept(f"mostOfTime({ROWS}, 1)") == [0, 1, 2]


def test_csv_quotes_and_disarms_formulas() -> None:
    row = {"i": 0, "op": "x", "name": "=1+1", "nodes": ["a", "b"], "flops": -1.5, "note": 'say "hi", twice', "e": None}
    found = run_js(SCRIPTS, f"table.csv({json.dumps([row])})")
    assert found == 'name,nodes,flops,note,e\n\'=1+1,a b,-1.5,"say ""hi"", twice",\n'
