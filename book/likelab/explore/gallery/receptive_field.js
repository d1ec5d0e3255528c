// `see` of receptive.py once more, for the page.
({ row, column, channel, kernel, layers, stack }) => {
  const [side, framed] = [16, 7];
  const radius = (parseInt(kernel) - 1) / 2;
  const [reach, two] = [radius * layers, stack === "two stacks"];
  const range = (n) => Array.from({ length: n }, (_, i) => i);
  const place = (up, right) => {
    if (up < 0 || (up === 0 && right > 0)) return 0;
    if (up === 0 && right === 0) return 4;
    const seen = two
      ? (up === 0 && right >= -reach - 1) || (up > 0 && up <= reach + 1 && Math.abs(right) <= reach)
      : up <= reach && right >= -reach && right <= radius * Math.min(up, layers);
    if (seen) return 3;
    return !two && up > 0 && right > radius * up ? 2 : 1;
  };
  const field = range(side * side).map((i) => place(row - Math.floor(i / side), (i % side) - column));
  const count = (k) => range(side).map((i) => field.slice(side * i, side * i + side).filter((v) => v === k).length);
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const mask = (kept) =>
    range(framed * framed).map((i) => {
      const [up, right] = [(framed - 1) / 2 - Math.floor(i / framed), (i % framed) - (framed - 1) / 2];
      const wide = Math.max(Math.abs(up), Math.abs(right));
      return wide > radius ? 0 : 1 + kept(up, right) + 2 * (wide === 0);
    });
  const past = (up, right) => up > 0 || (up === 0 && right < 0);
  const own = { red: 0, green: 1, blue: 2 }[channel];
  const [far, blind, seen] = [1, 2, 3].map(count);
  return {
    field,
    colours: range(3).map((c) => (c < own ? 2 : c === own ? 1 : 0)),
    before: ["no colour", "the red", "the red and the green"][own],
    first: mask(two ? (up) => up >= 0 : past),
    second: mask(two ? (up, right) => up === 0 && right <= 0 : (up, right) => past(up, right) || (up === 0 && right === 0)),
    first_name: two ? "vertical stack" : "mask A: first layer",
    second_name: two ? "horizontal stack" : "mask B: later layers",
    n_past: side * row + column,
    n_seen: sum(seen),
    n_blind: sum(blind),
    n_far: sum(far),
    rows: range(side),
    row_seen: seen,
    row_blind: blind,
    row_far: far,
  };
}
