"""The ways to count one model that a page switches between: precision, traffic model, memory level."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline.analysis import Analysis, analyze
from roofline.errors import SpecError, UsageError
from roofline.findings import Finding
from roofline.notes import findings_about

if TYPE_CHECKING:
    from roofline.calibration.record import Calibration

_LOG = logging.getLogger(__name__)
_PRECISIONS = ("fp32", "tf32", "fp16", "int8")
_TRAFFIC = ("fused", "unfused")


class _Way(NamedTuple):
    precision: str | None
    """What to ask for; None is the way of the analysis itself."""
    traffic: str
    levels: bool


def variants(
    analysis: Analysis, *, precision: str | None = None, calibration: str | Calibration = "auto", **options: Any
) -> tuple[Analysis, ...]:
    """Return the model of `analysis` counted in the other ways that its device knows rates for.

    fp32, tf32, fp16 and int8 as far as the processor has them (training: no int8), with fused and unfused traffic,
    and for inference with and without what the last-level cache keeps. The graph is not read again.

    Args:
        analysis: the way the page opens with, on a device.
        precision: what was asked for when it was made.
        calibration: likewise. One that is named holds for the ways that it fits, the others are rooflines.
        options: the other options of `analyze` that an analysis does not carry: `ops`, `optimizer`, `recompute`.

    Raises:
        UsageError: the analysis is without a device.
    """
    if analysis.evaluation is None:
        raise UsageError("a report is about a model on a device", expected="--device as well")
    later = set(findings_about(analysis))
    reading = tuple(finding for finding in analysis.findings if finding not in later)
    ways, found = list(_ways(analysis)), []
    for number, way in enumerate(ways, 1):
        found.append(_again(analysis, way, precision, calibration, options, reading))
        _LOG.info("%d of %d other ways to count", number, len(ways))
    return tuple(found)


def _ways(analysis: Analysis) -> Iterator[_Way]:
    """Yield the ways besides the one that the analysis is of."""
    processor, device = analysis.processor, analysis.device
    assert processor is not None and device is not None
    is_training = analysis.phase == "training"
    known = {name for _, name in processor.pipes} - {analysis.precision, *(("int8",) if is_training else ())}
    precisions = (None, *(name for name in _PRECISIONS if name in known))
    levels = (False,) if device.cache_bytes is None or is_training else (False, True)
    own = _Way(None, analysis.traffic, analysis.levels is not None)
    for way in map(_Way._make, product(precisions, dict.fromkeys((analysis.traffic, *_TRAFFIC)), levels)):
        if way != own and (way.traffic in _TRAFFIC or not way.levels):
            yield way


def _again(
    analysis: Analysis, way: _Way, precision: str | None, calibration: str | Calibration, options: dict[str, Any],
    reading: tuple[Finding, ...],
) -> Analysis:  # fmt: skip
    assert analysis.evaluation is not None and analysis.processor is not None
    fits = dict(options)
    if way.traffic != "fused":
        fits.pop("recompute", None)
    if way.traffic == "pagoda":
        fits.pop("optimizer", None)
    carried = dict(
        mode=analysis.evaluation.modes[0].name if analysis.mode_was_chosen else None,
        precision=way.precision or precision,
        phase=analysis.phase,
        traffic=way.traffic,
        runtime=analysis.runtime,
        processor=analysis.processor.name,
        clocks=analysis.clocks,
        levels=way.levels,
        **fits,
    )
    if analysis.calibration is not None and calibration != "auto":
        calibration = analysis.calibration  # read already
    try:
        found = analyze(analysis.graph, analysis.device, calibration=calibration, **carried)
    except SpecError:  # it is not for this way
        found = analyze(analysis.graph, analysis.device, calibration="none", **carried)
    return replace(found, findings=(*reading, *found.findings))
