"""Files of other tools that are damaged, ambiguous, or at odds with what is said of them: refused with their row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roofline.devices.load import load_device
from roofline.errors import MeasurementError
from roofline.measured.formats import import_files
from roofline.measured.formats.common import Imported, Options, number
from roofline.measured.record import Measurement

DATA = Path(__file__).parents[1] / "data" / "imports"
ORIN = load_device("orin-agx")
NET = Measurement(workload="net")


def read(form: str, path: Path, **options: Any) -> Imported:
    return import_files(form, [path], Options(**{"template": NET, **options}))


def refused(form: str, path: Path, **options: Any) -> str:
    with pytest.raises(MeasurementError) as caught:
        read(form, path, **options)
    message = str(caught.value)
    assert "\n" not in message and path.name in message, message
    return message


def codes(found: Imported) -> list[str]:
    return [finding.code for finding in found.findings]


def written(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


# numbers with commas


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,234", 1234), ("-1,234,567.5", -1234567.5), ("+12,000", 12000), (" 12.5 ", 12.5), (".5", 0.5), ("2e-3", 0.002)],
)
def test_commas_stand_between_thousands(text: str, value: float) -> None:
    assert number(text, "x") == value


@pytest.mark.parametrize(
    "text", ["12,5", "1.234,5", "1,23", "1234,567", "0,125", "1,234,56", ",5", "1,234.5,6", "1_000", "", "nan", "1e999"]
)
def test_other_commas_are_no_number(text: str) -> None:
    with pytest.raises(MeasurementError, match=r"file, column t: .* is no number"):
        number(text, "file, column t")


def ncu(tmp_path: Path, *times: str) -> Path:
    rows = "".join(f'"{at}","k{at}","{time}"\n' for at, time in enumerate(times))
    return written(tmp_path, f'"ID","Kernel Name","gpu__time_duration.sum"\n"","","us"\n{rows}')


def test_ncu_a_decimal_comma_is_refused_and_thousands_are_read(tmp_path: Path) -> None:
    assert read("ncu", ncu(tmp_path, "1,234.5")).rows[0].time_s == pytest.approx(1234.5e-6)
    for text in ("12,5", "1.234,5"):
        message = refused("ncu", ncu(tmp_path, text))
        assert "row 3, column gpu__time_duration.sum" in message and "decimal point" in message


def test_what_can_be_read_in_two_ways_is_refused_beside_a_decimal_comma(tmp_path: Path) -> None:
    assert read("ncu", ncu(tmp_path, "2,250")).rows[0].time_s == pytest.approx(2250e-6)
    message = refused("ncu", ncu(tmp_path, "2,250", "12,5"))
    assert "row 3" in message and "'2,250' can be read in two ways" in message and "'12,5' in row 4" in message


def test_csv_a_decimal_comma_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, 'elapsed,tags\n"1,5",a\n')
    columns = {"latency_ms": "elapsed:ms"}
    assert "row 2, column elapsed" in refused("csv", path, columns=columns)
    assert "semicolons" in refused("csv", written(tmp_path, "elapsed;tags\n1,5;a\n"), columns=columns)
    tagged = written(tmp_path, 'elapsed,tags\n1.5,"1,5"\n')  # a text that nobody reads as a number
    assert read("csv", tagged, columns=columns).rows[0].time_s == 0.0015


# rows with too many or too few cells

NSYS = "Time (%),Total Time (ns),Instances,Avg (ns),Name\n"
JTOP = "time,nvp model,Power TOT\n"


def at(second: float, power_mw: str, mode: str = "15W") -> str:
    return f"2026-08-24 11:19:{second:09.6f},{mode},{power_mw}\n"


@pytest.mark.parametrize(
    ("form", "text", "columns"),
    [
        ("nsys", f"{NSYS}60.0,60000,1,60000,a\n40.0,40000,1,b\n", {}),
        ("jtop", JTOP + at(0, "10000") + at(1, "0,0") + at(2, "20000"), {}),
        ("zeus", "start_time,window_name,elapsed_time,gpu0_energy\n0,a,1,10\n0,a,2\n", {}),
        ("csv", "t,what\n1,a\n2\n", {"latency_ms": "t:ms"}),
        ("ncu", '"ID","Kernel Name","gpu__time_duration.sum"\n"","","us"\n"0","k"\n', {}),
    ],
)
def test_a_row_of_another_length_is_refused(form: str, text: str, columns: dict[str, str], tmp_path: Path) -> None:
    message = refused(form, written(tmp_path, text), columns=columns, iterations=1)
    width = len(text.splitlines()[0].split(","))
    assert "row 3" in message and f"cells; expected {width}, as in the header" in message


def test_an_open_quote_does_not_swallow_the_rows_below(tmp_path: Path) -> None:
    path = written(tmp_path, 't,what\n1,"a\n2,b\n3,c\n')
    message = refused("csv", path, columns={"latency_ms": "t:ms"})
    assert "row 2" in message and "no valid CSV" in message


def test_tables_and_messages_below_the_kernels_are_not_read(tmp_path: Path) -> None:
    kernels = f"Processing [a.sqlite] with [kern_sum.py]...\n\n{NSYS}60.0,60000,1,60000,a\n40.0,40000,1,40000,b\n"
    other = (
        "\nProcessing [a.sqlite] with [api_sum.py]...\n\nTime (%),Total Time (ns),Num Calls,Avg (ns),Name\n9,9,1,9,c\n"
    )
    for text in (kernels + other, kernels + other.lstrip("\n")):
        found = read("nsys", written(tmp_path, text), iterations=1)
        assert [row.layer for row in found.rows] == ["", "a", "b"] and found.rows[0].time_s == pytest.approx(0.1e-3)
    assert "row 12: a second table" in refused("nsys", written(tmp_path, f"{kernels}{other}\n{NSYS}1,1,1,1,c\n"))


def test_a_stopped_loggers_last_row_is_left_out_and_said(tmp_path: Path) -> None:
    whole = JTOP + at(0, "8000") + at(1, "12000")
    for end in ("2026-08-24 11:19:0", "2026-08-24 11:19:02.000000,15W", '2026-08-24 11:19:02.000000,"1 da'):
        found = read("jtop", written(tmp_path, whole + end))
        assert found.rows[0].power_w == 10 and codes(found)[0] == "line-cut" and "row 4" in found.findings[0].where
    assert "row 4" in refused("jtop", written(tmp_path, f"{whole}2026-08-24 11:19:02.000000,15W\n"))


@pytest.mark.parametrize("form", ["nsys", "ncu", "jtop", "zeus", "csv"])
def test_an_empty_file_is_called_empty(form: str, tmp_path: Path) -> None:
    for text in ("", "\n\n"):
        assert "the file is empty; expected" in refused(form, written(tmp_path, text))


# times of power logs


def tegrastats(*lines: tuple[str, int], rails: str = "VDD_IN {0}mW/{0}mW") -> str:
    """Return a log of (seconds of the stamp, mW)."""
    return "".join(f"08-24-2026 11:19:{second} RAM 1/2MB CPU [1%@1728] {rails.format(power)}\n"
                   for second, power in lines)  # fmt: skip


TEN_A_SECOND = tegrastats(*((f"{3 + i // 10:02d}", 1000 * (3 + i // 10)) for i in range(100)))
"""100 lines, ten in each of the seconds 3 to 12; as many watts as seconds."""


def test_whole_seconds_that_repeat_are_ten_seconds_not_nine(tmp_path: Path) -> None:
    found = read("tegrastats", written(tmp_path, TEN_A_SECOND), iterations=10)
    assert found.rows[0].time_s == pytest.approx(1.0)  # (12 - 3 + 1) s / 10
    (said,) = [f for f in found.findings if f.code == "stamps-repeat"]
    assert "100 lines are taken for 10 s" in said.message and "--interval" in said.hint


def test_the_interval_goes_before_stamps_of_whole_seconds(tmp_path: Path) -> None:
    path = written(tmp_path, TEN_A_SECOND)
    found = read("tegrastats", path, iterations=10, interval_s=0.1)
    assert found.rows[0].time_s == pytest.approx(1.0) and "stamps-repeat" not in codes(found)
    assert read("tegrastats", path, iterations=10, interval_s=0.102).rows[0].time_s == pytest.approx(1.02)
    message = refused("tegrastats", path, interval_s=1)
    assert "100 lines 1 s apart take 99 s, and by their stamps 9 s" in message


@pytest.mark.parametrize("interval_s", [None, 0.1])
@pytest.mark.parametrize("window", [("3", "10"), ("11:19:06", "11:19:13")])
def test_a_window_to_the_logs_end(window: tuple[str, str], interval_s: float | None, tmp_path: Path) -> None:
    path = written(tmp_path, TEN_A_SECOND)
    (row,) = read("tegrastats", path, iterations=7, interval_s=interval_s, window=window).rows
    assert (row.time_s, row.power_w) == (1.0, 9.0)  # the mean of 6 to 12 W
    assert "70 samples over 7 s" in row.notes
    assert "not in the log" in refused("tegrastats", path, interval_s=interval_s, window=("3", "11.5"))


def test_stamps_that_all_agree_say_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, tegrastats(("03", 1000), ("03", 3000)))
    assert "--interval" in refused("tegrastats", path)
    assert read("tegrastats", path, interval_s=0.1, iterations=1).rows[0].time_s == pytest.approx(0.2)


# lines that are cut

TWO_RAILS = "VDD_A {0}mW/{0}mW VIN_SYS_5V0 {0}mW/{0}mW"


@pytest.mark.parametrize("cut", [" 200", "VIN_SYS_5V0", "VDD_A", "CPU", "RAM", "11:19:05", "8-24"])
def test_a_cut_last_line_is_left_out_and_said(cut: str, tmp_path: Path) -> None:
    lines = tegrastats(("03", 1000), ("04", 3000), ("05", 2000), rails=f"VDD_IN {{0}}mW/{{0}}mW {TWO_RAILS}")
    text = lines[: lines.rindex(cut)]
    found = read("tegrastats", written(tmp_path, text))
    assert found.rows[0].power_w == 2 and "line-cut" in codes(found)  # the mean of 1 and 3 W
    assert "row 3" in found.findings[0].where


def test_a_broken_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    first, second, third = tegrastats(("03", 1000), ("04", 3000), ("05", 2000), rails=TWO_RAILS).splitlines()
    broken = second[: second.index("VIN_SYS_5V0")]
    message = refused("tegrastats", written(tmp_path, f"{first}\n{broken}\n{third}\n"), device=ORIN)
    assert "row 2: the line lacks VIN_SYS_5V0" in message
    message = refused("tegrastats", written(tmp_path, f"{first}\n{second.partition('CPU')[2]}\n{third}\n"))
    assert "row 2: the line lacks its date" in message
    glued = f"{first}\n{broken}{second}\n{third}\n"
    assert "row 2: two samples in one line" in refused("tegrastats", written(tmp_path, glued))
    clock = tegrastats(("03", 1000), ("04", 3000)).replace("@1728] VDD_IN 3", "@17x8] VDD_IN 3")
    assert "row 2: '17x8' is no clock" in refused("tegrastats", written(tmp_path, clock))


# logs at odds with what is said of them


@pytest.mark.parametrize("device", [None, ORIN])
def test_jtop_a_mode_that_the_log_contradicts(device: Any, tmp_path: Path) -> None:
    path = written(tmp_path, JTOP + at(0, "8000") + at(1, "12000"))
    for same in ("15W", "MODE_15W", "mode_15w,gpu_freq=408MHz"):
        assert read("jtop", path, device=device, template=NET._replace(power_mode=same)).rows[0].power_mode == same
    message = refused("jtop", path, device=device, template=NET._replace(power_mode="30W"))
    assert "column nvp model" in message and "the log says 15W, --mode 30W" in message


def test_nsys_launches_that_are_no_multiple_of_the_runs(tmp_path: Path) -> None:
    text = f"{NSYS}60.0,60000,300,200,a\n30.0,30000,14,2000,b\n10.0,10000,1,10000,init\n"
    assert "no kernel was launched a multiple of 11 times: a (300), b (14), init (1)" in refused(
        "nsys", written(tmp_path, text), iterations=11
    )
    found = read("nsys", written(tmp_path, text), iterations=7)
    (said,) = found.findings
    assert said.code == "launches-uneven" and "2 of 3 kernels" in said.message and "a (300), init (1)" in said.message
    assert codes(read("nsys", written(tmp_path, f"{NSYS}60.0,60000,300,200,a\n"), iterations=100)) == []
    assert "column Instances" in refused("nsys", written(tmp_path, f"{NSYS}60.0,60000,1.5,200,a\n"))


# rows that measure nothing


def test_csv_rows_that_measure_nothing_are_named_with_their_file(tmp_path: Path) -> None:
    columns = {"latency_ms": "t:ms", "workload": "what"}
    message = refused("csv", written(tmp_path, "t,what\n,a\n,b\n"), columns=columns)
    assert "rows 2, 3: all of its 2 rows leave latency_ms, power_w, energy_j empty" in message
    assert "no rows below the header" in refused("csv", written(tmp_path, "t,what\n"), columns=columns)
    found = read("csv", written(tmp_path, "t,what\n,a\n2,b\n"), columns=columns)
    assert [row.time_s for row in found.rows] == [0.002] and codes(found) == ["rows-empty"]
    assert "row 2" in found.findings[0].where
