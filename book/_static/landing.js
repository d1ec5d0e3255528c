// Moves the threshold of the first page's figure to either end and back, once. A reader who touches the figure or presses
// the button stops it; for one who asked for less motion it waits for the button.
window.addEventListener("DOMContentLoaded", () => {
  const SECONDS = 16;
  const figure = document.querySelector('[data-explore-id="landing"][data-explore-ready]');
  if (!figure) return;
  const slider = figure.querySelector("input[type=range]");
  const [low, high] = [Number(slider.min), Number(slider.max)];
  const button = Object.assign(document.createElement("button"), { type: "button", className: "btn" });
  let [moving, start, done, before] = [false, 0, 0, 0]; // start: a share of the range; done: a share of the way

  function move(now) {
    if (!moving) return;
    done = Math.min(done + Math.min(now - before, 100) / 1000 / SECONDS, 1);
    before = now;
    const way = Math.abs(start - 2 * done); // to the left end, to the right end, to the start
    slider.value = low + (way > 1 ? 2 - way : way) * (high - low);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    if (done < 1) requestAnimationFrame(move);
    else stop();
  }

  function go(on) {
    moving = on;
    button.textContent = on ? "Pause" : "Move it";
    figure.querySelector("output").setAttribute("aria-live", on ? "off" : "polite"); // heard where it stands still
    if (!on) return;
    if (!done) start = (slider.value - low) / (high - low);
    before = performance.now();
    requestAnimationFrame(move);
  }

  function stop() {
    go(false);
    done = 0;
  }

  button.addEventListener("click", () => go(!moving));
  for (const kind of ["pointerdown", "keydown"]) {
    figure.addEventListener(kind, ({ target }) => target !== button && stop());
  }
  figure.querySelector(".explore-controls").append(button);
  go(!matchMedia("(prefers-reduced-motion: reduce)").matches);
});
