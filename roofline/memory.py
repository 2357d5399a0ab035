"""How much memory a run needs at once: weights, and the activations that are alive together.

Layers run in the graph's order. A tensor is alive from the layer that makes it until the last one that reads it; the
graph's inputs are alive throughout (they are the caller's), its outputs to the end. While a loop or branch runs, the
largest of its nodes' operands and results are alive besides. A result takes the place of an operand of
the same size that nothing reads later, if the operator works element by element. Inside a fused group nothing is
kept. Workspaces of convolution algorithms and the runtime's own code are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from roofline.counting import LayerCount, members_of
from roofline.fusion.patterns import kind_of
from roofline.fusion.wiring import Wiring
from roofline.graph.nodes import Graph, Node, TensorInfo
from roofline.precision import PrecisionPolicy

if TYPE_CHECKING:
    from roofline.training.step import TrainingStep


class Memory(NamedTuple):
    """Bytes that are needed at once."""

    weight_bytes: int
    """Constants that layers read, each once, at their stored size."""
    activation_bytes: int
    """The largest sum of tensors alive together."""
    peak_layer: str
    """Where that is."""
    cache_bytes: int
    """The part of the graph's outputs that is a grown cache of keys and values (in place, so counted once)."""
    live_bytes: tuple[int, ...]
    """Activations alive while each layer runs, in order."""

    gradient_bytes: int = 0
    """Gradients of the parameters, while training."""
    optimizer_bytes: int = 0
    """Optimiser state and master weights, while training."""

    @property
    def peak_bytes(self) -> int:
        """Everything together."""
        return self.weight_bytes + self.activation_bytes + self.gradient_bytes + self.optimizer_bytes

    def while_training(self, step: TrainingStep) -> Memory:
        """Return the memory of a training step: what is kept for the backward pass, and the largest layer's results."""
        working = max((layer.cost.bytes_written for layer in step.layers[:-1]), default=0)
        return self._replace(
            activation_bytes=max(self.activation_bytes, step.kept_bytes + working),
            gradient_bytes=step.gradient_bytes,
            optimizer_bytes=step.optimizer_bytes,
        )


def peak_memory(
    graph: Graph, counts: Sequence[LayerCount], layers: Sequence[LayerCount], policy: PrecisionPolicy
) -> Memory:
    """Return what a run holds at once.

    Args:
        counts: every node counted alone.
        layers: the layers that run (nodes, or fused groups), in order.
    """
    wiring = Wiring(graph, counts)
    storage = storages(wiring)
    sizes = _sizes(graph, [counts[position] for position in wiring.active], storage, policy)
    running = [layer for layer in layers if not layer.node.free and not layer.node.scope]
    steps = [[member.node for member in members] for members in members_of(running, counts)]
    bodies = _bodies(counts)
    last: dict[str, int] = {}
    inside: dict[str, int] = {}
    for number, members in enumerate(steps):
        for node in members:
            inside.update((storage.get(t.name, t.name), number) for t in node.results)
    for number, members in enumerate(steps):
        for node in members:
            for name in node.reads:
                root = storage.get(name, name)
                if inside.get(root) != number:
                    last[root] = max(last.get(root, -1), number)
    ends = {storage.get(name, name) for name in graph.outputs}
    always = {storage.get(name, name) for name in graph.inputs} | ends
    caches = {storage[name] for name in graph.inputs if name in storage} & ends & sizes.keys()
    alive = caches | {name for name in always if name in sizes and name not in inside}
    live = [0] * len(steps)
    held = sum(sizes[name] for name in alive)
    ending: dict[int, set[str]] = {}
    for name in alive - always:
        ending.setdefault(max(0, last.get(name, -1)), set()).add(name)
    for number, members in enumerate(steps):
        made = {storage.get(t.name, t.name) for node in members for t in node.results} & sizes.keys()
        made = {name for name in made if last.get(name, -1) > number or name in ends}
        over = ending.pop(number, set())
        reused = _in_place(members, over, made, sizes)
        held += sum(sizes[name] for name in made - alive)
        live[number] = held - reused + max((bodies.get(node.label, 0) for node in members), default=0)
        for name in made - alive - always:
            ending.setdefault(last[name], set()).add(name)
        alive |= made
        alive -= over
        held -= sum(sizes[name] for name in over)
    peak = max(range(len(live)), key=live.__getitem__) if live else -1
    reading = [count.node for count in counts if not count.node.free]
    weights = {t.root or f"{n.scope}{t.name}": policy.stored(t) for n in reading for t in n.operands if t.is_static}
    return Memory(
        weight_bytes=sum(t.nbytes for t in weights.values() if t is not None and t.is_known),
        activation_bytes=live[peak] if live else 0,
        peak_layer=steps[peak][0].label if live else "",
        cache_bytes=sum(sizes[name] for name in caches),
        live_bytes=tuple(live),
    )


def _bodies(counts: Sequence[LayerCount]) -> dict[str, int]:
    """Return control-flow node -> the most that one node of its bodies reads and writes, constants apart."""
    outer = {count.node.label for count in counts if not count.node.scope and count.node.op_type in CONTROL}
    found: dict[str, int] = {}
    for count in counts:
        node = count.node
        if node.free or not node.scope:
            continue
        moved = sum(t.nbytes for t in (*node.operands, *node.results) if t.is_known and not t.is_static)
        ends = [i for i, character in enumerate(node.scope) if character == "/"]
        for label in outer.intersection(node.scope[:end] for end in ends):
            found[label] = max(found.get(label, 0), moved)
    return found


def storages(wiring: Wiring) -> dict[str, str]:
    """Return tensor -> the tensor whose memory it is: views, and caches that grow in place."""
    found = {name: wiring.storage(name) for name in wiring.maker if wiring.storage(name) != name}
    for position in wiring.active:
        found.update((past.name, wiring.node(position).results[0].name) for past in wiring.past_of(position))
    return found


def _sizes(
    graph: Graph, counts: Sequence[LayerCount], storage: dict[str, str], policy: PrecisionPolicy
) -> dict[str, int]:
    """Return the bytes of every tensor that takes memory of its own while the model runs."""
    found: dict[str, int] = {}
    tensors: list[TensorInfo | None] = [graph.tensors.get(name) for name in graph.inputs]
    tensors += [t for count in counts for t in (*count.node.operands, *count.node.results)]
    for tensor in tensors:
        kept = policy.stored(tensor)
        if kept is not None and kept.is_known and not kept.is_static and kept.name not in storage:
            found.setdefault(kept.name, kept.nbytes)
    return found


def _in_place(members: Sequence[Node], over: set[str], made: set[str], sizes: dict[str, int]) -> int:
    """Return the bytes saved where a result takes the place of an operand that nothing reads later."""
    if len(made) != 1:
        return 0
    (result,) = made
    last = members[-1]
    is_pointwise = kind_of(last.op_type, "elementwise", "counted") == "pointwise" and last.op_type in IN_PLACE
    if not is_pointwise:
        return 0
    fitting = [name for name in over if sizes.get(name) == sizes[result] and any(name in n.reads for n in members)]
    return sizes[result] if fitting else 0


CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})
IN_PLACE = frozenset(
    {"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "Add", "Sub", "Mul", "Div", "HardSigmoid", "HardSwish", "Elu",
     "Neg", "Abs", "Sqrt", "Exp", "Erf", "Pow", "BatchNormalization", "Softplus", "Gelu"}
)  # fmt: skip
"""Operators whose result can be written over an operand."""
