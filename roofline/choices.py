"""What a user chooses for any question: options checked, and the processor and precision they come down to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from roofline.errors import DeviceError, GateError, UsageError
from roofline.findings import Finding
from roofline.ops.table import RULES, OwnOps
from roofline.precision import PRECISIONS, RUNTIMES, PrecisionPolicy
from roofline.traffic import TRAFFIC_MODELS
from roofline.training.rules import OPTIMIZERS

if TYPE_CHECKING:
    from roofline.devices.spec import DeviceSpec, Processor


class Target(NamedTuple):
    """Where a model is to run, as far as counting has to know."""

    device: DeviceSpec | None
    processor: Processor | None
    policy: PrecisionPolicy
    pipes: tuple[tuple[str, str], ...]
    """(pipe, precision) that the processor has; empty without a device."""
    cache_bytes: float | None
    """Last-level cache."""


def choose_target(
    device: str | Path | DeviceSpec | None, processor: str | None, runtime: str | None, precision: str | None
) -> Target:
    """Return the processor that is meant, and the precision policy that follows from it.

    Raises:
        DeviceError, SpecError: there is no such device or processor, or its rate at `precision` is unknown.
        UsageError: a processor without a device, or one that does not go with the runtime.
    """
    if device is None:
        if processor is not None:
            raise UsageError("a processor without a device", expected="--device as well")
        return Target(None, None, PrecisionPolicy(requested=precision, runtime=runtime), (), None)
    from roofline.devices.load import load_device  # late: counting alone needs no device

    spec = load_device(device)
    chosen = _processor(spec, processor, runtime)
    if precision is not None:
        _refuse_unknown_rate(spec, chosen, precision)
    policy = PrecisionPolicy(requested=precision, runtime=runtime, has_tf32=("matrix", "tf32") in chosen.pipes)
    cache = spec.cache_bytes.value if spec.cache_bytes else None
    return Target(spec, chosen, policy, tuple(chosen.pipes), cache)


def own_ops(path: str | Path | None) -> OwnOps:
    """Return the rules to count by: the built-in ones, and before them those of a file of formulas."""
    if path is None:
        return OwnOps(RULES, {})
    from roofline.formula_ops import load_ops

    return load_ops(path)


def loose(findings: Iterable[Finding], path: str) -> GateError | None:
    """Return what `--strict` refuses: findings that say a result is incomplete or rests on an assumption."""
    found = [finding for finding in findings if finding.strict]
    if not found:
        return None
    return GateError(
        "--strict is not met: " + "; ".join(f"{f.code} ({f.where})" for f in found[:5]),
        where=path,
        hint=found[0].hint,
    )


def check_options(
    precision: str | None,
    phase: str,
    traffic: str,
    runtime: str | None,
    clocks: str,
    calibration: object,
    optimizer: str | None = None,
    recompute: bool = False,
) -> None:
    """Raise `UsageError` for an option that is unknown, or does not go with another."""

    def one_of(name: str, value: str | None, allowed: Sequence[str]) -> None:
        if value is not None and value not in allowed:
            raise UsageError(f"{value!r} is unknown", where=f"--{name}", expected=", ".join(allowed))

    one_of("precision", precision, PRECISIONS)
    one_of("phase", phase, ("inference", "training"))
    one_of("runtime", runtime, RUNTIMES)
    one_of("clocks", clocks, ("locked", "stock"))
    one_of("traffic", traffic, TRAFFIC_MODELS)
    if calibration == "":
        raise UsageError("no name", where="--calibration", expected="auto, none, a calibration's name or its file")
    one_of("optimizer", optimizer, tuple(OPTIMIZERS))
    if phase == "training" and precision in ("fp8", "int8", "int4"):
        raise UsageError(
            f"training in {precision} is not modelled", where="--precision", expected="fp32, tf32, fp16 or bf16"
        )
    if phase == "training" and traffic == "ideal":
        raise UsageError("a training step has no ideal traffic", where="--phase training", expected="fused or unfused")
    if recompute and (phase != "training" or traffic != "fused"):
        raise UsageError(
            "there is nothing to make again", where="--recompute", expected="--phase training, with --traffic fused"
        )
    if optimizer is not None and (phase != "training" or traffic == "pagoda"):
        reason = "Pagoda's training factor has no optimiser" if phase == "training" else "an optimiser without training"
        raise UsageError(reason, where="--optimizer", expected="--phase training, with --traffic fused or unfused")


def _refuse_unknown_rate(device: DeviceSpec, processor: Processor, precision: str) -> None:
    known = {p for _, p in processor.pipes}
    if precision not in known and not (precision == "tf32" and "fp32" in known):
        raise DeviceError(
            f"the {precision} rate of its {processor.name} is not known",
            where=f"{device.id}: --precision",
            expected=", ".join(sorted(known)),
        )


def _processor(device: DeviceSpec, name: str | None, runtime: str | None) -> Processor:
    wanted = name or ("cpu" if runtime == "ort-cpu" else "gpu" if "gpu" in device.processors else "cpu")
    found = device.processors.get(wanted)
    if found is None or wanted == "dla":
        usable = ", ".join(p for p in device.processors if p != "dla")
        reason = "layers cannot be placed on a DLA yet" if wanted == "dla" else f"no processor {wanted!r}"
        raise DeviceError(reason, where=f"--processor ({device.id})", expected=usable)
    if runtime == "ort-cpu" and wanted != "cpu":
        raise UsageError("ort-cpu runs on the CPU", where="--runtime", expected="--processor cpu, or none")
    return found
