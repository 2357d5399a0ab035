"""The lines of a new power model: those of another one, changed where the knobs want it."""

from __future__ import annotations

from collections.abc import Mapping

from roofline.devices.nvpmodel.conf import Conf, PowerModel, Setting
from roofline.devices.nvpmodel.knobs import (
    CPU_HZ_PER_UNIT,
    GPU_MASK,
    TPC_MASK,
    cluster_core,
    core_number,
    cores_on,
    is_cpu_clock,
    is_dla_clock,
    mask_width,
    nearest,
    tpc_on,
)
from roofline.devices.spec import DeviceSpec, Knob
from roofline.errors import DeviceError
from roofline.findings import Finding


class Block:
    """A copy of `model` that sets `wanted`. Settable knobs only: the caller has checked them."""

    def __init__(self, conf: Conf, device: DeviceSpec, model: PowerModel, wanted: Mapping[str, float]) -> None:
        self.conf, self.device, self.model = conf, device, model
        self.findings: list[Finding] = []
        raw = [(i, line.rstrip("\r\n")) for i, line in enumerate(conf.lines, 1) if model.line < i <= model.last_line]
        settings = {s.line: s for s in model.settings}
        self._rows: list[tuple[str, Setting | None]] = [(text, settings.get(i)) for i, text in raw if text.strip()]
        self._tag = f"{conf.where}:{model.line}"
        self.changed = 0
        """How many lines are other, new or gone."""
        self.mask_changed = False
        setters = {"cpu_cores": self._cpu_cores, "tpc": self._tpc, "gpu_freq": self._gpu_freq,
                   "mem_freq": self._mem_freq, "dla_freq": self._dla_freq}  # fmt: skip
        for name, setter in setters.items():
            if name in wanted:
                setter(device.knobs[name], wanted[name])
        if "cpu_freq" in wanted or "cpu_cores" in wanted:
            self._clusters(device.knobs.get("cpu_freq"), wanted.get("cpu_freq"))

    @property
    def lines(self) -> list[str]:
        """The lines below the header."""
        return [text for text, _ in self._rows]

    @property
    def mask(self) -> int | None:
        """The mask of TPCs that are off, None where the block sets none."""
        for names in (TPC_MASK, GPU_MASK):
            found = self._find(*names)
            if found is not None:
                return found.number
        return None

    def _note(self, code: str, message: str) -> None:
        self.findings.append(Finding(code, self._tag, f"copied from {self.model.name}: {message}"))

    def _all(self, param: str, arg: str) -> list[int]:
        return [i for i, (_, s) in enumerate(self._rows) if s is not None and (s.param, s.arg) == (param, arg)]

    def _find(self, param: str, arg: str) -> Setting | None:
        places = self._all(param, arg)
        return self._rows[places[-1]][1] if places else None

    def _defined(self, param: str, arg: str) -> bool:
        return param in self.conf.params and arg in self.conf.params[param].args

    def _set(self, param: str, arg: str, value: int, before: str = "") -> None:
        """Set an argument: in its line, else in a new one before the first line of PARAM `before`, else at the end."""
        row = (f"{param} {arg} {value}", Setting(0, param, arg, str(value)))
        places = self._all(param, arg)
        for place in places:
            old = self._rows[place][1]
            if old is not None and old.number != value:
                self._rows[place] = row
                self.changed += 1
        if not places:
            starts = [i for i, (_, s) in enumerate(self._rows) if s is not None and s.param == before]
            self._rows.insert(starts[0] if starts else len(self._rows), row)
            self.changed += 1

    def _remove(self, param: str) -> None:
        kept = [(text, s) for text, s in self._rows if s is None or s.param != param]
        self.changed += len(self._rows) - len(kept)
        self._rows = kept

    def _on(self) -> set[int]:
        rows = tuple(s for _, s in self._rows if s is not None)
        return cores_on(self.conf, self.device, self.model._replace(settings=rows))[0]

    def _cpu_cores(self, knob: Knob, value: float) -> None:
        """Cores 0 to n-1 on, the others off; a block with n cores on keeps the ones it has."""
        on, unsaid = cores_on(self.conf, self.device, self.model)
        if len(on) == value and not unsaid:
            return
        args = self.conf.params["CPU_ONLINE"].args
        for core in sorted(n for n in map(core_number, args) if n is not None):
            if core or self._all("CPU_ONLINE", "CORE_0"):
                self._set("CPU_ONLINE", f"CORE_{core}", int(core < value), self._after_cores())

    def _after_cores(self) -> str:
        """Return the PARAM before which a new line for a core goes."""
        cores = [i for i, (_, s) in enumerate(self._rows) if s is not None and s.param == "CPU_ONLINE"]
        rest = [s.param for _, s in self._rows[cores[-1] + 1 if cores else 0 :] if s is not None]
        return rest[0] if rest else ""

    def _tpc(self, knob: Knob, value: float) -> None:
        current = self._find(*TPC_MASK)
        if current is None and not self._defined(*TPC_MASK):
            if value != knob.values[-1]:
                raise DeviceError(f"tpc={value:g} cannot be set: the file has no {' '.join(TPC_MASK)}",
                                  where=self.conf.where, expected=f"tpc={knob.values[-1]:g}")  # fmt: skip
            if self.mask:
                self._note("nvpmodel-mask", f"GPU_PG_MASK {self.mask} stays; what its bits stand for is not known")
            return
        if current is None or tpc_on(knob, current.number) != value:
            self._set(*TPC_MASK, self._mask_for(knob, value), self._after_cores())
            self.mask_changed = True

    def _mask_for(self, knob: Knob, value: float) -> int:
        """Return a mask that leaves `value` TPCs on: one that the file uses, else from its fullest one."""
        used = [s.number for model in self.conf.models if (s := model.find(*TPC_MASK)) is not None]
        for mask in used:
            if tpc_on(knob, mask) == value:
                return mask
        width = mask_width(knob)
        mask = min(used, key=lambda m: m.bit_count(), default=0)
        for bit in reversed(range(width)):  # NVIDIA's own masks switch the upper ones off first: 240, 248, 252
            if tpc_on(knob, mask) > value:
                mask |= 1 << bit
        for bit in range(width):
            if tpc_on(knob, mask) < value:
                mask &= ~(1 << bit)
        self._note("nvpmodel-mask", f"TPC_PG_MASK {mask} leaves {value:g} TPCs on; no mode of the file uses it")
        return mask

    def _same_step(self, knob: Knob, setting: Setting | None, value: float, hz_per_unit: float = 1.0) -> bool:
        """Say whether a cap means `value` already: 0 and -1 are no cap."""
        if setting is None:
            return False
        return (knob.values[-1] if setting.number <= 0 else nearest(knob, setting.number * hz_per_unit)) == value

    def _clusters(self, knob: Knob | None, value: float | None) -> None:
        """Set the clock of every CPU cluster that is on; without a value a new one gets that of the others.

        A cluster that goes off loses its lines: the files behind them go with its cores.
        """
        on, before = self._on(), cores_on(self.conf, self.device, self.model)[0]
        names = [n for n, p in self.conf.params.items() if is_cpu_clock(n) and "MAX_FREQ" in p.args]
        names += sorted({s.param for _, s in self._rows if s is not None and is_cpu_clock(s.param)} - set(names))
        floor, ceiling = (self._first(names, arg) for arg in ("MIN_FREQ", "MAX_FREQ"))
        khz = ceiling if value is None else round(value / CPU_HZ_PER_UNIT)
        for index, cluster in enumerate(names):
            core = cluster_core(self.conf, cluster)
            is_new = not self._all(cluster, "MAX_FREQ")
            if core is not None and core not in on and (core in before or is_new):
                self._remove(cluster)
                continue
            follower = next((c for c in names[index + 1 :] if self._all(c, "MAX_FREQ")), "GPU")
            if is_new and floor is not None and self._defined(cluster, "MIN_FREQ"):
                self._set(cluster, "MIN_FREQ", floor, follower)
            if khz is not None and (is_new or not self._holds(cluster, knob, value)):
                self._set(cluster, "MAX_FREQ", khz, follower)
            lowest, highest = self._find(cluster, "MIN_FREQ"), self._find(cluster, "MAX_FREQ")
            if lowest is not None and highest is not None and 0 <= highest.number < lowest.number:
                self._set(cluster, "MIN_FREQ", highest.number)

    def _first(self, params: list[str], arg: str) -> int | None:
        """Return the value of an argument in the first of `params` that has it."""
        return next((s.number for p in params if (s := self._find(p, arg)) is not None), None)

    def _holds(self, cluster: str, knob: Knob | None, value: float | None) -> bool:
        """Say whether a cluster needs no other clock."""
        if knob is None or value is None:
            return True
        return self._same_step(knob, self._find(cluster, "MAX_FREQ"), value, CPU_HZ_PER_UNIT)

    def _gpu_freq(self, knob: Knob, value: float) -> None:
        hz = round(value)
        if self._find("GPU", "MIN_FREQ") is not None or self._defined("GPU", "MIN_FREQ"):
            self._set("GPU", "MIN_FREQ", hz, "GPU")
        else:
            self._note("nvpmodel-unset", "the file has no GPU MIN_FREQ: the clock is capped, not held")
        self._set("GPU", "MAX_FREQ", hz)

    def _mem_freq(self, knob: Knob, value: float) -> None:
        """Cap the memory clock; its highest value is written as no cap, in the file's own spelling (0 or -1)."""
        if self._same_step(knob, self._find("EMC", "MAX_FREQ"), value):
            return
        if self._find("EMC", "MAX_FREQ") is None and not self._defined("EMC", "MAX_FREQ"):
            if value != knob.values[-1]:
                raise DeviceError("mem_freq cannot be set: the file has no EMC MAX_FREQ", where=self.conf.where)
            self._note("nvpmodel-unset", "the file has no EMC MAX_FREQ: the memory clock is not capped")
            return
        used = {s.number for model in self.conf.models if (s := model.find("EMC", "MAX_FREQ")) is not None}
        free = -1 if -1 in used and 0 not in used else 0
        self._set("EMC", "MAX_FREQ", free if value == knob.values[-1] else round(value))

    def _dla_freq(self, knob: Knob, value: float) -> None:
        cores = [n for n, p in self.conf.params.items() if is_dla_clock(n) and "MAX_FREQ" in p.args]
        cores += sorted({s.param for _, s in self._rows if s is not None and is_dla_clock(s.param)} - set(cores))
        if not cores:
            self._note("nvpmodel-unset", "the file has no clock of the DLA: dla_freq is not set")
        before = self.changed
        for core in cores:
            if not self._same_step(knob, self._find(core, "MAX_FREQ"), value):
                self._set(core, "MAX_FREQ", round(value))
        if self.changed > before:
            self._note("nvpmodel-dla", "the DLA's other clocks (FALCON) stay as they are")
