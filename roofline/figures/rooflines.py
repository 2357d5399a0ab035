"""Time rooflines: the layers of a model under every ceiling of one mode, and the roofs of several modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from roofline.figures.figure import Figure
from roofline.figures.marks import Axis, Key, Label, Line, Mark, Panel, Points
from roofline.figures.words import (
    Spot,
    by_class,
    class_keys,
    describe,
    heading,
    in_ratio,
    kind_of,
    labels_for,
    log_limits,
    others_key,
    per_cent,
    performance,
    settings,
    short_name,
    time_of,
    timed,
)
from roofline.model.roofline import attainable
from roofline.units import counted, text


class Ceiling(NamedTuple):
    """A rate that nothing exceeds in one mode."""

    name: str
    rate: float
    """FLOP/s of a pipe, or B/s of a path."""
    is_used: bool = True
    """Whether the model has work for it; else it is drawn faintly."""


class Roof(NamedTuple):
    """One mode's roof and where the whole model is under it."""

    mode: str
    peak_flop_per_s: float
    bandwidth_byte_per_s: float
    time_s: float
    alike: tuple[str, ...] = ()
    """Other modes with the same roof and time."""

    @property
    def words(self) -> str:
        """The mode, and how many others it stands for."""
        return self.mode + (f" and {len(self.alike)} more" if self.alike else "")


INTENSITY = "Intensity"
_LEVEL = 0.27
"""The least share of the picture's width over which the highest ceiling is level."""


def time_roofline(data: dict[str, Any], pipes: Sequence[Ceiling], paths: Sequence[Ceiling]) -> Figure:
    """Draw a model's layers under the ceilings of one mode.

    A layer is a point at (W/Q, W/T); T is its predicted time where there is one. Its area is its share of the time, its
    colour its class.

    Args:
        data: an analysis with a device, as `Analysis.to_dict` gives it.
        pipes: every pipe and precision of the processor, FLOP/s.
        paths: what bytes come through (DRAM, the processor's path, L2 where it is known), B/s. The slowest of those in
            use is the one under which layers are.
    """
    layers = [layer for layer in data["layers"] if time_of(layer) and layer["flops"]]
    still = [layer for layer in data["layers"] if time_of(layer) and not layer["flops"]]
    slowest = min((path.rate for path in paths if path.is_used), default=min(path.rate for path in paths))
    peaks = [pipe.rate for pipe in pipes]
    used = [pipe for pipe in pipes if pipe.is_used] or list(pipes)
    intensities = [layer["intensity_flop_per_byte"] for layer in layers if layer["intensity_flop_per_byte"]]
    x = log_limits([*intensities, *(pipe.rate / slowest for pipe in used)], 2.0, 5.0)
    # the highest ceiling, level from its ridge to the right edge, is long enough to be labelled along it
    x = x[0], max(x[1], x[0] * (max(peaks) / slowest / x[0]) ** (1 / (1 - _LEVEL)))
    rates = [_rate(layer) for layer in layers]
    y = log_limits([*rates, *(pipe.rate for pipe in used)], 2.0, 1.0)
    y = y[0], max(2.2 * max(peaks), y[1])
    marks: list[Mark] = []
    ceiling_labels: list[Label] = []
    fastest = max(path.rate for path in paths)
    for path in sorted(paths, key=lambda path: path.is_used):
        role = "ceiling" if path.is_used else "ceiling-unused"
        line = Line((x[0], max(peaks) / path.rate), (x[0] * path.rate, max(peaks)), role, "", path.name)
        marks.append(line)
        label = _on(line, f"{path.name} {text(path.rate, 'B/s')}")
        if path.rate in (fastest, slowest):
            label = label._replace(clear="above" if path.rate == fastest else "below")
        ceiling_labels.append(label)
    for pipe in sorted(pipes, key=lambda pipe: (pipe.is_used, pipe.rate)):
        role = "ceiling" if pipe.is_used else "ceiling-unused"
        line = Line((pipe.rate / slowest, x[1]), (pipe.rate, pipe.rate), role, "", pipe.name)
        marks.append(line)
        ceiling_labels.append(_on(line, f"{pipe.name} {text(pipe.rate, 'FLOP/s')}"))
    drops = [Line((p.rate / slowest,) * 2, (y[0], p.rate), "ridge", "", f"ridge of {p.name}") for p in used]
    classes = by_class(layers)
    marks += [*drops, *(_points(name, members) for name, members in classes.items())]
    ridges = tuple(pipe.rate / slowest for pipe in used)
    marks.append(Points(ridges, tuple(pipe.rate for pipe in used), "ridge",
                        names=tuple(f"ridge of {p.name}: {in_ratio(r)}" for p, r in zip(used, ridges))))  # fmt: skip
    # those along the level lines choose first, the slopes have room elsewhere
    ceiling_labels.sort(key=lambda label: (label.path[1][0] != label.path[1][-1], label.role != "ceiling"))
    named = labels_for([_spot(layer) for layer in layers])
    marks += [*ceiling_labels,
              *(Label(r, p.rate, f"ridge {in_ratio(r)}", "ridge") for p, r in zip(used, ridges)),
              *named]  # fmt: skip
    return Figure(
        title=heading("Time roofline", data),
        subtitle=settings(data),
        panels=(Panel(Axis(INTENSITY, "FLOP/B", "log", x), Axis(performance(data), "FLOP/s", "log", y), tuple(marks)),),
        key=(*class_keys(classes, "layer", "area: share of the time"), *others_key(named)),
        notes=_notes(still, data),
    )


def _rate(layer: dict[str, Any]) -> float:
    """Return FLOP/s in the layer's predicted or roofline time."""
    return float(layer["flops"] / (time_of(layer) or float("inf")))


def _on(line: Line, words: str) -> Label:
    return Label(line.x[-1], line.y[-1], words, line.role, where="along", path=(line.x, line.y))


def _points(name: str, layers: Sequence[dict[str, Any]]) -> Points:
    spots = [_spot(layer) for layer in layers]
    return Points(
        tuple(spot.x for spot in spots), tuple(spot.y for spot in spots), "layer", name,
        share=tuple(spot.weight for spot in spots), names=tuple(describe(layer) for layer in layers),
    )  # fmt: skip


def _spot(layer: dict[str, Any]) -> Spot:
    return Spot(
        float(layer["intensity_flop_per_byte"] or 0),
        _rate(layer),
        short_name(layer),
        float(layer["share"] or 0),
        kind_of(layer),
    )


def _notes(still: Sequence[dict[str, Any]], data: dict[str, Any]) -> tuple[str, ...]:
    notes = []
    if still:
        share = per_cent(sum(layer["share"] or 0 for layer in still))
        which = counted(len(still), "layer")
        notes.append(f"Not shown: {which} moving bytes and computing nothing, {share} of the time.")
    stand_in = [f["message"] for f in data["findings"] if f["code"] == "rate-unknown"]
    notes += [message[0].upper() + message[1:] + "." for message in stand_in]
    lost = data["coverage"]["nodes_unsupported"]
    if lost:
        notes.append(f"INCOMPLETE: {lost} of {data['model']['nodes']} nodes are not counted.")
    return tuple(notes)


def modes_roofline(data: dict[str, Any], ceiling: str, roofs: Sequence[Roof]) -> Figure:
    """Draw the roofs of several modes in one picture, and the whole model as a star under each.

    Args:
        data: an analysis with a device.
        ceiling: the pipe and precision whose peak the roofs have.
        roofs: one per mode.
    """
    flop, moved = data["totals"]["flops"], data["totals"]["bytes"]
    ridges = [roof.peak_flop_per_s / roof.bandwidth_byte_per_s for roof in roofs]
    model = flop / moved if flop and moved else None
    rates = [flop / roof.time_s for roof in roofs if roof.time_s]
    x = log_limits([*ridges, *([model] if model else [])], 12.0, 12.0)
    bottom = min([*(x[0] * roof.bandwidth_byte_per_s for roof in roofs), *rates])
    y = bottom, 2.2 * max(roof.peak_flop_per_s for roof in roofs)
    marks: list[Mark] = []
    labels: list[Label] = []
    for number, (roof, ridge) in enumerate(zip(roofs, ridges)):
        xs = (x[0], ridge, x[1])
        ys = tuple(attainable(xs, roof.peak_flop_per_s, roof.bandwidth_byte_per_s).tolist())
        words = f"{roof.words}: {text(roof.peak_flop_per_s, 'FLOP/s')}, {text(roof.bandwidth_byte_per_s, 'B/s')}"
        marks.append(Line(xs, ys, "roof", str(number), words))
        marks.append(
            Points((ridge,), (roof.peak_flop_per_s,), "ridge", names=(f"{roof.mode}: ridge {in_ratio(ridge)}",))
        )
        labels.append(Label(x[1], ys[-1], words, "roof", where="along", path=(xs[1:], ys[1:])))
    for number, (roof, ridge) in enumerate(zip(roofs, ridges)):
        labels.append(Label(ridge, roof.peak_flop_per_s, f"ridge {in_ratio(ridge)}", "ridge"))
        if model and roof.time_s:
            words = f"{roof.mode}: {text(flop / roof.time_s, 'FLOP/s')} in {text(roof.time_s, 's')}"
            marks.append(Points((model,), (flop / roof.time_s,), "model", str(number), names=(words,)))
            labels.insert(
                len(roofs) + number, Label(model, flop / roof.time_s, f"{roof.mode}: {text(roof.time_s, 's')}", "model")
            )
    if model:
        marks.insert(0, Line((model, model), y, "balance", "", f"the whole model: {in_ratio(model)}"))
        labels.append(Label(model, y[1], f"model {in_ratio(model)}", "balance", where="along",
                            path=((model, model), y)))  # fmt: skip
    return Figure(
        title=heading("Power modes", data),
        subtitle=f"{ceiling} · {settings(data, with_mode=False)}",
        panels=(
            Panel(Axis(INTENSITY, "FLOP/B", "log", x), Axis(performance(data), "FLOP/s", "log", y), (*marks, *labels)),
        ),
        key=tuple(Key(roof.words, "roof", str(number)) for number, roof in enumerate(roofs))
        + ((Key(f"star: the whole model, with its {timed('time', data).lower()}"),) if model else ()),
        notes=(*(f"{roof.words}: {', '.join(roof.alike)}." for roof in roofs if roof.alike), *_notes([], data)),
    )
