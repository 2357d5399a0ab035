"""What a cost is, and the table that finds the rule for a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from math import prod
from threading import RLock
from typing import Literal, NamedTuple, TypeAlias

from roofline.errors import RooflineError
from roofline.graph.contrib_shapes import ShapeRule
from roofline.graph.nodes import Dim, Node, TensorInfo
from roofline.plugins import load_plugins

FLOPS_PER_MAC = 2
"""One multiply-accumulate is a multiplication and an addition."""

OpClass = Literal[
    "convolution", "matmul", "recurrent", "attention", "normalization", "elementwise", "reduction",
    "pooling", "movement", "quantization",
]  # fmt: skip
"""What kind of work an operator does; colours and groups layers in tables and pictures."""

Pipe = Literal["matrix", "vector"]


class Cost(NamedTuple):
    """What one execution of a node costs. Counts are ints, or expressions in the free dimensions."""

    macs: Dim = 0
    """Multiply-accumulates of contractions."""
    vector_flops: Dim = 0
    """Everything else: one FLOP per arithmetic operation of the operator's definition."""
    bytes_read: Dim = 0
    bytes_written: Dim = 0
    weight_bytes: Dim = 0
    """The part of `bytes_read` that comes from the model file or is constant."""
    pipe: Pipe = "matrix"
    """Where the contraction runs if the processor has a matrix pipe for its precision."""
    winograd: bool = False
    """A convolution that Winograd's algorithm can do with fewer multiplications (3x3, stride 1)."""
    resident_bytes: Dim = 0
    """Weights used again in every step of a recurrence; read once more per step if no cache holds them."""
    resident_steps: Dim = 1
    resident_set: Dim = 0
    """What must fit in the cache together for that; 0 means `resident_bytes` alone."""

    @property
    def contraction_flops(self) -> Dim:
        """FLOP of the contraction."""
        return FLOPS_PER_MAC * self.macs

    @property
    def flops(self) -> Dim:
        """All FLOP: two per MAC, plus the rest."""
        return FLOPS_PER_MAC * self.macs + self.vector_flops


class Free(NamedTuple):
    """The node costs nothing, for a stated reason."""

    reason: str


CostRule: TypeAlias = Callable[[Node], "Cost | Free"]


class Rule(NamedTuple):
    """A cost rule and where it applies."""

    domain: str
    op_type: str
    since: int
    """First opset of the domain for which it holds."""
    op_class: OpClass
    function: CostRule
    doc: str
    """Formula, what is counted, what is not, source."""
    operands: tuple[int, int] = (0, 1)
    """Positions of a contraction's two operands: their types decide the precision it computes in."""


class RuleTable:
    """Rules keyed by (domain, op type, first opset); the newest not above the model's opset applies.

    Args:
        later: domain -> modules that bring its rarer rules, imported when something is not found.
        parent: a table to look in for what this one does not have.
        plugins: whether to look for installed plugins when an operator is nowhere to be found.
    """

    def __init__(
        self,
        later: Mapping[str, tuple[str, ...]] | None = None,
        parent: RuleTable | None = None,
        plugins: bool = False,
    ) -> None:
        self._parent, self._plugins = parent, plugins
        self._rules: dict[tuple[str, str], list[Rule]] = {}
        self._later = dict(later or {})
        self._lock = RLock()
        self._is_loading = False

    def register(
        self,
        *op_types: str,
        op_class: OpClass,
        since: int = 1,
        domain: str = "",
        operands: tuple[int, int] = (0, 1),
    ) -> Callable[[CostRule], CostRule]:
        """Return a decorator that files a function under one or more operators.

        Raises:
            RooflineError: the function has no docstring, or the operator already has a rule there.
        """

        def decorate(function: CostRule) -> CostRule:
            for op_type in op_types:
                self.add(op_type, function, op_class=op_class, since=since, domain=domain, operands=operands)
            return function

        return decorate

    def add(
        self,
        op_type: str,
        function: CostRule,
        *,
        op_class: OpClass,
        since: int = 1,
        domain: str = "",
        doc: str = "",
        operands: tuple[int, int] = (0, 1),
    ) -> None:
        """File one rule; `doc` replaces the function's docstring where a factory made the function."""
        doc = doc or (function.__doc__ or "").strip()
        domain = "" if domain == "ai.onnx" else domain
        if not doc:
            raise RooflineError(f"the rule for {op_type} has no docstring", expected="formula and source")
        rules = self._rules.setdefault((domain, op_type), [])
        if any(rule.since == since for rule in rules):
            raise RooflineError(f"{domain or 'ai.onnx'}.{op_type} since opset {since} has a rule already")
        rules.append(Rule(domain, op_type, since, op_class, function, doc, operands))
        rules.sort(key=lambda rule: rule.since)

    def find(self, domain: str, op_type: str, opset: int) -> Rule | None:
        """Return the newest rule not above `opset`; for an unknown opset (0) the newest rule.

        Rules of rare operators and domains are loaded when something is looked for and not there yet.
        """
        rules = self._rules.get((domain, op_type), ())
        if not rules or self._is_loading:  # what another thread is loading may be there in part
            self._load(domain)
            rules = self._rules.get((domain, op_type), ())
        if not rules and self._plugins:
            load_plugins()
            rules = self._rules.get((domain, op_type), ())
        fitting = [rule for rule in rules if opset == 0 or rule.since <= opset]
        if not fitting and self._parent is not None:
            return self._parent.find(domain, op_type, opset)
        return fitting[-1] if fitting else None

    def _load(self, domain: str) -> None:
        """Load the rules of a domain, once; a thread that comes while another one is at it waits."""
        with self._lock:
            modules = self._later.pop(domain, ())
            before, self._is_loading = self._is_loading, True
            try:
                for module in modules:
                    import_module(module)
            finally:
                self._is_loading = before

    def __iter__(self) -> Iterator[Rule]:
        for domain in list(self._later):
            self._load(domain)
        yield from (rule for key in sorted(self._rules) for rule in self._rules[key])


RULES = RuleTable(
    later={
        "": (
            "roofline.ops.attention",
            "roofline.ops.einsum",
            "roofline.ops.quantized",
            "roofline.ops.signal",
            "roofline.ops.vision",
        ),
        "ai.onnx.ml": ("roofline.ops.ml",),
        "ai.onnx.preview": ("roofline.ops.attention",),
        "ai.onnx.preview.training": ("roofline.ops.training",),
        "com.microsoft.nchwc": ("roofline.ops.microsoft",),
        "com.microsoft": (
            "roofline.ops.attention",
            "roofline.ops.microsoft",
            "roofline.ops.microsoft_attention",
            "roofline.ops.quantized",
            "roofline.ops.signal",
            "roofline.ops.vision",
        ),
    },
    plugins=True,
)
"""The rules that count what a node really costs."""


class OwnOps(NamedTuple):
    """Rules of the user's own, laid over those that come with the package."""

    rules: RuleTable
    shapes: Mapping[tuple[str, str], ShapeRule]
    """(domain, op type) -> rule for the outputs' shapes."""


def cost_of(
    node: Node,
    *,
    macs: Dim = 0,
    vector_flops: Dim = 0,
    pipe: Pipe = "matrix",
    winograd: bool = False,
) -> Cost:
    """Return a cost with the traffic of a node that reads every operand and writes every result once."""
    return Cost(
        macs=macs,
        vector_flops=vector_flops,
        bytes_read=read_bytes(node.operands),
        bytes_written=written_bytes(node),
        weight_bytes=read_bytes(t for t in node.operands if t.is_static),
        pipe=pipe,
        winograd=winograd,
    )


def read_bytes(tensors: Iterable[TensorInfo]) -> Dim:
    """Return the stored bytes of some operands; raise `UnknownShapeError` where one has no known size."""
    from roofline.graph.nodes import UnknownShapeError

    total = 0
    for tensor in tensors:
        if not tensor.is_known:
            raise UnknownShapeError(tensor.name)
        total += tensor.nbytes
    return total


def written_bytes(node: Node) -> Dim:
    """Return the bytes of all results that the node produces."""
    return read_bytes(node.results)


def elements(shape: Iterable[Dim]) -> Dim:
    """Return the number of elements of a shape."""
    return prod(shape)
