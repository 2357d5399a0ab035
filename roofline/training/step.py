"""The layers of a training step: forward, backward in reverse order, optimiser; and what is kept in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from roofline.counting import LayerCount, members_of
from roofline.fusion.patterns import SOFTMAX
from roofline.graph.nodes import FLOAT_DTYPES, Graph, Node, TensorInfo, packed_bytes
from roofline.ops.table import Cost
from roofline.precision import CONTRACTIONS
from roofline.training.gradients import Gradients
from roofline.training.rules import BACKWARD, BATCH_NORM_FORWARD, OPTIMIZERS, PER_INPUT

_NARROW = frozenset({"float16", "bfloat16"})
_FUSED_ATTENTION = 5
"""Products of the backward pass of a fused attention operator, for two in the forward pass: the scores again, dP, dV,
dQ, dK (Dao et al. 2022; torch.utils.flop_counter.sdpa_backward_flop_count)."""


class TrainingStep(NamedTuple):
    """Layers in the order they run, and the memory that the step needs beside the weights."""

    layers: tuple[LayerCount, ...]
    parameters: int
    gradient_bytes: int
    optimizer_bytes: int
    """State, and master copies of narrower weights."""
    kept_bytes: int
    """Activations kept from forward to backward."""
    estimated: tuple[str, ...]
    """Operators whose backward pass is only estimated."""
    bodies: int
    """Nodes of loops and branches: their backward pass is not counted."""
    forward: int
    """How many of the layers are forward layers."""


def training_step(
    graph: Graph, counts: Sequence[LayerCount], layers: Sequence[LayerCount], optimizer: str, recompute: bool = False
) -> TrainingStep:
    """Return a training step: loss and its gradient at the outputs are taken as given.

    Args:
        counts: every node counted alone.
        layers: the forward layers: nodes, or fused groups.
        optimizer: a key of `OPTIMIZERS`.
        recompute: make what lies inside fused groups again in the backward pass instead of keeping it.
    """
    return _Step(graph, counts, layers, recompute).run(optimizer)


class _Step:
    def __init__(
        self, graph: Graph, counts: Sequence[LayerCount], layers: Sequence[LayerCount], recompute: bool
    ) -> None:
        self._graph, self._layers, self._recompute = graph, layers, recompute
        self._gradients = Gradients(counts)
        self._members = members_of(layers, counts)
        self._read_by: dict[str, set[int]] = {}
        for count in counts:
            for name in count.node.reads:
                self._read_by.setdefault(name, set()).add(id(count.node))
        self._kept: dict[str, int] = {}
        self._readers: dict[str, int] = {}
        self._estimated: set[str] = set()

    def run(self, optimizer: str) -> TrainingStep:
        forward, backward = [], []
        for layer, members in zip(self._layers, self._members, strict=True):
            if layer.status != "counted" or not members or layer.node.scope:
                forward.append(layer)
                continue
            inside = {t.name for m in members for t in m.node.results}
            kept, again = self._keep(members, inside)
            forward.append(self._forward(layer, members, kept))
            back = self._backward(layer, members, inside, kept, again)
            if back is not None:
                backward.append(back)
        update = self._update(optimizer)
        parameters = self._gradients.parameters.values()
        rule, count = OPTIMIZERS[optimizer], sum(t.elements for t in parameters)
        narrow = sum(t.elements for t in parameters if t.dtype in _NARROW)
        return TrainingStep(
            layers=(*forward, *reversed(backward), *update),
            parameters=count,
            gradient_bytes=sum(t.nbytes for t in parameters),
            optimizer_bytes=4 * rule.state_values * count + 4 * narrow,
            kept_bytes=sum(self._kept.values()),
            estimated=tuple(sorted(self._estimated)),
            bodies=sum(1 for layer in self._layers if layer.node.scope and layer.status == "counted"),
            forward=len(forward),
        )

    def _keep(self, members: Sequence[LayerCount], inside: set[str]) -> tuple[dict[str, TensorInfo], int]:
        """Return what the backward pass reads of the forward pass, and FLOP to make the rest again."""
        found: dict[str, TensorInfo] = {}
        indices = 0
        for member in members:
            node = member.node
            if not any(t.name in self._gradients.needed for t in node.results):
                continue
            if member.op_class in CONTRACTIONS:
                found.update((t.name, t) for t in self._used(member))
                continue
            kept = BACKWARD[node.op_type].kept if node.op_type in BACKWARD else "inputs"
            if (member.op_class == "movement" and node.op_type not in BACKWARD) or member.status == "free":
                kept = "nothing"
            if kept == "inputs":
                found.update((t.name, t) for t in node.operands)
            elif kept == "output":
                found.update((t.name, t) for t in node.results)
            elif kept == "indices" and node.op_type == "MaxPool":
                indices += packed_bytes(node.result().elements, "int64")
            elif kept == "indices":
                found.update((t.name, t) for t in node.operands if t.dtype not in FLOAT_DTYPES)
        again = 0
        dropped = {n for n in found if self._recompute and n in inside and self._is_inner(n, members)}
        if dropped:
            again = sum(m.cost.vector_flops for m in members if m.op_class not in CONTRACTIONS)
            if not (SOFTMAX & {m.node.op_type for m in members}):  # attention makes its scores again
                products = {t.name: t for m in members if m.op_class in CONTRACTIONS for t in m.node.results}
                dropped -= products.keys()
                found.update(products)  # what is made again is made from these
        kept_now = {n: t for n, t in found.items() if n not in dropped}
        self._kept.update((n, t.nbytes) for n, t in kept_now.items() if not t.is_static and t.is_known)
        if indices:
            self._kept[f"{members[-1].node.results[0].name} indices"] = indices
        return kept_now, again

    def _used(self, member: LayerCount) -> list[TensorInfo]:
        """Return what a contraction's gradients are made of: each operand is read for the gradient of the other."""
        node = member.node
        if member.op_class in ("recurrent", "attention"):
            return [*node.operands, *node.results]
        first, second = node.input(0), node.input(1)
        if first is None or second is None:
            return []
        pairs = ((first, second), (second, first))
        return [mine for mine, other in pairs if self._gradients.reaches(other)]

    def _is_inner(self, name: str, members: Sequence[LayerCount]) -> bool:
        own = {id(m.node) for m in members}
        return self._read_by.get(name, set()) <= own and name not in self._graph.outputs

    def _forward(self, layer: LayerCount, members: Sequence[LayerCount], kept: dict[str, TensorInfo]) -> LayerCount:
        """Return the forward layer: what is kept and would stay inside a group is written too."""
        extra = 0
        if layer.members:
            made = {t.name: t for m in members for t in m.node.results}
            extra = sum(t.nbytes for n, t in kept.items() if n in made and self._is_inner(n, members))
        norm = sum(m.node.result().elements for m in members if m.node.op_type == "BatchNormalization")
        cost = layer.cost._replace(
            bytes_written=layer.cost.bytes_written + extra,
            vector_flops=layer.cost.vector_flops + BATCH_NORM_FORWARD * norm,
        )
        return layer._replace(cost=cost)

    def _backward(
        self,
        layer: LayerCount,
        members: Sequence[LayerCount],
        inside: set[str],
        kept: dict[str, TensorInfo],
        again: int,
    ) -> LayerCount | None:
        gradients = self._gradients
        results = {t.name: t for m in members for t in m.node.results}
        leaving = [t for n, t in results.items() if n in gradients.needed and not self._is_inner(n, members)]
        entering = {
            t.name: t for m in members for t in m.node.operands if t.name not in inside and gradients.reaches(t)
        }
        if not leaving or not entering:
            return None
        macs, flops, passes, scores = 0, again, 1, 0
        for member in members:
            found = self._products(member)
            macs += found
            if found and layer.pattern == "attention" and not scores:
                scores = member.cost.macs  # QK^T: it is made again, as scores are not kept
            flops += self._vector_flops(member)
            if found and layer.pattern != "attention" and member.op_class != "attention":
                wanted = sum(1 for t in member.node.operands[:2] if gradients.reaches(t))
                passes = max(passes, wanted)
        written = accumulated = 0
        for tensor in entering.values():
            written += tensor.nbytes
            if (tensor.root or tensor.name) in self._readers:
                accumulated += tensor.nbytes  # added to the gradient that another reader made
                flops += tensor.elements
            self._readers[tensor.root or tensor.name] = 1
        for tensor in {**entering, **results}.values():  # several readers inside
            readers = sum(1 for m in members if tensor.name in m.node.reads and m.status == "counted")
            flops += max(0, readers - 1) * tensor.elements if tensor.is_known and gradients.reaches(tensor) else 0
        read = passes * sum(t.nbytes for t in leaving) + sum(t.nbytes for t in kept.values()) + accumulated
        weights = sum(t.nbytes for t in kept.values() if t.is_static)
        cost = Cost(macs + scores, flops, read, written, weights, layer.cost.pipe)
        node = layer.node._replace(name=f"{layer.node.label} (backward)")
        return layer._replace(node=node, cost=cost, pagoda=Cost(), saved_bytes=0)

    def _products(self, member: LayerCount) -> int:
        """Return MACs: as many as forward for each operand that a gradient reaches."""
        if not member.cost.macs or not any(t.name in self._gradients.needed for t in member.node.results):
            return 0
        if member.op_class == "attention":
            return member.cost.macs * _FUSED_ATTENTION // 2
        wanted = sum(1 for t in member.node.operands[:2] if self._gradients.reaches(t))
        if member.op_class == "recurrent":
            hidden, inputs = member.node.tensor(2).elements, member.node.tensor(1).elements
            of_input = member.cost.macs * inputs // (inputs + hidden)
            of_state = member.cost.macs - of_input
            steps = member.cost.resident_steps
            # the state before the first step needs no gradient
            return of_input * wanted + of_state + of_state * (steps - 1) // max(1, steps)
        return member.cost.macs * wanted

    def _vector_flops(self, member: LayerCount) -> int:
        node = member.node
        if not any(t.name in self._gradients.needed for t in node.results):
            return 0
        rule = BACKWARD.get(node.op_type)
        out = node.result().elements
        reduced = sum(
            out - t.elements for t in node.operands
            if self._gradients.reaches(t) and t.is_known and member.op_class == "elementwise" and t.elements < out
        )  # fmt: skip
        if rule is not None:
            return rule.flops * (node.tensor(0).elements if node.op_type in PER_INPUT else out) + reduced
        if member.op_class in CONTRACTIONS:
            bias = node.op_type in ("Conv", "Gemm", "ConvTranspose") and node.input(2) is not None
            recurrent = 2 * member.cost.vector_flops if member.op_class == "recurrent" else 0
            return (out if bias else 0) + recurrent
        if member.op_class == "movement" or member.status == "free":
            return 0
        self._estimated.add(node.qualified_op)
        return member.cost.vector_flops + reduced

    def _update(self, optimizer: str) -> list[LayerCount]:
        """Return the optimiser as one layer: gradient, weight and state read, weight and state written."""
        parameters = list(self._gradients.parameters.values())
        if not parameters:
            return []
        rule, count = OPTIMIZERS[optimizer], sum(t.elements for t in parameters)
        stored = sum(t.nbytes for t in parameters)
        narrow = sum(t.elements for t in parameters if t.dtype in _NARROW)
        master = 4 * narrow + sum(t.nbytes for t in parameters if t.dtype not in _NARROW)
        state = 4 * rule.state_values * count
        cost = Cost(
            vector_flops=rule.flops * count,
            bytes_read=stored + master + state,
            bytes_written=master + state + 2 * narrow,
            weight_bytes=master,
            pipe="vector",
        )
        node = Node(f"optimizer ({optimizer})", "Optimizer", "", 0, (), (), {})
        return [LayerCount(node=node, status="counted", op_class="elementwise", cost=cost)]
