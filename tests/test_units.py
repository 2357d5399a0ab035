"""Units: the quick spellings agree with pint, and nothing converts that should not."""

from __future__ import annotations

import pickle

import pytest

from roofline import units
from roofline.errors import RooflineError, UnitError


@pytest.mark.parametrize(("dimension", "spelling"), [(d, s) for d, t in units.COMMON.items() for s in t])
def test_quick_spellings_agree_with_pint(dimension: str, spelling: str) -> None:
    registry = units.registry()
    want = registry.Quantity(1.0, registry.parse_units(spelling)).to(units.SI_UNIT[dimension]).magnitude
    assert units.parse(f"1 {spelling}", dimension) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("spelling", units.BINARY)
def test_binary_spellings_agree_with_pint(spelling: str) -> None:
    registry = units.registry()
    assert units.parse(f"3 {spelling}", "information") == registry.Quantity(3.0, spelling).to("B").magnitude


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("1300.5 MHz", "frequency", 1300500000.0),
        ("665.6MHz", "frequency", 665600000.0),
        ("20ms", "time", 0.02),
        ("2 min", "time", 120.0),
        ("204.8 GB/s", "bandwidth", 204.8e9),
        ("1 GiB/s", "bandwidth", 2.0**30),
        ("8.67 pJ/FLOP", "energy_per_flop", 8.67e-12),
        ("1.5e3 mW", "power", 1.5),
        ("275 TFLOP/s", "compute", 275e12),
        ("8 bit", "information", 1.0),
        ("5 watt", "power", 5.0),
        ("60/s", "throughput", 60.0),
        ("60 / min", "throughput", 1.0),
        ("2.5 GMAC", "macs", 2.5e9),
        ("3 TFLOP", "flops", 3e12),
        (" 2 W h ", "energy", 7200.0),
        ("3 J*s^-1", "power", 3.0),
        ("2 W·s**2 / s", "energy", 2.0),
    ],
)
def test_quantities(text: str, dimension: str, value: float) -> None:
    assert units.parse(text, dimension) == value or units.parse(text, dimension) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "dimension"),
    [
        ("5", "frequency"), (5, "frequency"), ("", "power"), ("MHz", "frequency"), ("5 parsec", "frequency"),
        ("5 GHz", "bandwidth"), ("5 GB/s", "frequency"), ("5 TFLOP/s", "bandwidth"), ("5 Gb", "bandwidth"),
        ("1e999 Hz", "frequency"), ("5 MHz; rm -rf", "frequency"), ("5 __import__('os')", "frequency"),
        ("nan Hz", "frequency"), ("1,5 MHz", "frequency"), ("5 TOPS", "compute"),
        ("5 GMAC", "flops"), ("5 GFLOP", "macs"), ("5 GFLOP/s", "flops"), ("60/m", "throughput"), ("/s", "throughput"),
    ],
)  # fmt: skip
def test_what_is_refused(text: object, dimension: str) -> None:
    with pytest.raises(UnitError) as caught:
        units.parse(text, dimension, where="here")
    assert str(caught.value).startswith("here: ") and "expected a number with a unit" in str(caught.value)


@pytest.mark.parametrize(
    "unit",
    [
        "W*9**9**9", "W**9**9**9", "W^999999999", "W*1e9999", "W*2", "(W)", "W*__import__(1)", "W" + "*s/s" * 50_000,
        "k" * 100_000 + "W", "W" + " " * 40_000 + "s", "s " * 40 + "!",
    ],
)  # fmt: skip
def test_a_unit_is_no_arithmetic(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "registry", lambda: pytest.fail("pint is not asked"))
    with pytest.raises(UnitError) as caught:
        units.parse(f"5 {unit}", "power")
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00421, "s", "4.21 ms"), (999.9e-6, "s", "1.00 ms"), (12.0, "s", "12.0 s"), (4.09e9, "MAC", "4.09 GMAC"),
        (0.0, "J", "0 J"), (None, "J", "-"), (float("nan"), "J", "-"), (1.5e-13, "J", "0.150 pJ"),
        (999999.0, "", "1.00 M"), (123456.0, "B", "123 kB"),
    ],
)  # fmt: skip
def test_text_for_people(value: float | None, unit: str, text: str) -> None:
    assert units.text(value, unit) == text


def test_errors_are_one_line_and_survive_pickling() -> None:
    error = RooflineError("wrong\nthing", where="a\tb", expected="right", hint="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == r"a\tb: wrong\nthing; expected right; mend it"
    assert again.hint == "mend it"
