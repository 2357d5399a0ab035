"""Files of other tools: every expected value is worked out by hand from the small files in tests/data/imports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roofline.devices.load import load_device
from roofline.errors import MeasurementError
from roofline.measured.formats import FORMATS, import_files
from roofline.measured.formats.common import Imported, Options
from roofline.measured.formats.kernels import tensor_factor
from roofline.measured.formats.ncu import read_kernels
from roofline.measured.names import metadata_nodes, take_apart
from roofline.measured.record import Measurement
from roofline.measured.table import parse_table, table_text

DATA = Path(__file__).parents[1] / "data" / "imports"
ORIN = load_device("orin-agx")
NET = Measurement(workload="net")


def read(form: str, *names: str, **options: Any) -> Imported:
    found = import_files(form, [DATA / name for name in names], Options(**{"template": NET, **options}))
    parse_table(table_text(found.rows), "written")
    return found


def codes(found: Imported) -> set[str]:
    return {finding.code for finding in found.findings}


def times_ms(found: Imported) -> dict[str, float]:
    return {row.layer: round((row.time_s or 0) * 1e3, 9) for row in found.rows}


def changed(tmp_path: Path, name: str, *pairs: tuple[str, str]) -> Path:
    text = (DATA / name).read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    (tmp_path / name).write_text(text)
    return tmp_path / name


def refused(form: str, *paths: Path, **options: Any) -> str:
    with pytest.raises(MeasurementError) as caught:
        import_files(form, paths, Options(**{"template": NET, **options}))
    return str(caught.value)


# ONNX Runtime: runs of 900+50+40+20, 100+20+30+20, 300+20+50+20 and 200+30+40+20 us, the first one warm-up


def test_ort_takes_the_median_of_the_runs_after_the_first() -> None:
    found = read("ort", "ort_profile.json")
    assert times_ms(found) == {"": 0.29, "relu1_out_nchwc": 0.2, "ReorderOutput": 0.01, "GlobalAveragePool_4": 0.02,
                               "fc": 0.04}  # fmt: skip
    whole, conv = found.rows[:2]
    assert (whole.n, whole.time_kind, whole.runtime) == (3, "host", "ort-cpu")
    assert (conv.op_type, conv.input_shape) == ("Conv", "1x3x8x8")
    assert conv.time_p99_s == pytest.approx(298e-6)  # 0.98 of the way from 200 to 300 us
    assert codes(found) == {"layers-too-short"}  # flat: 0 us


def test_ort_can_keep_the_first_run_and_leave_out_more() -> None:
    assert times_ms(read("ort", "ort_profile.json", warmup=0))[""] == pytest.approx((290 + 390) / 2 * 1e-3)
    assert times_ms(read("ort", "ort_profile.json", warmup=3))["fc"] == 0.04
    assert "4 warm-up runs of 4" in refused("ort", DATA / "ort_profile.json", warmup=4)


def test_ort_layers_or_whole() -> None:
    assert all(row.layer for row in read("ort", "ort_profile.json", whole=False).rows)
    assert [row.layer for row in read("ort", "ort_profile.json", layers=False).rows] == [""]


def event(name: str, op: str, ts: int, dur: int, **args: str) -> dict[str, Any]:
    return {"cat": "Node", "pid": 1, "tid": 9, "ts": ts, "dur": dur, "ph": "X", "name": f"{name}_kernel_time",
            "args": {"op_name": op, "provider": "CPUExecutionProvider", "node_index": "1", **args}}  # fmt: skip


def run(ts: int, dur: int) -> dict[str, Any]:
    return {"cat": "Session", "pid": 1, "tid": 9, "ts": ts, "dur": dur, "ph": "X", "name": "model_run", "args": {}}


def test_ort_a_loops_time_holds_its_bodys(tmp_path: Path) -> None:
    events = [
        event("body", "MatMul", 12, 30),
        event("body", "MatMul", 45, 30),
        event("loop", "Loop", 10, 80),
        run(5, 100),
    ]
    (tmp_path / "p.json").write_text(json.dumps(events))
    found = import_files("ort", [tmp_path / "p.json"], Options(NET))
    assert times_ms(found) == {"": 0.1, "loop": 0.08}
    assert codes(found) == {"only-warm-up"}


def test_ort_says_when_a_gpu_only_launches(tmp_path: Path) -> None:
    events = [event("a", "Conv", 10, 5, provider="CUDAExecutionProvider"), event("b", "Shape", 20, 5), run(5, 50)]
    (tmp_path / "p.json").write_text(json.dumps(events))
    found = import_files("ort", [tmp_path / "p.json"], Options(NET))
    assert {"launch-times", "several-providers"} <= codes(found) and found.rows[0].runtime == "ort-cuda"


def test_ort_files_that_are_wrong(tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text((DATA / "ort_profile.json").read_text().rstrip().removesuffix("]"))
    assert "ends too early" in refused("ort", cut)
    negative = changed(tmp_path, "ort_profile.json", ('"dur": 900', '"dur": -900'))
    assert "event" in refused("ort", negative) and "negative" in refused("ort", negative)
    for text, word in (("{}", "no list"), ("[]", "no run"), ("x", "no valid JSON")):
        (tmp_path / "x.json").write_text(text)
        assert word in refused("ort", tmp_path / "x.json")
    (tmp_path / "o.json").write_text(json.dumps([run(0, 50), run(20, 50)]))
    assert "runs overlap" in refused("ort", tmp_path / "o.json")


# trtexec: three runs of 2, 3 and 10 ms on the GPU, 0.75 ms of copies


def test_trtexec_takes_compute_not_copies() -> None:
    found = read("trtexec", "trt_times.json")
    (row,) = found.rows
    assert (row.time_s, row.n, row.time_kind, row.runtime) == (0.003, 3, "gpu_compute", "tensorrt")
    assert "0.75 ms more" in row.notes


def test_trtexec_layers_with_their_nodes() -> None:
    found = read("trtexec", "trt_profile.json", "trt_layers.json", "trt_times.json")
    assert times_ms(found) == {
        "": 3, "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1": 0.1, "conv1 + relu1": 0.4,
        "PWN(PWN(sig), mul)": 0.1, "{ForeignNode[pool...fc]}": 0.3,
    }  # fmt: skip
    conv, region = found.rows[2], found.rows[4]
    assert (conv.op_type, conv.nodes, conv.n) == ("CaskConvolution", ("conv1", "relu1"), 200)
    assert region.nodes == ("pool", "flat", "fc")
    assert codes(found) == {"layers-without-time"}


def test_trtexec_brief_layer_info_says_what_to_run_again() -> None:
    found = read("trtexec", "trt_profile.json", "trt_layers_brief.json")
    (brief,) = [f for f in found.findings if f.code == "brief-layer-info"]
    assert "--profilingVerbosity=detailed" in brief.hint
    assert all(row.nodes == () for row in found.rows) and "no-whole-run" in codes(found)


def test_trtexec_with_the_power_of_the_same_time(tmp_path: Path) -> None:
    """A log of tegrastats adds power and clocks; times and layers are as without it."""
    log = changed(tmp_path, "tegrastats_agx.log")
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[1:3]) + "\n")  # 4+1+3 and 6+1+5 W, the GPU at 611 MHz, which is its 612
    found = import_files("trtexec", [DATA / "trt_times.json", DATA / "trt_profile.json", log],
                         Options(template=NET, device=ORIN))  # fmt: skip
    whole, *layers = found.rows
    assert (whole.time_s, whole.power_w, whole.power_boundary) == (0.003, 10, "module")
    assert (whole.gpu_freq_hz, whole.mem_freq_hz, whole.cpu_freq_hz) == (612e6, 3199e6, 1728e6)
    assert len(layers) == 4 and {(row.power_w, row.gpu_freq_hz, row.n) for row in layers} == {(None, 612e6, 200)}
    assert "no-window" not in codes(found) and "iterations-unknown" not in codes(found)
    idle = import_files("trtexec", [DATA / "trt_times.json", DATA / "tegrastats_agx.log"],
                        Options(template=NET, device=ORIN))  # fmt: skip
    assert "no-window" in codes(idle)  # its first line is of an idle GPU
    assert "a second file of power" in refused("trtexec", DATA / "trt_times.json", log, log, device=ORIN)


def test_trtexec_files_that_are_wrong(tmp_path: Path) -> None:
    assert "there is no time in it" in refused("trtexec", DATA / "trt_layers.json")
    assert "a second file of profile" in refused("trtexec", DATA / "trt_profile.json", DATA / "trt_profile.json")
    assert "none of trtexec's files" in refused("trtexec", DATA / "zeus.json")
    zero = changed(tmp_path, "trt_times.json", ('"computeMs" : 3', '"computeMs" : -3'))
    assert "run 1, computeMs" in refused("trtexec", zero)
    numbered = changed(tmp_path, "trt_profile.json", *((f'"name" : "{n}"', f'"name" : "{at}"') for at, n in enumerate((
        "Reformatting CopyNode for Input Tensor 0 to conv1 + relu1", "conv1 + relu1", "PWN(PWN(sig), mul)",
        "Reformatting CopyNode for Input Tensor 0 to pool", "{ForeignNode[pool...fc]}"))))  # fmt: skip
    assert "--profilingVerbosity=detailed" in refused("trtexec", numbered)


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("conv1", ("conv1",)),
        ("conv1 + relu1", ("conv1", "relu1")),
        ("/a/Conv || /b/Conv", ("/a/Conv", "/b/Conv")),
        ("PWN(PWN(sig), mul)", ("sig", "mul")),
        ("c + PWN(PWN(PWN(s), PWN(m)), PWN(a))", ("c", "s", "m", "a")),
        ("/x/MatMul_myl109_2", ("/x/MatMul_myl109_2", "/x/MatMul")),
        ("t_nchwc", ("t_nchwc", "t")),
        ("t_bn_nchwc", ("t_bn_nchwc", "t")),
        ("fused conv1", ("fused conv1", "conv1")),
        ("mm/MatMulScaleFusion/", ("mm/MatMulScaleFusion/", "mm")),
        ("conv1 + (Unnamed Layer* 3) [Shuffle]", ("conv1",)),
    ],
)
def test_names_that_runtimes_make_up(name: str, nodes: tuple[str, ...]) -> None:
    assert take_apart(name).nodes == nodes


def test_regions_and_layers_of_the_runtime() -> None:
    assert take_apart("{ForeignNode[/a/b...c]}").region == ("/a/b", "c")
    assert take_apart("{ForeignNode[only]}").region == ("only", "only")
    for name in ("Reformatting CopyNode for Input Tensor 0 to {ForeignNode[a...b]}", "ReorderOutput_token_7",
                 "ReorderInput", "MemcpyFromHost_3"):  # fmt: skip
        assert take_apart(name).is_own, name
    assert not take_apart("Reorder").is_own
    assert metadata_nodes("[ONNX Layer: a]\x1e[ONNX Layer: b[0]]\x1f[ONNX Layer: a]") == ("a", "b[0]")
    assert metadata_nodes("[ONNX Layer: a][ONNX Layer: b]") == ("a", "b") and metadata_nodes("") == ()


# Nsight Compute


def test_ncu_flop_and_bytes_by_hand() -> None:
    gemm, relu, *_ = read_kernels(str(DATA / "ncu_raw.csv"))
    assert (gemm.time_s, gemm.dram_bytes, gemm.l2_bytes, gemm.l1_bytes) == pytest.approx((20e-6, 2e6, 3e6, 4e6))
    assert gemm.flop["tensor"] == 1000 * 4096 and gemm.flop["fp16"] is None
    # (10 add + 2 mul + 2 x 5 fma) per cycle x 1e9 cycles/s x 10 us
    assert relu.flop["fp32"] == pytest.approx(22 * 1e9 * 10e-6)


@pytest.mark.parametrize(
    ("name", "factor"),
    [("sm80_xmma_gemm_tensor16x8x16", 4096), ("ampere_s1688gemm", 2048), ("imma_tensor16x8x32", 8192),
     ("volta_h884cudnn", 1024), ("gemm", 2048)],
)  # fmt: skip
def test_ncu_flop_of_a_matrix_instruction(name: str, factor: int) -> None:
    assert tensor_factor(name) == factor


def test_ncu_launches_of_two_runs_are_one_row_each() -> None:
    found = read("ncu", "ncu_raw.csv", iterations=2)
    assert times_ms(found) == {"ampere_s16816gemm_fp16": 0.025, "relu(float*)": 0.011}
    assert [row.n for row in found.rows] == [2, 2] and codes(found) == {"replayed-kernels"}
    assert "tensor_flop=4096000" in found.rows[0].notes
    assert times_ms(read("ncu", "ncu_raw.csv", iterations=2, layers=False)) == {"": 0.036}  # 30 and 42 us
    assert len(read("ncu", "ncu_raw.csv").rows) == 4


def test_ncu_one_metric_per_row_and_no_dram_counter() -> None:
    found = read("ncu", "ncu_details.csv")
    assert times_ms(found) == {"copy(float*)": 0.0015}
    assert "dram-bytes-unknown" in codes(found) and "dram" not in found.rows[0].notes


def test_ncu_files_that_are_wrong(tmp_path: Path) -> None:
    assert "4 launches are not 3 runs" in refused("ncu", DATA / "ncu_raw.csv", iterations=3)
    assert "the runs differ" in refused("ncu", DATA / "ncu_raw.csv", iterations=4)
    assert "no header with ID, Kernel Name" in refused("ncu", DATA / "nsys_old.csv")
    assert "no unit of time" in refused("ncu", changed(tmp_path, "ncu_raw.csv", ('"us"', '"bogus"')))
    assert "unit of the time is missing" in refused("ncu", changed(tmp_path, "ncu_raw.csv", ('"us"', '""')))
    assert "launch 0" in refused("ncu", changed(tmp_path, "ncu_raw.csv", ('"20.00"', '"0"')))


# Nsight Systems


def test_nsys_per_run_and_per_launch() -> None:
    found = read("nsys", "nsys_kern_sum.csv", iterations=10)
    assert times_ms(found) == {"": 0.4, "void conv<float, 4>(float *, int)": 0.3, "relu_kernel": 0.1}
    assert found.rows[1].notes == "2 launches in each run"
    alone = read("nsys", "nsys_kern_sum.csv")
    assert times_ms(alone) == {"void conv<float, 4>(float *, int)": 0.14, "relu_kernel": 0.09}  # medians
    assert codes(alone) == {"iterations-unknown"}
    assert times_ms(read("nsys", "nsys_old.csv")) == {"relu_kernel": 0.0002}


def test_nsys_other_unit_and_grid(tmp_path: Path) -> None:
    path = changed(
        tmp_path, "nsys_old.csv",
        ("Time(%),Total Time (ns),Instances,Average,Minimum,Maximum,Name",
         "Time (%),Total Time (us),Instances,Avg (us),GridXYZ,BlockXYZ,Name"),
        ("100.0,600,3,200.0,100,300,relu_kernel", '100.0,600,3,200.0," 8 1 1"," 256 1 1",relu_kernel'),
    )  # fmt: skip
    assert times_ms(import_files("nsys", [path], Options(NET))) == {"relu_kernel [grid 8x1x1]": 0.2}


def test_nsys_files_that_are_wrong(tmp_path: Path) -> None:
    negative = changed(tmp_path, "nsys_kern_sum.csv", ("3000000,20", "-3000000,20"))
    assert "row 5" in refused("nsys", negative)
    assert "no unit of time" in refused("nsys", changed(tmp_path, "nsys_kern_sum.csv", ("(ns)", "(MB)")))
    assert "--iterations N" in refused("nsys", DATA / "nsys_kern_sum.csv", layers=False)


# power logs: in seconds 1 and 2 the three rails are 4+1+3 and 6+1+5 W


def test_tegrastats_adds_the_rails_that_the_device_file_names() -> None:
    found = read("tegrastats", "tegrastats_agx.log", device=ORIN, window=("1", "3"), iterations=100)
    (row,) = found.rows
    assert (row.power_w, row.time_s, row.n) == (10, 0.02, 100) and row.energy_j == pytest.approx(0.2)
    assert (row.power_boundary, row.time_kind) == ("module", "host")
    assert (row.gpu_freq_hz, row.mem_freq_hz, row.cpu_freq_hz, row.cpu_cores) == (612e6, 3199e6, 1728e6, 2)
    assert found.findings == ()


def test_tegrastats_window_by_the_clock() -> None:
    window = "11:19:01", "11:19:03"
    (row,) = read("tegrastats", "tegrastats_agx.log", device=ORIN, window=window).rows
    assert row.power_w == 10 and row.energy_j is None and row.time_s is None


def test_tegrastats_without_a_device_file_takes_the_modules_own_rail() -> None:
    found = read("tegrastats", "tegrastats_nano.log", interval_s=0.5)
    (row,) = found.rows
    assert row.power_w == 6 and row.cpu_cores == 6 and row.gpu_freq_hz is None
    assert codes(found) == {"memory-clock-unknown", "clock-rounded", "no-window", "iterations-unknown"}


def test_tegrastats_what_cannot_be_known_is_refused(tmp_path: Path) -> None:
    agx, xavier = DATA / "tegrastats_agx.log", DATA / "tegrastats_xavier.log"
    assert "a plain sum is wrong" in refused("tegrastats", agx)
    assert "CPU, CV, GPU, SOC, SYS5V, VDDRQ" in refused("tegrastats", xavier, interval_s=1)
    assert "no rail VDD_GPU_SOC" in refused("tegrastats", DATA / "tegrastats_nano.log", device=ORIN, interval_s=1)
    assert "--interval" in refused("tegrastats", DATA / "tegrastats_nano.log")
    assert "not in the log" in refused("tegrastats", agx, device=ORIN, window=("2", "9"))
    assert "ends at 1 s and starts at 3 s" in refused("tegrastats", agx, device=ORIN, window=("3", "1"))
    assert "is no time" in refused("tegrastats", agx, device=ORIN, window=("soon", "later"))
    back = changed(tmp_path, "tegrastats_agx.log", ("11:19:02", "11:18:02"))
    assert "row 3: the time goes back" in refused("tegrastats", back, device=ORIN)
    (tmp_path / "e.log").write_text("hello\n")
    assert "no line of tegrastats" in refused("tegrastats", tmp_path / "e.log")


def test_tegrastats_a_clock_that_moves_is_left_open(tmp_path: Path) -> None:
    path = changed(tmp_path, "tegrastats_agx.log", ("55%@[611,611]", "55%@[408,408]"))
    found = import_files("tegrastats", [path], Options(NET, device=ORIN, window=("1", "3")))
    assert found.rows[0].gpu_freq_hz is None and found.rows[0].clocks == "stock"
    assert "clock-moved" in codes(found)


def test_jtop_adds_rails_and_knows_mode_and_clocks() -> None:
    (row,) = read("jtop", "jtop.csv", device=ORIN, iterations=4).rows
    assert (row.power_w, row.time_s, row.energy_j) == (10, 0.5, 5)
    assert (row.power_mode, row.clocks) == ("MODE_30W", "locked")
    plain = read("jtop", "jtop.csv")
    assert plain.rows[0].power_w == pytest.approx(10.8) and "jtop-total" in codes(plain)


def test_jtop_files_that_are_wrong(tmp_path: Path) -> None:
    stock = Options(NET._replace(clocks="stock"))
    with pytest.raises(MeasurementError, match="clocks were locked"):
        import_files("jtop", [DATA / "jtop.csv"], stock)
    both = changed(
        tmp_path, "jtop.csv", ('01.500000,"1 day, 2:03:05",ON,MODE_30W', '01.500000,"1 day, 2:03:05",ON,MAXN')
    )
    assert "MAXN, MODE_30W" in refused("jtop", both)
    assert "column time" in refused("jtop", changed(tmp_path, "jtop.csv", ("2026-08-24 11:19:00.500000", "noon")))
    assert "no power" in refused("jtop", changed(tmp_path, "jtop.csv", ("Power TOT", "Total")))


def test_zeus_windows_of_one_name_are_one_row() -> None:
    found = read("zeus", "zeus.csv", iterations=10)
    infer, short = found.rows
    # 2 s with 400 J and 4 s with 800 J, 10 runs each
    assert (infer.time_s, infer.energy_j, infer.power_w, infer.n) == (0.3, 60, 200, 20)
    assert infer.power_boundary == "board"
    assert short.time_s == 0.001 and short.energy_j is None and codes(found) == {"energy-counter-still"}
    named = import_files("zeus", [DATA / "zeus.csv"], Options())
    assert [row.workload for row in named.rows] == ["infer", "short"]


def test_zeus_json_of_a_cpu_and_files_that_are_wrong(tmp_path: Path) -> None:
    (row,) = read("zeus", "zeus.json").rows
    assert (row.energy_j, row.power_w, row.power_boundary) == (80, 40, "package")
    assert "row 2" in refused("zeus", changed(tmp_path, "zeus.csv", (",2.0,300", ",-2.0,300")))
    assert "negative" in refused("zeus", changed(tmp_path, "zeus.csv", ("300.0,100", "-300.0,100")))
    (tmp_path / "z.json").write_text('[{"x": 1}]')
    assert "measurement 0" in refused("zeus", tmp_path / "z.json")


def test_mlperf_scenarios() -> None:
    found = read("mlperf", "mlperf_single.txt")
    (row,) = found.rows
    assert (row.time_s, row.time_p50_s, row.time_p99_s, row.batch_size, row.n) == (0.002, 0.00195, 0.003, 1, 2048)
    assert row.time_kind == "request" and codes(found) == {"mlperf-invalid"}
    assert read("mlperf", "mlperf_multi.txt").rows[0].batch_size == 8
    offline = read("mlperf", "mlperf_offline.txt", template=NET._replace(batch_size=4)).rows[0]
    assert offline.time_s == 0.01  # 4 samples at 400 samples/s
    assert "--batch B" in refused("mlperf", DATA / "mlperf_offline.txt")
    assert "--batch 8" in refused("mlperf", DATA / "mlperf_multi.txt", template=NET._replace(batch_size=4))


def test_mlperf_files_that_are_wrong(tmp_path: Path) -> None:
    assert "queue" in refused("mlperf", changed(tmp_path, "mlperf_single.txt", ("SingleStream", "Server")))
    accuracy = changed(tmp_path, "mlperf_single.txt", ("PerformanceOnly", "AccuracyOnly"))
    assert "AccuracyOnly" in refused("mlperf", accuracy)
    assert "no Scenario" in refused("mlperf", DATA / "zeus.csv")


def test_any_csv_with_its_columns_mapped(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("model,t: us,clock,batch_size\nnet_a,1500,816,4\nnet_b,2500,816,4\n")
    columns = {"workload": "model", "latency_ms": "t: us:us", "gpu_freq_hz": "clock:MHz"}
    found = import_files("csv", [path], Options(Measurement("", device="orin-agx"), columns=columns))
    assert [(r.workload, r.time_s, r.gpu_freq_hz, r.batch_size, r.device) for r in found.rows] == [
        ("net_a", 0.0015, 816e6, 4, "orin-agx"),
        ("net_b", 0.0025, 816e6, 4, "orin-agx"),
    ]
    bad = {**columns, "gpu_freq_hz": "clock:ms"}
    with pytest.raises(MeasurementError, match="row 2, column clock"):
        import_files("csv", [path], Options(columns=bad))
    with pytest.raises(MeasurementError, match="no column 'latency'"):
        import_files("csv", [path], Options(columns={"latency": "t"}))


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in ("zeus", "csv")])
def test_without_a_workload_the_hint_names_the_option(form: str) -> None:
    names = {"ort": "ort_profile.json", "trtexec": "trt_times.json", "ncu": "ncu_raw.csv", "nsys": "nsys_kern_sum.csv",
             "tegrastats": "tegrastats_agx.log", "jtop": "jtop.csv", "mlperf": "mlperf_single.txt"}  # fmt: skip
    with pytest.raises(MeasurementError, match="--workload NAME"):
        import_files(form, [DATA / names[form]], Options(device=ORIN))


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "csv"])
def test_a_file_of_another_tool_is_refused_in_one_line(form: str, tmp_path: Path) -> None:
    for name in ("README.md", "no-such-file"):
        assert "\n" not in refused(form, DATA / name, device=ORIN)
    (tmp_path / "empty").write_text("")
    assert refused(form, tmp_path / "empty", device=ORIN)
