"""One model in every combination of a plan: what a worker does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline.analysis import Analysis, analyze
from roofline.choices import own_ops
from roofline.devices.modes import show_knob
from roofline.devices.spec import DeviceSpec
from roofline.errors import BindingError, ModelFileError, RooflineError, one_line
from roofline.graph.bind import Bindings, bind_inputs, is_batch_name
from roofline.graph.load import load_proto
from roofline.mode_totals import Totals, distinct_modes, limits_over_modes, totals_over_modes
from roofline.ops.table import OwnOps
from roofline.reader import ModelReader
from roofline.selection.candidates import Candidates, as_mode, candidates
from roofline.sweeping.part import LARGEST, Part, error_block, failed_part
from roofline.sweeping.plan import Plan, calibrations_of, device_of, plan_of, sha256_of
from roofline.sweeping.version import code_version
from roofline.task import Task
from roofline.workload import read_with_cache

_SAID = frozenset({"energy-unknown", "energy-flop-unknown", "rate-unknown"})
"""Codes that a row carries besides those that `--strict` refuses."""


class Context(NamedTuple):
    """A plan with its devices built: made once per process."""

    plan: Plan
    devices: tuple[DeviceSpec, ...]
    own: OwnOps
    calibration: Any
    """What `roofline.analyze` is given as ``calibration``."""
    grids: dict[Any, tuple[Candidates, list[list[str]]]]
    """Candidates that were worked out before, and the names and knobs of their modes."""


@lru_cache(maxsize=4)
def context_of(text: str) -> Context:
    """Return the context of a plan's text.

    Raises:
        RooflineError: the plan was made by another version of this tool.
    """
    plan = plan_of(text)
    if plan.version != code_version():
        raise RooflineError(
            f"this worker has roofline {code_version()}, the sweep was started with {plan.version}",
            where="--scheduler",
            hint="install one version everywhere",
        )
    devices = tuple(map(device_of, plan.devices))
    return Context(plan, devices, own_ops(plan.options.get("ops")), calibrations_of(plan), {})


def part_of_model(text: str, name: str) -> Part:
    """Evaluate one model file as a plan says. What goes wrong with a model is in the part, never raised.

    Args:
        text: `Plan.to_text`.
        name: the model file, as the user calls it; relative to the folder that the sweep was started in.
    """
    context = context_of(text)
    path = Path(context.plan.folder, name)
    sha256 = None
    try:
        with contextlib.suppress(OSError):  # reading the model says it better
            sha256 = sha256_of(path) if path.is_file() else None
        if path.exists() and not path.is_file():
            raise ModelFileError("this is no regular file", where=name, expected="an ONNX file")
        proto, _ = load_proto(path)
        return _part(context, name, proto, sha256)
    except Exception as error:  # noqa: BLE001 - one bad model never stops a sweep
        return failed_part(_said(error, name).replace(one_line(str(path)), one_line(name)), sha256)


def _said(error: Exception, name: str) -> str:
    if isinstance(error, RooflineError):
        return str(error).replace("<ModelProto>", one_line(name))
    return one_line(f"{name}: unexpected {type(error).__name__}: {error}")


def _part(context: Context, name: str, proto: Any, sha256: str | None) -> Part:
    plan = context.plan
    bindings, shapes, batch_names = _fitting(proto, plan)
    reader = ModelReader(proto, context.own)
    grids: list[list[list[str]]] = []
    blocks: list[tuple[int, dict[str, Any]]] = []
    for batch in plan.batches or (None,):
        try:
            sizes = _with_batch(batch, bindings, batch_names)
            own_batch = reader.graph(sizes, shapes)[0].batch
            if batch is not None and own_batch != batch:
                raise _fixed_batch(own_batch)
        except Exception as error:  # noqa: BLE001 - the other batch sizes may do
            blocks.append((-1, error_block(_said(error, name), batch=batch)))
            continue
        for place, (device, precision, traffic) in enumerate(_combinations(context)):
            known = {
                "device": device.id, "variant": device.variant, "batch": own_batch,
                "precision": precision, "traffic": traffic,
            }  # fmt: skip
            try:
                analysis = analyze(
                    reader,
                    device,
                    bindings=sizes,
                    shapes=shapes,
                    precision=precision,
                    traffic=traffic,
                    **{**plan.options, "calibration": context.calibration},
                )
                blocks.append((place, {**known, **_block(context, analysis, grids)}))
            except Exception as error:  # noqa: BLE001 - the other combinations may do
                blocks.append((place, error_block(_said(error, name), **known)))
    blocks.sort(key=lambda entry: entry[0])
    return Part(sha256, grids, [block for _, block in blocks], [*bindings, *shapes])


def _combinations(context: Context) -> Iterator[tuple[DeviceSpec, str | None, str]]:
    for device in context.devices:
        for precision in context.plan.precisions:
            for traffic in context.plan.traffics:
                yield device, precision, traffic


def _fitting(proto: Any, plan: Plan) -> tuple[dict[str, int], dict[str, tuple[int, ...]], list[str]]:
    """Return the bindings and shapes of a plan that this model has a use for, and its dimensions named like a batch.

    A sweep's models differ: what one of them does not have is left out there (and said if no model has it).
    """
    import onnx

    weights = {tensor.name for tensor in proto.graph.initializer}
    inputs = onnx.GraphProto()
    inputs.input.extend(value for value in proto.graph.input if value.name not in weights)
    names = {value.name for value in inputs.input}
    tensors = names | {name for node in proto.graph.node for name in node.output}
    shapes = {name: shape for name, shape in plan.shapes.items() if name in names}
    bound = Bindings(None, shapes)
    bind_inputs(inputs, bound)
    bindings = {
        name: size
        for name, size in plan.bindings.items()
        if name in bound.symbols or name.rpartition("[")[0] in tensors
    }
    return bindings, shapes, sorted(name for name in bound.symbols if is_batch_name(name))


def _with_batch(batch: int | None, bindings: dict[str, int], names: list[str]) -> dict[str, int]:
    if batch is None or not names:
        return bindings
    if len(names) > 1:
        raise BindingError(f"{' and '.join(names)} could each be the batch", names=tuple(names), where="--batch")
    if names[0] in bindings:
        raise BindingError(f"{names[0]} is bound already", names=(names[0],), where="--batch", hint="leave --bind out")
    return {**bindings, names[0]: batch}


def _fixed_batch(own: int | None) -> BindingError:
    said = "has no batch dimension" if own is None else f"fixes its batch size to {own}"
    return BindingError(f"the file {said}", where="--batch", hint="export it with a free leading dimension")


def _block(context: Context, analysis: Analysis, grids: list[list[list[str]]]) -> dict[str, Any]:
    """Return the rows of one combination: every mode of the grid."""
    assert analysis.evaluation is not None
    task = analysis.evaluation.task
    found, names = _grid(context, task, analysis.clocks)
    if names not in grids:
        grids.append(names)
    first, same = distinct_modes(task, found.modes)
    modes = found.modes.take(first)
    totals = Totals(*(column[same] for column in totals_over_modes(task, modes)))
    roofline_s = predicted_s = totals.time_s
    if task.factors is None:
        predicted_s = np.full(len(same), np.nan)
    else:
        roofline_s = totals_over_modes(task._replace(factors=None), modes).time_s[same]
    limits = limits_over_modes(task, modes)
    codes = {finding.code for finding in analysis.findings if finding.strict or finding.code in _SAID}
    return {
        "grid": grids.index(names),
        "precision": analysis.precision,
        **_counts(analysis),
        "time_s": _known(totals.time_s),
        "roofline_time_s": _known(roofline_s),
        "predicted_time_s": _known(predicted_s),
        "bound_time_s": _known(totals.bound_time_s),
        "energy_j": _known(totals.energy_j),
        "power_w": _known(totals.power_w),
        "limited_by": [limits[i] or None for i in same.tolist()],
        "basis": "roofline" if analysis.calibration is None else "prediction",
        "calibration": None if analysis.calibration is None else analysis.calibration.name,
        "findings": " ".join(sorted(codes)),
    }


def _grid(context: Context, task: Task, clocks: str) -> tuple[Candidates, list[list[str]]]:
    key = (task.device.path, task.device.variant, task.processor.name, task.energy and task.energy.name,
           task.factors is None)  # fmt: skip
    if key not in context.grids:
        found = candidates(task, context.plan.grid, clocks)
        modes = [as_mode(task.device, found, i, clocks) for i in range(found.modes.size)]
        knobs = [",".join(f"{n}={show_knob(n, v)}" for n, v in mode.knobs.items()) for mode in modes]
        context.grids[key] = found, [[mode.name for mode in modes], knobs]
    return context.grids[key]


def _counts(analysis: Analysis) -> dict[str, int]:
    """Return the totals of an analysis that are counts, as `Analysis.totals` has them."""
    device = analysis.device
    assert device is not None
    cache = device.cache_bytes.value if device.cache_bytes else None
    costs = [layer.under(analysis.traffic) for layer in analysis.layer_counts if not layer.node.free]
    exact = analysis.step.layers if analysis.step else analysis.counts
    counts = {
        "macs": sum(layer.cost.macs for layer in exact),
        "flops": sum(cost.flops for cost in costs),
        "bytes": sum(read_with_cache(cost, cache) + cost.bytes_written for cost in costs),
        "peak_memory_bytes": analysis.memory.peak_bytes,
    }
    for name, count in counts.items():
        if count > LARGEST:
            raise RooflineError(f"its {name} are {count:.3g}: more than a column of 64 bits holds", where=device.id)
    return counts


def _known(values: NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
