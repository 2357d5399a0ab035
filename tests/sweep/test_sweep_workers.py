"""Processes, threads and a Dask cluster: the same rows, also when workers die."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import model_path

import roofline
from roofline.errors import RooflineError
from roofline.ops.table import RULES
from roofline.sweeping import cluster as cluster_module
from roofline.sweeping.local import in_processes
from roofline.sweeping.one_model import context_of, part_of_model
from roofline.sweeping.part import Part, failed_part
from roofline.sweeping.plan import make_plan
from roofline.sweeping.sweep import sweep
from roofline.sweeping.threads import one_thread_each
from sweep.helpers import ENVIRONMENT, Cluster, run_sweep, write_gemm

OPTIONS: dict[str, Any] = {"batches": (1, 2, 4), "ordered": True}


def deadly(plan: str, name: str) -> Part:
    """A worker that dies at one model always, and at another one the first time."""
    if name == "deadly":
        os._exit(9)
    mark = Path(plan, name)
    if name == "once" and not mark.exists():
        mark.touch()
        os._exit(9)
    return failed_part(f"did {name}")


@pytest.mark.slow
def test_a_process_that_dies_takes_no_other_model_with_it(tmp_path: Path) -> None:
    names = ["a", "once", "b", "deadly", "c", "d"]
    found = dict(in_processes(str(tmp_path), iter(enumerate(names)), 2, deadly))
    assert sorted(found) == list(range(6))
    for number, name in enumerate(names):
        (said,) = found[number].errors
        assert said == (
            "deadly: every worker that tried it died (out of memory?)" if name == "deadly" else f"did {name}"
        )


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(models: list[str], tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"import roofline\nprint(len(list(roofline.sweep({models[:4]!r}, 'orin-agx', jobs=2))))\n")
    done = subprocess.run([sys.executable, str(script)], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "worker processes cannot start" in last and "__main__" in last


def wrong(plan: str, name: str) -> Part:
    raise RooflineError("another version", where="--scheduler")


def test_what_no_model_is_to_blame_for_stops_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(RooflineError, match="another version"):
        list(in_processes("", iter([(0, "a")]), 2, wrong))


def test_a_worker_of_another_version_refuses() -> None:
    plan = make_plan(["orin-agx"])._replace(version="0.0.1+abc,onnx-1")
    with pytest.raises(RooflineError, match=r"the sweep was started with 0\.0\.1\+abc.*install one version"):
        context_of(plan.to_text())


def test_analyses_in_threads_do_not_disturb_each_other() -> None:
    names = (
        "resnet18",
        "mobilenet_v2",
        "lstm_lm",
        "shufflenet_v2_x1_0",
        "resnet18_qdq_int8",
        "unet",
        "whisper_tiny_enc",
    )
    questions = [(n, d, t) for n in names for d in ("orin-agx", "orin-nano-8gb") for t in ("fused", "pagoda")]

    def answer(question: tuple[str, str, str]) -> dict[str, Any]:
        name, device, traffic = question
        bindings = {"seq": 32} if name == "lstm_lm" else {}
        return roofline.analyze(model_path(name), device, traffic=traffic, bindings=bindings).to_dict(tensors=True)

    alone = [answer(question) for question in questions]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads take turns often
    try:
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(answer, questions))
    finally:
        sys.setswitchinterval(before)
    assert together == alone


LATE_RULES = """
import threading
from roofline.ops.table import RuleTable, cost_of
table = RuleTable(later={"late": ("late_rules_body",)})
started, go_on = threading.Event(), threading.Event()
"""
LATE_BODY = """
import late_rules
@late_rules.table.register("Op", op_class="elementwise", domain="late")
def old(node):
    "Source: this test."
late_rules.started.set()
late_rules.go_on.wait(30)
@late_rules.table.register("Op", op_class="elementwise", domain="late", since=5)
def new(node):
    "Source: this test."
"""


def test_a_thread_waits_for_rules_that_another_one_is_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_rules.py").write_text(LATE_RULES)
    (tmp_path / "late_rules_body.py").write_text(LATE_BODY)
    monkeypatch.syspath_prepend(tmp_path)
    late: Any = importlib.import_module("late_rules")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(late.table.find, "late", "Op", 7)
        assert late.started.wait(30)
        second = pool.submit(late.table.find, "late", "Op", 7)
        wait([second], timeout=0.1)  # time to answer too early, in part or not at all
        late.go_on.set()
        assert [found.result().since for found in (first, second)] == [5, 5]


def test_operators_of_the_users_own_are_part_of_the_key() -> None:
    before = make_plan(["orin-agx"]).key
    try:

        @roofline.operator("acme.sweep.Twice", op_class="elementwise")
        def twice(node: Any) -> Any:
            """2 FLOP per element. Source: this test."""

        assert make_plan(["orin-agx"]).key != before
    finally:
        RULES._rules.pop(("acme.sweep", "Twice"))
    assert make_plan(["orin-agx"]).key == before


def test_parts_in_threads_are_those_of_one_thread(models: list[str]) -> None:
    text = make_plan(["orin-agx", "orin-nano-8gb"], grid="full", batches=(1, 3)).to_text()
    context_of.cache_clear()
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda name: part_of_model(text, name), models))
    context_of.cache_clear()
    assert together == [part_of_model(text, name) for name in models]


@pytest.mark.slow
def test_two_commands_share_a_cache(models: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "roofline", "sweep", *models, "--device", "orin-agx", "--ordered", "--jobs", "1"]
    started = [
        subprocess.Popen([*command, "--cache", "cache", "-o", f"{i}.csv"], cwd=tmp_path, env=ENVIRONMENT,
                         stdout=subprocess.DEVNULL)
        for i in range(2)
    ]  # fmt: skip
    assert [process.wait(timeout=120) for process in started] == [0, 0]
    assert (tmp_path / "0.csv").read_bytes() == (tmp_path / "1.csv").read_bytes()
    assert sweep(models, "orin-agx", output=tmp_path / "2.csv", cache=tmp_path / "cache").cached == 12
    assert not list((tmp_path / "cache").glob(".*"))


def test_no_scheduler(models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_CONNECT_S", 0.5)
    with pytest.raises(RooflineError, match="no Dask scheduler answers"):
        sweep(models, "orin-agx", output=tmp_path / "o.csv", scheduler="tcp://127.0.0.1:9")
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


@pytest.mark.slow
def test_on_a_cluster_one_worker_killed_in_the_middle(cluster: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    names = [os.fspath(write_gemm(folder / f"m{i:02d}.onnx", 8 + i, 16, blocks=40)) for i in range(30)]
    names.insert(11, str(folder / "missing.onnx"))
    sweep(names, ["orin-agx", "t4"], output=tmp_path / "local.parquet", **OPTIONS)
    killed = []

    def kill(done: int, _models: int, _failed: int) -> None:
        if done == 8:
            cluster.workers[0].kill()
            killed.append(done)

    summary = sweep(
        names, ["orin-agx", "t4"], output=tmp_path / "dask.parquet", scheduler=cluster.address, on_part=kill, **OPTIONS
    )
    assert killed == [8] and cluster.workers[0].wait(timeout=30) != 0
    assert (summary.models, summary.computed, len(summary.failures)) == (31, 31, 1)
    assert pq.read_table(tmp_path / "dask.parquet").equals(pq.read_table(tmp_path / "local.parquet"))
    relative = [os.path.relpath(name, tmp_path) for name in names]
    done = run_sweep(
        *relative, "--device", "orin-agx", "-o", "o.csv", "--scheduler", cluster.address, "--ordered", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "31 models on 1 device" in done.stdout and "many/missing.onnx: no such file" in done.stdout
    cluster.workers[1].kill()
    cluster.workers[1].wait()
    time.sleep(1)
    with pytest.raises(RooflineError, match="has no workers"):
        sweep(names, "orin-agx", output=tmp_path / "none.csv", scheduler=cluster.address)


def test_workers_leave_linear_algebra_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with one_thread_each():
        assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("1", "3")
    assert "OPENBLAS_NUM_THREADS" not in os.environ
