"""Answers to A2 as students of cohort 2026 write them; see a1/wrong.py for what the parts are."""

from coursework.a2 import blind

ANSWERS = {
    "forth": """
def coupling(x, raw, shift):
    s = F.softplus(raw) + 0.5
    y = x.clone()
    y[:, 0::2] = s * (x[:, 0::2] + shift)
    return y, s.log().sum(dim=1)
""",
    "back": """
def uncoupling(y, raw, shift):
    s = F.softplus(raw) + 0.5
    x = y.clone()
    x[:, 0::2] = y[:, 0::2] / s - shift
    return x, -s.log().sum(dim=1)
""",
    "logits": """
def to_logits(images):
    v = 0.05 + 0.9 * images / 100
    log_det = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return torch.log(v / (1 - v)), log_det.sum((1, 2, 3))
""",
    "channels": """
def mix(images, weight):
    n, c, h, w = images.shape
    out = F.conv2d(images, weight[:, :, None, None])
    return out, h * w * torch.log(torch.abs(torch.det(weight))) * torch.ones(n)
""",
    "bits": """
def flow_bits(z, log_det):
    log_p = -z - 2 * F.softplus(-z)
    nats = log_p.sum(1) + log_det
    return -nats / z.shape[1] / math.log(2)
""",
    "jacobian": """
def log_det_of(f, x):
    rows = []
    x = x.clone().requires_grad_()
    y = f(x)
    for i in range(len(x)):
        rows.append(torch.autograd.grad(y[i], x, retain_graph=True)[0])
    return torch.stack(rows).det().abs().log()
""",
    "gap": """
def second_order_gap(matrix, inside, outside):
    p, q = inside.double(), outside.double()
    x0 = p.mean(dim=(0, 2, 3)).reshape(1, -1, 1, 1)
    weight = matrix.T @ matrix
    def trace(x):
        d = (x - x0).transpose(0, 1).flatten(1)
        moments = d @ d.T / len(x)
        return (weight * moments).sum()
    nats = -0.5 / 2.0**2 * (trace(q) - trace(p))
    return nats / p[0].numel() / math.log(2)
""",
}
IMPORTS = "import math\n\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\n"

RIGHT = [
    (
        "forth",
        "a loop over images and numbers",
        """
def coupling(x, raw, shift):
    y, log_det = x.numpy().copy(), np.zeros(len(x))
    for n in range(len(x)):
        for k in range(raw.shape[1]):
            s = math.log1p(math.exp(raw[n, k])) + 0.5
            y[n, 2 * k] = s * (y[n, 2 * k] + float(shift[n, k]))
            log_det[n] += math.log(s)
    return y, log_det
""",
    ),
    (
        "back",
        "interleaved anew",
        """
def uncoupling(y, raw, shift):
    s = torch.logaddexp(raw, torch.zeros_like(raw)) + 0.5
    moved, kept = y[:, ::2] / s - shift, y[:, 1::2]
    return torch.stack([moved, kept], 2).flatten(1), torch.log(1 / s).sum(1)
""",
    ),
    (
        "logits",
        "by automatic differentiation",
        """
def to_logits(images):
    x = images.clone().requires_grad_()
    y = torch.logit(0.05 + 0.9 * x / 100)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y, slope.log().flatten(1).sum(1)
""",
    ),
    (
        "channels",
        "NumPy, matrix times pixels",
        """
def mix(images, weight):
    a, w = images.numpy(), weight.numpy()
    out = np.moveaxis(np.tensordot(w, a, (1, 1)), 0, 1)
    return out, np.full(len(a), a.shape[2] * a.shape[3] * np.linalg.slogdet(w)[1])
""",
    ),
    (
        "bits",
        "by the hyperbolic cosine, in logarithms",
        """
def flow_bits(z, log_det):
    z = z.numpy()
    log_p = -2 * np.logaddexp(z / 2, -z / 2)
    return -(log_p.mean(1) + log_det.numpy() / z.shape[1]) * np.log2(np.e)
""",
    ),
    (
        "jacobian",
        "by differences",
        """
def log_det_of(f, x):
    steps = 1e-5 * torch.eye(len(x), dtype=x.dtype)
    columns = [(f(x + step) - f(x - step)) / 2e-5 for step in steps]
    return np.linalg.slogdet(torch.stack(columns, 1).numpy())[1]
""",
    ),
    (
        "gap",
        "image by image",
        """
def second_order_gap(matrix, inside, outside):
    colour = np.stack([inside[:, c].double().mean() for c in range(inside.shape[1])])
    def energy(images):
        total = 0.0
        for image in images.double().numpy():
            d = image.reshape(len(image), -1) - colour[:, None]
            total += ((matrix.numpy() @ d) ** 2).sum()
        return total / len(images)
    return (energy(inside) - energy(outside)) / 8 / inside[0].numel() / np.log(2)
""",
    ),
    *blind.RIGHT,
    *((item, "written blind", answer) for item, answer in blind.ANSWERS.items()),
]

CHANGES = [
    ("forth", "the other half", "y[:, 0::2] = s * (x[:, 0::2] + shift)", "y[:, 1::2] = s * (x[:, 1::2] + shift)"),
    (
        "forth",
        "halves in place of every second",
        "y[:, 0::2] = s * (x[:, 0::2] + shift)",
        "h = x.shape[1] // 2\n    y[:, :h] = s * (x[:, :h] + shift)",
    ),
    ("forth", "scaled, then shifted", "s * (x[:, 0::2] + shift)", "s * x[:, 0::2] + shift"),
    ("forth", "sign of the log-determinant", "s.log().sum(dim=1)", "-s.log().sum(dim=1)"),
    ("forth", "mean in place of the sum", "s.log().sum(dim=1)", "s.log().mean(dim=1)"),
    ("forth", "one log-determinant for all", "s.log().sum(dim=1)", "s.log().sum()"),
    ("forth", "the raw scale taken for the log of the scale", "s.log().sum(dim=1)", "raw.sum(dim=1)"),
    ("forth", "the product in place of the log", "s.log().sum(dim=1)", "s.prod(dim=1)"),
    ("forth", "in place: the input changes", "y = x.clone()", "y = x"),
    ("forth", "constant of the scale forgotten", " + 0.5", ""),
    ("back", "the log-determinant of the way forth", "-s.log().sum(dim=1)", "s.log().sum(dim=1)"),
    ("back", "shifted, then scaled", "y[:, 0::2] / s - shift", "(y[:, 0::2] - shift) / s"),
    ("back", "shifted the wrong way", "/ s - shift", "/ s + shift"),
    ("back", "the other half", "x[:, 0::2] = y[:, 0::2]", "x[:, 1::2] = y[:, 1::2]"),
    ("back", "in place: the input changes", "x = y.clone()", "x = y"),
    ("logits", "D log of the levels forgotten", "math.log(0.9 / 100)", "math.log(0.9)"),
    ("logits", "the stretch by 0.9 forgotten", "math.log(0.9 / 100)", "math.log(1 / 100)"),
    ("logits", "no log-determinant of the logit", " - torch.log(v) - torch.log(1 - v)", " + 0 * v"),
    ("logits", "sign of the log-determinant", "log_det.sum((1, 2, 3))", "-log_det.sum((1, 2, 3))"),
    ("logits", "mean in place of the sum", "log_det.sum((1, 2, 3))", "log_det.mean((1, 2, 3))"),
    ("logits", "summed over the batch too", "log_det.sum((1, 2, 3))", "log_det.sum()"),
    ("logits", "no edges", "0.05 + 0.9 * images / 100", "images / 100"),
    ("logits", "edges added, not squeezed in", "0.05 + 0.9 * images / 100", "0.05 + 0.95 * images / 100"),
    ("logits", "256 from habit", "images / 100", "images / 256"),
    ("logits", "float16", "0.9 * images / 100", "0.9 * images.half() / 100"),
    ("channels", "pixels forgotten", "h * w * torch.log", "torch.log"),
    ("channels", "the height squared", "h * w *", "h * h *"),
    ("channels", "no absolute value", "torch.log(torch.abs(torch.det(weight)))", "torch.log(torch.det(weight))"),
    ("channels", "the matrix transposed", "weight[:, :, None, None]", "weight.T[:, :, None, None]"),
    ("channels", "times the channels too", "h * w *", "c * h * w *"),
    (
        "channels",
        "the diagonal in place of the determinant",
        "torch.log(torch.abs(torch.det(weight)))",
        "weight.diag().abs().log().sum()",
    ),
    ("bits", "the log-determinant subtracted", "+ log_det", "- log_det"),
    ("bits", "the log-determinant forgotten", " + log_det", ""),
    ("bits", "nats", " / math.log(2)", ""),
    ("bits", "a Gaussian from habit", "-z - 2 * F.softplus(-z)", "-0.5 * z**2 - 0.5 * math.log(2 * math.pi)"),
    (
        "bits",
        "sigmoid, then log: infinite far out",
        "-z - 2 * F.softplus(-z)",
        "torch.log(torch.sigmoid(z) * torch.sigmoid(-z))",
    ),
    ("bits", "mean of the prior, sum of the volume", "log_p.sum(1)", "log_p.mean(1)"),
    ("bits", "the sign", "return -nats", "return nats"),
    ("jacobian", "no absolute value", ".det().abs().log()", ".det().log()"),
    ("jacobian", "the determinant, not its logarithm", ".det().abs().log()", ".det().abs()"),
    (
        "jacobian",
        "the diagonal alone",
        "torch.stack(rows).det().abs().log()",
        "torch.stack(rows).diag().abs().log().sum()",
    ),
    (
        "jacobian",
        "the trace of the log",
        "torch.stack(rows).det().abs().log()",
        "torch.stack(rows).trace().abs().log()",
    ),
    (
        "jacobian",
        "of the inverse",
        "return torch.stack(rows).det().abs().log()",
        "return -torch.stack(rows).det().abs().log()",
    ),
    ("jacobian", "at zero in place of x", "y = f(x)", "y = f(0 * x)"),
    (
        "jacobian",
        "hard-coded for the visible check",
        "return torch.stack(rows).det().abs().log()",
        "return len(x) * math.log(2)",
    ),
    ("gap", "inside minus outside", "(trace(q) - trace(p))", "(trace(p) - trace(q))"),
    ("gap", "the half forgotten", "-0.5 / 2.0**2", "-1 / 2.0**2"),
    ("gap", "sigma for sigma squared", "2.0**2", "2.0"),
    ("gap", "nats", " / math.log(2)", ""),
    ("gap", "for an image, not for a dimension", " / p[0].numel()", ""),
    ("gap", "each set around its own mean", "d = (x - x0)", "d = (x - x.mean(dim=(0, 2, 3), keepdim=True))"),
    ("gap", "around the mean image", "p.mean(dim=(0, 2, 3)).reshape(1, -1, 1, 1)", "p.mean(dim=0, keepdim=True)"),
    ("gap", "A Aᵀ in place of Aᵀ A", "matrix.T @ matrix", "matrix @ matrix.T"),
    ("gap", "the matrix forgotten", "matrix.T @ matrix", "torch.eye(len(matrix), dtype=torch.float64)"),
    ("gap", "variances of channels alone", "(weight * moments).sum()", "(weight * moments).diag().sum()"),
    ("gap", "difference in uint8", "inside.double(), outside.double()", "inside, outside"),
    ("gap", "mean over pixels in place of the sum", "d @ d.T / len(x)", "d @ d.T / d.shape[1]"),
]


def wrong():
    """(item, mistake, answer) of every wrong answer. Raises ValueError where a change changes nothing."""
    for answers, changes in ((ANSWERS, CHANGES), (blind.ANSWERS, blind.CHANGES)):
        for item, mistake, before, after in changes:
            if before is not None and before not in answers[item]:
                raise ValueError(f"{item}, {mistake}: {before!r} is not in the answer")
            yield item, mistake, after if before is None else answers[item].replace(before, after)
