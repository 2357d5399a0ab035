"""Rebuild every shipped calibration, and the report of how far predictions by five measured modes are off.

    python device_specs/measurements/rebuild.py [--check]

Writes device_specs/calibrations/*.yaml and REPORT.md, the same bytes on every run; --check compares instead. The modes
that a fit sees are fixed by `suggest_modes`, which looks at no time; every figure is of modes that the fit did not see.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import transfer
import tried
from evidence import Series, series
from numpy.typing import NDArray

from roofline.calibration.apply import factors_of
from roofline.calibration.calibrate import calibrate, power_fit, time_fit
from roofline.calibration.file import as_yaml
from roofline.calibration.suggest import suggest_modes
from roofline.model.predicted import power_terms, total_times
from roofline.task import clocks_of, roofline_parts

HERE = Path(__file__).parent
TARGET = HERE.parent / "calibrations"
FEW = 5
SLACKS = (0.01, 0.05, 0.10, 0.20)
Array = NDArray[np.float64]


class HeldOut(NamedTuple):
    """How predictions from a few modes compare with the modes that were held out."""

    seen: list[int]
    time: Array
    """Predicted times, all modes."""
    power: Array | None
    covered: float
    """Share of held-out times inside the 80 % band."""
    power_covered: float

    def error(self, measured: Array, predicted: Array) -> tuple[float, float]:
        """Return mean and largest absolute error over the modes not seen."""
        rest = np.setdiff1d(np.arange(len(measured)), self.seen)
        off = np.abs(predicted / measured - 1)[rest]
        return float(off.mean()), float(off.max())


def held_out(found: Series) -> HeldOut:
    """Fit to the modes that `suggest_modes` names, predict the others."""
    seen = suggest_modes(found.task, found.mode_set, FEW)
    few = found.mode_set.take(np.array(seen))
    fit, _, band = time_fit(found.task, few, found.time_s[seen])
    compute, memory = roofline_parts(found.task, found.mode_set)
    layers = np.ones(compute.shape[1])
    factors = fit.classes["all"]
    time = fit.host_s.value + total_times(
        compute, memory, factors.compute.value * layers, factors.memory.value * layers, 0 * layers, fit.knee.value
    )
    rest = np.setdiff1d(np.arange(len(found.time_s)), seen)
    ratio = (found.time_s / time)[rest]
    power, power_covered = None, float("nan")
    if np.isfinite(found.power_w).all():
        powers = power_fit(found.task, few, found.time_s[seen], found.power_w[seen])
        clocks = clocks_of(found.task, found.mode_set)
        terms = power_terms(clocks.speed_hz / powers.speed_reference, clocks.voltage,
                            found.task.workload.moved_byte.sum() / time)  # fmt: skip
        power = terms @ np.array([c.value for c in powers.terms])
        off = (found.power_w / power)[rest]
        power_covered = float(((off >= powers.band.low) & (off <= powers.band.high)).mean())
    return HeldOut(seen, time, power, float(((ratio >= band.low) & (ratio <= band.high)).mean()), power_covered)


def choice(found: Series, predicted: HeldOut, slack: float) -> tuple[float, float, float]:
    """Return how much slower than promised the chosen mode was, its energy over the best choice's, and over maximum's.

    The choice: least predicted energy among modes whose predicted time is within the slack of the least predicted.
    """
    assert predicted.power is not None
    energy = predicted.power * predicted.time
    fits = predicted.time <= predicted.time.min() * (1 + slack)
    chosen = int(np.argmin(np.where(fits, energy, np.inf)))
    measured = found.power_w * found.time_s
    allowed = found.time_s.min() * (1 + slack)
    oracle = float(measured[found.time_s <= allowed].min())
    maximum = float(measured[int(np.argmin(predicted.time))])
    return max(0.0, float(found.time_s[chosen] / allowed - 1)), float(measured[chosen] / oracle - 1), float(
        measured[chosen] / maximum - 1)  # fmt: skip


def report() -> Iterator[str]:
    """Yield the report, line by line."""
    yield "# How far predictions from five measured modes are off"
    yield ""
    yield "`python device_specs/measurements/rebuild.py` makes this page from the measured runs in"
    yield "[device_specs/measurements](../measurements/README.md). Each workload is fitted to five modes that were"
    yield "fixed before any time was looked at; the errors are of all its other modes."
    yield ""
    yield "| workload | modes | time: mean | worst | in the 80 % band | power: mean | worst | in the 80 % band |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    choices, times, powers, covered, power_covered, counts, cases = [], [], [], [], [], [], []
    for found in series():
        if len(found.modes) < 2 * FEW - 1:
            continue
        result = held_out(found)
        cases.append((found, result.seen))
        mean, worst = result.error(found.time_s, result.time)
        line = f"| {found.name} | {len(found.modes)} | {mean:.1%} | {worst:.1%} | {result.covered:.0%} "
        times.append((found.name, mean))
        covered.append(result.covered)
        counts.append(len(found.modes) - FEW)
        if result.power is not None:
            mean, worst = result.error(found.power_w, result.power)
            powers.append((found.name, mean))
            power_covered.append((result.power_covered, len(found.modes) - FEW))
            line += f"| {mean:.1%} | {worst:.1%} | {result.power_covered:.0%} |"
            choices.append((found, result))
        else:
            line += "| | | |"
        yield line
    grids = [error for name, error in times if not name.startswith("edge")]
    yield ""
    named = [error for name, error in times if name.startswith("edge")]
    yield (
        f"Clock grids: median of the means {np.median(grids):.1%}, largest {max(grids):.1%}. Power modes with other "
        "CPU clocks and cores (edge-inference-energy-grid), which the model does not see and five modes do not "
        f"determine: {min(named):.1%} to {max(named):.1%}."
    )
    loudva = [error for name, error in powers if name.startswith("loudva")]
    yield f"Power on the LoudVA boards: median {np.median(loudva):.1%}, largest {max(loudva):.1%}."
    yield (
        f"Inside the 80 % band: {np.average(covered, weights=counts):.0%} of the times, "
        f"{np.average([c for c, _ in power_covered], weights=[n for _, n in power_covered]):.0%} of the powers."
    )
    yield ""
    yield "## The mode that would have been chosen"
    yield ""
    yield "Least predicted energy within a slack of the least predicted time. Late: by how much the measured time of"
    yield "the chosen mode is over what the slack allows. Energy: measured, over the best mode that the slack allows,"
    yield "and over always running the fastest mode."
    yield ""
    yield "| workload | " + " | ".join(f"{s:.0%}: late | energy | against fastest" for s in SLACKS) + " |"
    yield "|---|" + "---:|" * (3 * len(SLACKS))
    outcomes: list[tuple[str, float, float]] = []
    for found, result in choices:
        cells = []
        for slack in SLACKS:
            late, regret, against = choice(found, result, slack)
            outcomes.append((found.name, late, regret))
            cells.append(f"{late:.1%} | {regret:+.1%} | {against:+.1%}")
        yield f"| {found.name} | " + " | ".join(cells) + " |"
    yield ""
    for title, start in (("GPU clock grids (LoudVA)", "loudva"), ("Power modes with other CPU clocks", "edge")):
        late, regret = np.array([o[1:] for o in outcomes if o[0].startswith(start)]).T
        yield (
            f"{title}: late by more than 1 % in {np.mean(late > 0.01):.0%} of the choices, worst {late.max():.1%}; "
            f"more than 3 % above the best choice's energy in {np.mean(regret > 0.03):.0%}, worst {regret.max():+.1%}, "
            f"median {np.median(regret):+.1%}."
        )
    yield from transfer.sections()
    yield from tried.section(cases)


def calibrations() -> Iterator[tuple[str, str]]:
    """Yield (file name, text) of every calibration: series of one clock grid, fitted to all of its modes."""
    for found in series():
        if len(found.modes) >= 2 * FEW - 1 and not found.name.startswith("edge"):
            made = calibrate(found.analysis, found.rows, found.name)
            factors_of(made, found.analysis.layer_counts)  # it can be applied
            yield f"{made.name}.yaml", as_yaml(made)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare with the files that are there; exit 1 if they differ"
    )
    check = parser.parse_args().check
    made = {**dict(calibrations()), "REPORT.md": "\n".join(report()) + "\n"}
    if check:
        there = {path.name: path.read_text() for path in TARGET.iterdir()}
        wrong = sorted(name for name in {*made, *there} if made.get(name) != there.get(name))
        print(f"{len(made)} files" + (f", different: {', '.join(wrong)}" if wrong else ", all as they are made"))
        return 1 if wrong else 0
    TARGET.mkdir(exist_ok=True)
    for path in TARGET.iterdir():
        path.unlink()
    for name, text in made.items():
        (TARGET / name).write_text(text)
    print(made["REPORT.md"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
