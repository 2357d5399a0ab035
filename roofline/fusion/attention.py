"""Attention written out: a product, a softmax over it, another product, and the layout work around them (rule 6)."""

from __future__ import annotations

from roofline.fusion.patterns import AROUND, MAX_CHAIN, PRODUCTS, SCORES, SOFTMAX
from roofline.fusion.wiring import Wiring, size


def find_attention(wiring: Wiring) -> list[list[int]]:
    """Return each attention as the positions of its nodes, in order."""
    taken: set[int] = set()
    found = []
    for position in wiring.active:
        if wiring.node(position).op_type in SOFTMAX and position not in taken:
            core = _core(wiring, position)
            if core and not core & taken:
                group = _with_surroundings(wiring, core, taken)
                taken |= group
                found.append(sorted(group))
    return found


def find_caches(wiring: Wiring, taken: set[int]) -> list[list[int]]:
    """Return each cache that grows with the layout work and rotary embedding in front of its new part (rule 7)."""
    found = []
    for position in wiring.active:
        if position not in taken and wiring.past_of(position):
            group = _upwards(wiring, {position}, taken)
            taken |= group
            found.append(sorted(group))
    return found


def _is_product(wiring: Wiring, position: int) -> bool:
    node = wiring.node(position)
    operands = [t for t in node.inputs[:2] if t is not None]
    return node.op_type in PRODUCTS and len(operands) == 2 and not any(t.is_static for t in operands)


def _core(wiring: Wiring, softmax: int) -> set[int]:
    """Return QK^T, the scores' operators and PV around a softmax; empty where something else reads the scores."""
    above, below = _above(wiring, softmax), _below(wiring, softmax)
    if not above or not below:
        return set()
    core = {softmax, *above, *below}
    last = below[-1]
    for position in core - {last}:
        for tensor in wiring.node(position).results:
            if tensor.name in wiring.outputs or any(r not in core for r in wiring.readers.get(tensor.name, ())):
                return set()
    return core


def _above(wiring: Wiring, position: int) -> list[int]:
    """Return the operators from a softmax up to the product of the scores, or nothing."""
    path: list[int] = []
    while len(path) <= MAX_CHAIN:
        node = wiring.node(position)
        wanted = size(node.results[0]) if node.results else -1
        makers = [
            wiring.maker[t.name]
            for t in wiring.data_inputs(position)
            if t.name in wiring.maker and size(t) == wanted and wanted != -1
        ]
        products = [m for m in makers if _is_product(wiring, m)]
        if products:
            return [*path, products[0]]
        steps = [m for m in makers if wiring.node(m).op_type in SCORES]
        if not steps:
            return []
        position = steps[0]
        path.append(position)
    return []


def _below(wiring: Wiring, softmax: int) -> list[int]:
    """Return the operators from a softmax down to the product with the values, or nothing."""
    path: list[int] = []
    front = {softmax}
    while len(path) <= MAX_CHAIN:
        readers = {r for p in front for t in wiring.node(p).results for r in wiring.readers.get(t.name, ())} - set(path)
        if len(readers) == 1 and _is_product(wiring, next(iter(readers))):
            return [*path, readers.pop()]
        steps = {r for r in readers if wiring.node(r).op_type in SCORES}
        if not steps or steps != readers - {r for r in readers if _is_product(wiring, r)}:
            return []
        path += sorted(steps)
        front = steps
    return []


def _with_surroundings(wiring: Wiring, core: set[int], taken: set[int]) -> set[int]:
    group = _upwards(wiring, core, taken)
    last = max(core)
    reader = wiring.sole_reader(wiring.node(last).results[0].name) if wiring.node(last).results else None
    while reader is not None and wiring.node(reader).op_type in ("Transpose", "Reshape", "Squeeze"):
        group.add(reader)
        reader = wiring.sole_reader(wiring.node(reader).results[0].name)
    return group


def _upwards(wiring: Wiring, core: set[int], taken: set[int]) -> set[int]:
    """Return some nodes with the layout work in front of them that nothing else reads."""
    group = set(core)
    waiting = list(core)
    while waiting:
        position = waiting.pop()
        for maker in {wiring.maker[t.name] for t in wiring.data_inputs(position) if t.name in wiring.maker}:
            if maker not in group and maker not in taken and _is_only_for(wiring, maker, group):
                group.add(maker)
                waiting.append(maker)
    return group


def _is_only_for(wiring: Wiring, position: int, group: set[int]) -> bool:
    """Whether a node is layout work in front of attention that nothing else reads."""
    node = wiring.node(position)
    if node.op_type not in AROUND or wiring.layers[position].status == "unsupported":
        return False
    for tensor in node.results:
        if tensor.name in wiring.outputs or any(r not in group for r in wiring.readers.get(tensor.name, ())):
            return False
    constant = [t for t in node.operands if t.is_static and size(t) != 1]
    if node.op_type == "Add" and constant:
        return False  # a bias: it belongs to the projection
    return node.op_type != "Gather" or (
        node.input(1) is not None and node.tensor(1).is_static and not node.tensor(0).is_static
    )
