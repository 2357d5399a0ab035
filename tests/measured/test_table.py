"""The table of measured runs: what is read, what is refused and how the refusal reads."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.cli import imports
from roofline.devices.load import load_device
from roofline.errors import MeasurementError, RooflineError
from roofline.measured.against import against_device
from roofline.measured.record import BY_NAME, COLUMNS, SCHEMA, Measurement, by_run
from roofline.measured.table import parse_table, read_table, table_text, write_table
from roofline.precision import PRECISIONS

HEADER = "source,device,power_mode,cpu_freq_khz,gpu_freq_hz,emc_freq_hz,workload,batch_size,latency_ms,power_w,energy_j"
GOOD = "lab,Orin,30W,1728000,612000000,3199000000,resnet50,4,4.2,10,0.042"


def table(*rows: str, header: str = HEADER) -> Any:
    return parse_table("\n".join([header, *rows]) + "\n", "m.csv")


def test_values_are_in_si_units() -> None:
    (row,) = table(GOOD).rows
    assert (row.workload, row.batch_size, row.line) == ("resnet50", 4, 2)
    assert (row.cpu_freq_hz, row.gpu_freq_hz, row.mem_freq_hz) == (1.728e9, 6.12e8, 3.199e9)
    assert (row.time_s, row.power_w, row.energy_j) == (0.0042, 10.0, 0.042)
    assert row.n is None and row.layer == "" and row.nodes == ()


def test_files_with_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{GOOD}\r\n\r\n".encode())
    assert read_table(path).rows[0].time_s == 0.0042


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (GOOD.replace(",4.2,", ",-4.2,"), ("row 2, column latency_ms", "negative")),
        (GOOD.replace(",4.2,", ",0,"), ("row 2, column latency_ms", "zero")),
        (GOOD.replace(",4.2,", ",4.2 ms,"), ("column latency_ms", "the column's unit is ms")),
        (GOOD.replace(",4.2,", ',"4,2",'), ("column latency_ms", "decimal point")),
        (GOOD.replace(",4.2,", ",fast,"), ("column latency_ms", "'fast' is no number")),
        (GOOD.replace(",4.2,", ",1e999,"), ("column latency_ms", "beyond anything that is measured")),
        (GOOD.replace("612000000", "612.5"), ("column gpu_freq_hz", "looks like MHz", "612500000")),
        (GOOD.replace("612000000", "612000"), ("column gpu_freq_hz", "looks like kHz", "612000000")),
        (GOOD.replace("1728000", "1728000000000"), ("column cpu_freq_khz", "no clock")),
        (GOOD.replace("1728000", "1728"), ("column cpu_freq_khz", "looks like MHz", "1728000")),
        (GOOD.replace("1728000,612000000", "1728000000,612000"), ("cpu_freq_khz and gpu_freq_hz", "swapped")),
        (GOOD.replace(",4,", ",4.5,"), ("column batch_size", "no count")),
        (GOOD.replace("resnet50", ""), ("column workload", "empty")),
        (GOOD.replace("0.042", "42"), ("column energy_j", "looks like mJ")),
        (GOOD + ",7", ("row 2", "12 cells", "expected 11")),
    ],
)
def test_what_is_wrong_is_said_with_row_and_column(row: str, words: tuple[str, ...]) -> None:
    with pytest.raises(MeasurementError) as caught:
        table(row)
    message = str(caught.value)
    assert all(word in message for word in ("m.csv", *words)), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("column", "theirs", "unit"),
    [
        ("latency_ms", "latency_s", "ms"),
        ("latency_ms", "time_us", "ms"),
        ("gpu_freq_hz", "gpu_freq_mhz", "Hz"),
        ("gpu_freq_hz", "GPU_Freq_MHz", "Hz"),
        ("emc_freq_hz", "mem_freq_mhz", "Hz"),
        ("cpu_freq_khz", "cpu_freq_hz", "kHz"),
        ("power_w", "power_mw", "W"),
        ("energy_j", "energy_mj", "J"),
    ],
)
def test_a_column_in_another_unit_is_refused_with_the_right_one(column: str, theirs: str, unit: str) -> None:
    with pytest.raises(MeasurementError, match=f"no column '{theirs}'; expected {column}, in {unit}"):
        table(GOOD, header=HEADER.replace(column, theirs))


def test_missing_and_repeated_columns() -> None:
    with pytest.raises(MeasurementError, match="the column workload is missing"):
        parse_table("device,latency_ms\nx,1\n", "m.csv")
    with pytest.raises(MeasurementError, match="latency_ms or power_w or energy_j is missing"):
        parse_table("workload,device\nx,y\n", "m.csv")
    with pytest.raises(MeasurementError, match="'workload' is there twice"):
        parse_table("workload,latency_ms,workload\nx,1,x\n", "m.csv")
    with pytest.raises(MeasurementError, match="no rows"):
        parse_table("workload,latency_ms\n", "m.csv")


def test_an_unknown_column_is_said_and_kept_out() -> None:
    found = table(GOOD + ",9", header=HEADER + ",temperature")
    assert [(f.code, f.where) for f in found.findings] == [("column-unknown", "m.csv: temperature")]
    near = parse_table("workload,latency_ms,runtme\nx,1,ort\n", "m.csv")
    assert near.findings[0].hint == "did you mean runtime?"


def test_a_row_that_is_there_twice_is_refused_and_one_with_other_notes_is_said() -> None:
    with pytest.raises(MeasurementError, match=r"m\.csv: row 4: this row is the same as row 2"):
        table(GOOD, GOOD.replace("4.2", "4.3"), GOOD)
    found = table(GOOD + ",a", GOOD + ",b", header=HEADER + ",notes")
    assert [f.code for f in found.findings] == ["rows-alike"] and len(found.rows) == 2


def test_rows_that_measure_nothing_are_left_out_and_said() -> None:
    found = table(GOOD, GOOD.replace("4.2,10,0.042", ",,"))
    assert len(found.rows) == 1 and [f.code for f in found.findings] == ["rows-empty"]
    assert "row 3" in found.findings[0].where


def test_energy_far_from_power_times_time_is_said() -> None:
    assert [f.code for f in table(GOOD.replace("0.042", "0.2")).findings] == ["energy-unlike-power"]


def test_median_and_tail_the_wrong_way_round() -> None:
    with pytest.raises(MeasurementError, match=r"latency_p50_ms and latency_p99_ms.*swapped"):
        parse_table("workload,latency_ms,latency_p50_ms,latency_p99_ms\nx,2,3,1\n", "m.csv")


def test_words_of_a_closed_list() -> None:
    with pytest.raises(MeasurementError, match=r"column clocks: 'pinned' is none.*expected locked or stock"):
        parse_table("workload,latency_ms,clocks\nx,2,pinned\n", "m.csv")


def test_a_precision_that_nobody_knows() -> None:
    with pytest.raises(
        MeasurementError, match=r"row 2, column precision: 'fp17' is none.*expected fp64 or fp32 or tf32"
    ):
        parse_table("workload,latency_ms,precision\nx,2,fp17\n", "m.csv")
    every = "".join(f"x{at},2,{name}\n" for at, name in enumerate(("", *PRECISIONS)))
    found = parse_table(f"workload,latency_ms,precision\n{every}", "m.csv").rows
    assert [row.precision for row in found] == ["", *PRECISIONS] and BY_NAME["precision"].choices == imports.PRECISIONS


def test_a_table_of_a_later_version_is_refused() -> None:
    with pytest.raises(MeasurementError, match=r"row 2, column schema.*upgrade the tool"):
        parse_table("schema,workload,latency_ms\nroofline.measurement/2,x,1\n", "m.csv")


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="no such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"\x00\xff\x80\x81")
    with pytest.raises(MeasurementError, match="not text"):
        read_table(tmp_path / "b.csv")
    (tmp_path / "q.csv").write_text('workload,latency_ms\n"x,1\n')
    with pytest.raises(MeasurementError, match="no valid CSV"):
        read_table(tmp_path / "q.csv")


SAMPLE = Measurement(
    workload="net", source="lab", device="orin-agx", power_mode="MAXN", cpu_cores=12, cpu_freq_hz=2.2016e9,
    gpu_freq_hz=1.3005e9, mem_freq_hz=3.199e9, runtime="tensorrt", precision="fp16", phase="inference", batch_size=8,
    input_shape="8x3x224x224", time_s=0.0012345, power_w=30.5, energy_j=0.0376, notes='a "quoted", note',
    layer="conv1 + relu1", op_type="CaskConvolution", nodes=("conv;1", "relu1"), sm_count=16, l4t="36.4",
    runtime_version="10.3", clocks="locked", power_boundary="module", time_kind="gpu_compute", n=100,
    time_p50_s=0.0012, time_p99_s=0.0019,
)  # fmt: skip


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_table([SAMPLE, SAMPLE._replace(layer="=x", nodes=())], tmp_path / "m.csv")
    first, second = read_table(tmp_path / "m.csv").rows
    assert first == SAMPLE._replace(line=2)
    assert second.layer == "=x"
    text = (tmp_path / "m.csv").read_text()
    assert "'=x" in text, "a spreadsheet must not run it"


def test_the_file_is_plain_csv_with_the_schema_in_every_row(tmp_path: Path) -> None:
    write_table([SAMPLE], tmp_path / "m.csv")
    (row,) = csv.DictReader((tmp_path / "m.csv").read_text().splitlines())
    assert row["schema"] == SCHEMA and set(row) == {"schema", *(column.name for column in COLUMNS)}
    assert (row["latency_ms"], row["gpu_freq_hz"], row["cpu_freq_khz"]) == ("1.2345", "1300500000", "2201600")


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("before")
    for bad in (SAMPLE._replace(time_s=-1.0), SAMPLE._replace(time_s=None, power_w=None, energy_j=None)):
        with pytest.raises(MeasurementError):
            write_table([SAMPLE, bad], path)
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(RooflineError, match="cannot write"):
        write_table([SAMPLE], tmp_path / "no" / "m.csv")


@given(st.floats(1e-9, 1e5), st.integers(10_000, 5_000_000), st.text(min_size=1, max_size=20))
def test_any_value_comes_back_as_it_was(time_s: float, clock_khz: int, name: str) -> None:
    if not name.strip() or any(c in name for c in "\r\n\0"):
        name = "x"
    row = Measurement(workload="w", layer=name.strip(), time_s=time_s, cpu_freq_hz=clock_khz * 1e3, nodes=(name,))
    (back,) = parse_table(table_text([row]), "t").rows
    assert back._replace(line=0) == row


def test_runs_are_told_apart_by_everything_but_the_layer() -> None:
    rows = [SAMPLE, SAMPLE._replace(layer="b", time_s=1.0), SAMPLE._replace(power_mode="MODE_30W")]
    assert [len(run) for run in by_run(rows).values()] == [2, 1]


ORIN = load_device("orin-agx")
RUN = Measurement(workload="net", time_s=1.0, line=7)


def test_a_row_gets_the_mode_that_it_names_with_its_own_clocks_on_top() -> None:
    rows = [
        RUN._replace(power_mode="MAXN + jetson_clocks"),
        RUN._replace(power_mode="30W", gpu_freq_hz=816e6),
        RUN._replace(gpu_freq_hz=408e6, mem_freq_hz=2133e6, cpu_cores=4, cpu_freq_hz=1113.6e6),
        RUN._replace(power_mode="30W", sm_count=6),
        RUN,
        RUN._replace(power_mode="30W,gpu_freq=816MHz,cpu_cores=2", gpu_freq_hz=816e6, cpu_cores=4),
    ]
    placed, findings = against_device(rows, ORIN)
    modes = [p.mode for p in placed]
    assert [mode.name if mode else None for mode in modes[:2]] == ["MAXN", "MODE_30W,gpu_freq=816MHz"]
    assert modes[2] is not None and modes[2].knobs["gpu_freq"] == 408e6 and modes[2].knobs["cpu_cores"] == 4
    assert modes[3] is not None and modes[3].knobs["tpc"] == 3  # two SMs in each
    assert modes[4] is None
    assert modes[5] is not None and modes[5].name == "MODE_30W,gpu_freq=816MHz,cpu_cores=4"
    assert [f.code for f in findings] == ["row-mode-unknown"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gpu_freq_hz": 1300e6}, ("column gpu_freq_hz", "1224000000 or 1300500000")),
        ({"mem_freq_hz": 9e9}, ("column emc_freq_hz", "expected 3199000000")),
        ({"cpu_freq_hz": 1.7e9}, ("column cpu_freq_khz", "1651200 or 1728000")),
        ({"cpu_cores": 13}, ("column cpu_cores", "expected 12")),
        ({"sm_count": 5}, ("column sm_count", "expected 4 or 6")),
        ({"power_mode": "40W"}, ("column power_mode", "MODE_50W")),
        ({"gpu_freq_hz": 3199e6, "mem_freq_hz": 612e6}, ("gpu_freq_hz and emc_freq_hz", "swapped")),
    ],
)
def test_what_the_device_cannot_be_set_to(fields: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(MeasurementError) as caught:
        against_device([RUN._replace(**fields)], ORIN, "m.csv")
    assert all(word in str(caught.value) for word in ("m.csv: row 7", *words)), str(caught.value)
