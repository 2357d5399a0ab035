"""A measured run for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from roofline.export.as_table import finding_table
from roofline.export.tables import Table
from roofline.units import text

if TYPE_CHECKING:
    from roofline.bench.result import MeasuredRun

SCHEMA = "roofline.measurement/1"


def run_dict(run: MeasuredRun) -> dict[str, Any]:
    """Return a run as plain data. Times in s, energy in J, unknown is None."""
    graph, timing = run.analysis.graph, run.timing
    energy = run.energy
    return {
        "schema": SCHEMA,
        "verdict": verdict(run),
        "workload": run.name,
        "model": {"path": graph.path, "opset": graph.opset, "nodes": len(graph.nodes)},
        "device": run.device,
        "mode": run.power_mode or None,
        "clocks": run.clocks,
        "runtime": run.provider.runtime,
        "provider": run.provider.ort_name,
        "runtime_version": run.runtime_version,
        "precision": run.precision,
        "bindings": dict(graph.bindings),
        "batch": graph.batch,
        "threads": run.threads,
        "machine": {
            "name": run.machine.name,
            "clock_hz": run.machine.clock_hz,
            "clock_source": run.machine.clock_source,
            "governor": run.machine.governor,
        },
        "totals": {
            "time_s": timing.median_s,
            "p99_time_s": timing.p99_s,
            "shortest_time_s": timing.shortest_s,
            "longest_time_s": timing.longest_s,
            "runs": timing.n,
            "warmup": run.warmup,
            "cpu_share": run.cpu_share,
            "time_kind": "host",
            "energy_j": run.energy_per_run_j,
            "power_w": run.power_w,
            "power_boundary": energy.boundary if energy else None,
            "power_sensor": energy.sensor if energy else None,
        },
        "layers": [
            {
                "name": node.name,
                "op_type": node.op_type,
                "nodes": list(node.nodes),
                "time_s": node.time_s,
                "provider": node.provider,
            }
            for node in run.nodes
        ],
        "profiled_runs": run.profiled_runs,
        "notes": run.notes,
        "findings": [finding.to_dict() for finding in run.findings],
    }


def verdict(run: MeasuredRun) -> str:
    """Return the answer in one line."""
    timing = run.timing
    return (
        f"MEASURED. {run.name} takes {text(timing.median_s, 's')} here (median of {timing.n} runs, "
        f"p99 {text(timing.p99_s, 's')}): onnxruntime {run.runtime_version}, {run.provider.ort_name}, "
        f"{run.precision}, {run.threads} threads, {run.machine.name}"
    )


def blocks(run: MeasuredRun, top: int = 20, quiet: bool = False) -> Iterator[str | Table]:
    """Yield a run for reading: the answer, energy, the nodes that take longest, findings."""
    data = run_dict(run)
    yield data["verdict"]
    totals = data["totals"]
    power = f" ({text(totals['power_w'], 'W')} at the {totals['power_boundary']})" if totals["power_w"] else ""
    yield f"energy   {text(totals['energy_j'], 'J')}{power}"
    yield f"notes    {data['notes']}"
    if data["layers"]:
        yield node_table(data["layers"], top, data["profiled_runs"])
    if not quiet and data["findings"]:
        yield finding_table(data)


def node_table(nodes: list[dict[str, Any]], top: int, runs: int) -> Table:
    """Return the nodes by time, as onnxruntime runs them."""
    ranked = sorted(nodes, key=lambda node: -node["time_s"])
    shown = ranked[:top] if top else ranked
    whole = sum(node["time_s"] for node in nodes)
    rest = len(nodes) - len(shown)
    left = 1 - sum(node["time_s"] for node in shown) / whole if whole else 0.0
    return Table(
        title=f"Nodes by time (median of {runs} profiled runs, {text(whole, 's')} in all)",
        columns=("node", "op", "time", "share", "nodes of the model"),
        rows=[
            [
                node["name"],
                node["op_type"],
                text(node["time_s"], "s"),
                f"{node['time_s'] / whole:.1%}" if whole else "-",
                " ".join(node["nodes"]) or "-",
            ]
            for node in shown
        ],
        right=frozenset({"time", "share"}),
        footer=f"{rest} more, {left:.0%} of the time (--top 0 shows all)" if rest else "",
        bars="share",
        shares=[node["time_s"] for node in shown],
        less=("nodes of the model", "op"),
    )
