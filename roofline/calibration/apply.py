"""From a calibration to the factors of one workload's layers; and which calibration applies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from roofline.calibration.classes import layer_class
from roofline.calibration.file import load_named, read_calibration
from roofline.calibration.record import ANY_CLASS, COUNTING_VERSION, Calibration, ClassFactors, Work
from roofline.counting import LayerCount
from roofline.devices.locate import calibration_files, calibration_folders
from roofline.devices.modes import find_mode, show_knob
from roofline.devices.spec import DeviceSpec, PowerMode, Processor
from roofline.errors import DeviceError, SpecError
from roofline.graph.nodes import Graph
from roofline.prediction import Factors


class Question:
    """What is to be predicted, as far as a calibration must match it."""

    def __init__(
        self,
        device: DeviceSpec,
        processor: Processor,
        runtime: str | None,
        precision: str,
        traffic: str,
        work: Work,
        phase: str = "inference",
        clocks: str = "locked",
    ) -> None:
        self.device, self.processor, self.runtime = device, processor, runtime
        self.precision, self.traffic, self.work = precision, traffic, work
        self.phase, self.clocks = phase, clocks

    def mismatch(self, found: Calibration) -> str:
        """Return in words why a calibration does not apply; empty if it does."""
        key = found.key
        for name, wanted, has in (
            ("device", self.device.id, key.device),
            ("variant", self.device.variant, key.variant),
            ("processor", self.processor.name, key.processor),
            ("precision", self.precision, key.precision),
            ("phase", self.phase, key.phase),
            ("traffic", self.traffic, key.traffic),
            ("runtime", self.runtime or key.runtime, key.runtime),
        ):
            if wanted != has:
                return f"it is for {name} {has or 'without a name'}, this is {wanted or 'without a name'}"
        if self.clocks == "stock" and key.clocks == "locked":
            return "it is for locked clocks, this is for stock clocks"
        if key.counting != COUNTING_VERSION:
            return f"it was fitted to counts of version {key.counting}, this tool counts by version {COUNTING_VERSION}"
        if found.work is not None and found.work != self.work:
            return f"it is for {found.workload} ({_shown(found.work)}), this is another workload ({_shown(self.work)})"
        return ""


def work_of(graph: Graph, counts: Sequence[LayerCount]) -> Work:
    """Return what identifies a counted workload."""
    counted = [count for count in counts if count.status == "counted"]
    return Work(
        macs=int(sum(count.cost.macs for count in counted)),
        flops=int(sum(count.cost.flops for count in counted)),
        nodes=len(counted),
        batch=graph.batch,
    )


def _shown(work: Work) -> str:
    return f"{work.macs} MAC, {work.nodes} counted nodes, batch {work.batch}"


def choose_calibration(wanted: str | Calibration | Sequence[Calibration], question: Question) -> Calibration | None:
    """Return the calibration that is named or given, or for ``auto`` the shipped one that applies, or None.

    Of several that are given, the one that applies is chosen as for ``auto``.

    ``auto`` needs the runtime to be named: the same model takes several times as long under another one.

    Raises:
        SpecError: a named calibration that does not exist or does not apply.
    """
    if wanted == "none" or (wanted == "auto" and question.runtime is None):
        return None
    if isinstance(wanted, Calibration) or (isinstance(wanted, str) and wanted != "auto"):
        found = wanted if isinstance(wanted, Calibration) else load_named(wanted, calibration_folders())
        reason = question.mismatch(found)
        if reason:
            raise SpecError(
                "this calibration does not apply", where=found.path or found.name, expected=f"another one: {reason}"
            )
        return found
    known = map(read_calibration, calibration_files(question.device.id)) if isinstance(wanted, str) else wanted
    fitting = [found for found in known if not question.mismatch(found)]
    # the one made for this very workload goes first
    return min(fitting, key=lambda found: found.work is None) if fitting else None


def factors_of(calibration: Calibration, layers: Sequence[LayerCount]) -> Factors:
    """Return a calibration spread over layers: each gets the factors of its class, or those of any class.

    Raises:
        SpecError: the calibration says nothing about a class that is there.
    """
    chosen = [_class_factors(calibration, layer) for layer in layers]
    power = calibration.power
    return Factors(
        name=calibration.name,
        compute=np.array([factors.compute.value for factors in chosen]),
        memory=np.array([factors.memory.value for factors in chosen]),
        kernel_s=np.array(
            [
                factors.kernel_s.value if layer.status == "counted" else 0.0
                for factors, layer in zip(chosen, layers, strict=True)
            ]
        ),
        knee=calibration.time.knee.value,
        host_s=calibration.time.host_s.value,
        time_band=(calibration.time.band.low, calibration.time.band.high),
        power=None if power is None else np.array([term.value for term in power.terms]),
        speed_reference=1.0 if power is None else power.speed_reference,
        power_band=(1.0, 1.0) if power is None else (power.band.low, power.band.high),
        boundary=calibration.key.power_boundary,
    )


def _class_factors(calibration: Calibration, layer: LayerCount) -> ClassFactors:
    classes = calibration.time.classes
    found = classes.get(layer_class(layer)) or classes.get(layer.op_class) or classes.get(ANY_CLASS)
    if found is None:
        raise SpecError(
            f"no factors for layers of class {layer.op_class or 'unknown'}", where=f"{calibration.path}: time.classes"
        )
    return found


def outside(calibration: Calibration, device: DeviceSpec, mode: PowerMode) -> str:
    """Return in words which knobs of a mode lie outside those of the fitted runs; empty if none does.

    Between the runs a prediction interpolates and its band was tested; beyond them it was not.
    """
    if calibration.work is None:
        return ""
    try:
        runs = [find_mode(device, name) for name in calibration.runs]
    except DeviceError:  # made on a file of the device that had other modes
        return ""
    said = []
    for knob, value in mode.knobs.items():
        measured = [run.knobs[knob] for run in runs if knob in run.knobs]
        if knob.startswith("dla") or not measured or min(measured) * 0.999 <= value <= max(measured) * 1.001:
            continue
        ends = dict.fromkeys((show_knob(knob, min(measured)), show_knob(knob, max(measured))))
        said.append(f"{knob}={show_knob(knob, value)} (measured: {' to '.join(ends)})")
    return ", ".join(said)
