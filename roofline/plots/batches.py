"""A model at several batch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from roofline.figures.runs import BatchPoint
from roofline.model import time as time_model
from roofline.plots.ceilings import evaluation_of

if TYPE_CHECKING:
    from roofline.analysis import Analysis

DEFAULT_BATCHES = (1, 2, 4, 8, 16, 32)


def batch_points(analyses: Sequence[Analysis]) -> list[BatchPoint]:
    """Return the analyses, one per batch size, as points; layers go by their place."""
    found = []
    for analysis in analyses:
        evaluation = evaluation_of(analysis)
        work, table = evaluation.task.workload, evaluation.table
        compute = time_model.compute_time(work.flop, table.peak_flop_per_s[:1])[0][0]
        memory = time_model.memory_time(work.moved_byte, table.bandwidth_byte_per_s[:1])[0]
        balance = np.divide(compute, memory, out=np.full(compute.shape, np.nan), where=(memory > 0) & (compute > 0))
        energy = float(evaluation.energy_j[0])
        found.append(BatchPoint(
            analysis.graph.batch or 1, float(evaluation.time_s[0]), energy if np.isfinite(energy) else None,
            tuple(balance.tolist()),
        ))  # fmt: skip
    return found
