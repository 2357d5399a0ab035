"""The traffic models: which layers there are under each, and the bytes they move."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.counting import LayerCount
from roofline.fusion.groups import find_groups
from roofline.fusion.traffic import fused_layers
from roofline.graph.nodes import Dim, Graph, TensorInfo
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
    the graph's inputs where they are read first; its outputs where they are made. Tied weights count once, through
    copies and casts.
    """
    touched: dict[str, Dim] = {}
    fed = set(graph.inputs)
    found = []
    for layer in counts:
        node = layer.node
        if node.free or layer.status == "unsupported":
            found.append(layer)
            continue
        weights = _touched(layer, touched) if layer.status == "counted" else 0
        read = [t for name in node.reads if name in fed and (t := _stored(graph, name, policy)) is not None]
        fed.difference_update(node.reads)
        written = [t for r in node.results if r.name in graph.outputs and (t := _stored(graph, r.name, policy))]
        cost = layer.cost._replace(
            bytes_read=weights + sum(t.nbytes for t in read),
            bytes_written=sum(t.nbytes for t in written),
            weight_bytes=weights,
            resident_steps=1,
        )
        moves = read or written
        found.append(layer._replace(cost=cost, status="counted" if moves else layer.status))
    return found


def _stored(graph: Graph, name: str, policy: PrecisionPolicy) -> TensorInfo | None:
    tensor = policy.stored(graph.tensors.get(name))
    return tensor if tensor is not None and tensor.is_known else None


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
