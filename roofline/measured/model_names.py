"""Where the names of a model's nodes, tensors and layers are, and which of them a measured layer's name means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from roofline.measured.names import take_apart
from roofline.measured.record import Measurement
from roofline.measured.same_work import SameWork

if TYPE_CHECKING:
    from roofline.analysis import Analysis

_REPEAT = re.compile(r"[0-9]{1,9}")
Place = tuple[frozenset[int], str]
"""Nodes that ran in a row, and how that is known."""


class ModelNames:
    """Where the names of a model's nodes, tensors and layers are."""

    def __init__(self, analysis: Analysis, rows: Sequence[Measurement]) -> None:
        self.counts = analysis.counts
        self.work = SameWork(analysis, rows)
        self.contradictions: dict[str, str] = {}
        """Layer -> how it contradicts the node of its name."""
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

    def nodes_of(self, row: Measurement) -> Place | None:
        """Return the nodes that ran in a row, and how that is known."""
        base, _, repeat = row.layer.rpartition(" #")
        if _REPEAT.fullmatch(repeat) and base and not self.find(row.layer):
            places = self.find(base)
            if len(places) >= int(repeat) > 0:  # the second layer of a name is the second node of it
                return self._unless_other(row, places[int(repeat) - 1])
        exact = self.find(row.layer)
        if exact and not row.nodes:
            return self._unless_other(row, exact[0])
        parts = take_apart(row.layer)
        listed = frozenset(at for name in row.nodes or parts.nodes for at in self.find(name)[:1])
        if listed:
            return (listed, "nodes") if row.nodes else self._back_to(row, listed)
        if parts.region is not None:
            first, last = (self.find(name) for name in parts.region)
            if first and last:
                low, high = min(first[0], last[-1]), max(first[0], last[-1])
                return frozenset(range(low, high + 1)), "region"
        return None

    def _unless_other(self, row: Measurement, node: int, path: frozenset[int] | None = None) -> Place | None:
        """Return the node of a row's name, or nothing where operator or shape say that another one ran."""
        how = self.work.contradiction(node, row)
        if how and self.counts[node].node.name:  # else the name is made up, here and by the runtime
            self.contradictions[row.layer] = how
        return None if how else (path, "nodes") if path else (frozenset({node}), "name")

    def _back_to(self, row: Measurement, nodes: frozenset[int]) -> Place | None:
        """Return nodes and those before them, back to the row's operator: a fused ``Conv`` named after its Relu."""
        (node, *others) = nodes
        path = [node]
        if row.layer.endswith("_bn_nchwc"):  # onnxruntime runs it as a Conv of one channel per group
            row = row._replace(op_type="BatchNormalization")
        while not others and row.op_type and len(path) <= 4 and not self.work.same_operator(path[-1], row):
            first = next((t for t in self.counts[path[-1]].node.inputs if t is not None and t.origin == "data"), None)
            maker = self._maker.get(first.name) if first is not None else None
            if maker is None:
                return nodes, "nodes"
            path.append(maker)
        if not others and self.work.same_operator(path[-1], row):
            return self._unless_other(row, path[-1], frozenset(path))
        return nodes, "nodes"

    def fits(self, node: int, row: Measurement) -> bool:
        """Whether a node can be what ran in a row: the same operator, and the same input shape where both are known."""
        is_counted = self.counts[node].status == "counted"
        return is_counted and self.work.same_operator(node, row) and self.work.same_shape(node, row)
