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
const FEW = 8;
const waiting = new Set();
window.MathJax = {
  options: { enableMenu: false },
  startup: {
    typeset: false,
    async pageReady() {
      const inView = new Set();
      for (const formula of document.querySelectorAll(".math")) waiting.add(formula);
      const watcher = new IntersectionObserver((changes) => {
        for (const { target, isIntersecting } of changes) inView[isIntersecting ? "add" : "delete"](target);
      });
      for (const formula of waiting) watcher.observe(formula);
      while (waiting.size) {
        await new Promise((done) => setTimeout(done)); // others have their turn, the observer among them
        const now = [...waiting].filter((formula) => inView.has(formula));
        await typeset((now.length ? now : [...waiting]).slice(0, FEW), MathJax.typesetPromise);
      }
      watcher.disconnect();
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

// On paper nothing is typeset later or unfolds, and the ground is white. What was folded or dark is so again afterwards. The tables behind
// the explorable figures stay folded: they fill pages. Short code stays on one page; what is longer may break, or it would
// leave half a page empty before it.
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
