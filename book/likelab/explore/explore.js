// Brings explorable figures to life where there is no kernel. Each figure carries its numbers, as the Python
// function gave them, and its marks; this draws them exactly as draw.py does. Safe to run again on a page.
(() => {
  "use strict";

  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

  const fixed = (number, digits) => {
    const whole = Math.floor(number * 10 ** digits + 0.5);
    let text = String(Math.abs(whole)).padStart(digits + 1, "0");
    if (digits) text = `${text.slice(0, -digits)}.${text.slice(-digits)}`;
    return whole < 0 ? `-${text}` : text;
  };

  const percent = (share) => {
    if (share > 0 && share < 0.005) return "under 1\u00a0%";
    if (share >= 0.995 && share < 1) return "over 99\u00a0%";
    return `${fixed(100 * share, 0)}\u00a0%`;
  };

  const shown = (value, how) =>
    how == null ? String(value) : how === "%" ? percent(value) : fixed(value, Number(how)).replace("-", "\u2212");

  const fill = (template, state) =>
    escape(template.replace(/\{(\w+)(?::(\d|%))?\}/g, (_, name, how) => shown(state(name), how)));

  const n = (number) => fixed(number, 1);

  const plotSvg = (plot, name, state, along) =>
    `<defs><pattern id="${name}-hatch" class="outside" width="5" height="5" patternUnits="userSpaceOnUse" ` +
    `patternTransform="rotate(45)"><rect class="ground" width="5" height="5"></rect><path d="M1 0V5"></path>` +
    `</pattern></defs>${plot.panels.map((panel) => panelSvg(panel, name, state, along)).join("")}`;

  function panelSvg(panel, name, state, along) {
    const [left, top, width, height] = panel.box;
    const [right, base] = [left + width, top + height];
    const [xLow, xHigh, yLow, yHigh] = [panel.x.low, panel.x.high, panel.y.low, panel.y.high].map(state);
    const X = (value) => left + ((state(value) - xLow) / (xHigh - xLow)) * width;
    const Y = (value) => base - ((state(value) - yLow) / (yHigh - yLow)) * height;
    const inside = (x) => Math.min(Math.max(x, left), right);

    const draw = {
      bars(mark) {
        const heights = state(mark.heights);
        const cut = mark.above === null ? left : inside(X(mark.above));
        let path = `M${n(cut)} ${n(base)}`;
        heights.forEach((value, i) => {
          const end = left + ((i + 1) / heights.length) * width;
          if (end > cut) path += `V${n(Y(value))}H${n(end)}`;
        });
        const part = mark.above === null ? "" : " part";
        const hatch = part && mark.tone === "outside" ? ` style="fill:url(#${name}-hatch)"` : "";
        return `<path class="bars ${mark.tone}${part}" d="${path}V${n(base)}Z"${hatch}></path>`;
      },
      band(mark) {
        const cut = inside(X(mark.above));
        return `<rect class="band" x="${n(cut)}" y="${n(top)}" width="${n(right - cut)}" height="${n(height)}"></rect>`;
      },
      rule: (mark) => `<path class="rule" d="M${n(X(mark.at))} ${n(top)}V${n(base)}"></path>`,
      grip: (mark) => `<circle class="grip" cx="${n(X(mark.at))}" cy="${n(top - 3)}" r="6"></circle>`,
      line({ start, end }) {
        return `<path class="line" d="M${n(X(start[0]))} ${n(Y(start[1]))}L${n(X(end[0]))} ${n(Y(end[1]))}"></path>`;
      },
      trace(mark) {
        const ys = along(mark.y, mark.along);
        const steps = along(mark.x, mark.along).map((x, i) => `${n(X(x))} ${n(Y(ys[i]))}`);
        return `<path class="trace ${mark.tone}" d="M${steps.filter((step, i) => step !== steps[i - 1]).join("L")}"></path>`;
      },
      curve(mark) {
        const ys = state(mark.y);
        let [path, step] = ["", "M"];
        state(mark.x).forEach((x, i) => {
          const inside = top <= Y(ys[i]) && Y(ys[i]) <= base;
          if (inside) path += `${step}${n(X(x))} ${n(Y(ys[i]))}`;
          step = inside ? "L" : "M";
        });
        return `<path class="trace" d="${path}"></path>`;
      },
      point(mark) {
        const [x, y] = [n(X(mark.x)), n(Y(mark.y))];
        return (
          `<path class="guide" d="M${n(left)} ${y}H${x}V${n(base)}"></path>` +
          `<circle class="point" cx="${x}" cy="${y}" r="5.5"></circle>`
        );
      },
      dot: (mark) => `<circle class="dot" cx="${n(X(mark.x))}" cy="${n(Y(mark.y))}" r="4.5"></circle>`,
      dots(mark) {
        const ys = state(mark.y).map(Y);
        const path = state(mark.x)
          .map(X)
          .map((x, i) => (left <= x && x <= right && top <= ys[i] && ys[i] <= base ? `M${n(x)} ${n(ys[i])}h0` : ""));
        return `<path class="dots ${mark.tone}" d="${path.join("")}"></path>`;
      },
      sketch(mark) {
        const [wide, high] = [width / (xHigh - xLow), height / (yHigh - yLow)];
        const [a, d, e, f] = [wide, -high, left - wide * xLow, base + high * yLow].map((v) => v.toFixed(6));
        return `<path class="sketch" transform="matrix(${a} 0 0 ${d} ${e} ${f})" d="${escape(state(mark.d))}"></path>`;
      },
      picture(mark) {
        const [x, y] = [X(mark.x), Y(mark.y)];
        const [wide, high] = [X(mark.x + mark.width) - x, Y(mark.y - mark.height) - y];
        return (
          `<image class="picture" href="${escape(state(mark.href))}" x="${n(x)}" y="${n(y)}" ` +
          `width="${n(wide)}" height="${n(high)}" preserveAspectRatio="none"></image>`
        );
      },
      cells({ values, columns, tones }) {
        const all = state(values);
        const [wide, high] = [width / columns, height / (all.length / columns)];
        return tones
          .map((tone, k) => {
            const path = all
              .map((value, i) => {
                const [x, y] = [left + (i % columns) * wide + 1, top + Math.floor(i / columns) * high + 1];
                return value === k ? `M${n(x)} ${n(y)}h${n(wide - 2)}v${n(high - 2)}h${n(2 - wide)}z` : "";
              })
              .join("");
            const hatch = tone === "blind" ? ` style="fill:url(#${name}-hatch)"` : "";
            return tone && path ? `<path class="cells ${tone}" d="${path}"${hatch}></path>` : "";
          })
          .join("");
      },
      label(mark) {
        const [x, [dx, dy]] = [X(mark.x), mark.shift];
        if ((mark.anchor === "end" ? x - left : right - x) < mark.room) return "";
        return (
          `<text class="${mark.tone}" x="${n(x + dx)}" y="${n(Y(mark.y) + dy)}" ` +
          `text-anchor="${mark.anchor}">${fill(mark.text, state)}</text>`
        );
      },
    };

    let out = panel.marks.map((mark) => draw[mark.kind](mark)).join("");
    if (panel.x.ticks.length || !panel.marks.some(({ kind }) => kind === "picture" || kind === "cells"))
      out += `<path class="axis" d="M${n(left)} ${n(base)}H${n(right)}"></path>`;
    for (const [value, text] of panel.x.ticks) {
      const x = n(X(value));
      out += `<path class="axis" d="M${x} ${n(base)}v4"></path>`;
      out += `<text class="tick" x="${x}" y="${n(base + 17)}" text-anchor="middle">${fill(text, state)}</text>`;
    }
    if (panel.x.label)
      out +=
        `<text x="${n(left + width / 2)}" y="${n(base + 35)}" text-anchor="middle">` +
        `${fill(panel.x.label, state)}</text>`;
    if (panel.y.ticks.length) out += `<path class="axis" d="M${n(left)} ${n(top)}V${n(base)}"></path>`;
    for (const [value, text] of panel.y.ticks) {
      const y = Y(value);
      out += `<path class="axis" d="M${n(left)} ${n(y)}h-4"></path>`;
      out += `<text class="tick" x="${n(left - 7)}" y="${n(y + 4)}" text-anchor="end">${fill(text, state)}</text>`;
    }
    if (panel.y.label) {
      const [x, y] = [n(left - 36), n(top + height / 2)];
      out +=
        `<text x="${x}" y="${y}" text-anchor="middle" transform="rotate(-90 ${x} ${y})">` +
        `${fill(panel.y.label, state)}</text>`;
    }
    return out;
  }

  function tableHtml(table, state) {
    const heads = table.columns.map(([head]) => `<th scope="col">${fill(head, state)}</th>`).join("");
    const columns = table.columns.map(([, name, how]) => state(name).map((value) => shown(value, how)));
    const rows = columns[0].map(
      (_, i) => `<tr>${columns.map((column) => `<td>${escape(column[i])}</td>`).join("")}</tr>`,
    );
    return (
      `<table><caption>${fill(table.caption, state)}</caption>` +
      `<thead><tr>${heads}</tr></thead><tbody>${rows.join("")}</tbody></table>`
    );
  }

  function start(figure) {
    const spec = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
    const { controls, outputs, words } = spec;
    const compute = globalThis.exploreFunctions?.[spec.id]; // else the values are in the outputs' tables
    if (!compute && !Object.keys(outputs).length) return; // its function was refused: the static figure stays
    const fields = controls.map(({ name }) => figure.querySelector(`.explore-controls [name="${name}"]`));
    const titles = figure.querySelectorAll(".explore-title");
    const drawings = figure.querySelectorAll(".explore-plot > svg");
    const summary = figure.querySelector("output");
    const table = figure.querySelector(".explore-table");

    const position = (i) =>
      controls[i].kind === "choice"
        ? fields[i].selectedIndex
        : Math.round((Number(fields[i].value) - controls[i].low) / controls[i].step);
    const setting = (control, i) =>
      control.kind === "choice"
        ? control.options[i]
        : Number((control.low + i * control.step).toFixed(control.digits));

    // All outputs with each control at a position of its own.
    const row = (index) =>
      compute
        ? compute(Object.fromEntries(controls.map((control, i) => [control.name, setting(control, index[i])])))
        : Object.fromEntries(
            Object.entries(outputs).map(([name, { axes, values }]) => [
              name,
              axes.reduce((inner, axis) => inner[index[axis]], values),
            ]),
          );

    // Replace only what changed: an open table keeps its place, a screen reader hears only news.
    const last = new Map();
    const put = (element, html) => {
      if (last.get(element) !== html) element.innerHTML = html;
      last.set(element, html);
    };

    function show() {
      const at = controls.map((_, i) => position(i));
      const here = row(at);
      const state = (name) => {
        if (typeof name !== "string") return name;
        if (name in here) return here[name];
        const i = controls.findIndex((control) => control.name === name);
        return i < 0 ? words[name] : setting(controls[i], at[i]);
      };
      const along = (name, control) => {
        const axis = controls.findIndex((c) => c.name === control);
        return Array.from({ length: controls[axis].count }, (_, i) => row(at.with(axis, i))[name]);
      };
      spec.plots.forEach((plot, i) => {
        put(titles[i], fill(plot.title, state));
        put(drawings[i], plotSvg(plot, `explore-${spec.id}-${i}`, state, along));
      });
      put(summary, fill(spec.summary, state));
      put(table, tableHtml(spec.table, state));
      controls.forEach((control, i) => {
        if (control.kind !== "slider") return;
        const text = `${fixed(state(control.name), control.digits)} ${control.unit}`.trim();
        fields[i].setAttribute("aria-valuetext", text);
        fields[i].closest("label").querySelector(".explore-reading").textContent = text;
      });
    }

    // A pointer on the first panel moves the slider along its x-axis, and the one along its y-axis if there is one. A finger
    // may be about to scroll the page, so only a tap counts, or a move that goes sideways.
    spec.plots.forEach((plot, i) => {
      if (!plot.drag) return;
      const [across, up] = plot.drag.map((name) => fields[controls.findIndex((control) => control.name === name)]);
      const [svg, { box, x, y }] = [drawings[i], plot.panels[0]];
      const drag = (event) => {
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        across.value = x.low + ((at.x - box[0]) / box[2]) * (x.high - x.low);
        if (up) up.value = y.high - ((at.y - box[1]) / box[3]) * (y.high - y.low);
        show();
      };
      let began = null; // where a finger touched, until it is clear what it wants
      svg.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        svg.setPointerCapture(event.pointerId);
        began = event.pointerType === "touch" ? event.clientX : null;
        if (began === null) drag(event);
      });
      svg.addEventListener("pointermove", (event) => {
        if (!svg.hasPointerCapture(event.pointerId) || (began !== null && Math.abs(event.clientX - began) < 10)) return;
        began = null;
        drag(event);
      });
      svg.addEventListener("pointerup", (event) => {
        if (began !== null) drag(event);
        began = null;
      });
      svg.addEventListener("pointercancel", () => (began = null));
    });

    show();
    figure.querySelector(".explore-controls").addEventListener("input", show);
    figure.querySelector(".explore-controls").hidden = false;
    for (const field of fields) field.disabled = false;
    figure.setAttribute("data-explore-ready", "");
  }

  for (const figure of document.querySelectorAll("figure.explore:not([data-explore-ready])")) {
    try {
      start(figure);
    } catch (error) {
      console.error(error); // this one stays as it is drawn, and the next has its turn
    }
  }
})();
