"""Inputs of the user's own, out of a .npz file: read only where they are what the model takes.

A .npz file is a zip archive with a .npy file for each array. A few bytes of it can stand for gigabytes, so the head of
each array is held against the model before its values are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from roofline.bench.feeds import refuse_other
from roofline.errors import MeasurementError
from roofline.graph.nodes import Graph

_HEAD_BYTES = 16_384
"""More than numpy reads as the head of an array."""
_EXPECTED = "a .npz file of arrays, as numpy.savez writes it"


def read_inputs(path: str | os.PathLike[str] | None, graph: Graph) -> dict[str, NDArray[Any]]:
    """Return values by input name; none without a file.

    Raises:
        MeasurementError: the file cannot be read, or holds an array that the model does not take.
    """
    if path is None:
        return {}
    where = os.fspath(path)
    with _reading(where):
        archive = ZipFile(path)
    with archive:
        return _arrays(archive, graph, where)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        problem = error.strerror or str(error)
        raise MeasurementError(f"cannot be read: {problem}", where=where, expected=_EXPECTED) from None
    except Exception as error:  # zipfile, zlib and numpy raise a dozen kinds on damaged files, EOFError among them
        problem = str(error) or type(error).__name__
        raise MeasurementError(f"cannot be read: {problem}", where=where, expected=_EXPECTED) from error


def _arrays(archive: ZipFile, graph: Graph, where: str) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name == member.filename:
            raise MeasurementError(f"{name!r} in it is no array", where=where, expected=_EXPECTED)
        if name not in graph.inputs:
            raise MeasurementError(f"the model has no input {name!r}", where=where, expected=str(graph.inputs))
        if name in found:
            raise MeasurementError(f"{name!r} is there twice", where=where, expected="one array for each input")
        with _reading(where), archive.open(member) as file:
            shape, dtype = _head(file)
        refuse_other(shape, dtype, graph.tensors[name], where)
        with _reading(where), archive.open(member) as file:
            found[name] = np.lib.format.read_array(file, allow_pickle=False)
            goes_on = file.read(1)  # at the end the checksum is compared
        if goes_on:
            raise MeasurementError(f"{member.filename} goes on behind its array", where=where, expected=_EXPECTED)
    return found


def _head(file: IO[bytes]) -> tuple[tuple[int, ...], str]:
    """Return shape and type of an array."""
    head = BytesIO(file.read(_HEAD_BYTES))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(head)
    return shape, str(dtype)
