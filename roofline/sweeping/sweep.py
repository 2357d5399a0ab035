"""The public `sweep`: models x devices x power modes x batch sizes x precisions, to a file or row by row."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

from roofline.errors import RooflineError, UsageError
from roofline.sweeping.local import Result, check_jobs, in_processes, in_this_process
from roofline.sweeping.part import Part
from roofline.sweeping.plan import Plan, make_plan, sha256_of
from roofline.sweeping.sinks import Sink, form_of, open_sink
from roofline.sweeping.store import Cache, Unfinished
from roofline.sweeping.summary import Summary, Tally

OnPart = Callable[[int, int, int], None]
"""Called after each model with: models done, models in all, models with errors."""


class _Workers(NamedTuple):
    jobs: int
    scheduler: str | None

    def run(self, plan: Plan, models: list[tuple[int, str]]) -> Iterator[Result]:
        """Yield parts as they are done."""
        if self.scheduler is not None:
            from roofline.sweeping.cluster import on_cluster

            return on_cluster(plan.to_text(), iter(models), self.scheduler)
        jobs = min(self.jobs, len(models))
        if jobs == 1:
            return in_this_process(plan.to_text(), iter(models))
        return in_processes(plan.to_text(), iter(models), jobs)


@overload
def sweep(
    models: Sequence[str | Path], devices: str | Path | Sequence[str | Path], *, output: None = None, **options: Any
) -> Iterator[dict[str, Any]]: ...
@overload
def sweep(
    models: Sequence[str | Path], devices: str | Path | Sequence[str | Path], *, output: str | Path, **options: Any
) -> Summary: ...
def sweep(
    models: Sequence[str | Path],
    devices: str | Path | Sequence[str | Path],
    *,
    output: str | Path | None = None,
    grid: str = "named",
    batches: Sequence[int] = (),
    precisions: Sequence[str | None] = (None,),
    traffics: Sequence[str] = ("fused",),
    bindings: Mapping[str, int] | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    jobs: int | None = 1,
    scheduler: str | None = None,
    ordered: bool = False,
    resume: bool = True,
    cache: str | Path | None = None,
    on_part: OnPart | None = None,
    **options: Any,
) -> Iterator[dict[str, Any]] | Summary:
    """Evaluate many models on many devices, in every mode of a grid.

    Args:
        models: paths of ``.onnx`` files. What goes wrong with one of them is a row (``error``), never raised.
        devices: ids, aliases or files.
        output: ``.parquet`` or ``.csv`` file (or what a link of that name leads to), put in place when complete. What
            is finished is kept beside it in ``OUTPUT.parts`` until then, so a call that was cut off goes on where it
            stood. None yields the rows.
        grid: ``named``, ``full``, ``full+tpc``, or a file of modes: as for `roofline.select`. Of modes that differ
            only in knobs that the model cannot see, one stands for all.
        batches: batch sizes, bound to the dimension that each model names like a batch; empty takes what each has.
        precisions, traffics: as in `roofline.analyze`, several at once.
        bindings, shapes: as in `roofline.analyze`; a model that has no such dimension is evaluated without.
        jobs: processes on this machine; None is one per processor, 1 works in this process. A script that asks for
            more needs ``if __name__ == "__main__":`` around it, as `multiprocessing` does.
        scheduler: address of a Dask scheduler, whose workers do the work instead.
        ordered: rows in the order of `models`; else as models are done.
        resume: go on from ``OUTPUT.parts``, and try models that failed again; False starts anew.
        cache: folder of results by content, options, version and rules, which any number of sweeps may share. Rules
            of your own (`roofline.operator`) count with the functions, globals and values they refer to; where one
            refers to what cannot be compared (objects of a class, modules that read files or the clock), nothing is
            taken from the cache, nor from ``OUTPUT.parts``. A cache that cannot be written does not stop a sweep.
        on_part: called after each model.
        **options: runtime, processor, clocks, phase, optimizer, recompute, calibration (a text), ops and strict of
            `roofline.analyze`.

    Returns:
        A `Summary`; without `output` an iterator over rows, dicts of `roofline.sweeping.part.COLUMNS`.

    Raises:
        UsageError, DeviceError, SpecError: what is asked for cannot be right, whatever the models.
        RooflineError: the output cannot be written, or the cluster cannot be used.
    """
    names = list(dict.fromkeys(os.fspath(model) for model in models))
    if not names:
        raise UsageError("a sweep needs models", expected="one or more .onnx files")
    if "-" in names:
        raise UsageError("a sweep reads files, not standard input", where="MODEL", expected="paths of .onnx files")
    listed = [devices] if isinstance(devices, (str, Path)) else list(devices)
    plan = make_plan(
        listed, grid=grid, batches=batches, precisions=precisions, traffics=traffics, bindings=bindings,
        shapes=shapes, **options,
    )  # fmt: skip
    workers = _Workers(check_jobs(jobs), scheduler)
    kept = None if cache is None or plan.is_unique else Cache(Path(cache), plan)
    if output is None:
        return _rows(names, plan, workers, kept, ordered=ordered)
    return _to_file(names, plan, workers, kept, Path(output), ordered=ordered, resume=resume, on_part=on_part)


def _rows(
    names: list[str], plan: Plan, workers: _Workers, cache: Cache | None, *, ordered: bool
) -> Iterator[dict[str, Any]]:
    early: dict[int, Part] = {}
    due = 0
    for number, part, _ in _parts(names, plan, workers, cache, None):
        if not ordered:
            yield from part.rows(names[number])
            continue
        early[number] = part
        while due in early:
            yield from early.pop(due).rows(names[due])
            due += 1


def _to_file(
    names: list[str],
    plan: Plan,
    workers: _Workers,
    cache: Cache | None,
    output: Path,
    *,
    ordered: bool,
    resume: bool,
    on_part: OnPart | None,
) -> Summary:
    form = form_of(output)
    place = Path(os.path.realpath(output))  # what a link leads to, not the link
    if place.is_dir() or not place.parent.is_dir():
        raise RooflineError("cannot write: no such folder, or a folder itself", where=str(output))
    if place.exists() and not place.is_file():
        raise RooflineError("cannot write: this is no regular file", where=str(output))
    tally = Tally()
    with Unfinished(place, plan, resume=resume) as unfinished:
        making = unfinished.path(place.name)
        with open_sink(making, form) as sink:
            queue = _InOrder(sink, names, unfinished) if ordered else None
            for number, part, source in _parts(names, plan, workers, cache, unfinished):
                tally.add(number, names[number], part, source)
                if queue is None:
                    sink.add(part, names[number])
                else:
                    queue.add(number, part)
                if on_part is not None:
                    on_part(tally.models, len(names), tally.failed)
        try:
            making.replace(place)
        except OSError as error:
            raise RooflineError(f"cannot write: {error.strerror}", where=str(output)) from None
        unfinished.remove()
    return tally.summary(str(output), len(plan.devices), [*plan.bindings, *plan.shapes])


class _InOrder:
    """Hands parts on in the order of the models. Early ones wait on disk, where they are anyway."""

    def __init__(self, sink: Sink, names: list[str], unfinished: Unfinished) -> None:
        self._sink, self._names, self._unfinished = sink, names, unfinished
        self._early: dict[int, str] = {}
        self._due = 0

    def add(self, number: int, part: Part) -> None:
        """Take a part, and hand on all whose turn it is."""
        if number != self._due:
            self._early[number] = self._unfinished.key(self._names[number], part.sha256)
            return
        self._hand_on(part)
        while self._due in self._early:
            key = self._early.pop(self._due)
            waiting = self._unfinished.load(key)
            if waiting is None:
                raise RooflineError("a finished part is gone", where=str(self._unfinished.folder))
            self._hand_on(waiting)

    def _hand_on(self, part: Part) -> None:
        self._sink.add(part, self._names[self._due])
        self._due += 1


def _parts(
    names: list[str], plan: Plan, workers: _Workers, cache: Cache | None, unfinished: Unfinished | None
) -> Iterator[tuple[int, Part, str]]:
    """Yield (number, part, where it came from) of every model: first what is there already, then what is done."""
    to_do = []
    for number, name in enumerate(names):
        found = _there_already(name, plan, cache, unfinished)
        if found is None:
            to_do.append((number, name))
        else:
            yield number, *found
    for number, part in workers.run(plan, to_do) if to_do else ():
        if unfinished is not None:
            unfinished.save(unfinished.key(names[number], part.sha256), part)
        if cache is not None:
            cache.save(part)
        yield number, part, "computed"


def _there_already(
    name: str, plan: Plan, cache: Cache | None, unfinished: Unfinished | None
) -> tuple[Part, str] | None:
    may_resume = unfinished is not None and unfinished.has_parts
    if cache is None and not may_resume:
        return None
    path = Path(plan.folder, name)
    try:
        sha256 = sha256_of(path) if path.is_file() else None
    except OSError:
        return None
    if unfinished is not None and may_resume:
        part = unfinished.load(unfinished.key(name, sha256))
        if part is not None and not part.is_failed:  # a failure may pass: no memory, a file that could not be read
            return part, "resumed"
    part = cache.load(sha256) if cache is not None and sha256 is not None else None
    if part is not None and unfinished is not None:
        unfinished.save(unfinished.key(name, sha256), part)
    return None if part is None else (part, "cached")
