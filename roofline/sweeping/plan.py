"""What a sweep is asked for: checked once, and as text that goes to every worker."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from roofline.calibration.file import build as build_calibration
from roofline.calibration.file import load_named
from roofline.calibration.record import Calibration
from roofline.choices import check_options, choose_target, own_ops
from roofline.devices.load import build
from roofline.devices.locate import calibration_files, calibration_folders, find_device
from roofline.devices.spec import DeviceSpec
from roofline.errors import RooflineError, UsageError
from roofline.selection.candidates import GRIDS, listed_modes
from roofline.strict_yaml import load_file
from roofline.sweeping.version import code_version, own_operators

_UNIQUE = "unique-"


class Plan(NamedTuple):
    """Everything but the models. Plain data: it is sent to workers as JSON."""

    version: str
    """`code_version` of who made the plan; a worker of another version refuses it."""
    devices: tuple[dict[str, Any], ...]
    """Content of each device file (``data``), its place (``where``) and ``variant``: workers need no such files."""
    grid: str
    """``named``, ``full``, ``full+tpc``, or the absolute path of a list of modes."""
    batches: tuple[int, ...]
    """Empty: each model's own batch size."""
    precisions: tuple[str | None, ...]
    """None is what the file says."""
    traffics: tuple[str, ...]
    bindings: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    options: dict[str, Any]
    """The other options of `roofline.analyze`."""
    files: dict[str, str]
    """SHA-256 of the files that options name, and what stands for the rules of operators (`own_operators`); where
    that is not known, a text that no other plan has: its results are never taken for another one's."""
    calibrations: tuple[dict[str, Any], ...]
    """Content of each calibration that may be used (``data``) and its place (``where``): workers need no such files."""
    folder: str
    """Where the sweep was started: names of models are relative to it. Results do not depend on it."""

    def to_text(self) -> str:
        """Return the plan as JSON; equal plans give equal text."""
        return json.dumps(self._asdict(), sort_keys=True)

    @property
    def key(self) -> str:
        """A name for everything that results depend on besides the model."""
        return hashlib.sha256(self._replace(folder="").to_text().encode()).hexdigest()

    @property
    def is_unique(self) -> bool:
        """Whether no other plan can have this key, so that keeping results for one is of no use."""
        return self.files["operators"].startswith(_UNIQUE)


def plan_of(text: str) -> Plan:
    """Return the plan that `Plan.to_text` wrote."""
    data = json.loads(text)
    for name in ("devices", "batches", "precisions", "traffics", "calibrations"):
        data[name] = tuple(data[name])
    data["shapes"] = {name: tuple(shape) for name, shape in data["shapes"].items()}
    return Plan(**data)


def make_plan(
    devices: Sequence[str | Path],
    *,
    grid: str = "named",
    batches: Sequence[int] = (),
    precisions: Sequence[str | None] = (None,),
    traffics: Sequence[str] = ("fused",),
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    phase: str = "inference",
    optimizer: str | None = None,
    recompute: bool = False,
    runtime: str | None = None,
    processor: str | None = None,
    clocks: str = "locked",
    calibration: str = "auto",
    ops: str | Path | None = None,
    strict: bool = False,
) -> Plan:
    """Check what is asked for, before the first model is read.

    Raises:
        UsageError: options that are unknown, contradict each other, or are there twice.
        SpecError: there is no such calibration, or its file is wrong.
        DeviceError, SpecError: no such device, or its file is wrong; a grid file names no mode of it; no device
            knows any of the precisions.
    """
    if not devices:
        raise UsageError("a sweep needs devices", where="--device", expected="one or more")
    for name, values in (("device", devices), ("batch", batches), ("precision", precisions), ("traffic", traffics)):
        if len(set(values)) != len(values):
            raise UsageError("the same one is there twice", where=f"--{name}")
    if any(isinstance(batch, bool) or not isinstance(batch, int) or batch < 1 for batch in batches):
        raise UsageError("a batch size is a whole number from 1", where="--batch", expected="such as 1,2,4")
    options: dict[str, Any] = {
        "phase": phase, "optimizer": optimizer, "recompute": recompute, "runtime": runtime, "processor": processor,
        "clocks": clocks, "strict": strict, "calibration": calibration,
    }  # fmt: skip
    described = tuple(_described(device) for device in devices)
    specs = [device_of(entry) for entry in described]
    if len({(entry["where"], spec.variant) for entry, spec in zip(described, specs, strict=True)}) < len(specs):
        raise UsageError("the same one is there twice, by another name", where="--device")
    _check_all(specs, precisions, traffics, options)
    files = {"operators": own_operators() or f"{_UNIQUE}{uuid.uuid4().hex}"}
    if ops is not None:
        own_ops(ops)
        options["ops"] = str(Path(ops).absolute())
        files["ops"] = sha256_of(Path(ops))
    if grid not in GRIDS:
        for spec in specs:
            listed_modes(spec, grid, clocks)
        files["grid"] = sha256_of(Path(grid))
        grid = str(Path(grid).absolute())
    return Plan(
        version=code_version(),
        devices=described,
        grid=grid,
        batches=tuple(batches),
        precisions=tuple(precisions),
        traffics=tuple(traffics),
        bindings=dict(bindings or {}),
        shapes={name: tuple(shape) for name, shape in (shapes or {}).items()},
        options=options,
        files=files,
        calibrations=tuple(_calibrations(calibration, specs, runtime)),
        folder=str(Path.cwd()),
    )


def device_of(described: Mapping[str, Any]) -> DeviceSpec:
    """Return a device of a plan."""
    return build(described["data"], described["where"], described["variant"])


def calibrations_of(plan: Plan) -> str | Calibration | tuple[Calibration, ...]:
    """Return what `roofline.analyze` is given: ``none``, the calibration that is named, or all that may apply."""
    found = tuple(build_calibration(entry["data"], entry["where"]) for entry in plan.calibrations)
    if plan.options["calibration"] in ("auto", "none"):
        return found or "none"
    return found[0]


def _calibrations(wanted: str, specs: Sequence[DeviceSpec], runtime: str | None) -> Iterator[dict[str, Any]]:
    """Yield what a calibration's name stands for, read and checked; for ``auto`` all of each device."""
    if wanted == "none" or (wanted == "auto" and runtime is None):
        return
    places = [path for spec in specs for path in calibration_files(spec.id)]
    if wanted != "auto":
        places = [Path(load_named(wanted, calibration_folders()).path)]
    for path in dict.fromkeys(places):
        data = load_file(path)
        build_calibration(data, str(path))
        yield {"data": data, "where": str(path)}


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _described(device: str | Path) -> dict[str, Any]:
    if not isinstance(device, (str, Path)):
        raise UsageError(f"a sweep takes devices by id or file, not {type(device).__name__}", where="--device")
    path, variant = find_device(device)
    return {"data": load_file(path), "where": str(path), "variant": variant}


def _check_all(
    specs: Sequence[DeviceSpec],
    precisions: Sequence[str | None],
    traffics: Sequence[str],
    options: Mapping[str, Any],
) -> None:
    """Check every combination; a precision that one of several devices has not is told in its rows."""
    for precision in precisions:
        for traffic in traffics:
            check_options(
                precision, options["phase"], traffic, options["runtime"], options["clocks"], options["calibration"],
                options["optimizer"], options["recompute"],
            )  # fmt: skip
    refused: list[RooflineError] = []
    for spec in specs:
        for precision in precisions:
            try:
                choose_target(spec, options["processor"], options["runtime"], precision)
            except RooflineError as error:
                refused.append(error)
    if len(refused) == len(specs) * len(precisions):
        raise refused[0]
