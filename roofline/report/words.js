"use strict";
/* Numbers and results in words, as roofline/units.py, verdict.py and devices/modes.py write them. */
const words = (() => {
  /** toFixed, with ties to even as Python rounds them. */
  function fixed(value, decimals) {
    const exact = Math.abs(value).toFixed(100 - Math.max(0, Math.ceil(Math.log10(Math.abs(value) || 1))));
    const point = exact.indexOf(".") + 1;
    const isTie = /^50*$/.test(exact.slice(point + decimals));
    const kept = decimals ? exact.slice(0, point + decimals) : exact.slice(0, point - 1);
    return isTie && "02468".includes(kept.slice(-1)) ? `${value < 0 ? "-" : ""}${kept}` : value.toFixed(decimals);
  }

  /** Three significant digits, no exponent below a million. */
  function significant(value, digits = 3) {
    if (value === 0 || !Number.isFinite(value)) return Number.isFinite(value) ? "0" : Number.isNaN(value) ? "nan" : "inf";
    const rounded = Number(value.toExponential(digits - 1)); // 0.9999 has the decimals of 1.00
    return fixed(value, Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(rounded)) + 1e-12)));
  }

  const LARGE = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
  const SMALL = [[1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"], [1e-12, "p"]];

  /** text(0.00421, "s") is "4.21 ms"; unknown is "-". */
  function text(value, unit) {
    if (value === null || value === undefined || Number.isNaN(value)) return "-";
    if (value === 0 || !Number.isFinite(value)) return `${value === 0 ? 0 : "inf"} ${unit}`.trim();
    const steps = Math.abs(value) >= 1 ? LARGE : SMALL;
    const [scale, prefix] = steps.find((step) => Math.abs(value) >= step[0] * (1 - 0.5e-3)) || steps[steps.length - 1];
    return `${significant(value / scale)} ${prefix}${unit}`.trim();
  }

  /** A knob's value as it is typed: 816MHz, 8. */
  const knob = (name, value) =>
    name.endsWith("_freq") ? `${Number((value / 1e6).toPrecision(6))}MHz` : `${Number(value.toPrecision(6))}`;

  /** A mode by its knobs, as `--mode` takes it: the named mode, and what differs from it. */
  function modeName(data, mode) {
    const base = data.modes[mode.base];
    const changed = Object.keys(mode.knobs).filter((name) => mode.knobs[name] !== base.knobs[name]);
    return [base.name, ...changed.map((name) => `${name}=${knob(name, mode.knobs[name])}`)].join(",");
  }

  function bestModes(data, named) {
    if (named.length < 2) return "";
    const least = (values) => values.reduce((best, value, i) => (value < values[best] ? i : best), 0);
    const fastest = least(named.map((found) => found.total_s));
    const limited = named[fastest].isPowerLimited ? " (over the module's power limit)" : "";
    const name = (i) => data.modes[i].name;
    const priced = named.map((found) => (Number.isFinite(found.energy_j) ? found.energy_j : Infinity));
    if (!priced.some(Number.isFinite)) return ` Fastest mode: ${name(fastest)}.`;
    const cheapest = least(priced);
    if (cheapest === fastest) return ` ${name(fastest)}${limited} is the fastest mode and takes least energy.`;
    return ` Fastest mode: ${name(fastest)}${limited}; least energy: ${name(cheapest)}.`;
  }

  /** The first line of `roofline analyze`; `named` are the results in every named mode. */
  function verdict(data, way, mode, found, named) {
    const lost = way.lost_nodes;
    const incomplete = lost
      ? ` INCOMPLETE: ${lost} of ${data.model.nodes} nodes are not counted, totals are too low.` : "";
    if (!(found.total_s > 0)) {
      return `${data.model.name} on ${data.device.name}: nothing that takes time is counted.${incomplete}`;
    }
    const batch = data.model.batch === null ? "" : `, batch ${data.model.batch}`;
    const energy = Number.isFinite(found.energy_j) ? `, ${text(found.energy_j, "J")}` : ", energy unknown";
    const basis = way.prediction
      ? `PREDICTED (${text(found.low_s, "s")} to ${text(found.high_s, "s")} in 8 of 10 cases). ` : "ROOFLINE ONLY, not calibrated. ";
    return `${basis}${data.model.name} on ${data.device.name} in ${mode.name} (${way.precision}${batch}): `
      + `${text(found.total_s, "s")}${energy} per run, ${found.limitedBy}-bound.${bestModes(data, named)}${incomplete}`;
  }

  /** A name of a file, what is not printable in it as an escape. */
  const plain = (name) => name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

  const share = (value) => `${(100 * value).toFixed(1)} %`;
  const ratio = (value) => (value === null || Number.isNaN(value) ? "-" : significant(value));

  return { fixed, knob, modeName, plain, ratio, share, significant, text, verdict };
})();
