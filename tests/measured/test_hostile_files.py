"""Files made to take long, to overflow, or to be read as numbers that they are not.

The long ones take minutes where reading them is not in proportion to their length, and well under a second where it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import model_path

from roofline.analysis import analyze
from roofline.devices.load import load_device
from roofline.errors import MeasurementError
from roofline.measured.against import against_device
from roofline.measured.formats import import_files
from roofline.measured.formats.common import Imported, Options, count, number
from roofline.measured.join import join_layers
from roofline.measured.names import metadata_nodes, take_apart
from roofline.measured.record import Measurement
from roofline.measured.suits import runtime_named
from roofline.measured.table import check_header, parse_table, table_text

NET = Measurement(workload="net")
DIGITS = "1" * 5000
"""Python reads no whole number as long."""
SINGLE = "Scenario : SingleStream\nMode : PerformanceOnly\n"


def read(form: str, tmp_path: Path, text: str, **options: Any) -> Imported:
    path = tmp_path / ("file.json" if text[:1] in "[{" else "file.txt")
    path.write_text(text)
    return import_files(form, [path], Options(**{"template": NET, **options}))


# long ones


def test_mlperf_lines_of_blanks(tmp_path: Path) -> None:
    text = f"{SINGLE}{' ' * 30000}\nMean latency (ns) : 5000000 \n a{' ' * 30000}b\nA : b : c\n: d\n"
    assert read("mlperf", tmp_path, text).rows[0].time_s == 0.005


def test_tensorrt_metadata_that_never_closes() -> None:
    assert metadata_nodes("[ONNX Layer: " * 30000) == ()
    listed = "[ONNX Layer: a]\x1e[ONNX Layer: b[0]]\x1f[ONNX Layer: c][ONNX Layer: a]"
    assert metadata_nodes(listed) == ("a", "b[0]", "c")


def test_tegrastats_brackets_that_never_close(tmp_path: Path) -> None:
    text = f"RAM 1/2MB {'CPU [' * 100_000} CPU [7%@1728] VDD_IN 5000mW/5000mW\n"
    (row,) = read("tegrastats", tmp_path, text, interval_s=1.0).rows
    assert (row.power_w, row.cpu_cores) == (5.0, 1)


def test_zeus_windows_that_all_differ(tmp_path: Path) -> None:
    head = "start_time,window_name,elapsed_time,gpu0_energy\n"
    text = head + "".join(f"1,w{at // 2},{1 + at % 2},10\n" for at in range(10_000))
    rows = read("zeus", tmp_path, text).rows
    assert len(rows) == 5000 and {(row.time_s, row.n, row.energy_j, row.power_w) for row in rows} == {(1.5, 2, 10, 7.5)}


def test_names_that_nearly_end_as_onnxruntime_ends_them() -> None:
    name = f"/{'Fusion' * 20_000}-"
    assert take_apart(name).nodes == (name,)
    assert take_apart("a/MatMulAddFusion/").nodes == ("a/MatMulAddFusion/", "a")
    assert take_apart("a_quant/GeluFusion").nodes == ("a_quant/GeluFusion", "a_quant", "a")


def test_a_header_of_very_many_columns() -> None:
    findings = check_header(["workload", "latency_ms", *(f"c{at}" for at in range(50_000))], "m.csv")
    assert len(findings) == 50_000
    with pytest.raises(MeasurementError, match="'c7' is there twice"):
        check_header(["workload", "latency_ms", *(f"c{at % 49_999 + 7}" for at in range(50_000))], "m.csv")


@pytest.mark.parametrize("end", ["x", ".x", "1.1.1"])
def test_digits_that_are_no_number_in_the_end(end: str) -> None:
    text = "1" * 100_000 + end
    with pytest.raises(MeasurementError, match="is no number"):
        number(text, "x")
    with pytest.raises(MeasurementError, match=r"row 2, column latency_ms: .* is no number"):
        parse_table(f"workload,latency_ms\nnet,{text}\n", "m.csv")


def test_words_of_a_runtime_and_of_a_mode_over_and_over() -> None:
    assert runtime_named("ort" * 40_000) == "" and runtime_named("ort" * 40_000 + " cuda") == "ort-cuda"
    assert (
        runtime_named("cuda, then onnx runtime on the CPU") == "ort-cpu" and runtime_named("ORT GPU, CPU") == "ort-cuda"
    )
    orin = load_device("orin-agx")
    ((placed,), _) = against_device([NET._replace(power_mode="MAXN + jetson_clocks")], orin)
    assert placed.mode is not None and placed.mode.name == "MAXN"
    with pytest.raises(MeasurementError, match="column power_mode"):
        against_device([NET._replace(power_mode=f"MAXN{' ' * 100_000}+ more")], orin)


def test_very_many_rows_of_one_layer_and_of_none() -> None:
    analysis = analyze(model_path("resnet18"))
    convs = [count.node.label for count in analysis.counts if count.node.op_type == "Conv"]
    base = NET._replace(runtime="ort-cpu", time_s=1.0)
    rows = [base._replace(layer=convs[1])]
    for at in range(20_000):
        rows += [base._replace(layer=f"L{at}", op_type="Conv", time_s=1e-9), base._replace(layer=convs[3])]
    joined = join_layers(rows, analysis)
    by_order = [block.rows[0].layer for block in joined.blocks if block.how == "order"]
    assert by_order == [f"L{at}" for at in range(len(convs) - 3)]  # one between those named, then all after the second
    assert max(len(block.rows) for block in joined.blocks) == 20_000 and len(joined.blocks) == len(convs) - 1


def test_very_many_loops(tmp_path: Path) -> None:
    events = [{"cat": "Session", "name": "model_run", "ts": 0, "dur": 100_000}]
    for at in range(10_000):
        for name, op, ts, dur in (("l", "Loop", 0, 9), ("a", "Add", 1, 9)):
            inside = {"cat": "Node", "name": f"{name}{at}_kernel_time", "ts": 10 * at + ts, "dur": dur - ts}
            events.append({**inside, "args": {"op_name": op}})
    rows = read("ort", tmp_path, json.dumps(events)).rows
    assert {row.op_type for row in rows} == {"", "Loop"} and len(rows) == 10_001


# numbers


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        ("trtexec", f'[{{"computeMs": {DIGITS}}}]', "file.json: a number has thousands of digits"),
        ("ort", f'[{{"cat":"Session","name":"model_run","ts":{DIGITS},"dur":1}}]', "thousands of digits"),
        ("zeus", f'{{"time":{DIGITS},"gpu_energy":{{"0":1}}}}', "thousands of digits"),
        ("mlperf", f"{SINGLE}Processed at least 64 queries ({DIGITS})\n", "file.txt: Processed: '1111"),
        ("tegrastats", f"RAM 1/2MB VDD_IN {DIGITS}mW/1mW\n", "row 1, rail VDD_IN: '1111"),
        ("tegrastats", f"RAM 1/2MB VDD_IN {'1' * 400}mW/1mW\n", "row 1, rail VDD_IN: '1111"),
        ("tegrastats", f"RAM 1/2MB GR3D_FREQ 5%@{DIGITS} VDD_IN 5mW/1mW\n", "row 1, GR3D_FREQ: '1111"),
        ("tegrastats", f"RAM 1/2MB EMC_FREQ {DIGITS}%@1 VDD_IN 5mW/1mW\n", "row 1, EMC_FREQ: '1111"),
        (
            "jtop",
            "time,Power TOT\n2026-08-24 11:19:00+00:00,5\n2026-08-24 11:19:01,5\n",
            "row 3: of this time and the first one, one alone has a zone",
        ),
        ("mlperf", f"{SINGLE}Mean latency (ns) : 1e308\n", "file.txt: Mean latency (ns): '1e308' is no number"),
        ("trtexec", '[{"computeMs": 1e308}]', "file.json: run 0, computeMs: '1e+308' is no number"),
        ("trtexec", '[{"count": 1e300},{"name":"a","averageMs":1}]', "file.json: count: '1e+300' is no number"),
        ("trtexec", '[{"count": 2.5},{"name":"a","averageMs":1}]', "file.json: count: 2.5 is no count"),
        (
            "mlperf",
            "Scenario : MultiStream\nMode : PerformanceOnly\nMean latency (ns) : 5\nsamples_per_query : 0.5\n",
            "file.txt: samples_per_query: 0.5 is no count",
        ),
        ("csv", "workload,latency_ms\nnet,1e30\n", "row 2, column latency_ms: '1e30' is beyond"),
        ("csv", "workload,latency_ms\nnet,1e-31\n", "row 2, column latency_ms: '1e-31' is beyond"),
        ("csv", f"workload,latency_ms\nnet,1e{'0' * 5000}3\n", "row 2, column latency_ms"),
    ],
)
def test_numbers_that_no_run_has(form: str, text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError) as caught:
        read(form, tmp_path, text, interval_s=1.0 if form == "tegrastats" else None)
    message = str(caught.value)
    assert words in message and "\n" not in message and len(message) < 1500


def test_whatever_is_worked_out_is_held_to_the_same_limits(tmp_path: Path) -> None:
    zeus = "start_time,window_name,elapsed_time,gpu0_energy\n0,a,1e-29,1e29\n"
    with pytest.raises(MeasurementError, match=r"column power_w: .* is beyond anything"):
        table_text(read("zeus", tmp_path, zeus).rows)


@pytest.mark.parametrize(
    ("column", "text"),
    [("latency_ms", "1e307"), ("power_w", "1e307"), ("energy_j", "1e300"), ("batch_size", "1e300"),
     ("batch_size", "9" * 300), ("latency_ms", "1e-322")],
)  # fmt: skip
def test_cells_beyond_what_is_measured(column: str, text: str) -> None:
    row = {"workload": "net", "latency_ms": "1", column: text}
    with pytest.raises(MeasurementError, match=rf"^m.csv: row 2, column {column}: .* is beyond anything"):
        parse_table(f"{','.join(row)}\n{','.join(row.values())}\n", "m.csv")


@pytest.mark.parametrize("names", [f'["a",{DIGITS}]', '["a",' + "[" * 50_000, '["a",1]'])
def test_names_that_are_no_list_of_names(names: str) -> None:
    cell = names.replace('"', '""')
    with pytest.raises(MeasurementError, match=r"^m.csv: row 2, column nodes: this is no list of names"):
        parse_table(f'workload,latency_ms,nodes\nnet,1,"{cell}"\n', "m.csv")


def test_a_count() -> None:
    assert count("12", "x") == 12 and count(3.0, "x") == 3
    for value in (0, -1, 1.5, "0.5"):
        with pytest.raises(MeasurementError, match=r"^x: .* is no count"):
            count(value, "x")


def test_repeats_and_shapes_of_thousands_of_digits_are_text() -> None:
    analysis = analyze(model_path("resnet18"))
    first = next(count.node.label for count in analysis.counts if count.node.op_type == "Conv")
    base = NET._replace(runtime="ort-cpu", time_s=1.0)
    rows = [base._replace(layer=first, input_shape=DIGITS, op_type="Conv")]
    rows += [base._replace(layer=f"{first} #{repeat}", time_s=1e-6) for repeat in (DIGITS, "²")]
    assert first in [row.layer for block in join_layers(rows, analysis).blocks for row in block.rows]
