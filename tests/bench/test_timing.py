"""Statistics by hand, and how long a loop goes on."""

from __future__ import annotations

import pytest

from roofline.bench.timing import best, repeat, summary


def test_summary_by_hand() -> None:
    # sorted 1 2 3 4 10: median 3; 99th percentile at position 0.99 * 4 = 3.96, so 4 + 0.96 * 6
    found = summary([4.0, 1.0, 10.0, 2.0, 3.0])
    assert found.n == 5 and found.median_s == 3.0
    assert found.p99_s == pytest.approx(9.76)
    assert (found.shortest_s, found.longest_s) == (1.0, 10.0)


def test_median_of_an_even_number_lies_between() -> None:
    assert summary([1.0, 2.0, 4.0, 8.0]).median_s == 3.0


def test_one_run_is_its_own_summary() -> None:
    assert summary([0.25]) == (1, 0.25, 0.25, 0.25, 0.25)


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="no run"):
        summary([])


class Clock:
    """A clock that a run moves on."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def runs_of(clock: Clock, times_ns: list[int], **wanted: float) -> list[float]:
    left = iter(times_ns)

    def run() -> None:
        clock.now_ns += next(left)

    return repeat(run, clock_ns=clock, runs=int(wanted["runs"]), min_time_s=wanted["min_time_s"],
                  warmup=int(wanted.get("warmup", 0)))  # fmt: skip


def test_goes_on_until_both_are_reached() -> None:
    second = 10**9
    assert runs_of(Clock(), [second] * 9, runs=3, min_time_s=0.0) == [1.0] * 3
    assert runs_of(Clock(), [second] * 9, runs=3, min_time_s=4.5) == [1.0] * 5
    assert len(runs_of(Clock(), [second] * 9, runs=1, min_time_s=0.0)) == 1


def test_warm_up_is_not_timed() -> None:
    assert runs_of(Clock(), [9 * 10**9, 8 * 10**9, 10**9, 2 * 10**9], runs=2, min_time_s=0.0, warmup=2) == [1.0, 2.0]


def test_each_run_is_told() -> None:
    told = []
    repeat(lambda: None, runs=3, min_time_s=0.0, tick=lambda done, wanted, share: told.append((done, wanted, share)))
    assert told == [(1, 3, 1.0), (2, 3, 1.0), (3, 3, 1.0)]


def test_best_runs_at_least_five_times() -> None:
    runs = []
    assert best(lambda: runs.append(1), min_time_s=0.0) >= 0
    assert len(runs) == 6  # five, and one before them
