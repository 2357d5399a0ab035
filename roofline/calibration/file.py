"""Calibrations as YAML, ``schema: roofline.calibration/1``: written and read back strictly."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from roofline.calibration.record import (
    Band,
    Calibration,
    ClassFactors,
    Coefficient,
    Key,
    PowerFit,
    Standing,
    TimeFit,
    Work,
)
from roofline.errors import SpecError, SpecVersionError
from roofline.model.predicted import POWER_TERMS
from roofline.section import Section
from roofline.strict_yaml import load_file

SCHEMA = "roofline.calibration/1"
_STANDINGS: tuple[Standing, ...] = ("fitted", "prior", "not determined")
_UNSAID = {"phase": "inference"}
"""What a key without the field means."""
_POWER_UNITS = ("W", "W", "W", "J/B")


def read_calibration(path: Path) -> Calibration:
    """Read one calibration.

    Raises:
        SpecError: the file breaks the format; the message names the place.
    """
    return build(load_file(path), str(path))


def build(data: Any, where: str) -> Calibration:
    """Check the content of a calibration file and build the calibration."""
    top = Section(data, where)
    schema = top.text("schema")
    if schema != SCHEMA:
        raise SpecVersionError(f"this tool reads {SCHEMA}, the file says {schema!r}", where=f"{where}: schema")
    key = top.section("key")
    work = top.section("work") if "work" in top else None
    found = Calibration(
        name=top.text("name"),
        key=Key(*(key.integer(n) if n == "counting" else key.text(n, _UNSAID.get(n, "")) for n in Key._fields)),  # type: ignore[arg-type]
        workload=top.text("workload", ""),
        work=None if work is None else _work(work),
        time=_time(top.section("time")),
        power=_power(top.section("power")) if "power" in top else None,
        runs=top.texts("runs"),
        sources=top.texts("sources"),
        note=top.text("note", ""),
        path=where,
    )
    key.close()
    top.close()
    return found


def _work(section: Section) -> Work:
    batch = section.integer("batch") if "batch" in section else None
    found = Work(section.integer("macs"), section.integer("flops"), section.integer("nodes"), batch)
    section.close()
    return found


def _coefficient(section: Section, *, zero: bool = False) -> Coefficient:
    value, standing = section.number("value"), section.text("standing")
    if standing not in _STANDINGS:
        raise section.error(f"{standing!r} is none of {', '.join(_STANDINGS)}", "standing")
    if not (value > 0 or (zero and value == 0)) or value == float("inf"):
        raise section.error(f"{value:g} is no coefficient", "value", "expected a number above 0")
    section.close()
    return Coefficient(value, standing)


def _band(section: Section) -> Band:
    band = Band(section.number("low"), section.number("high"))
    if not 0 < band.low <= 1 <= band.high < float("inf"):
        raise section.error("a band lies around 1: low <= 1 <= high")
    section.close()
    return band


def _time(section: Section) -> TimeFit:
    classes = {}
    for name, factors in section.sections("classes"):
        classes[name] = ClassFactors(
            _coefficient(factors.section("compute")),
            _coefficient(factors.section("memory")),
            _coefficient(factors.section("kernel_s"), zero=True),
        )
        factors.close()
    found = TimeFit(
        knee=_coefficient(section.section("knee")),
        host_s=_coefficient(section.section("host_s"), zero=True),
        classes=MappingProxyType(classes),
        band=_band(section.section("band")),
        error=section.number("error"),
    )
    section.close()
    return found


def _power(section: Section) -> PowerFit:
    terms = section.section("terms")
    found = PowerFit(
        terms=tuple(_coefficient(terms.section(name), zero=True) for name in POWER_TERMS),
        speed_reference=section.number("speed_reference"),
        band=_band(section.section("band")),
        error=section.number("error"),
    )
    terms.close()
    section.close()
    return found


def as_yaml(calibration: Calibration) -> str:
    """Return a calibration as the text of its file. The same calibration gives the same bytes."""
    key = [f"  {name}: {_text(value)}" for name, value in calibration.key._asdict().items() if value != ""]
    lines = [
        "# Factors between rooflines and measured runs, made by roofline calibrate. Not to be edited by hand.",
        f"schema: {SCHEMA}",
        f"name: {_text(calibration.name)}",
        *([f"note: {_text(calibration.note)}"] if calibration.note else []),
        "key:",
        *key,
    ]
    if calibration.work is not None:
        work = ", ".join(f"{k}: {v}" for k, v in calibration.work._asdict().items() if v is not None)
        lines += [f"workload: {_text(calibration.workload)}", f"work: {{{work}}}"]
    time = calibration.time
    lines += ["time:", f"  knee: {_shown(time.knee)}", f"  host_s: {_shown(time.host_s)}", "  classes:"]
    for name, factors in time.classes.items():
        lines.append(f"    {_text(name)}:")
        lines += [f"      {field}: {_shown(value)}" for field, value in factors._asdict().items()]
    lines += _fit_lines(time)
    if calibration.power is not None:
        power = calibration.power
        lines += ["power:", f"  speed_reference: {_number(power.speed_reference)}", "  terms:"]
        for name, unit, value in zip(POWER_TERMS, _POWER_UNITS, power.terms, strict=True):
            lines.append(f"    {name}: {_shown(value)} # {unit}")
        lines += _fit_lines(power)
    for title in ("runs", "sources"):
        items = getattr(calibration, title)
        lines += [f"{title}:", *(f"  - {_text(item)}" for item in items)] if items else [f"{title}: []"]
    return "\n".join(lines) + "\n"


def _fit_lines(fit: TimeFit | PowerFit) -> list[str]:
    return [
        f"  band: {{low: {_number(fit.band.low)}, high: {_number(fit.band.high)}}} # measured/predicted, middle 80 %",
        f"  error: {_number(fit.error)} # mean absolute, of runs left out of the fit one by one",
    ]


def _shown(value: Coefficient) -> str:
    return f"{{value: {_number(value.value)}, standing: {value.standing}}}"


def _number(value: float) -> str:
    """Six digits: more than any fit is worth, and the same bytes on every machine."""
    text = f"{value:.6g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}{'' if '.' in mantissa or not e else '.0'}{e}{exponent}"


def _text(value: Any) -> str:
    if isinstance(value, int):
        return str(value)
    import json

    return json.dumps(str(value), ensure_ascii=False)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # too long for a name
        return False


def load_named(name: str, folders: tuple[Path, ...]) -> Calibration:
    """Return a calibration by path, or by name in one of the folders.

    Raises:
        SpecError: there is none, or its file is wrong.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or _is_file(path):
        if not _is_file(path):
            raise SpecError("no such calibration file", where=name)
        return read_calibration(path)
    for folder in folders:
        if _is_file(folder / f"{name}.yaml"):
            return read_calibration(folder / f"{name}.yaml")
    known = sorted({p.stem for folder in folders for p in folder.glob("*.yaml")})
    raise SpecError(f"no calibration {name!r}", where="--calibration", expected=", ".join(known[:8]) or "a file")
