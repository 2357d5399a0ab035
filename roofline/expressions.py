"""What a model costs as formulas in its free dimensions: the public `symbolic`, and `Symbolic` that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sympy
from numpy.typing import NDArray

from roofline.choices import Target, check_options, choose_target, own_ops
from roofline.counting import LayerCount, count_layers
from roofline.crossover import Crossover, crossovers
from roofline.devices.modes import find_mode
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import BindingError, UsageError
from roofline.findings import Finding
from roofline.formulas import Compiled, as_expression, latex, readable
from roofline.fusion.groups import find_groups
from roofline.graph.nodes import Graph
from roofline.graph.symbols import SymbolicGraph, read_symbolic
from roofline.notes import uncounted
from roofline.traffic import DEFAULT_TRAFFIC, layers_under

Expr = Any
COUNTS = ("macs", "flops", "bytes_read", "bytes_written", "bytes", "weight_bytes_read")
"""What is expressed per layer and in total."""


class LayerFormulas(NamedTuple):
    """One node's counts as expressions. FLOP, B."""

    name: str
    op_type: str
    nodes: tuple[str, ...]
    """Labels of its nodes: several for a fused group."""
    pattern: str
    domain: str
    op_class: str
    status: str
    reason: str
    macs: Expr
    flops: Expr
    bytes_read: Expr
    bytes_written: Expr
    bytes: Expr
    weight_bytes_read: Expr


def _layer(count: LayerCount, traffic: str) -> LayerFormulas:
    cost, node = count.under(traffic), count.node
    status, reason = count.status_under(traffic)
    moved = cost.bytes_read + cost.bytes_written
    counts = (cost.macs, cost.flops, cost.bytes_read, cost.bytes_written, moved, cost.weight_bytes)
    return LayerFormulas(
        node.label,
        node.op_type,
        count.members or (node.label,),
        count.pattern,
        node.domain,
        count.op_class,
        status,
        reason,
        *map(as_expression, counts),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Symbolic:
    """Counts of a model as sympy expressions in its free dimensions (positive integers).

    Expressions are checked against plain analysis at sizes of their own; where they differ, a finding says so.
    """

    graph: Graph
    symbols: tuple[sympy.Symbol, ...]
    """The free dimensions."""
    layers: tuple[LayerFormulas, ...]
    """Every node in graph order; free and unsupported ones carry zeros."""
    counts: tuple[LayerCount, ...]
    target: Target
    mode: PowerMode | None
    traffic: str
    phase: str
    findings: tuple[Finding, ...]

    @cached_property
    def totals(self) -> Mapping[str, Expr]:
        """Sums over the layers (`COUNTS`), and ``parameters``; simplified to be read."""
        sums = {name: readable(sympy.Add(*(getattr(layer, name) for layer in self.layers))) for name in COUNTS}
        return {**sums, "parameters": sympy.Integer(self.graph.parameters)}

    @cached_property
    def crossovers(self) -> tuple[Crossover, ...]:
        """Where layers turn compute- or memory-bound as the one free dimension grows.

        Raises:
            UsageError: no device was given.
            BindingError: more than one dimension is free, or none.
        """
        if self.target.device is None or self.mode is None:
            raise UsageError("crossover points need a device", expected="--device, or device=...")
        if len(self.symbols) != 1:
            free = [symbol.name for symbol in self.symbols]
            raise BindingError(
                "crossover points are found along one free dimension",
                names=tuple(free),
                expected=f"all but one bound; free now: {', '.join(free) or 'none'}",
            )
        return crossovers(self.counts, self.symbols[0], self.target, self.mode, self.traffic)

    def evaluate(self, sizes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return every total at sizes of the free dimensions, exactly; arrays broadcast as in numpy.

        Args:
            sizes: ``{"batch": [1, 2, 4], "seq": 128}``.

        Raises:
            BindingError: a free dimension has no size, or a name is no free dimension.
        """
        self._check(sizes)
        return dict(zip(self.totals, self._compiled_totals(sizes), strict=True))

    def evaluate_layers(self, sizes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
        """Return `COUNTS` of every layer: axis 0 is the layer, the others those of the sizes."""
        self._check(sizes)
        values = self._compiled_layers(sizes)
        number = len(self.layers)
        return {name: np.array(values[i * number : (i + 1) * number]) for i, name in enumerate(COUNTS)}

    @cached_property
    def _compiled_totals(self) -> Compiled:
        return Compiled(list(self.totals.values()), self.symbols)

    @cached_property
    def _compiled_layers(self) -> Compiled:
        return Compiled([getattr(layer, name) for name in COUNTS for layer in self.layers], self.symbols)

    def _check(self, sizes: Mapping[str, Any]) -> None:
        names = {symbol.name for symbol in self.symbols}
        missing, unknown = sorted(names - set(sizes)), sorted(set(sizes) - names)
        if missing:
            raise BindingError(f"no size for {', '.join(missing)}", names=tuple(missing))
        if unknown:
            free = ", ".join(sorted(names)) or "none"
            raise BindingError(f"no free dimension {unknown[0]!r}", names=tuple(unknown), expected=f"some of {free}")
        for name, values in sizes.items():
            array = np.asarray(values)
            if array.dtype.kind not in "iuO" or np.any(array < 1):
                raise BindingError(f"{values!r} is no size", names=(name,), where=name, expected="whole numbers from 1")

    def latex(self) -> str:
        """Return the totals as LaTeX equations."""
        lines = [rf"\text{{{name.replace('_', ' ')}}} &= {latex(formula)}" for name, formula in self.totals.items()]
        return "\\begin{align}\n" + " \\\\\n".join(lines) + "\n\\end{align}"

    def _repr_latex_(self) -> str:
        return self.latex()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.formula/1``; expressions as text."""
        from roofline.export.as_formula import formula_dict

        return formula_dict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        from roofline.export.as_json import json_text

        return json_text(self.to_dict())


def symbolic(
    model: Any,
    device: str | Path | DeviceSpec | None = None,
    *,
    mode: str | None = None,
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    precision: str | None = None,
    phase: str = "inference",
    traffic: str = DEFAULT_TRAFFIC,
    runtime: str | None = None,
    processor: str | None = None,
    optimizer: str | None = None,
    recompute: bool = False,
    ops: str | Path | None = None,
) -> Symbolic:
    """Return a model's FLOPs, bytes and parameters as formulas in its free dimensions.

    Args:
        model: a path, ``bytes`` or an ``onnx.ModelProto``; weights are never read.
        device: id, alias or file: decides the precision of contractions, and gives `Symbolic.crossovers`.
        mode: power mode for the crossovers; None is the device's default.
        bindings: sizes of the dimensions that are to be numbers; the others stay symbols.
        shapes: whole shapes of inputs.
        precision, phase, traffic, runtime, processor, ops: as in `analyze`.

    Raises:
        ModelFileError, BindingError, ShapeError: the model cannot be read, or a binding does not fit.
        UsageError: options that are unknown or contradict each other, or too many free dimensions.
    """
    check_options(precision, phase, traffic, runtime, "locked", "auto", optimizer, recompute)
    if optimizer is not None or (phase == "training" and traffic != "pagoda"):
        raise UsageError(
            "formulas of a training step are not there yet",
            where="formula",
            expected="--phase inference, or --traffic pagoda without an optimiser",
        )
    target = choose_target(device, processor, runtime, precision)
    if mode is not None and target.device is None:
        raise UsageError("a mode without a device", expected="--device as well")
    own = own_ops(ops)
    found = read_symbolic(model, bindings, shapes, own.shapes)
    counts = count_layers(found.graph, target.policy, phase, own.rules)
    groups = find_groups(found.checks[0][1], counts) if traffic == "fused" else None
    merged = layers_under(traffic, found.graph, counts, target.policy, groups)
    layers = tuple(_layer(layer, traffic) for layer in merged)

    def count(graph: Graph) -> Sequence[LayerCount]:
        alone = count_layers(graph, target.policy, phase, own.rules)
        return layers_under(traffic, graph, alone, target.policy, groups)

    return Symbolic(
        graph=found.graph,
        symbols=found.symbols,
        layers=layers,
        counts=merged,
        target=target,
        mode=find_mode(target.device, mode) if target.device else None,
        traffic=traffic,
        phase=phase,
        findings=(*found.findings, *uncounted(counts), *_differences(layers, found, traffic, count)),
    )


def _differences(
    layers: Sequence[LayerFormulas],
    found: SymbolicGraph,
    traffic: str,
    count: Callable[[Graph], Sequence[LayerCount]],
) -> list[Finding]:
    """Compare the formulas with plain counts, at sizes that they were not found from and far beyond."""
    compiled = Compiled([formula for layer in layers for formula in _counts(layer)], found.symbols)
    wrong: dict[str, LayerFormulas] = {}
    for sizes, graph in found.checks:
        values = compiled(sizes)
        plain = [_layer(c, traffic) for c in count(graph)]
        place = ", ".join(f"{name}={size}" for name, size in sizes.items()) or "its sizes"
        for i, layer in enumerate(layers):
            expected = list(map(int, _counts(plain[i]))) if len(plain) == len(layers) else []
            if list(map(int, values[i * len(COUNTS) : (i + 1) * len(COUNTS)])) != expected:
                wrong.setdefault(place, layer)
    if not wrong:
        return []
    first = next(iter(wrong.values()))
    return [
        Finding(
            code="formula-differs",
            where=f"{first.name} ({first.op_type})",
            message=f"the formulas are not what counting gives at {'; '.join(wrong)}"
            + (f": {first.reason}" if first.reason else "")
            + "; they hold in a part of the range only",
            hint="bind the dimension that this layer depends on: --bind NAME=SIZE",
            strict=True,
        )
    ]


def _counts(layer: LayerFormulas) -> tuple[Expr, ...]:
    return tuple(layer[-len(COUNTS) :])
