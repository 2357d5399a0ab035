"""Run the script of the page without a page: in node where there is one, else in mini-racer (V8 from PyPI)."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from roofline.report.page import part


def run_js(parts: Sequence[str], expression: str, data: str = "null") -> Any:
    """Return what `expression` gives, with the named scripts loaded and JSON text `data` parsed as ``data``."""
    script = "\n".join(part(name) for name in parts) + f"\nconst data = {data};\n"
    if shutil.which("node"):
        program = f"{script}process.stdout.write(JSON.stringify({expression}));"
        done = subprocess.run(
            ["node", "-"], input=program, capture_output=True, text=True, check=False, encoding="utf-8"
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)
    racer = pytest.importorskip("py_mini_racer", reason="neither node nor mini-racer is there to run the page's script")
    return json.loads(racer.MiniRacer().eval(f"{script}JSON.stringify({expression});"))
