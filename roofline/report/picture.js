"use strict";
/* What the picture shows: points, roofs, ranges and caption, for speed (FLOP/s) or efficiency (FLOP/J). */
const picture = (() => {
  const { ratio, share, text } = words;
  const LEAST = 1e-3; // FLOP/B: what lies left of it is said in the caption
  const tick = (value) => text(value, "").replace(/\.0+(?=\s|$)/, "");
  const xTick = (value) => (value < 1000 ? String(Number(value.toPrecision(3))) : tick(value));

  /** FLOP and bytes of each layer: of the time, or of all that the energy's coefficients charge it for. */
  function workOf(way, found, kind) {
    const flopOf = (part) => (i) => model.sum(part.flop.map((of) => of[i]));
    if (kind === "time") return { flop: flopOf(way), moved: (i) => way.moved_byte[i] };
    if (way.energy === null) return null;
    const flop = new Float64Array(found.time.length);
    const moved = new Float64Array(found.time.length);
    way.energy.layer.forEach((i, row) => {
      flop[i] += flopOf(way.energy)(row);
      moved[i] += way.energy.moved_byte[row];
    });
    return { flop: (i) => flop[i], moved: (i) => moved[i] };
  }

  /** One point per layer with FLOPs. */
  function pointsOf(way, found, rows, kind) {
    const work = workOf(way, found, kind);
    const total = kind === "time" || !found.charged ? 0 : model.sum(found.charged);
    return rows.flatMap((row) => {
      const { i } = row;
      const part = kind === "time" ? row.share : found.charged && total > 0 ? found.charged[i] / total : 0;
      if (work === null || !(row.share > 0)) return [];
      const flop = work.flop(i);
      const x = flop / work.moved(i);
      const y = flop / (kind === "time" ? found.time[i] : found.charged[i]);
      if (!(x >= LEAST && y > 0 && Number.isFinite(x) && Number.isFinite(y))) return [];
      const cacheX = kind === "time" && row.cache_bytes > 0 ? flop / row.cache_bytes : 0;
      const unit = kind === "time" ? "FLOP/s" : "FLOP/J";
      const label = `${words.plain(row.name)}: ${ratio(x)} FLOP/B, ${text(y, unit)}, ${share(part)} of the ${kind}`;
      return [{ i, x, y, cacheX, share: part, class: table.className(row), label }];
    });
  }

  /** Slopes of the two bandwidths, the lower one in full, and a flat line per compute ceiling. */
  function timeRoofs(data, way, found, [low, high], narrow) {
    const { peak, bandwidth, dram, path } = found.roofs;
    const top = Math.max(...peak.filter(Number.isFinite));
    const labelX = low * (high / low) ** 0.04;
    const slope = (name, rate, binds, side) => ({
      points: [[low, low * rate], [top / rate, top]], style: binds ? "binds" : "spare", labelAt: [labelX, labelX * rate],
      slope: side, label: `${name} ${text(rate, "B/s")}`,
    });
    const slopes = [slope("DRAM", dram, dram <= path, dram <= path ? "below" : "above")];
    if (Number.isFinite(path)) {
      slopes.push(slope("memory path", path, path < dram, path < dram ? "below" : "above"));
    }
    const flats = way.ceilings.map((ceiling, c) => ({
      points: [[peak[c] / bandwidth, peak[c]], [high, peak[c]]], style: ceiling.is_known ? "binds" : "spare",
      labelAt: [high, peak[c]], ridge: [peak[c] / bandwidth, peak[c]],
      label: `${ceiling.precision} ${narrow ? text(peak[c], "") : `${ceiling.pipe} ${text(peak[c], "FLOP/s")}`}${
        ceiling.is_known ? "" : narrow ? " ?" : " (rate unknown)"}`,
    })).filter((roof) => Number.isFinite(roof.labelAt[1]));
    return [...slopes, ...flats];
  }

  /** An arch per ceiling whose energy per FLOP is known. */
  function energyRoofs(way, found, [low, high]) {
    const { perFlop, perByte, staticPower } = found.coefficients;
    const { peak, bandwidth } = found.energyRoofs;
    return way.energy.ceilings.flatMap((ceiling, c) => {
      const points = Array.from({ length: 81 }, (_, k) => low * (high / low) ** (k / 80)).map(
        (x) => [x, model.energyRoof(x, perFlop[c], perByte, staticPower, peak[c], bandwidth)],
      );
      if (!points.every(([, y]) => y > 0 && Number.isFinite(y))) return [];
      return [{ points, style: "binds", labelAt: points[80], label: `${ceiling.precision} ${ceiling.pipe}` }];
    });
  }

  /** The ranges of a way hold for every named mode and the chosen one, so that a change of mode moves the roofs. */
  function timeRanges(way, found, named, points) {
    const all = [...named, found].map((result) => result.roofs);
    const ridges = all.flatMap((roofs) => roofs.peak.map((peak) => peak / roofs.bandwidth));
    const xs = chart.range([...points.map((point) => point.x), ...ridges]);
    const ys = chart.range([
      ...all.flatMap((roofs) => roofs.peak.map((peak) => 1.2 * peak)), ...all.map((roofs) => xs[0] * roofs.bandwidth), ...points.map((point) => point.y),
    ]);
    return [xs, ys];
  }

  function energyRanges(way, found, points) {
    if (!points.length) return [[0.1, 1000], [1e9, 1e12]];
    const xs = chart.range([...points.map((point) => point.x), 100]);
    const roofs = energyRoofs(way, found, xs).flatMap((roof) => roof.points.map(([, y]) => y));
    return [xs, chart.range([...roofs, ...points.map((point) => point.y)])];
  }

  /** Return what `chart.draw` draws. */
  function view(data, state, found, named, rows, shown, width) {
    const { way, kind } = state;
    const isTime = kind === "time";
    const all = pointsOf(way, found, rows, kind);
    const [xs, ys] = isTime ? timeRanges(way, found, named, all) : energyRanges(way, found, all);
    const kept = new Set(shown.map((row) => row.i));
    const points = all.filter((point) => kept.has(point.i));
    const narrow = width < 600;
    const roofs = isTime ? timeRoofs(data, way, found, xs, narrow) : way.energy ? energyRoofs(way, found, xs) : [];
    return {
      width, height: narrow ? 340 : 440, left: 50, xs, ys, points, roofs, markers: data.markers, xText: xTick, yText: tick,
      xTitle: "FLOP per byte moved", yTitle: isTime ? "FLOP/s" : "FLOP/J", caption: caption(way, found, kind, shown, points),
    };
  }

  function caption(way, found, kind, shown, points) {
    const drawn = new Set(points.map((point) => point.i));
    const out = shown.filter((row) => !drawn.has(row.i) && row.share > 0);
    const missing = out.length
      ? ` Not in the picture: ${out.length} ${out.length === 1 ? "layer" : "layers"} without FLOPs, ${share(model.sum(out.map((row) => row.share)))} of the time.` : "";
    const broken = Number.isFinite(found.roofs.path) ? " The broken line is the bandwidth limit that does not bind." : "";
    const height = way.prediction ? " Height is the predicted speed, below what the ceilings allow." : "";
    if (kind === "time") return `Area is the share of the time.${height}${broken}${missing}`;
    if (way.energy === null) return "No energy: the device file has no coefficients for this precision.";
    return `Area is the share of the energy. Work and bytes as ${way.energy.name} counts them (${way.energy.traffic} traffic); `
      + `an arch is what one layer alone on that pipe could reach, static power included.${missing}`;
  }

  return { view };
})();
