"use strict";
/* The roofline picture: log-log axes, roofs, one point per layer. Draws what it is given; knows no formulas. */
const chart = (() => {
  const SPACE = "http://www.w3.org/2000/svg";

  function element(name, attributes, text) {
    const made = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  /** A logarithmic scale from values to pixels. */
  function logScale([low, high], [from, to]) {
    const span = Math.log10(high / low);
    return (value) => from + ((to - from) * Math.log10(value / low)) / span;
  }

  function decades([low, high]) {
    const found = [];
    for (let e = Math.ceil(Math.log10(low) - 1e-9); 10 ** e <= high * 1.0001; e += 1) found.push(10 ** e);
    return found;
  }

  function drawAxes(svg, box, x, y, view) {
    const grid = element("g", { class: "grid" });
    const labels = element("g", { class: "axis" });
    const columns = decades(view.xs);
    const every = Math.ceil(columns.length / Math.max(2, (box.right - box.left) / 60));
    columns.forEach((value, i) => {
      grid.append(element("line", { x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }));
      if (i % every === 0) {
        const isAtEdge = x(value) > view.width - 16;
        const at = { x: isAtEdge ? view.width : x(value), y: box.bottom + 16, "text-anchor": isAtEdge ? "end" : "middle" };
        labels.append(element("text", at, view.xText(value)));
      }
    });
    for (const value of decades(view.ys)) {
      grid.append(element("line", { x1: box.left, x2: box.right, y1: y(value), y2: y(value) }));
      labels.append(element("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, view.yText(value)));
    }
    labels.append(element("text", { x: (box.left + box.right) / 2, y: box.bottom + 34, "text-anchor": "middle" }, view.xTitle));
    labels.append(element("text", { x: 4, y: 12 }, view.yTitle));
    grid.append(element("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top, class: "frame" }));
    svg.append(grid, labels);
  }

  function drawRoofs(svg, box, x, y, view) {
    const group = element("g", { class: "roofs" });
    const clip = element("clipPath", { id: "inside" });
    clip.append(element("rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top }));
    group.append(clip);
    for (const roof of view.roofs) {
      const points = roof.points.map(([a, b]) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`).join(" ");
      group.append(element("polyline", { points, class: `roof ${roof.style}`, "clip-path": "url(#inside)" }));
    }
    for (const { ridge, label } of view.roofs.filter((roof) => roof.ridge && roof.style === "binds")) {
      const diamond = element("path", { d: outline("diamond", x(ridge[0]), y(ridge[1]), 4), class: "ridge" });
      diamond.append(element("title", {}, `ridge of ${label}: ${words.ratio(ridge[0])} FLOP/B`));
      group.append(diamond);
    }
    svg.append(group);
  }

  /** The path of a marker around a place; all of about one area. */
  function outline(marker, cx, cy, r) {
    const polygon = (corners) => `M${corners.map(([a, b]) => `${(cx + a * r).toFixed(1)},${(cy + b * r).toFixed(1)}`).join("L")}Z`;
    if (marker === "square") return polygon([[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]]);
    if (marker === "diamond") return polygon([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]);
    if (marker === "triangle") return polygon([[0, -1.15], [1.15, 0.95], [-1.15, 0.95]]);
    if (marker === "cross") {
      return polygon([[-1, -0.35], [-0.35, -0.35], [-0.35, -1], [0.35, -1], [0.35, -0.35], [1, -0.35], [1, 0.35],
        [0.35, 0.35], [0.35, 1], [-0.35, 1], [-0.35, 0.35], [-1, 0.35]]);
    }
    return `M${(cx - r).toFixed(1)},${cy.toFixed(1)}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`;
  }

  /** A sample of an op class, as its points are drawn. */
  function swatch(name, markers) {
    const svg = element("svg", { class: "dot", viewBox: "0 0 13 13", "aria-hidden": "true" });
    svg.append(element("path", { d: outline(markers[name], 6.5, 6.5, 5), class: `class-${name}` }));
    return svg;
  }

  /** Labels of roofs: along a slope, else at the right, moved apart where they would lie on each other. */
  function drawRoofLabels(svg, box, x, y, view) {
    const group = element("g", { class: "roof-labels", "pointer-events": "none" });
    const taken = [];
    for (const roof of [...view.roofs].sort((one, other) => other.labelAt[1] - one.labelAt[1])) {
      const [a, b] = roof.labelAt;
      if (roof.slope) {
        const turn = (-180 / Math.PI) * Math.atan2(y(b) - y(b * 10), x(a * 10) - x(a));
        const shift = roof.slope === "above" ? -5 : 13;
        group.append(element("text", {
          transform: `translate(${x(a)},${y(b)}) rotate(${turn}) translate(0,${shift})`, class: `roof-label ${roof.style}`,
        }, roof.label));
        continue;
      }
      let top = Math.min(box.bottom - 4, Math.max(box.top + 12, y(b) - 5));
      while (taken.some((other) => Math.abs(other - top) < 13)) top += 13;
      taken.push(top);
      group.append(element("text", { x: box.right - 4, y: top, "text-anchor": "end", class: `roof-label ${roof.style}` }, roof.label));
    }
    svg.append(group);
  }

  function drawPoints(svg, x, y, view) {
    const group = element("g", { class: "points" });
    const made = new Map();
    // large ones first, so that small ones stay within reach
    for (const point of [...view.points].sort((a, b) => b.share - a.share)) {
      const [cx, cy, r] = [x(point.x), y(point.y), 3 + 26 * Math.sqrt(point.share)];
      const shape = element("path", {
        d: outline(view.markers[point.class], cx, cy, Number(r.toFixed(1))), cx: cx.toFixed(1), cy: cy.toFixed(1), r: r.toFixed(1),
        class: `point class-${point.class}`, tabindex: "-1", role: "img", "aria-label": point.label, "data-i": point.i,
      });
      made.set(point.i, shape);
      group.append(shape);
    }
    svg.append(group);
    return made;
  }

  /** Draw a view into the svg and return layer -> its shape. */
  function draw(svg, view) {
    const { width, height } = view;
    const box = { left: view.left, right: width - 8, top: 24, bottom: height - 42 };
    const x = logScale(view.xs, [box.left, box.right]);
    const y = logScale(view.ys, [box.bottom, box.top]);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    drawAxes(svg, box, x, y, view);
    drawRoofs(svg, box, x, y, view);
    const shapes = drawPoints(svg, x, y, view);
    drawRoofLabels(svg, box, x, y, view);
    const ring = element("g", { class: "ring", "pointer-events": "none" });
    svg.append(ring);
    return { shapes, ring, width, x, y };
  }

  /** Mark one layer: a ring around its point, and a line to where it lies by the bytes that pass the cache. */
  function mark(drawn, point) {
    drawn.ring.replaceChildren();
    if (!point) return;
    const shape = drawn.shapes.get(point.i);
    if (!shape) return;
    const [cx, cy, r] = ["cx", "cy", "r"].map((name) => Number(shape.getAttribute(name)));
    if (point.cacheX && point.cacheX !== point.x) {
      const at = drawn.x(point.cacheX);
      drawn.ring.append(element("line", { x1: cx, x2: at, y1: cy, y2: cy }), element("circle", { cx: at, cy, r: 4 }));
    }
    drawn.ring.append(element("circle", { cx, cy, r: r + 4 }));
  }

  /** The smallest range of whole half decades around positive values. */
  function range(values) {
    const positive = values.filter((value) => value > 0 && Number.isFinite(value));
    if (!positive.length) return [1, 10];
    const low = positive.reduce((a, b) => Math.min(a, b));
    const high = positive.reduce((a, b) => Math.max(a, b));
    const step = (value, round) => 10 ** (round(2 * Math.log10(value)) / 2);
    return [step(low / 1.2, Math.floor), step(high * 1.2, Math.ceil)];
  }

  return { draw, mark, range, swatch };
})();
