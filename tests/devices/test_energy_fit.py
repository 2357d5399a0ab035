"""The coefficients in orin-agx.yaml are those that the script beside the measured runs works out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import roofline

SCRIPT = Path(__file__).parents[2] / "device_specs" / "measurements" / "fit_orin_agx.py"


@pytest.fixture(scope="module")
def fit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_orin_agx", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def energy_set(name: str):
    return next(s for s in roofline.load_device("orin-agx").energy if s.name == name)


def test_fp32_set_is_the_fit_to_pagoda(fit: ModuleType) -> None:
    points = fit.pagoda_points()
    assert len(points) == 24
    flop, byte, static = fit.fit(points)
    shipped = energy_set("fp32-pagoda")
    idle = next(
        i.power_w.value for i in roofline.load_device("orin-agx").idle if i.mode == "MAXN" and i.clocks == "locked"
    )
    assert {round(n.value * 1e12, 2) for n in shipped.flop.values()} == {round(flop * 1e12, 2)}
    assert (shipped.dram.value + shipped.move.value) * 1e12 == pytest.approx(byte * 1e12, abs=0.1)
    assert shipped.active_w.value + idle == pytest.approx(static, abs=0.05)
    # the share of the GPU rail is the one measured at fp16
    _, dram, move = fit.fp16_coefficients()
    assert shipped.move.value / (shipped.move.value + shipped.dram.value) == pytest.approx(
        move / (move + dram), abs=2e-3
    )


def test_fp16_set_is_the_difference_per_rail(fit: ModuleType) -> None:
    flop, dram, move = fit.fp16_coefficients()
    shipped = energy_set("fp16-rails")
    assert shipped.flop["matrix", "fp16"].value == pytest.approx(flop, rel=3e-3)
    assert shipped.dram.value == pytest.approx(dram, rel=3e-3)
    assert shipped.move.value == pytest.approx(move, rel=3e-3)


def test_errors_quoted_in_the_file_are_the_errors_of_the_fit(fit: ModuleType) -> None:
    points = fit.pagoda_points()
    mape = float(np.abs(fit.errors(fit.fit(points), points)).mean())
    left_out = []
    for name in fit.PUBLISHED:
        coefficients = fit.fit([p for p in points if p[0] != name])
        left_out.append(float(np.abs(fit.errors(coefficients, [p for p in points if p[0] == name])).mean()))
    text = energy_set("fp32-pagoda").error
    assert f"MAPE {100 * mape:.1f} %" in text
    assert f"{100 * min(left_out):.0f} to {100 * max(left_out):.0f} %" in text


def test_idle_model_is_the_fit_to_the_four_idle_powers(fit: ModuleType) -> None:
    device = roofline.load_device("orin-agx")
    (model,) = device.idle_models
    coefficients, residuals = fit.idle_model()
    shipped = (model.constant_w.value, model.processor_w.value, model.memory_w.value)
    assert shipped == pytest.approx(tuple(coefficients), abs=0.006)
    assert f"{np.abs(residuals).max():.3f} W" in model.constant_w.origin.formula
    # the idle powers that the file lists are the ones fitted: evaluated by hand at MODE_15W
    by_hand = 3.54 + 2.87 * (408 / 1300.5) * ((1 + 0.028 * 102 / 306) / 1.295) ** 2 + 4.07 * 2133 / 3199
    listed = next(i.power_w.value for i in device.idle if (i.mode, i.clocks) == ("MODE_15W", "locked"))
    assert by_hand == pytest.approx(listed, abs=0.02)
