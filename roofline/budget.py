"""Limits that a model has to keep: a budget file (``roofline.budget/1``), and what an analysis says about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from roofline.errors import GateError, SpecVersionError, UsageError
from roofline.findings import Finding
from roofline.section import Section
from roofline.strict_yaml import load_file
from roofline.units import text

SCHEMA = "roofline.budget/1"
_QUANTITIES = {
    "max_latency": ("time", "s"), "min_throughput": ("throughput", "/s"), "max_energy": ("energy", "J"),
    "max_power": ("power", "W"), "max_memory": ("information", "B"), "max_macs": ("macs", "MAC"),
    "max_flops": ("flops", "FLOP"),
}  # fmt: skip
"""Limit -> its dimension, and the unit it is shown in."""
_TIMED = ("max_latency", "min_throughput")
_PRICED = {"max_energy": "energy_j", "max_power": "power_w"}
_EXACT = {"max_memory": "peak_memory_bytes", "max_macs": "macs", "max_flops": "flops"}
_NEED_DEVICE = frozenset({*_TIMED, *_PRICED})
SETTINGS = ("device", "mode", "processor", "precision")
_CODES = {"unknown": "budget-unknown", "not excluded": "budget-not-excluded", "roofline over": "budget-roofline-over"}
_WORDS = {"unknown": "the limit cannot be checked: ", "not excluded": "not excluded, and ",
          "roofline over": "not excluded, "}  # fmt: skip


class Limit(NamedTuple):
    """One limit of a budget."""

    name: str
    """Its key in the file, such as ``max_latency``."""
    value: float
    """In SI units: s, 1/s, J, W, B, MAC, FLOP, or a count."""
    unit: str


class Budget(NamedTuple):
    """What a budget file says."""

    path: str
    settings: Mapping[str, str]
    """Options of `analyze` that the budget is meant for: device, mode, processor, precision."""
    bindings: Mapping[str, int]
    limits: tuple[Limit, ...]


class Check(NamedTuple):
    """What an analysis says about one limit."""

    name: str
    quantity: str
    """The figure that is held against the limit, by its key in ``totals`` (throughput: at the bound, or of the run)."""
    limit: float
    value: float | None
    """None where it is not known."""
    over: float | None
    """By how much the limit is missed, as a share of it; None where it is kept, is 0, or the value is unknown."""
    ok: bool
    verdict: str
    """``ok``, ``over``, ``impossible``, ``not excluded``, ``roofline over`` (not excluded, but the roofline misses it)
    or ``unknown``."""
    basis: str
    """What the value rests on: ``exact``, ``bound``, ``roofline`` or ``prediction``."""
    reason: str
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Return the public fields; null also where a value has no bound, as the throughput of what takes no time."""
        fields = self._asdict()
        del fields["unit"]
        return {name: None if value in (math.inf, -math.inf) else value for name, value in fields.items()}


def load_budget(path: str | Path) -> Budget:
    """Read a budget file.

    Raises:
        SpecError: the file cannot be read, has an unknown key, or a quantity without a unit.
    """
    where = str(path)
    top = Section(load_file(Path(path)), where)
    schema = top.text("schema")
    if schema != SCHEMA:
        raise SpecVersionError(f"this is {schema!r}", where=f"{where}: schema", expected=SCHEMA)
    settings = {key: top.text(key) for key in SETTINGS if top.has(key)}
    limits = [
        Limit(name, top.quantity(name, dimension), unit)
        for name, (dimension, unit) in _QUANTITIES.items()
        if top.has(name)
    ]
    if top.has("max_parameters"):
        limits.append(Limit("max_parameters", _count(top, "max_parameters"), ""))
    bindings = _bindings(top)
    top.close()
    if not limits:
        raise top.error("there is no limit in it", hint=f"add one of {', '.join(_QUANTITIES)}, max_parameters")
    return Budget(where, MappingProxyType(settings), MappingProxyType(bindings), tuple(limits))


def _count(top: Section, key: str) -> float:
    value = top.number(key)
    if not 0 <= value < math.inf:
        raise top.error(f"{value:g} is no count", key)
    return value


def _bindings(top: Section) -> dict[str, int]:
    found = {}
    if top.has("bindings"):
        sizes = top.section("bindings")
        found = {name: sizes.integer(name) for name in sizes.names()}
    if top.has("batch"):
        batch = top.integer("batch")
        if found.setdefault("batch", batch) != batch:
            raise top.error(f"it is {batch}, and bindings.batch is {found['batch']}", "batch", hint="keep one of them")
    return found


def with_options(
    budget: Budget, options: Mapping[str, Any], bindings: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, int], list[Finding]]:
    """Return options and bindings of `analyze`, completed by the budget's: what is given wins, with a finding.

    Raises:
        UsageError: there is a limit on time, energy or power, and no device.
    """
    found, findings = dict(options), []
    asked = {**budget.settings, **{f"bind {name}": size for name, size in budget.bindings.items()}}
    given = {**{k: options.get(k) for k in SETTINGS}, **{f"bind {name}": size for name, size in bindings.items()}}
    for name, wanted in asked.items():
        if given.get(name) is not None and given[name] != wanted:
            findings.append(
                Finding(
                    code="budget-overruled",
                    where=f"{budget.path}: {name}",
                    message=f"the budget is for {wanted}, the command line says {given[name]}, which is what was run",
                    hint="leave the option out to check the budget as it is meant",
                )
            )
    for key, value in budget.settings.items():
        if found.get(key) is None:
            found[key] = value
    if found.get("device") is None:
        for limit in budget.limits:
            if limit.name in _NEED_DEVICE:
                raise UsageError(
                    f"{limit.name} needs a device", where=budget.path, expected="--device, or the key device in it"
                )
    return found, {**budget.bindings, **bindings}, findings


def check_budget(budget: Budget, data: Mapping[str, Any]) -> tuple[Check, ...]:
    """Hold an analysis, in its dict form, against each limit.

    Without a calibration a time can only be shown to be impossible: its bound is over the limit. A value that is not
    known keeps no limit, and neither does a sum that lacks nodes.
    """
    return tuple(_check(limit, data) for limit in budget.limits)


def _check(limit: Limit, data: Mapping[str, Any]) -> Check:
    totals = data["totals"]
    if limit.name == "max_parameters":
        return _against(limit, "parameters", data["model"]["parameters"], "exact")
    if limit.name in _TIMED:
        return _timed(limit, data)
    lost = data["coverage"]["nodes_unsupported"]
    quantity = _EXACT.get(limit.name) or _PRICED[limit.name]
    if quantity == "power_w" and totals.get("rate_per_s") is not None:
        quantity = "average_power_w"  # as for `select --max-power` with a rate
    check = _against(limit, quantity, totals[quantity], "exact" if limit.name in _EXACT else data["basis"])
    if lost and check.verdict == "ok":
        return check._replace(ok=False, verdict="unknown", reason=f"{lost} nodes are not counted, the value is too low")
    return check


def _against(limit: Limit, quantity: str, value: float | None, basis: str) -> Check:
    """Compare one value with a limit."""
    if value is None:
        return Check(limit.name, quantity, limit.value, None, None, False, "unknown", basis,
                     f"the {quantity.rpartition('_')[0]} is not known: see the findings", limit.unit)  # fmt: skip
    gap = limit.value - value if limit.name.startswith("min_") else value - limit.value
    ok = gap <= 0
    over = None if ok or not limit.value else gap / limit.value
    reason = "by the roofline, not calibrated: its error is in the findings" if basis == "roofline" else ""
    return Check(limit.name, quantity, limit.value, value, over, ok, "ok" if ok else "over", basis, reason, limit.unit)


def _timed(limit: Limit, data: Mapping[str, Any]) -> Check:
    predicted = data["basis"] == "prediction"
    bound, quantity = _time(limit, data, "bound_time_s")
    run, run_quantity = _time(limit, data, "time_s")
    if predicted:
        return _against(limit, run_quantity, run, "prediction")
    check = _against(limit, quantity, bound, "bound")
    if check.value is None:
        reason = "the batch size is not known" if data["batch"] is None else check.reason
        return check._replace(reason=reason)
    shown = text(run, limit.unit)
    if not check.ok:
        return check._replace(verdict="impossible", reason=f"no run can be better than {text(bound, limit.unit)}")
    if not _against(limit, run_quantity, run, "roofline").ok:
        return check._replace(verdict="roofline over", reason=f"but the roofline gives {shown}, which misses it")
    return check._replace(verdict="not excluded", reason=f"not calibrated; the roofline gives {shown}")


def _time(limit: Limit, data: Mapping[str, Any], key: str) -> tuple[float | None, str]:
    """Return a time of the totals, or the throughput at it: samples per second."""
    time, batch = data["totals"][key], data["batch"]
    if limit.name == "max_latency":
        return time, key
    name = "bound_throughput_per_s" if key == "bound_time_s" else "throughput_per_s"
    if batch is None or time is None:
        return None, name
    return batch / time if time else math.inf, name


def findings_of(budget: Budget, checks: Sequence[Check]) -> list[Finding]:
    """Return what to know about limits that are kept only as far as one can tell, or cannot be checked."""
    found = []
    for check in checks:
        if check.verdict in _CODES:
            found.append(
                Finding(
                    code=_CODES[check.verdict],
                    where=f"{budget.path}: {check.name}",
                    message=f"{_WORDS[check.verdict]}{check.reason}",
                )
            )
        elif check.basis == "roofline":
            found.append(
                Finding(
                    code="budget-roofline",
                    where=f"{budget.path}: {check.name}",
                    message=f"{check.quantity} rests on the roofline, not on a calibrated time",
                )
            )
    return found


def over_budget(budget: Budget, checks: Sequence[Check], other: GateError | None = None) -> GateError | None:
    """Return why the budget is not kept, or None.

    Args:
        other: another gate that is not met; it is told as well.
    """
    missed = [check for check in checks if not check.ok]
    if not missed:
        return other
    reasons = "the budget is not kept: " + "; ".join(map(_missed, missed))
    return GateError(f"{reasons}; {other.what}" if other else reasons, where=budget.path)


def _missed(check: Check) -> str:
    if check.verdict == "unknown":
        return f"{check.name} cannot be checked ({check.reason})"
    kind = f"{check.verdict}: " if check.verdict == "impossible" else ""
    share = "" if check.over is None else f", {check.over:.1%} over"
    basis = ", by the roofline" if check.basis == "roofline" else ""
    value, limit = text(check.value, check.unit), text(check.limit, check.unit)
    return f"{check.name} {kind}{value}, limit {limit}{share}{basis}"
