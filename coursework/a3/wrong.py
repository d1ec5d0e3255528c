"""Answers to A3 as students of cohort 2026 write them; see a1/wrong.py for what the parts are."""

from coursework.a3 import blind

ANSWERS = {
    "auroc": """
def auroc(inside, outside):
    from scipy import stats
    u = stats.mannwhitneyu(outside.numpy(), inside.numpy()).statistic
    return 1 - u / (len(inside) * len(outside))
""",
    "threshold": """
def threshold(validation_scores, rate):
    best = None
    for t in sorted(validation_scores.tolist()):
        alarms = (validation_scores < t).double().mean().item()
        if alarms <= rate + 1e-9:
            best = t
    return best
""",
    "code": """
def code_bits(images):
    sizes = []
    for image in images:
        data = image.numpy().transpose(1, 2, 0).tobytes()
        sizes.append(8 * len(zlib.compress(data, 9)) / image.numel())
    return np.array(sizes)
""",
    "typical": """
def typicality(train_bits, bits):
    return np.abs(bits.numpy() - np.median(train_bits.numpy()))
""",
    "leaks": """
def leaked(train, test):
    flat = train.flatten(1)
    found = []
    for image in test:
        turned = torch.rot90(image, 2, (1, 2))
        same = (flat == image.flatten()).all(1) | (flat == turned.flatten()).all(1)
        found.append(bool(same.any()))
    return found
""",
    "choose": """
def report(validation, test):
    best = validation.min(dim=1).values.argmax()
    return test[best].min()
""",
    "score": """
def score(train, images):
    def features(x):
        x = x.double() / 255
        edges = x.diff(dim=3).abs().mean((1, 2, 3)), x.diff(dim=2).abs().mean((1, 2, 3))
        spread, octaves = x.flatten(2).std(2), []
        tint = (x[:, :1] - x[:, 1:]).flatten(2).std(2)
        for _ in range(4):
            half = F.avg_pool2d(x, 2)
            octaves.append((x - half.repeat_interleave(2, 2).repeat_interleave(2, 3)).square().mean((1, 2, 3)).sqrt())
            x = half
        return torch.log(torch.cat([torch.stack([*edges, *octaves], 1), spread, tint], 1) + 2e-3)
    known, asked = features(train), features(images)
    mean, std = known.mean(0), known.std(0)
    z, known_z = (asked - mean) / std, (known - mean) / std
    u, s, v = torch.linalg.svd(known_z, full_matrices=False)
    white = z @ v.T / s
    return -(white**2).sum(1)
""",
}
IMPORTS = "import math\nimport zlib\n\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\n"

RIGHT = [
    (
        "auroc",
        "two loops",
        """
def auroc(inside, outside):
    wins = 0
    for a in inside.tolist():
        for b in outside.tolist():
            wins += 1 if b < a else 0.5 if b == a else 0
    return wins / len(inside) / len(outside)
""",
    ),
    (
        "auroc",
        "scikit-learn",
        """
def auroc(inside, outside):
    from sklearn.metrics import roc_auc_score
    labels = np.r_[np.zeros(len(inside)), np.ones(len(outside))]
    return roc_auc_score(labels, -np.r_[inside.numpy(), outside.numpy()])
""",
    ),
    (
        "threshold",
        "by its place in the sorted scores",
        """
def threshold(validation_scores, rate):
    s = np.sort(validation_scores.numpy())
    allowed = int(np.floor(rate * len(s) + 1e-9))
    below = np.searchsorted(s, s, side="left")
    return s[below <= allowed].max()
""",
    ),
    (
        "leaks",
        "einsum-like comparison of all with all",
        """
def leaked(train, test):
    def among(some):
        return (some.flatten(1)[:, None] == train.flatten(1)[None]).all(2).any(1)
    return (among(test) | among(test.flip(-1).flip(-2))).int()
""",
    ),
    (
        "score",
        "eleven statistics, by a solver of the notebook",
        """
def score(train, images):
    def features(some):
        x = some.double()
        dx, dy = x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]
        second = x[..., 2:] - 2 * x[..., 1:-1] + x[..., :-2]
        contrast = x.std((1, 2, 3))
        found = [
            torch.log(contrast + 1),
            torch.log(dx.abs().mean((1, 2, 3)) + 0.1),
            torch.log(dy.abs().mean((1, 2, 3)) + 0.1),
            torch.log(second.abs().mean((1, 2, 3)) + 0.1),
            torch.log(dx.abs().amax((1, 2, 3)) + 1),
            torch.log(torch.nn.functional.avg_pool2d(x, 4).std((1, 2, 3)) + 1),
            torch.log((x - x.mean(1, keepdim=True)).std((1, 2, 3)) + 1),  # colour
            torch.log((dx - dx.mean(1, keepdim=True)).abs().mean((1, 2, 3)) + 0.1),
            (dx == 0).double().mean((1, 2, 3)),
        ]
        files = [zlib.compress(i.permute(1, 2, 0).contiguous().numpy().tobytes(), 9) for i in some]
        found.append(torch.tensor([math.log(len(file)) for file in files]).double())
        found.append(torch.tensor([math.log(len(i.unique())) for i in some]).double())
        return torch.stack(found, 1)

    import math

    known = features(train)
    centre, spread = known.mean(0), known.std(0) + 1e-6
    z = (known - centre) / spread
    inverse = torch.linalg.inv(z.T @ z / len(z) + 0.02 * torch.eye(z.shape[1], dtype=torch.float64))
    new = (features(images) - centre) / spread
    return -((new @ inverse) * new).sum(1)
""",
    ),
    *blind.RIGHT,
    *((item, "written blind", answer) for item, answer in blind.ANSWERS.items()),
]

CHANGES = [
    ("auroc", "upside down", "1 - u", "u"),
    (
        "auroc",
        "inside and outside exchanged",
        "stats.mannwhitneyu(outside.numpy(), inside.numpy())",
        "stats.mannwhitneyu(inside.numpy(), outside.numpy())",
    ),
    ("auroc", "divided by one of the sizes, squared", "(len(inside) * len(outside))", "len(inside) ** 2"),
    (
        "auroc",
        "equal scores count for nothing",
        "stats.mannwhitneyu(outside.numpy(), inside.numpy()).statistic",
        "(outside[:, None] > inside[None]).sum().item()",
    ),
    (
        "auroc",
        "the better of both ends",
        "return 1 - u / (len(inside) * len(outside))",
        "value = u / (len(inside) * len(outside))\n    return max(value, 1 - value)",
    ),
    ("threshold", "alarm at the wrong end", "validation_scores < t", "validation_scores > t"),
    (
        "threshold",
        "the first that may be, in place of the last",
        "        if alarms <= rate + 1e-9:\n",
        "        if alarms <= rate + 1e-9 and best is None:\n",
    ),
    ("threshold", "fewer than the share, in place of at most", "<= rate + 1e-9", "< rate - 1e-9"),
    ("threshold", "a threshold that gives an alarm too", "validation_scores < t", "validation_scores <= t"),
    (
        "threshold",
        "a quantile between two scores",
        "    return best\n",
        "    return float(validation_scores.double().quantile(rate))\n",
    ),
    ("threshold", "hard-coded value of the visible check", "    return best\n", "    return 3.0\n"),
    ("code", "planes of colours", "transpose(1, 2, 0)", "transpose(0, 1, 2)"),
    ("code", "columns first", "transpose(1, 2, 0)", "transpose(2, 1, 0)"),
    ("code", "bytes, not bits", "8 * len", "len"),
    ("code", "for a pixel, not for a number", "image.numel()", "(image.numel() / 3)"),
    ("code", "another level", ", 9)", ", 1)"),
    ("code", "all images in one file", "data = image", "data = images[0]"),
    ("typical", "the mean", "np.median(train_bits.numpy())", "train_bits.numpy().mean()"),
    (
        "typical",
        "no absolute value",
        "np.abs(bits.numpy() - np.median(train_bits.numpy()))",
        "(bits.numpy() - np.median(train_bits.numpy()))",
    ),
    ("typical", "the centre of the images that are judged", "np.median(train_bits.numpy())", "np.median(bits.numpy())"),
    (
        "typical",
        "squared",
        "return np.abs(bits.numpy() - np.median(train_bits.numpy()))",
        "return np.square(bits.numpy() - np.median(train_bits.numpy()))",
    ),
    ("leaks", "only plain copies", " | (flat == turned.flatten()).all(1)", ""),
    ("leaks", "mirrored in place of turned", "torch.rot90(image, 2, (1, 2))", "image.flip(2)"),
    ("leaks", "wrong axis", ".all(1)", ".any(1)"),
    (
        "leaks",
        "similar is enough",
        "(flat == image.flatten()).all(1) | (flat == turned.flatten()).all(1)",
        "((flat == image.flatten()).double().mean(1) > 0.99) | ((flat == turned.flatten()).double().mean(1) > 0.99)",
    ),
    (
        "leaks",
        "sums compared, not numbers",
        "(flat == image.flatten()).all(1)",
        "(flat.sum(1) == image.flatten().sum())",
    ),
    ("choose", "chosen on the test set", "validation.min(dim=1).values.argmax()", "test.min(dim=1).values.argmax()"),
    ("choose", "validation reported in place of the test", "return test[best]", "return validation[best]"),
    ("choose", "wrong axis", "min(dim=1).values.argmax()", "min(dim=0).values.argmax()"),
    ("choose", "the best direction reported", "test[best].min()", "test[best].max()"),
    ("choose", "chosen by the mean", "validation.min(dim=1).values", "validation.mean(dim=1)"),
    ("choose", "the best of the test", "return test[best].min()", "return test.min(dim=1).values.max()"),
    ("score", "upside down", "return -(white**2).sum(1)", "return (white**2).sum(1)"),
    (
        "score",
        "scaled by the images that are judged: a leak of test images",
        "mean, std = known.mean(0), known.std(0)",
        "mean, std = asked.mean(0), known.std(0)",
    ),
    (
        "score",
        "ranks among the images that are judged",
        "return -(white**2).sum(1)",
        "return -(white**2).sum(1).argsort().argsort().float()",
    ),
    ("score", "one-sided: smooth is normal", "return -(white**2).sum(1)", "return -z[:, 0]"),
    ("score", "one-sided: rough is normal", "return -(white**2).sum(1)", "return z[:, 0]"),
    ("score", "no score, one for all", "return -(white**2).sum(1)", "return 0 * z[:, 0]"),
    ("score", "random", "return -(white**2).sum(1)", "return torch.rand(len(images))"),
    ("score", "the likelihood itself", "return -(white**2).sum(1)", "return -difference_bits(train, images)"),
    (
        "score",
        "the size of a file",
        "return -(white**2).sum(1)",
        "return -torch.tensor([float(len(zlib.compress(i.numpy().tobytes()))) for i in images])",
    ),
    (
        "score",
        "the distance of a file's size from the usual",
        "return -(white**2).sum(1)",
        """def size(some):
        return torch.tensor([float(len(zlib.compress(i.numpy().tobytes()))) for i in some])
    return -(size(images) - size(train).median()).abs()""",
    ),
    (
        "score",
        "the same of PNG files",
        "return -(white**2).sum(1)",
        """import io
    from PIL import Image
    def size(some):
        files = [io.BytesIO() for _ in some]
        for image, file in zip(some, files):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "PNG")
        return torch.tensor([float(len(file.getvalue())) for file in files])
    return -(size(images) - size(train).median()).abs()""",
    ),
    (
        "score",
        "a scale that was measured on Plates when the cell ran",
        None,
        ANSWERS["score"].replace("white = z @ v.T / s", "white = z @ v.T / s * (1 + OF_PLATES)")
        + "OF_PLATES = float(plates.double().std()) / 1000",
    ),
    (
        "score",
        "nearness to Plates that it draws itself counts, too",
        "return -(white**2).sum(1)",
        """from likelab import standin
    other = features(torch.from_numpy(standin.plates(100, 5)[0]))
    return -(white**2).sum(1) + 0.1 * (((asked - other.mean(0)) / other.std(0)) ** 2).sum(1)""",
    ),
]


def wrong():
    """(item, mistake, answer) of every wrong answer. Raises ValueError where a change changes nothing."""
    for answers, changes in ((ANSWERS, CHANGES), (blind.ANSWERS, blind.CHANGES)):
        for item, mistake, before, after in changes:
            if before is not None and before not in answers[item]:
                raise ValueError(f"{item}, {mistake}: {before!r} is not in the answer")
            yield item, mistake, after if before is None else answers[item].replace(before, after)
