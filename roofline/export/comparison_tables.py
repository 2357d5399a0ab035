"""A comparison for people: first line, both sides, totals, the layers that differ most, what has no partner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from roofline.export.as_table import finding_table
from roofline.export.tables import Table
from roofline.units import significant, text

_UNITS = {
    "macs": ("MACs", "MAC"), "flops": ("FLOPs", "FLOP"), "bytes": ("bytes moved", "B"),
    "intensity_flop_per_byte": ("intensity", "FLOP/B"), "parameters": ("parameters", ""),
    "weight_bytes": ("weights in the file", "B"), "peak_memory_bytes": ("peak memory", "B"),
    "bound_time_s": ("never below", "s"), "roofline_time_s": ("roofline time", "s"),
    "predicted_time_s": ("predicted time", "s"), "time_per_sample_s": ("time per sample", "s"),
    "energy_j": ("energy", "J"), "energy_per_sample_j": ("energy per sample", "J"), "power_w": ("power", "W"),
    "throughput_per_s": ("throughput", "/s"), "limited_by": ("limited by", ""),
}  # fmt: skip
"""Figure -> its name in the table and its unit, in the table's order."""
_WIDEST_HEAD = 28
_SAME = 1e-4
"""Layers whose relative difference is below this are not shown."""
_Rows = Sequence[dict[str, Any]]


def blocks(data: dict[str, Any], top: int = 20, quiet: bool = False) -> Iterator[str | Table]:
    """Yield the parts of the answer in order: lines of text, and tables.

    Args:
        data: a comparison as a dict.
        top: number of layers to show in each table, 0 for all.
        quiet: leave out the findings.
    """
    yield data["verdict"]
    for name in ("a", "b"):
        yield f"{name.upper()}  {side_line(data[name])}"
    yield totals_table(data)
    timed = data["totals"]["roofline_time_s"]["ratio"] is not None
    if not data["one_graph"]:
        yield operator_table(data, top, timed)
    if data["layers"]:
        yield layer_table(data, top, timed)
    changed = [row for row in data["layers"] if row["changed"]]
    if changed:
        yield changed_table(data, changed, top)
    for name in ("a", "b"):
        if data[f"only_in_{name}"]:
            yield alone_table(data[f"only_in_{name}"], name.upper(), top, timed)
    if not quiet and data["findings"]:
        yield finding_table(data)


def side_line(side: dict[str, Any]) -> str:
    """Return everything that a side was asked for, in one line."""
    place = f" on {side['device']} ({side['processor']}) in {side['mode']}, {side['clocks']} clocks"
    sizes = "".join(f", {name}={size}" for name, size in side["bindings"].items())
    return (
        f"{PurePath(side['model']).name}{place if side['device'] else ''}: {side['precision']}, {side['phase']}, "
        f"{side['traffic']} traffic, {side['runtime'] or 'any runtime'}{sizes}"
    )


def totals_table(data: dict[str, Any]) -> Table:
    """Return one row per figure; figures that neither side knows are left out."""
    heads = _heads(data)
    rows = []
    for key, (name, unit) in _UNITS.items():
        row = data["totals"][key]
        if (row["a"] is None and row["b"] is None) or (key.find("per_sample") > 0 and not _batches_differ(data)):
            continue
        shown = (
            [row["a"] or "-", row["b"] or "-"] if key == "limited_by" else [_value(row[s], unit) for s in ("a", "b")]
        )
        rows.append([name, *shown, signed(row["difference"], unit), _ratio(row["ratio"])])
    return Table(
        title="Totals per run of one batch",
        columns=("", *heads, "B - A", "B / A"),
        rows=rows,
        right=frozenset({*heads, "B - A", "B / A"}),
    )


def _batches_differ(data: dict[str, Any]) -> bool:
    return bool(data["a"]["batch"] != data["b"]["batch"])


def _heads(data: dict[str, Any]) -> tuple[str, str]:
    labels = data["a"]["label"], data["b"]["label"]
    if max(map(len, labels)) > _WIDEST_HEAD:
        return "A", "B"
    return f"A: {labels[0]}", f"B: {labels[1]}"


def _value(value: float | None, unit: str) -> str:
    if value is not None and unit in ("FLOP/B", "/s") and abs(value) < 1000:
        return f"{significant(value)} {unit}"  # no prefix: "907 m/s" is a speed
    if isinstance(value, int) and abs(value) < 1000:
        return f"{value} {unit}".rstrip()
    return text(value, unit)


def signed(value: float | None, unit: str) -> str:
    """Return a difference with its sign; ``-`` where there is none to tell, ``0`` where it is zero."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    return ("+" if value > 0 else "-") + _value(abs(value), unit)


def _ratio(value: float | None) -> str:
    return "-" if value is None else significant(value)


def layer_table(data: dict[str, Any], top: int, timed: bool) -> Table | str:
    """Return the joined layers that differ, the largest difference of time (of bytes without a device) first."""
    rows = data["layers"]
    key, unit = ("time_{}_s", "s") if timed else ("bytes_{}", "B")

    def change(row: dict[str, Any]) -> float:
        return float((row[key.format("b")] or 0) - (row[key.format("a")] or 0))

    whole = sum(abs(change(row)) for row in rows)
    differ = [row for row in rows if abs(change(row)) > _SAME * (row[key.format("a")] or 0)]
    by = "time" if timed else "bytes"
    if not differ:
        return f"No joined layer differs in {by} by more than 0.01 %."
    ranked = sorted(differ, key=lambda row: -abs(change(row)))
    shown = ranked[:top] if top else ranked
    rest, same = len(ranked) - len(shown), len(rows) - len(differ)
    left = sum(abs(change(row)) for row in ranked[len(shown) :])
    columns, cells = _naming(rows)
    return Table(
        title=f"Layers by difference of {by}" + (", per run of a whole batch" if _batches_differ(data) else ""),
        columns=(*columns, "op", "A", "B", "B - A", "B / A", *(("limited by",) if timed else ("FLOP A", "FLOP B"))),
        rows=[
            [
                *cells(row),
                row["operators"],
                text(row[key.format("a")], unit),
                text(row[key.format("b")], unit),
                signed(change(row), unit),
                _ratio(change(row) / row[key.format("a")] + 1 if row[key.format("a")] else None),
                *([bound(row)] if timed else [text(row["flops_a"], ""), text(row["flops_b"], "")]),
            ]
            for row in shown
        ],
        right=frozenset({"A", "B", "B - A", "B / A", "FLOP A", "FLOP B"}),
        footer="; ".join(
            filter(
                None,
                (
                    f"{rest} more, {left / whole:.0%} of the difference (--top 0 shows all)" if rest else "",
                    f"{same} the same within 0.01 %" if same else "",
                ),
            )
        ),
    )


def _naming(rows: _Rows) -> tuple[tuple[str, ...], Any]:
    """Return the columns that name a layer, and what fills them: one name where the sides share them all."""
    parts: tuple[str, ...] = ("layers",) if any((row["layers_a"], row["layers_b"]) != (1, 1) for row in rows) else ()

    def cells(row: dict[str, Any]) -> list[str]:
        names = [row["name_a"]] if is_one else [row["name_a"], row["name_b"]]
        return [*names, *([f"{row['layers_a']} -> {row['layers_b']}"] if parts else [])]

    is_one = all(row["name_a"] == row["name_b"] for row in rows)
    return (("layer", *parts) if is_one else ("layer of A", "layer of B", *parts)), cells


def bound(row: dict[str, Any]) -> str:
    """Return ``memory``, or ``compute -> memory``."""
    a, b = row["limited_by_a"] or "-", row["limited_by_b"] or "-"
    return a if a == b else f"{a} -> {b}"


def operator_table(data: dict[str, Any], top: int, timed: bool) -> Table:
    """Return both sides summed by operator: what two models differ in as a whole."""
    rows = data["operators"][: top or None]
    key, unit = ("time_{}_s", "s") if timed else ("flops_{}", "FLOP")
    rest = len(data["operators"]) - len(rows)
    return Table(
        title="By operator (a fused group counts as the operator it is called after)",
        columns=("op", "layers A", "layers B", "A", "B", "B - A", "FLOP A", "FLOP B", "bytes A", "bytes B"),
        rows=[
            [
                row["op_type"],
                *(str(row[f"layers_{s}"]) for s in "ab"),
                *(text(row[key.format(s)], unit) for s in "ab"),
                signed((row[key.format("b")] or 0) - (row[key.format("a")] or 0), unit),
                *(text(row[f"flops_{s}"], "") for s in "ab"),
                *(text(row[f"bytes_{s}"], "B") for s in "ab"),
            ]
            for row in rows
        ],
        right=frozenset({"layers A", "layers B", "A", "B", "B - A", "FLOP A", "FLOP B", "bytes A", "bytes B"}),
        footer=f"{rest} more (--top 0 shows all)" if rest else "",
    )


def changed_table(data: dict[str, Any], rows: _Rows, top: int) -> Table:
    """Return the layers whose bound changes, the longest first, with the intensities that explain it."""
    ranked = sorted(rows, key=lambda row: -max(row["time_a_s"], row["time_b_s"]))
    shown = ranked[:top] if top else ranked
    rest = len(ranked) - len(shown)
    columns, cells = _naming(rows)
    return Table(
        title="Layers that change their bound",
        columns=(*columns, "op", "limited by", "FLOP/B of A", "FLOP/B of B", "A", "B"),
        rows=[
            [
                *cells(row),
                row["operators"],
                bound(row),
                *(_ratio(row[f"flops_{s}"] / row[f"bytes_{s}"] if row[f"bytes_{s}"] else None) for s in "ab"),
                *(text(row[f"time_{s}_s"], "s") for s in "ab"),
            ]
            for row in shown
        ],
        right=frozenset({"FLOP/B of A", "FLOP/B of B", "A", "B"}),
        footer=f"{rest} more (--top 0 shows all)" if rest else "",
    )


def alone_table(rows: _Rows, side: str, top: int, timed: bool) -> Table:
    """Return the layers of one side that have no partner."""
    key = "time_s" if timed else "bytes"
    ranked = sorted(rows, key=lambda row: -(row[key] or 0))
    shown = ranked[:top] if top else ranked
    whole = sum(row[key] or 0 for row in rows)
    rest = len(rows) - len(shown)
    number = f"{len(rows)} {'layer' if len(rows) == 1 else 'layers'}"
    return Table(
        title=f"Only in {side}: {number}, {text(whole, 's' if timed else 'B')}",
        columns=("layer", "op", "FLOP", "bytes", "time", "limited by")[: None if timed else 4],
        rows=[
            [
                row["name"], row["operators"], text(row["flops"], ""), text(row["bytes"], "B"),
                text(row["time_s"], "s"), row["limited_by"] or "-",
            ][: None if timed else 4]
            for row in shown
        ],
        right=frozenset({"FLOP", "bytes", "time"}),
        footer=f"{rest} more (--top 0 shows all)" if rest else "",
    )  # fmt: skip
