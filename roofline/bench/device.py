"""The public `measure_device`: this machine as a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from roofline.bench.ceilings import measure_ceilings
from roofline.bench.device_file import device_data
from roofline.devices.load import build

if TYPE_CHECKING:
    from roofline.devices.spec import DeviceSpec


def measure_device(
    identifier: str = "this-machine",
    *,
    quick: bool = False,
    threads: int | None = None,
    say: Callable[[str], None] | None = None,
) -> DeviceSpec:
    """Measure this machine's ceilings with onnxruntime: FLOP/s per precision, B/s of its memory.

    ``roofline devices measure`` writes the same as a file. The device has one mode and no energy coefficients.

    Args:
        identifier: what to call it.
        quick: fewer sizes, shorter runs (some 10 s): a first look, some per cent low.
        threads: threads of the kernels; None is every CPU that this process may use.
        say: told what is being done.

    Raises:
        MeasurementError: onnxruntime is absent, or nothing could be measured.
    """
    found = measure_ceilings(provider="cpu", threads=threads, quick=quick, say=say)
    return build(device_data(found, identifier), identifier)
