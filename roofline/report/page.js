"use strict";
/* Joins it all: what is chosen, the results, and the parts of the page that show them. */
(() => {
  const { modeName, plain, ratio, share, text } = words;
  const { $, make } = summary;
  const data = JSON.parse($("data").textContent);
  const ways = model.unpack(data);
  const CHUNK = 250; // rows in the table at first: laying out thousands takes a second
  const copy = (mode) => ({ ...mode, knobs: { ...mode.knobs } });
  const state = {
    way: ways[0], mode: copy(data.start), kind: "time", sort: "time", isDescending: true, find: "", part: 1,
    hidden: new Set(), marked: null, limit: CHUNK,
  };
  let named = []; // results in every named mode
  let found = null; // in the chosen mode
  let rows = []; // all layers
  let shown = []; // those that the filters leave, in order
  let points = new Map();
  let drawn = null;
  const rowElements = new Map();

  // what is chosen

  const values = (key) => [...new Set(ways.map((way) => way[key]))];

  function fillChoices() {
    for (const key of ["precision", "traffic"]) {
      $(key).replaceChildren(...values(key).map((value) => make("option", { value, textContent: value })));
    }
    $("mode").replaceChildren(
      ...data.modes.map((mode, i) => make("option", { value: String(i), textContent: mode.name })),
      make("option", { value: "custom", textContent: "clocks set below", disabled: true }),
    );
    $("level-choice").hidden = values("levels").length < 2;
    $("knobs").replaceChildren(...data.device.seen.filter((name) => data.device.knobs[name].values.length > 1).map(slider));
    const classes = [...new Set(ways.flatMap((way) => way.class.map((name) => name || "other")))].sort();
    $("classes").append(...classes.map(classChoice));
  }

  function slider(name) {
    const knob = data.device.knobs[name];
    const input = make("input", { type: "range", min: 0, max: knob.values.length - 1, step: 1, id: `knob-${name}` });
    input.addEventListener("input", () => {
      state.mode.knobs[name] = knob.values[Number(input.value)];
      update();
    });
    const title = `${name}${knob.needs_reboot ? " (a change needs a reboot)" : ""}`;
    const output = make("output", { id: `shown-${name}`, htmlFor: input.id });
    return make("div", { className: "knob" }, make("label", { htmlFor: input.id, textContent: title }), output, input);
  }

  function classChoice(name) {
    const input = make("input", { type: "checkbox", checked: true, value: name });
    input.addEventListener("change", () => {
      if (input.checked) state.hidden.delete(name);
      else state.hidden.add(name);
      showLayers();
    });
    return make("label", { className: "class" }, input, chart.swatch(name, data.markers), name);
  }

  function chooseMode(i) {
    state.mode = copy(data.modes[i]);
    update();
  }

  /** Take the way of counting that fits the switches; the memory level gives way where there is none. */
  function chooseWay() {
    const wanted = [$("precision").value, $("traffic").value, $("level").value === "cache"];
    const fits = (way, levels) => way.precision === wanted[0] && way.traffic === wanted[1] && way.levels === levels;
    state.way = ways.find((way) => fits(way, wanted[2])) || ways.find((way) => fits(way, !wanted[2])) || state.way;
    update();
  }

  function showChoices() {
    $("precision").value = state.way.precision;
    $("traffic").value = state.way.traffic;
    $("level").value = state.way.levels ? "cache" : "dram";
    const isNamed = state.mode.name === data.modes[state.mode.base].name;
    $("mode").value = isNamed ? String(state.mode.base) : "custom";
    for (const name of data.device.seen) {
      const input = $(`knob-${name}`);
      if (!input) continue;
      const { values: all } = data.device.knobs[name];
      const value = state.mode.knobs[name];
      const nearest = all.reduce((best, other, i) => (Math.abs(other - value) < Math.abs(all[best] - value) ? i : best), 0);
      input.value = String(nearest);
      input.setAttribute("aria-valuetext", words.knob(name, value));
      $(`shown-${name}`).textContent = words.knob(name, value);
    }
    const unseen = Object.keys(data.device.knobs).filter((name) => !data.device.seen.includes(name));
    $("unseen").textContent = unseen.length
      ? `Without effect on these figures, and kept as in ${data.modes[state.mode.base].name}: ${
        unseen.map((name) => `${name} ${words.knob(name, state.mode.knobs[name])}`).join(", ")}.` : "";
  }

  // results

  function update() {
    state.mode.name = modeName(data, state.mode);
    named = data.modes.map((mode) => model.evaluate(data.device, state.way, mode));
    found = model.evaluate(data.device, state.way, state.mode);
    rows = table.records(state.way, found);
    showChoices();
    const isStart = state.way === ways[0] && state.mode.name === data.start.name;
    $("verdict").textContent = isStart ? data.verdict : words.verdict(data, state.way, state.mode, found, named);
    summary.showBasis(state);
    summary.showTotals(data, state, found);
    summary.showModes(data, state, named, chooseMode);
    summary.showFindings(data, state);
    showLayers();
  }

  // layers: table and picture show the same ones

  function showLayers() {
    const most = table.mostOfTime(rows, state.part);
    shown = table.sorted(table.filtered(most, state.find, state.hidden), state.sort, state.isDescending);
    const part = model.sum(shown.map((row) => row.share || 0));
    $("count").textContent = `${shown.length} of ${rows.length} layers, ${share(part)} of the time, ${
      text(model.sum(shown.map((row) => table.timeOf(row) || 0)), "s")}.`;
    showRows();
    showPicture();
    mark(shown.some((row) => row.i === state.marked) ? state.marked : null);
  }

  function fillHead() {
    const cells = table.COLUMNS.map(([key, title, , , isNumber]) => {
      const button = make("button", { type: "button", className: "link", textContent: title });
      button.addEventListener("click", () => {
        state.isDescending = state.sort === key ? !state.isDescending : isNumber;
        state.sort = key;
        showLayers();
      });
      const cell = make("th", { scope: "col", className: isNumber ? "n" : "" }, button);
      Object.assign(cell.dataset, { key, title });
      return cell;
    });
    $("layer-table").tHead.rows[0].append(...cells);
  }

  function showRows() {
    for (const cell of $("layer-table").tHead.rows[0].cells) {
      if (cell.dataset.key === state.sort) cell.setAttribute("aria-sort", state.isDescending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    const body = $("layer-table").tBodies[0];
    const hadFocus = body.contains(document.activeElement) ? document.activeElement : null;
    const largestShare = rows.reduce((largest, row) => Math.max(largest, row.share || 0), 0) || 1;
    body.replaceChildren(...shown.slice(0, state.limit).map((row) => rowElement(row, largestShare)));
    $("more").hidden = shown.length <= state.limit;
    $("more").textContent = `Show all ${shown.length} rows`;
    if (hadFocus && hadFocus.isConnected) hadFocus.focus({ preventScroll: true });
    roving.setTabStop(body.rows, shown.findIndex((row) => row.i === state.marked));
  }

  /** Rows are made once and written again: thousands of them change with every step of a slider. */
  function rowElement(row, largestShare) {
    let entry = rowElements.get(row.i);
    if (!entry) {
      const cells = table.COLUMNS.map(([key, , , , isNumber]) =>
        make(key === "name" ? "th" : "td", { className: isNumber ? "n" : key }));
      cells[0].scope = "row";
      entry = { element: make("tr", { tabIndex: -1 }, ...cells), cells };
      entry.element.dataset.i = String(row.i);
      rowElements.set(row.i, entry);
    }
    table.COLUMNS.forEach(([key, , , shownAs], c) => {
      const value = shownAs(row);
      if (entry.cells[c].textContent !== value) entry.cells[c].textContent = value;
      if (key === "share") entry.cells[c].style.setProperty("--part", `${(100 * (row.share || 0)) / largestShare}%`);
    });
    return entry.element;
  }

  /** Put more rows into the table, up to a number of them. */
  function showMore(limit) {
    if (limit <= state.limit || shown.length <= state.limit) return;
    state.limit = limit;
    showRows();
  }

  const pictureWidth = () => Math.floor($("picture").clientWidth) || 640;

  function showPicture() {
    const view = picture.view(data, state, found, named, rows, shown, pictureWidth());
    points = new Map(view.points.map((point) => [point.i, point]));
    const hadFocus = $("chart").contains(document.activeElement);
    drawn = chart.draw($("chart"), view);
    const shapes = inOrder();
    roving.setTabStop(shapes, shapes.findIndex((shape) => Number(shape.dataset.i) === state.marked));
    if (hadFocus && shapes.length) shapes.find((shape) => shape.tabIndex === 0).focus({ preventScroll: true });
    $("chart").setAttribute("aria-label", `Roofline chart of ${view.points.length} layers; arrow keys go from one to the next`);
    $("caption").textContent = view.caption;
  }

  /** The points from left to right. */
  const inOrder = () => [...drawn.shapes.values()].sort((a, b) => a.getAttribute("cx") - b.getAttribute("cx"));

  /** Show one layer in table and picture. */
  function mark(i, from) {
    if (rowElements.has(state.marked)) rowElements.get(state.marked).element.classList.remove("marked");
    state.marked = i;
    chart.mark(drawn, points.get(i));
    const tip = $("tip");
    tip.hidden = i === null || !drawn.shapes.has(i);
    if (i === null) return;
    const place = shown.findIndex((row) => row.i === i);
    if (from === "chart" && place >= state.limit) showMore(place + CHUNK);
    const entry = rowElements.get(i);
    if (!entry) return;
    const { element } = entry;
    element.classList.add("marked");
    if (from === "chart") {
      const box = $("layer-scroll");
      box.scrollTo({ top: Math.max(0, element.offsetTop - box.clientHeight / 2) });
    }
    if (!tip.hidden) placeTip(tip, i);
  }

  function placeTip(tip, i) {
    const row = rows[i];
    const lines = [
      row.op + (row.class ? `, ${row.class}` : ""),
      `${text(table.timeOf(row), "s")} (${row.share === null ? "-" : share(row.share)}), ${text(row.energy_j, "J")}`,
      `${text(row.flops, "FLOP")}, ${text(row.bytes_read + row.bytes_written, "B")}, ${ratio(row.intensity_flop_per_byte)} FLOP/B`,
      row.limited_by ? `limited by ${row.limited_by}: ${row.ceiling}` : "",
    ];
    tip.replaceChildren(make("strong", { textContent: plain(row.name) }), ...lines.filter(Boolean).map((line) => make("div", { textContent: line })));
    const shape = drawn.shapes.get(i);
    const [cx, cy, r] = ["cx", "cy", "r"].map((name) => Number(shape.getAttribute(name)));
    const room = $("picture").clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, cx - tip.offsetWidth / 2))}px`;
    const above = cy - r - tip.offsetHeight - 10;
    tip.style.top = `${above >= 0 ? above : cy + r + 10}px`;
  }

  /** Pin a layer: all there is to say about it, under the table. */
  function pin(i) {
    const row = rows[i];
    const entries = Object.entries(table.plainRows([row])[0]).filter(([, value]) => value !== null && value !== "");
    $("detail").hidden = false;
    $("detail").replaceChildren(
      make("h3", { textContent: plain(row.name) }),
      make("dl", {}, ...entries.filter(([key]) => key !== "name").flatMap(([key, value]) => [
        make("dt", { textContent: table.title(key) }), make("dd", { textContent: table.said(key, value) }),
      ])),
    );
  }

  // saving

  function save(name, type, content) {
    const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  const asJson = () => table.json(data, state, found, { verdict: $("verdict").textContent, of: rows.length, shown });
  const fileName = (suffix) =>
    `${[data.model.name, data.device.id, state.mode.name, state.way.precision].join("-").replace(/[^\w.+-]+/g, "_")}.${suffix}`;

  // what the user does

  function listen() {
    for (const key of ["precision", "traffic", "level"]) $(key).addEventListener("change", chooseWay);
    $("mode").addEventListener("change", () => chooseMode(Number($("mode").value)));
    $("reset").addEventListener("click", () => { state.way = ways[0]; state.mode = copy(data.start); update(); });
    $("kind").addEventListener("change", () => { state.kind = $("kind").value; showLayers(); });
    $("find").addEventListener("input", () => { state.find = $("find").value; showLayers(); });
    $("share").addEventListener("input", () => {
      state.part = Number($("share").value) / 100;
      $("share-shown").textContent = `${$("share").value} %`;
      showLayers();
    });
    $("csv").addEventListener("click", () => save(fileName("csv"), "text/csv", table.csv(shown)));
    $("json").addEventListener("click", () => save(fileName("json"), "application/json", asJson()));
    $("print").addEventListener("click", () => window.print());
    const body = $("layer-table").tBodies[0];
    roving.listen($("chart"), { selector: ".point", all: inOrder, mark: (i) => mark(i, "chart"), pin });
    roving.listen(body, { selector: "tr", all: () => [...body.rows], mark: (i) => mark(i, "table"), pin });
    new ResizeObserver(() => { if (pictureWidth() !== drawn.width) showPicture(); }).observe($("picture"));
    const box = $("layer-scroll");
    box.addEventListener("scroll", () => {
      if (box.scrollTop + 2 * box.clientHeight > box.scrollHeight) showMore(state.limit + CHUNK);
    });
    $("more").addEventListener("click", () => showMore(shown.length));
    window.addEventListener("beforeprint", () => showMore(shown.length));
  }

  fillChoices();
  fillHead();
  listen();
  update();
})();
