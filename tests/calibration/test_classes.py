"""Factors per class of layers: known ones are found again, and hold for a model that was not fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import model_path

import roofline
from roofline.calibration.classes import Profile, _Layers, across_models, fit_classes, layer_class, model_time
from roofline.cli.main import main
from roofline.measured.record import Measurement
from roofline.measured.table import write_table

TRUTH = {"matmul": (1.4, 1.2, 2e-6), "convolution 1x1": (2.5, 1.6, 1e-5), "elementwise": (1.5, 3.0, 4e-6)}
"""Compute factor, memory factor, s per kernel."""


def profile(name: str, seed: int, noise: float = 0.0) -> Profile:
    rng = np.random.default_rng(seed)
    classes = tuple(rng.choice(list(TRUTH), 40))
    compute, memory = rng.lognormal(-9, 2, 40), rng.lognormal(-9, 2, 40)
    compute_factor, memory_factor, kernel = np.array([TRUTH[c] for c in classes]).T
    time = np.hypot(compute_factor * compute, memory_factor * memory) + kernel
    time = time * np.exp(rng.normal(0, noise, 40))
    blocks = tuple(((i,), float(t)) for i, t in enumerate(time))
    return Profile(name, classes, compute, memory, blocks, float(time.sum()))


def test_known_factors_are_found_again() -> None:
    fit = fit_classes([profile(f"m{i}", i) for i in range(5)])
    for name, truth in TRUTH.items():
        found = fit.classes[name]
        assert (found.compute.value, found.memory.value) == pytest.approx(truth[:2], rel=0.05)
        assert found.compute.standing == found.memory.standing == "fitted"


def test_slopes_are_those_of_a_difference() -> None:
    """Blocks of two layers each, of several classes: the derivative is that of the function itself."""
    one = profile("m", 3)
    pairs = tuple(((i, i + 1), 1e-4) for i in range(0, 40, 2))
    layers = _Layers([one._replace(blocks=pairs)], {name: i for i, name in enumerate(TRUTH)})
    x, step = np.log(np.array([1.4, 2.5, 1.5, 1.2, 1.6, 3.0, 2e-6, 1e-5, 4e-6])), 1e-5
    for i, slope in enumerate(layers.slopes(x).T):
        moved = step * np.eye(9)[i]
        assert slope == pytest.approx((layers.logs(x + moved) - layers.logs(x - moved)) / (2 * step), abs=1e-6)


def test_each_model_is_predicted_from_the_others() -> None:
    models = [profile(f"m{i}", i, noise=0.05) for i in range(6)]
    fit, left_out = across_models(models)
    for model in models:
        assert left_out[model.workload] == pytest.approx(model.time_s, rel=0.1)
    assert fit.error < 0.06 and fit.band.low < 1 < fit.band.high
    assert model_time(fit, profile("unseen", 99)) == pytest.approx(profile("unseen", 99).time_s, rel=0.06)


def test_a_class_without_layers_keeps_the_prior() -> None:
    fit = fit_classes([profile(f"m{i}", i) for i in range(5)])
    stranger = profile("other", 7)._replace(classes=("pooling",) * 40)
    assert fit.classes["all"].compute.standing == "prior"
    assert model_time(fit, stranger) > 0


def test_convolutions_are_told_apart_by_what_their_kernels_do() -> None:
    analysis = roofline.analyze(model_path("mobilenet_v2"), bindings={"batch": 1})
    found = [layer_class(layer) for layer in analysis.layer_counts if layer.status == "counted"]
    # 1 stem, 17 depthwise; 17 projections, 16 expansions and the last 1x1; one classifier
    assert found.count("convolution stem") == 1 and found.count("convolution depthwise") == 17
    assert found.count("convolution 1x1") == 34 and found.count("matmul") == 1


def test_commands_fit_several_models_and_predict_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs made up as twice the roofline plus 1 us per kernel come back as that, for a model that was not there."""
    names = ("resnet18", "vgg16", "densenet121", "shufflenet_v2_x1_0", "mobilenet_v3_large")
    rows = []
    for name in (*names, "resnet50"):
        analysis = roofline.analyze(model_path(name), "raspberry-pi-5", bindings={"batch": 1})
        layers = [layer for layer in analysis.layers if layer["status"] == "counted"]
        times = [2 * layer["roofline_time_s"] + 1e-6 for layer in layers]
        common = {"workload": name, "batch_size": 1, "cpu_freq_hz": 2.4e9, "cpu_cores": 4, "time_kind": "host"}
        rows.append(Measurement(**common, time_s=sum(times)))
        rows += [
            Measurement(**common, layer=layer["name"], nodes=tuple(layer["nodes"]), time_s=time)
            for layer, time in zip(layers, times, strict=True)
        ]
    table, target = tmp_path / "runs.csv", tmp_path / "mine.yaml"
    write_table(rows, table)
    common_options = ["--bind", "batch=1", "--device", "raspberry-pi-5", "--measured", str(table)]
    models = [str(model_path(name)) for name in names]
    assert main(["calibrate", *models, *common_options, "-o", str(target)]) == 0
    assert "Each model, predicted from all the others" in capsys.readouterr().out
    unseen = [
        "validate",
        str(model_path("resnet50")),
        *common_options,
        "--calibration",
        str(target),
        "--format",
        "json",
    ]
    assert main(unseen) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["basis"] == "prediction" and data["time"]["mape"] < 0.1
    assert data["layer_time"]["n"] > 40 and data["joined"]["resnet50"] == pytest.approx(1.0)
    assert main(["calibrate", *models[:3], *common_options, "-o", str(target)]) == 1
    assert "3 models; expected 5 at least" in capsys.readouterr().err
