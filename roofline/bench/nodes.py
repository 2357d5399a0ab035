"""Time per node, out of the JSON profile that onnxruntime writes (a list of Chrome trace events)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from roofline.errors import MeasurementError
from roofline.graph.nodes import Graph, Node

_SUFFIX = "_kernel_time"
_TOKEN = re.compile(r"_token_\d+$")
"""What onnxruntime appends to a name of its own that occurs twice."""
_NCHWC = "_nchwc"
_BODIES = frozenset({"Loop", "Scan", "If"})
_ANCHORS = frozenset({"Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Upsample", "Resize"})
_CHAIN = 6
"""Nodes that a fused convolution can hold: itself, normalisation, sum, activations."""


class NodeTime(NamedTuple):
    """One node of the optimised graph."""

    name: str
    """As onnxruntime calls it after its optimisations."""
    op_type: str
    provider: str
    time_s: float
    """Median over the runs; the sum where it runs more than once in a run."""
    nodes: tuple[str, ...]
    """The model's own nodes that it stands for, as far as names tell."""


def read_profile(path: str | Path, skip: int = 1) -> tuple[list[NodeTime], int]:
    """Return the nodes in the order of their first run, and over how many runs the medians are.

    Args:
        path: the profile.
        skip: runs at the start that are left out: the first one allocates.

    Raises:
        MeasurementError: the file is no profile, or holds no run.
    """
    try:
        events = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MeasurementError(f"onnxruntime's profile cannot be read: {error}", where=str(path)) from None
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise MeasurementError("this is no profile of onnxruntime", where=str(path), expected="a list of events")
    runs = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e.get("name") == "model_run")[skip:]
    if not runs:
        raise MeasurementError("the profile holds no run", where=str(path))
    kernels = [e for e in events if e.get("cat") == "Node" and str(e.get("name", "")).endswith(_SUFFIX)]
    kernels = _outermost(sorted(kernels, key=lambda e: (e["ts"], -e["dur"])))
    found: dict[tuple[str, str], list[float]] = {}
    about: dict[tuple[str, str], tuple[str, str]] = {}
    at = 0
    for number, (start, end) in enumerate(runs):
        while at < len(kernels) and kernels[at]["ts"] < start:
            at += 1
        while at < len(kernels) and kernels[at]["ts"] <= end:
            event = kernels[at]
            arguments = event.get("args", {})
            key = (event["name"].removesuffix(_SUFFIX), str(arguments.get("node_index", "")))
            about.setdefault(key, (str(arguments.get("op_name", "")), str(arguments.get("provider", ""))))
            times = found.setdefault(key, [0.0] * len(runs))
            times[number] += event["dur"] * 1e-6
            at += 1
    return [NodeTime(key[0], *about[key], median(times), ()) for key, times in found.items()], len(runs)


def _outermost(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what runs inside a loop or branch: the node around it counts that time already."""
    kept: list[dict[str, Any]] = []
    inside_until = -1
    for event in events:
        if event["ts"] + event["dur"] <= inside_until:
            continue
        kept.append(event)
        if event.get("args", {}).get("op_name") in _BODIES:
            inside_until = event["ts"] + event["dur"]
    return kept


def with_nodes(times: Sequence[NodeTime], graph: Graph) -> list[NodeTime]:
    """Return the times with the model's nodes behind each, where names tell.

    onnxruntime keeps a node's name, or adds ``/MatMulAddFusion``, ``_nchwc``, ``_token_12`` to it or to the name of
    the tensor that the node makes.
    """
    named = {node.label: node for node in graph.nodes}
    makers = {result.name: node for node in graph.nodes for result in node.results}
    return [entry._replace(nodes=_behind(entry, named, makers)) for entry in times]


def _behind(entry: NodeTime, named: Mapping[str, Node], makers: Mapping[str, Node]) -> tuple[str, ...]:
    name = _TOKEN.sub("", entry.name)
    blocked = name.endswith(_NCHWC)
    name = _TOKEN.sub("", name.removesuffix(_NCHWC))
    if blocked and name in makers:
        return _chain(makers[name], entry.op_type, makers)
    while name:
        if name in named:
            return (named[name].label,)
        name = name.rstrip("/").rpartition("/")[0]
    return ()


def _chain(last: Node, op_type: str, makers: Mapping[str, Node]) -> tuple[str, ...]:
    """Return the nodes from the nearest `op_type` upwards to `last`: a convolution with what is fused into it."""
    if op_type not in _ANCHORS:
        return (last.label,)
    paths: list[tuple[Node, ...]] = [(last,)]
    for _ in range(_CHAIN):
        longer: list[tuple[Node, ...]] = []
        for path in paths:
            if path[0].op_type == op_type:
                return tuple(node.label for node in path)
            if path[0].op_type not in _ANCHORS:
                longer += [(makers[t.name], *path) for t in path[0].operands if t.name in makers]
        paths = longer
    return (last.label,)
