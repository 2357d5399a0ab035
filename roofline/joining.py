"""Which layers of two analyses belong together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.counting import LayerCount

_Key = tuple[Hashable, ...]


class Joined(NamedTuple):
    """Layers of A and of B that do the same work; one side is empty where the other has no partner."""

    a: tuple[int, ...]
    """Positions in A's layers."""
    b: tuple[int, ...]
    """Positions in B's layers."""


class Joining(NamedTuple):
    """How the layers of two analyses go together, in the order of A's layers, then what only B has."""

    pairs: tuple[Joined, ...]
    is_one_graph: bool
    """Whether both have the same nodes, so that layers are joined by their nodes."""
    by_name: int
    by_shape: int
    """Layers of two graphs that were joined by name, and by operator and shape."""


def join_layers(a: Analysis, b: Analysis) -> Joining:
    """Join the layers that run.

    Two analyses of one graph: by their nodes, so a fused group meets the nodes that it is made of. Two graphs: layers
    of the same name and operator, then what is left by operator and shape of the result, in order.
    """
    if _nodes(a) == _nodes(b):
        return Joining(_in_order(_by_nodes(a, b)), True, 0, 0)
    return _by_likeness(a, b)


def _nodes(analysis: Analysis) -> list[tuple[str, str, str]]:
    return [(node.label, node.op_type, node.scope) for node in analysis.graph.nodes]


def _active(analysis: Analysis) -> list[int]:
    """Return the positions of the layers that are not free under the traffic model."""
    return [i for i, c in enumerate(analysis.layer_counts)
            if not c.node.free and c.status_under(analysis.traffic)[0] != "free"]  # fmt: skip


def _in_order(pairs: list[Joined]) -> tuple[Joined, ...]:
    only_b = [pair for pair in pairs if not pair.a]
    return (*sorted(pair for pair in pairs if pair.a), *sorted(only_b, key=lambda pair: pair.b))


def _by_nodes(a: Analysis, b: Analysis) -> list[Joined]:
    """Put layers that share a node together, and what shares a node with those."""
    keys_a, keys_b = _keys(a), _keys(b)
    layers = [(0, i) for i in _active(a)] + [(1, i) for i in _active(b)]
    parent = list(range(len(layers)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    holder: dict[_Key, int] = {}
    for number, (side, position) in enumerate(layers):
        for key in (keys_a, keys_b)[side][position]:
            parent[root(number)] = root(holder.setdefault(key, number))
    found: dict[int, tuple[list[int], list[int]]] = {}
    for number, (side, position) in enumerate(layers):
        found.setdefault(root(number), ([], []))[side].append(position)
    return [Joined(tuple(of_a), tuple(of_b)) for of_a, of_b in found.values()]


def _keys(analysis: Analysis) -> list[list[_Key]]:
    """Return for each layer what it is made of: the pass (forward, backward) and the places of its nodes."""
    place = {id(count.node): i for i, count in enumerate(analysis.counts)}
    main = {count.node.position: i for i, count in enumerate(analysis.counts) if not count.node.scope}
    forward = analysis.step.forward if analysis.step else len(analysis.layer_counts)
    found: list[list[_Key]] = []
    for position, layer in enumerate(analysis.layer_counts):
        if layer.node.op_type == "Optimizer" and position >= forward:
            found.append([("optimizer",)])
            continue
        parts = layer.parts or (place.get(id(layer.node), main.get(layer.node.position, -1 - position)),)
        found.append([("forward" if position < forward else "backward", part) for part in parts])
    return found


def _by_likeness(a: Analysis, b: Analysis) -> Joining:
    left_a, left_b = _active(a), _active(b)
    by_name = _same_in_turn(left_a, _names(a, left_a), left_b, _names(b, left_b))
    named_a, named_b = {i for i, _ in by_name}, {j for _, j in by_name}
    left_a = [i for i in left_a if i not in named_a]
    left_b = [j for j in left_b if j not in named_b]
    by_shape = [(left_a[i], left_b[j]) for i, j in longest_in_order(_looks(a, left_a, 0), _looks(b, left_b, 1))]
    joined = [*by_name, *by_shape]
    done_a, done_b = {i for i, _ in joined}, {j for _, j in joined}
    pairs = [Joined((i,), (j,)) for i, j in joined]
    pairs += [Joined((i,), ()) for i in left_a if i not in done_a]
    pairs += [Joined((), (j,)) for j in left_b if j not in done_b]
    return Joining(_in_order(pairs), False, len(by_name), len(by_shape))


def longest_in_order(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return positions of a longest common subsequence, in order.

    Networks repeat their blocks, so the longest *run* that two have in common can sit far off the diagonal
    (``difflib`` takes that one first, and then has little left to join). Bit-parallel: Hyyrö, "Bit-parallel LCS-length
    computation revisited" (2004). Bit j of ``rows[i]`` is 0 where the j-th of `right` adds one to what the first i of
    `left` have in common with those before it.
    """
    places: dict[Hashable, int] = {}
    for j, key in enumerate(right):
        places[key] = places.get(key, 0) | 1 << j
    whole = (1 << len(right)) - 1
    rows = [whole]
    for key in left:
        row = rows[-1]
        hits = row & places.get(key, 0)
        rows.append(((row + hits) | (row - hits)) & whole)
    found = []
    i, j = len(left), len(right)
    while i and j:
        if rows[i] >> (j - 1) & 1:
            j -= 1
        elif not rows[i - 1] >> (j - 1) & 1:
            i -= 1
        else:
            i, j = i - 1, j - 1
            found.append((i, j))
    return found[::-1]


def _same_in_turn(
    left: Sequence[int], keys_left: Sequence[_Key], right: Sequence[int], keys_right: Sequence[_Key]
) -> list[tuple[int, int]]:
    """Join equal keys: the first of a key with the first, the second with the second."""
    waiting: dict[_Key, list[int]] = {}
    for j, key in zip(right, keys_right, strict=True):
        waiting.setdefault(key, []).append(j)
    found = []
    for i, key in zip(left, keys_left, strict=True):
        if waiting.get(key):
            found.append((i, waiting[key].pop(0)))
    return found


def _names(analysis: Analysis, positions: Sequence[int]) -> list[_Key]:
    layers = analysis.layer_counts
    return [(layers[i].node.label, layers[i].node.qualified_op) for i in positions]


def _looks(analysis: Analysis, positions: Sequence[int], side: int) -> list[_Key]:
    """Return operator and shape of each layer; a shape that is unknown is like no other."""
    layers = analysis.layer_counts
    return [(_operator(layers[i]), _shape(layers[i], analysis.graph.batch) or (side, i)) for i in positions]


def _operator(layer: LayerCount) -> str:
    return "attention" if layer.pattern == "attention" else layer.node.qualified_op


def _shape(layer: LayerCount, batch: int | None) -> tuple[Hashable, ...] | None:
    shape = layer.node.results[0].shape if layer.node.results else None
    if shape is None:
        return None
    return ("batch", *shape[1:]) if shape and shape[0] == batch else ("shape", *shape)
