"""MLPerf inference: ``mlperf_log_summary.txt`` of the load generator.

Grammar (https://github.com/mlcommons/inference, loadgen/results.cc): lines ``name : value``: ``Scenario``, ``Mode``,
``Result is``, ``Mean latency (ns)``, ``50.00 percentile latency (ns)``, ``99.00 percentile latency (ns)``, ``Samples
per second`` (Offline), ``samples_per_query`` (MultiStream) and other settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import Imported, Options, base_row, count, noted, number, only_file
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "mlperf_log_summary.txt of a performance run"
_PROCESSED = re.compile(r"Processed at least \d+ queries \((\d+)\)")


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row. SingleStream and MultiStream: the mean latency of a query, with p50 and p99.

    Offline has no latency of a batch: with ``--batch B`` the time is B / samples per second, as if batches ran one
    after the other. Server latencies hold the wait in a queue and are refused.
    """
    path = only_file(paths, "mlperf")
    values: dict[str, str] = {}
    text = read_text(path)
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() and value.strip():
            values.setdefault(name.strip(), value.strip())
    if "Scenario" not in values or "Mode" not in values:
        raise MeasurementError("no Scenario and Mode in it", where=path, expected=WHAT)
    if values["Mode"] != "PerformanceOnly":
        raise MeasurementError(f"the mode is {values['Mode']}", where=f"{path}: Mode", expected="PerformanceOnly")
    row = base_row(options, paths, "mlperf")
    counted = _PROCESSED.search(text)
    row = row._replace(time_kind="request", n=count(counted[1], f"{path}: Processed") if counted else None)
    row = _timed(row, values, path)
    findings = []
    if values.get("Result is") != "VALID":
        message = f"the run counts as {values.get('Result is', 'not finished')} by MLPerf's own rules"
        findings.append(Finding("mlperf-invalid", path, message, "read its recommendations"))
    return Imported((noted(row, f"MLPerf {values['Scenario']}, {values.get('SUT name', 'SUT')}"),), tuple(findings))


def _timed(row: Measurement, values: Mapping[str, str], path: str) -> Measurement:
    scenario = values["Scenario"]
    if scenario == "Offline":
        if row.batch_size is None:
            raise MeasurementError(
                "Offline says samples per second, not the time of a batch", where=path, expected="--batch B as well"
            )
        rate = _positive(values, "Samples per second", path)
        return noted(row._replace(time_s=row.batch_size / rate), f"batch / {rate:g} samples per second")
    multi = scenario == "MultiStream"
    if scenario != "SingleStream" and not multi:
        raise MeasurementError(
            f"latencies of {scenario} hold the wait in a queue", where=f"{path}: Scenario",
            expected="SingleStream, MultiStream or Offline",
        )  # fmt: skip
    samples = count(_given(values, "samples_per_query", path), f"{path}: samples_per_query") if multi else 1
    if row.batch_size not in (None, samples):
        raise MeasurementError(
            f"a query of this run has {samples} samples", where=f"{path}: {scenario}", expected=f"--batch {samples}"
        )
    return row._replace(
        batch_size=samples,
        time_s=_positive(values, "Mean latency (ns)", path) * 1e-9,
        time_p50_s=_percentile(values, "50", path),
        time_p99_s=_percentile(values, "99", path),
    )


def _percentile(values: Mapping[str, str], share: str, path: str) -> float | None:
    name = f"{share}.00 percentile latency (ns)"
    return _positive(values, name, path) * 1e-9 if name in values else None


def _given(values: Mapping[str, str], name: str, path: str) -> str:
    if name not in values:
        raise MeasurementError(f"no line {name!r}", where=path, expected=WHAT)
    return values[name]


def _positive(values: Mapping[str, str], name: str, path: str) -> float:
    found = number(_given(values, name, path), f"{path}: {name}")
    if found <= 0:
        raise MeasurementError(f"{values[name]} is not above 0", where=f"{path}: {name}", expected=WHAT)
    return found
