"""onnxruntime: whichever build is installed, on the provider that was asked for and on no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from roofline.errors import MeasurementError, UsageError

PIP_CPU = "pip install 'roofline[measure-cpu]'"
PIP_GPU = "pip install 'roofline[measure]' (or NVIDIA's onnxruntime-gpu wheel on a Jetson)"


class Provider(NamedTuple):
    """One execution provider, as it is called here and by onnxruntime."""

    name: str
    ort_name: str
    runtime: str
    """What ``--runtime`` and a row of measurements call it."""
    memory: str
    """Where tensors lie while it runs: ``cpu`` or ``cuda``."""
    pip: str


PROVIDERS: Mapping[str, Provider] = {
    "cpu": Provider("cpu", "CPUExecutionProvider", "ort-cpu", "cpu", PIP_CPU),
    "cuda": Provider("cuda", "CUDAExecutionProvider", "ort-cuda", "cuda", PIP_GPU),
    "tensorrt": Provider("tensorrt", "TensorrtExecutionProvider", "tensorrt", "cuda", PIP_GPU),
}


def load_onnxruntime() -> Any:
    """Return the onnxruntime module.

    Raises:
        MeasurementError: none is installed, or it cannot be loaded.
    """
    try:
        import onnxruntime
    except ImportError as error:
        missing = getattr(error, "name", None) in (None, "onnxruntime")
        raise MeasurementError(
            "onnxruntime is not installed" if missing else f"onnxruntime cannot be loaded: {error}",
            hint=f"on a CPU: {PIP_CPU}; with an NVIDIA GPU: {PIP_GPU}",
        ) from None
    return onnxruntime


def find_provider(name: str) -> Provider:
    """Return a provider that the installed onnxruntime has.

    Raises:
        UsageError: the name is unknown.
        MeasurementError: the installed onnxruntime was built without it.
    """
    if name not in PROVIDERS:
        raise UsageError(f"{name!r} is unknown", where="--provider", expected=", ".join(PROVIDERS))
    provider = PROVIDERS[name]
    ort = load_onnxruntime()
    available = ort.get_available_providers()
    if provider.ort_name not in available:
        have = [p.name for p in PROVIDERS.values() if p.ort_name in available]
        raise MeasurementError(
            f"onnxruntime {ort.__version__} here has no {provider.ort_name}",
            where=f"--provider {name}",
            expected=f"one of {', '.join(have)}",
            hint=provider.pip,
        )
    return provider


def thread_count(asked: int | None) -> int:
    """Return how many threads an operator gets: as many as asked for, or one for each CPU of this process.

    Raises:
        UsageError: more than there are CPUs: onnxruntime's threads wait by spinning, so they would time each other.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if asked is not None and not 1 <= asked <= cpus:
        raise UsageError(f"this process may use {cpus} CPUs", where=f"--threads {asked}", expected=f"1 to {cpus}")
    return cpus if asked is None else asked


def open_session(
    model: str | Path | bytes,
    provider: Provider,
    threads: int,
    *,
    profile_prefix: str = "",
    sizes: Mapping[str, int] | None = None,
    provider_options: Mapping[str, str] | None = None,
) -> Any:
    """Return a session that runs on `provider`; nodes it cannot run may be on the CPU provider.

    Args:
        model: path or content of an ONNX file.
        threads: threads inside an operator; operators run one after the other.
        profile_prefix: where onnxruntime puts its profile; empty for none.
        sizes: sizes of named free dimensions.

    Raises:
        MeasurementError: onnxruntime refuses the model, or fell back to another provider.
    """
    ort = load_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4
    if profile_prefix:
        options.enable_profiling, options.profile_file_prefix = True, profile_prefix
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    content = model if isinstance(model, bytes) else os.fspath(model)
    where = "the model" if isinstance(model, bytes) else str(model)
    chosen = (provider.ort_name, dict(provider_options or {}))
    try:
        session = ort.InferenceSession(content, options, providers=[chosen])
    except Exception as error:  # noqa: BLE001  # onnxruntime's errors have no base class of their own
        raise refused(error, where) from None
    in_use = session.get_providers()
    if not in_use or in_use[0] != provider.ort_name:
        raise MeasurementError(
            f"onnxruntime fell back to {', '.join(in_use) or 'nothing'}",
            where=f"--provider {provider.name}",
            expected=provider.ort_name,
            hint="its libraries (CUDA, cuDNN, TensorRT) are missing or of another version",
        )
    return session


def refused(error: Exception, where: str) -> MeasurementError:
    """Return our error for one of onnxruntime's: its first line, without its long prefix."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return MeasurementError(f"onnxruntime refuses it: {text[:300]}", where=where)


def runner(session: Any, feeds: Mapping[str, Any], provider: Provider) -> Callable[[], Any]:
    """Return a function that runs the session once. On a GPU the tensors stay there: no copies are timed."""
    if provider.memory == "cpu":
        return lambda: session.run(None, feeds)
    ort = load_onnxruntime()
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, provider.memory, 0))
    for output in session.get_outputs():
        binding.bind_output(output.name, provider.memory)

    def run() -> Any:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return None

    return run
