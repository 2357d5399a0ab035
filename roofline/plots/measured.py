"""Measured runs of a model beside what is computed for the same mode and batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from roofline.errors import MeasurementError
from roofline.evaluate import evaluate
from roofline.figures.measured import Pair
from roofline.figures.words import short_name
from roofline.measured.against import against_device
from roofline.measured.given import Given, rows_of
from roofline.measured.join import join_layers
from roofline.measured.record import Measurement, by_run
from roofline.plots.ceilings import evaluation_of

if TYPE_CHECKING:
    from roofline.analysis import Analysis

_TF32 = {"fp32": "tf32"}


def measured_pairs(
    analysis: Analysis, measured: Given, at_batch: Callable[[int], Analysis] | None = None
) -> tuple[list[Pair], list[str]]:
    """Return measured and computed times of a model's runs, or of its layers where there is one run or none.

    Args:
        analysis: gives device, precision and the batch size of rows that name none.
        measured: runs (``roofline.measurement/1``). Of several workloads, the one that is called like the model.
        at_batch: returns the analysis at another batch size; None leaves rows of other sizes out.

    Raises:
        MeasurementError: the table is wrong, or no row of it is a run of this model and precision with a time.
    """
    everything, where = rows_of(measured)
    rows, notes = _of_model(everything, analysis, where)
    assert analysis.device is not None
    whole = [row for row in rows if not row.layer]
    parts = [row for row in rows if row.layer]
    if len(whole) < 2 and parts:
        return _layers(parts, analysis, where), notes
    placed, _ = against_device(whole, analysis.device, where)
    analyses: dict[int | None, Analysis] = {analysis.graph.batch: analysis, None: analysis}
    found, unknown, other = [], 0, 0
    for row, mode in placed:
        if mode is None:
            unknown += 1
            continue
        if row.batch_size not in analyses:
            if at_batch is None:
                other += 1
                continue
            assert row.batch_size is not None
            analyses[row.batch_size] = at_batch(row.batch_size)
        task = evaluation_of(analyses[row.batch_size]).task
        computed = float(evaluate(task, (mode,)).time_s[0])
        batch = f"batch {row.batch_size or analysis.graph.batch}"
        assert row.time_s is not None
        found.append(Pair(computed, row.time_s, _clocks(mode.name), batch))
    if not found:
        raise MeasurementError("no run says its power mode and a batch size that the model has", where=where)
    notes += [f"{unknown} rows say no power mode."] if unknown else []
    notes += [f"{other} rows are of another batch size."] if other else []
    return found, notes


def _clocks(mode: str) -> str:
    """Return a mode's name, or what differs from it: ``MAXN,gpu_freq=816MHz`` -> ``gpu 816MHz``."""
    base, _, knobs = mode.partition(",")
    return knobs.replace("_freq=", " ").replace(",", ", ") or base


def _of_model(rows: Sequence[Measurement], analysis: Analysis, where: str) -> tuple[list[Measurement], list[str]]:
    stem = PurePath(analysis.graph.path).stem
    workloads = {row.workload for row in rows}
    mine = [row for row in rows if len(workloads) == 1 or row.workload == stem]
    if not mine:
        names = ", ".join(sorted(workloads)[:5])
        raise MeasurementError(f"no row is of {stem}", where=where, expected=f"a model called like one of: {names}")
    asked = analysis.precision
    found = [
        row for row in mine
        if row.time_s is not None and row.phase in ("", analysis.phase)
        and (not row.precision or asked in (row.precision, _TF32.get(row.precision)))
    ]  # fmt: skip
    if not found:
        kinds = ", ".join(sorted({f"{row.precision or 'any precision'} {row.phase}".strip() for row in mine}))
        raise MeasurementError(
            f"no row is a timed {analysis.phase} run in {asked}", where=where,
            expected=f"one of what is there: {kinds}", hint="--precision and --phase say what to compute",
        )  # fmt: skip
    left = len(rows) - len(found)
    return found, [f"{left} rows are of other models, precisions or phases, or have no time."] if left else []


def _layers(rows: list[Measurement], analysis: Analysis, where: str) -> list[Pair]:
    runs = list(by_run(rows).values())
    joined = join_layers(runs[0], analysis, where)
    times = evaluation_of(analysis).shown_layer_s[0]
    found = []
    for block in joined.blocks:
        computed = float(sum(times[i] for i in block.layers))
        if computed > 0 and block.time_s > 0:
            layer = analysis.layer_counts[block.layers[0]].node
            name = short_name({"name": layer.label, "op_type": layer.op_type})
            found.append(Pair(computed, block.time_s, name, "layers"))
    return found
