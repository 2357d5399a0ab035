"""Rebuild every shipped calibration, and the report of how far predictions by five measured modes are off.

    python device_specs/measurements/rebuild.py [--check]

Writes device_specs/calibrations/*.yaml and REPORT.md, the same bytes on every run; --check compares instead. The modes
that a fit sees are fixed by `suggest_modes`, which looks at no time; every error is of modes that the fit did not see.
Choices are made among all modes, those of the fit included: the report says how many fell on one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import host
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


def straight_line(found: Series, seen: list[int]) -> float:
    """Return the mean error, over the modes not seen, of T = a + b/f (f: the GPU's clock) through those that were."""
    inverse = 1 / np.array([mode.knobs["gpu_freq"] for mode in found.modes])
    columns = np.stack([np.ones_like(inverse), inverse / inverse.max()], axis=1)
    weight = 1 / found.time_s[seen]
    line = np.linalg.lstsq(columns[seen] * weight[:, None], np.ones(len(seen)), rcond=None)[0]
    rest = np.setdiff1d(np.arange(len(inverse)), seen)
    return float(np.abs(columns @ line / found.time_s - 1)[rest].mean())


class Outcome(NamedTuple):
    """What a choice by predictions came to, by what was measured."""

    late: float
    """How much slower than promised it was; 0 where it was in time."""
    regret: float
    """Its energy over that of the best choice."""
    against_fastest: float
    was_seen: bool
    """Whether the fit had seen the chosen mode."""


def choice(found: Series, predicted: HeldOut, slack: float) -> Outcome:
    """Return what the chosen mode came to.

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
    return Outcome(
        late=max(0.0, float(found.time_s[chosen] / allowed - 1)),
        regret=float(measured[chosen] / oracle - 1),
        against_fastest=float(measured[chosen] / maximum - 1),
        was_seen=chosen in predicted.seen,
    )


def report() -> Iterator[str]:
    """Yield the report, line by line."""
    yield "# How far predictions from five measured modes are off"
    yield ""
    yield "`python device_specs/measurements/rebuild.py` makes this page from the measured runs in"
    yield "[device_specs/measurements](../measurements/README.md). Each workload is fitted to five modes that were"
    yield "fixed before any time was looked at (four, where the model can tell no more apart); the errors are of all"
    yield "its other modes. Line: T = a + b/f through the same modes, for comparison; it knows no memory clock."
    yield "Workloads in fewer than nine modes are left out: too few would be left to predict."
    yield ""
    yield (
        "| workload | modes | fitted to | time: mean | worst | in the 80 % band | line: mean "
        "| power: mean | worst | in the 80 % band |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    choices, times, powers, covered, power_covered, counts, cases = [], [], [], [], [], [], []
    for found in series():
        if len(found.modes) < 2 * FEW - 1:
            continue
        result = held_out(found)
        cases.append((found, result.seen))
        mean, worst = result.error(found.time_s, result.time)
        simple = straight_line(found, result.seen)
        line = f"| {found.name} | {len(found.modes)} | {len(result.seen)} | {mean:.1%} | {worst:.1%} "
        line += f"| {result.covered:.0%} | {simple:.1%} "
        times.append((found.name, mean, simple))
        covered.append(result.covered)
        counts.append(len(found.modes) - len(result.seen))
        if result.power is not None:
            mean, worst = result.error(found.power_w, result.power)
            powers.append((found.name, mean))
            power_covered.append((result.power_covered, len(found.modes) - len(result.seen)))
            line += f"| {mean:.1%} | {worst:.1%} | {result.power_covered:.0%} |"
            choices.append((found, result))
        else:
            line += "| | | |"
        yield line
    yield ""
    boards = {"with a memory clock (orin-nano-emc-gpu-grid)": "orin-nano", "of the GPU clock alone (LoudVA)": "loudva"}
    grids = [(error, simple) for name, error, simple in times if not name.startswith("edge")]
    named = [error for name, error, _ in times if name.startswith("edge")]
    yield (
        f"Clock grids: median of the means {np.median([e for e, _ in grids]):.1%}, largest {max(grids)[0]:.1%}; by the "
        f"line {np.median([e for _, e in grids]):.1%}, largest {max(e for _, e in grids):.1%}. "
        + " ".join(
            f"Grids {words}: {np.median([e for n, e, _ in times if n.startswith(start)]):.1%} against "
            f"{np.median([e for n, _, e in times if n.startswith(start)]):.1%}."
            for words, start in boards.items()
        )
    )
    yield (
        "Power modes with other CPU clocks and cores (edge-inference-energy-grid), which the model does not see and "
        f"the fitted modes do not determine: {min(named):.1%} to {max(named):.1%}."
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
    outcomes: list[tuple[str, Outcome]] = []
    for found, result in choices:
        cells = []
        for slack in SLACKS:
            came = choice(found, result, slack)
            outcomes.append((found.name, came))
            cells.append(f"{came.late:.1%} | {came.regret:+.1%} | {came.against_fastest:+.1%}")
        yield f"| {found.name} | " + " | ".join(cells) + " |"
    yield ""
    for title, start in (("GPU clock grids (LoudVA)", "loudva"), ("Power modes with other CPU clocks", "edge")):
        mine = [came for name, came in outcomes if name.startswith(start)]
        late = np.array([came.late for came in mine])
        # a choice that was late may well take less energy: it is no gain
        regret = np.array([came.regret for came in mine if came.late == 0])
        yield (
            f"{title}: late by more than 1 % in {np.mean(late > 0.01):.0%} of the choices, worst {late.max():.1%}; of "
            f"those in time, more than 3 % above the best choice's energy in {np.mean(regret > 0.03):.0%}, worst "
            f"{regret.max():+.1%}, median {np.median(regret):+.1%}. {np.mean([c.was_seen for c in mine]):.0%} of the "
            "choices fell on a mode that the fit had seen."
        )
    yield from transfer.sections()
    yield from tried.section(cases)
    yield from host.section()


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
    for name, text in made.items():
        (TARGET / name).write_text(text)
    for path in TARGET.iterdir():
        if path.name not in made:
            path.unlink()
    print(made["REPORT.md"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
