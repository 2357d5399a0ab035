"use strict";
/* One stop of the tab key for many elements (rows, points); arrow keys go from one to the next. */
const roving = (() => {
  function setTabStop(elements, wanted) {
    [...elements].forEach((element, i) => { element.tabIndex = i === Math.max(0, wanted) ? 0 : -1; });
  }

  /** Listen to layers in a box: `mark` one under the mouse or in focus (null: none), `pin` one that is chosen. */
  function listen(box, { selector, all, mark, pin }) {
    const layerOf = (event) => {
      const element = event.target.closest(selector);
      return element && element.dataset.i !== undefined ? Number(element.dataset.i) : null;
    };
    const onLayer = (action) => (event) => {
      const i = layerOf(event);
      if (i !== null) action(i);
    };
    box.addEventListener("mouseover", onLayer(mark));
    box.addEventListener("focusin", onLayer(mark));
    box.addEventListener("click", onLayer(pin));
    box.addEventListener("mouseleave", () => mark(null));
    box.addEventListener("keydown", (event) => {
      const elements = all();
      const place = elements.indexOf(event.target);
      if (place < 0) return;
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const next = { Home: 0, End: elements.length - 1 }[event.key] ?? (step && place + step);
      if (event.key === "Enter" || event.key === " ") pin(Number(event.target.dataset.i));
      else if (event.key === "Escape") mark(null);
      else if (next === undefined) return;
      else if (elements[next]) {
        setTabStop(elements, next);
        elements[next].focus();
      }
      event.preventDefault();
    });
  }

  return { listen, setTabStop };
})();
