"""Files are written whole or not at all, whoever interrupts; a cache entry is whole whoever writes it too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import model_path

from roofline import cache
from roofline.errors import RooflineError
from roofline.files import write_whole

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("step", ["write", "chmod", "replace"])
@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError])
def test_an_interrupt_at_any_step_leaves_what_was_there(
    step: str, problem: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise problem(28, "No space left on device")

    output = tmp_path / "o.txt"
    output.write_text("before")
    if step == "write":
        real = os.fdopen

        def broken(handle: int, mode: str) -> object:
            file = real(handle, mode, buffering=0)
            file.write(b"half")
            file.close()
            raise problem(28, "No space left on device")

        monkeypatch.setattr(os, "fdopen", broken)
    else:
        monkeypatch.setattr(Path, step, stop)
    with pytest.raises(KeyboardInterrupt if problem is KeyboardInterrupt else RooflineError):
        write_whole("after", output)
    monkeypatch.undo()
    assert output.read_text() == "before" and [path.name for path in tmp_path.iterdir()] == ["o.txt"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_at_any_time_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """`report` of a large model, interrupted a little later each time, over a file that is there."""
    output = tmp_path / "out" / "r.html"
    output.parent.mkdir()
    command = [sys.executable, "-m", "roofline", "report", str(model_path("resnet18")), "--device", "orin-agx", "-o"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    subprocess.run([*command, str(output)], env=environment, check=True, capture_output=True)
    whole, took_s = output.read_bytes(), time.monotonic() - started
    codes = []
    for part in range(12):
        output.write_text("before")
        process = subprocess.Popen(
            [*command, str(output)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        time.sleep(took_s * (0.35 + 0.06 * part))  # before, Python itself is starting
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].decode()
        codes.append(process.returncode)
        assert [path.name for path in output.parent.iterdir()] == ["r.html"], said
        assert output.read_bytes() in (b"before", whole)
        assert process.returncode in (0, 130, -signal.SIGINT, 1), said
        if process.returncode == 0:
            assert output.read_bytes() == whole
    assert 130 in codes  # some were in the middle of it


WRITER = """
import sys
from roofline import cache
value = list(range(30000))
for _ in range(60):
    cache.store("key.json", value)
    found = cache.load("key.json")
    assert found is None or found == value
"""


def test_a_cache_entry_is_whole_whoever_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes and four threads write and read one entry."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    others = [subprocess.Popen([sys.executable, "-c", WRITER], env=environment) for _ in range(2)]
    value = list(range(30000))

    def work(_: int) -> object:
        cache.store("key.json", value)
        return cache.load("key.json")

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(120)))
    assert [process.wait(timeout=120) for process in others] == [0, 0]
    assert all(each == value for each in found)
    assert [path.name for path in (tmp_path / "roofline").iterdir()] == ["key.json"]


def test_an_interrupt_while_the_command_line_is_loaded_is_one_line() -> None:
    program = """
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "roofline.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from roofline.__main__ import run
run()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "roofline: interrupted\n")
