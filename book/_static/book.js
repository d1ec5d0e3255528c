// A formula wider than the page scrolls sideways, so the keyboard has to be able to reach it (WCAG 2.1.1).
function reachWideFormulas() {
  for (const formula of document.querySelectorAll("mjx-container[display]")) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
    else formula.removeAttribute("tabindex");
  }
}
window.addEventListener("load", () => {
  window.MathJax?.startup?.promise.then(reachWideFormulas);
  window.addEventListener("resize", reachWideFormulas);
});
