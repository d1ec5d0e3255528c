// A formula wider than the page scrolls sideways, so the keyboard has to be able to reach it (WCAG 2.1.1).
// Whether it is wider can change: the window's size, a font that comes late, a fold that opens.
const wideFormulas = new ResizeObserver((changes) => {
  for (const formula of new Set(changes.map((change) => change.target.closest("mjx-container")))) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
});
window.addEventListener("load", () =>
  window.MathJax?.startup?.promise.then(() => {
    for (const part of document.querySelectorAll("mjx-container[display], mjx-container[display] > mjx-math")) {
      wideFormulas.observe(part);
    }
  }),
);

// On paper nothing unfolds, and the ground is white. What was folded or dark is so again afterwards. The tables behind
// the explorable figures stay folded: they fill pages. Short code stays on one page; what is longer may break, or it would
// leave half a page empty before it.
const SHORT = 30; // lines
let before = null;
window.addEventListener("beforeprint", () => {
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
