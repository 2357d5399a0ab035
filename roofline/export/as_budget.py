"""A budget's limits beside what the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roofline.budget import findings_of
from roofline.export.tables import Table
from roofline.units import text

if TYPE_CHECKING:
    from roofline.budget import Budget, Check
    from roofline.findings import Finding

_VALUE = {"bound_time_s": "at best", "bound_throughput_per_s": "at best"}


def budget_table(budget: Budget, checks: Sequence[Check]) -> Table:
    """Return one row per limit, those that are not kept first."""
    missed = sum(not check.ok for check in checks)
    return Table(
        title=f"Budget {budget.path}: " + (f"{missed} of {len(checks)} limits not kept" if missed else _kept(checks)),
        columns=("limit", "allowed", "value", "over by", "verdict", "why"),
        rows=[
            [
                check.name,
                text(check.limit, check.unit),
                "unknown" if check.value is None else " ".join(filter(None, (text(check.value, check.unit),
                                                                            _VALUE.get(check.quantity, "")))),
                "-" if check.over is None else f"{check.over:.1%}",
                check.verdict if check.verdict != "roofline over" else "not excluded",
                check.reason,
            ]
            for check in sorted(checks, key=lambda check: check.ok)
        ],
        right=frozenset({"allowed", "value", "over by"}),
        widest=60,
    )  # fmt: skip


def put_into(data: dict[str, Any], budget: Budget, checks: Sequence[Check], findings: Sequence[Finding]) -> None:
    """Add a budget's answer to an analysis in its dict form: ``budget``, findings, and the first line.

    Args:
        findings: what to say beside what the checks say.
    """
    over = [check.name for check in checks if not check.ok and check.verdict != "unknown"]
    unknown = [check.name for check in checks if check.verdict == "unknown"]
    parts = [f"OVER BUDGET: {', '.join(over)}" if over else "", f"NOT KNOWN: {', '.join(unknown)}" if unknown else ""]
    start = ". ".join(filter(None, parts)) or f"Budget: {_kept(checks)}"
    data["verdict"] = f"{start}. {data['verdict']}"
    data["budget"] = [check.to_dict() for check in checks]
    data["findings"] = [*data["findings"], *(f.to_dict() for f in (*findings, *findings_of(budget, checks)))]


def _kept(checks: Sequence[Check]) -> str:
    open_ = [check.name for check in checks if check.verdict in ("not excluded", "roofline over")]
    return f"nothing is over, {' and '.join(open_)} not excluded" if open_ else "every limit is kept"
