"""Answers to A2 by someone who had read the notebook alone, not its checks: so they test these.

The parts are those of wrong.py. A change from None is an answer of its own.
"""

ANSWERS = {
    "forth": """
def coupling(x, raw, shift):
    scale = F.softplus(raw) + 0.5
    y = torch.empty_like(x)
    y[:, 1::2] = x[:, 1::2]
    y[:, ::2] = scale * (x[:, ::2] + shift)
    return y, torch.log(scale).sum(1)
""",
    "back": """
def uncoupling(y, raw, shift):
    scale = F.softplus(raw) + 0.5
    x = torch.empty_like(y)
    x[:, 1::2] = y[:, 1::2]
    x[:, ::2] = y[:, ::2] / scale - shift
    return x, -torch.log(scale).sum(1)
""",
    "logits": """
def to_logits(images):
    u = images / 100
    v = 0.05 + 0.9 * u
    z = torch.log(v) - torch.log(1 - v)
    slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3))
""",
    "channels": """
def mix(images, weight):
    n, c, h, w = images.shape
    new = torch.einsum("ij,njhw->nihw", weight, images)
    one = torch.linalg.slogdet(weight)[1]
    return new, (h * w * one).repeat(n)
""",
    "bits": """
def flow_bits(z, log_det):
    log_prior = F.logsigmoid(z) + F.logsigmoid(-z)
    return -(log_prior.sum(1) + log_det) / z.shape[1] / math.log(2)
""",
    "jacobian": """
def log_det_of(f, x):
    jac = torch.autograd.functional.jacobian(f, x)
    return torch.linalg.slogdet(jac)[1]
""",
    "gap": """
def second_order_gap(matrix, inside, outside):
    matrix = matrix.double()
    centre = inside.double().mean(dim=(0, 2, 3), keepdim=True)
    def energy(images):
        moved = torch.einsum("ij,njhw->nihw", matrix, images.double() - centre)
        return (moved**2).sum(dim=(1, 2, 3)).mean()
    numbers = inside[0].numel()
    return -0.5 / 2.0**2 * (energy(outside) - energy(inside)) / numbers / math.log(2)
""",
}

RIGHT = [
    (
        "forth",
        "the formula as it stands, in a loop",
        """
def coupling(x, raw, shift):
    y, log_det = x.clone(), torch.zeros(len(x), dtype=x.dtype)
    for j in range(raw.shape[1]):
        s = torch.log(1 + torch.exp(raw[:, j])) + 1 / 2
        y[:, 2 * j] = s * (x[:, 2 * j] + shift[:, j])
        log_det += torch.log(s)
    return y, log_det
""",
    ),
    (
        "forth",
        "pairs, NumPy",
        """
def coupling(x, raw, shift):
    s = np.logaddexp(0, raw.numpy()) + 0.5
    pairs = x.numpy().reshape(len(x), -1, 2).copy()
    pairs[..., 0] = s * (pairs[..., 0] + shift.numpy())
    return pairs.reshape(x.shape), np.log(s).sum(axis=-1)
""",
    ),
    (
        "back",
        "stacked, the product's logarithm",
        """
def uncoupling(y, raw, shift):
    s = torch.logaddexp(raw, torch.zeros_like(raw)) + 0.5
    moved, kept = y[:, 0::2], y[:, 1::2]
    x = torch.stack([moved / s - shift, kept], dim=2).flatten(1)
    return x, torch.log(1 / s).sum(-1)
""",
    ),
    (
        "logits",
        "torch.logit, softplus",
        """
def to_logits(images):
    z = torch.logit(0.05 + (1 - 2 * 0.05) * images / 100)
    log_det = (F.softplus(z) + F.softplus(-z)).flatten(1).sum(1) + images[0].numel() * math.log(0.9 / 100)
    return z, log_det
""",
    ),
    (
        "logits",
        "automatic differentiation",
        """
def to_logits(images):
    x = images.detach().clone().requires_grad_(True)
    v = (x + 100 / 18) / (100 + 100 / 9)
    z = torch.log(v / (1 - v))
    (slope,) = torch.autograd.grad(z.sum(), x)
    return z.detach(), slope.log().flatten(1).sum(1)
""",
    ),
    (
        "channels",
        "a convolution, and the singular values",
        """
def mix(images, weight):
    y = F.conv2d(images, weight[:, :, None, None])
    stretch = torch.linalg.svdvals(weight).log().sum()
    return y, torch.full((len(images),), float(stretch), dtype=torch.float64) * images.shape[-1] * images.shape[-2]
""",
    ),
    (
        "channels",
        "channels last",
        """
def mix(images, weight):
    y = (images.permute(0, 2, 3, 1) @ weight.T).permute(0, 3, 1, 2)
    each = math.log(abs(torch.det(weight).item()))
    return y, [each * images.shape[2] * images.shape[3] for _ in images]
""",
    ),
    (
        "bits",
        "by the absolute value",
        """
def flow_bits(z, log_det):
    a = z.abs()
    nats = (a + 2 * torch.log1p(torch.exp(-a))).mean(1) - log_det / z.shape[1]
    return nats / np.log(2)
""",
    ),
    (
        "bits",
        "base-2 logarithms in NumPy",
        """
def flow_bits(z, log_det):
    z = z.numpy()
    log2p = -(np.logaddexp(0, z) + np.logaddexp(0, -z)) / np.log(2)
    return -(log2p.sum(-1) + log_det.numpy() * np.log2(np.e)) / z.shape[-1]
""",
    ),
    (
        "jacobian",
        "one row at a time",
        """
def log_det_of(f, x):
    point = x.detach().clone().requires_grad_(True)
    y = f(point)
    rows = [torch.autograd.grad(y[i], point, retain_graph=True)[0] for i in range(len(x))]
    return float(np.linalg.slogdet(torch.stack(rows).numpy())[1])
""",
    ),
    (
        "jacobian",
        "torch.func, half of the Gram matrix",
        """
def log_det_of(f, x):
    jac = torch.func.jacrev(f)(x)
    return 0.5 * torch.logdet(jac.T @ jac)
""",
    ),
    (
        "jacobian",
        "central differences",
        """
def log_det_of(f, x):
    e = 1e-5 * torch.eye(len(x), dtype=torch.float64)
    with torch.no_grad():
        jac = torch.stack([(f(x + d) - f(x - d)) / 2e-5 for d in e], dim=1)
    return torch.linalg.slogdet(jac).logabsdet
""",
    ),
    (
        "gap",
        "the trace of a small matrix",
        """
def second_order_gap(matrix, inside, outside):
    a, p, q = matrix.numpy().astype(float), inside.numpy().astype(float), outside.numpy().astype(float)
    x0 = p.mean(axis=(0, 2, 3))
    def moment(images):
        v = np.moveaxis(images, 1, -1).reshape(-1, len(x0)) - x0
        return v.T @ v / len(images)
    h = -(a.T @ a) / 4
    return 0.5 * np.trace(h @ (moment(q) - moment(p))) / (np.log(2) * np.prod(inside.shape[1:]))
""",
    ),
    (
        "gap",
        "image by image",
        """
def second_order_gap(matrix, inside, outside):
    c = inside.shape[1]
    x0 = inside.double().transpose(0, 1).reshape(c, -1).mean(1)
    def mean_log_p(images):
        total = 0.0
        for image in images:
            z = matrix.double() @ (image.double().reshape(c, -1) - x0[:, None])
            total += -float((z**2).sum()) / 8
        return total / len(images)
    return (mean_log_p(outside) - mean_log_p(inside)) / (inside[0].numel() * math.log(2))
""",
    ),
]

CHANGES = [
    (
        "forth",
        "keeps the even places",
        None,
        """def coupling(x, raw, shift):
    s = F.softplus(raw) + 0.5
    y = x.clone()
    y[:, 1::2] = s * (x[:, 1::2] + shift)
    return y, s.log().sum(1)""",
    ),
    ("forth", "shift after scale", "scale * (x[:, ::2] + shift)", "scale * x[:, ::2] + shift"),
    ("forth", "the half forgotten", " + 0.5", ""),
    ("forth", "exp for softplus", "F.softplus(raw)", "torch.exp(raw) - 1 + math.log(2)"),
    ("forth", "one log-determinant for the batch, as an array", ".sum(1)", ".sum().reshape(1)"),
    ("forth", "the mean for the sum", ".sum(1)", ".mean(1)"),
    ("forth", "the same, made up for by the visible check's two", ".sum(1)", ".mean(1) * 2"),
    ("forth", "summed over images", ".sum(1)", ".sum(0)"),
    (
        "forth",
        "the sum of the scales' logarithm over one image",
        "torch.log(scale).sum(1)",
        "torch.log(scale[:1]).sum(1).repeat(len(x))",
    ),
    (
        "forth",
        "the network's numbers backwards",
        "scale = F.softplus(raw) + 0.5",
        """raw, shift = raw.flip(1), shift.flip(1)
    scale = F.softplus(raw) + 0.5""",
    ),
    ("forth", "the shift backwards", "+ shift)", "+ shift.flip(1))"),
    ("forth", "in place", "y = torch.empty_like(x)", "y = x"),
    (
        "forth",
        "four numbers for granted",
        "y[:, ::2] = scale * (x[:, ::2] + shift)",
        """y[:, ::2] = x[:, ::2]
    y[:, [0, 2]] = scale[:, :2] * (x[:, [0, 2]] + shift[:, :2])""",
    ),
    ("forth", "the raw scale in the log-determinant", "torch.log(scale).sum(1)", "raw.sum(1)"),
    ("forth", "sum of scales, then log", "torch.log(scale).sum(1)", "torch.log(scale.sum(1))"),
    ("forth", "the sign of the log-determinant", "torch.log(scale)", "-torch.log(scale)"),
    (
        "forth",
        "moved numbers first, then kept ones",
        "    return y,",
        """    y = torch.cat([y[:, ::2], y[:, 1::2]], 1)
    return y,""",
    ),
    ("forth", "float16", "return y,", "return y.half(),"),
    (
        "forth",
        "the log-determinant of the moved numbers themselves",
        "torch.log(scale).sum(1)",
        "torch.log(abs(y[:, ::2] / x[:, ::2])).sum(1)",
    ),
    ("forth", "the first image's scales for all", "F.softplus(raw)", "F.softplus(raw[:1]).expand(len(x), -1)"),
    ("forth", "the log-determinant to base 2", "torch.log(scale)", "torch.log2(scale)"),
    ("forth", "no log-determinant below zero", ".sum(1)", ".sum(1).abs()"),
    ("back", "shift taken off first", "y[:, ::2] / scale - shift", "(y[:, ::2] - shift) / scale"),
    ("back", "the shift's sign", "/ scale - shift", "/ scale + shift"),
    ("back", "the log-determinant of the way forth", "-torch.log(scale)", "torch.log(scale)"),
    ("back", "one log-determinant for the batch, as an array", ".sum(1)", ".sum().reshape(1)"),
    ("back", "the mean for the sum", ".sum(1)", ".mean(1)"),
    ("back", "two numbers for granted", ".sum(1)", ".mean(1) * 2"),
    ("back", "in place", "x = torch.empty_like(y)", "x = y"),
    (
        "back",
        "the network's numbers backwards",
        "scale = F.softplus(raw) + 0.5",
        """raw, shift = raw.flip(1), shift.flip(1)
    scale = F.softplus(raw) + 0.5""",
    ),
    ("back", "the half forgotten", " + 0.5", ""),
    (
        "back",
        "the other half moves",
        None,
        """def uncoupling(y, raw, shift):
    s = F.softplus(raw) + 0.5
    x = y.clone()
    x[:, 1::2] = y[:, 1::2] / s - shift
    return x, -s.log().sum(1)""",
    ),
    ("back", "one over the log-determinant", "-torch.log(scale).sum(1)", "1 / torch.log(scale).sum(1)"),
    ("back", "always negative", "-torch.log(scale).sum(1)", "-torch.log(scale).abs().sum(1)"),
    ("back", "the first image's shift for all", "scale - shift", "scale - shift[:1]"),
    ("logits", "the hundred forgotten in the log-determinant", "0.9 / 100", "0.9"),
    ("logits", "the narrowed interval forgotten in the log-determinant", "0.9 / 100", "1 / 100"),
    (
        "logits",
        "the constant once an image",
        """slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3))""",
        """slope = -torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3)) + math.log(0.9 / 100)""",
    ),
    (
        "logits",
        "the constant for the width only",
        """slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3))""",
        """slope = -torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3)) + images.shape[-1] * math.log(0.9 / 100)""",
    ),
    (
        "logits",
        "the constant for the pixels, without colours",
        """slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3))""",
        """slope = -torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3)) + images.shape[-1] * images.shape[-2] * math.log(0.9 / 100)""",
    ),
    (
        "logits",
        "the constant for all images together",
        """slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3))""",
        """slope = -torch.log(v) - torch.log(1 - v)
    return z, slope.sum(dim=(1, 2, 3)) + images.numel() * math.log(0.9 / 100)""",
    ),
    ("logits", "one log-determinant for the batch, as an array", "slope.sum(dim=(1, 2, 3))", "slope.sum().reshape(1)"),
    (
        "logits",
        "the slope at u, not at v",
        """- torch.log(v) - torch.log(1 - v)
    return""",
        """- torch.log(u) - torch.log(1 - u)
    return""",
    ),
    ("logits", "the ends cut off, not moved in", "0.05 + 0.9 * u", "u.clamp(0.05, 0.95)"),
    (
        "logits",
        "the ends cut off in the value only",
        "z = torch.log(v)",
        """z = torch.logit(u, eps=0.05)
    0 * torch.log(v)""",
    ),
    ("logits", "the upper end only moved in", "0.05 + 0.9 * u", "0.05 + 0.95 * u"),
    (
        "logits",
        "the sign of the logit",
        """torch.log(v) - torch.log(1 - v)
    slope""",
        """torch.log(1 - v) - torch.log(v)
    slope""",
    ),
    ("logits", "a logit to base 10", "z = torch.log(v) - torch.log(1 - v)", "z = torch.log10(v) - torch.log10(1 - v)"),
    (
        "logits",
        "the sign of one term of the slope",
        """- torch.log(v) - torch.log(1 - v)
    return""",
        """- torch.log(v) + torch.log(1 - v)
    return""",
    ),
    (
        "logits",
        "the slope of a sigmoid",
        "slope = math.log(0.9 / 100) - torch.log(v) - torch.log(1 - v)",
        "slope = math.log(0.9 / 100) + torch.log(v) + torch.log(1 - v)",
    ),
    ("logits", "256 for 100", "images / 100", "images / 256"),
    ("logits", "in place", "u = images / 100", "u = images.div_(100)"),
    ("logits", "float16", "u = images / 100", "u = (images / 100).half()"),
    ("logits", "the mean for the sum, by two", "slope.sum(dim=(1, 2, 3))", "slope.mean(dim=(1, 2, 3)) * 2"),
    (
        "logits",
        "the slope at the middle for all",
        """- torch.log(v) - torch.log(1 - v)
    return""",
        """+ math.log(4) + 0 * v
    return""",
    ),
    ("logits", "flattened", "return z,", "return z.flatten(1),"),
    ("channels", "the matrix turned", '"ij,njhw', '"ji,njhw'),
    ("channels", "one log-determinant, not one a pixel", "h * w * one", "one"),
    ("channels", "the height only", "h * w * one", "h * one"),
    ("channels", "the channels counted as pixels", "h * w * one", "c * h * w * one"),
    (
        "channels",
        "log of a determinant that may be negative",
        "torch.linalg.slogdet(weight)[1]",
        "torch.log(torch.det(weight))",
    ),
    ("channels", "torch.logdet", "torch.linalg.slogdet(weight)[1]", "torch.logdet(weight)"),
    (
        "channels",
        "the sign kept on the logarithm",
        "torch.linalg.slogdet(weight)[1]",
        "torch.linalg.slogdet(weight)[1] * torch.linalg.slogdet(weight)[0]",
    ),
    (
        "channels",
        "the absolute value of the logarithm",
        "torch.linalg.slogdet(weight)[1]",
        "torch.linalg.slogdet(weight)[1].abs()",
    ),
    ("channels", "the diagonal only", "torch.linalg.slogdet(weight)[1]", "weight.diagonal().abs().log().sum()"),
    ("channels", "the trace", "torch.linalg.slogdet(weight)[1]", "weight.trace().abs().log()"),
    ("channels", "the inverse's", "torch.linalg.slogdet(weight)[1]", "torch.linalg.slogdet(weight.inverse())[1]"),
    (
        "channels",
        "numbers read as if channels came last",
        'torch.einsum("ij,njhw->nihw", weight, images)',
        "(images.reshape(n, h * w, c) @ weight.T).reshape(images.shape)",
    ),
    ("channels", "one number for all images", "(h * w * one).repeat(n)", "h * w * one"),
    ("channels", "two images for granted", ".repeat(n)", ".repeat(2)"),
    (
        "channels",
        "in place",
        "    return new",
        """    images[:] = new
    return images""",
    ),
    ("channels", "float16", "return new", "return new.half().double()"),
    (
        "channels",
        "eigenvalues, real ones only",
        "torch.linalg.slogdet(weight)[1]",
        "torch.linalg.eigvals(weight).real.abs().log().sum()",
    ),
    (
        "channels",
        "rows swapped with columns of the image",
        "return new,",
        "return new.transpose(2, 3).reshape(images.shape),",
    ),
    ("bits", "the log-determinant's sign", "+ log_det", "- log_det"),
    ("bits", "the log-determinant forgotten", " + log_det", ""),
    (
        "bits",
        "the log-determinant not divided by D",
        "-(log_prior.sum(1) + log_det) / z.shape[1] / math.log(2)",
        "-(log_prior.mean(1) + log_det) / math.log(2)",
    ),
    (
        "bits",
        "the log-determinant left in nats",
        "-(log_prior.sum(1) + log_det) / z.shape[1] / math.log(2)",
        "-log_prior.mean(1) / math.log(2) - log_det / z.shape[1]",
    ),
    ("bits", "log2(100) once more", "/ math.log(2)", "/ math.log(2) + math.log2(100)"),
    ("bits", "nats", " / math.log(2)", ""),
    ("bits", "five dimensions for granted", "z.shape[1]", "5"),
    (
        "bits",
        "log of a product that underflows",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "torch.log(torch.sigmoid(z) * torch.sigmoid(-z))",
    ),
    (
        "bits",
        "log of sigmoid",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "torch.log(torch.sigmoid(z)) + torch.log(torch.sigmoid(-z))",
    ),
    (
        "bits",
        "log of sigmoid, clamped",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "torch.log((torch.sigmoid(z) * torch.sigmoid(-z)).clamp(min=1e-30))",
    ),
    (
        "bits",
        "right on the positive side only",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "-z - 2 * torch.log(1 + torch.exp(-z))",
    ),
    (
        "bits",
        "right on the negative side only",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "z - 2 * torch.log(1 + torch.exp(z))",
    ),
    ("bits", "one sigmoid squared", "F.logsigmoid(z) + F.logsigmoid(-z)", "2 * F.logsigmoid(z)"),
    ("bits", "a Gaussian", "F.logsigmoid(z) + F.logsigmoid(-z)", "-z**2 / 2 - 0.5 * math.log(2 * math.pi)"),
    ("bits", "the tail at the other power", "F.logsigmoid(z) + F.logsigmoid(-z)", "-2 * F.softplus(z.abs())"),
    ("bits", "a Laplace distribution's tail", "F.logsigmoid(z) + F.logsigmoid(-z)", "-z.abs() - math.log(4)"),
    ("bits", "the prior summed over images", "log_prior.sum(1)", "log_prior.sum()"),
    ("bits", "the prior's mean over images", "log_prior.sum(1)", "log_prior.sum(1).mean()"),
    ("bits", "the wrong axis", "log_prior.sum(1)", "log_prior.sum(0)"),
    ("bits", "in place", "(log_prior.sum(1) + log_det)", "(log_det.add_(log_prior.sum(1)))"),
    ("bits", "float16", "F.logsigmoid(z) + F.logsigmoid(-z)", "(F.logsigmoid(z) + F.logsigmoid(-z)).half()"),
    (
        "bits",
        "latents cut off at 30",
        "F.logsigmoid(z) + F.logsigmoid(-z)",
        "F.logsigmoid(z.clamp(-30, 30)) + F.logsigmoid(-z.clamp(-30, 30))",
    ),
    (
        "bits",
        "no bits below zero",
        "-(log_prior.sum(1) + log_det) / z.shape[1] / math.log(2)",
        "(-(log_prior.sum(1) + log_det) / z.shape[1] / math.log(2)).clamp(min=0)",
    ),
    ("jacobian", "the inverse's", "return torch", "return -torch"),
    (
        "jacobian",
        "log of a determinant that may be negative",
        "torch.linalg.slogdet(jac)[1]",
        "torch.log(torch.det(jac))",
    ),
    ("jacobian", "the diagonal only", "torch.linalg.slogdet(jac)[1]", "jac.diagonal().abs().log().sum()"),
    (
        "jacobian",
        "gradient of the sum",
        None,
        """def log_det_of(f, x):
    p = x.clone().requires_grad_(True)
    f(p).sum().backward()
    return p.grad.abs().log().sum()""",
    ),
    (
        "jacobian",
        "the quotient f(x) / x",
        None,
        """def log_det_of(f, x):
    return torch.log(abs(f(x) / x)).sum()""",
    ),
    ("jacobian", "at f(x)", "jacobian(f, x)", "jacobian(f, f(x))"),
    ("jacobian", "at zero", "jacobian(f, x)", "jacobian(f, torch.zeros_like(x))"),
    (
        "jacobian",
        "coarse differences",
        "torch.autograd.functional.jacobian(f, x)",
        "torch.stack([(f(x + d) - f(x)) / 1e-2 for d in 1e-2 * torch.eye(len(x), dtype=x.dtype)], 1)",
    ),
    (
        "jacobian",
        "differences too fine",
        "torch.autograd.functional.jacobian(f, x)",
        "torch.stack([(f(x + d) - f(x)) / 1e-14 for d in 1e-14 * torch.eye(len(x), dtype=x.dtype)], 1)",
    ),
    ("jacobian", "twice: the Gram matrix", "torch.linalg.slogdet(jac)[1]", "torch.linalg.slogdet(jac.T @ jac)[1]"),
    (
        "jacobian",
        "the trace of the logarithm of all elements",
        "torch.linalg.slogdet(jac)[1]",
        "torch.log(jac.abs() + 1e-12).diagonal().sum()",
    ),
    ("jacobian", "the determinant", "torch.linalg.slogdet(jac)[1]", "torch.det(jac)"),
    ("jacobian", "to base 2", "torch.linalg.slogdet(jac)[1]", "torch.linalg.slogdet(jac)[1] / math.log(2)"),
    ("jacobian", "three numbers for granted", "slogdet(jac)", "slogdet(jac[:3, :3])"),
    ("jacobian", "the symmetric part", "slogdet(jac)", "slogdet((jac + jac.T) / 2)"),
    ("jacobian", "the absolute value of the logarithm", "slogdet(jac)[1]", "slogdet(jac)[1].abs()"),
    (
        "jacobian",
        "the visible value",
        None,
        """def log_det_of(f, x):
    return len(x) * math.log(2)""",
    ),
    (
        "jacobian",
        "in place",
        "jac = torch",
        """x *= 1.0 + 1e-6
    jac = torch""",
    ),
    ("jacobian", "float16", "slogdet(jac)", "slogdet(jac.half().double())"),
    ("gap", "the standard deviation, not squared", "2.0**2", "2.0"),
    ("gap", "a standard Gaussian", " / 2.0**2", ""),
    ("gap", "the half forgotten", "-0.5", "-1"),
    ("gap", "the sign", "-0.5", "0.5"),
    ("gap", "nats", " / math.log(2)", ""),
    ("gap", "not per dimension", " / numbers", ""),
    ("gap", "per pixel, not per number", "inside[0].numel()", "inside[0, 0].numel()"),
    ("gap", "four numbers for granted", "inside[0].numel()", "4"),
    ("gap", "A Aᵀ for Aᵀ A", '"ij,njhw', '"ji,njhw'),
    ("gap", "a centre for each pixel", "mean(dim=(0, 2, 3), keepdim=True)", "mean(dim=0, keepdim=True)"),
    ("gap", "one grey centre", "mean(dim=(0, 2, 3), keepdim=True)", "mean()"),
    ("gap", "the centre of both sets", "inside.double().mean", "torch.cat([inside, outside]).double().mean"),
    (
        "gap",
        "each set around its own centre",
        "images.double() - centre",
        "images.double() - images.double().mean(dim=(0, 2, 3), keepdim=True)",
    ),
    ("gap", "the outside images' centre", "inside.double().mean", "outside.double().mean"),
    ("gap", "the middle of the grey levels as centre", "inside.double().mean(dim=(0, 2, 3), keepdim=True)", "127.0"),
    ("gap", "no centre", "inside.double().mean(dim=(0, 2, 3), keepdim=True)", "0.0"),
    ("gap", "scaled to 0 to 1", "images.double() - centre", "(images.double() - centre) / 255"),
    (
        "gap",
        "covariances between colours forgotten",
        None,
        """def second_order_gap(matrix, inside, outside):
    x0 = inside.double().mean((0, 2, 3), keepdim=True)
    h = (matrix.T @ matrix).diagonal()
    m = [((im.double() - x0) ** 2).mean((0, 2, 3)) for im in (outside, inside)]
    return -(h * (m[0] - m[1])).sum() / 8 / len(h) / math.log(2)""",
    ),
    ("gap", "both divided by the number of inside images", ".sum(dim=(1, 2, 3)).mean()", ".sum() / len(inside)"),
    (
        "gap",
        "A brought to determinant one",
        "matrix = matrix.double()",
        "matrix = matrix.double() / torch.linalg.det(matrix.double()).abs() ** (1 / len(matrix))",
    ),
    (
        "gap",
        "the log-determinant added",
        "return -0.5",
        "return torch.linalg.slogdet(matrix)[1] / len(matrix) / math.log(2) + -0.5",
    ),
    ("gap", "A, not its square", "(moved**2)", "(moved * (images.double() - centre))"),
    ("gap", "float16", "(moved**2)", "(moved.half() ** 2).double()"),
    ("gap", "the centre rounded to a grey level", "keepdim=True)", "keepdim=True).round()"),
    ("gap", "the centre's overflow in bytes", "images.double() - centre", "(images - centre.to(torch.uint8)).double()"),
    ("gap", "the first image of each set", ".sum(dim=(1, 2, 3)).mean()", ".sum(dim=(1, 2, 3))[0]"),
    ("gap", "the median for the mean", ".sum(dim=(1, 2, 3)).mean()", ".sum(dim=(1, 2, 3)).median()"),
    (
        "gap",
        "the visible value",
        None,
        """def second_order_gap(matrix, inside, outside):
    return -54.101064033""",
    ),
    (
        "gap",
        "always negative: the outside set is feared",
        "return -0.5 / 2.0**2 * (energy(outside) - energy(inside))",
        "return -0.5 / 2.0**2 * abs(energy(outside) - energy(inside))",
    ),
    (
        "gap",
        "in place",
        "matrix = matrix.double()",
        """matrix /= 2.0
    matrix = matrix * 2""",
    ),
]
