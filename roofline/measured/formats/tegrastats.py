"""tegrastats: one line of text for each sample.

Grammar
(https://docs.nvidia.com/jetson/archives/r36.4/DeveloperGuide/AT/JetsonLinuxDevelopmentTools/TegrastatsUtility.html):
``08-24-2026 11:19:00 RAM 3172/6284MB ... CPU [6%@1510,off,...] EMC_FREQ 10%@2133 GR3D_FREQ 50%@[1300,1300] ...
VDD_GPU_SOC 4994mW/4994mW ...``. The date is missing in older releases, and so is ``mW``; rails are now/average since
the start (and largest, in newer ones); EMC_FREQ and the GPU's clock are there for root only. Clocks are whole MHz.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, base_row, noted, only_file
from roofline.measured.formats.samples import Sample, cut, cut_line, module_power, power_row, settable
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "the log of tegrastats (sudo tegrastats --interval 100 --logfile FILE)"
_DATE = re.compile(r"\s*(\d{2}-\d{2}-\d{4} \d{2}:\d{2}:\d{2})")
_RAIL = re.compile(r"(?<!\S)([A-Za-z][A-Za-z0-9_]*) (-?\d+)(mW)?/-?\d+(?:mW)?(?:/-?\d+(?:mW)?)?(?!\S)")
_RAM = re.compile(r"(?<!\S)RAM \d")
_GPU = re.compile(r"GR3D_FREQ (\d+)%@\[?(\d+)")
_EMC = re.compile(r"EMC_FREQ (\d+)%@(\d+)")
_CPU = re.compile(r"CPU \[([^\[\]]*)\]")
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row: the module's mean power in the window; with ``--iterations N``, time and energy of one run.

    Clocks are those of the log where it has them and the device file tells their exact values.
    """
    path = only_file(paths, "tegrastats")
    lines, cut_at = _lines(read_text(path), path)
    samples = [_sample(at, line, path) for at, line in lines]
    window = cut(samples, options, path)
    power_w, note = module_power(window, options.device, path)
    inside = {sample.line for sample in window.samples}
    row, findings = _clocks(
        base_row(options, paths, "tegrastats"), [(at, t) for at, t in lines if at in inside], options, path
    )
    found = power_row(row, window, power_w, options, note, path)
    return Imported(found.rows, (*(cut_line(path, at) for at in cut_at), *findings, *found.findings))


def _lines(text: str, path: str) -> tuple[list[tuple[int, str]], list[int]]:
    """Return the lines that hold samples, and the last line where it is cut.

    All lines of a log have the same rails, and a date or none. One that lacks some is cut: at the end a killed
    tegrastats leaves it, elsewhere it is an error.
    """
    every = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    lines = [(at, line) for at, line in every if "RAM " in line or "mW/" in line or _DATE.match(line)]
    if not lines:
        raise MeasurementError("no line of tegrastats in it", where=path, expected=WHAT)
    rails = {at: frozenset(name for name, *_ in _RAIL.findall(line)) for at, line in lines}
    often = Counter(rails.values())
    usual = max(often, key=lambda names: (often[names], len(names)))
    dated = 2 * sum(1 for _, line in lines if _DATE.match(line)) > len(lines)
    whole, cut_at = [], []
    for at, line in lines:
        problem = _problem(line, usual - rails[at], dated)
        if not problem:
            whole.append((at, line))
        elif at == lines[-1][0] and len(lines) > 1:
            cut_at.append(at)
        else:
            raise MeasurementError(problem, where=f"{path}: row {at}", expected="a whole line, as the others",
                                   hint="remove the line if the log was cut there")  # fmt: skip
    if every[-1][0] > lines[-1][0] and not text.endswith("\n"):  # cut before anything that tells a sample
        cut_at.append(every[-1][0])
    return whole, cut_at


def _problem(line: str, missing: frozenset[str], dated: bool) -> str:
    if missing:
        return f"the line lacks {', '.join(sorted(missing))}"
    if dated and not _DATE.match(line):
        return "the line lacks its date"
    return "two samples in one line" if len(_RAM.findall(line)) > 1 else ""


def _sample(line: int, text: str, path: str) -> Sample:
    date = _DATE.match(text)
    try:
        when = datetime.strptime(date[1], "%m-%d-%Y %H:%M:%S") if date else None
    except ValueError:
        raise MeasurementError(f"{date[1] if date else ''!r} is no date", where=f"{path}: row {line}") from None
    rails: dict[str, float] = {}
    for name, now, _ in _RAIL.findall(text):
        if name == "NC":  # a channel of the meter that is not connected
            continue
        power_mw = _whole(now, "power", f"{path}: row {line}, rail {name}", "mW, such as 4994")
        if power_mw < 0:
            raise MeasurementError(f"{now} mW is negative", where=f"{path}: row {line}, rail {name}")
        rails[name] = power_mw * 1e-3
    return Sample(line, when, rails)


def _clocks(
    row: Measurement, lines: Sequence[tuple[int, str]], options: Options, path: str
) -> tuple[Measurement, list[Finding]]:
    """Return the row with the clocks that hold through the window, and what is unknown about them."""
    findings = []
    cpus = [_cpu(text, f"{path}: row {at}") for at, text in lines]
    gpu = [_clock(_GPU, text, f"{path}: row {at}, GR3D_FREQ") for at, text in lines]
    memory = [_clock(_EMC, text, f"{path}: row {at}, EMC_FREQ") for at, text in lines]
    cores = {len(clocks) for clocks in cpus}
    if row.cpu_cores is None and len(cores) == 1 and cores != {0}:
        row = row._replace(cpu_cores=cores.pop())
    seen = {
        "gpu_freq": [found[1] for found in gpu if found and (found[0] > 0 or len(lines) == 1)],
        "mem_freq": [found[1] for found in memory if found],
        "cpu_freq": [clock for clocks in cpus for clock in clocks],
    }
    for knob, clocks in seen.items():
        field = f"{knob}_hz"
        if not clocks:
            if knob == "mem_freq":
                message = "the memory's clock is not in the log: tegrastats prints it for root only"
                findings.append(Finding("memory-clock-unknown", path, message, "sudo tegrastats"))
            continue
        if max(clocks) - min(clocks) > 1:
            message = f"{knob} moved between {min(clocks)} and {max(clocks)} MHz: left open"
            findings.append(Finding("clock-moved", path, message, "sudo jetson_clocks holds it"))
            row = row._replace(clocks=row.clocks or "stock") if knob != "cpu_freq" else row
        elif getattr(row, field) is None:
            exact = settable(options.device, knob, max(clocks))
            if exact is None:
                row = noted(row, f"{knob} {max(clocks)} MHz, rounded down")
                message = f"the log says {max(clocks)} MHz, a rounded figure: left open"
                findings.append(
                    Finding("clock-rounded", f"{path}: {knob}", message, "--device ID tells the exact clock")
                )
            else:
                row = row._replace(**{field: exact})  # type: ignore[arg-type]  # a clock of `Measurement`
    return row, findings


def _cpu(text: str, where: str) -> list[int]:
    """Return the clocks of the cores that are on."""
    found = _CPU.search(text)
    clocks = [core.partition("@")[2].strip() for core in found[1].split(",") if "@" in core] if found else []
    return [_whole(clock, "clock of a core", where, "such as 33%@1728") for clock in clocks]


def _clock(pattern: re.Pattern[str], text: str, where: str) -> tuple[int, int] | None:
    """Return load and clock of a processor, where the line has them."""
    found = pattern.search(text)
    if found is None:
        return None
    return _whole(found[1], "load", where, "such as 33"), _whole(found[2], "clock", where, "MHz, such as 1300")


def _whole(text: str, what: str, where: str, expected: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise MeasurementError(f"{text[:60]!r} is no {what}", where=where, expected=expected)
    return int(text)
