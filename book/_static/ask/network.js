// The bank's two PixelCNNs, as chapters 04 and 08 build them, in plain JavaScript. An image is worked through in
// reading order, one pixel a step, and nothing is computed twice; scoring and drawing differ in where the pixel's value
// comes from. The function is whole in itself: the page calls it, and hands its source to a worker.
function askNetwork() {
  "use strict";
  const [SIDE, COLOURS, LEVELS, MIXTURES] = [32, 3, 256, 3];
  const CHANNELS = COLOURS + 1; // the last one is of ones inside the image, and zero outside
  const TOP = 2,
    LEFT = 2,
    WIDE = LEFT + SIDE + 1; // the frame of zeros around an image
  const SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const VALUE = Object.fromEntries([...SIGNS].map((sign, i) => [sign, i]));

  // Whole numbers from base 64, `digits` signs each; they were moved up by half of the range.
  function decode(text, digits) {
    const numbers = new Float64Array(text.length / digits);
    for (let i = 0, at = 0; i < numbers.length; i++) {
      let number = 0;
      for (let k = 0; k < digits; k++) number = 64 * number + VALUE[text[at++]];
      numbers[i] = number - 64 ** digits / 2;
    }
    return numbers;
  }

  // Numbers in the open interval from 0 to 1, always the same for a seed (Mulberry32, by T. Ettinger).
  function random(seed) {
    let state = seed >>> 0;
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
    };
  }

  // A layer: y = W x + b, x being what its taps gathered. Four sums run side by side, which is twice as fast.
  function layer({ digits, scale, bias, weights }) {
    const w = decode(weights, digits);
    const inputs = w.length / scale.length;
    for (let i = 0; i < w.length; i++) w[i] *= scale[Math.floor(i / inputs)];
    const y = new Float64Array(bias.length);
    const apply = (x, from = 0) => {
      for (let o = 0, at = 0; o < y.length; o++) {
        let [a, b, c, d] = [bias[o], 0, 0, 0];
        for (let i = from; i < from + inputs; i += 4, at += 4) {
          a += w[at] * x[i];
          b += w[at + 1] * x[i + 1];
          c += w[at + 2] * x[i + 2];
          d += w[at + 3] * x[i + 3];
        }
        y[o] = a + b + c + d;
      }
      return y;
    };
    return Object.assign(apply, { outputs: bias.length });
  }

  const elu = (x) => (x > 0 ? x : Math.expm1(x));
  const sigmoid = (x) => 1 / (1 + Math.exp(-x));
  const gate = (x, i) => x[i] * sigmoid(x[i + x.length / 2]);

  // The gated PixelCNN. From an image in its frame to a function that gives the head's numbers at a pixel, to be called
  // in reading order.
  function gatedPixelCNN(layers, image) {
    const { vertical, horizontal, blocks, head } = layers;
    const F = vertical.outputs;
    const plane = () => new Float64Array((SIDE + 1) * (SIDE + 2) * F); // a row of zeros above, a column at each side
    const inPlane = (i, j) => ((i + 1) * (SIDE + 2) + j + 1) * F;
    const v = [...blocks, null].map(plane); // the inputs of the vertical layers, and what comes out of the last
    const h = blocks.map(() => new Float64Array((SIDE + 1) * F)); // a row of the inputs of the horizontal layers
    const links = blocks.map(({ verticalToHorizontal }) => new Float64Array(SIDE * verticalToHorizontal.outputs));
    const seen = new Float64Array(6 * Math.max(F, CHANNELS));
    const now = new Float64Array(F);

    // Two rows of three pixels, (row, column) in the middle of the lower one; index(i, j) is a pixel's first number.
    function around(source, index, row, column, channels) {
      seen.set(source.subarray(index(row - 1, column - 1), index(row - 1, column + 2)));
      seen.set(source.subarray(index(row, column - 1), index(row, column + 2)), 3 * channels);
      return seen;
    }

    function verticalRow(i) {
      for (let j = 0; j < SIDE; j++) v[0].set(vertical(around(image, inImage, i - 1, j, CHANNELS)), inPlane(i, j));
      blocks.forEach((block, k) => {
        for (let j = 0; j < SIDE; j++) {
          const at = inPlane(i, j);
          const gates = block.vertical(around(v[k], inPlane, i, j, F));
          for (let f = 0; f < F; f++) v[k + 1][at + f] = v[k][at + f] + gate(gates, f);
          links[k].set(block.verticalToHorizontal(v[k + 1], at), 2 * F * j);
        }
      });
    }

    return (i, j) => {
      if (j === 0) verticalRow(i);
      now.set(horizontal(image, inImage(i, j - 2)));
      for (let f = 0, at = inPlane(i, j); f < F; f++) now[f] += v[0][at + f];
      blocks.forEach((block, k) => {
        h[k].set(now, (j + 1) * F);
        const gates = block.horizontal(h[k], j * F);
        for (let f = 0; f < 2 * F; f++) gates[f] += links[k][2 * F * j + f];
        for (let f = 0; f < F; f++) seen[f] = gate(gates, f);
        const more = block.out(seen);
        for (let f = 0; f < F; f++) now[f] += more[f];
      });
      return head(now.map(elu));
    };
  }

  // The PixelCNN that sees the left neighbour and the three pixels above. As `gatedPixelCNN`.
  function localPixelCNN({ inputs, hidden, head }, image) {
    const seen = new Float64Array(4 * CHANNELS);
    return (i, j) => {
      seen.set(image.subarray(inImage(i, j - 1), inImage(i, j)));
      seen.set(image.subarray(inImage(i - 1, j - 1), inImage(i - 1, j + 2)), CHANNELS);
      const h = inputs(seen);
      const more = hidden[1](hidden[0](h.map(elu)).map(elu));
      return head(h.map((x, f) => elu(x + more[f])));
    };
  }

  const inImage = (i, j) => ((i + TOP) * WIDE + j + LEFT) * CHANNELS;
  const onScale = (grey) => (grey * 2) / (LEVELS - 1) - 1; // grey levels to numbers from -1 to 1
  const greyLevel = (x) => Math.min(Math.max(Math.round(((x + 1) * (LEVELS - 1)) / 2), 0), LEVELS - 1);

  // The mixture of logistics at a pixel, from the head's numbers and the pixel's left neighbour: each logistic's logit,
  // its means and log-scales by colour, and the coefficients of red for green, and of red and green for blue.
  function mixture(numbers, image, left) {
    return Array.from({ length: MIXTURES }, (_, k) => {
      const [logit, ...rest] = numbers.subarray(10 * k, 10 * (k + 1));
      return {
        logit,
        means: rest.slice(0, 3).map((mean, c) => mean + image[left + c]),
        logScales: rest.slice(3, 6).map((s) => Math.min(Math.max(s, -7), 2)),
        coefficients: [[], rest.slice(6, 7), rest.slice(7)].map((some) => some.map(Math.tanh)),
      };
    });
  }

  // The mean of a colour given the colours before it.
  const meanOf = ({ means, coefficients }, c, pixel) =>
    coefficients[c].reduce((mean, factor, before) => mean + factor * (pixel[before] - means[before]), means[c]);

  const logSigmoid = (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
  const logSumExp = (xs) => {
    const most = Math.max(...xs);
    return most + Math.log(xs.reduce((sum, x) => sum + Math.exp(x - most), 0));
  };

  // The log-probability, in nats, of one grey level, x on the scale from -1 to 1, under a logistic cut into bins.
  function discretisedLogistic(x, mean, logScale) {
    const [half, inverse] = [1 / (LEVELS - 1), Math.exp(-logScale)];
    const upper = x > 1 - half ? Infinity : inverse * (x - mean + half);
    const lower = x < half - 1 ? -Infinity : inverse * (x - mean - half);
    return logSigmoid(upper) + logSigmoid(-lower) + Math.log(-Math.expm1(lower - upper));
  }

  // What each colour of a pixel costs, in bits, given all before it.
  function bitsOf(parts, pixel) {
    let logs = parts.map(({ logit }) => logit);
    let before = logSumExp(logs); // of the logits alone: what makes them shares
    return pixel.map((x, c) => {
      logs = logs.map((log, k) => log + discretisedLogistic(x, meanOf(parts[k], c, pixel), parts[k].logScales[c]));
      const joint = logSumExp(logs);
      const bits = (before - joint) / Math.LN2;
      before = joint;
      return bits;
    });
  }

  // A pixel from a number between 0 and 1 for each logistic, to choose one, and one for each colour.
  function draw(parts, uniforms) {
    const logits = parts.map(({ logit }, k) => logit - Math.log(-Math.log(uniforms[k])));
    const chosen = parts[logits.indexOf(Math.max(...logits))];
    const pixel = [];
    for (let c = 0; c < COLOURS; c++) {
      const u = uniforms[MIXTURES + c];
      const value = meanOf(chosen, c, pixel) + Math.exp(chosen.logScales[c]) * Math.log(u / (1 - u));
      pixel.push(onScale(greyLevel(value))); // whole, before the next colour sees it
    }
    return pixel;
  }

  const models = {};

  function load({ name, network }) {
    const built = (part) =>
      part.weights
        ? layer(part)
        : Array.isArray(part)
          ? part.map(built)
          : Object.fromEntries(Object.entries(part).map(([key, value]) => [key, built(value)]));
    models[name] = built(network);
  }

  // An image in its frame, still empty; step(i, j, choose) asks choose(parts) for the pixel's three numbers.
  function begin(name) {
    const image = new Float64Array((TOP + SIDE) * WIDE * CHANNELS);
    const features = (models[name].blocks ? gatedPixelCNN : localPixelCNN)(models[name], image);
    return (i, j, choose) => {
      const numbers = features(i, j);
      const pixel = choose(mixture(numbers, image, inImage(i, j - 1)));
      image.set([...pixel, 1], inImage(i, j));
      return { numbers, pixel };
    };
  }

  // What each of the 3,072 numbers of an image costs, in bits, in the order of the pixels: red, green, blue, red, …
  function score({ name, pixels }) {
    const step = begin(name);
    const bits = new Float32Array(pixels.length);
    for (let i = 0, at = 0; i < SIDE; i++) {
      for (let j = 0; j < SIDE; j++, at += COLOURS) {
        step(i, j, (parts) => {
          const pixel = Array.from(pixels.subarray(at, at + COLOURS), onScale);
          bits.set(bitsOf(parts, pixel), at);
          return pixel;
        });
      }
    }
    return bits;
  }

  // Draw an image, a row a call, from six uniform numbers a pixel. A new one begins with a seed, or with its numbers.
  let drawing = null;
  function sample({ name, seed, uniforms }) {
    if (name) {
      const next = seed === undefined ? null : random(seed);
      const chance = (i, j) =>
        Array.from({ length: MIXTURES + COLOURS }, (_, k) =>
          Math.min(Math.max(next ? next() : uniforms[(k * SIDE + i) * SIDE + j], 1e-7), 1 - 1e-7),
        );
      drawing = { step: begin(name), chance, row: 0 };
    }
    const i = drawing.row++;
    const row = new Uint8ClampedArray(SIDE * COLOURS);
    for (let j = 0; j < SIDE; j++) {
      const { pixel } = drawing.step(i, j, (parts) => draw(parts, drawing.chance(i, j)));
      row.set(pixel.map(greyLevel), j * COLOURS);
    }
    return row;
  }

  // What page and worker say to each other: the name of a task, and what it needs.
  const tasks = { load, score, sample };
  return { decode, random, begin, answer: ({ task, ...needs }) => tasks[task](needs) };
}
