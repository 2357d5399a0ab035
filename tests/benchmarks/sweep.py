"""Sweep a thousand models on one and on two workers: throughput, memory, and a kill half-way.

    python tests/benchmarks/sweep.py [--models 1000] [--repeat 2] [--dask]

Prints models per second, the ratio of two workers to one (goal: 1.8), the largest memory of a worker (goal:
400 MB), and whether a sweep that was killed and resumed wrote the same bytes as one that was not; then each goal
and whether it is reached. Exit code 1 if one is missed. Nothing else may run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from many_models import write_models

ROOT = Path(__file__).parents[2]
OPTIONS = ["--device", "orin-agx", "--batch", "1,2,4,8", "--grid", "named", "--ordered", "-q"]
RATIO, MEMORY_MB = 1.8, 400
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def command(folder: Path, output: Path, *more: str) -> list[str]:
    """Return the command that sweeps every model of a folder."""
    models = sorted(map(str, folder.glob("*.onnx")))
    return [sys.executable, "-m", "roofline", "sweep", *models, *OPTIONS, "-o", str(output), *more]


def watched(process: subprocess.Popen[bytes], others: list[int]) -> int:
    """Wait for a process, and return the largest resident memory of it, a process of its own, or one of `others`."""
    largest = 0
    seen = [psutil.Process(pid) for pid in (process.pid, *others)]
    while process.poll() is None:
        try:
            for each in [*seen, *psutil.Process(process.pid).children(recursive=True)]:
                largest = max(largest, each.memory_info().rss)
        except psutil.Error:
            pass
        time.sleep(0.5)  # looking costs time of its own
    if process.returncode != 0:
        raise SystemExit(f"the sweep ended with {process.returncode}")
    return largest


def cpu_seconds() -> float:
    """Return the processor time of every process that has been waited for, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(folder: Path, output: Path, *more: str, others: list[int] | None = None) -> tuple[float, float, float]:
    """Return the seconds that a sweep takes, start to end, its processor time, and its largest process in MB."""
    start, before = time.perf_counter(), cpu_seconds()
    with subprocess.Popen(command(folder, output, *more), env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        largest = watched(process, others or [])
    return time.perf_counter() - start, cpu_seconds() - before, largest / 1e6


@contextmanager
def cluster(workers: int, port: int = 18790) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a scheduler with workers of one thread, and the processes of the workers."""
    address = f"tcp://127.0.0.1:{port}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ENVIRONMENT}
    dask = [sys.executable, "-m", "dask"]
    started = [subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
                                **quiet)]  # fmt: skip
    try:
        time.sleep(3)
        for _ in range(workers):
            options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
            started.append(subprocess.Popen([*dask, "worker", address, *options], **quiet))
        time.sleep(4)
        yield address, [process.pid for process in started[1:]]
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def one_and_two(folder: Path, out: Path, repeat: int) -> dict[str, bool]:
    """Print the throughput of one and of two processes, in turn; return which goals are reached."""
    count = len(list(folder.glob("*.onnx")))
    ratios, largest = [], 0.0
    for number in range(repeat):
        rates = {}
        for jobs in (1, 2):
            load = os.getloadavg()[0]
            seconds, cpu, memory = timed(folder, out / f"jobs{jobs}.parquet", "--jobs", str(jobs))
            rates[jobs] = count / seconds
            largest = max(largest, memory)
            print(f"run {number + 1}, {jobs} process(es): {seconds:6.1f} s, {cpu:6.1f} s of processor time, "
                  f"{rates[jobs]:5.1f} models/s, "
                  f"largest process {memory:.0f} MB, load before {load:.1f}", flush=True)  # fmt: skip
        ratios.append(rates[2] / rates[1])
        print(f"run {number + 1}: two against one: {ratios[-1]:.2f}")
    same = (out / "jobs1.parquet").read_bytes() == (out / "jobs2.parquet").read_bytes()
    print(f"both wrote the same bytes: {same}")
    return {
        f"two workers do {statistics.median(ratios):.2f} of one, goal {RATIO}": statistics.median(ratios) >= RATIO,
        f"the largest process holds {largest:.0f} MB, goal {MEMORY_MB}": largest < MEMORY_MB,
        "one and two workers write the same bytes": same,
    }


def on_dask(folder: Path, out: Path) -> None:
    """Print the throughput of a cluster of one and of two workers."""
    count, rates = len(list(folder.glob("*.onnx"))), {}
    for workers in (1, 2):
        with cluster(workers) as (address, pids):
            load = os.getloadavg()[0]
            seconds, _, memory = timed(folder, out / f"dask{workers}.parquet", "--scheduler", address, others=pids)
        rates[workers] = count / seconds
        print(f"Dask, {workers} worker(s): {seconds:6.1f} s, {rates[workers]:5.1f} models/s, "
              f"largest process {memory:.0f} MB, load before {load:.1f}", flush=True)  # fmt: skip
    same = (out / "dask2.parquet").read_bytes() == (out / "jobs1.parquet").read_bytes()
    print(f"Dask: two against one: {rates[2] / rates[1]:.2f}; the same bytes as without: {same}")


def killed_and_resumed(folder: Path, out: Path) -> dict[str, bool]:
    """Kill a sweep when half of its models are done, run it again, and compare; return which goals are reached."""
    count = len(list(folder.glob("*.onnx")))
    output = out / "killed.parquet"
    process = subprocess.Popen(command(folder, output, "--jobs", "2"), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    parts = out / "killed.parquet.parts"
    while len(list(parts.glob("*.json"))) <= count // 2:  # one of them is the manifest
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(parts.glob("*.json"))) - 1  # the manifest is none
    before = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.json")}
    assert not output.exists()
    with subprocess.Popen(command(folder, output, "--jobs", "2"), env=ENVIRONMENT, stdout=subprocess.DEVNULL) as again:
        watched(again, [])
    same = output.read_bytes() == (out / "jobs1.parquet").read_bytes()
    print(f"killed with {kept} of {count} models done ({len(before)} files); resumed, the same bytes: {same}; "
          f"side folder gone: {not parts.exists()}")  # fmt: skip
    return {"killed half-way and resumed, it writes the same bytes": same and count // 2 <= kept < count}


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--dask", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place, "models"), Path(place, "out")
        folder.mkdir()
        out.mkdir()
        files = write_models(folder, options.models)
        size = sum(file.stat().st_size for file in files) / len(files)
        print(f"{len(files)} models of {size / 1e3:.0f} kB on average, 1 device, 4 modes, batch sizes 1, 2, 4, 8; "
              f"{os.cpu_count()} processors", flush=True)  # fmt: skip
        goals = {**one_and_two(folder, out, options.repeat), **killed_and_resumed(folder, out)}
        if options.dask:
            on_dask(folder, out)
    for goal, reached in goals.items():
        print(f"{'reached' if reached else 'MISSED'}: {goal}")
    if not all(goals.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
