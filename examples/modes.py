"""Print time, energy and power of a model in every power mode of a device, and what limits it there.

python examples/modes.py [MODEL] [DEVICE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import roofline
from roofline.units import text

MODEL = Path(__file__).parent / "models" / "mobilenet_v2.onnx"


def main(model: str = str(MODEL), device: str = "orin-agx") -> None:
    """Analyse once; the result holds every named mode."""
    analysis = roofline.analyze(model, device, bindings={"batch": 8})
    data = analysis.to_dict()
    print(data["verdict"])
    for mode in data["modes"]:
        time, energy, power = text(mode["time_s"], "s"), text(mode["energy_j"], "J"), text(mode["power_w"], "W")
        print(f"{mode['mode']:10} {time:>8} {energy:>8} {power:>7}  {mode['limited_by']}-bound")


if __name__ == "__main__":
    main(*sys.argv[1:])
