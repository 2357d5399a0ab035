"""A measured run, and its rows in the table of measurements."""

from __future__ import annotations

from dataclasses import dataclass

from roofline.analysis import Analysis
from roofline.bench.backend import Provider
from roofline.bench.energy import Reading
from roofline.bench.machine import Machine
from roofline.bench.nodes import NodeTime
from roofline.bench.timing import Timing
from roofline.findings import Finding
from roofline.measured.record import Measurement


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredRun:
    """What one model took on this machine."""

    analysis: Analysis
    """The same model, counted: its shapes, its precision."""
    name: str
    """The model's file name without suffix: the workload."""
    provider: Provider
    runtime_version: str
    precision: str
    device: str
    """Id of the device file that was named, else the processor's name."""
    power_mode: str
    clocks: str | None
    threads: int
    machine: Machine
    warmup: int
    cpu_share: float
    """CPU time of this process over time that passed, per thread: below 1 where others had the CPUs, or it waited."""
    timing: Timing
    nodes: tuple[NodeTime, ...]
    profiled_runs: int
    energy: Reading | None
    energy_runs: int
    notes: str
    findings: tuple[Finding, ...]

    @property
    def energy_per_run_j(self) -> float | None:
        """Energy of one run, everything inside the boundary counted; None where nothing measures it."""
        return None if self.energy is None else self.energy.energy_j / self.energy_runs

    @property
    def power_w(self) -> float | None:
        """Mean power while it ran."""
        return None if self.energy is None else self.energy.energy_j / self.energy.duration_s

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        from roofline.export.as_measurement import verdict

        return verdict(self)

    def rows(self) -> list[Measurement]:
        """Return the run as rows of the table of measured runs: the whole model first, then its nodes."""
        graph, timing, clock = self.analysis.graph, self.timing, self.machine.clock_hz
        shapes = [f"{name}:{'x'.join(map(str, graph.tensors[name].shape or ()))}" for name in graph.inputs]
        whole = Measurement(
            workload=self.name,
            source="roofline measure",
            device=self.device,
            power_mode=self.power_mode,
            cpu_cores=self.threads,
            cpu_freq_hz=round(clock / 1e3) * 1e3 if clock else None,
            runtime=self.provider.runtime,
            runtime_version=self.runtime_version,
            precision=self.precision,
            phase="inference",
            batch_size=graph.batch,
            input_shape=" ".join(shapes),
            clocks=self.clocks or "",
            time_kind="host",
            time_s=timing.median_s,
            time_p50_s=timing.median_s,
            time_p99_s=timing.p99_s,
            power_w=self.power_w,
            energy_j=self.energy_per_run_j,
            power_boundary=self.energy.boundary if self.energy else "",
            n=timing.n,
            notes=self.notes,
        )
        nodes = [
            whole._replace(
                layer=entry.name,
                op_type=entry.op_type,
                nodes=entry.nodes,
                time_s=entry.time_s,
                time_p50_s=entry.time_s,
                time_p99_s=None,
                power_w=None,
                energy_j=None,
                power_boundary="",
                n=self.profiled_runs,
                notes=f"onnxruntime profile, {entry.provider}",
            )
            for entry in self.nodes
        ]
        return [whole, *nodes]

    def _repr_html_(self) -> str:
        from roofline.export.as_html import blocks_html
        from roofline.export.as_measurement import blocks

        return blocks_html(blocks(self, top=10))
