# From here on every script is the same. ROOFLINE_SYSFS is another place for /sys, to try the script without a board.
set -u
sysfs=${ROOFLINE_SYSFS:-/sys}
model=${1:-}
out=${2:-roofline-runs}
engine=$out/engine.plan
emc=$sysfs/kernel/debug/bpmp/debug/clk/emc
job='' log='' nap='' measured='' skipped=0 label=''

say() { printf '%s\n' "$*"; }
warn() { printf 'measure: %s\n' "$(printf '%s' "$*" | tr '[:cntrl:]' '?')" >&2; } # one line, whatever a name holds
fail() { warn "$*"; exit 1; }
skip() { warn "$label: $*: skipped"; skipped=$((skipped + 1)); }
content() { cat "$1" 2>/dev/null || say unknown; }
put() { { printf '%s\n' "$2" > "$1"; } 2>/dev/null; }
pause() { # in the background, so that a signal is answered at once
  sleep "$1" > /dev/null 2>&1 &
  nap=$!
  wait "$nap"
  nap=''
}
alive() { kill -0 "$job" 2>/dev/null; }
clock() { date '+%m-%d-%Y %H:%M:%S'; } # as tegrastats writes it
mode_id() { nvpmodel -q 2>/dev/null < /dev/null | grep -E '^[0-9]+$' | tail -n 1; }
mode_name() { nvpmodel -q 2>/dev/null < /dev/null | sed -n 's/^.*Power Mode: *//p' | head -n 1; }
plain() { printf '%s' "$1" | tr '[:lower:]' '[:upper:]' | tr -d ' _-' | sed 's/^MODE//'; }

range() { # file of the lowest clock, file of the highest, the two: which can be written first depends on those before
  put "$1" "$3"
  put "$2" "$4"
  put "$1" "$3"
}
near() { # what was read, what was asked for: within 1 %
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  off=$(($1 - $2))
  test "${off#-}" -le $(($2 / 100))
}

# ---- the way back -------------------------------------------------------------------------------------------------

restore() {
  status=$?
  trap '' HUP INT TERM PIPE
  trap - EXIT
  for process in $job $log $nap; do kill "$process" 2>/dev/null; done
  free_clocks
  nvpmodel -m "$mode_before" < /dev/null > /dev/null 2>&1
  range "$gpu/min_freq" "$gpu/max_freq" "$gpu_min" "$gpu_max"
  say "$cpus" | while read -r policy low high; do
    test -e "$policy/scaling_min_freq" && range "$policy/scaling_min_freq" "$policy/scaling_max_freq" "$low" "$high"
  done
  if test "$emc_locked" = 1; then
    put "$emc/mrq_rate_locked" 1
    put "$emc/rate" "$emc_rate"
  fi
  if test "$(mode_id)" != "$mode_before" || test "$(content "$gpu/min_freq")" != "$gpu_min" ||
    test "$(content "$gpu/max_freq")" != "$gpu_max"; then
    warn "not all is as it was: expected nvpmodel mode $mode_before, $gpu_min to $gpu_max Hz in $gpu: restart the board"
    test "$status" -ne 0 || status=1
  fi
  conclude
  exit "$status"
}
conclude() {
  if test -n "$measured"; then
    files=''
    for name in $measured; do files="$files \"\$here/$name.csv\""; done
    say "roofline import csv$files -o \"\$here/runs.csv\"" >> "$out/import.sh"
    say "measured:" "$measured"
    say "now, where roofline is installed:  sh $out/import.sh   (it makes $out/runs.csv)"
  else
    say "nothing was measured" >&2
  fi
  test -z "${SUDO_UID:-}" || chown -R -P "$SUDO_UID:${SUDO_GID:-}" "$out"
}

# ---- one mode -----------------------------------------------------------------------------------------------------

free_clocks() { # lowest clocks as low as they go: no cap of the next mode is below them then
  put "$gpu/min_freq" "$gpu_floor"
  for policy in "$sysfs"/devices/system/cpu/cpufreq/policy*; do
    test -e "$policy/scaling_min_freq" && put "$policy/scaling_min_freq" "$(content "$policy/cpuinfo_min_freq")"
  done
  test ! -e "$emc/mrq_rate_locked" || put "$emc/mrq_rate_locked" 0
}
set_mode() { # nvpmodel's number, its name
  free_clocks
  said=$(nvpmodel -m "$1" < /dev/null 2>&1)
  now=$(mode_id)
  case $said in
    *[Rr][Ee][Bb][Oo][Oo][Tt]*)
      skip "nvpmodel mode $1 ($2) needs a reboot: sudo nvpmodel -m $1, reboot, and run this again"
      return 1
      ;;
  esac
  if test "$now" != "$1"; then
    skip "nvpmodel is in mode ${now:-unknown}, expected $1 ($2): see what sudo nvpmodel -m $1 says"
    return 1
  fi
  now=$(mode_name)
  if test "$(plain "$now")" != "$(plain "$2")"; then
    skip "nvpmodel calls mode $1 '$now', expected $2: is it another device, or release of Jetson Linux?"
    return 1
  fi
}
set_clocks() { # GPU Hz, memory Hz or -, whether the mode has this memory clock anyway
  range "$gpu/min_freq" "$gpu/max_freq" "$1" "$1"
  for policy in "$sysfs"/devices/system/cpu/cpufreq/policy*; do
    test -e "$policy/scaling_min_freq" && put "$policy/scaling_min_freq" "$(content "$policy/scaling_max_freq")"
  done
  if test "$2" != - && test -e "$emc/rate"; then
    put "$emc/mrq_rate_locked" 1
    put "$emc/rate" "$2"
  elif test "$2" != - && test "$3" = no; then
    skip "the memory cannot be set to $2 Hz: there is no $emc/rate"
    return 1
  fi
  for try in 1 2 3; do
    pause 1
    if clocks_are "$1" "$2"; then return 0; fi
  done
  skip "asked for gpu_hz $1, emc_hz $2, but read $(read_clocks) after $try tries: is the clock one of this board's?"
  return 1
}
clocks_are() {
  near "$(content "$gpu/cur_freq")" "$1" || return 1
  test "$2" = - || test ! -e "$emc/rate" || near "$(content "$emc/rate")" "$2"
}
read_clocks() { say "gpu_hz $(content "$gpu/cur_freq"), emc_hz $(content "$emc/rate")"; }

start() { # log, arguments of trtexec
  to=$1
  shift
  "$trtexec" "$@" > "$to" 2>&1 < /dev/null &
  job=$!
}
finish() {
  wait "$job"
  ended=$?
  job=''
  return "$ended"
}
build_once() { # one engine for all modes: built anew, it could run other kernels
  test ! -s "$engine" || return 0
  say "  building the engine"
  build_with start "$out/build.txt" --onnx="$model" --saveEngine="$engine" --profilingVerbosity=detailed \
    --warmUp=0 --duration=1 --iterations=1
  if ! finish || ! test -s "$engine"; then
    rm -f "$engine"
    fail "$model: trtexec built no engine, status $ended: see $out/build.txt"
  fi
}
timed_run() { # GPU Hz, memory Hz: tegrastats runs in the midst of the timed runs only
  say "  timing"
  held=yes
  run_with start "$to_files.trtexec.txt" --loadEngine="$engine" --warmUp=1000 --duration=15 --useSpinWait \
    --exportTimes="$to_files.times.json"
  until grep -q 'Starting inference' "$to_files.trtexec.txt" 2>/dev/null || ! alive; do pause 1; done
  pause 2
  if alive; then
    from=$(clock)
    tegrastats --interval 100 --logfile "$to_files.tegrastats.txt" > /dev/null 2>&1 < /dev/null &
    log=$!
    pause 10
    inside=no
    if alive; then inside=yes; fi
    clocks_are "$1" "$2" || held="no: $(read_clocks)"
    kill "$log" 2>/dev/null
    wait "$log" 2>/dev/null
    log=''
    until=$(clock)
    say "tegrastats: $from to $until" >> "$to_files.clocks.txt"
    say "under load: $(read_clocks)" >> "$to_files.clocks.txt"
    if test "$inside" = no; then
      rm -f "$to_files.tegrastats.txt" # the board was idle in part of it
    elif test -n "$(tail -c 1 "$to_files.tegrastats.txt" 2>/dev/null)"; then
      sed '$d' "$to_files.tegrastats.txt" > "$out/whole.txt" # the last line was cut off
      mv "$out/whole.txt" "$to_files.tegrastats.txt"
    fi
  fi
  if ! finish || ! test -s "$to_files.times.json"; then
    skip "trtexec timed nothing, status $ended: see $to_files.trtexec.txt"
    return 1
  fi
  if test "$held" != yes; then
    skip "the clocks did not hold under load, expected gpu_hz $1, emc_hz $2, $held: is the board throttled?"
    return 1
  fi
}
profile_run() {
  say "  profiling"
  run_with start "$to_files.profile.txt" --loadEngine="$engine" --profilingVerbosity=detailed --warmUp=500 \
    --duration=5 --exportProfile="$to_files.profile.json" --exportLayerInfo="$to_files.layers.json"
  finish || warn "$label: no times of layers, trtexec ended with $ended: see $to_files.profile.txt"
}
note_import() { # the line that makes the mode's rows
  files=''
  for kind in times.json profile.json layers.json; do
    test ! -s "$to_files.$kind" || files="$files \"\$here/$label.$kind\""
  done
  if grep -Eq "(^| )($rails) " "$to_files.tegrastats.txt" 2>/dev/null; then
    files="$files \"\$here/$label.tegrastats.txt\""
  else
    warn "$label: no power: tegrastats logged none of $rails while the model ran"
  fi
  say "roofline import trtexec$files --mode $label $import_options -o \"\$here/$label.csv\"" >> "$out/import.sh"
  measured="$measured${measured:+ }$label"
}
mode() { # label, nvpmodel's number and its name of the mode, GPU Hz, memory Hz or -, whether it has that anyway
  label=$1 to_files=$out/$1
  say "$label"
  set_mode "$2" "$3" || return 0
  set_clocks "$4" "$5" "$6" || return 0
  {
    say "asked: gpu_hz $4, emc_hz $5"
    say "read: $(read_clocks)"
    say "cpu_khz: $(content "$sysfs/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")"
    say "cpus: $(content "$sysfs/devices/system/cpu/online")"
    nvpmodel -q < /dev/null 2>&1
  } > "$to_files.clocks.txt"
  build_once
  timed_run "$4" "$5" || return 0
  profile_run
  note_import
}

# ---- is everything there? until here nothing is changed -----------------------------------------------------------

test -n "$model" || { say "usage: sudo sh $0 MODEL.onnx [FOLDER]" >&2; exit 2; }
test "$(id -u)" = 0 || fail "setting clocks needs root: sudo sh $0 $model"
test -f "$model" || fail "$model: no such file, expected the model that the script was made for"
for tool in nvpmodel tegrastats; do
  command -v "$tool" > /dev/null || fail "$tool is not there, expected a Jetson with its tools"
done
trtexec=$(command -v trtexec) || trtexec=/usr/src/tensorrt/bin/trtexec
test -x "$trtexec" || fail "trtexec is neither on PATH nor $trtexec: sudo apt install tensorrt"
gpu=''
for node in "$sysfs"/class/devfreq/*gpu* "$sysfs"/class/devfreq/*g[avp]1*b*; do
  if test -e "$node/min_freq" && test -e "$node/max_freq" && test -e "$node/cur_freq"; then
    gpu=$node
    break
  fi
done
test -n "$gpu" || fail "no GPU in $sysfs/class/devfreq, expected a folder *gpu*, *gv11b* or *ga10b* with min_freq"
gpu_min=$(content "$gpu/min_freq") gpu_max=$(content "$gpu/max_freq")
gpu_floor=$(tr ' ' '\n' < "$gpu/available_frequencies" 2>/dev/null | grep -E '^[0-9]+$' | sort -n | head -n 1)
gpu_floor=${gpu_floor:-$gpu_min}
mode_before=$(mode_id)
test -n "$mode_before" || fail "nvpmodel -q names no mode, expected its number in the last line: sudo nvpmodel -q"
emc_locked=$(content "$emc/mrq_rate_locked") emc_rate=$(content "$emc/rate")
cpus=$(for policy in "$sysfs"/devices/system/cpu/cpufreq/policy*; do
  test ! -e "$policy/scaling_min_freq" ||
    say "$policy $(content "$policy/scaling_min_freq") $(content "$policy/scaling_max_freq")"
done)
test ! -e "$out" || fail "$out is there already, expected no results of another run: move it away, or name another folder"
mkdir -p "$out" || fail "$out cannot be made: is the disk full, or not writable?"
cat > "$out/import.sh" << 'END'
#!/bin/sh
# Makes runs.csv beside this file, of all modes that were measured. Needs roofline.
set -eu
here=$(dirname "$0")
END
trap restore EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM
