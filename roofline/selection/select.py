"""The public `select`: the power mode that costs least energy without losing latency."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from roofline.analysis import Analysis, analyze
from roofline.devices.mode_set import mode_set
from roofline.devices.modes import find_mode
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.devices.tables import mode_table
from roofline.errors import DeviceError, UsageError
from roofline.evaluate import evaluate
from roofline.graph.bind import is_batch_name
from roofline.selection import search
from roofline.selection.answer import AtSlack, Choice, Selection
from roofline.selection.board import Board
from roofline.selection.candidates import candidates, host_speed
from roofline.selection.notes import findings_about, infeasible
from roofline.selection.search import Limits
from roofline.task import Task

DEFAULT_SLACK = 0.01
"""No latency loss beyond measurement noise."""
NO_LIMITS = Limits()
_LOG = logging.getLogger(__name__)
Mask = NDArray[np.bool_]


def select(
    model: Any,
    device: str | Path | DeviceSpec,
    *,
    grid: str = "named",
    slack: float | None = None,
    max_latency_s: float | None = None,
    max_power_w: float | None = None,
    max_energy_j: float | None = None,
    min_throughput_per_s: float | None = None,
    objective: str | None = None,
    batches: Sequence[int] = (),
    rate_per_s: float | None = None,
    current: str | None = None,
    allow_power_limited: bool = False,
    bindings: Mapping[str, int] | None = None,
    **options: Any,
) -> Selection:
    """Choose the power mode that costs least energy without losing latency.

    minimise E(m) subject to T(m) <= (1 + slack) * min T, and the limits; over the modes of `grid`.

    Args:
        model, device, bindings, **options: as for `roofline.analyze`.
        grid: ``named`` modes, ``full`` (every clock and core count, all units on, plus the named modes),
            ``full+tpc`` (units switched off too), or a file with one mode per line.
        slack: how much slower than the fastest admissible mode an answer may be, as a share. Default: 0.01 for
            the objectives ``energy`` and ``energy-delay`` without a rate, no such constraint for the others.
        max_latency_s, max_power_w, max_energy_j: limits per run. A time that is not calibrated is refused only if
            the bound is over the limit; see the findings.
        min_throughput_per_s: samples per second.
        objective: ``energy`` (default), ``energy-delay``, ``time``, or ``power`` (the default with a rate).
        batches: batch sizes to choose from too; energies and times are then compared per sample.
        rate_per_s: samples arrive at this rate (a camera); the average power counts the idle time between runs.
        current: the mode the device is in, for the question whether it must reboot; default: its default mode.
        allow_power_limited: also take modes that need more than the module can take.

    Raises:
        DeviceError: the energy is needed, but the device has no coefficients for this precision.
        UsageError: options that are unknown or contradict each other.
        The errors of `roofline.analyze`.
    """
    if "mode" in options:
        raise UsageError("the mode is what is chosen", where="mode", expected="current, for the mode the device is in")
    objective = objective or ("power" if rate_per_s is not None else "energy")
    limits = Limits(max_latency_s, max_power_w, max_energy_j, min_throughput_per_s)
    _check(objective, slack, rate_per_s, limits)
    analyses = analyses_at(model, device, bindings, batches, options)
    return select_among(
        analyses, grid=grid, slack=slack, limits=limits, objective=objective, rate_per_s=rate_per_s, current=current,
        allow_power_limited=allow_power_limited,
    )  # fmt: skip


def select_among(
    analyses: Sequence[Analysis],
    *,
    grid: str = "named",
    slack: float | None = None,
    limits: Limits = NO_LIMITS,
    objective: str = "energy",
    rate_per_s: float | None = None,
    current: str | None = None,
    allow_power_limited: bool = False,
) -> Selection:
    """Choose as `select` does, for models that are analysed already: one analysis per batch size.

    Raises:
        DeviceError: as `select`.
    """
    if slack is None and objective.startswith("energy") and rate_per_s is None:
        slack = DEFAULT_SLACK
    slack = None if slack is not None and np.isinf(slack) else slack
    tasks = [_task(analysis) for analysis in analyses]
    needed = [f"--objective {objective}"] if objective != "time" else []
    needed += [f"--{n}" for n, v in (("max-power", limits.power_w), ("max-energy", limits.energy_j)) if v is not None]
    if needed and not tasks[0].has_energy:
        _refuse_unknown_energy(analyses[0], needed)
    clocks, spec = analyses[0].clocks, tasks[0].device
    found = candidates(tasks[0], grid, clocks)
    _LOG.info("%d candidates, %d modes that can be told apart", found.size, found.modes.size)
    now = find_mode(spec, current, clocks, where="--current")
    board = Board(tasks, [analysis.graph.batch for analysis in analyses], found, rate_per_s, now, clocks)
    field, is_roofline = board.field, analyses[0].calibration is None
    values, times = search.objective_values(field, objective), field.sample_time_s
    met, loosened = _constraints(field, limits, rate_per_s, allow_power_limited, is_roofline)
    admissible = _all(met, times)
    # a limit that no mode's roofline meets leaves the fastest modes: they miss it by least
    near = DEFAULT_SLACK if loosened and slack is None else slack
    allowed = admissible if near is None else search.within_slack(times, admissible, near)
    chosen = search.best(values, field, allowed)
    runner = None if chosen is None else search.runner_up(values, field, allowed, chosen)
    upper = board.upper(admissible) * field.samples
    meets_at_upper = _all(_meeting(field._replace(time_s=upper), limits, rate_per_s, allow_power_limited=True), times)

    def verified(at_slack: float | None) -> Mask:
        """Both ends of the time's interval meet the limits, and where it is uncalibrated also the slack."""
        fine = admissible & ~np.isnan(upper) & meets_at_upper
        if at_slack is not None and admissible.any() and is_roofline:
            fine &= upper / field.samples <= (1 + at_slack) * times[admissible].min() * (1 + 1e-12)
        return fine

    def choice(index: int | None, at_slack: float | None = slack) -> Choice | None:
        return None if index is None else board.choice(index, upper, verified(at_slack))

    picked, at = choice(chosen), 0 if chosen is None else board.batch_index(chosen)
    top = _maximum(tasks[at], clocks)
    at_slacks = [(s, search.best(values, field, search.within_slack(times, admissible, s))) for s in search.SLACKS]
    answer = Selection(
        analysis=analyses[at],
        grid=grid,
        objective=objective,
        slack=slack,
        limits=limits,
        rate_per_s=rate_per_s,
        choice=picked,
        reason="" if picked else infeasible(board, met, limits, rate_per_s, is_roofline),
        loosened=tuple(loosened),
        current=now,
        default=board.single(find_mode(spec, None, clocks), at),
        maximum=None if top is None else board.single(top, at),
        fastest=choice(search.best(times, field, admissible)),
        careful=choice(search.best(values, field, allowed & verified(slack))),
        runner_up=choice(runner),
        margin=float("nan") if runner is None or chosen is None else float(values[runner] / values[chosen] - 1),
        binding=("infeasible",) if chosen is None else search.binding(values, field, met, slack, chosen),
        by_slack=[AtSlack(s, made) for s, i in at_slacks if (made := choice(i, s)) is not None],
        pareto=[
            board.choice(int(i), upper, verified(slack))
            for i in search.pareto(times, field.sample_energy_j, field.power_w, admissible)
        ],
        equals=() if chosen is None else board.equals(chosen),
        candidates=found.size * len(analyses),
        distinct=board.distinct,
        field=field,
        unseen_knobs=found.unseen,
        evaluation=None if picked is None else evaluate(tasks[at], (top or now, picked.mode)),
    )
    return replace(answer, findings=tuple(findings_about(answer, loosened)))


def _all(met: Mapping[str, Mask], like: NDArray[np.float64]) -> Mask:
    mask = np.ones(like.shape, dtype=np.bool_)
    for each in met.values():
        mask &= each
    return mask


def _meeting(
    field: search.Field, limits: Limits, rate_per_s: float | None, allow_power_limited: bool
) -> dict[str, Mask]:
    met = search.constraints(field, limits, allow_power_limited=allow_power_limited)
    if rate_per_s is not None:
        met["rate"] = field.time_s <= field.samples / rate_per_s
    return met


def _constraints(
    field: search.Field, limits: Limits, rate_per_s: float | None, allow_power_limited: bool, is_roofline: bool
) -> tuple[dict[str, Mask], list[str]]:
    """Return which candidates meet each constraint, and the limits on time that only the bound meets.

    A roofline time is no prediction: a limit on it excludes a mode for certain only if the bound is over it. So a
    limit that no candidate's roofline meets is asked of the bounds instead, and said.
    """
    met, loosened = _meeting(field, limits, rate_per_s, allow_power_limited), list[str]()
    by_bound = _meeting(field._replace(time_s=field.bound_s), limits, rate_per_s, allow_power_limited)
    for name in ("max-latency", "min-throughput", "rate") if is_roofline else ():
        if name in met and not _all(met, field.time_s).any() and by_bound[name].any() and not met[name].all():
            met[name] = by_bound[name]
            loosened.append(name)
    if not _all(met, field.time_s).any():
        loosened = []
    return met, loosened


def _check(objective: str, slack: float | None, rate_per_s: float | None, limits: Limits) -> None:
    if objective not in search.OBJECTIVES:
        raise UsageError(f"{objective!r} is unknown", where="--objective", expected=", ".join(search.OBJECTIVES))
    if slack is not None and not slack >= 0:
        raise UsageError(
            f"{slack:g} is no slack", where="--slack", expected="a share such as 1% or 0.05, at most 1000%"
        )
    for name, value in zip(Limits._fields, limits, strict=True):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{value:g} is no limit", where=name, expected="a number above 0")
    if rate_per_s is not None and not 0 < rate_per_s < float("inf"):
        raise UsageError(f"{rate_per_s:g} is no rate", where="--rate", expected="one such as 30/s")


def analyses_at(
    model: Any, device: Any, bindings: Mapping[str, int] | None, batches: Sequence[int], options: dict[str, Any]
) -> list[Analysis]:
    """Return the analyses of a model at several batch sizes; without any, of the model as it is bound.

    Raises:
        UsageError: there is no device, a size is there twice, or the file does not leave the batch open.
        The errors of `roofline.analyze`.
    """
    bindings = dict(bindings or {})
    if device is None:
        raise UsageError("a mode is chosen for a device", expected="--device as well")
    if model == "-" and len(batches) > 1:
        model = sys.stdin.buffer.read()
    if not batches:
        return [analyze(model, device, bindings=bindings, **options)]
    if min(batches) < 1 or len(set(batches)) != len(batches):
        raise UsageError("batch sizes must be above 0 and differ", where="--batch", expected="such as 1,2,4")
    name = _batch_name(model, device, bindings, options)
    return [analyze(model, device, bindings={**bindings, name: batch}, **options) for batch in batches]


def _batch_name(model: Any, device: Any, bindings: dict[str, int], options: dict[str, Any]) -> str:
    bound = analyze(model, device, bindings=bindings, **options).graph.bindings
    names = [name for name in bound if is_batch_name(name)]
    if len(names) != 1:
        what = "the file fixes its batch size" if not names else f"{' and '.join(names)} could each be the batch"
        raise UsageError(what, where="--batch", hint="export it with a free leading dimension, or leave --batch out")
    if names[0] in bindings:
        raise UsageError(f"{names[0]} is bound already", where="--batch", hint=f"leave --bind {names[0]} out")
    return names[0]


def _task(analysis: Analysis) -> Task:
    assert analysis.evaluation is not None
    return analysis.evaluation.task


def _refuse_unknown_energy(analysis: Analysis, needed: Sequence[str]) -> None:
    finding = next(f for f in analysis.findings if f.code == "energy-unknown")
    rest = "--objective time needs no energy" if len(needed) == 1 and "objective" in needed[0] else ""
    hint = "; ".join(filter(None, (f"{' and '.join(needed)} needs energies", finding.hint, rest)))
    raise DeviceError(finding.message, where=finding.where, hint=hint)


def _maximum(task: Task, clocks: str) -> PowerMode | None:
    """Return the named mode that no other one beats in any ceiling, or None; of several the one with most CPU."""
    modes = tuple(mode.under(clocks) for mode in task.device.modes)
    table = mode_table(task.device, task.processor, mode_set(task.device, modes), task.workload.ceilings)
    ceilings = np.nan_to_num(np.column_stack([table.peak_flop_per_s, table.bandwidth_byte_per_s]))
    at_top = np.flatnonzero((ceilings >= ceilings.max(axis=0) * (1 - 1e-12)).all(axis=1))
    if not at_top.size:
        return None
    return max((modes[int(i)] for i in at_top), key=lambda mode: host_speed(task.device, mode.knobs))
