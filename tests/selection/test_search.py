"""The choice against brute force written as loops, and its laws, on random candidates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roofline.selection import search
from roofline.selection.search import Field, Limits

VALUES = st.floats(0.5, 4.0).map(lambda x: round(x, 1))  # ties are common
CANDIDATES = st.lists(st.tuples(VALUES, VALUES | st.just(float("nan"))), min_size=1, max_size=25)


def field(points: list[tuple[float, float]], limit_w: float = math.inf) -> Field:
    time, energy = (np.array(column) for column in zip(*points, strict=True))
    return Field(
        time_s=time, bound_s=time / 2, energy_j=energy, power_w=energy / time, samples=np.ones(len(points)),
        is_power_limited=energy / time > limit_w, average_power_w=energy / time, energy_time_s=time,
        preference=np.zeros(len(points)),
    )  # fmt: skip


@settings(deadline=None)
@given(CANDIDATES, st.sampled_from([0.0, 0.01, 0.1, 0.5]), VALUES, VALUES)
def test_choice_is_that_of_a_loop(points, slack: float, max_latency: float, max_power: float) -> None:
    found = field(points)
    limits = Limits(latency_s=max_latency, power_w=max_power)
    met = search.constraints(found, limits, allow_power_limited=False)
    admissible = np.logical_and.reduce(list(met.values()))
    chosen = search.best(found.energy_j, found, search.within_slack(found.time_s, admissible, slack))
    fits = [(t, e) for t, e in points if t <= max_latency and e / t <= max_power]
    if not fits:
        assert chosen is None
        return
    fastest = min(t for t, _ in fits)
    want = min(e for t, e in fits if t <= (1 + slack) * fastest * (1 + 1e-12))
    assert chosen is not None and found.energy_j[chosen] == want
    assert points[chosen] in fits


@settings(deadline=None)
@given(CANDIDATES)
def test_more_slack_never_costs_more_and_never_breaks_its_promise(points) -> None:
    found = field(points)
    everything = np.ones(len(points), dtype=bool)
    energies = []
    for slack in search.SLACKS:
        chosen = search.best(found.energy_j, found, search.within_slack(found.time_s, everything, slack))
        if chosen is None:
            energies.append(math.inf)
            continue
        assert found.time_s[chosen] <= (1 + slack) * found.time_s.min() * (1 + 1e-9)
        energies.append(float(found.energy_j[chosen]))
    assert energies == sorted(energies, reverse=True)


@settings(deadline=None)
@given(CANDIDATES)
def test_pareto_front_is_that_of_a_loop(points) -> None:
    found = field(points)
    front = search.pareto(found.time_s, found.energy_j, found.power_w, np.ones(len(points), dtype=bool))
    triples = [tuple(math.inf if math.isnan(x) else x for x in (t, e, e / t)) for t, e in points]

    def beaten(a: tuple[float, ...]) -> bool:
        return any(all(x <= y for x, y in zip(b, a, strict=True)) and b != a for b in triples)

    assert {triples[i] for i in front} == {t for t in triples if not beaten(t)}
    assert len({triples[i] for i in front}) == len(front)
    assert list(found.time_s[front]) == sorted(found.time_s[front])


def test_binding_constraint_is_the_one_that_costs_most() -> None:
    # the fastest; 10 % slower and cheaper; twice as slow and cheapest, at little power
    found = field([(1.0, 40.0), (1.1, 30.0), (2.0, 20.0)])
    values = found.energy_j

    def binding(slack: float | None, limits: Limits) -> tuple[str, ...]:
        met = search.constraints(found, limits, allow_power_limited=True)
        admissible = np.logical_and.reduce(list(met.values()), axis=0, initial=True) & np.ones(3, dtype=bool)
        allowed = admissible if slack is None else search.within_slack(found.time_s, admissible, slack)
        chosen = search.best(values, found, allowed)
        assert chosen is not None
        return search.binding(values, found, met, slack, chosen)

    assert binding(0.01, Limits()) == ("slack",)
    assert binding(None, Limits()) == ()
    assert binding(None, Limits(latency_s=1.5)) == ("max-latency",)
    assert binding(1.0, Limits(latency_s=1.5)) == ("max-latency",)
    # each of the two alone would still hold it back
    assert binding(0.5, Limits(latency_s=1.5)) == ("max-latency", "slack")


def test_of_equals_the_preferred_one_is_taken() -> None:
    found = field([(1.0, 2.0), (1.0, 2.0), (1.0, 3.0)])._replace(preference=np.array([0.0, -1.0, -5.0]))
    assert search.best(found.energy_j, found, np.ones(3, dtype=bool)) == 1


def test_energy_delay_and_power_objectives() -> None:
    found = field([(1.0, 40.0), (1.2, 30.0), (4.0, 20.0)])  # E*T: 40, 36, 80
    everything = np.ones(3, dtype=bool)
    picked = {o: search.best(search.objective_values(found, o), found, everything) for o in search.OBJECTIVES}
    assert picked == {"energy": 2, "energy-delay": 1, "time": 0, "power": 2}


def test_interval_of_an_uncalibrated_time() -> None:
    """The best time is 1.0 s at speed 12; at speed 8 it could be 1.5 s, at speed 4 three."""
    upper = search.time_upper(np.array([1.0, 1.0, 1.4, 1.0]), np.array([12.0, 8.0, 4.0, 6.0]),
                              np.array([True, True, True, False]))  # fmt: skip
    assert upper == pytest.approx([1.0, 1.5, 3.0, 2.0])
