"""Two models, precisions, traffic models, modes or devices side by side: the public `compare`."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.analysis import Analysis, analyze
from roofline.errors import RooflineError, UsageError
from roofline.findings import Finding
from roofline.joining import Joining, join_layers

if TYPE_CHECKING:
    from roofline.devices.spec import DeviceSpec

OPTIONS: Mapping[str, Any] = {
    "device": None,
    **{name: value for name, value in (analyze.__kwdefaults__ or {}).items() if name != "strict"},
}
"""What can differ between the sides: the options of `analyze` and their defaults."""
_MERGED = ("bindings", "shapes")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Two analyses, and which of their layers belong together. `to_dict` holds every figure."""

    a: Analysis
    b: Analysis
    joining: Joining
    findings: tuple[Finding, ...]
    """About the comparison first, then those of the sides; ``A:`` or ``B:`` marks what only one side has."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, ``schema: roofline.comparison/1``."""
        from roofline.export.as_comparison import comparison_dict

        return comparison_dict(self)

    def to_json(self) -> str:
        """Return `to_dict` as JSON text. Unknown numbers are ``null``."""
        from roofline.export.as_json import json_text

        return json_text(self.to_dict())

    def _repr_html_(self) -> str:
        from roofline.export.as_html import blocks_html
        from roofline.export.comparison_tables import blocks

        return blocks_html(blocks(self.to_dict(), top=10))

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        return str(self.to_dict()["verdict"])

    @property
    def totals(self) -> dict[str, Any]:
        """Figure -> ``{"a", "b", "difference", "ratio"}``; difference is B - A, ratio is B / A."""
        result: dict[str, Any] = self.to_dict()["totals"]
        return result

    @property
    def layers(self) -> list[dict[str, Any]]:
        """One dict per pair of layers that belong together, in A's order."""
        result: list[dict[str, Any]] = self.to_dict()["layers"]
        return result


def compare(
    a: Any,
    b: Any = None,
    device: str | Path | DeviceSpec | None = None,
    *,
    vs: Mapping[str, Any] | None = None,
    **options: Any,
) -> Comparison:
    """Put two analyses side by side.

    >>> import roofline
    >>> roofline.compare("resnet50.onnx", device="orin-agx", vs={"precision": "fp16"})  # doctest: +SKIP

    Args:
        a: a model as `analyze` takes it, or a finished `Analysis`.
        b: the second one; None is the same model again.
        device: as for `analyze`, for both sides; so are all `options`.
        vs: the options that are different on side B, such as ``{"precision": "fp16", "device": "orin-nano"}``.
            ``bindings`` and ``shapes`` are put on top of the common ones; None takes an option back.

    Raises:
        UsageError: nothing is different, an option is unknown, or options are given for a finished analysis.
        RooflineError: whatever `analyze` raises; `where` names the side.
    """
    both: dict[str, Any] = {"device": device, **options}
    strict = both.pop("strict", False)
    changes = dict(vs or {})
    for name in (*both, *changes):
        _check_name(name)
    if b is None and not changes:
        raise UsageError("both sides are the same", expected="a second model, or what is different on side B (vs)")
    finished = [side for side in (a, b) if isinstance(side, Analysis)]
    if finished and (b is None or changes or any(v != OPTIONS[k] for k, v in both.items())):
        raise UsageError("an analysis is finished, options do not change it", expected="models, or two analyses alone")
    names = ["<stdin>" if _is_stdin(side) else "" for side in (a, a if b is None else b)]
    if _is_stdin(a):
        if _is_stdin(b):
            raise UsageError("stdin holds one model", expected="one '-', or --vs for the same model twice")
        a = sys.stdin.buffer.read()
    of_a = _side("A", a, both, names[0])
    of_b = _side("B", a if b is None else b, {**both, **_on_top(both, changes)}, names[1])
    comparison = compare_analyses(of_a, of_b)
    if strict:
        from roofline.choices import loose

        gate = loose(comparison.findings, of_a.graph.path)
        if gate is not None:
            raise gate
    return comparison


def compare_analyses(a: Analysis, b: Analysis) -> Comparison:
    """Put two finished analyses side by side."""
    joining = join_layers(a, b)
    findings = (*_findings(a, b, joining), *_of_sides(a, b))
    return Comparison(a=a, b=b, joining=joining, findings=findings)


def _is_stdin(model: Any) -> bool:
    return isinstance(model, str) and model == "-"


def _check_name(name: str) -> None:
    if name not in OPTIONS:
        near = difflib.get_close_matches(name, OPTIONS, 1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"there is no option {name!r}", expected=", ".join(OPTIONS), hint=hint)


def _on_top(both: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of side B that differ; sizes of dimensions are added to the common ones."""
    found = {name: OPTIONS[name] if value is None else value for name, value in changes.items()}
    for name in _MERGED:
        if changes.get(name):
            found[name] = {**(both.get(name) or {}), **changes[name]}
    return found


def _side(name: str, model: Any, options: Mapping[str, Any], called: str) -> Analysis:
    if isinstance(model, Analysis):
        return model
    try:
        analysis = analyze(model, **options)
    except RooflineError as error:
        error.where = ": ".join(filter(None, (f"side {name}", error.where)))
        raise
    return replace(analysis, graph=analysis.graph._replace(path=called)) if called else analysis


def energy_obstacle(a: Analysis, b: Analysis) -> str:
    """Return why the energies of two sides cannot be compared; empty if they can, or where there is no device.

    Coefficients of two sets come from two fits, perhaps at two power boundaries: their difference says as much
    about the fits as about the sides.
    """
    if a.evaluation is None or b.evaluation is None:
        return "" if a.evaluation is b.evaluation else "one side has no device"
    of_a, of_b = a.evaluation.energy_set, b.evaluation.energy_set
    if of_a is None or of_b is None:
        side = " and ".join(name for name, energy in (("A", of_a), ("B", of_b)) if energy is None)
        return f"no energy coefficients for side {side}"
    if of_a.boundary != of_b.boundary:
        return f"A is at the {of_a.boundary} boundary, B at the {of_b.boundary} boundary"
    if (of_a.name, of_a.clocks, of_a.traffic) != (of_b.name, of_b.clocks, of_b.traffic):
        return f"A rests on the coefficients {of_a.name}, B on {of_b.name}: two fits that do not go together"
    return ""


def _findings(a: Analysis, b: Analysis, joining: Joining) -> Iterator[Finding]:
    reason = energy_obstacle(a, b)
    if reason:
        yield Finding(
            code="energy-not-compared",
            where="A and B",
            message=f"energy and power have no ratio: {reason}",
            hint="compare energies within one precision, clock state and set of coefficients",
        )
    elif a.device is not None and b.device is not None and a.device.id != b.device.id:
        yield Finding(
            code="energy-of-two-devices",
            where=f"{a.device.id} and {b.device.id}",
            message="the energy coefficients have one name and boundary, but each device has its own fit and error",
        )
    if a.graph.batch != b.graph.batch:
        yield Finding(
            code="batch-differs",
            where=f"batch {a.graph.batch or 'unknown'} and {b.graph.batch or 'unknown'}",
            message="totals and layers are per run of a whole batch; the first line and the rows per sample are not",
        )
    if not joining.is_one_graph:
        lost_a = sum(len(pair.a) for pair in joining.pairs if not pair.b)
        lost_b = sum(len(pair.b) for pair in joining.pairs if not pair.a)
        yield Finding(
            code="two-models",
            where="layers",
            message=f"{joining.by_name} layers are joined by name, {joining.by_shape} by operator and shape of the "
            f"result, in order; {lost_a} are only in A, {lost_b} only in B",
        )


def _of_sides(a: Analysis, b: Analysis) -> Iterator[Finding]:
    """Yield the findings that both sides have, then those of one."""
    of_a, of_b = set(a.findings), set(b.findings)
    yield from (finding for finding in a.findings if finding in of_b)
    for name, own, others in (("A", a.findings, of_b), ("B", b.findings, of_a)):
        yield from (f._replace(where=f"{name}: {f.where}") for f in own if f not in others)
