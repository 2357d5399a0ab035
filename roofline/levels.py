"""Two memory levels: what a last-level cache keeps from DRAM (``--levels``).

Assumed: a result stays in the cache until the next layer reads it, if it fits there as a whole; nothing else stays.
A result that only the next layer reads is then never written to DRAM. Every byte still passes the cache, where
attention reads keys and values once per tile of queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from roofline.counting import LayerCount, members_of
from roofline.fusion.wiring import Wiring
from roofline.graph.nodes import Graph, Node, TensorInfo
from roofline.memory import storages

QUERY_TILE = 128
"""Queries that a flash-attention kernel holds at a time (Dao 2023: blocks of 64 to 128)."""


class Levels(NamedTuple):
    """Bytes per layer at each level, in the layers' order."""

    cache_bytes: tuple[int, ...]
    """Through the last-level cache."""
    dram_bytes: tuple[int, ...]
    layers: tuple[LayerCount, ...]
    """The layers with what they move to and from DRAM."""


def two_levels(graph: Graph, counts: Sequence[LayerCount], layers: Sequence[LayerCount], capacity: float) -> Levels:
    """Return each layer's bytes through a cache of `capacity` bytes, and to DRAM."""
    root = storages(Wiring(graph, counts))
    running = [i for i, layer in enumerate(layers) if layer.status == "counted" and not layer.node.scope]
    found = members_of(layers, counts)
    members = {i: [member.node for member in found[i]] for i in running}
    readers: dict[str, set[int]] = {}
    for i in running:
        for node in members[i]:
            for name in node.reads:
                readers.setdefault(root.get(name, name), set()).add(i)
    ends = {root.get(name, name) for name in graph.outputs}
    read, written = [0] * len(layers), [0] * len(layers)
    for place, following in pairwise(running):
        for tensor in _results(members[place]):
            name = root.get(tensor.name, tensor.name)
            elsewhere = readers.get(name, set()) - {place}
            if layers[following].node.op_type == "Concat":
                continue  # its parts may be in place already
            if following not in elsewhere or not tensor.is_known or tensor.nbytes > capacity:
                continue
            read[following] += tensor.nbytes
            if elsewhere == {following} and name not in ends:
                written[place] += tensor.nbytes
    kept = [
        layer._replace(
            cost=layer.cost._replace(
                bytes_read=max(0, layer.cost.bytes_read - read[i]),
                bytes_written=max(0, layer.cost.bytes_written - written[i]),
            )
        )
        for i, layer in enumerate(layers)
    ]
    through = [
        layer.cost.bytes_read + layer.cost.bytes_written + _read_again(members.get(i, ()), layer)
        for i, layer in enumerate(layers)
    ]
    return Levels(
        cache_bytes=tuple(through),
        dram_bytes=tuple(layer.cost.bytes_read + layer.cost.bytes_written for layer in kept),
        layers=tuple(kept),
    )


def _results(members: Sequence[Node]) -> list[TensorInfo]:
    return [tensor for node in members for tensor in node.results]


def _read_again(members: Sequence[Node], layer: LayerCount) -> int:
    """Return what attention reads more than once: keys and values, for every tile of queries but the first."""
    if layer.pattern != "attention":
        return 0
    products = [n for n in members if n.op_type in ("MatMul", "FusedMatMul") and len(n.inputs) >= 2]
    if len(products) < 2:
        return 0
    scores = products[0].result().shape or (0, 0)
    tiles = -(-scores[-2] // QUERY_TILE)
    return (tiles - 1) * (products[0].tensor(1).nbytes + products[-1].tensor(1).nbytes)
