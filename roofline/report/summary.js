"use strict";
/* The parts of the page around the layers: totals, power modes, findings. */
const summary = (() => {
  const { ratio, share, text } = words;
  const $ = (id) => document.getElementById(id);

  function make(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties || {});
    made.append(...children);
    return made;
  }

  function memoryShare(found) {
    if (!(found.total_s > 0)) return 0;
    return model.sum(found.time.filter((_, i) => found.isMemoryBound[i])) / found.total_s;
  }

  /** How far measured values are off what is predicted, in 8 of 10 cases. */
  function band([low, high]) {
    const edge = (value) => `${value < 1 ? "−" : "+"}${ratio(100 * Math.abs(value - 1))}`;
    return `${edge(low)} to ${edge(high)} %`;
  }

  /** What the times of a way of counting are, in the page's heading. */
  function showBasis({ way }) {
    const { prediction } = way;
    $("basis").textContent = prediction
      ? `Predicted by calibration ${prediction.name}: 8 of 10 measured times are ${band(prediction.time_band)} off.`
      : "Roofline only: what the ceilings allow. A real run is slower.";
    $("basis").classList.toggle("predicted", prediction !== null);
  }

  function showTotals(data, { way }, found) {
    const moved = model.sum(way.moved_byte);
    const flops = model.sum(way.flop.map(model.sum));
    const { batch } = data.model;
    const limit = data.device.power_limit_w;
    const over = found.isPowerLimited ? `over the module's ${text(limit, "W")}` : "";
    const { energy, prediction } = way;
    const bound = `never below ${text(found.bound_s, "s")}`;
    const isMeasured = prediction !== null && prediction.power !== null;
    const boundary = isMeasured ? prediction.boundary : energy && energy.boundary;
    const error = isMeasured ? band(prediction.power_band) : energy ? `± ${ratio(100 * energy.relative_error)} %` : "no coefficients";
    const tiles = [
      prediction
        ? ["time", "predicted time per run", text(found.total_s, "s"),
          `${text(found.low_s, "s")} to ${text(found.high_s, "s")}; roofline ${text(found.roofline_s, "s")}; ${bound}`]
        : ["time", "roofline time per run", text(found.total_s, "s"), bound],
      ["energy", "energy per run", text(found.energy_j, "J"), error],
      ["power", "power", text(found.power_w, "W"), over || (boundary ? `at the ${boundary}` : "")],
      ["rate", "throughput", batch && found.total_s > 0 ? text(batch / found.total_s, "/s") : "-", batch ? `batch ${batch}` : ""],
      ["limit", "limited by", found.limitedBy || "-", `${share(memoryShare(found))} of the time in memory`],
      ["flops", "work", text(flops, "FLOP"), `${text(way.macs, "MAC")}, ${ratio(moved > 0 ? flops / moved : null)} FLOP/B`],
      ["bytes", "moved", text(moved, "B"), way.traffic + (way.levels ? ", cache keeps results" : "")],
      ["memory", "held at once", text(way.peak_memory_bytes, "B"), `weights in the file ${text(data.model.weight_bytes, "B")}`],
    ];
    $("totals").replaceChildren(...tiles.map(([key, title, value, note]) => make("div", { id: `total-${key}` },
      make("dt", { textContent: title }), make("dd", { textContent: value }),
      make("dd", { className: "note", textContent: note }))));
    $("total-power").classList.toggle("warn", found.isPowerLimited);
  }

  /** One row per named mode; its name is a button that takes it. */
  function showModes(data, state, named, choose) {
    const body = $("mode-table").tBodies[0];
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset.mode : null;
    body.replaceChildren(...data.modes.map((mode, i) => modeRow(mode, i, named[i], mode.name === state.mode.name, choose)));
    if (focused !== null) body.querySelector(`[data-mode="${focused}"]`).focus();
    const notes = [];
    if (named.some((result) => result.isPowerLimited)) notes.push("! more than the module can take.");
    $("mode-notes").textContent = notes.join(" ");
  }

  function modeRow(mode, i, result, isChosen, choose) {
    const button = make("button", { type: "button", className: "link", textContent: mode.name });
    button.dataset.mode = String(i);
    button.setAttribute("aria-pressed", String(isChosen));
    button.addEventListener("click", () => choose(i));
    const sign = result.isPowerLimited ? " !" : "";
    const settings = Object.entries(mode.knobs).map(([name, value]) => `${name}=${words.knob(name, value)}`).join(", ");
    const number = (value) => make("td", { className: "n", textContent: value });
    return make("tr", { className: isChosen ? "chosen" : "" },
      make("th", { scope: "row" }, button), number(text(result.total_s, "s")), number(text(result.energy_j, "J")),
      number(text(result.power_w, "W") + sign), make("td", { textContent: result.limitedBy || "-" }),
      number(text(result.bound_s, "s")), make("td", { className: "settings", textContent: settings }));
  }

  /** The findings of the way of counting, and what a change of mode adds to them. */
  function showFindings(data, { way, mode }) {
    const said = [`For ${way.precision}, ${way.traffic} traffic; coverage ${way.coverage}.`];
    if (mode.name !== data.start.name) {
      said.push(`What they say of single figures is about ${data.start.name}, with which this page opened.`);
    }
    const base = data.modes[mode.base].name;
    if (way.energy && way.energy.idle.model === null && mode.name !== base) {
      said.push(`Idle power is that of ${base}: how it changes with single clocks is not known.`);
    }
    $("findings-for").textContent = said.join(" ");
    $("findings").replaceChildren(...way.findings.map((finding) => make("li", {},
      make("code", { textContent: finding.code }), ` ${finding.where}: ${finding.message}`,
      finding.hint ? make("span", { className: "hint", textContent: ` → ${finding.hint}` }) : "")));
  }

  return { $, make, showBasis, showFindings, showModes, showTotals };
})();
