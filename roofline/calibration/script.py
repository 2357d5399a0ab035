"""A shell script that measures a model in given power modes on a Jetson, without Python.

It sets each mode, reads the clocks back, runs trtexec and tegrastats, and restores the mode it found. Named modes are
set by nvpmodel; other clocks through the kernel's own files, whose places differ between releases, so the script looks
for them. Paths: Documentation/ABI/testing/sysfs-class-devfreq of the Linux kernel; the memory clock's lock under
/sys/kernel/debug/bpmp is NVIDIA's (L4T Developer Guide, "Clock Frequency and Power Management").
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from roofline.devices.spec import DeviceSpec, PowerMode
from roofline.errors import DeviceError

_HEAD = """\
#!/bin/sh
# Measure {model} in {count} power modes of {device}, made by roofline calibrate --emit script.
# Run it on the board:  sudo sh measure.sh MODEL.onnx    Results: the folder roofline-runs.
# Then:  roofline import trtexec roofline-runs/1-times.json --device {id} --mode '...' -o runs.csv
set -eu
model=${{1:?usage: sudo sh $0 MODEL.onnx}}
out=roofline-runs
trtexec=$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)
test -x "$trtexec" || {{ echo "trtexec is not installed" >&2; exit 1; }}
test "$(id -u)" = 0 || {{ echo "setting clocks needs root: sudo sh $0 $model" >&2; exit 1; }}
mkdir -p "$out"
gpu=$(ls -d /sys/class/devfreq/*gpu* /sys/class/devfreq/*gv11b* /sys/class/devfreq/*ga10b* 2>/dev/null | head -n 1)
emc=/sys/kernel/debug/bpmp/debug/clk/emc
before=$(nvpmodel -q | tail -n 1)
test -n "$gpu" && gpu_min=$(cat "$gpu/min_freq") && gpu_max=$(cat "$gpu/max_freq")
restore() {{
  test -n "$gpu" && {{ echo "$gpu_min" > "$gpu/min_freq"; echo "$gpu_max" > "$gpu/max_freq"; }} || true
  test -e $emc/mrq_rate_locked && echo 0 > $emc/mrq_rate_locked || true
  nvpmodel -m "$before" </dev/null || true
}}
trap restore EXIT INT TERM
lock_gpu() {{ # Hz: the order of the two writes depends on the direction
  echo "$1" > "$gpu/max_freq" 2>/dev/null || true
  echo "$1" > "$gpu/min_freq"
  echo "$1" > "$gpu/max_freq"
}}
lock_memory() {{ # Hz
  test -e $emc/rate || {{ echo "no $emc: the memory clock is left to the governor" >&2; return 0; }}
  echo 1 > $emc/mrq_rate_locked
  echo "$1" > $emc/rate
}}
measure() {{ # number, what was asked for
  sleep 2
  {{
    echo "asked: $2"
    echo "gpu_hz: $(cat "$gpu/cur_freq" 2>/dev/null || echo unknown)"
    echo "emc_hz: $(cat $emc/rate 2>/dev/null || echo unknown)"
    echo "cpu_khz: $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq 2>/dev/null || echo unknown)"
    echo "cpus: $(cat /sys/devices/system/cpu/online)"
    nvpmodel -q
  }} > "$out/$1-clocks.txt"
  tegrastats --interval 100 --logfile "$out/$1-tegrastats.txt" &
  log=$!
  "$trtexec" {options} --onnx="$model" --duration=10 --useSpinWait --exportTimes="$out/$1-times.json" \\
    --exportProfile="$out/$1-profile.json" --separateProfileRun > "$out/$1-trtexec.txt" 2>&1 \\
    || echo "$2: trtexec failed" >&2
  kill $log 2>/dev/null || true
}}
"""


def measuring_script(device: DeviceSpec, modes: Sequence[PowerMode], model: str, precision: str) -> str:
    """Return the script for `modes`.

    Raises:
        DeviceError: the device is no Jetson, or a mode needs a reboot, which a script cannot do in between.
    """
    if device.kind != "jetson":
        raise DeviceError(f"{device.name} has no nvpmodel", where=device.id, expected="a Jetson")
    options = {"fp16": "--fp16", "int8": "--int8 --fp16", "fp32": "--noTF32", "bf16": "--bf16"}.get(precision, "")
    lines = [
        _HEAD.format(
            model=shlex.quote(model),
            count=len(modes),
            device=device.name,
            id=device.id,
            options=options or "--profilingVerbosity=detailed",
        )
    ]
    for number, mode in enumerate(modes, 1):
        base = _base(device, mode)
        if base is None:
            masks = ", ".join(name for name, knob in device.knobs.items() if knob.needs_reboot)
            raise DeviceError(
                f"no nvpmodel mode has the {masks or 'id'} of {mode.name}", where=device.id,
                expected="modes that can be set while it runs",
            )  # fmt: skip
        lines.append(f"\n# {number}: {mode.name}")
        lines.append(f"nvpmodel -m {base.id} </dev/null")
        if "gpu_freq" in mode.knobs:
            lines.append(f"lock_gpu {mode.knobs['gpu_freq']:.0f}")
        if "mem_freq" in mode.knobs:
            lines.append(f"lock_memory {mode.knobs['mem_freq']:.0f}")
        lines.append(f"measure {number} {shlex.quote(mode.name)}")
    return "\n".join(lines) + "\n"


def _base(device: DeviceSpec, mode: PowerMode) -> PowerMode | None:
    """Return the named mode to set before single clocks: one that needs no reboot to get from it to `mode`."""
    masks = [name for name, knob in device.knobs.items() if knob.needs_reboot]
    fitting = [m for m in device.modes if m.id is not None and all(m.knobs[n] == mode.knobs[n] for n in masks)]
    return min(fitting, key=lambda m: (m.name not in (mode.name, mode.base), sum(m.knobs[k] != v for k, v in
               mode.knobs.items())), default=None)  # fmt: skip
