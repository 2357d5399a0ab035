"""The one place where text with a unit becomes a plain SI float, and back.

Inside the library every quantity is a float64 in SI whose unit is the last word of its name. Text with
units exists only in device files, options and labels. The registry is our own short list: pint's default
one is made for physics (a byte is dimensionless there, so ``GHz`` converts to ``GB/s``).

The spellings of `COMMON` are resolved without importing pint (its import costs more than
reading a model: tests/benchmarks/start_costs.py); the tests check every one of them against the registry.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from roofline.errors import UnitError

if TYPE_CHECKING:
    import pint

DEFINITIONS = """
yocto- = 1e-24
femto- = 1e-15 = f-
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
kibi- = 1024 = Ki-
mebi- = 1048576 = Mi-
gibi- = 1073741824 = Gi-
tebi- = 1099511627776 = Ti-
second = [time] = s
minute = 60 * second = min
hour = 3600 * second = h
hertz = 1 / second = Hz
byte = [information] = B
bit = byte / 8
flop = [computation] = FLOP
multiply_accumulate = [multiply_accumulation] = MAC
clock_cycle = [cycle] = clk
joule = [energy] = J
watt = joule / second = W
volt = [potential] = V
"""

SI_UNIT = {
    "time": "s",
    "frequency": "Hz",
    "throughput": "1/s",
    "flops": "FLOP",
    "macs": "MAC",
    "information": "B",
    "bandwidth": "B/s",
    "compute": "FLOP/s",
    "compute_per_clock": "FLOP/clk",
    "bytes_per_clock": "B/clk",
    "energy": "J",
    "power": "W",
    "energy_per_flop": "J/FLOP",
    "energy_per_byte": "J/B",
}
"""Dimension name -> the SI unit in which `parse` returns it."""

COMMON: dict[str, dict[str, int]] = {
    "time": {"s": 0, "ms": -3, "us": -6, "ns": -9},
    "frequency": {"Hz": 0, "kHz": 3, "MHz": 6, "GHz": 9},
    "throughput": {"1/s": 0},
    "flops": {"FLOP": 0, "MFLOP": 6, "GFLOP": 9, "TFLOP": 12},
    "macs": {"MAC": 0, "MMAC": 6, "GMAC": 9, "TMAC": 12},
    "information": {"B": 0, "KB": 3, "kB": 3, "MB": 6, "GB": 9, "TB": 12},
    "bandwidth": {"B/s": 0, "MB/s": 6, "GB/s": 9, "TB/s": 12},
    "compute": {"FLOP/s": 0, "GFLOP/s": 9, "TFLOP/s": 12},
    "compute_per_clock": {"FLOP/clk": 0},
    "bytes_per_clock": {"B/clk": 0},
    "energy": {"J": 0, "mJ": -3, "uJ": -6},
    "power": {"W": 0, "mW": -3},
    "energy_per_flop": {"J/FLOP": 0, "pJ/FLOP": -12},
    "energy_per_byte": {"J/B": 0, "pJ/B": -12},
}
"""Dimension -> unit spelling -> power of ten to SI, for the decimal units that occur all the time."""

BINARY: dict[str, int] = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
"""Binary units of information -> bytes; the second half of `COMMON`."""

_LONGEST = 100
"""Characters of a quantity; pint's work grows faster than the text."""
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*)?")
_POWER = r"[^\W\d]+(?:\s?(?:\^|\*\*)\s?-?[0-9])?"
_UNIT = re.compile(rf"(?:1\s?/\s?)?{_POWER}(?:\s?[*·/]\s?{_POWER}|\s{_POWER})*")
"""Names, products, quotients and small powers of them: pint would work out any other arithmetic, however large."""


@lru_cache(maxsize=1)
def registry() -> pint.UnitRegistry[Any]:
    """Return the project's only pint registry (built on first use)."""
    import pint

    units: pint.UnitRegistry[Any] = pint.UnitRegistry(
        [line for line in DEFINITIONS.splitlines() if line.strip()], autoconvert_offset_to_baseunit=False
    )
    units.define("KB = 1000 * byte")
    return units


def parse(text: object, dimension: str, *, where: str = "") -> float:
    """Return the SI value of a quantity such as ``"1300.5 MHz"`` or ``"20ms"``.

    Args:
        text: a number followed by a unit. A bare number is refused: its unit would be a guess.
        dimension: a key of `SI_UNIT`.
        where: what to name in an error (file and key, or option).

    Raises:
        UnitError: no number, no unit, an unknown unit, or one of another dimension.
    """
    unit = SI_UNIT[dimension]
    wanted = f"a number with a unit of {dimension.replace('_', ' ')}, such as '5 {unit}'".replace(" 1/", "/")
    trimmed = text.strip() if isinstance(text, str) else ""
    match = _QUANTITY.fullmatch(trimmed) if len(trimmed) <= _LONGEST else None
    if match is None or match[2] is None:
        raise UnitError(f"{text!r} is no quantity with a unit", where=where, expected=wanted)
    spelling = f"1{match[2]}" if match[2].startswith("/") else match[2]  # "60/s"
    exponent = COMMON[dimension].get(spelling)
    if exponent is None and dimension == "information" and spelling in BINARY:
        value = float(match[1]) * BINARY[spelling]
    elif exponent is None:
        value = float(match[1]) * _factor(spelling, unit, text, wanted, where)
    elif "e" in match[1].lower():
        value = float(match[1]) * 10.0**exponent
    else:
        value = float(f"{match[1]}e{exponent}")  # rounded once: "665.6 MHz" is 665600000 exactly
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is not finite", where=where, expected=wanted)
    return value


def _factor(unit: str, si_unit: str, text: object, wanted: str, where: str) -> float:
    if _UNIT.fullmatch(unit) is None:
        raise UnitError(f"{text!r} has no unit that can be read", where=where, expected=wanted)
    import pint

    units = registry()
    try:
        return float(units.Quantity(1.0, units.parse_units(unit)).to(si_unit).magnitude)
    except (pint.PintError, AttributeError, ValueError, TypeError, AssertionError, RecursionError) as error:
        raise UnitError(f"{text!r} has a unit that does not fit", where=where, expected=wanted) from error
    except Exception as error:  # pint's tokenizer leaks its own kinds of errors on odd text
        raise UnitError(f"{text!r} has no unit that can be read", where=where, expected=wanted) from error


_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))


def signed(share: float) -> str:
    """Return a share in per cent with its sign, ``+12.3%``; what rounds to nothing is ``+0.0%``."""
    return f"{round(100 * share, 1) + 0.0:+.1f}%"


def counted(number: int, noun: str) -> str:
    """Return ``1 layer``, ``2 layers``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def text(value: float | None, unit: str, digits: int = 3) -> str:
    """Return `value` (SI) for people: ``text(0.00421, "s") == "4.21 ms"``; unknown gives ``"-"``."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0 or math.isinf(value):
        return f"{value:g} {unit}".rstrip()
    steps = _PREFIXES if abs(value) >= 1 else _SMALL
    fitting = (step for step in steps if abs(value) >= step[0] * (1 - 0.5 * 10**-digits))
    scale, prefix = next(fitting, steps[-1])
    return f"{significant(value / scale, digits)} {prefix}{unit}".rstrip()


def significant(value: float, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits and no exponent below a million."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    rounded = float(f"{value:.{digits - 1}e}")  # 0.9999 has the decimals of 1.00
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:.{decimals}f}"
