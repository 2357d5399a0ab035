"""Do uncalibrated rooflines rank power modes as measured runs do, and what would a choice by them have cost?

    python tests/reports/mode_ranking.py [part of a name]

For every measured series of device_specs/measurements/series.yaml: Kendall's rank correlation (tau-b) over modes of
predicted and measured time, and of energy where it was measured; the mode chosen by the model at 1 % slack, how much
slower than the fastest measured mode it was, and how much more energy it took than the best measured mode that is at
most 1 % slower than the fastest (the oracle). Energies are per run at the series' own boundary, times power; a device
without coefficients is ranked by time alone, and its choice is the fastest mode.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

sys.path.insert(0, str(Path(__file__).parents[2] / "device_specs" / "measurements"))
from evidence import series

from roofline.mode_totals import totals_over_modes

SLACK = 0.01


def main() -> None:
    print(f"{'series':64} {'modes':>5} {'tau time':>9} {'tau energy':>10} {'chosen':>9} {'regret':>8} {'MAPE':>6}")
    print(f"{'':64} {'':5} {'':9} {'':10} {'slower':>9} {'energy':>8} {'time':>6}")
    taus = []
    for found in series(sys.argv[1] if len(sys.argv) > 1 else ""):
        totals = totals_over_modes(found.task, found.mode_set)
        tau = float(kendalltau(totals.time_s, found.time_s).statistic)
        taus.append(tau)
        has_energy = bool(np.isfinite(found.energy_j).all())
        by_energy = bool(np.isfinite(totals.energy_j).all())
        tau_energy = kendalltau(totals.energy_j, found.energy_j).statistic if has_energy and by_energy else np.nan
        fits = totals.time_s <= totals.time_s.min() * (1 + SLACK)
        chosen = int(np.argmin(np.where(fits, totals.energy_j if by_energy else totals.time_s, np.inf)))
        slower = found.time_s[chosen] / found.time_s.min() - 1
        regret = np.nan
        if has_energy:
            oracle = found.energy_j[found.time_s <= found.time_s.min() * (1 + SLACK)].min()
            regret = found.energy_j[chosen] / oracle - 1
        error = float(np.abs(totals.time_s / found.time_s - 1).mean())

        def shown(value: float, form: str) -> str:
            return "-" if np.isnan(value) else format(value, form)

        print(f"{found.name:64} {len(found.modes):5} {tau:9.2f} {shown(float(tau_energy), '.2f'):>10} "
              f"{slower:+9.1%} {shown(float(regret), '+.1%'):>8} {error:6.0%}")  # fmt: skip
    print(f"\nmedian tau of time {np.median(taus):.2f}, lowest {min(taus):.2f}, over {len(taus)} series")


if __name__ == "__main__":
    main()
