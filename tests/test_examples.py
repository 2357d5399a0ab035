"""Examples run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name)
def test_script_runs(script: Path) -> None:
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    expected = {
        "modes.py": "MODE_30W",
        "gallery.py": "12 pictures",
        "own_operator.py": "4096 MACs at batch 8\n512*batch MACs in general\n",
    }
    assert expected[script.name] in result.stdout
