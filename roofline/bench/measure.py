"""Run a model on this machine: the time of the whole, of each node, and the energy where a counter tells."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from roofline.analysis import analyze
from roofline.bench.backend import Provider, find_provider, load_onnxruntime, open_session, refused, thread_count
from roofline.bench.backend import runner as make_runner
from roofline.bench.energy import Reading, measure_energy, zeus_energy, zeus_monitor
from roofline.bench.feeds import make_feeds
from roofline.bench.given import read_inputs
from roofline.bench.machine import read_machine
from roofline.bench.nodes import NodeTime, read_profile, with_nodes
from roofline.bench.remarks import elsewhere, no_energy, noise, notes, odd_outputs, weight_findings
from roofline.bench.result import MeasuredRun
from roofline.bench.sensors import NoReading, find_meter, sensor_root
from roofline.bench.timing import Tick, repeat, summary
from roofline.bench.weights import runnable
from roofline.errors import MeasurementError, UsageError
from roofline.findings import Finding

if TYPE_CHECKING:
    from roofline.devices.spec import DeviceSpec

PROFILED_RUNS = 10
"""Runs behind the medians of the nodes, besides a first one that is left out."""


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
    device: str | Path | DeviceSpec | None = None,
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
        device: the board this is (id, file, or what `measure_device` returned), for its rails and its name in the rows.
        mode: power mode it is in, for the rows; None is unknown, unless the device has a single one.
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
    count = thread_count(threads)
    analysis = analyze(model, bindings=bindings, shapes=shapes, runtime=chosen.runtime, ops=ops)
    computes, options = _precision(precision, analysis.precision, chosen)
    spec, mode_name = _device(device, mode)
    machine = read_machine()
    feeds = make_feeds(analysis.graph, read_inputs(inputs, analysis.graph))
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
            odd = odd_outputs(run())
            note(f"{runs} runs and more")
            before = time.process_time(), time.perf_counter()
            timing = summary(repeat(run, runs=runs, min_time_s=min_time_s, warmup=max(warmup - 1, 0), tick=tick))
            share = (time.process_time() - before[0]) / (time.perf_counter() - before[1]) / count
            energy, energy_runs, unread = _energy(run, chosen, sensor_root(power_sensors), spec, note)
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
    found += [*feeds.findings, *weight_findings(ready, where), *odd, *unread]
    found += noise(timing, share if chosen.memory == "cpu" else 1.0, where) + elsewhere(nodes, chosen)
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
        notes=notes(machine, timing, share, warmup, ready, energy, chosen, options),
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


def _device(device: str | Path | DeviceSpec | None, mode: str | None) -> tuple[DeviceSpec | None, str]:
    if device is None:
        return None, mode or ""
    from roofline.devices.load import load_device
    from roofline.devices.modes import find_mode

    spec = load_device(device)
    if mode is None and len(spec.modes) == 1:
        return spec, spec.modes[0].name  # it can be in no other
    return spec, find_mode(spec, mode).name if mode else ""


def _energy(
    run: Callable[[], Any], provider: Provider, root: Path, spec: DeviceSpec | None, note: Callable[[str], None]
) -> tuple[Reading | None, int, list[Finding]]:

    monitor = zeus_monitor() if provider.memory == "cuda" else None
    meter = find_meter(root, spec.total_rails if spec else ())
    if isinstance(meter, NoReading) or (provider.memory == "cuda" and meter.boundary == "package"):
        if monitor is None:
            reason = meter if isinstance(meter, NoReading) else NoReading("RAPL does not see the GPU", "install zeus")
            return None, 0, [no_energy(reason)]
        note("measuring energy with Zeus")
        found = zeus_energy(monitor, run)
    else:
        note(f"measuring energy for {meter.least_s:g} s ({meter.sensor})")
        found = measure_energy(meter, run)
    return (None, 0, [no_energy(found)]) if isinstance(found, NoReading) else (*found, [])
