"""``roofline devices measure``: measured rates become a device file that the strict reader takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import model_path

from roofline.bench import ceilings, kernels, streams
from roofline.bench.backend import PROVIDERS
from roofline.bench.ceilings import Ceilings, measure_ceilings
from roofline.bench.device_file import device_text
from roofline.bench.kernels import KernelRate
from roofline.bench.machine import Machine
from roofline.bench.streams import StreamRate
from roofline.cli.main import main
from roofline.devices.load import check_device
from roofline.devices.mode_set import mode_set
from roofline.devices.tables import mode_table

CPU = PROVIDERS["cpu"]
MACHINE = Machine("Example: CPU # 9000", 2_445_430_000.0, "cpufreq", None, ((1, 32768, 2), (3, 2**25, 1)), 16 * 10**9)
FOUND = Ceilings(
    machine=MACHINE,
    runtime="onnxruntime 1.99, CPUExecutionProvider",
    threads=2,
    kernels=(
        KernelRate("fp32", "MatMul 512x512x512", 2, 188.24497787502017e9),
        KernelRate("fp32", "Conv 64x56x56 -> 64, 3x3", 2, 167.0e9),
        KernelRate("int8", "MatMulInteger u8s8 512x512x512", 2, 379.1e9),
    ),
    missing={"fp16": "onnxruntime casts it to fp32"},
    streams=(
        StreamRate("copy", 1, 2**27, 18.7e9),
        StreamRate("MatMul of a vector", 2, 2**27, 37.264014022631265e9),
    ),
    past_cache=True,
    caches=(StreamRate("L1", 1, 16384, 70e9),),
    date="2026-01-02",
    cpu_share=0.97,
)


def written(found: Ceilings, folder: Path) -> Path:
    path = folder / "host.yaml"
    path.write_text(device_text(found, "host"))
    return path


def ceilings_of(path: Path) -> tuple[float, float, float]:
    """Return fp32 and int8 FLOP/s and B/s of a device file."""
    spec = check_device(path)
    table = mode_table(
        spec, spec.processors["cpu"], mode_set(spec, spec.modes), (("vector", "fp32"), ("vector", "int8"))
    )
    assert table.nominal_byte_per_s[0] == table.bandwidth_byte_per_s[0]
    return *table.peak_flop_per_s[0], table.nominal_byte_per_s[0]


@pytest.mark.parametrize("clock", [2_445_430_000.0, 3_000_000_000.0, 1_234_567_000.0, None])
def test_the_file_multiplies_up_to_what_was_measured(tmp_path: Path, clock: float | None) -> None:
    path = written(FOUND._replace(machine=MACHINE._replace(clock_hz=clock)), tmp_path)
    for file, measured in zip(ceilings_of(path), (188.24497787502017e9, 379.1e9, 37.264014022631265e9), strict=True):
        assert measured <= file <= measured * 1.00002  # rounded up, never down: no run beats the file


def test_every_number_says_where_it_comes_from(tmp_path: Path) -> None:
    spec = check_device(written(FOUND, tmp_path))
    rate = spec.processors["cpu"].pipes["vector", "fp32"].origin
    assert rate.kind == "measured" and "MatMul 512x512x512" in rate.formula
    (source,) = rate.source
    for part in ("roofline devices measure", "2026-01-02", "Example: CPU # 9000", "onnxruntime 1.99"):
        assert part in spec.sources[source]
    assert spec.cache_bytes is not None and spec.cache_bytes.value == 2**25
    assert spec.unknown[0].startswith("fp16 rate") and spec.default_mode == "measured"
    assert ("vector", "fp16") not in spec.processors["cpu"].pipes


def test_an_unreadable_clock_is_said(tmp_path: Path) -> None:
    spec = check_device(written(FOUND._replace(machine=MACHINE._replace(clock_hz=None)), tmp_path))
    assert spec.knobs["cpu_freq"].values == (1e9,) and "cannot be read" in spec.knobs["cpu_freq"].origin.note


def test_a_busy_machine_is_said(tmp_path: Path) -> None:
    assert "TOO LOW" in check_device(written(FOUND._replace(cpu_share=0.5), tmp_path)).note
    assert "TOO LOW" not in check_device(written(FOUND, tmp_path)).note


def test_little_that_can_be_read(tmp_path: Path) -> None:
    bare = MACHINE._replace(clock_hz=None, caches=(), memory_bytes=None)
    spec = check_device(written(FOUND._replace(machine=bare, caches=(), past_cache=False), tmp_path))
    assert spec.cache_bytes is None and spec.memory.size_bytes.value == 3 * 2**27
    assert any("bandwidth" in line for line in spec.unknown)


def test_macs_of_kernels_by_hand() -> None:
    by_label = {k.label: k.macs for k in kernels.fp_kernels("fp32", quick=False)}
    assert by_label["MatMul 384x3072x768"] == 384 * 3072 * 768
    assert by_label["Conv 128x28x28 -> 128, 3x3"] == 128 * 28 * 28 * 128 * 9


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrink every benchmark to next to nothing."""
    monkeypatch.setattr(kernels, "QUICK_MATRICES", ((16, 24, 32),))
    monkeypatch.setattr(kernels, "QUICK_CONVOLUTIONS", ((8, 6, 8, 3),))
    monkeypatch.setattr(ceilings, "QUICK_TIME_S", 0.0)
    monkeypatch.setattr(ceilings, "array_bytes", lambda _: (2**20, True))


def test_kernels_compute_what_they_say(small: None) -> None:
    """Each kernel's model runs, and its result is that of numpy."""
    for kernel in (*kernels.fp_kernels("fp32", quick=True), *kernels.int8_kernels(quick=True)):
        session = kernels.open_session(kernels.model_of(kernel), CPU, 1)
        (result,) = session.run(None, {"x": kernel.data})
        if kernel.op_type == "MatMul":
            assert np.allclose(result, kernel.data @ kernel.constants["w"], atol=1e-5)
        if "u8u8" in kernel.label:  # u8s8 saturates on CPUs without VNNI
            assert (result == kernel.data.astype(int) @ kernel.constants["w"].astype(int)).all()
        if "Conv" in kernel.op_type:
            assert result.shape == (1, 8, 6, 6)


def test_a_rate_is_two_flop_per_mac_over_the_time(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "best", lambda run, **_: 0.5)
    kernel = next(kernels.fp_kernels("fp32", quick=True))
    assert kernels.rate_of(kernel, CPU, 1, 0.0).flop_per_s == 2 * 16 * 24 * 32 / 0.5


def test_stream_bytes_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy moves two arrays, triad three, a read one; with a time of one second the rate is the bytes."""

    def timed(run: Any, **_: Any) -> float:
        run()
        return 1.0

    monkeypatch.setattr(streams, "best", timed)
    found = streams.measure_streams(CPU, 2, 2**20, min_time_s=0.0, say=lambda _: None)
    rates = {(rate.kernel, rate.threads): rate.byte_per_s for rate in found}
    assert rates["copy", 1] == rates["copy", 2] == 2 * 2**20
    assert rates["triad", 1] == rates["triad", 2] == 3 * 2**20
    assert rates["read", 1] == rates["MatMul of a vector", 1] == 2**20  # 512 x 512 floats


@pytest.mark.parametrize("elements", [streams.BLOCK * 2, streams.BLOCK + 7, 5])
def test_triad_computes_a_triad(elements: int) -> None:
    a, b, c = np.zeros(elements, "f4"), np.full(elements, 2, "f4"), np.full(elements, 5, "f4")
    streams._triad(a, b, c, np.empty(streams.BLOCK, "f4"))
    assert (a == 17).all()


def test_arrays_are_past_the_cache() -> None:
    assert streams.array_bytes(MACHINE._replace(memory_bytes=2**40)) == (4 * 2**25, True)
    assert streams.array_bytes(MACHINE._replace(caches=(), memory_bytes=2**40)) == (2**26, True)
    assert streams.array_bytes(MACHINE._replace(memory_bytes=2**30)) == (2**26, False)


def test_fp16_counts_only_where_it_is_not_cast(small: None) -> None:
    kernel = next(kernels.fp_kernels("fp16", quick=True))
    rates, missing = kernels.measure_kernels(CPU, 1, quick=True, min_time_s=0.0, say=lambda _: None)
    has_rate = any(rate.precision == "fp16" for rate in rates)
    assert has_rate != ("fp16" in missing)
    if kernels.is_cast(kernel, CPU):
        assert "casts it to fp32" in missing["fp16"]


def test_only_the_cpu_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "find_provider", lambda name: PROVIDERS[name])
    with pytest.raises(ValueError, match="only the CPU"):
        measure_ceilings(provider="cuda")


def test_command_end_to_end(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.yaml"
    assert main(["devices", "measure", "--quick", "--threads", "1", "-o", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("MEASURED. ") and "MatMulInteger u8s8 16x24x32" in out and err == ""
    assert main(["devices", "check", str(path)]) == 0
    capsys.readouterr()
    model = str(model_path("resnet18"))
    arguments = ["analyze", model, "--device", str(path), "--processor", "cpu", "--runtime", "ort-cpu"]
    assert main([*arguments, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr()[0])
    assert data["device"] == "mine" and data["mode"] == "measured" and data["totals"]["time_s"] > 0
    assert main(["devices", "measure", "--quick", "-o", str(tmp_path / "mine.txt")]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["mine.yaml"]
