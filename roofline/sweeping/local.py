"""Workers on this machine: this process, or processes of their own. A worker that dies is survived."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from roofline.errors import RooflineError, UsageError, one_line
from roofline.sweeping.one_model import part_of_model
from roofline.sweeping.part import Part, failed_part
from roofline.sweeping.threads import one_thread_each

Work = Callable[[str, str], Part]
"""(plan's text, name of a model) -> its part."""
Result = tuple[int, Part]
T = TypeVar("T")
ATTEMPTS = 3
"""How often a model is tried whose worker dies."""
_AHEAD = 2
"""Models handed out per worker: one at work, one waiting."""
_plan = ""
"""In a worker: the text of the plan."""
_work: Work = part_of_model


def died(name: str) -> Part:
    """Return the part of a model that no worker survives."""
    return failed_part(one_line(f"{name}: every worker that tried it died (out of memory?)"))


def in_this_process(plan: str, models: Iterator[tuple[int, str]], work: Work = part_of_model) -> Iterator[Result]:
    """Yield the number and part of each model, one after the other."""
    for number, name in models:
        yield number, work(plan, name)


def in_processes(
    plan: str, models: Iterator[tuple[int, str]], jobs: int, work: Work = part_of_model
) -> Iterator[Result]:
    """Yield the number and part of each model as they are done, by `jobs` processes.

    When a worker dies, all models that were at work are tried again alone, so that it is known which one it was.

    Raises:
        RooflineError: worker processes cannot start.
    """
    suspects: list[tuple[int, str]] = []
    more = True
    while more:
        running: dict[Future[Part], tuple[int, str]] = {}
        with _pool(plan, jobs, work) as pool:
            try:
                while more or running:
                    while more and len(running) < _AHEAD * jobs:
                        task = next(models, None)
                        if task is None:
                            more = False
                        else:
                            suspects.append(task)  # and stays one, if the pool is broken already
                            future = _submit(pool, _one, task[1])
                            running[future] = suspects.pop()
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        part = future.result()
                        yield running.pop(future)[0], part
            except BrokenProcessPool:
                suspects += running.values()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        if suspects:
            yield from _each_alone(plan, suspects, work)
            suspects = []


def _each_alone(plan: str, suspects: list[tuple[int, str]], work: Work) -> Iterator[Result]:
    tries = [(number, name, attempt) for number, name in suspects for attempt in range(2, ATTEMPTS + 1)]
    settled: set[int] = set()
    while tries:
        with _pool(plan, 1, work) as pool:
            try:
                while tries:
                    number, name, attempt = tries.pop(0)
                    if number in settled:
                        continue
                    part = _submit(pool, _one, name).result()
                    settled.add(number)
                    yield number, part
            except BrokenProcessPool:
                if attempt == ATTEMPTS:
                    yield number, died(name)


@contextlib.contextmanager
def _pool(plan: str, jobs: int, work: Work) -> Iterator[ProcessPoolExecutor]:
    """Give a pool whose first process has started."""
    context = multiprocessing.get_context("spawn")  # never fork: this process may have threads
    pools = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(plan, work))
    with one_thread_each(), pools as pool:
        try:
            _submit(pool, os.getpid).result()
        except BrokenProcessPool:
            raise RooflineError(
                "worker processes cannot start",
                where="jobs",
                hint="a script needs `if __name__ == '__main__':` around work by several; jobs=1 does not",
            ) from None
        yield pool


def _submit(pool: ProcessPoolExecutor, function: Callable[..., T], *arguments: Any) -> Future[T]:
    """Hand out work. This may start a process, which inherits that interrupts wait: Ctrl-C is its parent's business."""
    with _interrupts_wait():
        return pool.submit(function, *arguments)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(plan: str, work: Work) -> None:
    """Make a process a worker: Ctrl-C is its parent's business, and it ends when the parent is gone."""
    global _plan, _work
    _plan, _work = plan, work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _one(name: str) -> Part:
    return _work(_plan, name)


def check_jobs(jobs: int | None) -> int:
    """Return the number of processes: as many as there are processors to use, if none is asked for."""
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise UsageError(f"{jobs} is no number of processes", where="--jobs", expected="1 or more")
    return jobs
