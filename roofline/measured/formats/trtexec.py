"""trtexec's JSON files: ``--exportTimes``, ``--exportProfile`` and ``--exportLayerInfo``, in any combination.

Grammar (https://docs.nvidia.com/deeplearning/tensorrt/latest/reference/command-line-programs.html; the writer is
github.com/NVIDIA/TensorRT, samples/common/sampleReporting.cpp):

* times: a list with an object per run; ``computeMs`` is the GPU's time, ``h2dMs`` and ``d2hMs`` the copies,
  ``latencyMs`` all three. Files of older versions also hold the warm-up runs (``--warmup N`` leaves them out).
* profile: a list, first ``{"count": N}``, then ``{"name", "timeMs", "averageMs", "medianMs", "percentage"}`` per
  layer; no median in older versions.
* layer info: ``{"Layers": [...]}``; objects with ``Name``, ``LayerType``, ``Metadata`` where the engine was built with
  ``--profilingVerbosity=detailed``, plain names otherwise.

A log of tegrastats beside them, of the time in which the model ran over and over, adds power and clocks to the run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats import tegrastats
from roofline.measured.formats.common import (
    Imported,
    Options,
    base_row,
    count,
    distinct,
    noted,
    number,
    read_json,
    timed,
)
from roofline.measured.names import metadata_nodes
from roofline.measured.record import Measurement
from roofline.measured.table import read_text

WHAT = "a file of trtexec --exportTimes, --exportProfile or --exportLayerInfo, or a log of tegrastats"
_TEGRASTATS = re.compile(r"\s*(?:\d{2}-\d{2}-\d{4} [\d:]+ )?RAM \d")
DETAILED = "build the engine again with --profilingVerbosity=detailed"


class _Files(NamedTuple):
    times: list[Any] | None
    profile: list[Any] | None
    layers: list[Any] | None
    where: dict[str, str]


class _Layer(NamedTuple):
    op_type: str
    nodes: tuple[str, ...]


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return a row for the whole model (the median of ``computeMs``) and one for each layer with a time."""
    files = _files(paths)
    if files.times is None and files.profile is None:
        raise MeasurementError(
            "there is no time in it", where=", ".join(paths), expected=WHAT,
            hint="give the file of --exportTimes or --exportProfile too",
        )  # fmt: skip
    base = base_row(options, paths, "trtexec")
    base = base._replace(runtime=base.runtime or "tensorrt")
    findings: list[Finding] = []
    power = Measurement(workload="")
    if "power" in files.where:
        base, power = _with_log(base, files.where["power"], options, findings)
    rows: list[Measurement] = []
    if options.whole and files.times is not None:
        row = _whole(base, files.times, options.warmup or 0, files.where["times"])
        rows.append(noted(row._replace(power_w=power.power_w), power.notes))
    if options.layers and files.profile is not None:
        rows += _layers(base, files, findings)
    if files.times is None:
        message = "layer times alone: profiling waits after each layer, so their sum is more than a run takes"
        findings.append(Finding("no-whole-run", files.where["profile"], message, "run trtexec with --exportTimes too"))
    if not rows:
        raise MeasurementError("what was asked for is not in it", where=", ".join(paths), expected=WHAT)
    return Imported(tuple(rows), tuple(findings))


def _files(paths: Sequence[str]) -> _Files:
    """Tell by their content what the files hold."""
    found: dict[str, list[Any]] = {}
    where: dict[str, str] = {}
    for path in paths:
        is_log = _TEGRASTATS.match(read_text(path)) is not None
        data: Any = [] if is_log else read_json(path, WHAT)
        kind = "power" if is_log else _kind(data)
        if kind is None:
            raise MeasurementError("this is none of trtexec's files", where=path, expected=WHAT)
        if kind in found:
            raise MeasurementError(f"a second file of {kind}", where=path, expected="one run: a file of each kind")
        found[kind] = data["Layers"] if kind == "layers" else data
        where[kind] = path
    return _Files(found.get("times"), found.get("profile"), found.get("layers"), where)


def _kind(data: Any) -> str | None:
    if isinstance(data, dict) and isinstance(data.get("Layers"), list):
        return "layers"
    if isinstance(data, list) and data and all(isinstance(item, dict) for item in data):
        if all("computeMs" in item for item in data):
            return "times"
        if "count" in data[0] or "averageMs" in data[-1]:
            return "profile"
    return None


def _with_log(
    base: Measurement, path: str, options: Options, findings: list[Finding]
) -> tuple[Measurement, Measurement]:
    """Return `base` with the clocks of a log of tegrastats, and a row with its power and notes."""
    found = tegrastats.read([path], options._replace(template=base._replace(notes=""), iterations=None))
    (row,) = found.rows
    loads = re.findall(r"GR3D_FREQ (\d+)%", read_text(path))
    busy = bool(loads) and "0" not in loads  # then no idle time at the log's start or end lowers the power
    findings += [f for f in found.findings if f.code != "iterations-unknown" and not (busy and f.code == "no-window")]
    return row._replace(power_w=None, notes=base.notes), row


def _whole(base: Measurement, times: list[Any], warmup: int, path: str) -> Measurement:
    if warmup >= len(times):
        raise MeasurementError(f"{warmup} warm-up runs of {len(times)}", where=path, expected="fewer, with --warmup")
    compute, copies = [], 0.0
    for at, item in enumerate(times):
        place = f"{path}: run {at}"
        time_s = number(item["computeMs"], f"{place}, computeMs") * 1e-3
        if time_s <= 0:
            raise MeasurementError(f"{item['computeMs']} ms is no time", where=f"{place}, computeMs")
        if at >= warmup:
            compute.append(time_s)
            copies += number(item.get("h2dMs", 0), f"{place}, h2dMs") + number(item.get("d2hMs", 0), f"{place}, d2hMs")
    row = timed(base, compute, "gpu_compute")
    return noted(row, f"computeMs; copies to and from the GPU take {copies / len(compute):.4g} ms more")


def _layers(base: Measurement, files: _Files, findings: list[Finding]) -> list[Measurement]:
    assert files.profile is not None
    path = files.where["profile"]
    entries = [item for item in files.profile if "name" in item]
    counts = [item["count"] for item in files.profile if "count" in item]
    runs = count(counts[0], f"{path}: count") if counts else None
    if entries and all(str(item["name"]).isdigit() for item in entries):
        raise MeasurementError("the layers have numbers for names", where=path, expected="names", hint=DETAILED)
    info = _info(files, findings)
    rows, empty = [], 0
    for name, item in zip(distinct(str(item["name"]) for item in entries), entries):
        key = "medianMs" if "medianMs" in item else "averageMs"
        place = f"{path}: layer {name}, {key}"
        time_s = number(item.get(key), place) * 1e-3
        if time_s < 0:
            raise MeasurementError(f"{item[key]} ms is negative", where=place, expected="a time")
        if time_s == 0:
            empty += 1
            continue
        layer = info.get(str(item["name"]), _Layer("", ()))
        row = base._replace(layer=name, op_type=layer.op_type, nodes=layer.nodes, time_s=time_s, n=runs,
                            time_kind="gpu_compute")  # fmt: skip
        if key == "medianMs":
            row = row._replace(time_p50_s=time_s)
        rows.append(row if key == "medianMs" else noted(row, "mean over the runs"))
    if empty:
        message = f"{empty} layers take no time (copies that were left out): they have no row"
        findings.append(Finding("layers-without-time", path, message))
    return rows


def _info(files: _Files, findings: list[Finding]) -> dict[str, _Layer]:
    """Return name -> what the layer info says."""
    if files.layers is None:
        return {}
    path = files.where["layers"]
    if any(not isinstance(layer, dict) for layer in files.layers):
        message = "the layer info holds names only: which nodes ran in a layer is guessed from its name"
        findings.append(Finding("brief-layer-info", path, message, DETAILED))
        return {}
    return {
        str(layer.get("Name", "")): _Layer(
            str(layer.get("LayerType", "")), metadata_nodes(str(layer.get("Metadata") or ""))
        )
        for layer in files.layers
    }
