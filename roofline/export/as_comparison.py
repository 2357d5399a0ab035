"""`Comparison` as plain data: ``schema: roofline.comparison/1``, and its first line in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roofline.comparison import energy_obstacle
from roofline.export.as_table import operators
from roofline.export.comparison_words import comparison_verdict, label

if TYPE_CHECKING:
    from roofline.analysis import Analysis
    from roofline.comparison import Comparison
    from roofline.joining import Joined

SCHEMA = "roofline.comparison/1"
TOTALS = (
    "macs", "flops", "bytes_read", "bytes_written", "bytes", "intensity_flop_per_byte", "weight_bytes_read",
    "peak_memory_bytes", "bound_time_s", "roofline_time_s", "predicted_time_s", "time_s", "energy_j", "power_w",
    "time_per_sample_s", "energy_per_sample_j", "throughput_per_s", "limited_by",
)  # fmt: skip
_ENERGIES = frozenset({"energy_j", "power_w", "energy_per_sample_j"})
_TIMES = frozenset({"time_s", "time_per_sample_s", "throughput_per_s"})
_Rows = Sequence[dict[str, Any]]


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """Return the whole comparison; unknown numbers are None. Differences are B - A, ratios B / A."""
    of_a, of_b = comparison.a.to_dict(), comparison.b.to_dict()
    basis = _basis(of_a, of_b)
    priced = not energy_obstacle(comparison.a, comparison.b)
    rows = _rows(comparison, of_a, of_b)
    joined = [row for row in rows if row["layers_a"] and row["layers_b"]]
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "verdict": "",
        "basis": basis,
        "one_graph": comparison.joining.is_one_graph,
        "a": _side(comparison.a, of_a),
        "b": _side(comparison.b, of_b),
        "totals": _totals(of_a, of_b, basis, priced),
        "layers": joined,
        "changed_bounds": [
            {key: row[key] for key in ("name_a", "name_b", "op_type", "limited_by_a", "limited_by_b",
                                       "time_a_s", "time_b_s")}
            for row in joined if row["changed"]
        ],
        "only_in_a": [_alone(row, "a") for row in rows if not row["layers_b"]],
        "only_in_b": [_alone(row, "b") for row in rows if not row["layers_a"]],
        "operators": _by_operator(of_a["layers"], of_b["layers"], basis),
        "findings": [finding.to_dict() for finding in comparison.findings],
    }  # fmt: skip
    for side, other in (("a", "b"), ("b", "a")):
        data[side]["label"] = label(data[side], data[other])
    data["verdict"] = comparison_verdict(data)
    return data


def csv_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one row per pair of layers, those without a partner too: their other side is empty."""
    return _rows(comparison, comparison.a.to_dict(), comparison.b.to_dict())


def _basis(of_a: dict[str, Any], of_b: dict[str, Any]) -> str:
    return str(of_a["basis"]) if of_a["basis"] == of_b["basis"] else "mixed"


def _rows(comparison: Comparison, of_a: dict[str, Any], of_b: dict[str, Any]) -> list[dict[str, Any]]:
    basis, priced = _basis(of_a, of_b), not energy_obstacle(comparison.a, comparison.b)
    return [_layer(pair, of_a["layers"], of_b["layers"], basis, priced) for pair in comparison.joining.pairs]


def _side(analysis: Analysis, data: dict[str, Any]) -> dict[str, Any]:
    power, device = data["totals"]["power_w"], analysis.device
    limit = device.power_limit_w.value if device is not None and device.power_limit_w else None
    return {
        "label": "",
        "model": data["model"]["path"],
        **{key: data["model"][key] for key in ("nodes", "parameters", "weight_bytes")},
        **{key: data[key] for key in ("device", "device_name", "processor", "mode", "clocks", "precision", "phase",
                                      "traffic", "runtime", "calibration", "basis", "bindings", "batch")},
        "optimizer": _optimizer(analysis),
        "levels": analysis.levels is not None,
        "energy_set": _energy_set(analysis),
        "power_limited": power is not None and limit is not None and power > limit,
        "nodes_unsupported": data["coverage"]["nodes_unsupported"],
        "totals": data["totals"],
    }  # fmt: skip


def _optimizer(analysis: Analysis) -> str | None:
    names = [c.node.name for c in analysis.layer_counts if c.node.op_type == "Optimizer"] if analysis.step else []
    return names[-1].removeprefix("optimizer (").removesuffix(")") if names else None


def _energy_set(analysis: Analysis) -> str | None:
    energy = analysis.evaluation.energy_set if analysis.evaluation else None
    return energy.name if energy else None


def _totals(a: dict[str, Any], b: dict[str, Any], basis: str, priced: bool) -> dict[str, Any]:
    values = {key: (a["totals"][key], b["totals"][key]) for key in TOTALS}
    values |= {key: (a["model"][key], b["model"][key]) for key in ("parameters", "weight_bytes")}
    refused = (_TIMES if basis == "mixed" else frozenset()) | (frozenset() if priced else _ENERGIES)
    return {key: _versus(*pair, is_comparable=key not in refused) for key, pair in values.items()}


def _versus(a: Any, b: Any, is_comparable: bool = True) -> dict[str, Any]:
    numbers = is_comparable and all(isinstance(value, (int, float)) for value in (a, b))
    return {
        "a": a,
        "b": b,
        "difference": b - a if numbers else None,
        "ratio": b / a if numbers and a else None,
    }


def _layer(pair: Joined, of_a: _Rows, of_b: _Rows, basis: str, priced: bool) -> dict[str, Any]:
    a, b = [of_a[i] for i in pair.a], [of_b[i] for i in pair.b]
    main = _main(a if a and (not b or len(a) <= len(b)) else b)

    def name(rows: _Rows) -> str | None:
        """The name of the main layer, where this side has it too: a group is called after one of its nodes."""
        return (main if any(row["name"] == main["name"] for row in rows) else _main(rows))["name"] if rows else None

    time_a, time_b = _time(a, basis), _time(b, basis)
    limit_a, limit_b = _limit(a), _limit(b)
    both = bool(a and b)
    return {
        "name_a": name(a),
        "name_b": name(b),
        "op_type": main["op_type"],
        "operators": operators(main["op_type"], main["pattern"], len(main["nodes"])),
        "layers_a": len(a),
        "layers_b": len(b),
        "time_a_s": time_a,
        "time_b_s": time_b,
        "difference_s": time_b - time_a if both and time_a is not None and time_b is not None else None,
        "limited_by_a": limit_a,
        "limited_by_b": limit_b,
        "changed": both and None not in (limit_a, limit_b) and limit_a != limit_b,
        "flops_a": _sum(a, "flops"),
        "flops_b": _sum(b, "flops"),
        "bytes_a": _moved(a),
        "bytes_b": _moved(b),
        "energy_a_j": _sum(a, "energy_j") if priced else None,
        "energy_b_j": _sum(b, "energy_j") if priced else None,
    }


def _main(rows: _Rows) -> dict[str, Any]:
    return max(rows, key=lambda row: (row["roofline_time_s"] or 0, row["flops"]))


def _sum(rows: _Rows, key: str) -> Any:
    known = [row[key] for row in rows if row[key] is not None and row["status"] != "unsupported"]
    return sum(known) if known else None


def _moved(rows: _Rows) -> int | None:
    known = [row["bytes_read"] + row["bytes_written"] for row in rows if row["status"] != "unsupported"]
    return sum(known) if known else None


def _time(rows: _Rows, basis: str) -> float | None:
    found: float | None = _sum(rows, "predicted_time_s" if basis == "prediction" else "roofline_time_s")
    return found


def _limit(rows: _Rows) -> str | None:
    """Return what takes the larger share of the time of the layers together."""
    shares: dict[str, float] = {}
    for row in rows:
        if row["limited_by"]:
            shares[row["limited_by"]] = shares.get(row["limited_by"], 0.0) + row["roofline_time_s"]
    return max(shares, key=lambda name: shares[name]) if shares else None


def _by_operator(of_a: _Rows, of_b: _Rows, basis: str) -> list[dict[str, Any]]:
    """Return the layers of each side summed by operator, the costliest first."""
    found: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}
    for side, rows in enumerate((of_a, of_b)):
        for row in rows:
            if row["status"] != "free":
                name = "attention" if row["pattern"] == "attention" else row["op_type"]
                found.setdefault(name, ([], []))[side].append(row)
    result = [
        {
            "op_type": name,
            "layers_a": len(a),
            "layers_b": len(b),
            "time_a_s": _time(a, basis) if a else None,
            "time_b_s": _time(b, basis) if b else None,
            "flops_a": _sum(a, "flops") or 0,
            "flops_b": _sum(b, "flops") or 0,
            "bytes_a": _moved(a) or 0,
            "bytes_b": _moved(b) or 0,
        }
        for name, (a, b) in found.items()
    ]
    return sorted(result, key=lambda row: -((row["time_a_s"] or 0) + (row["time_b_s"] or 0)))


def _alone(row: dict[str, Any], side: str) -> dict[str, Any]:
    return {
        "name": row[f"name_{side}"],
        "op_type": row["op_type"],
        "operators": row["operators"],
        "time_s": row[f"time_{side}_s"],
        "limited_by": row[f"limited_by_{side}"],
        "flops": row[f"flops_{side}"],
        "bytes": row[f"bytes_{side}"],
    }
