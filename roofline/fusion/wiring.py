"""Who makes and who reads each tensor of the main graph, views seen through."""

from __future__ import annotations

from collections.abc import Sequence

from roofline.counting import LayerCount
from roofline.fusion.patterns import Kind, kind_of
from roofline.graph.nodes import Dim, Graph, Node, TensorInfo


class Wiring:
    """Positions are indices into the layers given.

    Attributes:
        kinds: position -> how the node takes part in fusion.
        maker: tensor -> position of the node that makes it.
        readers: tensor -> positions of the nodes that read it, in order.
        outputs: the graph's outputs.
    """

    def __init__(self, graph: Graph, layers: Sequence[LayerCount]) -> None:
        self.layers = layers
        self.kinds: list[Kind] = ["other"] * len(layers)
        self.maker: dict[str, int] = {}
        self.readers: dict[str, list[int]] = {}
        self.inputs = frozenset(graph.inputs)
        self.outputs = frozenset(graph.outputs)
        self._storage: dict[str, str] = {}
        self.active: list[int] = []
        for position, layer in enumerate(layers):
            node = layer.node
            if node.free or node.scope:
                continue
            self.active.append(position)
            kind = kind_of(node.op_type, layer.op_class, layer.status) if layer.status != "unsupported" else "other"
            if kind == "alias" and any(t.name in self.outputs for t in node.results):
                kind = "pointwise"  # somebody wants the dequantised tensor itself
            self.kinds[position] = kind
            for tensor in node.results:
                self.maker[tensor.name] = position
            for name in node.reads:
                self.readers.setdefault(name, []).append(position)
            if kind in ("view", "alias") and node.inputs and node.inputs[0] is not None and node.results:
                source = node.inputs[0].name
                self._storage[node.results[0].name] = self._storage.get(source, source)

    def node(self, position: int) -> Node:
        """Return the node at a position."""
        return self.layers[position].node

    def storage(self, name: str) -> str:
        """Return the tensor whose bytes a name stands for: views and dequantisations seen through."""
        return self._storage.get(name, name)

    def sole_reader(self, name: str) -> int | None:
        """Return the one node that reads a tensor; None if there are none or several, or it is an output."""
        found = self.readers.get(name, ())
        return found[0] if len(found) == 1 and name not in self.outputs else None

    def makers_of(self, position: int) -> list[int]:
        """Return who makes what the node reads, views seen through."""
        found = []
        for tensor in self.data_inputs(position):
            maker = self.maker.get(self.storage(tensor.name))
            if maker is not None:
                found.append(maker)
        return found

    def data_inputs(self, position: int) -> list[TensorInfo]:
        """Return the operands that are not constant."""
        return [t for t in self.node(position).operands if not t.is_static]

    def past_of(self, position: int) -> list[TensorInfo]:
        """Return the parts of a Concat that are a cache of earlier steps: graph inputs, joined into a graph output."""
        node = self.node(position)
        if self.kinds[position] != "concat" or not any(t.name in self.outputs for t in node.results):
            return []
        if not self.readers.get(node.results[0].name):
            return []  # nothing looks anything up in it
        past = [t for t in node.operands if t.name in self.inputs]
        new = [t for t in node.operands if t.name not in self.inputs]
        return past if len(new) == 1 and not new[0].is_static else []

    def is_constant_weight(self, position: int) -> bool:
        """Whether a contraction's second operand is known, and its first is all it reads that is not constant."""
        node = self.node(position)
        first, second, data = node.input(0), node.input(1), self.data_inputs(position)
        return first is not None and second is not None and second.is_known and [t.name for t in data] == [first.name]


def size(tensor: TensorInfo) -> Dim:
    """Return the number of elements, -1 where unknown."""
    return tensor.elements if tensor.shape is not None else -1
