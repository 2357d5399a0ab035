"""The energy roofline (an arch, Choi et al. 2013) and the power line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Key, Label, Line, Mark, Panel, Points, Rule
from roofline.figures.words import (
    Spot,
    by_class,
    class_keys,
    heading,
    in_ratio,
    kind_of,
    labels_for,
    log_limits,
    others_key,
    settings,
    short_name,
    without_energy,
)
from roofline.model.roofline import attainable, energy_balance, energy_ridge, energy_roof
from roofline.units import counted, text


class Arch(NamedTuple):
    """What the energy roof of one ceiling in one mode is made of."""

    mode: str
    ceiling: str
    energy_per_flop: float
    energy_per_byte: float
    static_power_w: float
    peak_flop_per_s: float
    bandwidth_byte_per_s: float

    @property
    def ridge(self) -> float:
        """Intensity at which half of the roof's height is reached, FLOP/B."""
        return energy_ridge(*self[2:])

    def roof(self, intensity: Any) -> Any:
        """FLOP/J at intensities."""
        return energy_roof(intensity, *self[2:])

    def power(self, intensity: Any) -> Any:
        """W at intensities: time roof over energy roof."""
        return attainable(intensity, self.peak_flop_per_s, self.bandwidth_byte_per_s) / self.roof(intensity)


class LayerEnergy(NamedTuple):
    """One layer under the traffic model that the energy coefficients are meant for."""

    layer: dict[str, Any]
    flop: float
    moved_byte: float
    time_s: float
    energy_j: float


def energy_roofline(data: dict[str, Any], arches: Sequence[Arch], layers: Sequence[LayerEnergy], about: str) -> Figure:
    """Draw a model's layers under the energy roof of one mode.

    A layer is a point at (W/Q, W/E); its area is its share of the energy.

    Args:
        data: an analysis with a device.
        arches: one per ceiling in use, that with the most work first.
        layers: the layers that run.
        about: which coefficients these are and how far they can be off.
    """
    shown = [item for item in layers if item.flop and item.moved_byte and item.energy_j > 0]
    total = sum(item.energy_j for item in layers)
    main = arches[0]
    balances = [float(energy_balance(main.energy_per_flop, main.energy_per_byte)),
                main.peak_flop_per_s / main.bandwidth_byte_per_s, main.ridge]  # fmt: skip
    x = log_limits([*(item.flop / item.moved_byte for item in shown), *balances], 2.0, 6.0)
    at = np.geomspace(*x, 200)
    rates = [item.flop / item.energy_j for item in shown]
    tops = [1 / (arch.energy_per_flop + arch.static_power_w / arch.peak_flop_per_s) for arch in arches]
    y = log_limits([*rates, *tops], 1.6, 2.2)
    marks: list[Mark] = []
    labels: list[Label] = []
    names = ("energy balance", "time balance", "half of the roof")
    for name, value in zip(names, balances):
        marks.append(Rule("x", value, "balance", "", f"{name}: {in_ratio(value)}"))
        low = y[0] * (y[1] / y[0]) ** (0.05 + 0.07 * len(labels))
        labels.append(Label(value, low, f"{name} {in_ratio(value)}", "balance"))
    for number, (arch, top) in enumerate(zip(arches, tops)):
        line = Line(tuple(at.tolist()), tuple(arch.roof(at).tolist()), "roof", str(number), arch.ceiling)
        marks.append(line)
        labels.insert(number, Label(line.x[-1], line.y[-1], f"{arch.ceiling}: at most {text(top, 'FLOP/J')}", "roof",
                                    where="along", path=(line.x, line.y)))  # fmt: skip
    classes, points = _points(shown, lambda item: item.flop / item.energy_j, lambda item: item.energy_j / total)
    spots = [Spot(item.flop / item.moved_byte, item.flop / item.energy_j, short_name(item.layer), item.energy_j,
                  kind_of(item.layer))
             for item in shown]  # fmt: skip
    named = labels_for(spots)
    half = Points((main.ridge,), (float(main.roof(main.ridge)),), "ridge", names=(f"half: {in_ratio(main.ridge)}",))
    marks += [*points, half, *labels, *named]
    return Figure(
        title=heading("Energy roofline", data),
        subtitle=settings(data),
        panels=(
            Panel(Axis("Intensity", "FLOP/B", "log", x), Axis("Energy efficiency", "FLOP/J", "log", y), tuple(marks)),
        ),
        key=(*class_keys(classes, "layer", "area: share of the energy"), *others_key(named)),
        notes=(about, *_without(data, layers, shown, total)),
    )


def power_line(
    data: dict[str, Any], arches: Sequence[Arch], layers: Sequence[LayerEnergy], limit_w: float | None, about: str
) -> Figure:
    """Draw power over intensity for several modes, and the layers of the analysed mode.

    P(I) = min(peak, I*BW) / energy roof(I): highest at the ridge, where both pipes and memory are busy.

    Args:
        data: an analysis with a device.
        arches: one per mode.
        layers: the layers in the analysed mode.
        limit_w: what the module can take, None where that is not known.
        about: which coefficients these are.
    """
    shown = [item for item in layers if item.flop and item.moved_byte and item.energy_j > 0]
    total = sum(item.energy_j for item in layers)
    ridges = [arch.peak_flop_per_s / arch.bandwidth_byte_per_s for arch in arches]
    x = log_limits([*(item.flop / item.moved_byte for item in shown), *ridges], 2.0, 8.0)
    at = np.unique(np.concatenate([np.geomspace(*x, 120), ridges]))
    marks: list[Mark] = []
    labels: list[Label] = []
    for number, (arch, ridge) in enumerate(zip(arches, ridges)):
        power = arch.power(at)
        words = f"{arch.mode}: at most {text(float(arch.power(ridge)), 'W')}"
        line = Line(tuple(at.tolist()), tuple(power.tolist()), "roof", str(number), words)
        marks += [line, Points((ridge,), (float(arch.power(ridge)),), "ridge", names=(words,))]
        labels.append(Label(line.x[-1], line.y[-1], words, "roof", where="along", path=(line.x, line.y)))
    if limit_w is not None:
        marks.append(Rule("y", limit_w, "limit", "", f"module limit {text(limit_w, 'W')}"))
        labels.append(Label(x[0], limit_w, f"module limit {text(limit_w, 'W')}", "limit", where="along",
                            path=(x, (limit_w, limit_w))))  # fmt: skip
    classes, points = _points(shown, lambda item: item.energy_j / item.time_s, lambda item: item.energy_j / total)
    top = max([*(float(arch.power(ridge)) for arch, ridge in zip(arches, ridges)), limit_w or 0.0,
               *(item.energy_j / item.time_s for item in shown)])  # fmt: skip
    return Figure(
        title=heading("Power line", data),
        subtitle=f"{arches[0].ceiling} · {settings(data)}",
        panels=(Panel(Axis("Intensity", "FLOP/B", "log", x), Axis("Power", "W", "linear", (0.0, 1.18 * top)),
                      (*marks, *points, *labels)),),
        key=(*(Key(arch.mode, "roof", str(number)) for number, arch in enumerate(arches)),
             *class_keys(classes, "layer", f"points: layers in {data['mode']}, area: share of the energy")),
        notes=(about, *_without(data, layers, shown, total)),
    )  # fmt: skip


def _points(shown: Sequence[LayerEnergy], height: Any, share: Any) -> tuple[list[str], list[Points]]:
    place = {id(item.layer): item for item in shown}
    classes = by_class(item.layer for item in shown)
    found = []
    for name, members in classes.items():
        items = [place[id(layer)] for layer in members]
        found.append(Points(
            tuple(item.flop / item.moved_byte for item in items), tuple(height(item) for item in items), "layer", name,
            share=tuple(share(item) for item in items),
            names=tuple(f"{item.layer['name']}: {text(item.energy_j, 'J')}, {text(item.energy_j / item.time_s, 'W')}"
                        for item in items),
        ))  # fmt: skip
    return list(classes), found


def _without(
    data: dict[str, Any], layers: Sequence[LayerEnergy], shown: Sequence[LayerEnergy], total: float
) -> tuple[str, ...]:
    left = sum(1 for item in layers if item.energy_j > 0) - len(shown)
    share = 1 - sum(item.energy_j for item in shown) / total if left else 0.0
    lost = (f"Not shown: {counted(left, 'layer')} without FLOP, {share:.1%} of the energy.",) if left else ()
    return (*lost, *without_energy(data))
