// Pictures as the page handles them: 32 by 32 pixels, red, green, blue, red, …, whole numbers from 0 to 255.
globalThis.askPicture = (() => {
  "use strict";
  const SIDE = 32;
  const STRIP = 64; // rows of a large picture that are read at once, so that it need not be in memory a second time

  const box = (t) => (t > -0.5 && t <= 0.5 ? 1 : 0);
  const triangle = (t) => Math.max(1 - Math.abs(t), 0);
  const cubic = (t) => {
    const x = Math.abs(t); // Keys 1981, a = -1/2
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
  };
  const sinc = (t) => (t ? Math.sin(Math.PI * t) / (Math.PI * t) : 1);
  const lanczos = (t) => (Math.abs(t) < 3 ? sinc(t) * sinc(t / 3) : 0);

  // Kernels to resize with. A wide one grows with what it shrinks, and takes all pixels into account, as Pillow does;
  // one that is not wide looks at its nearest pixels and passes over the others.
  const KERNELS = {
    area: { label: "mean of the area", weight: box, support: 0.5, wide: true },
    nearest: { label: "nearest pixel", weight: box, support: 0.5, wide: false },
    bilinear: { label: "bilinear, of four pixels", weight: triangle, support: 1, wide: false },
    bicubic: { label: "bicubic", weight: cubic, support: 2, wide: true },
    lanczos: { label: "Lanczos", weight: lanczos, support: 3, wide: true },
  };

  // For each of the 32 places along a side of `side` pixels: the first pixel that counts, and the weights from it on.
  function taps(side, { weight, support, wide }) {
    const step = side / SIDE;
    const width = wide ? Math.max(step, 1) : 1;
    return Array.from({ length: SIDE }, (_, place) => {
      const centre = (place + 0.5) * step;
      const start = Math.max(Math.trunc(centre - support * width + 0.5), 0);
      const end = Math.min(Math.trunc(centre + support * width + 0.5), side);
      const weights = Array.from({ length: end - start }, (_, i) => weight((start + i - centre + 0.5) / width));
      const sum = weights.reduce((a, b) => a + b, 0);
      return { start, end, weights: weights.map((w) => w / sum) };
    });
  }

  // A square picture of `side` pixels at 32 by 32. rows(y, count) gives some of its rows, red, green, blue, alpha, ….
  function resize(rows, side, kernel) {
    const places = taps(side, KERNELS[kernel]);
    const sums = new Float64Array(SIDE * SIDE * 3);
    const row = new Float64Array(SIDE * 3);
    for (let top = 0; top < side; top += STRIP) {
      const count = Math.min(STRIP, side - top);
      const pixels = rows(top, count);
      for (let y = top; y < top + count; y++) {
        const here = places.flatMap(({ start, end }, i) => (start <= y && y < end ? [i] : []));
        if (here.length === 0) continue;
        places.forEach(({ start, weights }, j) => {
          let [red, green, blue, at] = [0, 0, 0, ((y - top) * side + start) * 4];
          for (let i = 0; i < weights.length; i++, at += 4) {
            red += weights[i] * pixels[at];
            green += weights[i] * pixels[at + 1];
            blue += weights[i] * pixels[at + 2];
          }
          row.set(whole([red, green, blue]), 3 * j);
        });
        for (const i of here) {
          const share = places[i].weights[y - places[i].start];
          for (let k = 0; k < row.length; k++) sums[i * row.length + k] += share * row[k];
        }
      }
    }
    return whole(sums);
  }

  const whole = (numbers) => Uint8Array.from(numbers, (x) => Math.min(Math.max(Math.round(x), 0), 255));

  // Along one side, then along the other: a Gaussian of standard deviation `width` pixels, cut off where scipy cuts it;
  // beyond an edge lies the picture's mirror image.
  function blurred(pixels, width) {
    const reach = Math.trunc(4 * width + 0.5);
    const shares = Array.from({ length: SIDE }, (_, at) => {
      const all = new Array(SIDE).fill(0);
      for (let i = -reach; i <= reach; i++) {
        const place = (((at + i) % (2 * SIDE)) + 2 * SIDE) % (2 * SIDE);
        all[Math.min(place, 2 * SIDE - 1 - place)] += Math.exp(-((i / width) ** 2) / 2);
      }
      const sum = all.reduce((a, b) => a + b, 0);
      return all.map((share) => share / sum);
    });
    const along = (source, far, near) =>
      // far: from a pixel to the next along this side; near: along the other
      source.map((_, k) => {
        const [at, start] = [Math.floor(k / far) % SIDE, (Math.floor(k / near) % SIDE) * near + (k % 3)];
        return shares[at].reduce((sum, share, i) => sum + share * source[start + i * far], 0);
      });
    return along(along(Float64Array.from(pixels), 3, 3 * SIDE), 3 * SIDE, 3);
  }

  // Nothing is changed by { blur: 0, contrast: 1, noise: 0 }. blur in pixels, contrast about the middle grey, noise in
  // grey levels, as standard deviations, as in chapter 10. random() gives numbers between 0 and 1.
  function adjusted(pixels, { blur, contrast, noise }, random) {
    let numbers = blur ? blurred(pixels, blur) : Float64Array.from(pixels);
    numbers = numbers.map((x) => 128 + contrast * (x - 128));
    if (noise) {
      const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
      numbers = numbers.map((x) => x + noise * normal());
    }
    return whole(numbers);
  }

  return { SIDE, KERNELS, resize, adjusted };
})();
