"""Files that once broke a command, and a short run of new ones. The long run is tests/fuzz/run.py."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.harness import attempt
from fuzz.targets import arguments, prepare, targets

HERE = Path(__file__).parent
CORPUS = sorted(path for path in (HERE / "corpus").rglob("*") if path.is_file())
TARGETS = {target.name: target for target in targets()}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_file_that_once_broke_a_command(path: Path, tmp_path: Path) -> None:
    """Each file ran into a traceback, a crash or a wrong output once; every command of its kind reads it."""
    prepare(tmp_path)
    target = TARGETS[path.parent.name]
    assert target.suffix == path.suffix
    name = f"hostile{path.suffix}"
    (tmp_path / name).write_bytes(path.read_bytes())
    for command in target.commands:
        outcome = attempt(arguments(command, name, tmp_path), tmp_path)
        assert not outcome.defect, f"{command}: {outcome}"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory")
def test_a_short_run_of_new_files(tmp_path: Path) -> None:
    command = [sys.executable, str(HERE / "run.py"), "--cases", "600", "--seed", "20", "--corpus", str(tmp_path)]
    done = subprocess.run([*command, "--plain"], capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.search(r"(?m)^all +(\d+) +(\d+) +(\d+)", done.stdout)
    assert counts and int(counts[1]) == 600 and min(int(counts[2]), int(counts[3])) > 100, done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory")
def test_the_run_finds_a_defect_that_is_there(tmp_path: Path) -> None:
    """A command that fails in an unexpected way, writes elsewhere or hangs: the harness says so."""
    script = tmp_path / "broken.py"
    script.write_text(BROKEN.format(tests=str(HERE.parent)))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "unexpected", "touched open", "more than 0.5 s", "2 lines for exit code 1", "shows the control character",
        "exit code 7", "exit code 1, but wrote 'out/x.txt'", "'out/x.csv' has the cell '=1'",
    ], done.stdout + done.stderr  # fmt: skip


BROKEN = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from fuzz import harness

def wrong():
    print("roofline: unexpected KeyError: 1; please report it", file=sys.stderr)
    return 1

def elsewhere():
    Path("elsewhere.txt").write_text("x")
    Path("elsewhere.txt").unlink()
    return 0

def long():
    time.sleep(5)

def talkative():
    print("one\\ntwo", file=sys.stderr)
    return 1

def coloured():
    print("\\x1b[31m")
    return 0

def half():
    Path("out/x.txt").write_text("half")
    print("roofline: no", file=sys.stderr)
    return 1

def formula():
    Path("out/x.csv").write_text("a\\n=1\\n")
    return 0

for work in (wrong, elsewhere, long, talkative, coloured, lambda: 7, half, formula):
    harness.main = lambda arguments: work()
    said = harness.attempt([], Path("case").absolute(), seconds=0.5).defect
    print(said.split(":")[0] if said[:5] in ("unexp", "touch") else said.split(" '\\\\")[0])
"""
