"""What figures say: titles, layers' names, limits of axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from roofline.errors import one_line
from roofline.figures.marks import Key, Label
from roofline.figures.theme import OP_CLASSES
from roofline.units import counted, significant, text

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
    whole, mark, aside = one_line(str(layer["name"])).partition(" (")  # "/fc/Gemm (backward)"
    parts = [part for part in whole.split("/") if part]
    if len(parts) > 1 and parts[-1].rstrip("_0123456789") == str(layer["op_type"]).partition(" (")[0]:
        parts = parts[:-1]
    kept = [a for a, b in zip(parts, [*parts[1:], ""]) if not b.startswith(f"{a}.")]
    name = "/".join(kept[-2:]) or one_line(str(layer["op_type"]))
    said = mark + aside
    room = 26 - len(said)
    return name + said if len(name) <= room or room < 4 else f"…{name[1 - room :]}{said}"


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


def without_energy(data: dict[str, Any]) -> tuple[str, ...]:
    """Return a note on layers that take time and whose energy is not known, where others' is."""
    if data["totals"]["energy_j"] is None:
        return ()
    lost = [layer for layer in data["layers"] if time_of(layer) and layer["energy_j"] is None]
    share = per_cent(sum(layer["share"] or 0.0 for layer in lost))
    return (f"The coefficients do not count {counted(len(lost), 'layer')}, {share} of the time.",) if lost else ()


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


def others_key(labels: Iterable[Label]) -> tuple[Key, ...]:
    """Return what ``+2`` behind a layer's name means, where it is there."""
    return (Key("+n: others at the same place"),) if any(", +" in label.text for label in labels) else ()


def class_keys(names: Iterable[str], role: str = "layer", *extra: str) -> tuple[Key, ...]:
    """Return the key of op classes, and words after it."""
    return (*(Key(name, role, name) for name in names), *(Key(words) for words in extra))


class Spot(NamedTuple):
    """A layer's point, and how much it matters."""

    x: float
    y: float
    name: str
    weight: float
    kind: tuple[Any, ...] = ()
    """What equal layers have in common."""


def kind_of(layer: Layer) -> tuple[Any, ...]:
    """Return what layers that are equal in work and bytes have in common."""
    return tuple(layer[key] for key in ("op_type", "class", "flops", "bytes_read", "bytes_written"))


def labels_for(spots: Sequence[Spot], role: str = "layer") -> list[Label]:
    """Return a label for each of the ten places that matter most.

    It names the layer with the largest share there: ``conv2 ×4`` are four equal ones, ``conv2 ×4, +2`` has two others
    beside them.
    """
    places: dict[tuple[int, int], list[Spot]] = {}
    for spot in sorted(spots, key=lambda spot: -spot.weight):
        places.setdefault((round(25 * math.log10(spot.x)), round(25 * math.log10(spot.y))), []).append(spot)
    ranked = sorted(places.values(), key=lambda group: -sum(spot.weight for spot in group))
    found = []
    for group in ranked[:LABELLED]:
        first = group[0]
        equal = sum(spot.kind == first.kind for spot in group)
        more = (f" ×{equal}" if equal > 1 else "") + (f", +{len(group) - equal}" if equal < len(group) else "")
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
