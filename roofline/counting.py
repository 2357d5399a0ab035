"""From a graph to counted layers: every node is counted, free with a reason, or unsupported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from roofline.graph.nodes import Graph, Node, UnknownShapeError
from roofline.ops import PAGODA, RULES, Cost, Free, RuleTable
from roofline.ops.pagoda import TRAINING_FACTOR
from roofline.ops.table import read_bytes
from roofline.precision import CONTRACTIONS, PrecisionPolicy

Status = Literal["counted", "free", "unsupported"]

NOTHING = Cost()


class LayerCount(NamedTuple):
    """One node with what it costs under the traffic models that were asked for."""

    node: Node
    status: Status
    reason: str = ""
    """Why it is free or unsupported."""
    op_class: str = ""
    precision: str = ""
    """Precision of its contraction; empty if it has none."""
    vector_precision: str = "fp32"
    """Precision of the rest of its work."""
    cost: Cost = NOTHING
    """What it really costs, each operand read and each result written once."""
    pagoda: Cost = NOTHING
    """What it costs by Pagoda's conventions."""
    pattern: str = ""
    """``attention``, or the operators of a fused group joined by ``+``."""
    members: tuple[str, ...] = ()
    """Labels of the nodes of a fused group; empty for a node alone."""
    parts: tuple[int, ...] = ()
    """Positions of those nodes among all; names in a file need not differ."""
    saved_bytes: int = 0
    """What its nodes would move one by one, minus what they move together."""
    operand_bytes: int | None = None
    """Bytes of the tensors that an unsupported node touches, where their sizes are known."""

    def under(self, traffic: str) -> Cost:
        """Return the cost under a traffic model."""
        return self.pagoda if traffic == "pagoda" else self.cost

    def status_under(self, traffic: str) -> tuple[Status, str]:
        """Return status and reason under a traffic model: Pagoda charges views, and knows fewer operators."""
        if traffic != "pagoda" or self.status == "unsupported":
            return self.status, self.reason
        if self.pagoda != NOTHING:
            return "counted", ""
        return "free", self.reason or "not counted by Pagoda"


def count_layers(
    graph: Graph, policy: PrecisionPolicy, phase: str = "inference", rules: RuleTable = RULES
) -> tuple[LayerCount, ...]:
    """Count every node of the graph, in order, by the given rules."""
    factor = TRAINING_FACTOR if phase == "training" else 1
    layers = [
        LayerCount(node, "free", node.free) if node.free else _count(node, policy, factor, rules)
        for node in graph.nodes
    ]
    if any(node.repeat != 1 or node.branch for node in graph.nodes):
        layers = _costlier_branches(_repeated(layers))
    return tuple(layers)


def _repeated(layers: Sequence[LayerCount]) -> list[LayerCount]:
    """Multiply what lies in loops by its trips. Weights are read once, and in every trip if no cache holds them."""
    weights: dict[str, int] = {}
    for layer in layers:
        if layer.node.repeat != 1 and layer.status == "counted":
            weights[layer.node.loop] = weights.get(layer.node.loop, 0) + layer.cost.weight_bytes
    found = []
    for layer in layers:
        trips = layer.node.repeat
        if layer.status != "counted" or trips == 1:
            found.append(layer)
        elif trips is None:
            found.append(_unsupported(layer.node, "how often it runs is unknown"))
        else:
            cost = _times(layer.cost, trips, weights[layer.node.loop])
            found.append(layer._replace(cost=cost, pagoda=_times(layer.pagoda, trips, 0)))
    return found


def _times(cost: Cost, trips: int, together: int) -> Cost:
    varying = cost.bytes_read - cost.weight_bytes
    return cost._replace(
        macs=trips * cost.macs,
        vector_flops=trips * cost.vector_flops,
        bytes_read=trips * varying + (cost.weight_bytes if trips else 0),
        bytes_written=trips * cost.bytes_written,
        weight_bytes=cost.weight_bytes if trips else 0,
        resident_bytes=cost.weight_bytes,
        resident_steps=trips * cost.resident_steps or 1,
        resident_set=together,
    )


def _costlier_branches(layers: Sequence[LayerCount]) -> list[LayerCount]:
    """Keep the costlier branch of each If (more FLOP, then more bytes), innermost Ifs first; the other is free."""
    found = list(layers)
    for depth in range(max(len(layer.node.branch) for layer in layers), 0, -1):
        cost: dict[str, dict[int, tuple[int, int]]] = {}
        inside = [(i, layer) for i, layer in enumerate(found)
                  if len(layer.node.branch) >= depth and layer.node.free != CHEAPER]  # fmt: skip
        for _, layer in inside:
            place, which = layer.node.branch[depth - 1]
            flops, moved = cost.setdefault(place, {}).get(which, (0, 0))
            mine = layer.cost if layer.status == "counted" else NOTHING
            cost[place][which] = flops + mine.flops, moved + mine.bytes_read + mine.bytes_written
        for i, layer in inside:
            place, which = layer.node.branch[depth - 1]
            options = cost[place]
            chosen = max(options, key=lambda branch: (*map(plain, options[branch]), -branch))
            if which != chosen:
                found[i] = LayerCount(layer.node._replace(free=CHEAPER), "free", CHEAPER)
    return found


def plain(count: Any) -> int:
    """Return a count to rank by; of an expression, its value with every dimension 64."""
    return count if isinstance(count, int) else int(count.subs(dict.fromkeys(count.free_symbols, 64)))


def members_of(layers: Sequence[LayerCount], counts: Sequence[LayerCount]) -> list[list[LayerCount]]:
    """Return the nodes of each layer, as they are counted alone.

    Args:
        layers: nodes of `counts`, or groups of them.
        counts: every node counted alone.
    """
    alone = {id(count.node): count for count in counts}
    return [
        [counts[i] for i in layer.parts] if layer.parts else [alone[id(layer.node)]] if id(layer.node) in alone else []
        for layer in layers
    ]


CHEAPER = "the cheaper branch of an If: the other one is counted"


def _count(node: Node, policy: PrecisionPolicy, factor: int, rules: RuleTable) -> LayerCount:
    rule = rules.find(node.domain, node.op_type, node.opset)
    if rule is None:
        return _unsupported(node, f"no rule for {node.qualified_op}")
    if rule.op_class in ("matmul", "convolution") and any(node.input(place) is None for place in rule.operands):
        return _unsupported(node, "an operand is left out")
    node = policy.apply(node, rule.op_class, rule.operands)
    try:
        cost = rule.function(node)
        pagoda = _pagoda(node, factor)
    except UnknownShapeError as error:
        return _unsupported(node, f"the shape of {error.args[0]} is unknown")
    except Exception as error:  # noqa: BLE001 - a rule may be a user's own; whatever it raises, the node is named
        return _unsupported(node, f"its inputs or attributes do not fit the operator ({type(error).__name__}: {error})")
    if isinstance(cost, Free):
        return LayerCount(node=node, status="free", reason=cost.reason, op_class=rule.op_class, pagoda=pagoda)
    if not isinstance(cost, Cost):
        return _unsupported(node, f"its rule returns {type(cost).__name__}, not a cost")
    if any(isinstance(count, int) and count < 0 for count in cost):
        return _unsupported(node, "its rule gives a negative count")
    contracts = rule.op_class in CONTRACTIONS
    return LayerCount(
        node=node,
        status="counted",
        op_class=rule.op_class,
        precision=policy.of_contraction(node, rule.op_class, rule.operands) if contracts else "",
        vector_precision=_vector_precision(node),
        cost=cost,
        pagoda=pagoda,
    )


def _pagoda(node: Node, factor: int) -> Cost:
    rule = PAGODA.find(node.domain, node.op_type, node.opset)
    found = rule.function(node) if rule is not None else NOTHING
    if isinstance(found, Free) or factor == 1:
        return NOTHING if isinstance(found, Free) else found
    return found._replace(
        macs=factor * found.macs,
        vector_flops=factor * found.vector_flops,
        bytes_read=factor * found.bytes_read,
        bytes_written=factor * found.bytes_written,
        weight_bytes=factor * found.weight_bytes,
    )


def _unsupported(node: Node, reason: str) -> LayerCount:
    tensors = [t for t in (*node.operands, *node.results) if t.is_known]
    return LayerCount(node=node, status="unsupported", reason=reason, operand_bytes=read_bytes(tensors))


def _vector_precision(node: Node) -> str:
    dtype = node.results[0].dtype if node.results else None
    return {"float16": "fp16", "bfloat16": "bf16"}.get(dtype or "", "fp32")
