"""ONNX Runtime's session profile: a JSON list of events in Chrome's trace format.

Grammar (https://onnxruntime.ai/docs/performance/tune-performance/profiling-tools.html): every event has ``cat``,
``name``, ``ts`` and ``dur`` in microseconds. ``cat: Session, name: model_run`` is one call of ``run``; ``cat: Node,
name: X_kernel_time`` is one node in it, with ``args.op_name``, ``args.provider``, ``args.node_index`` and
``args.input_type_shape``. Older files also have ``X_fence_before`` and ``X_fence_after``; GPU builds add events of
``cat: Kernel`` and ``Api``. ``InferenceSession.end_profiling`` closes the list.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.formats.common import (
    Imported,
    Options,
    base_row,
    distinct,
    noted,
    number,
    only_file,
    read_json,
    timed,
)
from roofline.measured.record import Measurement

WHAT = "the profile of an ONNX Runtime session (enable_profiling, then end_profiling)"
_SUFFIX = "_kernel_time"
_HOLDS_GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
_RUNTIMES = {"CPUExecutionProvider": "ort-cpu", "CUDAExecutionProvider": "ort-cuda",
             "TensorrtExecutionProvider": "tensorrt"}  # fmt: skip


class _Event(NamedTuple):
    name: str
    start: float
    end: float
    thread: str
    args: dict[str, Any]


def read(paths: Sequence[str], options: Options) -> Imported:
    """Return one row for the whole model and one for each node, each the median over the runs of the session.

    The first run is left out as warm-up unless `Options.warmup` says otherwise. Nodes inside If, Loop and Scan are part
    of those. Times are the host's: see the finding where a provider only launches kernels.
    """
    path = only_file(paths, "ort")
    runs, nodes = _events(path)
    findings: list[Finding] = []
    keep = _kept(len(runs), options.warmup, path, findings)
    base = base_row(options, paths, "onnxruntime profile")
    providers = Counter(node.args.get("provider", "") for node in nodes)
    findings += _providers(providers, path)
    main = next((p for p in _RUNTIMES if p != "CPUExecutionProvider" and providers[p]), "CPUExecutionProvider")
    if not base.runtime and providers:
        base = base._replace(runtime=_RUNTIMES[main] if providers[main] else "")
    rows: list[Measurement] = []
    if options.whole:
        times = [(runs[i].end - runs[i].start) * 1e-6 for i in keep]
        rows.append(noted(timed(base, times, "host"), "the session was profiled, which costs time"))
    if options.layers:
        rows += _layers(base, runs, nodes, keep, path, findings)
    return Imported(tuple(rows), tuple(findings))


def _events(path: str) -> tuple[list[_Event], list[_Event]]:
    data = read_json(path, WHAT)
    if not isinstance(data, list):
        raise MeasurementError("this is no list of events", where=path, expected=WHAT)
    runs: list[_Event] = []
    nodes: list[_Event] = []
    for at, item in enumerate(data):
        if not isinstance(item, dict) or item.get("ph", "X") != "X":
            continue
        name = str(item.get("name", ""))
        is_run = item.get("cat") == "Session" and name == "model_run"
        is_node = item.get("cat") == "Node" and name.endswith(_SUFFIX)
        if not is_run and not is_node:
            continue
        where = f"{path}: event {at}"
        start, length = number(item.get("ts"), f"{where}, ts"), number(item.get("dur"), f"{where}, dur")
        if length < 0:
            raise MeasurementError(f"{length:g} us is negative", where=f"{where}, dur", expected="a time")
        given = item.get("args")
        args = given if isinstance(given, dict) else {}
        args |= {name: str(args[name]) for name in ("op_name", "provider", "node_index") if name in args}
        event = _Event(name, start, start + length, str(item.get("tid")), args)
        (runs if is_run else nodes).append(event)
    if not runs:
        raise MeasurementError("no run of the model in it", where=path, expected=WHAT)
    runs.sort(key=lambda run: run.start)
    for before, after in pairwise(runs):
        if after.start < before.end:
            hint = "run the session from one thread"
            raise MeasurementError("runs overlap: nodes cannot be told apart", where=path, hint=hint)
    return runs, nodes


def _kept(count: int, warmup: int | None, path: str, findings: list[Finding]) -> range:
    if warmup is None:
        warmup = 1 if count > 1 else 0
        if count == 1:
            message = "there is only one run, and the first one is slower than the others"
            findings.append(Finding("only-warm-up", path, message, "profile 20 runs or more"))
    if warmup >= count:
        raise MeasurementError(f"{warmup} warm-up runs of {count}", where=path, expected="fewer, with --warmup")
    return range(warmup, count)


def _providers(providers: Counter[str], path: str) -> list[Finding]:
    findings = []
    if any(providers[p] for p in ("CUDAExecutionProvider", "TensorrtExecutionProvider", "ROCMExecutionProvider")):
        message = "node times of a GPU provider are those of launching kernels, unless the session waits for each"
        findings.append(Finding("launch-times", path, message, "take layer times from nsys or ncu"))
    if len([p for p in providers if p]) > 1:
        shares = ", ".join(f"{count} node runs on {name}" for name, count in providers.most_common())
        findings.append(Finding("several-providers", path, shares, "is every node where it should be?"))
    return findings


def _layers(
    base: Measurement, runs: list[_Event], nodes: list[_Event], keep: range, path: str, findings: list[Finding]
) -> list[Measurement]:
    starts = [run.start for run in runs]
    times: dict[tuple[str, str], dict[int, float]] = {}
    args: dict[tuple[str, str], dict[str, Any]] = {}
    inside = _inside_others(nodes)
    for node in sorted(nodes, key=lambda event: event.start):
        run = bisect_right(starts, node.start) - 1
        if run not in keep or node.end > runs[run].end or id(node) in inside:
            continue
        name = node.name.removesuffix(_SUFFIX) or f"{node.args.get('op_name', '')}_{node.args.get('node_index', '')}"
        key = name, str(node.args.get("node_index", ""))
        args.setdefault(key, node.args)
        of_run = times.setdefault(key, {})
        of_run[run] = of_run.get(run, 0.0) + (node.end - node.start) * 1e-6
    rows, unseen = [], []
    for name, (key, of_run) in zip(distinct(name for name, _ in times), times.items()):
        found = sorted(of_run.values())
        if found[len(found) // 2] <= 0:  # below a microsecond: the profile's clock does not see it
            unseen.append(name)
            continue
        row = base._replace(layer=name, op_type=str(args[key].get("op_name", "")), input_shape=_shape(args[key]))
        rows.append(timed(row, found, "host"))
    if unseen:
        message = f"{len(unseen)} nodes take less than a microsecond, which the profile shows as 0: left out"
        findings.append(Finding("layers-too-short", f"{path}: {unseen[0]}", message))
    if not rows:
        raise MeasurementError("no node was timed in any run", where=path, expected=WHAT)
    return rows


def _inside_others(nodes: list[_Event]) -> set[int]:
    """Return the events of nodes that ran inside an If, Loop or Scan, whose own time covers them."""
    found: set[int] = set()
    latest: dict[str, tuple[float, float]] = {}
    for node in sorted(nodes, key=lambda event: (event.start, -event.end)):
        end, start = latest.get(node.thread, (node.start, node.start))  # of all that hold graphs, the one to end last
        if node.end < end or (node.end == end and node.start > start):
            found.add(id(node))
        if node.args.get("op_name") in _HOLDS_GRAPHS and node.end > end:
            latest[node.thread] = node.end, node.start
    return found


def _shape(args: dict[str, Any]) -> str:
    """Return the shape of a node's first input, ``1x3x224x224``."""
    inputs = args.get("input_type_shape")
    if not isinstance(inputs, list) or not inputs or not isinstance(inputs[0], dict):
        return ""
    shape = next(iter(inputs[0].values()), None)
    return "x".join(map(str, shape)) if isinstance(shape, list) else ""
