"""One model asked several questions: what answers share is read and counted once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from roofline.counting import LayerCount, count_layers
from roofline.findings import Finding
from roofline.graph.nodes import Graph
from roofline.graph.read import read_graph
from roofline.memory import Memory, peak_memory
from roofline.ops.table import OwnOps
from roofline.precision import PrecisionPolicy
from roofline.traffic import layers_under, least_bytes

T = TypeVar("T")


class ModelReader:
    """Stands for a model wherever one is analysed, and keeps its graph and counts for the next question.

    Only what belongs to the last sizes is kept: ask all questions at one batch size before the next.

    Args:
        model: a path, ``bytes`` or an ``onnx.ModelProto``; or a graph that is read and bound already.
        own: the rules to count by; they must be the same for every question.
    """

    def __init__(self, model: Any, own: OwnOps) -> None:
        self._model, self._own = model, own
        self._sizes: Hashable = None
        self._kept: dict[Hashable, Any] = {}

    def graph(
        self, bindings: Mapping[str, int] | None, shapes: Mapping[str, Sequence[int]] | None
    ) -> tuple[Graph, list[Finding]]:
        """Return the graph at these sizes, and what was noticed; raises as `read_graph` does."""
        if isinstance(self._model, Graph):
            return self._model, []
        sizes = (tuple((bindings or {}).items()), tuple((n, tuple(s)) for n, s in (shapes or {}).items()))
        if sizes != self._sizes:
            self._kept, self._sizes = {}, sizes
        graph, findings = self._once("graph", lambda: read_graph(self._model, bindings, shapes, self._own.shapes))
        return graph, list(findings)

    def counts(self, graph: Graph, policy: PrecisionPolicy, phase: str) -> tuple[LayerCount, ...]:
        """Return every node counted alone."""
        return self._once(("counts", policy, phase), lambda: count_layers(graph, policy, phase, self._own.rules))

    def layers(
        self, graph: Graph, counts: Sequence[LayerCount], policy: PrecisionPolicy, phase: str, traffic: str
    ) -> tuple[LayerCount, ...]:
        """Return the layers under a traffic model."""
        return self._once(("layers", policy, phase, traffic), lambda: layers_under(traffic, graph, counts, policy))

    def memory(
        self,
        graph: Graph,
        counts: Sequence[LayerCount],
        layers: Sequence[LayerCount],
        policy: PrecisionPolicy,
        phase: str,
        traffic: str,
    ) -> Memory:
        """Return what a run holds at once."""
        return self._once(("memory", policy, phase, traffic), lambda: peak_memory(graph, counts, layers, policy))

    def least_bytes(self, graph: Graph, counts: Sequence[LayerCount], policy: PrecisionPolicy, phase: str) -> int:
        """Return the bytes that any run must move, before any cache."""
        return self._once(("least", policy, phase), lambda: least_bytes(graph, counts, policy))

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found
