"""Fuzz the byte-level reader guided by coverage, with atheris (pip install atheris: Linux, Python 3.11 to 3.13).

    python tests/fuzz/guided.py [FOLDER] [-runs=200000] [-max_len=4096] ...

Options are libFuzzer's; FOLDER keeps the inputs that reach new code. Anything but an answer or a `RooflineError` ends
the run and is written to a file, which belongs to corpus/.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["roofline"]):
    import roofline.graph.load
    import roofline.graph.read
    import roofline.graph.wire
from roofline.errors import RooflineError

MODELS = Path(__file__).parents[1] / "data" / "exports"


def one(data: bytes) -> None:
    """Read bytes as a model."""
    try:
        roofline.graph.wire.strip_weights(memoryview(data))
        roofline.graph.read.read_graph(data)
    except RooflineError as error:
        if "\n" in str(error):
            raise ValueError("an error of several lines") from error


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as seeds:
        for path in MODELS.glob("*.onnx"):
            if path.stat().st_size < 20_000:
                (Path(seeds) / path.name).write_bytes(path.read_bytes())
        folders = [argument for argument in sys.argv[1:] if not argument.startswith("-")] or [seeds]
        options = [argument for argument in sys.argv[1:] if argument.startswith("-")] or ["-runs=20000"]
        atheris.Setup([sys.argv[0], *options, *dict.fromkeys([*folders, seeds])], one)
        atheris.Fuzz()
