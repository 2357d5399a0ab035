"""Bytes of groups: what enters once, and what is made inside and used outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from roofline.counting import LayerCount, plain
from roofline.fusion.patterns import PICKS, PRODUCTS, SOFTMAX, kind_of
from roofline.fusion.wiring import Wiring
from roofline.graph.nodes import Dim, Graph, TensorInfo
from roofline.ops.table import Cost, read_bytes

_ANCHORS = ("contraction", "attention", "reduction", "concat", "other", "pointwise", "alias", "view")
"""Which member gives the group its name, best first."""


def fused_layers(graph: Graph, layers: Sequence[LayerCount], groups: Sequence[Sequence[int]]) -> list[LayerCount]:
    """Return one layer per group, and every layer that is in none, in the graph's order.

    Args:
        layers: every node counted alone.
        groups: positions in `layers`, as `roofline.fusion.groups.find_groups` returns them.
    """
    wiring = Wiring(graph, layers)
    of = {position: number for number, members in enumerate(groups) for position in members}
    result: list[tuple[int, LayerCount]] = [
        (position, layer) for position, layer in enumerate(layers) if position not in of
    ]
    for number, members in enumerate(groups):
        result.append((members[0], _layer(wiring, members, of, number)))
    return [layer for _, layer in sorted(result, key=lambda item: item[0])]


def _layer(wiring: Wiring, members: Sequence[int], of: Mapping[int, int], number: int) -> LayerCount:
    layers = [wiring.layers[position] for position in members]
    working = [layer for layer in layers if layer.status == "counted"]
    if not working:
        if len(layers) == 1:
            return layers[0]
        return layers[0]._replace(members=tuple(layer.node.label for layer in layers), parts=tuple(members))
    anchor = min(working, key=lambda layer: _ANCHORS.index(kind_of(layer.node.op_type, layer.op_class, layer.status)))
    if len(members) == 1 and anchor.node.op_type != "Concat":
        return anchor
    cost = _cost(wiring, members, of, number, anchor.cost)
    if is_in_place(anchor, cost):
        anchor = anchor._replace(status="free", reason=IN_PLACE)
    alone = sum(layer.cost.bytes_read + layer.cost.bytes_written for layer in working)
    return anchor._replace(
        cost=cost,
        pagoda=_sum([layer.pagoda for layer in layers]),
        pattern=_pattern(wiring, members),
        members=tuple(layer.node.label for layer in layers),
        parts=tuple(members),
        saved_bytes=alone - cost.bytes_read - cost.bytes_written,
    )


def _pattern(wiring: Wiring, members: Sequence[int]) -> str:
    operators = [wiring.node(p).op_type for p in members if wiring.kinds[p] != "view"]
    return "attention" if SOFTMAX & set(operators) and PRODUCTS & set(operators) else "+".join(operators)


IN_PLACE = "written in place by what makes its parts"


def is_in_place(layer: LayerCount, cost: Cost) -> bool:
    """Whether a Concat has nothing left to copy."""
    return layer.node.op_type == "Concat" and cost.bytes_read == 0 and cost.bytes_written == 0


def _cost(wiring: Wiring, members: Sequence[int], of: Mapping[int, int], number: int, anchor: Cost) -> Cost:
    made: dict[str, TensorInfo] = {}
    enters: dict[str, TensorInfo] = {}
    picked: dict[str, Dim] = {}
    whole: set[str] = set()
    extra_read: Dim = 0
    extra_weights: Dim = 0
    written: Dim = 0
    working = [p for p in members if wiring.layers[p].status == "counted"]
    is_concat = len(working) == 1 and wiring.node(working[0]).op_type == "Concat"
    for position in working:
        layer = wiring.layers[position]
        node, cost = layer.node, layer.cost
        operands = node.operands
        if wiring.kinds[position] == "alias":
            operands = operands[1:]  # scale and zero point
        else:
            made.update((tensor.name, tensor) for tensor in node.results)
        past = wiring.past_of(position)
        operands = tuple(t for t in operands if t not in past)  # it stays where it is
        if is_concat:
            operands = tuple(t for t in operands if not is_written_in_place(wiring, position, t))
        for tensor in operands:
            name = wiring.storage(tensor.name)
            if name not in made and (name not in enters or tensor.nbytes > enters[name].nbytes):
                enters[name] = tensor if name == tensor.name else _stored(wiring, name, tensor)
        if node.op_type in PICKS and len(working) > 1 and node.operands:
            source = wiring.storage(node.operands[0].name)
            if source not in made:
                picked[source] = picked.get(source, 0) + read_bytes(node.results)
            continue
        whole.update(wiring.storage(tensor.name) for tensor in operands)
        extra_read += cost.bytes_read - read_bytes(node.operands)  # Gather reads rows, not the table
        extra_weights += cost.weight_bytes - read_bytes(t for t in node.operands if t.is_static)
    for name, part in picked.items():  # parts of a tensor that comes from outside
        if name in enters and name not in whole and is_less(part, enters[name].nbytes):
            extra_read += part - enters[name].nbytes
    for name, tensor in made.items():
        if _leaves(wiring, name, of, number):
            written += tensor.nbytes - read_bytes(wiring.past_of(wiring.maker[name]))
    if is_concat:
        written = read_bytes(enters.values())
    return _sum([wiring.layers[p].cost for p in working])._replace(
        bytes_read=read_bytes(enters.values()) + extra_read,
        bytes_written=written,
        weight_bytes=read_bytes(t for t in enters.values() if t.is_static) + extra_weights,
        pipe=anchor.pipe,
        winograd=anchor.winograd,
        resident_bytes=anchor.resident_bytes,
        resident_steps=anchor.resident_steps,
        resident_set=anchor.resident_set,
    )


def is_less(a: Dim, b: Dim) -> bool:
    """Whether one count is smaller than another; of expressions, with every dimension 64."""
    return plain(a) < plain(b)


def _stored(wiring: Wiring, name: str, seen: TensorInfo) -> TensorInfo:
    """Return the tensor behind a view or a dequantisation, under its own name and type."""
    maker = wiring.maker.get(seen.name)
    while maker is not None and wiring.kinds[maker] in ("view", "alias"):
        source = wiring.node(maker).inputs[0]
        if source is None:
            break
        if wiring.kinds[maker] == "alias":
            seen = source  # narrower than what is made of it
        maker = wiring.maker.get(source.name)
    return seen._replace(name=name)


def _leaves(wiring: Wiring, name: str, of: Mapping[int, int], number: int) -> bool:
    """Whether a tensor made in a group is used outside, through views or not."""
    waiting, seen = [name], {name}
    while waiting:
        current = waiting.pop()
        if current in wiring.outputs:
            return True
        for reader in wiring.readers.get(current, ()):
            if wiring.kinds[reader] in ("view", "alias"):
                for tensor in wiring.node(reader).results:
                    if tensor.name not in seen:
                        seen.add(tensor.name)
                        waiting.append(tensor.name)
            elif of.get(reader) != number:
                return True
    return False


def is_written_in_place(wiring: Wiring, concat: int, part: TensorInfo) -> bool:
    """Whether a part of a Concat needs no copy: its producer writes there, or it is a cache that grows (rule 7)."""
    node = wiring.node(concat)
    if part in wiring.past_of(concat):
        return True
    if part.is_static or part.name in wiring.outputs or wiring.storage(part.name) in wiring.inputs:
        return False
    if sum(1 for t in node.inputs if t is not None and t.name == part.name) > 1:
        return False
    name, reader = part.name, concat
    while wiring.readers.get(name) == [reader] and name in wiring.maker and name not in wiring.outputs:
        maker = wiring.maker[name]
        if wiring.kinds[maker] == "alias":
            return False
        source = wiring.node(maker).inputs[0] if wiring.kinds[maker] == "view" else None
        if source is None:
            return wiring.kinds[maker] != "view"
        name, reader = source.name, maker
    return False


def _sum(costs: Sequence[Cost]) -> Cost:
    return Cost(
        macs=sum(c.macs for c in costs),
        vector_flops=sum(c.vector_flops for c in costs),
        bytes_read=sum(c.bytes_read for c in costs),
        bytes_written=sum(c.bytes_written for c in costs),
        weight_bytes=sum(c.weight_bytes for c in costs),
    )
