"""What a sweep came to."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from roofline.findings import Finding
from roofline.sweeping.part import SCHEMA, Part, shown_path


class Failure(NamedTuple):
    """A model of which some or all combinations could not be evaluated."""

    model: str
    error: str
    """The first of its errors."""
    errors: int
    is_whole: bool
    """Whether nothing of it could be evaluated."""


class Summary(NamedTuple):
    """Counts over a finished sweep."""

    output: str
    models: int
    devices: int
    rows: int
    error_rows: int
    computed: int
    """Models evaluated by this run; the others were finished already, or in the cache."""
    resumed: int
    cached: int
    bases: tuple[str, ...]
    """What the times are: ``roofline``, ``prediction``, or both."""
    failures: tuple[Failure, ...]
    """In the order of the models."""
    findings: tuple[Finding, ...]

    @property
    def all_failed(self) -> bool:
        """Whether not one model could be evaluated."""
        return self.models > 0 and sum(failure.is_whole for failure in self.failures) == self.models

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.sweep/1``."""
        return {
            "schema": SCHEMA,
            **self._asdict(),
            "failures": [failure._asdict() for failure in self.failures],
            "findings": [finding.to_dict() for finding in self.findings],
        }


class Tally:
    """Counts parts as they come; what is kept grows with the failures only."""

    def __init__(self) -> None:
        self.models = self.rows = self.error_rows = 0
        self.came_from: Counter[str] = Counter()
        self._failures: dict[int, Failure] = {}
        self._used: set[str] = set()
        self._bases: set[str] = set()

    @property
    def failed(self) -> int:
        """Models with errors."""
        return len(self._failures)

    def add(self, number: int, name: str, part: Part, source: str) -> None:
        """Count a part; `source` is ``computed``, ``resumed`` or ``cached``."""
        errors = part.errors
        self.models += 1
        self.rows += part.size - len(errors)
        self.error_rows += len(errors)
        self.came_from[source] += 1
        self._used.update(part.used)
        self._bases.update(block["basis"] for block in part.blocks if block["grid"] is not None)
        if errors:
            self._failures[number] = Failure(shown_path(name), errors[0], len(errors), part.is_failed)

    def summary(self, output: str, devices: int, asked: list[str]) -> Summary:
        """Return the counts; `asked` are the bindings and shapes that were given."""
        unused = [name for name in asked if name not in self._used]
        findings = [
            Finding(
                code="binding-unused",
                where=name,
                message=f"no model has a dimension or input {name!r}",
                hint="its name may be misspelt",
                strict=True,
            )
            for name in unused
        ]
        return Summary(
            output=output,
            models=self.models,
            devices=devices,
            rows=self.rows,
            error_rows=self.error_rows,
            computed=self.came_from["computed"],
            resumed=self.came_from["resumed"],
            cached=self.came_from["cached"],
            bases=tuple(sorted(self._bases)),
            failures=tuple(self._failures[number] for number in sorted(self._failures)),
            findings=tuple(findings),
        )
