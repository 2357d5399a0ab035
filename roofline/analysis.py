"""One model on one device: the public `analyze`, and the frozen `Analysis` that it returns."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.choices import check_options, choose_target, loose, own_ops
from roofline.counting import LayerCount
from roofline.errors import UsageError
from roofline.findings import Finding
from roofline.graph.nodes import Graph
from roofline.levels import Levels, two_levels
from roofline.memory import Memory
from roofline.notes import findings_about
from roofline.reader import ModelReader
from roofline.traffic import DEFAULT_TRAFFIC
from roofline.workload import Workload, build_workload, node_layers

if TYPE_CHECKING:
    from roofline.calibration.record import Calibration
    from roofline.devices.spec import DeviceSpec, Processor
    from roofline.evaluate import Evaluation
    from roofline.figures.figure import Figure
    from roofline.training.step import TrainingStep

DEFAULT_OPTIMIZER = "adam"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Analysis:
    """What a model costs, and on a device, how long it takes and how much energy.

    `to_dict` documents every figure (``roofline.analysis/1``); the fields here are the values behind it.
    """

    graph: Graph
    counts: tuple[LayerCount, ...]
    """Every node, counted alone."""
    memory: Memory
    """What a run holds at once."""
    levels: Levels | None
    """Bytes at each memory level, where that is asked for."""
    step: TrainingStep | None
    """The training step, where that is asked for."""
    layer_counts: tuple[LayerCount, ...]
    """The layers under the traffic model: nodes, or fused groups of them."""
    workload: Workload
    least_byte: int
    """Bytes that any run must move, before any cache."""
    precision: str
    """Precision of the contractions; ``mixed`` if they differ."""
    phase: str
    traffic: str
    runtime: str | None
    clocks: str
    device: DeviceSpec | None
    processor: Processor | None
    evaluation: Evaluation | None
    """The chosen mode first, then every named mode."""
    findings: tuple[Finding, ...]
    mode_was_chosen: bool
    """Whether a mode was asked for; else the device's default mode stands first."""
    rate_per_s: float | None
    """Samples arrive at this rate, where one is given."""
    calibration: Calibration | None
    """What measured runs say, where that is used."""

    def to_dict(self, tensors: bool = False) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.analysis/1``.

        Args:
            tensors: add type and shape of every tensor of the main graph.
        """
        from roofline.export.as_dict import analysis_dict

        return analysis_dict(self, tensors=tensors)

    def to_json(self, tensors: bool = False) -> str:
        """Return `to_dict` as JSON text. Unknown numbers are ``null``."""
        from roofline.export.as_json import json_text

        return json_text(self.to_dict(tensors))

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        return str(self.to_dict()["verdict"])

    @property
    def layers(self) -> list[dict[str, Any]]:
        """One dict per node, in graph order."""
        result: list[dict[str, Any]] = self.to_dict()["layers"]
        return result

    @property
    def totals(self) -> dict[str, Any]:
        """Sums over the model; times and energies per run of one batch."""
        result: dict[str, Any] = self.to_dict()["totals"]
        return result

    @property
    def coverage(self) -> dict[str, Any]:
        """How much of the model was counted."""
        result: dict[str, Any] = self.to_dict()["coverage"]
        return result

    def plot(self, kind: str = "roofline", *, theme: str = "light", size: str = "slide", **options: Any) -> Figure:
        """Return a picture of this analysis; it shows itself in a notebook, and `Figure.save` writes it.

        Args:
            kind: ``roofline``, ``energy``, ``modes``, ``power``, ``pareto``, ``layers``, ``classes``, ``heatmap``,
                ``memory``, ``compare`` (with ``other=`` an analysis) or ``measured`` (with ``measured=`` runs).
            theme: ``light`` or ``dark``.
            size: ``column`` or ``slide``.
            **options: as for `roofline.plot`.

        Raises:
            UsageError: there is no such kind, or it needs a device or another option.
            DeviceError: the device has no energy coefficients for this precision, or no clocks to map.
        """
        from roofline.plots.plot import plot_analysis

        return plot_analysis(self, kind, **options).with_look(theme, size)

    def to_dataframe(self) -> Any:
        """Return the layers as a pandas DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("pandas is not installed", hint="pip install pandas") from None
        return pandas.DataFrame(self.layers)

    def _repr_html_(self) -> str:
        from roofline.export.as_html import analysis_html

        return analysis_html(self.to_dict())


def analyze(
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
    clocks: str = "locked",
    calibration: str | Calibration | Sequence[Calibration] = "auto",
    optimizer: str | None = None,
    recompute: bool = False,
    levels: bool = False,
    ops: str | Path | None = None,
    rate_per_s: float | None = None,
    strict: bool = False,
) -> Analysis:
    """Count a model's FLOPs and bytes, and put it on the rooflines of a device.

    Args:
        model: a path, ``bytes`` or an ``onnx.ModelProto``; weights are never read. Or the `graph` of an earlier
            analysis, read and bound already; or a `ModelReader`, which asks one model several questions.
        device: id, alias or file of a device; None counts only.
        mode: power mode, such as ``"30W"`` or ``"30W,gpu_freq=816MHz"``; None is the default mode.
        bindings: sizes of the model's free dimensions, ``{"batch": 8}`` or ``{"input[0]": 8}``.
        shapes: whole shapes of inputs, ``{"input": (1, 3, 224, 224)}``.
        precision: what contractions compute in (``fp32``, ``tf32``, ``fp16``, ``bf16``, ``fp8``, ``int8``,
            ``int4``); None takes what the file says.
        phase: ``inference`` or ``training``: forward, backward and optimiser (``traffic="pagoda"``: Pagoda's factor 3).
        optimizer: ``sgd``, ``momentum``, ``adam`` (the default) or ``adamw``.
        recompute: while training, make what lies inside fused groups again in the backward pass; do not keep it.
        traffic: how bytes are counted: ``fused`` (groups that a good compiler runs as one kernel), ``unfused`` (each
            node reads its inputs and writes its outputs), ``ideal`` (weights, inputs and outputs once) or ``pagoda``.
        runtime: ``tensorrt``, ``ort-cuda``, ``ort-cpu`` or ``torch``; decides where tf32 is used.
        processor: ``gpu`` or ``cpu``; None is the GPU, or the CPU for ``ort-cpu``.
        clocks: ``locked`` (jetson_clocks) or ``stock`` governor: which energy figures apply.
        calibration: ``auto`` (the shipped one for this device, runtime, precision and workload, if there is one),
            ``none`` (rooflines only), the name or file of one, or what `roofline.calibrate` returned; or several of
            these, of which the one that applies is taken. ``auto`` needs `runtime`.
        levels: let results that fit the last-level cache stay there for the next layer, and count both levels.
        ops: file of formulas for operators of your own (``roofline.ops/1``); they go before the built-in rules.
        rate_per_s: samples arrive at this rate (a camera): adds the average power, idle time between runs included.
        strict: refuse a result that is incomplete or rests on an assumption.

    Raises:
        ModelFileError, BindingError, ShapeError: the model cannot be read, or a dimension has no value.
        DeviceError, SpecError: there is no such device or mode, or its file is wrong.
        UsageError: options that are unknown or contradict each other.
        GateError: `strict` is not met.
    """
    check_options(precision, phase, traffic, runtime, clocks, calibration, optimizer, recompute)
    if rate_per_s is not None and not rate_per_s > 0:
        raise UsageError(f"{rate_per_s:g} is not above 0", where="--rate", expected="a rate such as 30/s")
    target = choose_target(device, processor, runtime, precision)
    spec, chosen, policy, pipes, cache = target
    if isinstance(model, Graph) and (bindings or shapes):
        raise UsageError("a graph has its sizes already", where="bindings", expected="a model, or no sizes")
    reader = model if isinstance(model, ModelReader) else ModelReader(model, own_ops(ops))
    graph, findings = reader.graph(bindings, shapes)
    _LOG.info("read %s: %d nodes, %d tensors", graph.path, len(graph.nodes), len(graph.tensors))
    counts = reader.counts(graph, policy, phase)
    _LOG.info("counted %d of %d nodes", sum(c.status == "counted" for c in counts), len(counts))
    layer_counts = reader.layers(graph, counts, policy, phase, traffic)
    memory = reader.memory(graph, counts, layer_counts, policy, phase, traffic)
    step = None
    if phase == "training" and traffic != "pagoda":
        from roofline.training.step import training_step

        step = training_step(graph, counts, layer_counts, optimizer or DEFAULT_OPTIMIZER, recompute)
        layer_counts = step.layers
        memory = memory.while_training(step)
    both = None
    if levels:
        if traffic not in ("fused", "unfused") or phase == "training":
            raise UsageError(
                "levels are for inference with fused or unfused traffic",
                where="--levels",
                expected="neither of the others",
            )
        if cache is None:
            raise UsageError("levels need a device whose last-level cache is known", expected="--device as well")
        both = two_levels(graph, counts, layer_counts, cache)
        layer_counts = both.layers
    workload = build_workload(layer_counts, traffic, pipes, cache)
    least = reader.least_bytes(graph, counts, policy, phase)
    evaluation = used = None
    if spec is not None and chosen is not None:
        from roofline.devices.modes import find_mode
        from roofline.devices.tables import choose_energy_set
        from roofline.evaluate import evaluate
        from roofline.task import Task

        energy = choose_energy_set(spec, chosen.name, _contraction_precisions(counts), clocks)
        modes = (find_mode(spec, mode, clocks), *(named.under(clocks) for named in spec.modes))
        _LOG.info("%s, %s, energy set %s", spec.path, modes[0].name, energy.name if energy else "none")
        priced, places = workload, None
        if energy is not None and traffic not in energy.traffic:
            # the set has its own way of counting bytes, node by node; a training step is one already
            nodes = layer_counts if step else counts
            priced = build_workload(nodes, energy.traffic[0], pipes, cache)
            places = None if step else node_layers(layer_counts, counts)
        task = Task(workload, priced, least, spec, chosen, energy, energy_layers=places)
        precise = _summary(counts, precision)
        used = _calibration(calibration, spec, chosen, runtime, precise, traffic, graph, counts, phase, clocks)
        if used is not None:
            from roofline.calibration.apply import factors_of

            task = task._replace(factors=factors_of(used, layer_counts))
        evaluation = evaluate(task, modes)
    elif mode is not None or rate_per_s is not None or calibration not in ("auto", "none"):
        what = "mode" if mode is not None else "rate" if rate_per_s is not None else "calibration"
        raise UsageError(f"a {what} without a device", expected="--device as well")
    partial = Analysis(
        graph=graph,
        counts=counts,
        memory=memory,
        step=step,
        levels=both,
        layer_counts=layer_counts,
        workload=workload,
        least_byte=least,
        precision=_summary(counts, precision),
        phase=phase,
        traffic=traffic,
        runtime=runtime,
        clocks=clocks,
        device=spec,
        processor=chosen,
        evaluation=evaluation,
        findings=tuple(findings),
        mode_was_chosen=mode is not None,
        rate_per_s=rate_per_s,
        calibration=used,
    )
    analysis = replace(partial, findings=(*findings, *findings_about(partial)))
    gate = loose(analysis.findings, graph.path) if strict else None
    if gate is not None:
        raise gate
    return analysis


def _contraction_precisions(counts: Sequence[LayerCount]) -> set[str]:
    """Return the precisions of the contractions; without any, those of the other work."""
    found = {count.precision for count in counts if count.precision}
    return found or {count.vector_precision for count in counts if count.status == "counted"} or {"fp32"}


def _calibration(
    wanted: str | Calibration | Sequence[Calibration],
    device: DeviceSpec,
    processor: Processor,
    runtime: str | None,
    precision: str,
    traffic: str,
    graph: Graph,
    counts: Sequence[LayerCount],
    phase: str,
    clocks: str,
) -> Calibration | None:
    """Return the calibration to use; without any file for the device nothing is loaded."""
    from roofline.devices.locate import has_calibrations

    if wanted == "none" or (wanted == "auto" and (runtime is None or not has_calibrations(device.id))):
        return None
    from roofline.calibration.apply import Question, choose_calibration, work_of

    question = Question(device, processor, runtime, precision, traffic, work_of(graph, counts), phase, clocks)
    return choose_calibration(wanted, question)


def _summary(counts: Sequence[LayerCount], requested: str | None) -> str:
    found = sorted(_contraction_precisions(counts))
    if len(found) == 1:
        return found[0]
    return "mixed " + "+".join(found) if found else requested or "fp32"
