"""A device file out of measured ceilings. It is read back by the strict reader before anybody sees it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from roofline.bench.ceilings import Ceilings
from roofline.bench.kernels import KernelRate
from roofline.bench.streams import StreamRate
from roofline.devices.load import SCHEMA, build
from roofline.units import text

SOURCE = "BENCH"
MODE = "measured"
_TOP_KERNELS = 4
_WIDTH = 118


def device_data(found: Ceilings, identifier: str) -> dict[str, Any]:
    """Return the content of a device file (``roofline.device/1``) with one mode, ``measured``.

    FLOP per clock = best measured FLOP/s / (threads x clock). Memory: a clock of 1 GHz that stands for nothing, and a
    bus so wide that clock x bus is the best measured bandwidth; the efficiency is then 1. Both are rounded up: no
    measured run of these very kernels beats the file.
    """
    clock = f"{found.clock_hz / 1e6:.9g} MHz"
    knobs = {"cpu_freq": clock, "mem_freq": "1 GHz", "cpu_cores": found.threads}
    return {
        "schema": SCHEMA,
        "id": identifier,
        "name": f"{found.machine.name}, {found.threads} threads (measured here)",
        "kind": "host",
        "note": _note(found),
        "default_mode": MODE,
        "knobs": {
            "cpu_freq": {"values": [clock], **_origin(note=_clock_note(found))},
            "mem_freq": {
                "values": ["1 GHz"],
                **_origin(note="stands for nothing: clock times bus is the measured bandwidth"),
            },
            "cpu_cores": {"values": [found.threads], **_origin(note="threads that were used")},
        },
        "processors": {
            "cpu": {
                "name": found.machine.name,
                "clock": "cpu_freq",
                "units": {"knob": "cpu_cores", "per_step": 1, "label": "core"},
                "pipes": {"vector": _rates(found)},
            }
        },
        "memory": _memory(found),
        "modes": [{"name": MODE, "knobs": knobs, **_origin()}],
        "unknown": _unknown(found),
        "sources": {SOURCE: _source(found)},
    }


def device_text(found: Ceilings, identifier: str) -> str:
    """Return the file's text; its content has passed the checks of `devices check`.

    Raises:
        SpecError: it would not pass (a defect of this module).
    """
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    data = device_data(found, identifier)
    build(data, identifier)
    written = yaml.dump(data, Dumper=Plain, sort_keys=False, width=_WIDTH, allow_unicode=True)
    return f"# Measured by `roofline devices measure`; every number says what it is and where it comes from.\n{written}"


def _note(found: Ceilings) -> str:
    note = "Ceilings measured on one machine by roofline devices measure; no datasheet stands behind them."
    if found.was_busy:
        note += f" TOO LOW: other programs ran, the threads had {found.cpu_share:.0%} of their CPUs. Measure again."
    return note


def _origin(**more: str) -> dict[str, Any]:
    return {"kind": "measured", "source": [SOURCE], **more}


def _source(found: Ceilings) -> str:
    return f"roofline devices measure, {found.date}, {found.machine.name}, {found.runtime}, {found.threads} threads"


def _clock_note(found: Ceilings) -> str:
    if found.machine.clock_hz is None:
        return "the clock cannot be read; 1 GHz is nominal, only rate times clock was measured"
    return f"{found.machine.clock_source}; only rate times clock was measured"


def _rates(found: Ceilings) -> dict[str, Any]:
    rates = {}
    for precision in ("fp32", "fp16", "int8"):
        best = found.fastest(precision)
        if best is None:
            continue
        per_clock = _up(best.flop_per_s / (found.threads * found.clock_hz))
        rates[precision] = {
            "value": f"{per_clock} FLOP/clk",
            **_origin(
                formula=f"{best.flop_per_s / 1e9:.4g} GFLOP/s / ({found.threads} threads x clock), {best.kernel}",
                note=_kernel_note(k for k in found.kernels if k.precision == precision),
            ),
        }
    return rates


def _kernel_note(kernels: Iterable[KernelRate]) -> str:
    ranked = sorted(kernels, key=lambda rate: -rate.flop_per_s)[:_TOP_KERNELS]
    return "shortest runs: " + "; ".join(f"{rate.kernel} {rate.flop_per_s / 1e9:.4g} GFLOP/s" for rate in ranked)


def _memory(found: Ceilings) -> dict[str, Any]:
    best = found.bandwidth
    size = found.machine.memory_bytes
    memory: dict[str, Any] = {
        "dram": {
            # the reader wants a size; where the system tells none, the arrays that did fit are the honest lower limit
            "size": {"value": f"{size or 3 * best.array_bytes} B", **_origin(note=_size_note(size))},
            "type": "not read",
            "clock": "mem_freq",
            "transfers_per_clock": 1,
            "bus": {
                "value": f"{_up(best.byte_per_s / 1e9)} B",
                **_origin(
                    formula=f"{best.byte_per_s / 1e9:.4g} GB/s / 1 GHz: {best.kernel}, {best.threads} threads",
                    note=_stream_note(found.streams),
                ),
            },
            "efficiency": {"value": 1.0, **_origin(note="the bandwidth is the best that was measured")},
        }
    }
    cache = found.machine.last_level_bytes
    if cache:
        memory["l2"] = {"size": {"value": f"{cache} B", **_origin(note=_cache_note(found))}}
    return memory


def _size_note(size: int | None) -> str:
    return "MemTotal of /proc/meminfo" if size else "unreadable: at least what the benchmark used"


def _stream_note(streams: Iterable[StreamRate]) -> str:
    listed = "; ".join(f"{s.kernel} {s.threads} thread(s) {s.byte_per_s / 1e9:.4g} GB/s" for s in streams)
    return f"arrays of {text(max(s.array_bytes for s in streams), 'B')}: {listed}"


def _cache_note(found: Ceilings) -> str:
    levels = ", ".join(f"L{level} {count} x {text(size, 'B')}" for level, size, count in found.machine.caches)
    rates = "; ".join(f"{r.kernel} {r.byte_per_s / 1e9:.4g} GB/s" for r in found.caches)
    return f"last level, all of them; {levels}; one thread reads at {rates}"


def _unknown(found: Ceilings) -> list[str]:
    lines = [f"{precision} rate: {reason}" for precision, reason in found.missing.items()]
    if not found.past_cache:
        lines.append("bandwidth of memory alone: there is too little memory for arrays far beyond the cache")
    return [*(_one_line(line) for line in lines), "power and energy: no counter was read"]


def _one_line(line: str) -> str:
    return re.sub(r"\s+", " ", line)


def _up(value: float) -> float:
    """Round up to six digits."""
    digits = 5 - math.floor(math.log10(value))
    return float(f"{math.ceil(value * 10.0**digits) / 10.0**digits:.10g}")
