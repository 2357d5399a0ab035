"""onnxruntime that is absent, lacks a provider or falls back: one clear error each."""

from __future__ import annotations

import sys
from typing import Any

import onnxruntime as ort
import pytest

from roofline.bench import backend
from roofline.bench.backend import PROVIDERS, find_provider, load_onnxruntime, open_session
from roofline.errors import MeasurementError, UsageError


def test_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MeasurementError, match=r"onnxruntime is not installed.*pip install 'roofline\[measure-cpu\]'"):
        load_onnxruntime()


def test_unknown_provider() -> None:
    with pytest.raises(UsageError, match="expected cpu, cuda, tensorrt"):
        find_provider("gpu")


def test_provider_that_this_build_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(MeasurementError, match=r"no CUDAExecutionProvider; expected one of cpu; pip install"):
        find_provider("cuda")


class FellBack:
    """What onnxruntime returns when CUDA's libraries do not load: a session on the CPU, and a warning."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_fall_back_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "InferenceSession", FellBack)
    with pytest.raises(MeasurementError, match="fell back to CPUExecutionProvider; expected CUDAExecutionProvider"):
        open_session(b"", PROVIDERS["cuda"], 1)


def test_a_model_that_is_refused_gives_one_line() -> None:
    with pytest.raises(MeasurementError) as caught:
        open_session(b"nonsense", PROVIDERS["cpu"], 1)
    assert "\n" not in str(caught.value) and "onnxruntime refuses it" in str(caught.value)


def test_threads_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend.os, "sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    assert backend.thread_count(None) == 3 and backend.thread_count(2) == 2
    with pytest.raises(UsageError, match="--threads 4: this process may use 3 CPUs; expected 1 to 3"):
        backend.thread_count(4)
