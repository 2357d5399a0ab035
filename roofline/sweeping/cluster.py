"""Workers of a Dask cluster."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

from roofline.errors import RooflineError
from roofline.sweeping.local import Result, died
from roofline.sweeping.one_model import part_of_model
from roofline.sweeping.version import code_version

_AHEAD = 2
"""Models handed out per thread of a worker: one at work, one waiting."""
_CONNECT_S = 10
INSTALL = "pip install 'roofline[sweep]'"


def on_cluster(plan: str, models: Iterator[tuple[int, str]], address: str) -> Iterator[Result]:
    """Yield the number and part of each model as they are done, by the workers of a scheduler.

    Models are opened by the workers, by absolute path: the files must be where all of them see them. A task whose
    worker dies is given to another one.

    Raises:
        RooflineError: no scheduler answers, it has no workers, or one has another version of roofline.
    """
    distributed = _distributed()
    with _connected(distributed, address) as client:
        _check_workers(client, address)
        name = f"roofline-sweep-{uuid.uuid4().hex[:8]}"
        shared = client.submit(str, plan, key=f"{name}-plan", pure=False)
        finished = distributed.as_completed(loop=client.loop)
        running: dict[Any, tuple[int, str]] = {}

        def hand_out(many: int) -> None:
            for number, model in itertools.islice(models, many):
                future = client.submit(part_of_model, shared, model, key=f"{name}-{number}", pure=False)
                running[future] = number, model
                finished.add(future)

        hand_out(_AHEAD * max(1, sum(client.nthreads().values())))
        for future in finished:
            number, model = running.pop(future)
            yield number, _result(distributed, future, model, address)
            future.release()
            hand_out(1)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise RooflineError("dask is not installed", where="--scheduler", hint=INSTALL) from None
    return distributed


def _connected(distributed: Any, address: str) -> Any:
    try:
        return distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except Exception as error:  # noqa: BLE001 - an address can fail in every way that its protocol knows
        raise RooflineError(
            f"no Dask scheduler answers ({type(error).__name__})",
            where=f"--scheduler {address}",
            expected="the address that `dask scheduler` prints, such as tcp://10.0.0.1:8786",
        ) from None


def _check_workers(client: Any, address: str) -> None:
    """Refuse workers without roofline, or with another version of it: their results would differ."""
    found = client.run(code_version, on_error="return")
    if not found:
        raise RooflineError(
            "the scheduler has no workers", where=f"--scheduler {address}", hint=f"start some: dask worker {address}"
        )
    for worker, version in found.items():
        if isinstance(version, BaseException):
            raise RooflineError(
                f"the worker {worker} cannot load roofline ({type(version).__name__}: {version})",
                where=f"--scheduler {address}",
                expected=f"roofline {code_version()}",
                hint=f"{INSTALL} there",
            )
        if version != code_version():
            raise RooflineError(
                f"the worker {worker} has roofline {version}",
                where=f"--scheduler {address}",
                expected=f"{code_version()}, as here",
                hint="install one version everywhere",
            )


def _result(distributed: Any, future: Any, model: str, address: str) -> Any:
    try:
        return future.result()
    except distributed.scheduler.KilledWorker:
        return died(model)
    except RooflineError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever Dask raises when connections or the scheduler go
        raise RooflineError(
            f"the cluster gave up: {type(error).__name__}: {error}",
            where=f"--scheduler {address}",
            hint="run the same command again: what is done is kept",
        ) from None
