"""Small models on disk, the command in a process of its own, and a Dask cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import build_model
from onnx import helper

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def write_gemm(path: Path, inner: int, outer: int, batch: str | int = "batch", blocks: int = 1) -> Path:
    """Write (batch, inner) x (inner, outer), then square layers: macs = batch * (inner * outer + ...)."""
    nodes, weights, name, width = [], {}, "x", inner
    for block in range(blocks):
        weights[f"w{block}"] = np.zeros((width, outer), np.float32)
        nodes.append(helper.make_node("MatMul", [name, f"w{block}"], [f"y{block}"], name=f"mm{block}"))
        name, width = f"y{block}", outer
    model = build_model(nodes, {"x": [batch, inner]}, [name], weights)
    path.write_bytes(model.SerializeToString())
    return path


def run_sweep(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``roofline sweep`` in a process of its own."""
    command = [sys.executable, "-m", "roofline", "sweep", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd, timeout=300)


def wait_until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait for something that is sure to come; how long it takes does not matter."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


class Cluster:
    """A scheduler and two workers on this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "cluster.log").open("w")
        contact = folder / "scheduler.json"
        self._scheduler = self._dask(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(contact)
        )
        wait_until(lambda: contact.exists() and contact.read_text().endswith("}"), "the scheduler")
        import json

        self.address: str = json.loads(contact.read_text())["address"]
        self.workers = [self._worker(number) for number in range(2)]
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)

    def _dask(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
        return subprocess.Popen(command, env=ENVIRONMENT, cwd=self._folder, stdout=self._log, stderr=self._log)

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        place = self._folder / f"worker{number}"
        options = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", str(place)]
        return self._dask("worker", self.address, *options)

    def close(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()
        self._log.close()
