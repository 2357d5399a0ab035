"""The traffic models: which layers there are under each, and the bytes they move."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.counting import LayerCount
from roofline.fusion.groups import find_groups
from roofline.fusion.patterns import PICKS
from roofline.fusion.traffic import fused_layers
from roofline.fusion.wiring import Wiring
from roofline.graph.nodes import Dim, Graph
from roofline.ops.table import read_bytes
from roofline.precision import PrecisionPolicy

TRAFFIC_MODELS = ("fused", "unfused", "ideal", "pagoda")
DEFAULT_TRAFFIC = "fused"


def layers_under(
    traffic: str,
    graph: Graph,
    counts: Sequence[LayerCount],
    policy: PrecisionPolicy,
    groups: Sequence[Sequence[int]] | None = None,
) -> tuple[LayerCount, ...]:
    """Return the layers of a model under a traffic model, in the graph's order.

    Args:
        traffic: ``unfused`` and ``pagoda``: every node; ``fused``: groups; ``ideal``: every node, with what any run
            has to move.
        counts: every node counted alone.
        groups: what fuses, where that is known; `graph` may have expressions for sizes then.
    """
    if traffic == "fused":
        return tuple(fused_layers(graph, counts, groups or find_groups(graph, counts)))
    if traffic == "ideal":
        return tuple(ideal_layers(graph, counts, policy))
    return tuple(counts)


def ideal_layers(graph: Graph, counts: Sequence[LayerCount], policy: PrecisionPolicy) -> list[LayerCount]:
    """Return the nodes with the bytes that any run moves, had it an endless cache.

    Each weight that a counted node touches once (of a gathered table only the rows returned), where it is read first;
    the graph's inputs, through views, where a counted node reads them first (no more of them than is picked out); its
    outputs where a counted node makes them, of a cache that grows only what is new. Tied weights count once, through
    copies and casts.
    """
    wiring = Wiring(graph, counts)
    touched: dict[str, Dim] = {}
    fed: set[str] = set()
    ends = {wiring.storage(name) for name in graph.outputs}
    found = []
    for position, layer in enumerate(counts):
        node = layer.node
        if node.free or layer.status != "counted":
            found.append(layer)
            continue
        weights = _touched(layer, touched)
        read: Dim = 0
        for name in dict.fromkeys(wiring.storage(name) for name in node.reads):
            if name in wiring.inputs and name not in fed:
                fed.add(name)
                read += _input_bytes(wiring, graph, name, policy)
        written: Dim = 0
        for result in node.results:
            stored = policy.stored(graph.tensors.get(result.name)) if result.name in ends and not node.scope else None
            if stored is not None and stored.is_known:
                written += stored.nbytes - read_bytes(wiring.past_of(position))
        cost = layer.cost._replace(
            bytes_read=weights + read, bytes_written=written, weight_bytes=weights, resident_steps=1
        )
        found.append(layer._replace(cost=cost))
    return found


def _input_bytes(wiring: Wiring, graph: Graph, name: str, policy: PrecisionPolicy) -> Dim:
    """Return the bytes of a graph input that have to be read: where only parts are picked out of it, those."""
    stored = policy.stored(graph.tensors.get(name))
    if stored is None or not stored.is_known:
        return 0
    readers = [wiring.layers[p] for p in wiring.readers.get(name, ())]
    if not readers or any(r.node.op_type not in PICKS or r.node.reads[:1] != (name,) for r in readers):
        return stored.nbytes
    picked = sum(read_bytes(r.node.results) for r in readers)
    return _extreme("Min", stored.nbytes, picked)


def _touched(layer: LayerCount, touched: dict[str, Dim]) -> Dim:
    """Return the bytes of weights that this layer is first to read; `touched` is brought up to date."""
    known = sum(t.nbytes for t in layer.node.operands if t.is_static and t.is_known)
    new: Dim = 0
    for tensor in layer.node.operands:
        if not tensor.root or not tensor.is_known:
            continue
        size = _extreme("Min", tensor.nbytes, layer.cost.weight_bytes - (known - tensor.nbytes))
        before = touched.get(tensor.root, 0)
        touched[tensor.root] = _extreme("Max", before, size)
        new += touched[tensor.root] - before
    return new


def _extreme(which: str, a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b) if which == "Min" else max(a, b)
    import sympy  # one of them is an expression, so it is loaded already

    found: Dim = getattr(sympy, which)(a, b)
    return found


def least_bytes(graph: Graph, counts: Sequence[LayerCount], policy: PrecisionPolicy) -> int:
    """Return the bytes that any run must move if it had no cache: Q_min of the bound."""
    ideal = ideal_layers(graph, counts, policy)
    return sum(layer.cost.bytes_read + layer.cost.bytes_written for layer in ideal if not layer.node.free)
