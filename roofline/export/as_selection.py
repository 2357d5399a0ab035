"""A selection as plain data (``schema: roofline.selection/1``) and for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from roofline.devices.modes import show_knob
from roofline.export.tables import Table
from roofline.selection.answer import Choice, Selection
from roofline.selection.words import reasons, verdict
from roofline.units import signed, text

SCHEMA = "roofline.selection/1"
_SHOWN = 20
"""Pareto points in the table; JSON has them all."""


def selection_dict(answer: Selection) -> dict[str, Any]:
    """Return a selection as plain data; unknown numbers are None. Times and energies are per run of one batch."""
    choice, saved = answer.choice, answer.saving
    return {
        "schema": SCHEMA,
        "verdict": verdict(answer),
        "reason": answer.reason or None,
        "basis": "roofline" if answer.analysis.calibration is None else "prediction",
        "calibration": None if answer.analysis.calibration is None else answer.analysis.calibration.name,
        "model": answer.analysis.graph.path,
        "device": answer.device.id,
        "variant": answer.device.variant or None,
        "precision": answer.analysis.precision,
        "traffic": answer.analysis.traffic,
        "clocks": answer.analysis.clocks,
        "grid": answer.grid,
        "objective": answer.objective,
        "slack": answer.slack,
        "limits": {k: v for k, v in answer.limits._asdict().items() if v is not None},
        "rate_per_s": answer.rate_per_s,
        "choice": _choice(choice),
        "default": _choice(answer.default),
        "maximum": _choice(answer.maximum),
        "fastest": _choice(answer.fastest),
        "careful": _choice(answer.careful),
        "saving_of": "energy" if answer.rate_per_s is None else "average_power",
        "saving_vs_default": saved(choice, answer.default) if choice else None,
        "saving_vs_maximum": saved(choice, answer.maximum) if choice else None,
        "saving_unseen_knobs": None,
        "by_slack": [
            {"slack": s.slack, **(_choice(s.choice) or {}), "saving_vs_fastest": saved(s.choice, answer.fastest),
             "saving_vs_maximum": saved(s.choice, answer.maximum)}
            for s in answer.by_slack
        ],
        "runner_up": _choice(answer.runner_up),
        "margin": _known(answer.margin),
        "binding_constraint": " and ".join(answer.binding) or "none",
        "equals": list(answer.equals),
        "not_excluded": list(answer.loosened),
        "why": list(reasons(answer)),
        "flips": [{"layer": name, "before": before, "after": after} for name, before, after in answer.flips],
        "candidates": answer.candidates,
        "distinct": answer.distinct,
        "unseen_knobs": list(answer.unseen_knobs),
        "pareto": [_choice(point) for point in answer.pareto],
        "findings": [finding.to_dict() for finding in answer.findings],
    }  # fmt: skip


def _choice(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    return {
        "mode": choice.mode.name,
        "id": choice.mode.id,
        "knobs": {name: int(value) for name, value in choice.mode.knobs.items()},
        "batch": choice.batch,
        "time_s": choice.time_s,
        "time_upper_s": _known(choice.time_upper_s),
        "bound_time_s": choice.bound_s,
        "energy_j": _known(choice.energy_j),
        "power_w": _known(choice.power_w),
        "average_power_w": _known(choice.average_power_w),
        "energy_per_sample_j": _known(choice.sample_energy_j),
        "time_per_sample_s": choice.time_s / choice.samples,
        "power_limited": choice.is_power_limited,
        "verified": choice.is_verified,
        "reboot": choice.reboot,
    }


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def blocks(answer: Selection, quiet: bool = False) -> Iterator[str | Table]:
    """Yield the parts of the answer: the verdict, why, the modes side by side, slacks, the Pareto front, findings."""
    yield verdict(answer)
    yield from (f"- {sentence}" for sentence in reasons(answer))
    yield _side_by_side(answer)
    if answer.by_slack:
        yield _slack_table(answer)
    if len(answer.pareto) > 1:
        yield _pareto_table(answer)
    yield (
        f"{answer.candidates} candidates, {answer.distinct} that the model can tell apart; "
        f"{len(answer.pareto)} on the Pareto front"
    )
    if not quiet and answer.findings:
        from roofline.export.as_table import finding_table

        yield finding_table({"findings": [finding.to_dict() for finding in answer.findings]})


def _saved(answer: Selection) -> str:
    return "energy" if answer.rate_per_s is None else "average power"


def _columns(answer: Selection) -> tuple[str, ...]:
    rate = ("at rate",) if answer.rate_per_s is not None else ()
    return ("time", "energy", "power", *rate)


def _figures(answer: Selection, choice: Choice) -> list[str]:
    mark = " !" if choice.is_power_limited else ""
    rate = [text(choice.average_power_w, "W")] if answer.rate_per_s is not None else []
    return [text(choice.time_s, "s"), text(choice.energy_j, "J"), text(choice.power_w, "W") + mark, *rate]


def _percent(value: float | None) -> str:
    return "-" if value is None else signed(value)


def _settings(answer: Selection, choice: Choice) -> str:
    """The knobs that the model sees, and the batch where that is a choice."""
    knobs = choice.mode.knobs.items()
    shown = [f"{name}={show_knob(name, value)}" for name, value in knobs if name not in answer.unseen_knobs]
    if choice.batch is not None and len({point.batch for point in answer.pareto}) > 1:
        shown.append(f"batch={choice.batch}")
    return ", ".join(shown)


def _side_by_side(answer: Selection) -> Table:
    named = [("chosen", answer.choice), ("runner-up", answer.runner_up), ("careful", answer.careful),
             ("fastest", answer.fastest), ("default", answer.default), ("maximum", answer.maximum)]  # fmt: skip
    rows = []
    for label, choice in named:
        if choice is not None:
            change = answer.saving(choice, answer.maximum or answer.default)
            reboot = "yes" if choice.reboot else "no"
            against = _percent(None if change is None else -change)
            rows.append(
                [label, choice.mode.name, *_figures(answer, choice), against, reboot, _settings(answer, choice)]
            )
    other = "maximum" if answer.maximum else "default"
    return Table(
        title="Modes",
        columns=("", "mode", *_columns(answer), f"{_saved(answer)} vs {other}", "reboot", "settings"),
        rows=rows,
        right=frozenset({*_columns(answer), f"{_saved(answer)} vs {other}"}),
        footer="! more than the module can take" if any(c is not None and c.is_power_limited for _, c in named) else "",
        widest=60,
        less=("reboot", "settings", f"{_saved(answer)} vs {other}"),
    )


def _slack_table(answer: Selection) -> Table:
    return Table(
        title="Best mode by slack",
        columns=("slack", "mode", *_columns(answer), "slower", f"{_saved(answer)} vs fastest", "verified"),
        rows=[
            [
                f"{at.slack:.0%}",
                at.choice.mode.name,
                *_figures(answer, at.choice),
                _percent(_slower(at.choice, answer.fastest)),
                _percent(None if (s := answer.saving(at.choice, answer.fastest)) is None else -s),
                "yes" if at.choice.is_verified else "no",
            ]
            for at in answer.by_slack
        ],
        right=frozenset({"slack", *_columns(answer), "slower", f"{_saved(answer)} vs fastest"}),
        widest=60,
        less=("verified", "power", "energy"),
    )


def _slower(choice: Choice, fastest: Choice | None) -> float | None:
    if fastest is None:
        return None
    return (choice.time_s / choice.samples) / (fastest.time_s / fastest.samples) - 1


def _pareto_table(answer: Selection) -> Table:
    points = list(answer.pareto)
    step = max(1, -(-len(points) // _SHOWN))
    shown = points[::step] if points[-1] in points[::step] else [*points[::step], points[-1]]
    left = len(points) - len(shown)
    return Table(
        title="Pareto front of time, energy and power",
        columns=("mode", *_columns(answer), "settings"),
        rows=[[point.mode.name, *_figures(answer, point), _settings(answer, point)] for point in shown],
        right=frozenset(_columns(answer)),
        footer=f"{left} more between them (JSON has them all)" if left else "",
        widest=60,
    )


def rows(answer: Selection) -> list[dict[str, Any]]:
    """Return the chosen mode and its neighbours, then the Pareto front, as flat rows for CSV."""
    named = {"choice": answer.choice, "runner_up": answer.runner_up, "careful": answer.careful,
             "fastest": answer.fastest, "default": answer.default, "maximum": answer.maximum}  # fmt: skip
    found = [(label, choice) for label, choice in named.items() if choice is not None]
    found += [("pareto", point) for point in answer.pareto]
    flat = []
    for label, choice in found:
        data = _choice(choice) or {}
        knobs = data.pop("knobs")
        flat.append({"what": label, **data, **knobs})
    return flat
