"""A Jetson AGX Orin of shell scripts and plain files: as much of its tools and sysfs as the script uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GPU = "class/devfreq/17000000.gpu"
EMC = "kernel/debug/bpmp/debug/clk/emc"
POLICIES = ("devices/system/cpu/cpufreq/policy0", "devices/system/cpu/cpufreq/policy4")
BEFORE = {
    f"{GPU}/min_freq": "306000000",
    f"{GPU}/max_freq": "816000000",
    f"{EMC}/mrq_rate_locked": "0",
    **{f"{policy}/scaling_min_freq": "729600" for policy in POLICIES},
    **{f"{policy}/scaling_max_freq": "1497600" for policy in POLICIES},
}
"""What a script changes, as it is in MODE_50W before."""

_NVPMODEL = """#!/bin/sh
# modes 0 and 3 have all 8 TPCs, 1 and 2 have less: another mask needs a reboot, and with stdin at its end nobody agrees
name() { case $1 in 0) echo MAXN ;; 1) echo MODE_15W ;; 2) echo MODE_30W ;; 3) echo ${FAKE_NAME:-MODE_50W} ;; esac; }
if test "$1" = -q; then
  echo "NV Power Mode: $(name "$(cat "$FAKE/mode")")"
  cat "$FAKE/mode"
  exit 0
fi
echo "nvpmodel $*" >> "$FAKE/events"
case $2$FAKE_MASKS in
  1* | 2* | *lost)
    echo "NVPM WARN: Reboot required for changing to this power mode: $2"
    echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm: "
    read -r answer || exit 255
    echo "rebooted: $answer" >> "$FAKE/events"
    exit 0 ;;
esac
test "$2" = "$FAKE_DEAF" && { echo "NVPM ERROR: failed to write PARAM GPU"; exit 255; }
echo "$2" > "$FAKE/mode"
case $2 in 0) gpu=1300500000 cpu=2201600 ;; *) gpu=816000000 cpu=1497600 ;; esac
echo $gpu > "$ROOFLINE_SYSFS/class/devfreq/17000000.gpu/max_freq"
for policy in "$ROOFLINE_SYSFS"/devices/system/cpu/cpufreq/policy*; do echo $cpu > "$policy/scaling_max_freq"; done
"""

_TRTEXEC = """#!/bin/sh
# time: 2 ms at 1300.5 MHz of the GPU and 1 ms at 3199 MHz of the memory, the root of the sum of their squares
echo "trtexec $$ $*" >> "$FAKE/events"
times='' profile='' layers=''
for argument; do
  case $argument in
    --saveEngine=*) echo plan > "${argument#*=}" ;;
    --loadEngine=*) test -s "${argument#*=}" || exit 1 ;;
    --exportTimes=*) times=${argument#*=} ;;
    --exportProfile=*) profile=${argument#*=} ;;
    --exportLayerInfo=*) layers=${argument#*=} ;;
  esac
done
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v100300] # trtexec $*"
case $FAKE_BROKEN$* in build*--saveEngine* | times*--exportTimes*) echo "[E] Error[10]"; exit 1 ;; esac
echo "[08/24/2026-11:19:00] [I] Starting inference"
gpu=$(cat "$ROOFLINE_SYSFS/class/devfreq/17000000.gpu/cur_freq")
emc=$(cat "$ROOFLINE_SYSFS/kernel/debug/bpmp/debug/clk/emc/rate" 2>/dev/null || echo 3199000000)
if test -n "$times"; then
  test -z "$FAKE_THROTTLED" || echo 612000000 > "$ROOFLINE_SYSFS/class/devfreq/17000000.gpu/min_freq"
  rm -f "$FAKE/logged"
  until test -e "$FAKE/logged" || test -n "$FAKE_SHORT"; do /bin/sleep 0.02; done
  test -n "$FAKE_SHORT" || /bin/sleep 0.2
  awk -v gpu="$gpu" -v emc="$emc" 'BEGIN {
    ms = sqrt((2 * 1300500000 / gpu) ^ 2 + (3199000000 / emc) ^ 2)
    for (i = 0; i < 20; i++) {
      printf("%s{ \\"startEnqMs\\" : %g, \\"endEnqMs\\" : %g, \\"startH2dMs\\" : %g, \\"endH2dMs\\" : %g, ",
             i ? ", " : "[\\n  ", i, i, i, i)
      printf("\\"h2dMs\\" : 0.05, \\"computeMs\\" : %.6g, \\"d2hMs\\" : 0.01, \\"latencyMs\\" : %.6g }\\n",
             ms, ms + 0.06)
    }
    print "]" }' > "$times"
fi
if test -n "$profile"; then
  echo '[
  { "count" : 100 }
, { "name" : "/conv1/Conv + /relu/Relu", "timeMs" : 50, "averageMs" : 0.5, "medianMs" : 0.5, "percentage" : 100 }
]' > "$profile"
  echo '{"Layers": [{"Name": "/conv1/Conv + /relu/Relu", "LayerType": "CaskConvolution", "Metadata": ""}],
 "Bindings": ["x", "y"]}' > "$layers"
fi
echo "trtexec ends" >> "$FAKE/events"
test -z "$times" || : > "$FAKE/timed"
"""

_TEGRASTATS = """#!/bin/sh
# power: 10 W, and 20 W more at full GPU clock, on three rails; 100 lines in 10 s, and one more that is cut off
echo "tegrastats $$ $*" >> "$FAKE/events"
while test $# -gt 0; do test "$1" != --logfile || file=$2; shift; done
trap 'printf "08-24-2026 11:19:10 RAM 43" >> "$file"; echo "tegrastats ends" >> "$FAKE/events"; : > "$FAKE/logged"
      exit 0' TERM
awk -v gpu="$(cat "$ROOFLINE_SYSFS/class/devfreq/17000000.gpu/cur_freq")" \\
  -v emc="$(cat "$ROOFLINE_SYSFS/kernel/debug/bpmp/debug/clk/emc/rate" 2>/dev/null || echo 3199000000)" 'BEGIN {
  for (i = 0; i < 100; i++) {
    printf("08-24-2026 11:19:%02d RAM 4321/62801MB (lfb 1759x4MB) SWAP 19/31400MB (cached 0MB) ", i / 10)
    printf("CPU [9%%@2201")
    for (core = 1; core < 12; core++) printf(",2%%@2201")
    printf("] EMC_FREQ 10%%@%d GR3D_FREQ 99%%@[%d,%d] VIC_FREQ 729 APE 174 CPU@45C ",
           emc / 1000000, gpu / 1000000, gpu / 1000000)
    printf("VDD_GPU_SOC %dmW/%dmW VDD_CPU_CV 2000mW/2000mW ", 3000 + 20 * gpu / 1300500, 3000)
    printf("VIN_SYS_5V0 5000mW/5000mW VDDQ_VDD2_1V8AO 900mW/633mW\\n") } }' >> "$file"
while :; do /bin/sleep 0.02; done
"""

_SLEEP = """#!/bin/sh
# a hundred times as fast; with FAKE_SHORT the time of the log is longer than that of trtexec
test "$1$FAKE_SHORT" != 101 || until test -e "$FAKE/timed"; do /bin/sleep 0.02; done
exec /bin/sleep "$(awk "BEGIN { print $1 / 100 }")"
"""


class Board:
    """The fake board in a folder, and a way to run scripts on it."""

    def __init__(self, folder: Path, tools: tuple[str, ...] = ("nvpmodel", "trtexec", "tegrastats")) -> None:
        self.folder, self.bin, self.sysfs = folder, folder / "bin", folder / "sys"
        self.runs = folder / "roofline-runs"
        self.bin.mkdir(parents=True)
        programs = {
            "nvpmodel": _NVPMODEL,
            "trtexec": _TRTEXEC,
            "tegrastats": _TEGRASTATS,
            "sleep": _SLEEP,
            "id": "#!/bin/sh\necho ${FAKE_USER:-0}\n",
            "sudo": '#!/bin/sh\nexec "$@"\n',
            "roofline": f'#!/bin/sh\nexec {sys.executable} -m roofline "$@"\n',
        }
        for name in (*tools, "sleep", "id", "sudo", "roofline"):
            (self.bin / name).write_text(programs[name])
            (self.bin / name).chmod(0o755)
        for path, value in {
            **BEFORE,
            f"{GPU}/available_frequencies": "306000000 408000000 816000000 1300500000",
            f"{EMC}/rate": "2133000000",
            **{f"{policy}/cpuinfo_min_freq": "115200" for policy in POLICIES},
            "devices/system/cpu/online": "0-11",
        }.items():
            (self.sysfs / path).parent.mkdir(parents=True, exist_ok=True)
            (self.sysfs / path).write_text(value + "\n")
        (self.sysfs / GPU / "cur_freq").symlink_to("min_freq")  # the GPU runs as low as it may
        (folder / "mode").write_text("3\n")
        (folder / "events").write_text("")
        self.model = folder / "model.onnx"
        self.model.write_bytes(b"any")

    def environment(self, **extra: str) -> dict[str, str]:
        """Return the environment of a script; `extra` are the fakes' own switches (FAKE_...)."""
        path = f"{self.bin}:/usr/bin:/bin"
        kept = {name: value for name, value in os.environ.items() if name.startswith(("XDG_", "HOME", "PYTHON"))}
        switches = dict.fromkeys(("MASKS", "DEAF", "BROKEN", "THROTTLED", "SHORT"), "")
        return {
            **kept, "PATH": path, "FAKE": str(self.folder), "ROOFLINE_SYSFS": str(self.sysfs),
            **{f"FAKE_{name}": value for name, value in switches.items()}, **extra,
        }  # fmt: skip

    def start(self, script: str, *arguments: str, shell: str = "sh", **extra: str) -> subprocess.Popen[str]:
        """Start a script in the board's folder."""
        (self.folder / "measure.sh").write_text(script)
        return subprocess.Popen(
            [shell, "measure.sh", *(arguments or ("model.onnx",))], cwd=self.folder, env=self.environment(**extra),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, script: str, *arguments: str, shell: str = "sh", **extra: str) -> tuple[int, str, str]:
        """Run a script to its end; return exit status, stdout and stderr."""
        process = self.start(script, *arguments, shell=shell, **extra)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    @property
    def events(self) -> list[str]:
        """What was called, in order."""
        return (self.folder / "events").read_text().splitlines()

    def called(self, tool: str) -> list[str]:
        """Return the arguments of each call of a tool."""
        return [event for event in self.events if event.startswith(f"{tool} ") and not event.endswith(" ends")]

    def is_as_before(self) -> bool:
        """Return whether mode and clocks are what they were."""
        there = {path: (self.sysfs / path).read_text().strip() for path in BEFORE if (self.sysfs / path).exists()}
        return (self.folder / "mode").read_text() == "3\n" and all(BEFORE[p] == value for p, value in there.items())
