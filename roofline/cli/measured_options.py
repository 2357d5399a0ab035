"""Options of the commands that read a table of measured runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
if TYPE_CHECKING:
    from roofline.measured.record import Measurement


def measured_options(function: F) -> F:
    """Which runs, and which of them are of which model."""
    for option in (
        click.option("--only", multiple=True, metavar="COLUMN=VALUE", help="Keep rows with this value; repeatable."),
        click.option("--workload", "workloads", multiple=True, metavar="NAME=MODEL",
                     help="Rows of workload NAME are of MODEL. Default: the model's file name."),
        click.option("--measured", metavar="FILE.csv", help="Measured runs (roofline.measurement/1)."),
    ):  # fmt: skip
        function = option(function)
    return function


def read_rows(path: str, only: Sequence[str]) -> list[Measurement]:
    """Return the rows of a table that have every value asked for.

    Raises:
        UsageError: no such column, or no row is left.
    """
    from roofline.errors import UsageError
    from roofline.measured.cells import show
    from roofline.measured.record import BY_NAME
    from roofline.measured.table import read_table

    rows = list(read_table(path).rows)
    for condition in only:
        name, equals, value = condition.partition("=")
        field = BY_NAME[name].field if name in BY_NAME else ""
        if not equals or not field:
            known = ", ".join(BY_NAME)
            raise UsageError(f"{condition!r} is no COLUMN=VALUE", where="--only", expected=f"a column: {known}")
        column = BY_NAME[name]
        kept = [row for row in rows if show(getattr(row, field), column) == value]
        if not kept:
            there = sorted({show(getattr(row, field), column) for row in rows})
            raise UsageError(f"no row has {condition}", where=f"{path}: --only", expected=", ".join(there[:8]))
        rows = kept
    return rows


def names_of(models: Sequence[str], workloads: Sequence[str], rows: Sequence[Measurement]) -> dict[str, str]:
    """Return workload -> model. One model takes a table's only workload, whatever it is called.

    Raises:
        UsageError: a mapping that names none of the models, or is no NAME=MODEL.
    """
    from roofline.errors import UsageError
    from roofline.validation import workload_name

    found: dict[str, str] = {}
    for mapping in workloads:
        name, equals, model = mapping.partition("=")
        fitting = [m for m in models if model in (m, workload_name(m))]
        if not equals or not fitting:
            raise UsageError(
                f"{mapping!r} maps to no model", where="--workload", expected="NAME=MODEL, one of those given"
            )
        found[name] = fitting[0]
    there = list(dict.fromkeys(row.workload for row in rows))
    for model in models:
        if model not in found.values():
            name = workload_name(model)
            found[there[0] if len(models) == len(there) == 1 else name] = model
    return found
