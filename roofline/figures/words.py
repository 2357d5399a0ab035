"""What figures say: titles, layers' names, limits of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from roofline.errors import one_line
from roofline.figures.marks import Key, Label
from roofline.figures.theme import OP_CLASSES
from roofline.units import significant, text

Layer = dict[str, Any]
LABELLED = 10
"""Layers that are named in a picture."""
BASIS = {
    "roofline": "ROOFLINE ONLY, not calibrated",
    "prediction": "PREDICTED times",
    "mixed": "ROOFLINE ONLY: one side has no calibration",
}
"""What the times of a picture are -> what is said under its title."""


def heading(what: str, data: dict[str, Any]) -> str:
    """Return a figure's title from an analysis in its dict form."""
    return f"{what}: {model_name(data)}"


def model_name(data: dict[str, Any]) -> str:
    """Return the model's name: its file's."""
    return one_line(PurePath(data["model"]["path"]).stem)


def settings(data: dict[str, Any], *, with_mode: bool = True) -> str:
    """Return what is under the title: device, mode, precision, batch, how bytes are counted, what kind of times."""
    batch = "" if data["batch"] is None else f"batch {data['batch']}"
    phase = "training" if data["phase"] == "training" else ""
    mode = data["mode"] if with_mode else ""
    basis = BASIS.get(data["basis"], "") if data["device"] else ""
    parts = (data["device_name"], mode, data["precision"], batch, phase, f"{data['traffic']} traffic", basis)
    return " · ".join(part for part in parts if part)


def timed(what: str, data: dict[str, Any]) -> str:
    """Return the title of an axis with times in it: of ``time``, ``Roofline time`` or ``Predicted time``."""
    return f"{'Predicted' if data['basis'] == 'prediction' else 'Roofline'} {what}"


def performance(data: dict[str, Any]) -> str:
    """Return the title of an axis of FLOP/s."""
    return timed("performance", data) if data["basis"] == "prediction" else "Performance"


def time_of(layer: Layer) -> float | None:
    """Return a layer's predicted time where there is one, else its roofline time; None where it takes none."""
    predicted: float | None = layer.get("predicted_time_s")
    roofline: float | None = layer["roofline_time_s"]
    return roofline if predicted is None else predicted


def short_name(layer: Layer) -> str:
    """Return what tells a layer from others: ``/layer4/layer4.0/conv2/Conv`` -> ``layer4.0/conv2``."""
    parts = [part for part in one_line(str(layer["name"])).split("/") if part]
    if len(parts) > 1 and parts[-1].rstrip("_0123456789") == layer["op_type"]:
        parts = parts[:-1]
    kept = [a for a, b in zip(parts, [*parts[1:], ""]) if not b.startswith(f"{a}.")]
    name = "/".join(kept[-2:]) or one_line(str(layer["op_type"]))
    return name if len(name) <= 26 else f"…{name[-25:]}"


def describe(layer: Layer) -> str:
    """Return one line about a layer, for the pointer."""
    moved = layer["bytes_read"] + layer["bytes_written"]
    parts = [
        one_line(f"{layer['name']} ({layer['op_type']})") + f": {text(layer['flops'], 'FLOP')}, {text(moved, 'B')}"
    ]
    if time_of(layer) is not None:
        parts.append(f"{text(time_of(layer), 's')} ({layer['share'] or 0:.1%})")
    if layer["energy_j"] is not None:
        parts.append(text(layer["energy_j"], "J"))
    return ", ".join(parts) + (f", limited by {layer['ceiling']}" if layer["ceiling"] else "")


def op_class(layer: Layer) -> str:
    """Return a layer's class, as `OP_CLASSES` knows it."""
    found = str(layer["class"] or "other")
    return found if found in OP_CLASSES else "other"


def by_class(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    """Return the layers of each class, in the order of `OP_CLASSES`."""
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(op_class(layer), []).append(layer)
    return {name: found[name] for name in OP_CLASSES if name in found}


def class_keys(names: Iterable[str], role: str = "layer", *extra: str) -> tuple[Key, ...]:
    """Return the key of op classes, and words after it."""
    return (*(Key(name, role, name) for name in names), *(Key(words) for words in extra))


class Spot(NamedTuple):
    """A layer's point, and how much it matters."""

    x: float
    y: float
    name: str
    weight: float


def labels_for(spots: Sequence[Spot], role: str = "layer") -> list[Label]:
    """Return a label for each of the ten that matter most; layers at one place share one: ``conv2 ×4``."""
    places: dict[tuple[int, int], list[Spot]] = {}
    for spot in sorted(spots, key=lambda spot: -spot.weight):
        places.setdefault((round(25 * math.log10(spot.x)), round(25 * math.log10(spot.y))), []).append(spot)
    ranked = sorted(places.values(), key=lambda group: -sum(spot.weight for spot in group))
    found = []
    for group in ranked[:LABELLED]:
        first = group[0]
        more = f" ×{len(group)}" if len(group) > 1 else ""
        found.append(Label(first.x, first.y, first.name + more, role))
    return found


def log_limits(
    values: Iterable[float], below: float = 1.6, above: float = 1.6, least: float = 4.0
) -> tuple[float, float]:
    """Return limits of a log axis around positive values, a factor beyond the least and the largest, `least` apart."""
    known = [value for value in values if value > 0 and math.isfinite(value)]
    if not known:
        return 0.1, 10.0
    low, high = min(known) / below, max(known) * above
    return (low, high) if high / low >= least else (low / least**0.5, high * least**0.5)


def per_cent(share: float) -> str:
    """Return ``12 %``."""
    return f"{significant(100 * share, 2)} %"


def in_ratio(intensity: float) -> str:
    """Return an intensity in words: ``0.561 FLOP/B``, never with a prefix."""
    return f"{significant(intensity, 3)} FLOP/B"
