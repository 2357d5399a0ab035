"""An analysis for people: verdict, totals, the layers that matter, the modes, coverage, findings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from roofline.export.tables import Table
from roofline.units import significant, text

LAYER_COLUMNS = ("layer", "op", "FLOP", "bytes", "FLOP/B", "time", "share", "energy", "limited by", "ceiling")
_NUMBERS = frozenset({"FLOP", "bytes", "FLOP/B", "time", "share", "energy", "power", "bound"})


def blocks(data: dict[str, Any], top: int = 20, sort: str = "time", quiet: bool = False) -> Iterator[str | Table]:
    """Yield the parts of the answer in order: lines of text, and tables.

    Args:
        data: an analysis as a dict.
        top: number of layers to show, 0 for all.
        sort: ``time`` (largest first; FLOP without a device) or ``graph`` (the file's order).
        quiet: leave out the findings.
    """
    yield data["verdict"]
    yield from _facts(data)
    yield layer_table(data, top, sort)
    if data["modes"] and not data["mode_was_chosen"]:
        yield mode_table(data)
    yield coverage_line(data)
    if not quiet and data["findings"]:
        yield finding_table(data)


def _facts(data: dict[str, Any]) -> Iterator[str]:
    model, totals = data["model"], data["totals"]
    bound = ", ".join(f"{name}={size}" for name, size in data["bindings"].items())
    yield (
        f"model    {PurePath(model['path']).name}: opset {model['opset']}, {model['nodes']} nodes, "
        f"{text(model['parameters'], '')} parameters, weights {text(model['weight_bytes'], 'B')}"
        + (f", {bound}" if bound else "")
    )
    yield (
        f"work     {text(totals['macs'], 'MAC')}, {text(totals['flops'], 'FLOP')}, "
        f"{text(totals['bytes'], 'B')} moved ({data['traffic']}), "
        f"{number(totals['intensity_flop_per_byte'])} FLOP/B"
    )
    cache = f", of which keys and values {text(totals['kv_cache_bytes'], 'B')}" if totals["kv_cache_bytes"] else ""
    training = totals["gradient_bytes"] + totals["optimizer_bytes"]
    state = f", gradients and optimiser state {text(training, 'B')}" if training else ""
    yield (
        f"memory   {text(totals['peak_memory_bytes'], 'B')} at once: weights and "
        f"{text(totals['peak_activation_bytes'], 'B')} of activations{cache}{state}"
    )
    if data["device"] is None:
        return
    ceilings = data["ceilings"]
    peaks = ", ".join(
        f"{name} {text(c['peak_flop_per_s'], 'FLOP/s')} (ridge {number(c['ridge_flop_per_byte'])} FLOP/B)"
        + ("" if c["is_known"] else " (rate unknown)")
        for name, c in ceilings["compute"].items()
    )
    path = ceilings["path_byte_per_s"]
    memory = f"DRAM {text(ceilings['dram_byte_per_s'], 'B/s')}"
    if path is not None:
        which = "binds" if path < ceilings["dram_byte_per_s"] else "does not bind"
        memory += f", memory path {text(path, 'B/s')} ({which})"
    settings = next((m["settings"] for m in data["modes"] if m["mode"] == data["mode"]), "")
    yield f"mode     {data['mode']}" + (f": {settings}" if settings else "")
    yield f"ceilings {'; '.join(filter(None, (peaks, memory)))}"
    average = (
        f", {text(totals['average_power_w'], 'W')} on average at {significant(totals['rate_per_s'])}/s"
        if totals["average_power_w"]
        else ""
    )
    power = f", {text(totals['power_w'], 'W')} at the {totals['power_boundary']}" if totals["power_w"] else ""
    predicted = ""
    if totals["predicted_time_s"] is not None:
        low, high = text(totals["predicted_low_s"], "s"), text(totals["predicted_high_s"], "s")
        predicted = f"predicted {text(totals['predicted_time_s'], 's')} ({low} to {high}), "
    yield (
        f"time     {predicted}roofline {text(totals['roofline_time_s'], 's')}, "
        f"never below {text(totals['bound_time_s'], 's')}; "
        f"{text(totals['throughput_per_s'], '/s')}; energy {text(totals['energy_j'], 'J')}{power}{average}"
    )


def number(value: float | None) -> str:
    """Return a plain ratio with three significant digits, ``-`` where it is undefined."""
    return "-" if value is None else significant(value)


def layer_table(data: dict[str, Any], top: int, sort: str) -> Table:
    """Return the layers that cost something; the rest is summed up in the footer."""
    layers = [layer for layer in data["layers"] if layer["status"] != "free"]
    key = "flops" if not data["device"] else "roofline_time_s" if data["basis"] == "roofline" else "predicted_time_s"
    ranked = sorted(layers, key=lambda layer: -(layer[key] or 0))
    shown = ranked[:top] if top else ranked
    if sort == "graph":
        chosen = {id(layer) for layer in shown}
        shown = [layer for layer in layers if id(layer) in chosen]
    rest = len(layers) - len(shown)
    whole = sum(layer[key] or 0 for layer in layers)
    share = 1 - sum(layer[key] or 0 for layer in shown) / whole if whole else 0.0
    return Table(
        title="Layers by time" if data["device"] else "Layers by FLOP",
        columns=LAYER_COLUMNS if data["device"] else LAYER_COLUMNS[:5],
        rows=[layer_row(layer)[: None if data["device"] else 5] for layer in shown],
        right=_NUMBERS,
        footer=f"{rest} more, {share:.0%} of the {'time' if data['device'] else 'FLOP'} (--top 0 shows all)"
        if rest
        else "",
        bars="share" if data["device"] else "",
        shares=[layer["share"] for layer in shown] if data["device"] else (),
        less=("ceiling", "FLOP/B", "op", "bytes", "FLOP", "energy") if data["device"] else ("op",),
    )


def layer_row(layer: dict[str, Any]) -> list[str]:
    """Return the cells of one layer."""
    lost = layer["status"] == "unsupported"
    return [
        layer["name"],
        operators(layer["op_type"], layer["pattern"], len(layer["nodes"])),
        "?" if lost else text(layer["flops"], ""),
        "?" if lost else text(layer["bytes_read"] + layer["bytes_written"], "B"),
        "?" if lost else number(layer["intensity_flop_per_byte"]),
        text(layer["roofline_time_s"] if layer["predicted_time_s"] is None else layer["predicted_time_s"], "s"),
        "-" if layer["share"] is None else f"{layer['share']:.1%}",
        text(layer["energy_j"], "J"),
        "unsupported" if lost else layer["limited_by"] or "-",
        layer["ceiling"] or "-",
    ]


def operators(op_type: str, pattern: str, nodes: int) -> str:
    """Return ``Conv``, ``Conv +2`` for a group of three, or ``attention (13)``."""
    if pattern == "attention":
        return f"attention ({nodes})"
    more = pattern.count("+")
    return f"{op_type} +{more}" if more else op_type


def mode_table(data: dict[str, Any]) -> Table:
    """Return one row per named mode."""
    rate = data["totals"]["rate_per_s"]
    at_rate = (f"at {significant(rate)}/s",) if rate else ()
    return Table(
        title="Power modes",
        columns=("mode", "time", "energy", "power", *at_rate, "limited by", "bound", "settings"),
        rows=[
            [
                mode["mode"] + (" *" if mode["mode"] == data["mode"] else ""),
                text(mode["time_s"], "s"),
                text(mode["energy_j"], "J"),
                text(mode["power_w"], "W") + (" !" if mode["power_limited"] else ""),
                *([text(mode["average_power_w"], "W")] if at_rate else []),
                mode["limited_by"] if mode["time_s"] else "-",
                text(mode["bound_time_s"], "s"),
                mode["settings"],
            ]
            for mode in data["modes"]
        ],
        right=_NUMBERS | frozenset(at_rate),
        footer=_mode_footer(data),
        widest=110,
        less=("settings", "bound", "limited by"),
    )


def _mode_footer(data: dict[str, Any]) -> str:
    over = "; ! more than the module can take" if any(m["power_limited"] for m in data["modes"]) else ""
    return f"* the layers above are in this mode{over}"


def coverage_line(data: dict[str, Any]) -> str:
    """Return how much of the model was counted."""
    c = data["coverage"]
    flops = "all FLOPs exact" if c["share_flops_exact"] == 1 else "share of FLOPs unknown"
    return (
        f"coverage {c['share_nodes']:.1%} of the nodes ({c['nodes_counted']} counted, {c['nodes_free']} free, "
        f"{c['nodes_unsupported']} unsupported), {flops}, {c['share_bytes'] or 0:.1%} of the bytes"
    )


def finding_table(data: dict[str, Any]) -> str:
    """Return the findings as text, one paragraph each."""
    lines = ["Findings"]
    for finding in data["findings"]:
        hint = f" -> {finding['hint']}" if finding["hint"] else ""
        lines.append(f"- {finding['code']}  {finding['where']}: {finding['message']}{hint}")
    return "\n".join(lines)
