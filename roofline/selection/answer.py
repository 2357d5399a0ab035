"""What `select` answers: one mode, its neighbours, and why."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline.analysis import Analysis
from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.evaluate import Evaluation
from roofline.findings import Finding
from roofline.selection.search import Field, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence


class Choice(NamedTuple):
    """One mode, and what it costs. SI units; NaN where unknown."""

    mode: PowerMode
    batch: int | None
    time_s: float
    """Roofline time of one run."""
    time_upper_s: float
    """With `time_s` the interval in which an uncalibrated time lies; NaN where it was not worked out."""
    bound_s: float
    energy_j: float
    power_w: float
    average_power_w: float
    """At the frame rate that is asked for; else the power of a run."""
    is_power_limited: bool
    is_verified: bool
    """Whether both ends of the interval meet the slack and the limits."""
    reboot: bool
    """Whether it takes a reboot from the current mode."""

    @property
    def samples(self) -> int:
        """Samples per run."""
        return self.batch or 1

    @property
    def sample_energy_j(self) -> float:
        """Energy per sample."""
        return self.energy_j / self.samples


class AtSlack(NamedTuple):
    """The best mode at one slack."""

    slack: float
    choice: Choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Which mode to run a model in, why, and what the neighbours would cost."""

    analysis: Analysis
    """At the chosen batch size."""
    grid: str
    objective: str
    slack: float | None
    """None where nothing is compared with the fastest mode."""
    limits: Limits
    rate_per_s: float | None
    choice: Choice | None
    """None where no mode is feasible; `reason` says why."""
    reason: str
    loosened: tuple[str, ...]
    """Limits on time that no mode's roofline meets, but some mode's bound does: not excluded."""
    current: PowerMode
    """The mode the device is in."""
    default: Choice
    maximum: Choice | None
    """The named mode with the highest ceilings."""
    fastest: Choice | None
    """The fastest admissible mode: what slack is measured from."""
    careful: Choice | None
    """The best mode of which both ends of the time's interval meet the slack."""
    runner_up: Choice | None
    margin: float
    """How much more of the objective the runner-up costs, as a share; NaN without one."""
    binding: tuple[str, ...]
    """The constraint, or those together, without which another mode would be better; empty if there is none."""
    by_slack: Sequence[AtSlack]
    pareto: Sequence[Choice]
    equals: tuple[str, ...]
    """Named modes that the model cannot tell apart from the chosen one."""
    candidates: int
    distinct: int
    field: Field
    """Every candidate in numbers."""
    unseen_knobs: tuple[str, ...]
    evaluation: Evaluation | None
    """Layer by layer in the reference mode (the maximum one, else the default), and in the chosen mode."""
    findings: tuple[Finding, ...] = ()

    @property
    def device(self) -> DeviceSpec:
        """The device."""
        assert self.analysis.device is not None
        return self.analysis.device

    @property
    def flips(self) -> list[tuple[str, str, str]]:
        """(layer, its limit in the reference mode, its limit in the chosen mode), where the two differ."""
        if self.evaluation is None:
            return []
        names = ("compute", "memory")
        before, after = self.evaluation.is_memory_bound
        return [
            (layer.node.label, names[int(before[i])], names[int(after[i])])
            for i, layer in enumerate(self.analysis.layer_counts)
            if before[i] != after[i] and self.evaluation.layer_time_s[1, i] > 0
        ]

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        from roofline.selection.words import verdict

        return verdict(self)

    def saving(self, choice: Choice, other: Choice | None) -> float | None:
        """Return the share of another mode's energy per sample that a choice saves; None where unknown.

        With a frame rate: of its average power, idle time included.
        """
        if other is None:
            return None
        mine, its = ((c.sample_energy_j if self.rate_per_s is None else c.average_power_w) for c in (choice, other))
        return 1 - mine / its if isfinite(mine) and its > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.selection/1``."""
        from roofline.export.as_selection import selection_dict

        return selection_dict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text. Unknown numbers are ``null``."""
        from roofline.export.as_json import json_text

        return json_text(self.to_dict())

    def _repr_html_(self) -> str:
        from roofline.export.as_html import blocks_html
        from roofline.export.as_selection import blocks

        return blocks_html(blocks(self))
