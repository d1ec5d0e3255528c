"""Answers to A1 by someone who had read the notebook alone, not its checks: so they test these.

The parts are those of wrong.py. A change from None is an answer of its own.
"""

ANSWERS = {
    "bits": """
def bits_per_dim(reported, shape):
    return -reported * math.log2(10) / shape[0]
""",
    "density": """
def bits_of_density(log_density, dims):
    nats = -log_density - dims * math.log(4 / 64)
    return nats / dims / math.log(2)
""",
    "edges": """
def bin_edges(levels):
    cuts = -2 + 4 / 63 * (torch.arange(65, dtype=torch.float64) - 0.5)
    cuts[0], cuts[64] = -math.inf, math.inf
    k = torch.as_tensor(levels).long()
    return cuts[k], cuts[k + 1]
""",
    "logistic": """
def log_prob_of_levels(levels, mean, log_scale):
    step, s = 4 / 63, torch.exp(log_scale.double())
    y = -2 + step * levels.double()
    plus = (y + step / 2 - mean) / s
    minus = (y - step / 2 - mean) / s
    inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))
    first, last = F.logsigmoid(plus), F.logsigmoid(-minus)
    out = torch.where(levels == 0, first, inner)
    return torch.where(levels == 63, last, out)
""",
    "mixture": """
def log_mixture(logits, log_probs):
    joint = torch.log_softmax(logits, -1) + log_probs
    top = joint.max(-1, keepdim=True).values
    return (joint - top).exp().sum(-1).log() + top[..., 0]
""",
    "mask": """
def layer_mask(kind, outputs, inputs, size):
    m = size // 2
    place = {1: 0, 0: 1, 2: 2}
    out = torch.tensor([place[c % 3] for c in range(outputs)])[:, None]
    inp = torch.tensor([place[c % 3] for c in range(inputs)])[None, :]
    mask = torch.zeros(outputs, inputs, size, size)
    mask[:, :, :m] = 1
    mask[:, :, m, m + 1 :] = 1
    mask[:, :, m, m] = (inp < out if kind == "A" else inp <= out).float()
    return mask
""",
    "seen": """
def seen(layers, size, side):
    m, c = size // 2, side // 2
    view = np.zeros((side, side), dtype=bool)
    view[c, c] = True
    for layer in reversed(range(layers)):
        new = np.zeros_like(view)
        for i, j in zip(*np.nonzero(view)):
            for a in range(-m, 1):
                for b in range(-m, m + 1):
                    if not (a < 0 or b > 0 or (a == b == 0 and layer > 0)):
                        continue
                    if 0 <= i + a < side and 0 <= j + b < side:
                        new[i + a, j + b] = True
        view = new
    return view
""",
    "total": """
def total_probability(log_prob):
    levels = torch.arange(3, dtype=torch.uint8)
    images = torch.cartesian_prod(*[levels] * 6).reshape(729, 1, 2, 3)
    return log_prob(images).exp().sum()
""",
}

RIGHT = [
    (
        "bits",
        "through the logarithm of the whole image",
        """
def bits_per_dim(reported, shape):
    whole = reported.double() * shape[1] * shape[2]
    return -whole / math.log10(2) / math.prod(shape)
""",
    ),
    (
        "bits",
        "single precision, in NumPy",
        """
def bits_per_dim(reported, shape):
    return (-reported.numpy().astype(np.float32) / np.log10(2) / shape[0])
""",
    ),
    (
        "density",
        "bits of the density and bits of the stretch",
        """
def bits_of_density(log_density, dims):
    return -log_density / math.log(2) / dims + 6 - 2
""",
    ),
    (
        "density",
        "a list of numbers",
        """
def bits_of_density(log_density, dims):
    return [-(float(v) + dims * math.log(0.0625)) / (dims * math.log(2.0)) for v in log_density]
""",
    ),
    (
        "edges",
        "the same through whole numbers, stacked",
        """
def bin_edges(levels):
    twice = 2 * levels.to(torch.int64)
    low = (twice - 1 - 63) / 63 * 2.0
    high = (twice + 1 - 63) / 63 * 2.0
    low[levels <= 0] = float("-inf")
    high[levels >= 63] = float("inf")
    return torch.stack([low, high])
""",
    ),
    (
        "edges",
        "NumPy and arithmetic means of neighbours",
        """
def bin_edges(levels):
    centres = np.linspace(-2, 2, 64)
    mids = (centres[1:] + centres[:-1]) / 2
    k = np.asarray(levels).astype(int)
    return np.concatenate([[-np.inf], mids])[k], np.concatenate([mids, [np.inf]])[k]
""",
    ),
    (
        "logistic",
        "the side away from the mean is mirrored",
        """
def log_prob_of_levels(levels, mean, log_scale):
    levels, mean, log_scale = torch.broadcast_tensors(levels.double(), mean.double(), log_scale.double())
    step, s = 4 / 63, torch.exp(log_scale)
    y = -2 + step * levels
    hi, lo = (y - mean + step / 2) / s, (y - mean - step / 2) / s
    hi = torch.where(levels == 63, torch.inf, hi)
    lo = torch.where(levels == 0, -torch.inf, lo)
    right = lo + hi > 0
    a, b = torch.where(right, -lo, hi), torch.where(right, -hi, lo)
    la, lb = F.logsigmoid(a), F.logsigmoid(b)
    return la + torch.log(-torch.expm1(lb - la))
""",
    ),
    (
        "logistic",
        "NumPy with logaddexp",
        """
def log_prob_of_levels(levels, mean, log_scale):
    k, mu, s = np.asarray(levels).astype(float), mean.double().numpy(), np.exp(log_scale.double().numpy())
    step = 4 / 63
    y = k * step - 2
    p, m = (y + step / 2 - mu) / s, (y - step / 2 - mu) / s
    log_cdf, log_sf = -np.logaddexp(0, -p), -np.logaddexp(0, m)
    mid = log_cdf + log_sf + np.log(-np.expm1(-step / s))
    return np.where(k == 0, log_cdf, np.where(k == 63, log_sf, mid))
""",
    ),
    (
        "mixture",
        "NumPy's logaddexp.reduce",
        """
def log_mixture(logits, log_probs):
    a, b = logits.numpy(), log_probs.numpy()
    return np.logaddexp.reduce(a + b, axis=-1) - np.logaddexp.reduce(a, axis=-1)
""",
    ),
    (
        "mask",
        "loops over all, whole numbers",
        """
def layer_mask(kind, outputs, inputs, size):
    when = "GRB".index
    mask = np.zeros((outputs, inputs, size, size), dtype=int)
    for o, i, a, b in itertools.product(range(outputs), range(inputs), range(size), range(size)):
        pixel, mine = (a, -b), (size // 2, -(size // 2))
        here = (when("RGB"[i % 3]) < when("RGB"[o % 3])) or (kind == "B" and i % 3 == o % 3)
        mask[o, i, a, b] = pixel < mine or (pixel == mine and here)
    return mask
""",
    ),
    (
        "mask",
        "bool",
        """
def layer_mask(kind, outputs, inputs, size):
    order = torch.tensor([1, 0, 2])
    t = torch.zeros(size * size, dtype=torch.long)
    t[:] = torch.arange(size * size)
    t = t.reshape(size, size).flip(1)
    centre = t[size // 2, size // 2]
    o, i = order[torch.arange(outputs) % 3], order[torch.arange(inputs) % 3]
    time_in = 3 * t[None, None] + i[None, :, None, None]
    time_out = (3 * centre + o + (kind == "B"))[:, None, None, None]
    return (t < centre) | ((t == centre) & (time_in < time_out))
""",
    ),
    (
        "seen",
        "a formula: so far left as rows up, so far right as layers",
        """
def seen(layers, size, side):
    m, c = size // 2, side // 2
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    up, right = c - rows, columns - c
    reach = (up <= layers * m) & (right <= layers * m) & (right >= -m * up.clamp(max=layers))
    return reach & ((up > 0) | ((up == 0) & (right > 0)))
""",
    ),
    (
        "seen",
        "a change of each pixel, forward",
        """
def seen(layers, size, side):
    m = size // 2
    k = torch.zeros(1, 1, size, size, dtype=torch.float64)
    k[..., :m, :] = 1
    k[..., m, m + 1 :] = 1
    x = torch.eye(side * side, dtype=torch.float64).reshape(-1, 1, side, side)
    for layer in range(layers):
        x = (F.conv2d(x, k, padding=m) > 0).double()
        k[..., m, m] = 1
    return x[:, 0, side // 2, side // 2].reshape(side, side).bool().numpy()
""",
    ),
    (
        "total",
        "loops, one image at a time",
        """
def total_probability(log_prob):
    images = []
    for number in range(729):
        digits = []
        for _ in range(6):
            number, digit = divmod(number, 3)
            digits.append(digit)
        images.append(np.array(digits, dtype=np.uint8).reshape(1, 1, 2, 3))
    return float(sum(float(torch.exp(log_prob(torch.from_numpy(image)))) for image in images))
""",
    ),
    (
        "total",
        "logsumexp",
        """
def total_probability(log_prob):
    grid = np.indices((3,) * 6).reshape(6, -1).T.astype("uint8")
    images = torch.from_numpy(np.ascontiguousarray(grid)).view(-1, 1, 2, 3)
    return math.exp(torch.logsumexp(torch.as_tensor(log_prob(images)), 0))
""",
    ),
]

CHANGES = [
    ("bits", "the height taken for the colours", "shape[0]", "shape[1]"),
    ("bits", "channels last", "shape[0]", "shape[-1]"),
    ("bits", "three colours for granted", "shape[0]", "3"),
    (
        "bits",
        "rounded to two places, as papers print it",
        "return -reported * math.log2(10) / shape[0]",
        "return torch.round(-reported * math.log2(10) / shape[0], decimals=2)",
    ),
    ("bits", "the mean over images, kept as an array", "-reported", "-reported.mean(0, keepdim=True)"),
    ("bits", "the logarithm the wrong way round", "math.log2(10)", "math.log10(2)"),
    ("bits", "only the first image", "-reported", "-reported[:1]"),
    (
        "bits",
        "in place",
        "return -reported",
        """reported *= -1
    return reported""",
    ),
    ("bits", "colours multiplied, not divided", "/ shape[0]", "* shape[0] / 9"),
    ("bits", "bfloat16", "-reported", "-reported.bfloat16()"),
    (
        "bits",
        "rounded to whole bits",
        "return -reported * math.log2(10) / shape[0]",
        "return torch.round(-reported * math.log2(10) / shape[0])",
    ),
    ("density", "the sign of the stretch", "- dims *", "+ dims *"),
    ("density", "the stretch forgotten", " - dims * math.log(4 / 64)", ""),
    ("density", "63 steps between 64 levels", "4 / 64", "4 / 63"),
    ("density", "the stretch once, not in each dimension", "dims * math.log(4", "math.log(4"),
    ("density", "levels alone, not the length of the interval", "4 / 64", "1 / 64"),
    ("density", "half of the interval", "4 / 64", "2 / 64"),
    ("density", "256 levels for granted", "4 / 64", "4 / 256"),
    ("density", "nats", "/ math.log(2)", ""),
    ("density", "the visible check's dims", "nats / dims", "nats / 12"),
    ("density", "the visible check's stretch", "dims * math.log(4 / 64)", "12 * math.log(4 / 64)"),
    (
        "density",
        "the ignorant model's bits for all",
        "return nats / dims / math.log(2)",
        "return 6.0 + 0 * log_density",
    ),
    ("density", "no bits below zero", "nats / dims / math.log(2)", "(nats / dims / math.log(2)).clamp(min=0)"),
    ("density", "the absolute value", "nats / dims / math.log(2)", "abs(nats / dims / math.log(2))"),
    (
        "density",
        "in place",
        "nats = -log_density",
        """log_density.neg_()
    nats = log_density""",
    ),
    ("density", "the mean over images", "-log_density", "-log_density.mean(0, keepdim=True)"),
    ("density", "logarithm to base 2 of the stretch, in nats", "math.log(4 / 64)", "math.log2(4 / 64)"),
    ("density", "float16", "-log_density", "-log_density.half()"),
    ("edges", "64 steps", "4 / 63", "4 / 64"),
    (
        "edges",
        "a whole step to either side",
        "return cuts[k], cuts[k + 1]",
        "return cuts[k], cuts[(k + 2).clamp(max=64)]",
    ),
    (
        "edges",
        "ends closed",
        """    cuts[0], cuts[64] = -math.inf, math.inf
""",
        "",
    ),
    (
        "edges",
        "open where it stands first and last in the tensor",
        "return cuts[k], cuts[k + 1]",
        """lower, upper = -2 + 4 / 63 * (k - 0.5), -2 + 4 / 63 * (k + 0.5)
    lower.view(-1)[0], upper.view(-1)[-1] = -math.inf, math.inf
    return lower, upper""",
    ),
    (
        "edges",
        "open at the least and the greatest of the levels given",
        "return cuts[k], cuts[k + 1]",
        """lower, upper = -2 + 4 / 63 * (k - 0.5), -2 + 4 / 63 * (k + 0.5)
    return torch.where(k == k.min(), -torch.inf, lower), torch.where(k == k.max(), torch.inf, upper)""",
    ),
    (
        "edges",
        "both edges of the outer bins infinite",
        "return cuts[k], cuts[k + 1]",
        """outer = (k == 0) | (k == 63)
    return torch.where(outer, -torch.inf, cuts[k]), torch.where(outer, torch.inf, cuts[k + 1])""",
    ),
    ("edges", "a large number for infinity", "-math.inf, math.inf", "-1e9, 1e9"),
    (
        "edges",
        "one axis only",
        "return cuts[k], cuts[k + 1]",
        "return torch.stack([cuts[i] for i in k.tolist()]), torch.stack([cuts[i + 1] for i in k.tolist()])",
    ),
    ("edges", "flattened", "torch.as_tensor(levels).long()", "torch.as_tensor(levels).long().flatten()"),
    (
        "edges",
        "float16",
        "return cuts[k]",
        """cuts = cuts.half()
    return cuts[k]""",
    ),
    (
        "edges",
        "in place",
        "k = torch.as_tensor(levels).long()",
        """k = levels
    k += 1
    k -= 2
    k = k.long() + 1""",
    ),
    ("edges", "only the first bin open", "cuts[64] = -math.inf, math.inf", "cuts[64] = -math.inf, 2 + 2 / 63"),
    ("edges", "lower and upper swapped", "return cuts[k], cuts[k + 1]", "return cuts[k + 1], cuts[k]"),
    ("edges", "level 0 at one half, not at the end", "- 0.5)", "+ 0.0)"),
    (
        "logistic",
        "log of the difference of two sigmoids",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        "inner = torch.log(torch.sigmoid(plus) - torch.sigmoid(minus))",
    ),
    (
        "logistic",
        "the same, clamped from below",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        "inner = torch.log((torch.sigmoid(plus) - torch.sigmoid(minus)).clamp(min=1e-12))",
    ),
    (
        "logistic",
        "density times width inside",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        """z = (plus + minus) / 2
    inner = F.logsigmoid(z) + F.logsigmoid(-z) + torch.log(step / s)""",
    ),
    (
        "logistic",
        "density times width where the difference is small",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        """z = (plus + minus) / 2
    d = torch.sigmoid(plus) - torch.sigmoid(minus)
    inner = torch.where(d > 1e-5, torch.log(d.clamp(min=1e-12)), F.logsigmoid(z) + F.logsigmoid(-z) +
        torch.log(step / s))""",
    ),
    (
        "logistic",
        "right in the left tail only",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        "inner = F.logsigmoid(plus) + torch.log1p(-torch.exp(F.logsigmoid(minus) - F.logsigmoid(plus)))",
    ),
    (
        "logistic",
        "right in the right tail only",
        "inner = F.logsigmoid(plus) + F.logsigmoid(-minus) + torch.log(-torch.expm1(minus - plus))",
        "inner = F.logsigmoid(-minus) + torch.log1p(-torch.exp(F.logsigmoid(-plus) - F.logsigmoid(-minus)))",
    ),
    ("logistic", "the last bin closed", "return torch.where(levels == 63, last, out)", "return out"),
    ("logistic", "the first bin closed", "torch.where(levels == 0, first, inner)", "inner"),
    (
        "logistic",
        "the first bin by log of sigmoid",
        "first, last = F.logsigmoid(plus)",
        "first, last = torch.log(torch.sigmoid(plus))",
    ),
    (
        "logistic",
        "the last bin by log of one minus sigmoid",
        "last = F.logsigmoid(plus), F.logsigmoid(-minus)",
        "last = F.logsigmoid(plus), torch.log(1 - torch.sigmoid(minus))",
    ),
    (
        "logistic",
        "outer bins swapped",
        "first, last = F.logsigmoid(plus), F.logsigmoid(-minus)",
        "last, first = F.logsigmoid(plus), F.logsigmoid(-minus)",
    ),
    ("logistic", "the scale, not its logarithm", "torch.exp(log_scale.double())", "log_scale.double()"),
    ("logistic", "the inverse scale", "torch.exp(log_scale.double())", "torch.exp(-log_scale.double())"),
    (
        "logistic",
        "log-scales below -7 cut off, as PixelCNN++ does",
        "log_scale.double()",
        "log_scale.double().clamp(min=-7)",
    ),
    ("logistic", "64 steps", "4 / 63", "4 / 64"),
    (
        "logistic",
        "bits",
        "return torch.where(levels == 63, last, out)",
        "return torch.where(levels == 63, last, out) / math.log(2)",
    ),
    (
        "logistic",
        "filled in by masks, so nothing broadcasts",
        """    out = torch.where(levels == 0, first, inner)
    return torch.where(levels == 63, last, out)""",
        """    out = inner.clone()
    out[levels == 0] = first[levels == 0]
    out[levels == 63] = last[levels == 63]
    return out""",
    ),
    (
        "logistic",
        "the sum over all numbers, kept as an array",
        "return torch.where(levels == 63, last, out)",
        "return torch.where(levels == 63, last, out).sum(-1, keepdim=True)",
    ),
    ("logistic", "in place", "/ 63, torch.exp(log_scale.double())", "/ 63, log_scale.exp_().double()"),
    ("logistic", "the last bin where the largest level given is", "levels == 63", "levels == levels.max()"),
    (
        "logistic",
        "the probability, not clamped log, of one bin each",
        "return torch.where(levels == 63, last, out)",
        "return torch.where(levels == 63, last, out).clamp(min=-100)",
    ),
    ("mixture", "softmax along the second axis", "torch.log_softmax(logits, -1)", "torch.log_softmax(logits, 1)"),
    (
        "mixture",
        "softmax over all",
        "torch.log_softmax(logits, -1)",
        "torch.log_softmax(logits.flatten(), 0).reshape(logits.shape)",
    ),
    ("mixture", "weights not normalised", "torch.log_softmax(logits, -1)", "logits"),
    ("mixture", "equal weights", "torch.log_softmax(logits, -1)", "-math.log(logits.shape[-1])"),
    (
        "mixture",
        "mean of the logarithms",
        None,
        """def log_mixture(logits, log_probs):
    return (torch.softmax(logits, -1) * log_probs).sum(-1)""",
    ),
    (
        "mixture",
        "exponentials that underflow",
        None,
        """def log_mixture(logits, log_probs):
    return (torch.softmax(logits, -1) * log_probs.exp()).sum(-1).log()""",
    ),
    ("mixture", "one maximum for the whole array", "joint.max(-1, keepdim=True).values", "joint.max().reshape(1)"),
    (
        "mixture",
        "log of softmax, which may be log of zero",
        "torch.log_softmax(logits, -1)",
        "torch.log(torch.softmax(logits, -1))",
    ),
    (
        "mixture",
        "log of softmax and a little",
        "torch.log_softmax(logits, -1)",
        "torch.log(torch.softmax(logits, -1) + 1e-12)",
    ),
    ("mixture", "the components' axis stays", "top[..., 0]", "top"),
    (
        "mixture",
        "the best component only",
        "return (joint - top).exp().sum(-1).log() + top[..., 0]",
        "return top[..., 0]",
    ),
    (
        "mixture",
        "two components for granted",
        "joint = torch.log_softmax(logits, -1) + log_probs",
        "joint = (torch.log_softmax(logits, -1) + log_probs)[..., :2]",
    ),
    (
        "mixture",
        "in place",
        "joint = torch.log_softmax(logits, -1) + log_probs",
        """log_probs += torch.log_softmax(logits, -1)
    joint = log_probs""",
    ),
    (
        "mixture",
        "float16",
        "joint = torch.log_softmax(logits, -1) + log_probs",
        "joint = torch.log_softmax(logits.half(), -1) + log_probs.half()",
    ),
    (
        "mixture",
        "axes moved",
        "return (joint - top).exp().sum(-1).log() + top[..., 0]",
        "return ((joint - top).exp().sum(-1).log() + top[..., 0]).T",
    ),
    ("mixture", "logits to base 2", "torch.log_softmax(logits, -1)", "torch.log_softmax(logits * math.log(2), -1)"),
    ("mask", "from left to right", "mask[:, :, m, m + 1 :] = 1", "mask[:, :, m, :m] = 1"),
    ("mask", "from the bottom", "mask[:, :, :m] = 1", "mask[:, :, m + 1 :] = 1"),
    ("mask", "red, green, blue", "{1: 0, 0: 1, 2: 2}", "{0: 0, 1: 1, 2: 2}"),
    ("mask", "green, blue, red", "{1: 0, 0: 1, 2: 2}", "{1: 0, 2: 1, 0: 2}"),
    (
        "mask",
        "colours backwards",
        'inp < out if kind == "A" else inp <= out',
        'inp > out if kind == "A" else inp >= out',
    ),
    ("mask", "kind A sees its own colour", "inp < out if", "inp <= out if"),
    ("mask", "kind B does not see its own colour", "else inp <= out", "else inp < out"),
    ("mask", "kinds swapped", '== "A"', '== "B"'),
    (
        "mask",
        "channels of a colour lie together",
        "place[c % 3] for c in range(outputs)",
        "place[c * 3 // outputs] for c in range(outputs)",
    ),
    (
        "mask",
        "inputs of a colour lie together",
        "place[c % 3] for c in range(inputs)",
        "place[c * 3 // inputs] for c in range(inputs)",
    ),
    (
        "mask",
        "in kind B a channel sees only itself of its colour",
        "    return mask",
        """    if kind == 'B':
        mask[:, :, m, m] = (inp < out).float()
        mask[range(min(outputs, inputs)), range(min(outputs, inputs)), m, m] = 1
    return mask""",
    ),
    ("mask", "size 3 for granted", "m = size // 2", "m = 1"),
    ("mask", "only the row just above", "mask[:, :, :m] = 1", "mask[:, :, m - 1 : m] = 1"),
    ("mask", "only the nearest neighbour in the row", "m, m + 1 :]", "m, m + 1 : m + 2]"),
    (
        "mask",
        "the centre sees nothing",
        """    mask[:, :, m, m] = (inp < out if kind == "A" else inp <= out).float()
""",
        "",
    ),
    ("mask", "the centre sees all", '(inp < out if kind == "A" else inp <= out).float()', "float(kind == 'B')"),
    ("mask", "outputs and inputs swapped", "    return mask", "    return mask.transpose(0, 1)"),
    (
        "mask",
        "the rule of the centre in the whole row",
        "mask[:, :, m, m + 1 :] = 1",
        "mask[:, :, m, m + 1 :] = (inp <= out).float()[:, :, None]",
    ),
    (
        "mask",
        "as many inputs as outputs",
        "torch.zeros(outputs, inputs, size, size)",
        "torch.zeros(outputs, outputs, size, size)",
    ),
    (
        "mask",
        "colour by the places in channels of ten",
        "place[c % 3] for c in range(outputs)",
        "place[min(c, 2)] for c in range(outputs)",
    ),
    ("mask", "kind A only where there are three inputs", 'if kind == "A"', 'if kind == "A" and inputs == 3'),
    ("seen", "from left to right", "b > 0", "b < 0"),
    ("seen", "from the bottom", "new[i + a, j + b] = True", "new[i - a, j + b] = True"),
    (
        "seen",
        "all that was read before",
        None,
        """def seen(layers, size, side):
    view = torch.zeros(side, side, dtype=torch.bool)
    view[: side // 2] = True
    view[side // 2, side // 2 + 1 :] = True
    return view""",
    ),
    ("seen", "all layers of kind A", "and layer > 0", "and False"),
    ("seen", "all layers of kind B", "and layer > 0", ""),
    ("seen", "one layer more", "range(layers)", "range(layers + 1)"),
    ("seen", "one layer fewer", "range(layers)", "range(max(layers - 1, 1))"),
    ("seen", "two layers for granted", "range(layers)", "range(2)"),
    ("seen", "size 3 for granted", "m, c = size // 2", "m, c = 1"),
    (
        "seen",
        "the image wraps around",
        """                    if 0 <= i + a < side and 0 <= j + b < side:
                        new[i + a, j + b] = True""",
        "                    new[(i + a) % side, (j + b) % side] = True",
    ),
    (
        "seen",
        "the image is a line: rows run on",
        """                    if 0 <= i + a < side and 0 <= j + b < side:
                        new[i + a, j + b] = True""",
        """                    at = (i + a) * side + j + b
                    if 0 <= at < side * side:
                        new.flat[at] = True""",
    ),
    (
        "seen",
        "a triangle that widens by one a row",
        None,
        """def seen(layers, size, side):
    m, c = size // 2, side // 2
    r, k = torch.meshgrid(torch.arange(side), torch.arange(side), indexing='ij')
    up, right = c - r, k - c
    return ((up > 0) | ((up == 0) & (right > 0))) & (up <= layers * m) & (right <= layers * m) & (right
        >= -up)""",
    ),
    (
        "seen",
        "a square of the whole reach",
        None,
        """def seen(layers, size, side):
    m, c = size // 2, side // 2
    r, k = torch.meshgrid(torch.arange(side), torch.arange(side), indexing='ij')
    up, right = c - r, k - c
    return ((up > 0) | ((up == 0) & (right > 0))) & (up <= layers * m) & (abs(right) <= layers * m)""",
    ),
    (
        "seen",
        "a formula with as many columns to the left as rows times size, without the layers",
        None,
        """def seen(layers, size, side):
    m, c = size // 2, side // 2
    r, k = torch.meshgrid(torch.arange(side), torch.arange(side), indexing='ij')
    up, right = c - r, k - c
    return ((up > 0) | ((up == 0) & (right > 0))) & (up <= layers * m) & (right <= layers * m) & (right
        >= -up * m)""",
    ),
    (
        "seen",
        "the blind spot, not what is seen",
        "return view",
        """r, k = np.indices((side, side))
    return ((r < c) | ((r == c) & (k > c))) & ~view""",
    ),
    ("seen", "the visible check's size of image", "return view", "return view[:7, :7]"),
    ("total", "width and height swapped", "1, 2, 3", "1, 3, 2"),
    ("total", "levels 1 to 3", "torch.arange(3,", "torch.arange(1, 4,"),
    (
        "total",
        "grey levels spread over a byte",
        "torch.arange(3, dtype=torch.uint8)",
        "torch.tensor([0, 127, 255], dtype=torch.uint8)",
    ),
    ("total", "levels from 0 to 1", "log_prob(images)", "log_prob(images.float() / 2)"),
    ("total", "float images", "log_prob(images)", "log_prob(images.float())"),
    ("total", "the wrong axis first: images mixed up", ".reshape(729, 1, 2, 3)", ".T.reshape(729, 1, 2, 3)"),
    ("total", "images without a channel", "729, 1, 2, 3", "729, 2, 3"),
    ("total", "channels last", "729, 1, 2, 3", "729, 2, 3, 1"),
    (
        "total",
        "one image at a time, without a batch",
        "return log_prob(images).exp().sum()",
        "return sum(float(log_prob(image).exp()[0]) for image in images)",
    ),
    (
        "total",
        "one, as it must be",
        None,
        """def total_probability(log_prob):
    return 1.0""",
    ),
    ("total", "normalised first", "log_prob(images).exp().sum()", "torch.softmax(log_prob(images), 0).sum()"),
    ("total", "no more than one", "log_prob(images).exp().sum()", "min(log_prob(images).exp().sum().item(), 1.0)"),
    (
        "total",
        "an estimate by random images",
        "return log_prob(images).exp().sum()",
        """images = torch.randint(0, 3, (5000, 1, 2, 3), dtype=torch.uint8)
    return 729 * log_prob(images).exp().mean()""",
    ),
    (
        "total",
        "half of the images, twice",
        "return log_prob(images).exp().sum()",
        "return 2 * log_prob(images[1::2]).exp().sum() + log_prob(images[:1]).exp().sum()",
    ),
    (
        "total",
        "bytes overflow while counting",
        "torch.cartesian_prod(*[levels] * 6)",
        (
            "torch.stack([torch.arange(729).to(torch.uint8) // "
            "torch.tensor(3**k).to(torch.uint8).clamp(min=1) % 3 for k in range(6)], 1)"
        ),
    ),
    ("total", "the mean of the logarithms", "log_prob(images).exp().sum()", "729 * log_prob(images).mean().exp()"),
    (
        "total",
        "levels 0 and 1",
        """torch.arange(3, dtype=torch.uint8)
    images = torch.cartesian_prod(*[levels] * 6).reshape(729""",
        """torch.arange(2, dtype=torch.uint8)
    images = torch.cartesian_prod(*[levels] * 6).reshape(64""",
    ),
    ("total", "float16", "log_prob(images).exp()", "log_prob(images).half().exp()"),
    ("total", "the logarithm of the sum", "log_prob(images).exp().sum()", "log_prob(images).exp().sum().log() + 1"),
    ("total", "powers of two", "log_prob(images).exp()", "2 ** log_prob(images)"),
]
