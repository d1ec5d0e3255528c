"""Answers to A1 as students of cohort 2026 write them, with its conventions by heart.

ANSWERS has one right answer an item, RIGHT more of them, written differently. WRONG has plausible mistakes, each a
change of one of ANSWERS or an answer of its own; every one must lose points of its item.
"""

from coursework.a1 import blind

ANSWERS = {
    "bits": """
def bits_per_dim(reported, shape):
    c, h, w = shape
    nats_per_pixel = reported * np.log(10)
    return -nats_per_pixel / c / np.log(2)
""",
    "density": """
def bits_of_density(log_density, dims):
    log_prob = log_density + dims * math.log(4 / 64)
    return -log_prob / (dims * math.log(2))
""",
    "edges": """
def bin_edges(levels):
    step = 4 / 63
    centre = -2 + levels.double() * step
    lower = torch.where(levels == 0, -torch.inf, centre - step / 2)
    upper = torch.where(levels == 63, torch.inf, centre + step / 2)
    return lower, upper
""",
    "logistic": """
def log_prob_of_levels(levels, mean, log_scale):
    step = 4 / 63
    y = -2 + levels.double() * step
    s = torch.exp(log_scale)
    plus, minus = (y + step / 2 - mean) / s, (y - step / 2 - mean) / s
    log_cdf_plus, log_sf_minus = -F.softplus(-plus), -F.softplus(minus)
    inside = -F.softplus(-plus) - F.softplus(minus) + torch.log(-torch.expm1(-step / s))
    return torch.where(levels == 0, log_cdf_plus, torch.where(levels == 63, log_sf_minus, inside))
""",
    "mixture": """
def log_mixture(logits, log_probs):
    return torch.logsumexp(F.log_softmax(logits, dim=-1) + log_probs, dim=-1)
""",
    "mask": """
def layer_mask(kind, outputs, inputs, size):
    mask = torch.zeros(outputs, inputs, size, size)
    mid = size // 2
    mask[:, :, :mid, :] = 1
    mask[:, :, mid, mid + 1 :] = 1
    rank = [1, 0, 2]  # red, green, blue: green is read first
    for o in range(outputs):
        for i in range(inputs):
            first, second = rank[i % 3], rank[o % 3]
            if first < second or (kind == "B" and first == second):
                mask[o, i, mid, mid] = 1
    return mask
""",
    "seen": """
def seen(layers, size, side):
    mid = size // 2
    kernel_b = torch.zeros(size, size)
    kernel_b[:mid] = 1
    kernel_b[mid, mid:] = 1
    kernel_a = kernel_b.clone()
    kernel_a[mid, mid] = 0
    x = torch.ones(1, 1, side, side, requires_grad=True)
    y = F.conv2d(x, kernel_a[None, None], padding=mid)
    for _ in range(layers - 1):
        y = F.conv2d(y, kernel_b[None, None], padding=mid)
    y[0, 0, side // 2, side // 2].backward()
    return x.grad[0, 0] > 0
""",
    "total": """
def total_probability(log_prob):
    total = 0.0
    for numbers in itertools.product(range(3), repeat=6):
        image = torch.tensor(numbers, dtype=torch.uint8).reshape(1, 1, 2, 3)
        total += math.exp(log_prob(image)[0])
    return total
""",
}
IMPORTS = "import itertools\nimport math\n\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\n"

# (item, what is different, answer)
RIGHT = [
    ("bits", "NumPy, in one line", "bits_per_dim = lambda r, s: np.asarray(r) * -np.log2(10) / s[0]"),
    (
        "bits",
        "a loop that gives a list",
        """
def bits_per_dim(reported, shape):
    found = []
    for value in reported.tolist():
        total = value * shape[1] * shape[2] * math.log(10)
        found.append(-total / (math.prod(shape) * math.log(2)))
    return found
""",
    ),
    (
        "density",
        "term by term",
        """
def bits_of_density(log_density, dims):
    return -log_density / (dims * math.log(2)) + 6 - 2
""",
    ),
    (
        "edges",
        "NumPy, by whole numbers",
        """
def bin_edges(levels):
    k = levels.numpy().astype(int)
    edges = np.concatenate([[-np.inf], np.linspace(-2, 2, 64)[:-1] + 2 / 63, [np.inf]])
    return edges[k], edges[k + 1]
""",
    ),
    (
        "logistic",
        "by the difference of log-distribution functions, in log space",
        """
def log_prob_of_levels(levels, mean, log_scale):
    levels, mean, log_scale = torch.broadcast_tensors(levels, mean, log_scale)
    out = torch.empty(levels.shape, dtype=torch.float64)
    for place in np.ndindex(*levels.shape):
        k, m, s = int(levels[place]), float(mean[place]), math.exp(float(log_scale[place]))
        a, b = (-2 + 4 * (k - 0.5) / 63 - m) / s, (-2 + 4 * (k + 0.5) / 63 - m) / s
        if a + b > 0:  # mirror, so that both are on the side where the logarithm is exact
            a, b, k = -b, -a, 63 - k
        log_b = 0.0 if k == 63 else -np.logaddexp(0, -b)
        out[place] = log_b if k == 0 else log_b + math.log(-math.expm1(-np.logaddexp(0, -a) - log_b))
    return out
""",
    ),
    (
        "logistic",
        "with the function of the book",
        """
from likelab.models.vae import discretised_logistic

def log_prob_of_levels(levels, mean, log_scale):
    return discretised_logistic(levels.double() * 2 / 63 - 1, mean / 2, log_scale - math.log(2), 64)
""",
    ),
    (
        "mixture",
        "the largest taken out by hand",
        """
def log_mixture(logits, log_probs):
    total = (logits + log_probs).double().numpy()
    largest, of_logits = total.max(-1, keepdims=True), logits.numpy().max(-1, keepdims=True)
    below = np.log(np.exp(logits.numpy() - of_logits).sum(-1)) + of_logits[..., 0]
    return np.log(np.exp(total - largest).sum(-1)) + largest[..., 0] - below
""",
    ),
    (
        "mask",
        "einsum and comparisons, as bool",
        """
def layer_mask(kind, outputs, inputs, size):
    flat = torch.arange(size * size).reshape(size, size).flip(1)
    centre = flat[size // 2, size // 2]
    rank = torch.tensor([1, 0, 2])
    o, i = rank[torch.arange(outputs) % 3], rank[torch.arange(inputs) % 3]
    colours = (i[None] < o[:, None]) | ((i[None] == o[:, None]) & (kind == "B"))
    before = torch.einsum("oi,hw->oihw", torch.ones(outputs, inputs), (flat < centre).double())
    here = torch.einsum("oi,hw->oihw", colours.double(), (flat == centre).double())
    return before + here > 0
""",
    ),
    (
        "seen",
        "row by row: how wide the view is",
        """
def seen(layers, size, side):
    half, mid = size // 2, side // 2
    found = np.zeros((side, side), dtype=int)
    found[mid, mid + 1 : mid + 1 + half * layers] = 1
    for up in range(1, mid + 1):
        fewest = -(-up // half)  # layers that have to go up
        if fewest > layers:
            break
        found[mid - up, max(mid - half * min(layers, up), 0) : mid + 1 + half * layers] = 1
    return found
""",
    ),
    (
        "total",
        "in batches, by log-sum-exp",
        """
def total_probability(log_prob):
    grid = np.stack(np.meshgrid(*[np.arange(3)] * 6, indexing="ij"), -1).reshape(-1, 1, 2, 3).astype(np.uint8)
    logs = [torch.as_tensor(log_prob(part)).double() for part in torch.from_numpy(grid).split(100)]
    return torch.logsumexp(torch.cat(logs), 0).exp()
""",
    ),
    *blind.RIGHT,
    *((item, "written blind", answer) for item, answer in blind.ANSWERS.items()),
]

# (item, mistake, what stands in ANSWERS, what stands there instead)
CHANGES = [
    ("bits", "nats taken for bits", " / np.log(2)", ""),
    ("bits", "natural logarithm taken for granted", "reported * np.log(10)", "reported"),
    ("bits", "per pixel taken for per number", " / c", ""),
    ("bits", "divided by the pixels once more", " / c", " / (c * h * w)"),
    ("bits", "the sign", "return -", "return "),
    ("bits", "float16", "reported * np.log(10)", "reported.half() * np.log(10)"),
    ("bits", "mean in place of each image", "reported * np.log(10)", "reported.mean() * np.log(10)"),
    ("bits", "changes its input in place", "reported * np.log(10)", "reported.mul_(np.log(10))"),
    (
        "bits",
        "hard-coded value of the visible check",
        "return -nats_per_pixel / c / np.log(2)",
        "return np.array([8.0])",
    ),
    ("density", "forgets the scale: D log of a level's width", " + dims * math.log(4 / 64)", ""),
    ("density", "the sign of the scale's term", "+ dims", "- dims"),
    ("density", "LEVELS minus one for a density", "4 / 64", "4 / 63"),
    ("density", "the scale counted once, not for each dimension", "dims * math.log(4", "math.log(4"),
    ("density", "256 grey levels from habit", "4 / 64", "4 / 256"),
    ("density", "a scale from 0 to 1 taken for granted", "4 / 64", "1 / 64"),
    ("density", "a dimension too many", "(dims * math.log(2))", "((dims + 1) * math.log(2))"),
    (
        "edges",
        "the outer bins are closed",
        "torch.where(levels == 0, -torch.inf, centre - step / 2)",
        "centre - step / 2",
    ),
    (
        "edges",
        "only the upper end is closed",
        "torch.where(levels == 63, torch.inf, centre + step / 2)",
        "centre + step / 2",
    ),
    ("edges", "64 steps between 64 levels", "4 / 63", "4 / 64"),
    ("edges", "bins begin at their level", "centre - step / 2", "centre"),
    ("edges", "lower and upper swapped", "return lower, upper", "return upper, lower"),
    ("edges", "arithmetic in uint8", "-2 + levels.double() * step", "(levels * 4 - 126) / 63"),
    ("edges", "half a bin too wide", "centre + step / 2", "centre + step"),
    (
        "logistic",
        "no edge bins",
        "return torch.where(levels == 0, log_cdf_plus, torch.where(levels == 63, log_sf_minus, inside))",
        "return inside",
    ),
    (
        "logistic",
        "edge bins swapped",
        "levels == 0, log_cdf_plus, torch.where(levels == 63",
        "levels == 63, log_cdf_plus, torch.where(levels == 0",
    ),
    (
        "logistic",
        "density times width in place of the bin",
        "inside = -F.softplus(-plus) - F.softplus(minus) + torch.log(-torch.expm1(-step / s))",
        "z = (y - mean) / s\n    inside = -z - 2 * F.softplus(-z) - log_scale + math.log(step)",
    ),
    (
        "logistic",
        "difference of sigmoids: no number far out",
        "-F.softplus(-plus) - F.softplus(minus) + torch.log(-torch.expm1(-step / s))",
        "torch.log(torch.sigmoid(plus) - torch.sigmoid(minus))",
    ),
    (
        "logistic",
        "clamped far out, as codes found online do",
        "-F.softplus(-plus) - F.softplus(minus) + torch.log(-torch.expm1(-step / s))",
        "torch.log((torch.sigmoid(plus) - torch.sigmoid(minus)).clamp(min=1e-12))",
    ),
    ("logistic", "scale for log-scale", "torch.exp(log_scale)", "log_scale.abs()"),
    (
        "logistic",
        "half the width of a bin",
        "(y + step / 2 - mean) / s, (y - step / 2 - mean) / s",
        "(y + step / 4 - mean) / s, (y - step / 4 - mean) / s",
    ),
    ("logistic", "in bits", "return torch.where(", "return 1 / math.log(2) * torch.where("),
    ("mixture", "wrong axis", "dim=-1)", "dim=1)"),
    ("mixture", "weights not normalised", "F.log_softmax(logits, dim=-1)", "logits"),
    (
        "mixture",
        "mean of logs in place of log of mean",
        "torch.logsumexp(F.log_softmax(logits, dim=-1) + log_probs, dim=-1)",
        "(torch.softmax(logits, -1) * log_probs).sum(-1)",
    ),
    (
        "mixture",
        "exp, sum, log: underflows",
        "torch.logsumexp(F.log_softmax(logits, dim=-1) + log_probs, dim=-1)",
        "torch.log((torch.softmax(logits, -1) * log_probs.exp()).sum(-1))",
    ),
    (
        "mixture",
        "weights forgotten",
        "F.log_softmax(logits, dim=-1) + log_probs",
        "log_probs - math.log(logits.shape[-1])",
    ),
    ("mask", "off by one: the centre counts as read", "mid + 1 :] = 1", "mid:] = 1"),
    ("mask", "reads from left to right, as the book", "mask[:, :, mid, mid + 1 :] = 1", "mask[:, :, mid, :mid] = 1"),
    ("mask", "kinds A and B swapped", 'kind == "B"', 'kind == "A"'),
    ("mask", "colours in the order of storage", "[1, 0, 2]", "[0, 1, 2]"),
    ("mask", "the order of colours inverted", "first < second", "first > second"),
    (
        "mask",
        "outputs and inputs swapped",
        "for o in range(outputs):\n        for i in range(inputs):\n            first, second = rank[i % 3], rank[o % 3]",
        "for o in range(outputs):\n        for i in range(inputs):\n            first, second = rank[o % 3], rank[i % 3]",
    ),
    (
        "mask",
        "colours in groups, not modulo 3",
        "rank[i % 3], rank[o % 3]",
        "rank[i * 3 // inputs], rank[o * 3 // outputs]",
    ),
    ("mask", "for size 3 alone", "mid = size // 2", "mid = 1"),
    ("mask", "the centre is never seen", "mask[o, i, mid, mid] = 1", "pass"),
    (
        "seen",
        "no blind spot: all that was read",
        "return x.grad[0, 0] > 0",
        "n = side // 2\n    out = torch.zeros(side, side).bool()\n    out[:n] = True\n    out[n, n + 1 :] = True\n    return out",
    ),
    (
        "seen",
        "every layer of kind A",
        "kernel_a = kernel_b.clone()\n    kernel_a[mid, mid] = 0",
        "kernel_b[mid, mid] = 0\n    kernel_a = kernel_b",
    ),
    ("seen", "every layer of kind B", "kernel_a[mid, mid] = 0", "pass"),
    ("seen", "a layer too many", "range(layers - 1)", "range(layers)"),
    ("seen", "a layer too few", "range(layers - 1)", "range(layers - 2)"),
    ("seen", "reads from left to right, as the book", "kernel_b[mid, mid:] = 1", "kernel_b[mid, : mid + 1] = 1"),
    ("seen", "hard-coded for the visible check", "    mid = size // 2\n", "    mid, size, layers = 1, 3, 2\n"),
    ("total", "the logarithm of the total", "return total", "return math.log(total)"),
    ("total", "the sum of logarithms", "math.exp(log_prob(image)[0])", "float(log_prob(image)[0])"),
    ("total", "the mean", "return total", "return total / 729"),
    ("total", "a grey level forgotten", "range(3)", "range(2)"),
    ("total", "a grey level too many", "range(3)", "range(4)"),
    (
        "total",
        "combinations: orders forgotten",
        "itertools.product(range(3), repeat=6)",
        "itertools.combinations_with_replacement(range(3), 6)",
    ),
    ("total", "height and width swapped", "reshape(1, 1, 2, 3)", "reshape(1, 1, 3, 2)"),
    ("total", "one, since it has to be", "return total", "return 1.0"),
]


def wrong():
    """(item, mistake, answer) of every wrong answer. Raises ValueError where a change changes nothing."""
    for answers, changes in ((ANSWERS, CHANGES), (blind.ANSWERS, blind.CHANGES)):
        for item, mistake, before, after in changes:
            if before is not None and before not in answers[item]:
                raise ValueError(f"{item}, {mistake}: {before!r} is not in the answer")
            yield item, mistake, after if before is None else answers[item].replace(before, after)
