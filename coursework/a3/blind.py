"""Answers to A3 by someone who had read the notebook alone, not its checks: so they test these.

The parts are those of wrong.py. A change from None is an answer of its own.
"""

ANSWERS = {
    "auroc": """
def auroc(inside, outside):
    a, b = inside.double()[:, None], outside.double()[None, :]
    return (b < a).double().mean() + 0.5 * (b == a).double().mean()
""",
    "threshold": """
def threshold(validation_scores, rate):
    scores = torch.sort(validation_scores).values
    alarms = (scores[None, :] < scores[:, None]).sum(1)
    allowed = alarms <= rate * len(scores) + 1e-9
    return scores[allowed].max()
""",
    "code": """
def code_bits(images):
    found = []
    for image in images:
        raw = image.permute(1, 2, 0).contiguous().numpy().tobytes()
        found.append(8 * len(zlib.compress(raw, 9)) / image.numel())
    return torch.tensor(found, dtype=torch.float64)
""",
    "typical": """
def typicality(train_bits, bits):
    return (bits - torch.median(train_bits)).abs()
""",
    "leaks": """
def leaked(train, test):
    seen_before = {image.numpy().tobytes() for image in train}
    turned = test.flip((2, 3)).contiguous()
    both = zip(test, turned)
    return torch.tensor([a.numpy().tobytes() in seen_before or b.numpy().tobytes() in seen_before for a, b in both])
""",
    "choose": """
def report(validation, test):
    best = validation.min(dim=1).values.argmax()
    return test[best].min()
""",
    "score": """
def features(images):
    x = images.double()
    rows = []
    for image in x:
        dx, dy = image[:, :, 1:] - image[:, :, :-1], image[:, 1:] - image[:, :-1]
        small = F.avg_pool2d(image, 4)
        sx, sy = small[:, :, 1:] - small[:, :, :-1], small[:, 1:] - small[:, :-1]
        parts = [dx.abs().mean(), dy.abs().mean(), sx.abs().mean(), sy.abs().mean()]
        parts += [image.std(), image.mean((1, 2)).std()]
        parts += [dx.abs().median(), dy.abs().median()]
        rows.append(torch.stack([torch.log(p + 0.5) for p in parts]))
    return torch.stack(rows)

def score(train, images):
    known = features(train)
    centre = known.mean(0)
    cov = torch.cov(known.T) + 1e-3 * torch.eye(known.shape[1], dtype=known.dtype)
    off = features(images) - centre
    return -(off @ torch.linalg.inv(cov) * off).sum(1)
""",
}

# A score whose points are all at stake: those below that change it break one rule, and see what is anomalous.
TILES = """
def score(train, images):
    def describe(some):
        x = some.numpy().astype(float)
        edge = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        around = [edge[:, :, i : i + 32, j : j + 32] for i in range(3) for j in range(3)]
        smooth = np.median(around, axis=0)
        rest = np.abs(x - smooth)
        across = np.abs(x - smooth - (x - smooth).mean(1, keepdims=True))
        tiles = rest.mean(1).reshape(-1, 8, 4, 8, 4).mean((2, 4)).reshape(-1, 64)
        one, two = (np.abs(smooth[..., k:] - smooth[..., :-k]).mean((1, 2, 3)) for k in (1, 2))
        columns = [rest.max((1, 2, 3)), rest.mean((1, 2, 3)), across.mean((1, 2, 3)), np.percentile(tiles, 10, 1)]
        columns += [tiles.max(1), np.median(tiles, 1), x.std((1, 2, 3))]
        rows = [np.log(column + 0.5) for column in columns] + [one / (two + 1)]
        return np.stack(rows, 1)

    known, found = describe(train), describe(images)
    away, inverse = found - known.mean(0), np.linalg.inv(np.cov(known.T))
    return -(away @ inverse * away).sum(1)
"""
# A density, not its logarithm: its numbers are so small that a tolerance may hide what they depend on.
DENSITY = TILES.replace(
    "return -(away @ inverse * away).sum(1)", "return 1e-9 * np.exp(-0.05 * (away @ inverse * away).sum(1))"
)

RIGHT = [
    (
        "auroc",
        "ranks, ties at their mean",
        """
def auroc(inside, outside):
    both = np.concatenate([outside.numpy(), inside.numpy()])
    values, where, count = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[where]
    n, m = len(inside), len(outside)
    u = rank[:m].sum() - m * (m + 1) / 2
    return 1 - u / (n * m)
""",
    ),
    (
        "auroc",
        "a loop over outside images",
        """
def auroc(inside, outside):
    wins = 0.0
    for score in outside:
        wins += float((inside > score).sum()) + float((inside == score).sum()) / 2
    return wins / len(outside) / len(inside)
""",
    ),
    (
        "auroc",
        "the curve's area by trapezia",
        """
def auroc(inside, outside):
    cuts = torch.unique(torch.cat([inside, outside]))
    hits = [0.0] + [float((outside <= cut).double().mean()) for cut in cuts]
    false = [0.0] + [float((inside <= cut).double().mean()) for cut in cuts]
    return np.trapezoid(hits, false) if hasattr(np, "trapezoid") else np.trapz(hits, false)
""",
    ),
    (
        "auroc",
        "the sign of differences",
        """
def auroc(inside, outside):
    return 0.5 + torch.sign(inside[:, None] - outside[None]).double().mean() / 2
""",
    ),
    (
        "threshold",
        "from the largest down",
        """
def threshold(validation_scores, rate):
    values = sorted(set(validation_scores.tolist()), reverse=True)
    for value in values:
        share = sum(score < value for score in validation_scores.tolist()) / len(validation_scores)
        if share <= rate:
            return value
""",
    ),
    (
        "threshold",
        "the k-th smallest",
        """
def threshold(validation_scores, rate):
    k = math.floor(rate * len(validation_scores) + 1e-6)
    return torch.kthvalue(validation_scores, k + 1).values
""",
    ),
    (
        "threshold",
        "NumPy's searchsorted",
        """
def threshold(validation_scores, rate):
    s = np.sort(np.asarray(validation_scores))
    share = np.searchsorted(s, s, side="left") / len(s)
    return s[share <= rate][-1]
""",
    ),
    (
        "code",
        "NumPy's axes, a list",
        """
def code_bits(images):
    pixels = np.ascontiguousarray(np.moveaxis(np.asarray(images), 1, 3))
    return [len(zlib.compress(p.tobytes(), level=9)) * 8.0 / p.size for p in pixels]
""",
    ),
    (
        "code",
        "a compressor of its own for each",
        """
def code_bits(images):
    n = len(images)
    bits = np.zeros(n)
    for i in range(n):
        z = zlib.compressobj(9)
        row = images[i].flatten(1).T.reshape(-1).tolist()
        bits[i] = 8 * (len(z.compress(bytes(row))) + len(z.flush())) / len(row)
    return bits
""",
    ),
    (
        "typical",
        "NumPy",
        """def typicality(train_bits, bits):
    return np.abs(np.median(train_bits.numpy()) - bits.numpy())""",
    ),
    (
        "typical",
        "a quantile",
        """def typicality(train_bits, bits):
    middle = torch.quantile(train_bits, 0.5)
    return torch.maximum(middle - bits, bits - middle)""",
    ),
    (
        "leaks",
        "all pairs, a loop over the test",
        """
def leaked(train, test):
    out = []
    for image in test:
        same = (train == image).flatten(1).all(1).any()
        half = (torch.rot90(train, 2, (2, 3)) == image).flatten(1).all(1).any()
        out.append(bool(same | half))
    return np.array(out)
""",
    ),
    (
        "leaks",
        "differences, zeros and ones",
        """
def leaked(train, test):
    a = train.flatten(1).int()
    leak = torch.zeros(len(test), dtype=torch.int64)
    for j, image in enumerate(test):
        for look in (image, torch.flip(torch.flip(image, [1]), [2])):
            if (a - look.flatten().int()).abs().sum(1).min() == 0:
                leak[j] = 1
    return leak
""",
    ),
    (
        "choose",
        "loops",
        """
def report(validation, test):
    best, chosen = -1.0, 0
    for k in range(len(validation)):
        worst = min(validation[k].tolist())
        if worst > best:
            best, chosen = worst, k
    return min(test[chosen].tolist())
""",
    ),
    (
        "choose",
        "NumPy",
        """def report(validation, test):
    return np.asarray(test).min(axis=1)[np.asarray(validation).min(axis=1).argmax()]""",
    ),
    (
        "choose",
        "Python's max, which gives the first",
        """def report(validation, test):
    k = max(range(validation.shape[0]), key=lambda i: validation[i].amin().item())
    return float(torch.sort(test[k]).values[0])""",
    ),
    ("score", "NumPy: tiles, colours and what a median filter takes away", TILES),
    (
        "score",
        "a density",
        DENSITY,
    ),
    (
        "score",
        "nine densities by kernels, multiplied",
        """
def score(train, images):
    def middle(x):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        return padded.unfold(2, 3, 1).unfold(3, 3, 1).flatten(4).median(4).values

    def statistics(some):
        x = some.double()
        smooth = middle(x)
        rest = (x - smooth).abs()
        chroma = x - x.mean(1, keepdim=True)
        chroma = (chroma - middle(chroma)).abs().flatten(1)
        tiles = torch.nn.functional.avg_pool2d(rest.mean(1, keepdim=True), 4).flatten(1)
        one = (smooth[..., 1:] - smooth[..., :-1]).abs().flatten(1)
        two = (smooth[..., 2:] - smooth[..., :-2]).abs().flatten(1)
        return torch.stack(
            [
                (rest.flatten(1).amax(1) + 1).log(),
                (rest.flatten(1).mean(1) + 0.1).log(),
                (chroma.amax(1) + 1).log(),
                (chroma.mean(1) + 0.1).log(),
                (tiles.amax(1) + 0.5).log() - (tiles.median(1).values + 0.5).log(),
                (tiles.quantile(0.1, dim=1) + 0.5).log(),
                one.mean(1) / (two.mean(1) + 0.5),
                one.quantile(0.95, dim=1) / (two.quantile(0.95, dim=1) + 1),
                (x.flatten(1).std(1) + 1).log(),
            ],
            1,
        )

    known, found = statistics(train), statistics(images)
    width = known.std(0) * len(known) ** -0.2
    gaps = (found[:, None] - known) / width
    return torch.logsumexp(-(gaps**2) / 2, 1).sum(1)
""",
    ),
    (
        "score",
        "one image at a time, the fifth nearest neighbour, a list",
        """
def score(train, images):
    def describe(image):
        x = image.numpy().astype(np.float64)
        edge = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="edge")
        around = np.stack([edge[:, i : i + 32, j : j + 32] for i in range(3) for j in range(3)])
        smooth = np.median(around, axis=0)
        rest = np.abs(x - smooth)
        across = np.abs((x - x.mean(0)) - (smooth - smooth.mean(0)))
        tiles = [rest[:, i : i + 4, j : j + 4].mean() for i in range(0, 32, 4) for j in range(0, 32, 4)]
        near_by = np.abs(smooth[:, 1:] - smooth[:, :-1]).mean() + np.abs(smooth[:, :, 1:] - smooth[:, :, :-1]).mean()
        further = np.abs(smooth[:, 2:] - smooth[:, :-2]).mean() + np.abs(smooth[:, :, 2:] - smooth[:, :, :-2]).mean()
        return [
            np.log1p(rest.max()),
            np.log(0.1 + rest.mean()),
            np.log(0.1 + across.mean()),
            np.log1p(across.max()),
            np.log(0.5 + np.percentile(tiles, 10)),
            np.log(0.5 + max(tiles)) - np.log(0.5 + np.median(tiles)),
            near_by / (further + 1),
            np.log1p(x.std()),
        ]

    known = np.array([describe(image) for image in train])
    mean, deviation = known.mean(0), known.std(0)
    result = []
    for image in images:
        away = np.linalg.norm((np.array(describe(image)) - known) / deviation, axis=1)
        result.append(-np.sort(away)[4])
    return result
""",
    ),
]

CHANGES = [
    ("auroc", "upside down", "(b < a)", "(b > a)"),
    ("auroc", "ties count nothing", " + 0.5 * (b == a).double().mean()", ""),
    ("auroc", "ties count in full", "0.5 * (b == a)", "(b == a)"),
    (
        "auroc",
        "as many inside as outside",
        None,
        """def auroc(inside, outside):
    wins = sum(float((inside > o).sum()) + 0.5 * float((inside == o).sum()) for o in outside)
    return wins / len(inside) ** 2""",
    ),
    (
        "auroc",
        "never below one half",
        "return (b < a).double().mean() + 0.5 * (b == a).double().mean()",
        """area = (b < a).double().mean() + 0.5 * (b == a).double().mean()
    return max(area, 1 - area)""",
    ),
    (
        "auroc",
        "ranks, ties in their order, outside first",
        None,
        """def auroc(inside, outside):
    both = torch.cat([outside, inside])
    rank = torch.argsort(torch.argsort(both, stable=True))
    m, n = len(outside), len(inside)
    return 1 - (rank[:m].sum().item() - m * (m - 1) / 2) / (m * n)""",
    ),
    (
        "auroc",
        "ranks, ties in their order, inside first",
        None,
        """def auroc(inside, outside):
    both = torch.cat([inside, outside])
    rank = torch.argsort(torch.argsort(both, stable=True))
    m, n = len(outside), len(inside)
    return 1 - (rank[n:].sum().item() - m * (m - 1) / 2) / (m * n)""",
    ),
    (
        "auroc",
        "float16, which makes ties",
        "inside.double()[:, None], outside.double()",
        "inside.half()[:, None], outside.half()",
    ),
    (
        "auroc",
        "whole numbers, which make ties",
        "inside.double()[:, None], outside.double()",
        "inside.int()[:, None], outside.int()",
    ),
    (
        "auroc",
        "image against image",
        "[:, None], outside.double()[None, :]",
        "[: len(outside)], outside.double()[: len(inside)]",
    ),
    (
        "auroc",
        "the visible value",
        None,
        """def auroc(inside, outside):
    return 0.25""",
    ),
    (
        "auroc",
        "a hundred thresholds",
        None,
        """def auroc(inside, outside):
    cuts = torch.linspace(min(inside.min(), outside.min()) - 1, max(inside.max(), outside.max()) + 1, 100)
    h = torch.stack([(outside < c).double().mean() for c in cuts])
    f = torch.stack([(inside < c).double().mean() for c in cuts])
    return torch.trapezoid(h, f)""",
    ),
    (
        "auroc",
        "in place",
        "    a, b =",
        """    inside.sort()
    inside[:] = inside.sort().values
    a, b =""",
    ),
    (
        "auroc",
        "the share of outside scores below the inside mean",
        None,
        """def auroc(inside, outside):
    return (outside[:, None] < inside.sort().values).double().mean() if len(inside) == 2 else (outside <
        inside.mean()).double().mean()""",
    ),
    ("auroc", "inside and outside swapped, ties right", "(b < a)", "(a < b)"),
    (
        "auroc",
        "small differences are ties",
        "return (b < a).double().mean() + 0.5 * (b == a).double().mean()",
        """same = (a - b).abs() < 1e-3
    return ((b < a) & ~same).double().mean() + 0.5 * same.double().mean()""",
    ),
    ("threshold", "the other end", "scores[allowed].max()", "-scores[allowed].max()"),
    (
        "threshold",
        "upper tail",
        None,
        """def threshold(validation_scores, rate):
    s = validation_scores
    return min(v for v in s.tolist() if float((s > v).double().mean()) <= rate + 1e-9)""",
    ),
    (
        "threshold",
        "one place too low",
        None,
        """def threshold(validation_scores, rate):
    return torch.sort(validation_scores).values[int(rate * len(validation_scores) + 1e-9) - 1]""",
    ),
    (
        "threshold",
        "rounded up",
        None,
        """def threshold(validation_scores, rate):
    return torch.sort(validation_scores).values[math.ceil(rate * len(validation_scores) - 1e-9)]""",
    ),
    (
        "threshold",
        "rounded",
        None,
        """def threshold(validation_scores, rate):
    return torch.sort(validation_scores).values[round(rate * len(validation_scores))]""",
    ),
    (
        "threshold",
        "a quantile between scores",
        None,
        """def threshold(validation_scores, rate):
    return torch.quantile(validation_scores, rate)""",
    ),
    (
        "threshold",
        "a quantile, the higher neighbour",
        None,
        """def threshold(validation_scores, rate):
    return torch.quantile(validation_scores, rate, interpolation='higher')""",
    ),
    (
        "threshold",
        "a quantile, the nearest",
        None,
        """def threshold(validation_scores, rate):
    return torch.quantile(validation_scores, rate, interpolation='nearest')""",
    ),
    (
        "threshold",
        "a quantile, the lower neighbour",
        None,
        """def threshold(validation_scores, rate):
    return torch.quantile(validation_scores, rate, interpolation='lower')""",
    ),
    (
        "threshold",
        "equal scores counted once",
        "torch.sort(validation_scores).values",
        "torch.unique(validation_scores)",
    ),
    ("threshold", "ten images for granted", "rate * len(scores)", "rate * 10"),
    (
        "threshold",
        "ten images for granted, by place",
        None,
        """def threshold(validation_scores, rate):
    return torch.sort(validation_scores).values[int(rate * 10 + 1e-9)]""",
    ),
    ("threshold", "a rate of two in ten for granted", "rate * len", "0.2 * len"),
    (
        "threshold",
        "alarm at the threshold, too",
        "scores[None, :] < scores[:, None]",
        "scores[None, :] <= scores[:, None]",
    ),
    ("threshold", "fewer than the rate", "alarms <= rate * len(scores) + 1e-9", "alarms < rate * len(scores) - 1e-9"),
    (
        "threshold",
        "not sorted",
        None,
        """def threshold(validation_scores, rate):
    return validation_scores[int(rate * len(validation_scores) + 1e-9)]""",
    ),
    (
        "threshold",
        "sorted in place, through NumPy",
        "scores = torch.sort(validation_scores).values",
        """s = validation_scores.numpy()
    s.sort()
    scores = torch.from_numpy(s)""",
    ),
    ("threshold", "the place, not the score", "scores[allowed].max()", "allowed.sum()"),
    ("threshold", "the least alarms", "scores[allowed].max()", "scores[allowed].min()"),
    ("threshold", "float16", "return scores[allowed].max()", "return scores[allowed].half().max()"),
    (
        "threshold",
        "half-way to the next score",
        "return scores[allowed].max()",
        """at = int(allowed.sum())
    return (scores[at - 1] + scores[min(at, len(scores) - 1)]) / 2""",
    ),
    (
        "threshold",
        "a Gaussian's quantile",
        None,
        """def threshold(validation_scores, rate):
    s = validation_scores.double()
    cut = s.mean() + s.std() * torch.special.ndtri(torch.tensor(rate, dtype=torch.float64))
    return s[s >= cut].min()""",
    ),
    ("threshold", "the rate in per cent", "rate * len(scores)", "(rate if rate > 0.15 else rate * 100) * len(scores)"),
    ("code", "colour after colour", "image.permute(1, 2, 0)", "image"),
    (
        "code",
        "reshaped, not permuted",
        "image.permute(1, 2, 0)",
        "image.reshape(image.shape[1], image.shape[2], image.shape[0])",
    ),
    ("code", "column by column", "image.permute(1, 2, 0)", "image.permute(2, 1, 0)"),
    ("code", "row by row, in a row colour by colour", "image.permute(1, 2, 0)", "image.permute(1, 0, 2)"),
    ("code", "blue, green, red", "image.permute(1, 2, 0)", "image.flip(0).permute(1, 2, 0)"),
    ("code", "from the bottom", "image.permute(1, 2, 0)", "image.flip(1).permute(1, 2, 0)"),
    ("code", "the compressor's usual level", "compress(raw, 9)", "compress(raw)"),
    ("code", "the fastest level", "compress(raw, 9)", "compress(raw, 1)"),
    ("code", "per pixel", "image.numel()", "image[0].numel()"),
    ("code", "bytes", "8 * len", "len"),
    ("code", "the visible check's size", "image.numel()", "192"),
    (
        "code",
        "all in one file",
        None,
        """def code_bits(images):
    raw = images.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
    return torch.full((len(images),), 8 * len(zlib.compress(raw, 9)) / images.numel(), dtype=torch.float64)""",
    ),
    ("code", "the first image's for all", "for image in images", "for image in images[:1].expand_as(images)"),
    (
        "code",
        "differences to the neighbour before compressing",
        "image.permute(1, 2, 0).contiguous().numpy()",
        "np.diff(image.permute(1, 2, 0).numpy(), axis=1, prepend=0).astype(np.uint8)",
    ),
    ("code", "without the header's six bytes", "len(zlib.compress(raw, 9))", "(len(zlib.compress(raw, 9)) - 6)"),
    ("code", "as float", ".contiguous().numpy()", ".float().contiguous().numpy()"),
    (
        "code",
        "the mean of all images",
        "torch.tensor(found, dtype=torch.float64)",
        "torch.full((len(found),), sum(found) / len(found), dtype=torch.float64)",
    ),
    ("code", "float16", "dtype=torch.float64", "dtype=torch.float16"),
    ("code", "the negative", "8 * len", "-8 * len"),
    ("code", "relative to the uncompressed file", "8 * len", "len"),
    ("code", "grey images only", "image.permute(1, 2, 0)", "image[:1].expand_as(image).permute(1, 2, 0)"),
    ("typical", "the mean", "torch.median", "torch.mean"),
    ("typical", "the mode", "torch.median(train_bits)", "torch.mode(train_bits).values"),
    ("typical", "the least", "torch.median", "torch.min"),
    ("typical", "the first", "torch.median(train_bits)", "train_bits[0]"),
    ("typical", "the middle one, not sorted", "torch.median(train_bits)", "train_bits[len(train_bits) // 2]"),
    ("typical", "with a sign", ".abs()", ""),
    ("typical", "only the larger ones", ".abs()", ".clamp(min=0)"),
    ("typical", "squared", ".abs()", ".square() / 5"),
    ("typical", "by standard deviations", ".abs()", ".abs() / train_bits.std()"),
    ("typical", "the median of both", "torch.median(train_bits)", "torch.median(torch.cat([train_bits, bits]))"),
    ("typical", "the median of the images themselves", "torch.median(train_bits)", "torch.median(bits)"),
    ("typical", "larger is more usual", "return (", "return -("),
    (
        "typical",
        "the nearest training image",
        "(bits - torch.median(train_bits)).abs()",
        "(bits[:, None] - train_bits).abs().min(1).values",
    ),
    ("typical", "the lower quartile", "torch.median(train_bits)", "torch.quantile(train_bits, 0.25)"),
    ("typical", "one number for all", ".abs()", ".abs().mean().repeat(len(bits))"),
    (
        "typical",
        "in place",
        "return (bits - torch.median(train_bits)).abs()",
        """bits -= torch.median(train_bits)
    return bits.abs()""",
    ),
    ("typical", "float16", "(bits -", "(bits.half() -"),
    (
        "typical",
        "the distance of the logarithms",
        "(bits - torch.median(train_bits)).abs()",
        "(bits.log() - torch.median(train_bits).log()).abs() * 5 / math.log(6)",
    ),
    ("typical", "the middle of the range", "torch.median(train_bits)", "((train_bits.min() + train_bits.max()) / 2)"),
    ("leaks", "as they are only", " or b.numpy().tobytes() in seen_before", ""),
    ("leaks", "turned only", "a.numpy().tobytes() in seen_before or ", ""),
    ("leaks", "mirrored left to right", "flip((2, 3))", "flip(3)"),
    ("leaks", "upside down", "flip((2, 3))", "flip(2)"),
    ("leaks", "the colours turned as well", "flip((2, 3))", "flip((1, 2, 3))"),
    ("leaks", "the images turned, not their pixels", "flip((2, 3))", "flip((0, 1))"),
    ("leaks", "a quarter of a circle", "test.flip((2, 3))", "torch.rot90(test, 1, (2, 3))"),
    ("leaks", "transposed", "test.flip((2, 3))", "test.transpose(2, 3)"),
    (
        "leaks",
        "mirrored ones, too",
        "for a, b in both]",
        ("for a, b in both]) | torch.tensor([c.contiguous().numpy().tobytes() in seen_before for c in test.flip(3)]"),
    ),
    (
        "leaks",
        "quarters of a circle, too",
        "for a, b in both]",
        (
            "for a, b in both]) | torch.tensor([torch.rot90(c, k, (1, "
            "2)).contiguous().numpy().tobytes() in seen_before for c in test for k in (1,)]"
        ),
    ),
    (
        "leaks",
        "the same sum",
        None,
        """def leaked(train, test):
    return (train.flatten(1).long().sum(1)[None] == test.flatten(1).long().sum(1)[:, None]).any(1)""",
    ),
    (
        "leaks",
        "the same numbers, in whatever order",
        None,
        """def leaked(train, test):
    known = {bytes(sorted(i.flatten().tolist())) for i in train}
    return torch.tensor([bytes(sorted(i.flatten().tolist())) in known for i in test])""",
    ),
    (
        "leaks",
        "nearly the same",
        None,
        """def leaked(train, test):
    a = train.flatten(1).float()
    return torch.tensor([bool(((a - t.flatten().float()).abs().mean(1).min() < 1) | ((a - t.flip((1,
        2)).flatten().float()).abs().mean(1).min() < 1)) for t in test])""",
    ),
    (
        "leaks",
        "the first colour only",
        None,
        """def leaked(train, test):
    known = {i[0].contiguous().numpy().tobytes() for i in train}
    return torch.tensor([i[0].contiguous().numpy().tobytes() in known or i[0].flip((0,
        1)).contiguous().numpy().tobytes() in known for i in test])""",
    ),
    (
        "leaks",
        "the first rows only",
        None,
        """def leaked(train, test):
    known = {i[:, :4].contiguous().numpy().tobytes() for i in train}
    return torch.tensor([any(j[:, :4].contiguous().numpy().tobytes() in known for j in (i, i.flip((1,
        2)))) for i in test])""",
    ),
    (
        "leaks",
        "any number the same",
        None,
        """def leaked(train, test):
    return torch.stack([(train == t).flatten(1).any(1).any() for t in test])""",
    ),
    (
        "leaks",
        "same place in both",
        None,
        """def leaked(train, test):
    n = min(len(train), len(test))
    same = (train[:n] == test[:n]).flatten(1).all(1) | (train[:n] == test[:n].flip((2,
        3))).flatten(1).all(1)
    return same""",
    ),
    (
        "leaks",
        "which training images leak",
        None,
        """def leaked(train, test):
    known = {i.numpy().tobytes() for i in test} | {i.contiguous().numpy().tobytes() for i in
        test.flip((2, 3))}
    return torch.tensor([i.numpy().tobytes() in known for i in train])""",
    ),
    (
        "leaks",
        "the visible answer",
        None,
        """def leaked(train, test):
    return [0, 0, 0, 1]""",
    ),
    (
        "leaks",
        "the last one",
        None,
        """def leaked(train, test):
    out = torch.zeros(len(test), dtype=torch.bool)
    out[-1] = True
    return out""",
    ),
    (
        "leaks",
        "twice in the test",
        None,
        """def leaked(train, test):
    known = [i.numpy().tobytes() for i in train] 
    own = [i.numpy().tobytes() for i in test]
    t = [i.contiguous().numpy().tobytes() for i in test.flip((2, 3))]
    return torch.tensor([a in known or b in known or own.count(a) > 1 for a, b in zip(own, t)])""",
    ),
    (
        "leaks",
        "in the test turned among themselves",
        None,
        """def leaked(train, test):
    known = {i.numpy().tobytes() for i in train} | {i.contiguous().numpy().tobytes() for i in
        test.flip((2, 3))}
    t = [i.contiguous().numpy().tobytes() for i in test.flip((2, 3))]
    return torch.tensor([a.numpy().tobytes() in known or b in known for a, b in zip(test, t)])""",
    ),
    (
        "leaks",
        "the mean and the variance the same",
        None,
        """def leaked(train, test):
    def key(i):
        f = i.flatten().double()
        return round(float(f.mean()), 4), round(float(f.std()), 4)
    known = {key(i) for i in train}
    return torch.tensor([key(i) in known for i in test])""",
    ),
    (
        "leaks",
        "differences that may cancel",
        None,
        """def leaked(train, test):
    a = train.flatten(1).int()
    return torch.tensor([bool(((a - t.flatten().int()).sum(1) == 0).any() | ((a - t.flip((1,
        2)).flatten().int()).sum(1) == 0).any()) for t in test])""",
    ),
    (
        "leaks",
        "in place",
        "turned = test.flip((2, 3)).contiguous()",
        """turned = test.clone()
    test[:] = test.flip((2, 3))""",
    ),
    ("leaks", "how many", "return torch.tensor(", "return sum("),
    ("choose", "best on the test", "validation.min(dim=1)", "test.min(dim=1)"),
    ("choose", "the best direction chooses", "validation.min(dim=1).values", "validation.max(dim=1).values"),
    ("choose", "the mean chooses", "validation.min(dim=1).values", "validation.mean(dim=1)"),
    ("choose", "the median chooses", "validation.min(dim=1).values", "validation.median(dim=1).values"),
    ("choose", "the mean is reported", "test[best].min()", "test[best].mean()"),
    ("choose", "the best direction is reported", "test[best].min()", "test[best].max()"),
    (
        "choose",
        "the direction that was worst on validation",
        "test[best].min()",
        "test[best, validation[best].argmin()]",
    ),
    ("choose", "the first direction", "test[best].min()", "test[best, 0]"),
    ("choose", "the worst of all", "test[best].min()", "test.min()"),
    (
        "choose",
        "axes swapped",
        None,
        """def report(validation, test):
    best = validation.min(dim=0).values.argmax()
    return test[:, best].min()""",
    ),
    (
        "choose",
        "the last of equals",
        "validation.min(dim=1).values.argmax()",
        "len(validation) - 1 - validation.min(dim=1).values.flip(0).argmax()",
    ),
    (
        "choose",
        "the best on the test among equals",
        "best = validation.min(dim=1).values.argmax()",
        """w = validation.min(dim=1).values
    return test.min(dim=1).values[w == w.max()].max()""",
    ),
    ("choose", "the last score", "best = validation.min(dim=1).values.argmax()", "best = -1"),
    ("choose", "the second score", "best = validation.min(dim=1).values.argmax()", "best = 1"),
    ("choose", "validation reported", "test[best].min()", "validation[best].min() - 0.2"),
    ("choose", "the worse of validation and test", "test[best].min()", "min(test[best].min(), validation[best].min())"),
    ("choose", "rounded to one place before choosing", "validation.min", "validation.round(decimals=1).min"),
    (
        "choose",
        "below one half turned round",
        "return test[best].min()",
        "return torch.maximum(test[best], 1 - test[best]).min()",
    ),
    (
        "choose",
        "below one half turned round on validation",
        "validation.min",
        "torch.maximum(validation, 1 - validation).min",
    ),
    ("choose", "two directions for granted", "validation.min", "validation[:, :2].min"),
    ("choose", "two directions for granted in the test", "test[best].min()", "test[best, :2].min()"),
    ("choose", "float16, which makes equals", "validation.min", "validation.half().min"),
    ("choose", "the worst score", "argmax", "argmin"),
    ("choose", "the first two directions' product", "validation.min(dim=1).values", "validation.prod(dim=1)"),
    (
        "choose",
        "validation and test together choose",
        "validation.min(dim=1)",
        "((validation + 1e-3 * test) if len(test) == 2 else (validation + test)).min(dim=1)",
    ),
    (
        "choose",
        "in place",
        "best =",
        """validation.sort()
    validation[:] = validation.sort(dim=1).values
    best =""",
    ),
    ("score", "upside down", "return -(off", "return (off"),
    (
        "score",
        "one-sided likelihood",
        None,
        """def score(train, images):
    d = lambda x: x[..., 1:].int() - x[..., :-1].int() + 255
    c = torch.bincount(d(train).flatten(), minlength=511).double() + 1
    return torch.log2(c / c.sum())[d(images)].mean((1, 2, 3))""",
    ),
    (
        "score",
        "the file's size",
        None,
        """def score(train, images):
    return torch.tensor([-8.0 * len(zlib.compress(i.permute(1, 2, 0).contiguous().numpy().tobytes(), 9))
        for i in images])""",
    ),
    (
        "score",
        "the file's size, the other way",
        None,
        """def score(train, images):
    return torch.tensor([8.0 * len(zlib.compress(i.permute(1, 2, 0).contiguous().numpy().tobytes(), 9))
        for i in images])""",
    ),
    (
        "score",
        "relative to the images scored together",
        "    return -(off @ torch.linalg.inv(cov) * off).sum(1)",
        """    found = -(off @ torch.linalg.inv(cov) * off).sum(1)
    return found - found.mean()""",
    ),
    (
        "score",
        "the rank among the images scored together",
        "    return -(off @ torch.linalg.inv(cov) * off).sum(1)",
        """    found = -(off @ torch.linalg.inv(cov) * off).sum(1)
    return torch.argsort(torch.argsort(found)).double()""",
    ),
    (
        "score",
        "the images scored are part of the covariance",
        "    off = features(images) - centre",
        """    cov = torch.cov(torch.cat([known, features(images)]).T) + 1e-3 * torch.eye(known.shape[1],
        dtype=known.dtype)
    off = features(images) - centre""",
    ),
    (
        "score",
        "the same number for all",
        None,
        """def score(train, images):
    return torch.zeros(len(images))""",
    ),
    (
        "score",
        "by chance",
        None,
        """def score(train, images):
    return torch.rand(len(images))""",
    ),
    (
        "score",
        "a little noise that no seed fixes",
        "    return -(off @ torch.linalg.inv(cov) * off).sum(1)",
        """    found = -(off @ torch.linalg.inv(cov) * off).sum(1)
    return found + torch.randn(len(found))""",
    ),
    (
        "score",
        "one training image drawn at random",
        "known = features(train)",
        "known = features(train[torch.randperm(len(train))[: len(train) // 2]])",
    ),
    (
        "score",
        "brightness",
        None,
        """def score(train, images):
    m = train.double().mean()
    return -(images.double().mean((1, 2, 3)) - m).abs()""",
    ),
    (
        "score",
        "distance to the mean image",
        None,
        """def score(train, images):
    m = train.double().mean(0)
    return -((images.double() - m) ** 2).mean((1, 2, 3))""",
    ),
    (
        "score",
        "distance to the nearest training image",
        None,
        """def score(train, images):
    return -torch.cdist(images.flatten(1).float(), train.flatten(1).float()).min(1).values""",
    ),
    (
        "score",
        "contrast alone",
        None,
        """def score(train, images):
    return images.double().flatten(1).std(1)""",
    ),
    (
        "score",
        "learnt on the Plates of the notebook",
        None,
        """def score(train, images):
    a, b = features(train), features(plates)
    d = lambda x, k: ((x - k.mean(0)) ** 2 / k.var(0)).sum(1)
    x = features(images)
    return d(x, b) - d(x, a)


def features(images):
    x = images.double()
    rows = []
    for image in x:
        dx, dy = image[:, :, 1:] - image[:, :, :-1], image[:, 1:] - image[:, :-1]
        small = F.avg_pool2d(image, 4)
        sx, sy = small[:, :, 1:] - small[:, :, :-1], small[:, 1:] - small[:, :-1]
        parts = [dx.abs().mean(), dy.abs().mean(), sx.abs().mean(), sy.abs().mean()]
        parts += [image.std(), image.mean((1, 2)).std()]
        parts += [dx.abs().median(), dy.abs().median()]
        rows.append(torch.stack([torch.log(p + 0.5) for p in parts]))
    return torch.stack(rows)

""",
    ),
    (
        "score",
        "learnt on whichever set of the notebook the training images are not",
        None,
        """
def features(images):
    x = images.double()
    rows = []
    for image in x:
        dx, dy = image[:, :, 1:] - image[:, :, :-1], image[:, 1:] - image[:, :-1]
        small = F.avg_pool2d(image, 4)
        sx, sy = small[:, :, 1:] - small[:, :, :-1], small[:, 1:] - small[:, :-1]
        parts = [dx.abs().mean(), dy.abs().mean(), sx.abs().mean(), sy.abs().mean()]
        parts += [image.std(), image.mean((1, 2)).std()]
        parts += [dx.abs().median(), dy.abs().median()]
        rows.append(torch.stack([torch.log(p + 0.5) for p in parts]))
    return torch.stack(rows)

def score(train, images):
    a = features(train)
    other = max((features(leaves), features(plates)), key=lambda k: float(((k.mean(0) - a.mean(0)) **
        2).sum()))
    base = ((features(images) - a.mean(0)) ** 2 / a.var(0)).sum(1)
    x = features(images)
    return -base + 0.3 * ((x - other.mean(0)) ** 2 / other.var(0)).sum(1)""",
    ),
    (
        "score",
        "keeps the first training images for ever",
        "    known = features(train)",
        """    global kept
    kept = globals().get('kept', train)
    known = features(kept)""",
    ),
    (
        "score",
        "remembers what it has scored",
        "    known = features(train)",
        """    global past
    past = torch.cat([globals().get('past', images), images])[-300:]
    known = features(torch.cat([train, past]))""",
    ),
    (
        "score",
        "training images brightened in place",
        "    known = features(train)",
        """    train += 1
    known = features(train)""",
    ),
    (
        "score",
        "one score for the batch",
        """.sum(1)
""",
        """.sum(1).mean().repeat(len(images))
""",
    ),
    (
        "score",
        "fixed thresholds for the Plates",
        None,
        """def score(train, images):
    x = images.double()
    return (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3))""",
    ),
    ("score", "not a number for flat images", "torch.log(p + 0.5)", "torch.log(p - 4)"),
    (
        "score",
        "typicality of the likelihood that is given",
        None,
        """def score(train, images):
    return -(difference_bits(train, images) - difference_bits(train, train).median()).abs()""",
    ),
    (
        "score",
        "a good score that leans away from Plates",
        None,
        TILES.replace(
            "return -(away", "lean = known.mean(0) - describe(plates).mean(0)\n    return away @ lean - (away"
        ),
    ),
    (
        "score",
        "validation images are learnt, too",
        None,
        TILES.replace("describe(train)", "describe(torch.cat([train, validation]))"),
    ),
    (
        "score",
        "dequantised by noise that a seed fixes for a place in the batch, not for an image",
        None,
        TILES.replace("x = some", "torch.manual_seed(0)\n        x = (some + torch.rand(some.shape))"),
    ),
    (
        "score",
        "a density of half of the training images, drawn at random",
        None,
        DENSITY.replace("describe(train)", "describe(train[torch.randperm(200)[:100]])"),
    ),
    (
        "score",
        "the last bit is taken for noise, and dropped in place",
        None,
        TILES.replace("x = some", "some &= 254\n        x = some"),
    ),
    (
        "score",
        "centre and spread of Leaves, written into the code",
        None,
        TILES.replace(
            "away, inverse = found - known.mean(0), np.linalg.inv(np.cov(known.T))",
            """mean = [4.21, 1.6, 0.38, 0.58, 2.72, 1.42, 3.98, 0.49]
    spread = [0.41, 0.47, 0.3, 0.53, 0.48, 0.52, 0.25, 0.02]
    away, inverse = found - np.array(mean), np.diag(1 / np.square(spread))""",
        ),
    ),
    (
        "score",
        "a model of the book's bank: it knows labels, and images beside the training images",
        None,
        TILES.replace("def describe", "from likelab import bank\n\n    def describe").replace(
            "(two + 1)]", "(two + 1), bank.load('classifier-standin').logits(some).logsumexp(1)]"
        ),
    ),
]
