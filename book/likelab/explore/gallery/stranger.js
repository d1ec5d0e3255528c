// `judge` of stranger.py once more, for the page.
({ x, y, reject }) => {
  const names = ["A", "B", "C"];
  const centres = [[0, 3.2], [-2.771, -1.6], [2.771, -1.6]];
  const spread = 0.8;
  const peak = -Math.log(3 * 2 * Math.PI * spread ** 2);
  const away = centres.map(([a, b]) => Math.hypot(x - a, y - b) / spread);
  const logJoint = away.map((d) => peak - d ** 2 / 2);
  const most = Math.max(...logJoint);
  const logP = most + Math.log(logJoint.reduce((sum, l) => sum + Math.exp(l - most), 0));
  const shares = logJoint.map((l) => Math.exp(l - logP));
  const sure = Math.max(...shares);
  const share = parseInt(reject, 10) / 100;
  const limit = peak + Math.log(share);
  const fixed = (v) => {
    const whole = Math.floor(v * 1000 + 0.5);
    const text = String(Math.abs(whole)).padStart(4, "0");
    return (whole < 0 ? "-" : "") + text.slice(0, -3) + "." + text.slice(-3);
  };
  const radius = fixed(spread * Math.sqrt(-2 * Math.log(share)));
  const turn = `a${radius} ${radius} 0 1 0`;
  const twice = fixed(2 * Number(radius));
  return {
    shares,
    sure,
    favourite: names[shares.indexOf(sure)],
    away,
    log_p: logP,
    limit,
    side: logP >= limit ? "above" : "below",
    verdict: logP >= limit ? "accepts" : "rejects",
    circles: centres
      .map(([a, b]) => `M${fixed(a - Number(radius))} ${fixed(b)}${turn} ${twice} 0${turn} -${twice} 0`)
      .join(""),
  };
}
