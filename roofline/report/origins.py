"""Where the numbers of a page come from: those of the device file that its times and energies rest on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from roofline.analysis import Analysis
from roofline.devices.spec import DeviceSpec
from roofline.export.as_device import number_rows
from roofline.model.predicted import POWER_TERMS
from roofline.units import significant, text

if TYPE_CHECKING:
    from roofline.calibration.record import Calibration


def origin_rows(analyses: Sequence[Analysis]) -> list[dict[str, Any]]:
    """Return the numbers in use as `number_rows` has them, the voltage curve and the clocks last."""
    device, used = analyses[0].device, _used(analyses)
    assert device is not None
    below = tuple(place for place in used if place.endswith("."))
    rows = [row for row in number_rows(device) if row["where"] in used or row["where"].startswith(below)]
    others = [(f"knobs.{name}", f"{len(knob.values)} values", knob.origin) for name, knob in device.knobs.items()]
    if device.voltage is not None and any(_priced(analysis) for analysis in analyses):
        others.insert(0, ("voltage", f"{len(device.voltage.clock_hz)} points, relative", device.voltage.origin))
    rows += [
        {"where": where, "shown": shown, "kind": origin.kind, "source": " ".join(origin.source),
         "formula": origin.formula, "note": origin.note}
        for where, shown, origin in others
    ]  # fmt: skip
    used_ones = {a.calibration.name: a.calibration for a in analyses if a.calibration is not None}
    return rows + [row for found in used_ones.values() for row in _calibrated(found)]


def _calibrated(found: Calibration) -> list[dict[str, Any]]:
    """Return the numbers of a calibration; what each is comes from its standing: fitted, prior, not determined."""
    time, power = found.time, found.power
    numbers = [
        ("knee", significant(time.knee.value), time.knee),
        ("host time", text(time.host_s.value, "s"), time.host_s),
    ]
    for name, factors in time.classes.items():
        numbers += [
            (f"{name}: compute", f"{significant(factors.compute.value)} x slower", factors.compute),
            (f"{name}: memory", f"{significant(factors.memory.value)} x slower", factors.memory),
            (f"{name}: time per kernel", text(factors.kernel_s.value, "s"), factors.kernel_s),
        ]
    if power is not None:
        units = ("W", "W", "W", "J/B")
        numbers += [(f"power: {name}", text(term.value, unit), term)
                    for name, term, unit in zip(POWER_TERMS, power.terms, units, strict=True)]  # fmt: skip
    note = f"{len(found.runs)} runs{' of ' + found.workload if found.workload else ''}"
    return [
        {"where": f"calibration {found.name}: {name}", "shown": shown, "kind": number.standing,
         "source": ", ".join(found.sources), "formula": "", "note": note}
        for name, shown, number in numbers
    ]  # fmt: skip


def source_lines(device: DeviceSpec, rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return key and text of every source that the rows name, in the order of their keys."""
    keys = {key for row in rows for key in row["source"].split()}
    return [(key, text) for key, text in device.sources.items() if key in keys]


def _priced(analysis: Analysis) -> bool:
    return analysis.evaluation is not None and analysis.evaluation.energy_set is not None


def _used(analyses: Sequence[Analysis]) -> set[str]:
    """Return the places of numbers in use; one that ends in a dot stands for everything below it."""
    found = {"memory.bus_bytes", "memory.fixed_byte_per_s", "memory.efficiency", "cache_bytes"}
    for analysis in analyses:
        evaluation, processor = analysis.evaluation, analysis.processor
        assert evaluation is not None and processor is not None
        found.add(f"processors.{processor.name}.memory_path")
        for pipe, precision in analysis.workload.ceilings:
            known = (pipe, precision) if (pipe, precision) in processor.pipes else ("vector", "fp32")
            found.add(f"processors.{processor.name}.pipes.{'.'.join(known)}")
        energy = evaluation.energy_set
        if energy is not None:
            found |= {"power_limit_w", "idle.", "idle_models.", f"energy.{energy.name}."}
    return found
