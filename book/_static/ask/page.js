// The page "Ask a model yourself": a picture in, two models' answers out. Computed here; nothing is sent or fetched.
(() => {
  "use strict";
  const { SIDE, KERNELS, resize, adjusted } = askPicture;
  const NUMBERS = 3 * SIDE * SIDE;
  const [LOW, HIGH, BIN] = [0, 8, 0.1]; // bits per dimension that a histogram shows
  const DEAR = 10; // bits for one number, at which the map's colours end
  const COLOURS = [
    [0, 0, 4],
    [87, 16, 110],
    [188, 55, 84],
    [249, 142, 9],
    [252, 255, 164],
  ]; // from none to DEAR
  const MAPS = ["all three", "red", "green", "blue"];
  const root = document.getElementById("ask");
  const part = (name) => root.querySelector(`[data-ask="${name}"]`);
  const field = (name) => root.querySelector(`[name="${name}"]`);
  const grouped = (number) => Math.round(number).toLocaleString("en-GB");
  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const nextFrame = () => new Promise(requestAnimationFrame);

  // --- The models, in a worker, or in the page where a browser or a policy allows no worker ------------------------

  const network = askNetwork();
  const waiting = new Map();
  const loads = Object.entries(askData.models).map(([name, model]) => ({ task: "load", name, network: model.network }));
  let worker = null;
  let asked = 0;

  function inPage() {
    worker = null;
    for (const load of loads) network.answer(load);
    for (const { needs, done } of waiting.values()) done(network.answer(needs));
    waiting.clear();
  }

  try {
    const source = `const network = (${askNetwork})();
      onmessage = ({ data }) => postMessage({ id: data.id, answer: network.answer(data.needs) });`;
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    worker.onerror = (event) => {
      event.preventDefault();
      inPage();
    };
    worker.onmessage = ({ data: { id, answer } }) => {
      waiting.get(id)?.done(answer);
      waiting.delete(id);
    };
    for (const needs of loads) worker.postMessage({ needs });
  } catch {
    inPage();
  }

  const ask = (needs) =>
    new Promise((done) => {
      if (!worker) return setTimeout(() => done(network.answer(needs))); // what was changed is drawn first
      waiting.set(++asked, { needs, done });
      worker.postMessage({ id: asked, needs });
    });

  // --- What is shown -----------------------------------------------------------------------------------------------

  const canvas = part("picture");
  const paint = (target, pixels) => {
    const image = new ImageData(SIDE, SIDE);
    for (let k = 0; k < SIDE * SIDE; k++) image.data.set([...pixels.subarray(3 * k, 3 * k + 3), 255], 4 * k);
    target.getContext("2d", { alpha: false }).putImageData(image, 0, 0);
    return target;
  };
  const small = (properties) => make("canvas", { width: SIDE, height: SIDE, ...properties });

  const models = Object.entries(askData.models).map(([name, { label, sets }]) => {
    const scores = Object.values(sets).map(({ scores }) => network.decode(scores, 3).map((s) => s * askData.score));
    return { name, label, scores, bits: null };
  });
  const sets = Object.values(Object.values(askData.models)[0].sets).map(({ of }) => of);
  part("sets").textContent = `The two sets: ${sets.join("; ")}.`;
  const perNumber = (bits) => bits.reduce((sum, b) => sum + b, 0) / NUMBERS;
  const dearer = (scores, bits) => scores.reduce((count, score) => count + (score > bits), 0);

  function histogram({ label, scores }, bits) {
    const [width, base, top] = [400, 118, 22];
    const x = (value) => ((Math.min(Math.max(value, LOW), HIGH) - LOW) / (HIGH - LOW)) * width;
    const counts = scores.map((of) => {
      const bins = new Array(Math.round((HIGH - LOW) / BIN)).fill(0);
      for (const score of of) if (score < HIGH) bins[Math.floor((score - LOW) / BIN)]++;
      return bins;
    });
    const most = Math.max(...counts.flat());
    const bars = counts.map((bins, i) => {
      const steps = bins.map((n, k) => `V${(base - (n / most) * (base - top)).toFixed(1)}H${x(LOW + (k + 1) * BIN)}`);
      return `<path class="${["inside", "outside"][i]}" d="M0 ${base}${steps.join("")}V${base}Z"></path>`;
    });
    const ticks = [0, 2, 4, 6, 8].map((t) => `<text x="${x(t)}" y="${base + 17}">${t}</text>`);
    const anchor = bits > (LOW + HIGH) / 2 ? "end" : "start";
    const here = x(bits) + (anchor === "end" ? -6 : 6);
    return (
      `<svg viewBox="-6 0 412 140" role="img" aria-label="Under the ${label} the picture takes ${bits.toFixed(2)} ` +
      `bits per dimension; the text above says its place in both sets.">${bars.join("")}` +
      `<path class="axis" d="M0 ${base}H${width}"></path>${ticks.join("")}` +
      `<path class="rule" d="M${x(bits)} 4V${base}"></path>` +
      `<text class="${anchor}" x="${here}" y="14">${bits.toFixed(2)}` +
      `${bits > HIGH ? ", far to the right" : ""}</text></svg>`
    );
  }

  function heat(bits) {
    const at = Math.min(Math.max(bits / DEAR, 0), 1) * (COLOURS.length - 1);
    const from = Math.min(Math.floor(at), COLOURS.length - 2);
    return COLOURS[from].map((value, c) => value + (at - from) * (COLOURS[from + 1][c] - value));
  }

  const heats = (value) => Uint8Array.from({ length: NUMBERS }, (_, k) => heat(value(Math.floor(k / 3)))[k % 3]);

  // For each model: a frame for its histogram, and four canvases for its map.
  const shown = models.map(({ label }) => {
    const chart = make("div", {});
    part("histograms").append(make("figure", {}, make("figcaption", { textContent: label }), chart));
    const canvases = MAPS.map((map) => small({ role: "img", ariaLabel: `Bits under the ${label}, ${map}` }));
    const figures = canvases.map((map, i) => make("figure", {}, map, make("figcaption", { textContent: MAPS[i] })));
    part("maps").append(make("div", { className: "ask-map" }, make("p", { textContent: label }), ...figures));
    return { chart, canvases };
  });
  part("scale").style.background = `linear-gradient(to right, ${COLOURS.map((c) => `rgb(${c})`).join()})`;

  const size = (pixels, type, quality) =>
    new Promise((done) => paint(small({}), pixels).toBlob((blob) => done(blob?.size), type, quality));

  async function show(pixels) {
    const rows = models.map(({ label, bits }) => [label, (perNumber(bits) * NUMBERS) / 8]);
    rows.push(["PNG, without loss", await size(pixels, "image/png")]);
    rows.push(["JPEG of quality 90, with loss", await size(pixels, "image/jpeg", 0.9)]);
    const cells = rows.map(([, bytes]) =>
      [((8 * bytes) / NUMBERS).toFixed(2), grouped(bytes)].map((textContent) => make("td", { textContent })),
    );
    part("rows").replaceChildren(
      ...rows.map(([label], i) => make("tr", {}, make("th", { scope: "row", textContent: label }), ...cells[i])),
    );
    models.forEach(({ bits, label, scores }, m) => {
      shown[m].chart.innerHTML = histogram({ label, scores }, perNumber(bits));
      const three = (k) => (bits[3 * k] + bits[3 * k + 1] + bits[3 * k + 2]) / 3;
      shown[m].canvases.forEach((map, c) => paint(map, heats(c ? (k) => bits[3 * k + c - 1] : three)));
    });
    const said = models.map(({ label, bits, scores }) => {
      const each = perNumber(bits);
      const places = scores.map(
        (of, i) => `${grouped(dearer(of, each))} of ${grouped(of.length)} images of ${sets[i].split(",")[0]}`,
      );
      return make(
        "p",
        {},
        make("strong", { textContent: `${label}: ${each.toFixed(2)} bits per dimension` }),
        `, likelier than ${places.join(" and ")}.`,
      );
    });
    part("answer").replaceChildren(...said);
    read();
  }

  // --- The picture, and what is done to it -------------------------------------------------------------------------

  const state = {
    base: new Uint8Array(NUMBERS),
    pixels: new Uint8Array(NUMBERS),
    file: null,
    at: [16, 16],
    turn: null,
    drawing: null,
  };
  const begin = () => (state.turn = {}); // what still works on another picture sees that its turn is over
  const dials = () =>
    Object.fromEntries(["blur", "contrast", "noise"].map((name) => [name, Number(field(name).value)]));
  const seed = () => Number(field("seed").value) || 0;
  const say = (text) => (part("said").textContent = text);

  let stale = false;
  async function refresh() {
    state.pixels = adjusted(state.base, dials(), network.random(seed()));
    paint(canvas, state.pixels);
    for (const dial of ["blur", "contrast", "noise"]) {
      const text = field(dial).value + field(dial).dataset.unit;
      field(dial).setAttribute("aria-valuetext", text);
      field(dial).closest("label").querySelector("b").textContent = text;
    }
    stale = true;
    if (part("answer").ariaBusy === "true") return;
    part("answer").ariaBusy = "true";
    while (stale) {
      stale = false;
      const { pixels } = state;
      const answers = await Promise.all(models.map(({ name }) => ask({ task: "score", name, pixels })));
      models.forEach((model, m) => (model.bits = answers[m]));
      await show(pixels);
    }
    part("answer").ariaBusy = "false";
  }

  function take(pixels, words) {
    begin();
    state.file = null;
    part("resize").hidden = true;
    state.base = Uint8Array.from(pixels);
    for (const name of ["blur", "contrast", "noise"]) field(name).value = field(name).defaultValue;
    say(words);
    return refresh();
  }

  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const next = network.random(0);
  const pictures = Object.entries(askData.pictures).map(([name, text]) => [name, bytes(text)]);
  pictures.push(["grey", new Uint8Array(NUMBERS).fill(128)]);
  pictures.push(["noise", Uint8Array.from({ length: NUMBERS }, () => 256 * next())]);
  for (const [name, pixels] of pictures) {
    const button = make("button", { type: "button" }, paint(small({}), pixels), make("span", { textContent: name }));
    button.addEventListener("click", () => take(pixels, ""));
    part("presets").append(button);
  }

  const refuse = (name) =>
    say(`${name} cannot be read: damaged, too large, or no picture that this browser knows. Try a JPEG, PNG or WebP.`);

  // A file of the reader's: first its square, then 32 by 32 pixels.
  async function open(file) {
    const name = file.name || "The picture";
    const mine = begin();
    const image = new Image();
    image.src = URL.createObjectURL(file);
    try {
      await image.decode();
    } catch {
      return refuse(name);
    } finally {
      URL.revokeObjectURL(image.src);
    }
    if (!image.naturalWidth || !image.naturalHeight) return refuse(name);
    if (state.turn !== mine) return;
    state.file = { image, name, type: file.type };
    field("crop").value = field("crop").defaultValue;
    await cut();
  }

  async function cut() {
    const { image, name, type } = state.file;
    const mine = begin();
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const side = Math.min(width, height);
    const [left, top] = [width - side, height - side].map((room) => Math.round((room * field("crop").value) / 100));
    const square = [left, top, side, side];
    const scale = 160 / Math.max(width, height);
    Object.assign(part("whole"), { width: Math.max(width * scale, 1), height: Math.max(height * scale, 1) });
    const preview = part("whole").getContext("2d");
    const strip = make("canvas", { width: side });
    try {
      // A bitmap refuses what is damaged, and is not decoded anew for each strip. An SVG, which may have no size of its
      // own, is drawn whole.
      const source = type === "image/svg+xml" ? make("canvas", { width, height }) : await createImageBitmap(image);
      if (state.turn !== mine) return source.close?.();
      source.getContext?.("2d").drawImage(image, 0, 0, width, height);
      const rows = (y, count) => {
        strip.height = count;
        const context = strip.getContext("2d", { alpha: false, willReadFrequently: true });
        context.fillStyle = "white";
        context.fillRect(0, 0, side, count);
        context.drawImage(source, left, top + y, side, count, 0, 0, side, count);
        return context.getImageData(0, 0, side, count).data;
      };
      state.base = resize(rows, side, field("kernel").value);
      preview.globalAlpha = 0.3;
      preview.drawImage(source, 0, 0, width * scale, height * scale);
      preview.globalAlpha = 1;
      preview.drawImage(source, ...square, ...square.map((value) => value * scale));
      source.close?.();
    } catch {
      part("resize").hidden = true;
      return refuse(name);
    }
    part("resize").hidden = false;
    field("crop").disabled = width === height;
    const still = type === "image/gif" ? " Of an animation the first picture counts." : "";
    say(
      `${name}, ${grouped(width)} × ${grouped(height)} pixels: its square of ${grouped(side)} × ${grouped(side)} ` +
        `became 32 × 32. What is transparent became white.${still}`,
    );
    return refresh();
  }

  // --- Choosing, pasting, dropping ---------------------------------------------------------------------------------

  const openFirst = (files, none) => (files?.length ? open(files[0]) : say(none));
  field("file").addEventListener("change", ({ target }) => {
    if (target.files.length) open(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", ({ clipboardData, target }) => {
    if (clipboardData.files.length || !target.closest?.("input")) {
      openFirst(clipboardData.files, "There is no picture on the clipboard.");
    }
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    openFirst(event.dataTransfer.files, "That was no file. Save the picture first, then drop the file.");
  });
  field("kernel").append(...Object.entries(KERNELS).map(([value, { label }]) => new Option(label, value)));
  for (const name of ["kernel", "crop"]) field(name).addEventListener("change", cut);
  for (const name of ["blur", "contrast", "noise", "seed"]) field(name).addEventListener("input", refresh);

  // --- A pixel: read, painted --------------------------------------------------------------------------------------

  const cursor = part("cursor");
  canvas.addEventListener("focus", () => (part("reading").ariaLive = "polite")); // else each answer would be read twice
  canvas.addEventListener("blur", () => (part("reading").ariaLive = "off"));
  function read() {
    const [i, j] = state.at;
    cursor.style.left = `${(100 * j) / SIDE}%`;
    cursor.style.top = `${(100 * i) / SIDE}%`;
    const k = 3 * (SIDE * i + j);
    const costs = models.map(
      ({ label, bits }) => `${label} ${[...bits.subarray(k, k + 3)].map((b) => b.toFixed(1)).join(", ")}`,
    );
    part("reading").textContent =
      `Row ${i + 1}, column ${j + 1}: red, green and blue are ${[...state.pixels.subarray(k, k + 3)].join(", ")}. ` +
      `Bits: ${costs.join("; ")}.`;
  }

  function dab() {
    begin();
    const pen = [1, 3, 5].map((at) => parseInt(field("pen").value.slice(at, at + 2), 16));
    const reach = (Number(field("width").value) - 1) / 2;
    for (let i = Math.ceil(state.at[0] - reach); i <= state.at[0] + reach; i++) {
      for (let j = Math.ceil(state.at[1] - reach); j <= state.at[1] + reach; j++) {
        if (i >= 0 && i < SIDE && j >= 0 && j < SIDE) state.base.set(pen, 3 * (SIDE * i + j));
      }
    }
    refresh();
  }

  function point(event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const place = [(event.clientY - top) / height, (event.clientX - left) / width];
    state.at = place.map((share) => Math.min(Math.max(Math.floor(share * SIDE), 0), SIDE - 1));
    if (models[0].bits) read();
    if (event.buttons && field("draw").checked) dab();
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    point(event);
  });
  canvas.addEventListener("pointermove", point);
  field("draw").addEventListener("input", () => (canvas.style.touchAction = field("draw").checked ? "none" : ""));
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], " ": [0, 0] }[
      event.key
    ];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    state.at = state.at.map((at, side) => Math.min(Math.max(at + move[side], 0), SIDE - 1));
    if (event.key === " ") dab();
    else read();
  });

  // --- A picture of the model's own --------------------------------------------------------------------------------

  field("model").append(...models.map(({ name, label }) => new Option(label, name)));
  async function sample() {
    const mine = (state.drawing = begin());
    const [name, from, pixels] = [field("model").value, seed(), Uint8Array.from(state.pixels)];
    field("seed").value = from + 1; // the next picture is another one
    part("stop").disabled = false;
    for (let i = 0; i < SIDE && state.turn === mine; i++) {
      const row = await ask({ task: "sample", ...(i ? {} : { name, seed: from }) });
      if (state.turn !== mine) break;
      pixels.set(row, 3 * SIDE * i);
      paint(canvas, pixels);
      part("progress").value = (i + 1) / SIDE;
      await nextFrame();
    }
    if (state.drawing !== mine) return; // another drawing has begun meanwhile
    part("stop").disabled = true;
    part("progress").value = 0;
    if (state.turn === mine) return take(pixels, `Drawn by the ${askData.models[name].label}, seed ${from}.`);
    paint(canvas, state.pixels);
  }
  part("sample").addEventListener("click", sample);
  part("stop").addEventListener("click", () => {
    begin();
    say("Stopped. The picture before is back.");
  });

  // A browser that alters what a canvas gives back, against tracking, would have the models score other pixels.
  const known = pictures[0][1];
  const given = paint(small({}), known).getContext("2d").getImageData(0, 0, SIDE, SIDE).data;
  part("altered").hidden = known.every((value, k) => given[4 * Math.floor(k / 3) + (k % 3)] === value);
  part("fallback").hidden = true;
  part("live").hidden = false;
  take(known, "");
})();
