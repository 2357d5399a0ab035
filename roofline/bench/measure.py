"""Run a model on this machine: the time of the whole, of each node, and the energy where a counter tells."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from roofline.analysis import Analysis, analyze
from roofline.bench.backend import Provider, default_threads, find_provider, load_onnxruntime, open_session, refused
from roofline.bench.backend import runner as make_runner
from roofline.bench.energy import Reading, measure_energy, zeus_energy, zeus_monitor
from roofline.bench.feeds import make_feeds
from roofline.bench.machine import Machine, read_machine
from roofline.bench.nodes import NodeTime, read_profile, with_nodes
from roofline.bench.sensors import NoReading, find_meter, sensor_root
from roofline.bench.timing import Tick, Timing, repeat, summary
from roofline.bench.weights import Runnable, runnable
from roofline.errors import MeasurementError, UsageError
from roofline.findings import Finding

if TYPE_CHECKING:
    from roofline.devices.spec import DeviceSpec

PROFILED_RUNS = 10
"""Runs behind the medians of the nodes, besides a first one that is left out."""
CROWDED = 0.9
"""Share of CPU time below which other programs are taken to be in the way: idle threads of onnxruntime spin."""
NOISY = 1.5
"""99th percentile over median from which a run is called noisy."""


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

    def rows(self) -> list[dict[str, Any]]:
        """Return the run as rows of ``roofline.measurement/1``: the whole model first, then its nodes."""
        from roofline.bench.rows import COLUMNS

        common = self._common()
        whole = {
            **common,
            **_milliseconds(self.timing.median_s),
            "latency_p99_ms": self.timing.p99_s * 1e3,
            "power_w": self.power_w,
            "energy_j": self.energy_per_run_j,
            "power_boundary": self.energy.boundary if self.energy else None,
            "n": self.timing.n,
            "notes": self.notes,
        }
        rows = [whole]
        for entry in self.nodes:
            rows.append(
                {
                    **common,
                    **_milliseconds(entry.time_s),
                    "layer": entry.name,
                    "op_type": entry.op_type,
                    "nodes": entry.nodes,
                    "n": self.profiled_runs,
                    "notes": f"onnxruntime profile, {entry.provider}",
                }
            )
        return [{column: row.get(column) for column in COLUMNS} for row in rows]

    def _common(self) -> dict[str, Any]:
        graph = self.analysis.graph
        shapes = [f"{name}:{'x'.join(map(str, graph.tensors[name].shape or ()))}" for name in graph.inputs]
        clock = self.machine.clock_hz
        return {
            "source": "roofline measure",
            "device": self.device,
            "power_mode": self.power_mode,
            "cpu_cores": self.threads,
            "cpu_freq_khz": round(clock / 1e3) if clock else None,
            "runtime": self.provider.runtime,
            "runtime_version": self.runtime_version,
            "precision": self.precision,
            "workload": self.name,
            "phase": "inference",
            "batch_size": graph.batch,
            "input_shape": shapes,
            "clocks": self.clocks,
            "time_kind": "host",
        }


def _milliseconds(time_s: float) -> dict[str, float]:
    return {"latency_ms": time_s * 1e3, "latency_p50_ms": time_s * 1e3}


def measure(
    model: str | os.PathLike[str] | bytes,
    *,
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    precision: str | None = None,
    provider: str = "cpu",
    runs: int = 10,
    warmup: int = 3,
    min_time_s: float = 2.0,
    threads: int | None = None,
    per_node: bool = True,
    device: str | None = None,
    mode: str | None = None,
    clocks: str | None = None,
    power_sensors: str | None = None,
    inputs: str | os.PathLike[str] | None = None,
    ops: str | None = None,
    tick: Tick | None = None,
    say: Callable[[str], None] | None = None,
) -> MeasuredRun:
    """Run a model with onnxruntime on this machine and measure it.

    First the whole model, undisturbed: `warmup` runs, then at least `runs` and at least `min_time_s`. Then, in a
    session of its own with onnxruntime's profiler on, each node. Then the energy, where a counter is found: a further
    pass of 1 s (RAPL) or 10 s (INA3221, Zeus). Weights whose file is missing are made up; so are the inputs.

    Args:
        model: a path, or the content of an ONNX file.
        bindings: sizes of free dimensions, as for `analyze`; `shapes` likewise.
        precision: what the file's contractions compute in; anything else is refused, except on a GPU what its
            provider can switch (``tf32`` or ``fp32``; TensorRT: ``fp16``).
        provider: ``cpu``, ``cuda`` or ``tensorrt``.
        threads: threads inside an operator; None is every CPU that this process may use.
        device: id or file of the board this is, for its rails and its name in the rows.
        mode: power mode it is in, for the rows.
        clocks: ``locked`` or ``stock``; None asks the CPU's governor.
        power_sensors: a sysfs tree to find counters in; None is ``ROOFLINE_POWER_SENSORS``, or /sys.
        inputs: a .npz file with values of inputs, by name.
        tick: told after each run of the first pass.
        say: told what is being done.

    Raises:
        MeasurementError: onnxruntime is absent, lacks the provider, fell back to another, or refuses the model.
        UsageError: options that are unknown or contradict each other.
        ModelFileError, BindingError, ShapeError: as for `analyze`.
    """
    chosen = find_provider(provider)
    if runs < 1 or warmup < 0:
        raise UsageError("at least one run is needed", where="--runs", expected="1 or more")
    count = default_threads() if threads is None else threads
    analysis = analyze(model, bindings=bindings, shapes=shapes, runtime=chosen.runtime, ops=ops)
    computes, options = _precision(precision, analysis.precision, chosen)
    spec, mode_name = _device(device, mode)
    machine = read_machine()
    feeds = make_feeds(analysis.graph, _given(inputs))
    note = say or (lambda _: None)
    where = analysis.graph.path
    with tempfile.TemporaryDirectory(prefix="roofline-") as folder:
        note("preparing weights")
        ready = runnable(model, Path(folder))

        def session(prefix: str = "") -> Any:
            sizes = {name: size for name, size in analysis.graph.bindings.items() if "[" not in name}
            return open_session(
                ready.model, chosen, count, profile_prefix=prefix, sizes=sizes, provider_options=options
            )

        try:
            opened = session()
            run = make_runner(opened, feeds.values, chosen)
            odd = _odd_outputs(run())
            note(f"{runs} runs and more")
            before = time.process_time(), time.perf_counter()
            timing = summary(repeat(run, runs=runs, min_time_s=min_time_s, warmup=max(warmup - 1, 0), tick=tick))
            share = (time.process_time() - before[0]) / (time.perf_counter() - before[1]) / count
            energy, energy_runs, no_energy = _energy(run, chosen, sensor_root(power_sensors), spec, note)
            del run, opened
            nodes: list[NodeTime] = []
            profiled = 0
            if per_node:
                note("profiling nodes")
                opened = session(str(Path(folder) / "profile"))
                repeat(make_runner(opened, feeds.values, chosen), runs=min(runs, PROFILED_RUNS) + 1, min_time_s=0.0)
                nodes, profiled = read_profile(opened.end_profiling())
                nodes = with_nodes(nodes, analysis.graph)
        except (RuntimeError, ValueError) as error:  # onnxruntime's own derive from these
            if isinstance(error, MeasurementError):
                raise
            raise refused(error, where) from None
        except Exception as error:
            if type(error).__module__.startswith("onnxruntime"):
                raise refused(error, where) from None
            raise
    found = [f for f in analysis.findings if f.code == "batch-assumed"]
    found += [*feeds.findings, *_weight_findings(ready, where), *odd, *no_energy]
    found += _noise(timing, share if chosen.memory == "cpu" else 1.0, where) + _elsewhere(nodes, chosen)
    return MeasuredRun(
        analysis=analysis,
        name=PurePath(where).stem if not isinstance(model, bytes) else "model",
        provider=chosen,
        runtime_version=load_onnxruntime().__version__,
        precision=computes,
        device=spec.id if spec else machine.name,
        power_mode=mode_name,
        clocks=clocks or machine.clock_state,
        threads=count,
        machine=machine,
        warmup=warmup,
        cpu_share=share,
        timing=timing,
        nodes=tuple(nodes),
        profiled_runs=profiled,
        energy=energy,
        energy_runs=energy_runs,
        notes=_notes(machine, timing, share, warmup, ready, energy, chosen, options),
        findings=tuple(found),
    )


def _precision(requested: str | None, of_file: str, provider: Provider) -> tuple[str, dict[str, str]]:
    """Return what the run computes in, and the provider's options for it."""
    if requested in (None, of_file):
        if provider.name == "cuda" and requested == "fp32":
            return "fp32", {"use_tf32": "0"}
        return of_file, {}
    if provider.name == "cuda" and (requested, of_file) == ("tf32", "fp32"):
        return "tf32", {"use_tf32": "1"}
    if provider.name == "tensorrt" and (requested, of_file) == ("fp16", "fp32"):
        return "fp16", {"trt_fp16_enable": "True"}
    raise UsageError(
        f"the file computes in {of_file}, and onnxruntime runs it as it is",
        where=f"--precision {requested}",
        expected=of_file,
        hint="convert or quantise the model first",
    )


def _device(device: str | None, mode: str | None) -> tuple[DeviceSpec | None, str]:
    if device is None:
        return None, mode or ""
    from roofline.devices.load import load_device
    from roofline.devices.modes import find_mode

    spec = load_device(device)
    return spec, find_mode(spec, mode).name if mode else ""


def _given(path: str | os.PathLike[str] | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as data:
            return {name: data[name] for name in data.files}
    except (OSError, ValueError, AttributeError) as error:
        raise MeasurementError(f"cannot be read: {error}", where=str(path), expected="a .npz file of arrays") from None


def _energy(
    run: Callable[[], Any], provider: Provider, root: Path, spec: DeviceSpec | None, note: Callable[[str], None]
) -> tuple[Reading | None, int, list[Finding]]:
    from roofline.devices.rails import total_rails

    monitor = zeus_monitor() if provider.memory == "cuda" else None
    meter = find_meter(root, total_rails(spec) if spec else ())
    if isinstance(meter, NoReading) or (provider.memory == "cuda" and meter.boundary == "package"):
        if monitor is None:
            reason = meter if isinstance(meter, NoReading) else NoReading("RAPL does not see the GPU", "install zeus")
            return None, 0, [_no_energy(reason)]
        note("measuring energy with Zeus")
        found = zeus_energy(monitor, run)
    else:
        note(f"measuring energy for {meter.least_s:g} s ({meter.sensor})")
        found = measure_energy(meter, run)
    return (None, 0, [_no_energy(found)]) if isinstance(found, NoReading) else (*found, [])


def _no_energy(reason: NoReading) -> Finding:
    return Finding(code="energy-not-measured", where="energy_j", message=reason.reason, hint=reason.hint)


def _odd_outputs(outputs: Any) -> list[Finding]:
    import numpy as np

    floats = [value for value in outputs or () if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    if all(np.isfinite(value).all() for value in floats):
        return []
    return [Finding("outputs-not-finite", "outputs", "some are infinite or NaN; the time can be off", "use real data")]


def _weight_findings(ready: Runnable, where: str) -> list[Finding]:
    found = []
    if ready.made_up:
        found.append(
            Finding("weights-made-up", where, f"{len(ready.made_up)} weights are not on disk; random ones were used")
        )
    if ready.zeroed:
        names = ", ".join(ready.zeroed[:3]) + (" ..." if len(ready.zeroed) > 3 else "")
        found.append(Finding("weights-zero", where, f"whole numbers that are not on disk are 0: {names}"))
    return found


def _noise(timing: Timing, share: float, where: str) -> list[Finding]:
    found = []
    hint = "end other programs, lock clocks"
    if timing.p99_s > NOISY * timing.median_s:
        ratio = timing.p99_s / timing.median_s
        found.append(Finding("noisy", where, f"the 99th percentile is {ratio:.1f} times the median", hint))
    if share < CROWDED:
        message = f"its threads were on a CPU {share:.0%} of the time: other programs ran, or there are fewer CPUs"
        found.append(Finding("machine-busy", where, message, "measure again when the machine is idle"))
    return found


def _elsewhere(nodes: Sequence[NodeTime], provider: Provider) -> list[Finding]:
    others = [node for node in nodes if node.provider and node.provider != provider.ort_name]
    if not others:
        return []
    share = sum(n.time_s for n in others) / sum(n.time_s for n in nodes)
    message = f"{len(others)} of {len(nodes)} nodes ran on {others[0].provider}, {share:.1%} of the nodes' time"
    return [Finding("nodes-elsewhere", others[0].name, message)]


def _notes(
    machine: Machine, timing: Timing, share: float, warmup: int, ready: Runnable, energy: Reading | None,
    provider: Provider, options: Mapping[str, str],
) -> str:  # fmt: skip
    parts = [
        f"warmup {warmup}",
        f"shortest {timing.shortest_s * 1e3:.6g} ms, longest {timing.longest_s * 1e3:.6g} ms",
        f"threads on a CPU {share:.0%} of the time",
        f"governor {machine.governor or 'unreadable'}",
        f"clock {machine.clock_source}",
    ]
    if provider.memory != "cpu":
        parts.append("inputs and outputs stay on the device")
    parts += [f"{name}={value}" for name, value in options.items()]
    if ready.made_up:
        parts.append("random weights")
    if energy is not None:
        parts.append(f"power {energy.sensor}")
    return "; ".join(parts)
