"""What a sweep came to, in words."""

from __future__ import annotations

from collections.abc import Iterator

from roofline.errors import one_line
from roofline.export.tables import Table
from roofline.sweeping.summary import Summary

_SHOWN = 20
"""Failures that are listed; the others are counted, and all of them are rows of the output."""


def blocks(summary: Summary, quiet: bool = False) -> Iterator[str | Table]:
    """Yield the verdict, the models that failed, and the findings."""
    yield verdict(summary)
    if quiet:
        return
    if summary.failures:
        yield _failures(summary)
    for finding in summary.findings:
        yield f"- {finding.code}  {one_line(finding.where)}: {finding.message}; {finding.hint}"


def verdict(summary: Summary) -> str:
    """Return the first line: how much was done, and what failed."""
    said = [f"{_many(summary.models, 'model')} on {_many(summary.devices, 'device')}"]
    said.append(f"{_many(summary.rows, 'row')} in {one_line(summary.output)}")
    whole = sum(failure.is_whole for failure in summary.failures)
    partly = len(summary.failures) - whole
    if whole:
        said.append(f"{_many(whole, 'model')} failed")
    if partly:
        said.append(f"{_many(partly, 'model')} failed in part")
    if summary.error_rows:
        said.append(f"{_many(summary.error_rows, 'row')} of errors")
    if summary.resumed:
        said.append(f"{summary.resumed} models were done before")
    if summary.cached:
        said.append(f"{summary.cached} from the cache")
    if "roofline" in summary.bases:
        said.append("ROOFLINE ONLY, not calibrated" if len(summary.bases) == 1 else "times in part not calibrated")
    return "; ".join(said)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _failures(summary: Summary) -> Table:
    shown = summary.failures[:_SHOWN]
    more = len(summary.failures) - len(shown)
    return Table(
        title="Failures (each is a row of the output, column error)",
        columns=("model", "rows", "first error"),
        rows=[(failure.model, str(failure.errors), failure.error) for failure in shown],
        right=frozenset({"rows"}),
        footer=f"{more} more" if more else "",
        widest=100,
    )
