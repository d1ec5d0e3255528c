// A formula wider than the page scrolls sideways, so the keyboard has to be able to reach it (WCAG 2.1.1).
// Whether it is wider can change: the window's size, a font that comes late, a fold that opens.
const wideFormulas = new ResizeObserver((changes) => {
  for (const formula of new Set(changes.map((change) => change.target.closest("mjx-container")))) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
});
// Formulas are typeset a few at a time, those in view first, so that a slow machine shows them before it has done them
// all. This file is read before MathJax. Its menu is off: without it a formula is no stop for the tab key, and its
// speech tools would load files that are not vendored.
const FEW = 64;
const waiting = new Set();
const inView = (formula) => {
  const { top, bottom } = formula.getBoundingClientRect();
  return bottom > 0 && top < window.innerHeight;
};
window.MathJax = {
  options: { enableMenu: false },
  startup: {
    typeset: false,
    async pageReady() {
      for (const formula of document.querySelectorAll(".math")) waiting.add(formula);
      while (waiting.size) {
        const now = [...waiting].filter(inView);
        await typeset(now.length ? now : [...waiting].slice(0, FEW), MathJax.typesetPromise);
        await new Promise((done) => setTimeout(done)); // what else the page has to do has its turn
      }
    },
  },
};
async function typeset(formulas, by) {
  for (const formula of formulas) waiting.delete(formula);
  await by(formulas);
  for (const formula of formulas) {
    for (const part of formula.querySelectorAll("mjx-container[display], mjx-container[display] > mjx-math")) {
      wideFormulas.observe(part);
    }
  }
}

// The source of a page is for saving, not for reading in the browser.
window.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll("a.btn-download-source-button")) link.download = "";
});

// On paper nothing is typeset later or unfolds, and the ground is white. What was folded or dark is so again afterwards.
// The tables behind the explorable figures stay folded: they fill pages. Short code stays on one page; what is longer may
// break, or it would leave half a page empty before it.
const SHORT = 30; // lines
let before = null;
window.addEventListener("beforeprint", () => {
  if (waiting.size) typeset([...waiting], MathJax.typeset);
  const root = document.documentElement;
  const folded = [...document.querySelectorAll("main details:not([open], .explore details)")];
  before = { theme: root.dataset.theme, folded };
  root.dataset.theme = "light";
  for (const details of folded) details.open = true;
  for (const pre of document.querySelectorAll("div.cell_input pre, div.cell_output pre")) {
    const box = pre.closest(".cell_input") ?? pre;
    box.classList.toggle("on-one-page", pre.textContent.split("\n").length <= SHORT);
  }
});
window.addEventListener("afterprint", () => {
  if (!before) return;
  document.documentElement.dataset.theme = before.theme;
  for (const details of before.folded) details.open = false;
  before = null;
});

// Long tables of results are sorted by the column whose head is pressed.
window.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    const body = table.tBodies[0];
    for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const value = (row) => {
          const text = row.cells[column].textContent, number = parseFloat(text.replaceAll(",", "").replace("−", "-"));
          return Number.isNaN(number) ? text : number;
        };
        const rows = [...body.rows].map((row) => [value(row), row]);
        const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : +(a > b)) : typeof a === "number" ? -1 : 1);
        rows.sort(([a], [b]) => (up ? order(a, b) : order(b, a)));
        body.append(...rows.map(([, row]) => row));
      });
    }
  }
});
