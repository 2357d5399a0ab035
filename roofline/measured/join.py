"""Join measured layers to a model's layers, by name, by the nodes that a runtime fused, then by order and operator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from roofline.errors import MeasurementError
from roofline.findings import Finding
from roofline.measured.names import take_apart
from roofline.measured.record import Measurement, by_run

if TYPE_CHECKING:
    from roofline.analysis import Analysis

SAME_WORK = {
    "FusedConv": ("Conv",),
    "NhwcConv": ("Conv",),
    "QLinearConv": ("Conv", "ConvInteger"),
    "FusedGemm": ("Gemm", "MatMul"),
    "Gemm": ("Gemm", "MatMul"),
    "FusedMatMul": ("MatMul",),
    "TransposeMatMul": ("MatMul",),
    "MatMulNBits": ("MatMul",),
    "SkipLayerNormalization": ("LayerNormalization",),
    "EmbedLayerNormalization": ("LayerNormalization",),
    "SkipSimplifiedLayerNormalization": ("RMSNormalization", "SimplifiedLayerNormalization"),
    "BiasGelu": ("Gelu", "Erf"),
    "FastGelu": ("Gelu", "Erf", "Tanh"),
    "Gelu": ("Gelu", "Erf"),
    "QuickGelu": ("Sigmoid",),
    "BiasSoftmax": ("Softmax",),
    "Attention": ("Attention", "Softmax"),
    "MultiHeadAttention": ("Attention", "Softmax"),
}
"""Operator that a runtime puts in -> operators of a model that it stands for. Others stand for themselves."""


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
    same input shape where the row has one. Works on fused groups as on nodes.

    Args:
        rows: layers of one run (rows of whole runs are passed over); times in `Measurement.time_s`.

    Raises:
        MeasurementError: there are no layers, they are of several runs, or not one of them is in the model.
    """
    rows = [row for row in rows if row.layer and row.time_s is not None]
    if not rows:
        raise MeasurementError("no layer with a time", where=where, expected="rows with layer and latency_ms")
    if len(by_run(rows)) > 1:
        raise MeasurementError("layers of several runs", where=where, expected="those of one: see by_run")
    graph = _Names(analysis)
    found: list[tuple[frozenset[int], str] | None] = [graph.nodes_of(row) for row in rows]
    own = [place is None and take_apart(row.layer).is_own for row, place in zip(rows, found)]
    _by_order(rows, found, own, graph)
    blocks = _blocks(rows, found, graph)
    if not blocks:
        names = ", ".join(count.node.label for count in analysis.counts if count.status == "counted")
        first = next((row for row, is_own in zip(rows, own) if not is_own), rows[0])
        raise MeasurementError(
            f"not one of {len(rows)} layers is in the model; the first is {first.layer!r}",
            where=f"{where}: row {first.line}, column layer" if first.line else where,
            expected=f"layers of {analysis.graph.path}: {names[:80]}...",
            hint="is it the model that ran?",
        )
    joined = {at for block in blocks for at in block[0]}
    kinds = ["joined" if at in joined else "own" if own[at] else "free" if found[at] else "unmatched"
             for at in range(len(rows))]  # fmt: skip
    return _result(rows, kinds, blocks, analysis, where)


_NOT_JOINED = {
    "unmatched": ("layers-unmatched", "measured layers are not in the model"),
    "free": ("layers-free", "measured layers are nodes that cost nothing in the model"),
    "own": ("layers-of-the-runtime", "layers are the runtime's own"),
}
"""Why a row is not joined -> finding."""


class _Names:
    """Where the names of a model's nodes, tensors and layers are."""

    def __init__(self, analysis: Analysis) -> None:
        self.counts = analysis.counts
        self.layer_of: dict[int, int] = {}
        """Position of a node -> position of its layer."""
        self._by_name: dict[str, list[int]] = {}
        self._maker: dict[str, int] = {}
        position = {id(count.node): at for at, count in enumerate(analysis.counts)}
        for at, layer in enumerate(analysis.layer_counts):
            for node in layer.parts or ((position[id(layer.node)],) if id(layer.node) in position else ()):
                self.layer_of[node] = at
        for at, count in enumerate(analysis.counts):
            for name in dict.fromkeys((count.node.label, count.node.name)):
                if name:
                    self._by_name.setdefault(name, []).append(at)
        for at, count in enumerate(analysis.counts):
            for tensor in count.node.outputs:
                if tensor is not None and tensor.name:
                    self._by_name.setdefault(tensor.name, [at])
                    self._maker.setdefault(tensor.name, at)

    def find(self, name: str) -> list[int]:
        """Return the positions of nodes of this name, or that make a tensor of it."""
        return self._by_name.get(name, [])

    def nodes_of(self, row: Measurement) -> tuple[frozenset[int], str] | None:
        """Return the nodes that ran in a row, and how that is known."""
        base, _, repeat = row.layer.rpartition(" #")
        if repeat.isdigit() and base and not self.find(row.layer):
            places = self.find(base)
            if len(places) >= int(repeat):  # the second layer of a name is the second node of it
                return frozenset({places[int(repeat) - 1]}), "name"
        exact = self.find(row.layer)
        if exact and not row.nodes:
            return frozenset(exact[:1]), "name"
        parts = take_apart(row.layer)
        listed = frozenset(at for name in row.nodes or parts.nodes for at in self.find(name)[:1])
        if listed:
            return listed if row.nodes else self._back_to(row, listed), "nodes"
        if parts.region is not None:
            first, last = (self.find(name) for name in parts.region)
            if first and last:
                low, high = min(first[0], last[-1]), max(first[0], last[-1])
                return frozenset(range(low, high + 1)), "region"
        return None

    def _back_to(self, row: Measurement, nodes: frozenset[int]) -> frozenset[int]:
        """Return nodes and those before them, back to the row's operator: a fused ``Conv`` named after its Relu."""
        (node, *others) = nodes
        path = [node]
        while not others and row.op_type and len(path) <= 4 and not self._same_work(path[-1], row):
            first = next((t for t in self.counts[path[-1]].node.inputs if t is not None and t.origin == "data"), None)
            maker = self._maker.get(first.name) if first is not None else None
            if maker is None:
                return nodes
            path.append(maker)
        return frozenset(path) if not others and self._same_work(path[-1], row) else nodes

    def _same_work(self, node: int, row: Measurement) -> bool:
        return self.counts[node].node.op_type in (row.op_type, *SAME_WORK.get(row.op_type, ()))

    def fits(self, node: int, row: Measurement) -> bool:
        """Whether a node can be what ran in a row: the same operator, and the same input shape where both are known."""
        count = self.counts[node]
        if count.status != "counted" or not self._same_work(node, row):
            return False
        shape = next((t.shape for t in count.node.inputs if t is not None and t.origin in ("data", "input")), None)
        same = not row.input_shape or shape is None or "x".join(map(str, shape)) == row.input_shape
        return same or row.op_type != count.node.op_type


def _by_order(
    rows: Sequence[Measurement], found: list[tuple[frozenset[int], str] | None], own: Sequence[bool], graph: _Names
) -> None:
    """Place the rows that have no known name: between their neighbours, the next free node that fits."""
    taken = {node for place in found if place is not None for node in place[0]}
    after = -1
    for at, row in enumerate(rows):
        place = found[at]
        if place is not None:
            after = max(after, max(place[0]))
            continue
        if own[at] or not row.op_type:
            continue
        later = [min(p[0]) for p in found[at + 1 :] if p is not None and p[1] != "region" and min(p[0]) > after]
        before = min(later, default=len(graph.counts))
        node = next((n for n in range(after + 1, before) if n not in taken and graph.fits(n, row)), None)
        if node is not None:
            found[at] = frozenset({node}), "order"
            taken.add(node)
            after = node


def _blocks(
    rows: Sequence[Measurement], found: Sequence[tuple[frozenset[int], str] | None], graph: _Names
) -> list[tuple[list[int], set[int], str]]:
    """Return rows, layers and evidence that belong together: a row with all layers of its nodes, and so on."""
    strength = ("name", "nodes", "region", "order")
    blocks: list[tuple[list[int], set[int], str]] = []
    for at, place in enumerate(found):
        if place is None:
            continue
        layers = {graph.layer_of[node] for node in place[0] if graph.counts[node].status == "counted"
                  and node in graph.layer_of}  # fmt: skip
        if not layers:
            continue
        mine, how = [at], place[1]
        for other in [block for block in blocks if block[1] & layers]:
            blocks.remove(other)
            mine, layers = other[0] + mine, layers | other[1]
            how = max(how, other[2], key=strength.index)
        blocks.append((sorted(mine), layers, how))
    return sorted(blocks, key=lambda block: min(block[1]))


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
