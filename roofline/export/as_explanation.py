"""One layer's arithmetic in words and numbers: ``roofline analyze --explain LAYER``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from roofline.counting import members_of
from roofline.errors import UsageError, one_line
from roofline.export.as_table import number
from roofline.export.tables import Table
from roofline.graph.nodes import TensorInfo
from roofline.ops import RULES
from roofline.units import text

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.counting import LayerCount


def blocks(analysis: Analysis, name: str) -> Iterator[str | Table]:
    """Yield the explanation of the layer that is called `name`, or has a node of that name.

    Raises:
        UsageError: there is no such layer.
    """
    data = analysis.to_dict()
    index, layer = _find(data["layers"], name)
    forward = [entry["name"] for entry in data["layers"]].index(layer["name"].removesuffix(" (backward)"))
    chosen = index if not layer["name"].endswith(" (backward)") else forward
    (nodes,) = members_of(analysis.layer_counts[chosen : chosen + 1], analysis.counts)
    what = layer["pattern"] or layer["op_type"]
    called = one_line(layer["name"])
    yield f"{called}: {what} ({layer['class'] or 'no class'}), {len(layer['nodes'])} node(s), {layer['status']}."
    if layer["reason"]:
        yield f"reason   {one_line(layer['reason'])}"
    yield _node_table(nodes)
    yield from _formulas(nodes)
    if layer["status"] != "counted":
        return
    if layer["name"].endswith(" (backward)") or not nodes:
        yield "backward: the nodes above in reverse; what it reads and writes follows from roofline/training/rules.py"
    else:
        yield _operand_table(analysis, nodes)
    moved = layer["bytes_read"] + layer["bytes_written"]
    yield (
        f"work     {layer['macs']:,} MAC = {2 * layer['macs']:,} FLOP, and "
        f"{layer['flops'] - 2 * layer['macs']:,} FLOP more: {layer['flops']:,} FLOP"
    )
    yield (
        f"bytes    {layer['bytes_read']:,} read + {layer['bytes_written']:,} written = {moved:,} ({data['traffic']})"
        + (f"; {layer['saved_bytes']:,} less than node by node" if layer["saved_bytes"] else "")
    )
    yield f"ratio    {layer['flops']:,} / {moved:,} = {number(layer['intensity_flop_per_byte'])} FLOP/B"
    if analysis.evaluation is not None:
        yield from _times(analysis, data, layer, index)


def _find(layers: list[dict[str, Any]], name: str) -> tuple[int, dict[str, Any]]:
    for index, layer in enumerate(layers):
        if layer["name"] == name:
            return index, layer
    for index, layer in enumerate(layers):
        if name in layer["nodes"]:
            return index, layer
    known = [label for layer in layers for label in (layer["name"], *layer["nodes"])]
    near = difflib.get_close_matches(name, known, 1) or [k for k in known if name.lower() in k.lower()][:1]
    hint = f"did you mean {near[0]!r}?" if near else "the layers are listed with --top 0"
    raise UsageError(f"the model has no layer {name!r}", where="--explain", hint=hint)


def _shape(tensor: TensorInfo) -> str:
    shape = "?" if tensor.shape is None else "x".join(map(str, tensor.shape)) or "scalar"
    return f"{tensor.dtype or '?'} {shape}"


def _node_table(nodes: list[LayerCount]) -> Table:
    rows = [
        (
            count.node.label,
            count.node.qualified_op,
            ", ".join(_shape(t) for t in count.node.operands) or "-",
            ", ".join(_shape(t) for t in count.node.results) or "-",
            f"{count.cost.flops:,}" if count.status == "counted" else count.status,
        )
        for count in nodes
    ]
    return Table("nodes", ("node", "op", "operands", "results", "FLOP"), rows, frozenset({"FLOP"}), widest=70)


def _formulas(nodes: list[LayerCount]) -> Iterator[str]:
    """Yield each operator's rule once."""
    seen = set()
    for count in nodes:
        node = count.node
        rule = RULES.find(node.domain, node.op_type, node.opset)
        if rule is not None and node.qualified_op not in seen and count.status == "counted":
            seen.add(node.qualified_op)
            doc = re.sub(r"\s+", " ", rule.doc)
            yield f"rule     {node.qualified_op}: {doc}"


def _operand_table(analysis: Analysis, nodes: list[LayerCount]) -> Table:
    made = {t.name for count in nodes for t in count.node.results}
    rows, seen = [], set()
    for count in (count for count in nodes if count.status == "counted"):
        for tensor in count.node.operands:
            if tensor.name not in made and tensor.name not in seen and tensor.is_known:
                seen.add(tensor.name)
                kind = "weight" if tensor.is_static else "activation"
                rows.append((tensor.name, "enters", kind, _shape(tensor), f"{tensor.nbytes:,}"))
    inside = {count.node.label for count in nodes}
    read_outside = {name for count in analysis.counts if count.node.label not in inside for name in count.node.reads}
    for tensor in (t for count in nodes for t in count.node.results):
        if tensor.is_known and (tensor.name in read_outside or tensor.name in analysis.graph.outputs):
            rows.append((tensor.name, "made", "activation", _shape(tensor), f"{tensor.nbytes:,}"))
    title = "tensors at the group's edge, at their stored size (a Gather or Slice reads what it returns)"
    return Table(title, ("tensor", "", "kind", "type", "bytes"), rows,
                 frozenset({"bytes"}))  # fmt: skip


def _times(analysis: Analysis, data: dict[str, Any], layer: dict[str, Any], index: int) -> Iterator[str]:
    evaluation = analysis.evaluation
    assert evaluation is not None
    table = evaluation.table
    work = analysis.workload.flop[:, index]
    parts = [
        (f"{precision} {pipe}", float(w), float(table.peak_flop_per_s[0, i]))
        for i, (w, (pipe, precision)) in enumerate(zip(work, table.ceilings, strict=True))
        if w > 0
    ]
    for label, flop, peak in parts:
        yield f"compute  {text(flop, 'FLOP')} / {text(peak, 'FLOP/s')} ({label}) = {text(flop / peak, 's')}"
    bandwidth, moved = float(table.bandwidth_byte_per_s[0]), float(analysis.workload.moved_byte[index])
    memory = moved / bandwidth
    yield f"memory   {text(moved, 'B')} / {text(bandwidth, 'B/s')} = {text(memory, 's')}"
    compute = max((flop / peak for _, flop, peak in parts), default=0.0)
    yield (
        f"time     the larger: {text(layer['roofline_time_s'], 's')} in {data['mode']}, {layer['limited_by']}-bound "
        f"({layer['ceiling']}), {0 if layer['share'] is None else layer['share']:.1%} of the model"
    )
    if not memory or not compute:
        return
    if memory > compute:
        yield (
            f"to move  {number(memory / compute)} times the FLOP per byte would make it compute-bound: fewer bytes "
            f"(a larger batch shares the weights, a narrower --precision, fusion), or {number(memory / compute)} times "
            "the bandwidth; a faster pipe changes nothing"
        )
    else:
        yield (
            f"to move  fewer FLOP or a faster pipe (a narrower --precision, a higher clock), up to "
            f"{number(compute / memory)} times; then memory binds"
        )
