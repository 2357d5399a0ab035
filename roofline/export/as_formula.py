"""Formulas as plain data, and for people: totals, then each distinct layer formula once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from roofline.export.as_table import finding_table, operators
from roofline.export.tables import Table
from roofline.formulas import latex, readable, text

if TYPE_CHECKING:
    from roofline.expressions import LayerFormulas, Symbolic

SCHEMA = "roofline.formula/1"
_WIDEST = 100


def formula_dict(formulas: Symbolic, write: Callable[[Any], str] = text) -> dict[str, Any]:
    """Return formulas as a dict of text, numbers and lists.

    Args:
        write: how an expression becomes text.
    """
    from roofline.expressions import COUNTS

    shown: dict[Any, str] = {}

    def written(expression: Any) -> str:
        if expression not in shown:
            shown[expression] = write(readable(expression))
        return shown[expression]

    counted = sum(layer.status == "counted" for layer in formulas.layers)
    free = sum(layer.status == "free" for layer in formulas.layers)
    target = formulas.target
    crosses = target.device is not None and len(formulas.symbols) == 1
    return {
        "schema": SCHEMA,
        "model": {
            "path": formulas.graph.path,
            "opset": formulas.graph.opset,
            "parameters": formulas.graph.parameters,
            "weight_bytes": formulas.graph.weight_bytes,
        },
        "device": target.device.id if target.device else None,
        "mode": formulas.mode.name if formulas.mode else None,
        "traffic": formulas.traffic,
        "phase": formulas.phase,
        "symbols": [symbol.name for symbol in formulas.symbols],
        "totals": {name: write(expression) for name, expression in formulas.totals.items()},
        "coverage": {
            "layers_counted": counted,
            "layers_free": free,
            "layers_unsupported": len(formulas.layers) - counted - free,
        },
        "layers": [
            {
                "name": layer.name,
                "op_type": layer.op_type,
                "nodes": list(layer.nodes),
                "pattern": layer.pattern,
                "domain": layer.domain,
                "class": layer.op_class,
                "status": layer.status,
                "reason": layer.reason,
                **{name: written(getattr(layer, name)) for name in COUNTS},
            }
            for layer in formulas.layers
        ],
        "crossovers": [
            {
                "name": crossing.name,
                "op_type": crossing.op_type,
                "symbol": crossing.symbol,
                "limited_by_at_first": crossing.first,
                "changes": [{"from": size, "limited_by": limit} for size, limit in crossing.changes],
            }
            for crossing in (formulas.crossovers if crosses else ())
        ],
        "findings": [finding.to_dict() for finding in formulas.findings],
    }


def blocks(formulas: Symbolic, top: int = 20, in_latex: bool = False, quiet: bool = False) -> Iterator[str | Table]:
    """Yield the parts of the answer: a line in words, the totals, distinct layers, crossovers, coverage, findings."""
    write = latex if in_latex else text
    data = formula_dict(formulas, write)
    names = ", ".join(data["symbols"])
    yield (
        f"{PurePath(data['model']['path']).stem}: FLOPs and bytes as formulas in {names} "
        f"(positive whole numbers; {data['traffic']} traffic)."
        if names
        else f"{PurePath(data['model']['path']).stem} has no free dimension: its counts are plain numbers."
    )
    yield Table(
        "totals",
        ("count", "formula"),
        [(name.replace("_", " "), formula) for name, formula in data["totals"].items()],
        widest=10_000,
    )
    yield _layer_table(formulas, top, write)
    if data["crossovers"]:
        yield _crossover_table(data, top)
    elif data["device"]:
        yield f"no crossover points: they are found along one free dimension, and {names or 'none'} is free"
    coverage = data["coverage"]
    yield (
        f"coverage {coverage['layers_counted']} layers counted, "
        f"{coverage['layers_free']} free, {coverage['layers_unsupported']} unsupported"
    )
    if not quiet and data["findings"]:
        yield finding_table(data)


def _layer_table(formulas: Symbolic, top: int, write: Callable[[Any], str]) -> Table:
    groups: dict[tuple[Any, ...], list[LayerFormulas]] = {}
    for layer in formulas.layers:
        if layer.status == "counted":
            groups.setdefault((layer.pattern or layer.op_type, layer.macs, layer.flops, layer.bytes), []).append(layer)
    sizes = dict.fromkeys(formulas.symbols, 64)  # to rank them only
    ranked = sorted(groups.values(), key=lambda same: -len(same) * int(same[0].flops.subs(sizes)))
    shown = ranked[:top] if top else ranked
    rows = [
        (f"{len(same)} x", operators(same[0].op_type, same[0].pattern, len(same[0].nodes)), same[0].name,
         *(write(readable(count)) for count in (same[0].macs, same[0].flops, same[0].bytes)))
        for same in shown
    ]  # fmt: skip
    left = ranked[len(shown) :]
    footer = f"{len(left)} more formulas, of {sum(map(len, left))} layers (--top 0 shows all)" if left else ""
    columns = ("layers", "op", "first", "MACs", "FLOP", "bytes")
    return Table(
        "layers with the same formula",
        columns,
        rows,
        frozenset({"layers"}),
        footer,
        10_000 if write is latex else _WIDEST,
    )


def _crossover_table(data: dict[str, Any], top: int) -> Table:
    symbol = data["symbols"][0]
    groups: dict[tuple[str, str, str], list[str]] = {}
    for crossing in data["crossovers"]:
        changes = ", then ".join(f"{c['limited_by']} from {symbol}={c['from']}" for c in crossing["changes"])
        limit = crossing["limited_by_at_first"]
        key = crossing["op_type"], limit, changes or f"{limit} at every size"
        groups.setdefault(key, []).append(crossing["name"])
    ranked = sorted(groups.items(), key=lambda item: (item[0][2].split(" ")[1] != "from", -len(item[1])))
    shown = ranked[:top] if top else ranked
    rows = [(f"{len(names)} x", op, names[0], first, changes) for (op, first, changes), names in shown]
    left = len(ranked) - len(shown)
    return Table(
        f"what limits the layers on {data['device']} in {data['mode']}, as {symbol} grows",
        ("layers", "op", "first", "at the smallest size", "changes"),
        rows,
        frozenset({"layers"}),
        f"{left} more (--top 0 shows all)" if left else "",
    )
