// `read` of ruler.py once more, for the page.
({ value, location, scale }) => {
  const s = Number(scale);
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const logSigmoid = (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
  const logBetween = (lower, upper) =>
    logSigmoid(upper) + logSigmoid(-lower) + Math.log(-Math.expm1(lower - upper));
  const [lower, upper] = [-0.5, 0.5].map((edge) => range(256).map((level) => (level + edge - location) / s));
  const logIntegral = range(256).map((level) => logBetween(lower[level], upper[level]));
  [lower[0], upper[255]] = [-Infinity, Infinity];
  const logMass = range(256).map((level) => logBetween(lower[level], upper[level]));
  const x = range(300).map((i) => value - 1 + (i + 0.5) / 100);
  const logDensity = x.map((y) => {
    const z = (y - location - 0.5) / s;
    return logSigmoid(z) + logSigmoid(-z) - Math.log(s);
  });
  const own = logDensity.slice(100, 200);
  const bound = own.reduce((sum, y) => sum + y, 0) / own.length;
  const highest = Math.max(...own);
  const near = [value - 1, value, value + 1];
  const row = range(17).map((i) => Math.min(Math.max(value - 8, 0), 239) + i);
  const bits = -logMass[value] / Math.LN2;
  const integral = -logIntegral[value] / Math.LN2;
  const chance = logMass.map(Math.exp);
  return {
    chance,
    peak: chance[location],
    top: 1.15 * chance[location],
    chances: chance.map((p) => Math.min(p, 1.15 * chance[location])),
    costs: logMass.map((l) => Math.min(-l / Math.LN2, 24)),
    bits,
    height: Math.min(bits, 24),
    p: chance[value],
    off: Math.abs(value - location),
    saved: Math.abs(8 - bits),
    verdict: bits <= 8 ? "fewer" : "more",
    x,
    density: logDensity.map((l) => Math.exp(l - highest)),
    masses: near.map((v) => Math.min(Math.exp((logIntegral[v] ?? -Infinity) - highest), 1.2)),
    bounds: [0, Math.exp(bound - highest), 0],
    reported: -bound / Math.LN2,
    integral,
    loss: -bound / Math.LN2 - integral,
    from: value - 1,
    next: value + 1,
    end: value + 2,
    row,
    row_chance: row.map((v) => chance[v]),
    row_bits: row.map((v) => -logMass[v] / Math.LN2),
  };
}
