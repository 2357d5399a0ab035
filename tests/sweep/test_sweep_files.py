"""Output files: whole or not at all, the same content however it came about."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import roofline
from roofline.errors import RooflineError, UsageError, one_line
from roofline.files import write_whole
from roofline.sweeping import sinks, store
from roofline.sweeping.part import COLUMNS
from roofline.sweeping.sweep import sweep
from sweep.helpers import ENVIRONMENT, run_sweep, wait_until, write_gemm

OPTIONS: dict[str, Any] = {"batches": (1, 2), "ordered": True}


def no_leftovers(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if path.name.endswith(".parts") or path.name.startswith(".")]


def test_parquet_and_csv_hold_the_same_rows(models: list[str], tmp_path: Path) -> None:
    for name in ("o.parquet", "o.csv"):
        summary = sweep(models, "orin-agx", output=tmp_path / name, **OPTIONS)
        assert (summary.models, summary.error_rows, summary.computed) == (13, 1, 13)
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.schema.names == list(COLUMNS)
    assert {str(table.schema.field(n).type) for n in ("macs", "batch", "time_s", "mode")} == {
        "int64",
        "double",
        "string",
    }
    with (tmp_path / "o.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    rows = table.to_pylist()
    assert len(rows) == len(lines) == summary.rows + summary.error_rows
    for row, line in zip(rows, lines, strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == line
    assert no_leftovers(tmp_path)


def test_order_is_that_of_the_models(models: list[str], tmp_path: Path) -> None:
    backwards = models[::-1]
    sweep(backwards, "orin-agx", output=tmp_path / "o.parquet", jobs=2, **OPTIONS)
    found = pq.read_table(tmp_path / "o.parquet").column("model").to_pylist()
    assert list(dict.fromkeys(found)) == backwards
    assert [row["model"] for row in roofline.sweep(backwards, "orin-agx", **OPTIONS)] == found


def test_processes_write_the_same_bytes_as_one(models: list[str], tmp_path: Path) -> None:
    for jobs in (1, 2):
        sweep(models, "orin-agx", output=tmp_path / f"{jobs}.parquet", jobs=jobs, **OPTIONS)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


def test_row_groups_are_written_as_rows_come(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep(models, "orin-agx", output=tmp_path / "one.parquet", **OPTIONS)
    monkeypatch.setattr(sinks, "GROUP_ROWS", 10)  # each model has 8 rows: one with two models
    sweep(models, "orin-agx", output=tmp_path / "many.parquet", **OPTIONS)
    assert pq.ParquetFile(tmp_path / "one.parquet").num_row_groups == 1
    assert pq.ParquetFile(tmp_path / "many.parquet").num_row_groups >= 6
    assert pq.read_table(tmp_path / "many.parquet").equals(pq.read_table(tmp_path / "one.parquet"))


def test_names_that_are_awkward(tmp_path: Path) -> None:
    names = ["=cmd.onnx", "two\nlines.onnx", 'a,b"c.onnx', "cr\rlf.onnx", "ünï.onnx"]
    paths = [os.fspath(write_gemm(tmp_path / name, 8, 8)) for name in names]
    bad = os.fsdecode(os.fsencode(tmp_path) + b"/latin-\xe9.onnx")
    Path(bad).write_bytes(Path(paths[0]).read_bytes())
    done = run_sweep(*names, bad, "--device", "orin-agx", "-o", "o.csv", "--ordered", "--jobs", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "o.csv").open(newline="") as file:
        found = list(dict.fromkeys(line["model"] for line in csv.DictReader(file)))
    assert found == ["'=cmd.onnx", *map(one_line, names[1:]), f"{tmp_path}/latin-\\xe9.onnx"]
    sweep([*paths, bad], "orin-agx", output=tmp_path / "o.parquet", ordered=True)
    found = list(dict.fromkeys(pq.read_table(tmp_path / "o.parquet").column("model").to_pylist()))
    assert found == [*paths, f"{tmp_path}/latin-\\xe9.onnx"]


def test_an_error_text_never_starts_a_formula(tmp_path: Path) -> None:
    (tmp_path / "=1+1.onnx").write_bytes(b"no model\xff")
    (tmp_path / "good.onnx").write_bytes(write_gemm(tmp_path / "g.onnx", 8, 8).read_bytes())
    done = run_sweep("=1+1.onnx", "good.onnx", "--device", "orin-agx", "-o", "o.csv", "--jobs", "1", cwd=tmp_path)
    assert done.returncode == 0
    with (tmp_path / "o.csv").open(newline="") as file:
        cells = [cell for line in csv.reader(file) for cell in line]
    assert any(cell.startswith("'=1+1.onnx") for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_killed_and_resumed(models: list[str], tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    sweep(models, "orin-agx", output=whole, **OPTIONS)

    class Stop(BaseException):
        pass

    def stop(done: int, _models: int, _failed: int) -> None:
        if done == 7:
            raise Stop

    with pytest.raises(Stop):
        sweep(models, "orin-agx", output=cut, on_part=stop, **OPTIONS)
    assert not cut.exists()
    parts = tmp_path / "cut.parquet.parts"
    kept = {path: path.stat().st_mtime_ns for path in parts.glob("?" * 64 + ".json")}
    assert len(kept) == 7
    manifest = json.loads((parts / "manifest.json").read_text())
    assert manifest["schema"] == "roofline.sweep-parts/1" and manifest["batches"] == [1, 2]
    Path(models[0]).touch()
    write_gemm(Path(models[1]), 100, 16)  # changed since: done again
    summary = sweep(models, "orin-agx", output=cut, **OPTIONS)
    assert (summary.resumed, summary.computed) == (5, 8)  # the one that failed is tried again
    sweep(models, "orin-agx", output=whole, **OPTIONS)
    assert cut.read_bytes() == whole.read_bytes()
    assert no_leftovers(tmp_path)


def test_a_lock_that_was_removed_meanwhile_locks_nothing(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another sweep ends between the opening of its lock and the locking: the file is gone, or another one."""
    fcntl = pytest.importorskip("fcntl")
    output, real = tmp_path / "o.csv", fcntl.flock
    locked: list[int] = []

    def late(file: Any, flags: int) -> None:
        if not locked:
            (tmp_path / "o.csv.parts" / "lock").unlink()
        real(file, flags)
        locked.append(os.fstat(file.fileno()).st_ino)

    monkeypatch.setattr(fcntl, "flock", late)
    held = []

    def look(*_: int) -> None:
        held.append((tmp_path / "o.csv.parts" / "lock").stat().st_ino)

    sweep(models[:2], "orin-agx", output=output, on_part=look, **OPTIONS)
    assert len(locked) == 2 and held == [locked[1]] * 2


def interrupted_after(count: int, models: list[str], output: Path, **options: Any) -> None:
    def stop(done: int, _models: int, _failed: int) -> None:
        if done == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(models, "orin-agx", output=output, on_part=stop, **options)


def test_other_options_and_no_resume_start_anew(models: list[str], tmp_path: Path) -> None:
    output = tmp_path / "o.csv"
    interrupted_after(5, models, output)
    interrupted_after(2, models, output, batches=(1, 2))
    assert sweep(models, "orin-agx", output=output).resumed == 5
    interrupted_after(5, models, output)
    assert sweep(models, "orin-agx", output=output, resume=False).resumed == 0


def test_a_damaged_part_is_done_again(models: list[str], tmp_path: Path) -> None:
    output = tmp_path / "o.csv"
    sweep(models, "orin-agx", output=output, ordered=True)
    whole = output.read_bytes()
    interrupted_after(3, models, output)
    part, other, _ = sorted((tmp_path / "o.csv.parts").glob("?" * 64 + ".json"))
    part.write_text(part.read_text()[:100])
    other.write_text("{}")
    summary = sweep(models, "orin-agx", output=output, ordered=True)
    assert summary.resumed == 1 and output.read_bytes() == whole


@pytest.mark.parametrize(("old", "new"), [
    ('"basis": "roofline"', '"basis": ["roofline"]'), ('"macs": ', f'"macs": {"9" * 30}'),
    ('"device": "', '"device": 1, "": "'),
])  # fmt: skip
@pytest.mark.parametrize("name", ["o.csv", "o.parquet"])
def test_a_part_edited_by_hand_is_done_again(models: list[str], tmp_path: Path, old: str, new: str, name: str) -> None:
    output = tmp_path / name
    sweep(models, "orin-agx", output=output, ordered=True)
    whole = output.read_bytes()
    interrupted_after(3, models, output)
    part = min((tmp_path / f"{name}.parts").glob("?" * 64 + ".json"))
    assert old in part.read_text()
    part.write_text(part.read_text().replace(old, new))
    summary = sweep(models, "orin-agx", output=output, ordered=True)
    assert summary.resumed == 2 and output.read_bytes() == whole


def full_disk(under: Path) -> Any:
    """Return `write_whole` with a disk that is full in one folder."""

    def write(content: str | bytes, output: str | Path) -> None:
        if Path(output).parent == under and Path(output).name != "manifest.json":
            raise RooflineError("cannot write: No space left on device", where=str(output), hint="any other")
        write_whole(content, output)

    return write


def test_a_cache_that_cannot_be_written_is_said_once(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "write_whole", full_disk(tmp_path / "cache"))
    summary = sweep(models, "orin-agx", output=tmp_path / "o.csv", cache=tmp_path / "cache")
    assert (summary.computed, summary.models) == (13, 13)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "results are not kept in the cache" in said and "No space left on device" in said
    assert not list((tmp_path / "cache").iterdir())


def test_a_part_that_cannot_be_kept_stops_it_and_says_how_to_go_on(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.csv"
    interrupted_after(3, models, output)
    with monkeypatch.context() as context:
        context.setattr(store, "write_whole", full_disk(tmp_path / "o.csv.parts"))
        with pytest.raises(RooflineError, match=r"No space left on device; what is finished is kept: .* goes on"):
            sweep(models, "orin-agx", output=output)
    assert sweep(models, "orin-agx", output=output).resumed == 3


def test_a_link_stays_one(models: list[str], tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "o.txt", tmp_path / "o.csv"
    link.symlink_to(target)
    for _ in range(2):  # it leads nowhere, then to a file
        assert sweep(models[:1], "orin-agx", output=link).output == str(link)
        assert link.is_symlink() and target.read_text().startswith("model,")
        target.write_text("before")
    assert no_leftovers(tmp_path) and no_leftovers(target.parent)
    link.unlink()
    link.symlink_to(os.devnull)
    with pytest.raises(RooflineError, match="cannot write: this is no regular file"):
        sweep(models[:1], "orin-agx", output=link)


def test_a_folder_of_somebody_else_is_left_alone(models: list[str], tmp_path: Path) -> None:
    parts = tmp_path / "o.csv.parts"
    parts.mkdir()
    (parts / "mine.txt").write_text("mine")
    with pytest.raises(RooflineError, match="not made by a sweep"):
        sweep(models, "orin-agx", output=tmp_path / "o.csv")
    assert [path.name for path in parts.iterdir()] == ["mine.txt"]


def test_two_sweeps_at_one_file(models: list[str], tmp_path: Path) -> None:
    output = tmp_path / "o.csv"

    def second(done: int, _models: int, _failed: int) -> None:
        if done == 2:
            with pytest.raises(RooflineError, match="another sweep is writing this file"):
                sweep(models, "orin-agx", output=output)

    assert sweep(models, "orin-agx", output=output, on_part=second).models == 13


@pytest.mark.parametrize("name", ["o.txt", "o", "missing/o.csv", "folder.csv"])
def test_outputs_that_cannot_be(models: list[str], tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises((UsageError, RooflineError), match=r"suffix names no format|cannot write"):
        sweep(models, "orin-agx", output=tmp_path / name)
    assert no_leftovers(tmp_path)


def test_without_pyarrow_and_dask_one_line_says_what_to_install(
    models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RooflineError, match=r"pyarrow is not installed; pip install 'roofline\[sweep\]'"):
        sweep(models, "orin-agx", output=tmp_path / "o.parquet")
    with pytest.raises(RooflineError, match=r"dask is not installed; pip install 'roofline\[sweep\]'"):
        sweep(models, "orin-agx", output=tmp_path / "o.csv", scheduler="tcp://127.0.0.1:1")
    assert sweep(models, "orin-agx", output=tmp_path / "o.csv").models == 13


def test_a_cache_is_shared_and_keyed_by_content(models: list[str], tmp_path: Path) -> None:
    options: dict[str, Any] = {**OPTIONS, "cache": tmp_path / "cache"}
    first = sweep(models, "orin-agx", output=tmp_path / "a.parquet", **options)
    assert (first.computed, first.cached) == (13, 0)
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(Path(models[0]).read_bytes())
    again = sweep([*models, str(copy)], "orin-agx", output=tmp_path / "b.parquet", **options)
    assert (again.computed, again.cached) == (1, 13)  # the bad one is not kept
    assert pq.read_table(tmp_path / "b.parquet").slice(0, first.rows + 1).equals(pq.read_table(tmp_path / "a.parquet"))
    last = pq.read_table(tmp_path / "b.parquet").slice(first.rows + 1).to_pylist()
    assert {row["model"] for row in last} == {str(copy)}
    other = sweep(models, "orin-agx", output=tmp_path / "c.parquet", **{**options, "traffics": ("ideal",)})
    assert other.cached == 0


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_no_broken_file_and_the_same_command_goes_on(tmp_path: Path, kind: signal.Signals) -> None:
    names = [os.fspath(write_gemm(tmp_path / f"m{i}.onnx", 8 + i, 16, blocks=60)) for i in range(40)]
    output = tmp_path / "o.parquet"
    arguments = [*names, "--device", "orin-agx", "-o", str(output), "--ordered", "--jobs", "2", "--batch", "1,2,4,8"]
    command = [sys.executable, "-m", "roofline", "sweep", *arguments]
    parts = tmp_path / "o.parquet.parts"
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_until(lambda: len(list(parts.glob("?" * 64 + ".json"))) >= 3, "three parts")
        if kind == signal.SIGINT:
            os.killpg(process.pid, kind)  # as a terminal does: the workers too
        else:
            process.kill()
        said = process.communicate(timeout=60)[1].decode()
    assert not output.exists() and not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    if kind == signal.SIGINT:
        assert process.returncode == 130
        lines = list(filter(None, said.splitlines()))
        assert lines[-1] == "roofline: interrupted" and "the same command goes on" in lines[0] and len(lines) == 2
    assert len(list(parts.glob("?" * 64 + ".json"))) >= 3
    wait_until(lambda: run_sweep(*arguments).returncode == 0, "the resumed sweep")
    sweep(names, "orin-agx", output=tmp_path / "whole.parquet", batches=(1, 2, 4, 8), ordered=True)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert no_leftovers(tmp_path)
