"use strict";
/* The layers as rows: what is shown of them, in which order, and as CSV and JSON. */
const table = (() => {
  const { plain, ratio, share, text } = words;

  /** Every figure of one layer, with the keys of `roofline analyze --format json`. */
  function record(way, found, i) {
    const flops = model.sum(way.flop.map((row) => row[i]));
    const moved = way.moved_byte[i];
    const isCounted = way.status[i] === "counted";
    const takesTime = isCounted && found.roofline[i] > 0;
    const energy = found.energy === null ? NaN : found.energy[i];
    return {
      name: way.name[i], op_type: way.op_type[i], class: way.class[i], nodes: way.nodes[i], status: way.status[i],
      macs: way.layer_macs[i], flops, bytes_read: way.bytes_read[i], bytes_written: way.bytes_written[i],
      weight_bytes_read: way.weight_bytes_read[i],
      intensity_flop_per_byte: moved > 0 ? flops / moved : null,
      roofline_time_s: isCounted ? found.roofline[i] : null,
      predicted_time_s: isCounted && way.prediction ? found.time[i] : null,
      share: isCounted && found.total_s > 0 ? found.time[i] / found.total_s : null,
      ceiling: takesTime ? model.ceilingName(way, found, i) : null,
      energy_j: energy > 0 ? energy : null,
      limited_by: takesTime ? (found.isMemoryBound[i] ? "memory" : "compute") : null,
      ...(way.cache_bytes === null ? {} : { cache_bytes: way.cache_bytes[i] }),
    };
  }

  /** Predicted where there is a calibration, else by the roofline. */
  const timeOf = (row) => row.predicted_time_s ?? row.roofline_time_s;
  const isLost = (row) => row.status === "unsupported";
  const orLost = (row, shown) => (isLost(row) ? "?" : shown);

  /** [key, title, what to sort by, what to show, whether it is a number]. */
  const COLUMNS = [
    ["name", "layer", (row) => row.name, (row) => plain(row.name), false],
    ["time", "time", timeOf, (row) => text(timeOf(row), "s"), true],
    ["share", "share", (row) => row.share, (row) => (row.share === null ? "-" : share(row.share)), true],
    ["energy", "energy", (row) => row.energy_j, (row) => text(row.energy_j, "J"), true],
    ["limit", "limited by", (row) => row.limited_by, (row) => (isLost(row) ? "unsupported" : row.limited_by || "-"), false],
    ["ceiling", "ceiling", (row) => row.ceiling, (row) => row.ceiling || "-", false],
    ["op", "operator", (row) => row.op, (row) => row.op, false],
    ["flops", "FLOP", (row) => row.flops, (row) => orLost(row, text(row.flops, "")), true],
    ["bytes", "bytes", (row) => row.bytes_read + row.bytes_written,
      (row) => orLost(row, text(row.bytes_read + row.bytes_written, "B")), true],
    ["intensity", "FLOP/B", (row) => row.intensity_flop_per_byte,
      (row) => orLost(row, ratio(row.intensity_flop_per_byte)), true],
  ];

  /** All rows of a way in a mode; `op` is the operator with what is fused to it, `i` the place among the layers. */
  const records = (way, found) =>
    way.name.map((_, i) => Object.assign(record(way, found, i), { op: way.op[i], i }));

  /** Return the rows by one column; unknown values last, equal ones in the graph's order. */
  function sorted(rows, key, isDescending) {
    const value = COLUMNS.find((column) => column[0] === key)[2];
    const sign = isDescending ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [one, other] = [value(a), value(b)];
      if (one === null || other === null) return (one === null) - (other === null) || a.i - b.i;
      const order = typeof one === "string" ? one.localeCompare(other, "en", { numeric: true }) : one - other;
      return sign * order || a.i - b.i;
    });
  }

  /** Return the fewest layers that take a share of the time; all of them for 1. */
  function mostOfTime(rows, part) {
    if (part >= 1) return rows;
    const kept = new Set();
    let reached = 0;
    for (const row of sorted(rows, "time", true)) {
      if (reached >= part || !row.share) break;
      kept.add(row.i);
      reached += row.share;
    }
    return rows.filter((row) => kept.has(row.i));
  }

  /** Return the rows that a text (all its words, in name, operator or nodes) and the chosen classes leave. */
  function filtered(rows, wanted, hiddenClasses) {
    const parts = wanted.toLowerCase().split(/\s+/).filter(Boolean);
    return rows.filter((row) => {
      if (hiddenClasses.has(className(row))) return false;
      const where = `${row.name} ${row.op} ${row.nodes.join(" ")}`.toLowerCase();
      return parts.every((part) => where.includes(part));
    });
  }

  const className = (row) => row.class || "other";

  function csvCell(value) {
    if (value === null || value === undefined) return "";
    let cell = Array.isArray(value) ? value.join(" ") : String(value);
    if (typeof value !== "number" && /^[=+\-@\t\r]/.test(cell)) cell = `'${cell}`; // a spreadsheet would run it
    return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
  }

  /** What a key of a row ends in -> the unit of its numbers. */
  const UNITS = [["_flop_per_byte", " FLOP/B"], ["_s", "s"], ["_j", "J"], ["flops", "FLOP"], ["macs", "MAC"], ["bytes", "B"],
    ["bytes_read", "B"], ["bytes_written", "B"]];

  const unitOf = (key) => UNITS.find(([end]) => key.endsWith(end)) || ["", ""];

  /** `roofline_time_s` is "roofline time". */
  const title = (key) => (/_(s|j|flop_per_byte)$/.test(key) ? key.slice(0, -unitOf(key)[0].length) : key).replaceAll("_", " ");

  /** A value of a row in words. */
  function said(key, value) {
    if (Array.isArray(value)) return value.map((one) => plain(String(one))).join("\n");
    if (typeof value !== "number") return plain(String(value));
    if (key === "share") return share(value);
    const [end, unit] = unitOf(key);
    if (end === "_flop_per_byte") return ratio(value) + unit;
    return unit ? text(value, unit) : String(value);
  }

  /** What goes into files: the keys of `analyze`, numbers in full. */
  const plainRows = (rows) => rows.map(({ i, op, ...row }) => row);

  function csv(rows) {
    const plain = plainRows(rows);
    if (!plain.length) return "";
    const keys = Object.keys(plain[0]);
    return `${[keys, ...plain.map((row) => keys.map((key) => row[key]))].map((cells) => cells.map(csvCell).join(",")).join("\n")}\n`;
  }

  /** The layers that are shown, with the totals of the whole model and all that they depend on. */
  function json(data, { way, mode }, found, { verdict, of, shown }) {
    const known = (value) => (Number.isFinite(value) ? value : null);
    return JSON.stringify({
      schema: "roofline.report-layers/1", verdict, basis: way.prediction ? "prediction" : "roofline",
      calibration: way.prediction ? way.prediction.name : null, model: data.model, device: data.device.id,
      variant: data.device.variant || null, processor: data.device.processor, mode: mode.name, knobs: mode.knobs,
      clocks: data.clocks, precision: way.precision, phase: data.phase, traffic: way.traffic, levels: way.levels,
      runtime: data.runtime,
      totals: {
        bound_time_s: known(found.bound_s), roofline_time_s: known(found.roofline_s),
        predicted_time_s: way.prediction ? known(found.total_s) : null, predicted_low_s: known(found.low_s),
        predicted_high_s: known(found.high_s), energy_j: known(found.energy_j),
        power_w: known(found.power_w), limited_by: found.limitedBy,
      },
      layers_of_model: of, layers: plainRows(shown), findings: way.findings,
    }, null, 1);
  }

  return { COLUMNS, className, csv, json, filtered, mostOfTime, plainRows, records, said, sorted, timeOf, title };
})();
