"""Join measured layers to a model's layers, by name, by the nodes that a runtime fused, then by order and operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop
from typing import TYPE_CHECKING, NamedTuple

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.model_names import ModelNames, Place
from roofline.measured.names import take_apart
from roofline.measured.record import Measurement, by_run

if TYPE_CHECKING:
    from roofline.analysis import Analysis

ENOUGH = 0.5
"""Share of the time of a run's layers that must be the model's: with less it is another model."""
TOO_MUCH = 0.25
"""Share of it that may contradict the nodes of the layers' names: models of one family have names in common."""


class Block(NamedTuple):
    """Measured layers and the model's layers that are the same work."""

    rows: tuple[Measurement, ...]
    layers: tuple[int, ...]
    """Positions in `Analysis.layer_counts`; several where the runtime fuses more than the traffic model does."""
    time_s: float
    """Sum over the rows."""
    how: str
    """``name``, ``nodes``, ``region`` or ``order``: the weakest of the evidence for it."""


class Joined(NamedTuple):
    """Which measured layer is which of the model's."""

    blocks: tuple[Block, ...]
    """In the model's order; no row and no layer is in two of them."""
    own: tuple[Measurement, ...]
    """Layers that the runtime added: copies to other formats, transfers."""
    free: tuple[Measurement, ...]
    """Layers that are nodes of the model which cost nothing in it: views, shapes, constants."""
    unmatched: tuple[Measurement, ...]
    unmeasured: tuple[int, ...]
    """Counted layers without a time."""
    share_of_time: float
    """Joined time over the time of all layers, the runtime's own included."""
    share_of_layers: float
    """Joined counted layers over all counted layers."""
    findings: tuple[Finding, ...]


def join_layers(rows: Iterable[Measurement], analysis: Analysis, where: str = "measurements") -> Joined:
    """Return which layers of an analysis the layers of one measured run are.

    In this order: the row's name is a node, a layer or a tensor that a node makes; the row's ``nodes``, or the names
    that a runtime's name is made of (``a + b``, ``PWN(...)``); everything in the graph from the first to the last node
    of a ``{ForeignNode[a...b]}``; else, between its joined neighbours, the next node of the same operator, and of the
    same input shape where the row has one. Works on fused groups as on nodes. A row whose operator or input shape
    contradicts the node of its name is not joined.

    Args:
        rows: layers of one run (rows of whole runs are passed over); times in `Measurement.time_s`.

    Raises:
        MeasurementError: there are no layers, they are of several runs, or of another model: see `ENOUGH`.
    """
    rows = [row for row in rows if row.layer and row.time_s is not None]
    if not rows:
        raise MeasurementError("no layer with a time", where=where, expected="rows with layer and latency_ms")
    if len(by_run(rows)) > 1:
        raise MeasurementError("layers of several runs", where=where, expected="those of one: see by_run")
    graph = ModelNames(analysis, rows)
    found: list[Place | None] = [graph.nodes_of(row) for row in rows]
    own = [place is None and take_apart(row.layer).is_own for row, place in zip(rows, found)]
    _by_order(rows, found, own, graph)
    blocks = _blocks(rows, found, graph)
    joined = {at for block in blocks for at in block[0]}
    kinds = ["joined" if at in joined else "own" if own[at] else "free" if found[at] else "unmatched"
             for at in range(len(rows))]  # fmt: skip
    result = _result(rows, kinds, blocks, analysis, where)
    _refuse_other_model(result, graph, analysis, where)
    if not graph.contradictions:
        return result
    text = f"{len(graph.contradictions)} layers are not what the model's nodes of their names are: not joined"
    layer, how = next(iter(graph.contradictions.items()))
    return result._replace(
        findings=(*result.findings, Finding("layers-contradict", f"{where}: {layer}", f"{text}; {how}"))
    )


def _refuse_other_model(joined: Joined, graph: ModelNames, analysis: Analysis, where: str) -> None:
    """Raise where the run is one of another model: `ENOUGH` and `TOO_MUCH`, the runtime's own layers left out."""

    def seconds(rows: Iterable[Measurement]) -> float:
        return sum(row.time_s or 0.0 for row in rows)

    in_model_s = sum(block.time_s for block in joined.blocks) + seconds(joined.free)
    total_s = in_model_s + seconds(joined.unmatched)
    other_s = seconds(row for row in joined.unmatched if row.layer in graph.contradictions)
    if joined.blocks and in_model_s >= (ENOUGH - 1e-9) * total_s and other_s <= TOO_MUCH * total_s:
        return
    others = (*joined.unmatched, *joined.free, *joined.own)
    first = next((row for row in others if row.layer in graph.contradictions), others[0])
    what = f"not one of {len(others)} layers is in the model"
    if joined.blocks:
        shares = f"{in_model_s / total_s:.1%} of the time of the run's layers and {joined.share_of_layers:.1%}"
        what = f"only {shares} of the model's counted layers fit each other"
    names = ", ".join(count.node.label for count in analysis.counts if count.status == "counted")
    raise MeasurementError(
        f"{what}: {first.layer!r} is {graph.contradictions.get(first.layer, 'none of its nodes')}",
        where=f"{where}: row {first.line}, column layer" if first.line else where,
        expected=f"layers of {analysis.graph.path}: {names[:80]}...",
        hint="is it the model that ran, and at the shapes that it ran with?",
    )


_NOT_JOINED = {
    "unmatched": ("layers-unmatched", "measured layers are not in the model"),
    "free": ("layers-free", "measured layers are nodes that cost nothing in the model"),
    "own": ("layers-of-the-runtime", "layers are the runtime's own"),
}
"""Why a row is not joined -> finding."""


def _by_order(rows: Sequence[Measurement], found: list[Place | None], own: Sequence[bool], graph: ModelNames) -> None:
    """Place the rows that have no known name: between their neighbours, the next free node that fits."""
    taken = {node for place in found if place is not None for node in place[0]}
    later = [(min(p[0]), at) for at, p in enumerate(found) if p is not None and p[1] != "region"]
    heapify(later)
    after = -1
    for at, row in enumerate(rows):
        place = found[at]
        if place is not None:
            after = max(after, max(place[0]))
            continue
        if own[at] or not row.op_type or row.layer in graph.contradictions:
            continue
        while later and (later[0][0] <= after or later[0][1] < at):  # both only grow
            heappop(later)
        before = later[0][0] if later else len(graph.counts)
        node = next((n for n in range(after + 1, before) if n not in taken and graph.fits(n, row)), None)
        if node is not None:
            found[at] = frozenset({node}), "order"
            taken.add(node)
            after = node


def _blocks(
    rows: Sequence[Measurement], found: Sequence[Place | None], graph: ModelNames
) -> list[tuple[list[int], set[int], str]]:
    """Return rows, layers and evidence that belong together: a row with all layers of its nodes, and so on."""
    of_layer: dict[int, tuple[list[int], set[int], set[str]]] = {}
    for at, place in enumerate(found):
        if place is None:
            continue
        layers = {graph.layer_of[node] for node in place[0] if graph.counts[node].status == "counted"
                  and node in graph.layer_of}  # fmt: skip
        if not layers:
            continue
        mine = [at], set(layers), {place[1]}
        for other in {id(of_layer[layer]): of_layer[layer] for layer in layers if layer in of_layer}.values():
            few, mine = (other, mine) if len(other[0]) < len(mine[0]) else (mine, other)
            mine[0].extend(few[0])
            mine[1].update(few[1])
            mine[2].update(few[2])
            of_layer |= dict.fromkeys(few[1], mine)
        of_layer |= dict.fromkeys(layers, mine)
    blocks = {id(block): block for block in of_layer.values()}.values()
    strongest_first = ("name", "nodes", "region", "order")
    found_blocks = [(sorted(mine), layers, max(how, key=strongest_first.index)) for mine, layers, how in blocks]
    return sorted(found_blocks, key=lambda block: min(block[1]))


def _result(
    rows: Sequence[Measurement],
    kinds: Sequence[str],
    blocks: Sequence[tuple[list[int], set[int], str]],
    analysis: Analysis,
    where: str,
) -> Joined:
    def seconds(which: Iterable[int]) -> float:
        return sum(rows[at].time_s or 0.0 for at in which)

    of_kind = {kind: [at for at, mine in enumerate(kinds) if mine == kind] for kind in (*_NOT_JOINED, "joined")}
    measured = {layer for block in blocks for layer in block[1]}
    counted = [at for at, layer in enumerate(analysis.layer_counts) if layer.status == "counted"]
    unmeasured = tuple(at for at in counted if at not in measured)
    total_s = seconds(range(len(rows)))
    share_of_time, share_of_layers = (
        seconds(of_kind["joined"]) / total_s,
        len(measured & set(counted)) / max(1, len(counted)),
    )
    message = f"{share_of_time:.1%} of the time and {share_of_layers:.1%} of the counted layers are joined"
    findings = [Finding("join-coverage", where, message)]
    for kind, (code, what) in _NOT_JOINED.items():
        which = of_kind[kind]
        if which:
            longest = max(which, key=lambda at: rows[at].time_s or 0.0)
            text = f"{len(which)} {what}, {seconds(which) / total_s:.1%} of the time"
            findings.append(Finding(code, f"{where}: {rows[longest].layer}", text))
    by_order = [block for block in blocks if block[2] == "order"]
    if by_order:
        text = f"{len(by_order)} layers are joined by their order and operator, their names being the runtime's own"
        findings.append(Finding("joined-by-order", f"{where}: {rows[by_order[0][0][0]].layer}", text))
    if unmeasured:
        label = analysis.layer_counts[unmeasured[0]].node.label
        findings.append(Finding("layers-unmeasured", label, f"{len(unmeasured)} counted layers have no measured time"))
    return Joined(
        blocks=tuple(
            Block(tuple(rows[at] for at in mine), tuple(sorted(layers)), seconds(mine), how)
            for mine, layers, how in blocks
        ),
        own=tuple(rows[at] for at in of_kind["own"]),
        free=tuple(rows[at] for at in of_kind["free"]),
        unmatched=tuple(rows[at] for at in of_kind["unmatched"]),
        unmeasured=unmeasured,
        share_of_time=share_of_time,
        share_of_layers=share_of_layers,
        findings=tuple(findings),
    )
