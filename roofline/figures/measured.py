"""Measured values over predicted ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from roofline.figures.figure import Figure
from roofline.figures.marks import Area, Axis, Key, Label, Line, Mark, Panel, Points
from roofline.figures.words import Spot, labels_for, log_limits
from roofline.units import significant, text


class Pair(NamedTuple):
    """One measured value and what it was said to be."""

    predicted: float
    measured: float
    label: str
    group: str = ""
    """What it is one of: a model, a batch size, a class of layers."""


class Quantity(NamedTuple):
    """What is compared."""

    name: str
    unit: str


TIME, POWER, ENERGY = Quantity("time", "s"), Quantity("power", "W"), Quantity("energy", "J")
SHARE_IN_BAND = 0.8
_MOST_GROUPS = 6
_ADJECTIVES = {"prediction": "predicted"}


def measured_against(
    pairs: Sequence[Pair],
    band: tuple[float, float] | None,
    basis: str,
    notes: Sequence[str] = (),
    *,
    quantity: Quantity = TIME,
    what: str = "runs",
    title: str = "Measured against computed",
    subtitle: str = "",
) -> Figure:
    """Draw measured over predicted values, the line where both are equal, and a band.

    Args:
        pairs: measured and predicted values, both positive.
        band: what the prediction promises: measured/predicted of the middle 80 %; None draws the band in which the
            middle 80 % of the pairs are.
        basis: what the predicted values are: ``prediction`` or ``roofline``.
        notes: what was left out.
        quantity: what is compared, and its unit.
        what: what the pairs are, in words.
    """
    kind = _ADJECTIVES.get(basis, basis)
    x = log_limits((value for pair in pairs for value in (pair.predicted, pair.measured)), 1.5, 1.5)
    ratio = np.array([pair.measured / pair.predicted for pair in pairs])
    rest = (1 - SHARE_IN_BAND) / 2
    low, high = band if band is not None else np.quantile(ratio, (rest, 1 - rest)).tolist()
    inside = float(((ratio >= low) & (ratio <= high)).mean())
    words = (
        f"{SHARE_IN_BAND:.0%} band: {significant(low, 3)} to {significant(high, 3)} times the {kind} {quantity.name}"
    )
    said = f"{inside:.0%} of the {what} are in it" if band is not None else f"drawn around these {what}"
    marks: list[Mark] = [
        Area(x, tuple(low * v for v in x), tuple(high * v for v in x), "band", "", words),
        Line(x, x, "diagonal", "", "equal"),
    ]
    groups = list(dict.fromkeys(pair.group for pair in pairs))
    if len(groups) > _MOST_GROUPS:
        groups, pairs = [""], [pair._replace(group="") for pair in pairs]
    for number, group in enumerate(groups):
        mine = [pair for pair in pairs if pair.group == group]
        names = tuple(
            f"{p.label}: {text(p.predicted, quantity.unit)} {kind}, {text(p.measured, quantity.unit)} measured"
            for p in mine
        )
        marks.append(
            Points(
                tuple(pair.predicted for pair in mine), tuple(pair.measured for pair in mine), "measured",
                str(number), names=names,
            )
        )  # fmt: skip
    middle = float(np.median(ratio))
    far = [Spot(p.predicted, p.measured, p.label, abs(math.log(float(r) / middle)) + 1e-9)
           for p, r in zip(pairs, ratio)]  # fmt: skip
    worst = sorted(far, key=lambda spot: -spot.weight)[: 3 if len(pairs) > 10 else len(pairs)]
    labels = [Label(x[1], x[1], f"measured = {kind}", "diagonal", where="along", path=(x, x)),
              *labels_for(worst, "measured")]  # fmt: skip
    error = float(np.mean(np.abs(1 / ratio - 1)))
    return Figure(
        title=title,
        subtitle=subtitle,
        panels=(
            Panel(Axis(f"{kind.capitalize()} {quantity.name}", quantity.unit, "log", x),
                  Axis(f"Measured {quantity.name}", quantity.unit, "log", x), (*marks, *labels)),
        ),
        key=(*(Key(group, "measured", str(i)) for i, group in enumerate(groups) if group), Key(words, "band")),
        notes=(f"{len(pairs)} {what}; the {kind} {quantity.name} is off by {error:.1%} on average, median "
               f"measured/{kind} {significant(middle, 3)}; the band: {said}.", *notes),
    )  # fmt: skip
