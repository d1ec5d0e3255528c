"""Break a chapter's code by hand, run the chapter's own check cells, and see one of them fail.

Each row changes one place in the cells that a chapter exports, or in a module of likelab. Then the chapter's cells
tagged `export` and `check` run in order, as a reader would run them. A check that lets a broken model pass
would be decoration.
"""

import ast
import functools
import re
import sys
import types

import matplotlib
import pytest
import torch

import likelab
from tools.chapter import chapters, export, setup_cell

GLOW, GAUSSIAN = "05_glow.ipynb", "02_bits_per_dimension.ipynb"
VAE, PIXELCNN = "03_variational_autoencoder.ipynb", "04_pixelcnn.ipynb"
DIFFUSION = "14_diffusion.ipynb"
CLASSIFIER = "01_confident_and_wrong.ipynb"
GAN = "06_without_a_likelihood.ipynb"
REMEDIES = "11_remedies.ipynb"
MUTATIONS = {
    "scores: a lossy file": (REMEDIES, '"irreversible": False', '"irreversible": True', "JPEG 2000 has lost something"),
    "scores: bytes for bits": (REMEDIES, "return 8 * np.array(shortest", "return np.array(shortest", "bits minus bits"),
    "scores: the ratio upside down": (
        REMEDIES,
        "np.asarray(cost(images)) - np.asarray(background(images))",
        "np.asarray(background(images)) - np.asarray(cost(images))",
        "must count as familiar",
    ),
    "scores: WAIC rewards disagreement": (
        REMEDIES,
        "log_p.var(0) - log_p",
        "-log_p.var(0) - log_p",
        "mean and variance",
    ),
    "scores: the volume after a split": (
        REMEDIES,
        "volume = volume + more",
        "volume = volume - more",
        "terms are missing",
    ),
    "scores: kernels of unit width": (REMEDIES, "* len(reference) ** -0.2", "", "two kernels at distance one"),
    "scores: norms that are not squared": (
        REMEDIES,
        ".square().sum().item()",
        ".abs().sum().item()",
        "squared gradient",
    ),
    "scores: regret of the first guess": (REMEDIES, "optimiser.step()", "pass", "cost ½ nat each"),
    "GAN: the hinge on the wrong side": (GAN, "F.relu(1 - real)", "F.relu(1 + real)", "charges for what is right"),
    "GAN: a hinge without its corner": (GAN, "F.relu(1 + fake)", "(1 + fake)", "charges for what is right"),
    "GAN: the discriminator's loss reaches the generator": (
        GAN,
        "with torch.no_grad():\n            fake",
        "with torch.enable_grad():\n            fake",
        "reaches the generator",
    ),
    "GAN: the generator helps the discriminator": (
        GAN,
        "return -self.discriminator(self.generator(z)).mean()",
        "return self.discriminator(self.generator(z)).mean()",
        "does not raise its samples' score",
    ),
    "GAN: uphill": (GAN, "weight.grad = gradient", "weight.grad = -gradient", "makes it worse"),
    "GAN: every weight gets a gradient": (
        GAN,
        "zip(weights, torch.autograd.grad(loss, weights), strict=True)",
        "zip(weights, (loss.backward(), [w.grad for w in weights])[1], strict=True)",
        "leaves gradients in D",
    ),
    "GAN: convolutions without spectral norm": (
        GAN,
        "wrap(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1))",
        "nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)",
        "spectral norm is above one",
    ),
    "GAN: the last layer without spectral norm": (
        GAN,
        "self.last = wrap(nn.Linear",
        "self.last = (nn.Linear",
        "spectral norm is above one",
    ),
    "GAN: white becomes black": (GAN, "(x + 1) * 127.5", "(x + 1) * 128", "grey levels are not kept"),
    "GAN: samples ignore the generator": (
        GAN,
        "self.noise(n, generator=generator)\n        return",
        "self.noise(n)\n        return",
        "not drawn from the generator",
    ),
    "GAN: temperature ignored": (
        GAN,
        "bits.checked_temperature(temperature) *",
        "bits.checked_temperature(1.0) *",
        "does not switch the noise off",
    ),
    "GAN: features added": (
        GAN,
        "features(to_unit(images)) - gan.discriminator.features(found)",
        "features(to_unit(images)) + gan.discriminator.features(found)",
        "something is left",
    ),
    "GAN: a search of no steps": (
        GAN,
        "for _ in range(steps):\n        move(",
        "for _ in ():\n        move(",
        "closer",
    ),
    "classifier: measured in training mode": (CLASSIFIER, "self.eval()", "self.train()", "depends on the batch"),
    "classifier: left in evaluation mode": (CLASSIFIER, "self.train(mode)", "self.eval()", "changed the mode"),
    "augmentation: digits are mirrored": (CLASSIFIER, "    if flip:\n", "    if True:\n", "where flip is False"),
    "augmentation: a wider hole": (CLASSIFIER, "< 6 for side", "< 8 for side", "the hole covers"),
    "augmentation: the light hardly changes": (CLASSIFIER, "80 * brightness", "8 * brightness", "changes too little"),
    "training: the last weights are kept": (
        CLASSIFIER,
        "model.load_state_dict(weights)",
        "pass",
        "not the best weights",
    ),
    "actnorm: mean over positions, not sum": (
        GLOW,
        "(self.log_scale.sum() * x.shape[2] * x.shape[3])",
        "self.log_scale.sum()",
        "not that of the Jacobian",
    ),
    "actnorm: mean over channels, not sum": (
        GLOW,
        "(self.log_scale.sum() * x.shape[2]",
        "(self.log_scale.mean() * x.shape[2]",
        "not that of the Jacobian",
    ),
    "actnorm: flag not saved": (
        GLOW,
        'self.register_buffer("initialised", torch.tensor(False))',
        "self.initialised = torch.tensor(False)",
        "not part of the state dict",
    ),
    "1×1 convolution: sign of the inverse's log-determinant": (
        GLOW,
        "self.weight[:, :, None, None]), self.log_det(x)",
        "self.weight[:, :, None, None]), -self.log_det(x)",
        "do not cancel",
    ),
    "1×1 convolution: determinant of one pixel": (
        GLOW,
        "(torch.linalg.slogdet(self.weight)[1] * x.shape[2] * x.shape[3])",
        "torch.linalg.slogdet(self.weight)[1]",
        "not that of the Jacobian",
    ),
    "actnorm: variance for standard deviation": (
        GLOW,
        "-0.5 * torch.log(floored(x",
        "-torch.log(floored(x",
        "first images",
    ),
    "whitening: eigenvalues not rooted": (
        GLOW,
        "floored(eigenvalues).sqrt()",
        "floored(eigenvalues)",
        "still correlated",
    ),
    "coupling: mean for sum": (
        GLOW,
        "torch.cat([x_a, z_b], 1), log_scale.sum((1, 2, 3))",
        "torch.cat([x_a, z_b], 1), log_scale.mean((1, 2, 3))",
        "do not cancel",
    ),
    "coupling: inverse in the wrong order": (
        GLOW,
        "z_b * (-log_scale).exp() - shift",
        "(z_b - shift) * (-log_scale).exp()",
        "does not undo",
    ),
    "coupling: does not start as the identity": (
        GLOW,
        "nn.init.zeros_(self.net[-1].bias)",
        "nn.init.ones_(self.net[-1].bias)",
        "start as identity",
    ),
    "chain: only the last log-determinant": (
        GLOW,
        "x, log_det = link.forward_and_log_det(x)\n            total = total + log_det",
        "x, log_det = link.forward_and_log_det(x)\n            total = log_det",
        "do not cancel",
    ),
    "chain: undone in the order in which it was done": (
        GLOW,
        "reversed(list(self.children()))",
        "list(self.children())",
        "does not undo",
    ),
    "draws: sum for mean": (
        GLOW,
        "torch.stack([self.log_density(y) for y in noisy]).mean(0)",
        "torch.stack([self.log_density(y) for y in noisy]).sum(0)",
        "mean over draws",
    ),
    "sampling: σ forgotten": (
        GLOW,
        "temperature * self.sigma * noise",
        "temperature * noise",
        "not as wide as the prior",
    ),
    "squeeze: another order": (GLOW, "x.permute(0, 1, 3, 5, 2, 4)", "x.permute(0, 3, 5, 1, 2, 4)", "not the inverse"),
    "unsqueeze: another order than squeeze": (
        GLOW,
        "z.permute(0, 1, 4, 2, 5, 3)",
        "z.permute(0, 1, 4, 3, 5, 2)",
        "not the inverse of squeeze",
    ),
    "split: prior of the wrong half": (
        GLOW,
        "h, z = x[:, : self.kept], x[:, self.kept :]",
        "z, h = x[:, : self.kept], x[:, self.kept :]",
        "not the prior",
    ),
    "split: scale where its inverse belongs": (
        GLOW,
        "(z - mean) * (-log_scale).exp()",
        "(z - mean) * log_scale.exp()",
        "not the prior",
    ),
    "model: D·log 256 forgotten": (
        GLOW,
        "self.centred(y), [], -math.prod(self.shape) * math.log(256)",
        "self.centred(y), [], 0",
        "not the Jacobian's",
    ),
    "model: log-determinant of a split forgotten": (
        GLOW,
        "latents.append(noise)\n                total = total + log_det",
        "latents.append(noise)",
        "not the Jacobian's",
    ),
    "model: log σ missing from the prior": (GLOW, "- math.log(self.sigma) - 0.5", "- 0.5", "not N(0, σ²)"),
    "model: no dequantisation": (
        GLOW,
        "self.log_density(y) for y in noisy",
        "self.log_density(y.floor()) for y in noisy",
        "log_prob is off",
    ),
    "Gaussian: variance of the noise forgotten": (
        GAUSSIAN,
        "self.eigenvalues + 1 / 12",
        "self.eigenvalues",
        "not the Gaussian's",
    ),
    "Gaussian: ridge not squared": (GAUSSIAN, "self.ridge**2", "self.ridge", "not the Gaussian's"),
    "Gaussian: 2π forgotten": (GAUSSIAN, "torch.log(2 * math.pi * ", "torch.log(", "not the Gaussian's"),
    "Gaussian: images not centred in their interval": (
        GAUSSIAN,
        "self.shape).double() + 0.5)",
        "self.shape).double())",
        "mean over u is off",
    ),
    "Gaussian: mirrored upside down": (GAUSSIAN, "images.flip(3)])", "images.flip(2)])", "not the Gaussian's"),
    "Gaussian: eigenvectors not transposed in sampling": (
        GAUSSIAN,
        "z @ self.eigenvectors.T",
        "z @ self.eigenvectors",
        "another covariance",
    ),
    "Gaussian: variances for standard deviations in sampling": (
        GAUSSIAN,
        "self.variances().sqrt() * noise",
        "self.variances() * noise",
        "another covariance",
    ),
    "Gaussian: covariance not divided by the number of images": (
        GAUSSIAN,
        "alpha=1 / len(images)",
        "alpha=1 / 200",
        "not the Gaussian's",
    ),
    "Gaussian: variance of the noise ignored in the mean over it": (
        GAUSSIAN,
        "middle - 0.5 * (1 / 12 / self.variances()).sum()",
        "middle",
        "mean over u is off",
    ),
    "units: natural for binary logarithm": (
        "bits.py",
        "-log_prob / (dims * math.log(2))",
        "-log_prob / dims",
        "the unit is off",
    ),
    "bound: mean of logarithms": (
        VAE,
        "(torch.logsumexp(groups, 1) - math.log(k)).mean(0)",
        "groups.mean((0, 1))",
        "do not tighten",
    ),
    "bound: sum of weights, not mean": (
        VAE,
        "(torch.logsumexp(groups, 1) - math.log(k)).mean(0)",
        "torch.logsumexp(groups, 1).mean(0)",
        "exceeds the likelihood",
    ),
    "bound: groups across images": (
        VAE,
        "groups = log_weights.reshape(draws // k, k, images)",
        "groups = log_weights.T.reshape(draws // k, k, images)",
        "exceeds the likelihood",
    ),
    "KL: sign of the logarithm": (VAE, "- 1) - log_std", "- 1) + log_std", "not its mean over draws"),
    "KL: variance for standard deviation": (
        VAE,
        "torch.exp(2 * log_std) - 1",
        "torch.exp(log_std) - 1",
        "not its mean",
    ),
    "logistic: highest bin is like the others": (
        VAE,
        "torch.where(x > 1 - half, math.inf, inverse * (centred + half))",
        "inverse * (centred + half)",
        "do not sum to one",
    ),
    "logistic: lowest bin is like the others": (
        VAE,
        "torch.where(x < half - 1, -math.inf, inverse * (centred - half))",
        "inverse * (centred - half)",
        "do not sum to one",
    ),
    "logistic: bins half as wide": (
        VAE,
        "half = 1 / (levels - 1)\n    centred",
        "half = 0.5 / (levels - 1)\n    centred",
        "sum to one",
    ),
    "ELBO: sign of the rate": (
        VAE,
        "[-rate - distortion for",
        "[rate - distortion for",
        "not minus distortion minus rate",
    ),
    "ELBO: root of the latent's standard deviation": (
        VAE,
        "return mean + log_std.exp() * noise, noise",
        "return mean + (0.5 * log_std).exp() * noise, noise",
        "not minus distortion minus rate",
    ),
    "ELBO: sum over draws": (
        VAE,
        "distortion in parts]).mean(0)",
        "distortion in parts]).sum(0)",
        "not the mean over draws",
    ),
    "start: posterior without the factor of its mean": (
        VAE,
        "(std / eigenvalues)[",
        "(1 / eigenvalues)[",
        "not the prior",
    ),
    "start: posterior without the mean of the patches": (
        VAE,
        "bias.copy_(-eigenvectors.T @ mean)",
        "bias.zero_()",
        "not the prior",
    ),
    "start: noise counted as signal": (VAE, "(eigenvalues - noise).sqrt()", "eigenvalues.sqrt()", "start as PCA"),
    "start: weakest eigenvectors first": (
        VAE,
        "(t.flip(-1) for t in torch.linalg.eigh(centred @ centred.T / x.shape[1]))",
        "torch.linalg.eigh(centred @ centred.T / x.shape[1])",
        "start as PCA",
    ),
    "sampling: uniform, not logistic": (VAE, "torch.logit(u)", "u", "another mean"),
    "sampling: scale of the logistic is the standard deviation": (
        VAE,
        "0.5 * math.log(3 * noise) - math.log(math.pi)",
        "0.5 * math.log(noise)",
        "another noise",
    ),
    "patches: put together in another order": (
        VAE,
        "x.permute(0, 1, 4, 2, 5, 3)",
        "x.permute(0, 1, 4, 3, 5, 2)",
        "in another order",
    ),
    "log-weight: the scale of q forgotten": (
        VAE,
        "(noise**2 - z**2) + log_std)",
        "(noise**2 - z**2))",
        "log-weight is off",
    ),
    "masks: mask A shows its own pixel": (
        PIXELCNN,
        '+ (kind == "B")] = 1',
        "+ 1] = 1",
        "masked convolution sees the future",
    ),
    "masks: one pixel too far": (
        PIXELCNN,
        "mask[:middle] = 1",
        "mask[: middle + 1] = 1",
        "masked convolution sees the future",
    ),
    "stacks: rows not shifted": (PIXELCNN, "return F.pad(x, (0, 0, 1, -1))", "return x", "two stacks see the future"),
    "stacks: pixels not shifted": (PIXELCNN, "return F.pad(x, (1, -1))", "return x", "two stacks see the future"),
    "stacks: the vertical one looks down": (
        PIXELCNN,
        "F.pad(x, (1, 1, 1, 0))",
        "F.pad(x, (1, 1, 0, 1))",
        "two stacks see the future",
    ),
    "stacks: the vertical one gets the horizontal one": (
        PIXELCNN,
        "v = v + gate(self.vertical(v))",
        "v = v + gate(self.vertical(v + h))",
        "two stacks see the future",
    ),
    "stacks: the horizontal one does not get the vertical one": (
        PIXELCNN,
        "gate(self.horizontal(h) + self.vertical_to_horizontal(v))",
        "gate(self.horizontal(h))",
        "the field is not what the text states",
    ),
    "left neighbour: the pixel itself": (
        PIXELCNN,
        "self.features(x), shift_right(x)).log_joint(x)",
        "self.features(x), x).log_joint(x)",
        "misses a part of its past",
    ),
    "colours: green moves with its own residual": (
        PIXELCNN,
        "self.conditional_mean(residuals[:c]) for c",
        "self.conditional_mean((residuals * 2)[1 : c + 1]) for c",
        "of all images sum to",
    ),
    "colours: blue moves with red's residual alone": (
        PIXELCNN,
        "self.conditional_mean(residuals[:c]) for c",
        "self.conditional_mean(residuals[:1] * c) for c",
        "samples do not follow",
    ),
    "mixture: weights do not sum to one": (
        PIXELCNN,
        "F.log_softmax(self.logits, 1)",
        "self.logits",
        "of all images sum to",
    ),
    "mixture: mean of logarithms": (
        PIXELCNN,
        "torch.logsumexp(F.log_softmax(self.logits, 1)[:, :, None] + log_p.cumsum(2), 1)",
        "(F.softmax(self.logits, 1)[:, :, None] * log_p.cumsum(2)).sum(1)",
        "of all images sum to",
    ),
    "sampling: the Gumbel noise is left out": (
        PIXELCNN,
        "(self.logits + gumbel).argmax(",
        "self.logits.argmax(",
        "samples do not follow",
    ),
    "sampling: a colour is not whole when the next sees it": (
        PIXELCNN,
        "residuals.append(pixel[c] - chosen.means[:, :, c])",
        "residuals.append(value - chosen.means[:, :, c])",
        "samples do not follow",
    ),
    "cache: the vertical layer's row above is stale": (
        PIXELCNN,
        "v_above[k], v = v, v +",
        "v = v +",
        "the cache is stale",
    ),
    "cache: the horizontal layer's left pixel is stale": (
        PIXELCNN,
        "h_left[k], h = ",
        "_, h = ",
        "the cache is stale",
    ),
    "cache: the image's row above is stale": (
        PIXELCNN,
        "row_above, row = row, generate_row(",
        "row = generate_row(",
        "the cache is stale",
    ),
    "cache: the image's left pixel is stale": (
        PIXELCNN,
        "before, left = left, pixels",
        "left = pixels",
        "the cache is stale",
    ),
    "dequantisation: noise centred on the grey level": (
        "bits.py",
        "y = images.float() + noise.to(images.device)",
        "y = images.float() + noise.to(images.device) - 0.5",
        "left the pixel's own interval",
    ),
    "dequantisation: one noise for all": (
        "bits.py",
        'int.from_bytes(digest.digest(), "little")',
        "0",
        "another draw must",
    ),
    "noise: variance for standard deviation": (
        DIFFUSION,
        "torch.sigmoid(gamma).sqrt()",
        "torch.sigmoid(gamma)",
        "does not preserve variance",
    ),
    "waves: the first is not shortened": (DIFFUSION, "basis[0] /= math.sqrt(2)", "basis[0] /= 1", "are no rotation"),
    "Gaussian's guess: the signal's factor forgotten": (
        DIFFUSION,
        "self.from_waves(alpha * self.variances / total",
        "self.from_waves(self.variances / total",
        "not the posterior mean",
    ),
    "Gaussian's guess: what is left is what there was": (
        DIFFUSION,
        "left = self.variances * sigma**2 / total",
        "left = self.variances + 0 * total",
        "variance that is left",
    ),
    "grid: levels below 0 and above 255 count": (
        DIFFUSION,
        "(levels >= 0) & (levels < bits.LEVELS)",
        "levels == levels",
        "grey levels",
    ),
    "price: the limit of many levels for few": (
        DIFFUSION,
        "math.expm1((LOUD - QUIET) / self.levels)",
        "((LOUD - QUIET) / self.levels)",
        "not its KL divergence",
    ),
    "price: noise over signal": (DIFFUSION, "torch.exp(-gamma) * wrong", "torch.exp(gamma) * wrong", "not its KL"),
    "price: not a mean over the levels asked": (
        DIFFUSION,
        "noise[:, k]) / asked for k",
        "noise[:, k]) for k",
        "not its KL divergence",
    ),
    "prior: log σ forgotten": (
        DIFFUSION,
        "sigma[0] ** 2 - 1) - sigma[0].log()",
        "sigma[0] ** 2 - 1)",
        "the prior's price",
    ),
    "levels: from 0, not from 1": (DIFFUSION, "max=self.levels - 1) + 1", "max=self.levels - 1)", "asked once each"),
    "levels: one for the whole batch": (
        DIFFUSION,
        "/ max(1, len(images))) % 1",
        "* 0) % 1",
        "not evenly spread",
    ),
    "bound: the prior forgotten": (
        DIFFUSION,
        "total - prior - paid.sum(1)",
        "total - paid.sum(1)",
        "is not the account",
    ),
    "descent: noise of the whole level": (
        DIFFUSION,
        "heat * sigma_s * new.sqrt() * noise",
        "heat * sigma_s * noise",
        "samples have",
    ),
    "descent: z is not brought back to full strength": (
        DIFFUSION,
        "(1 - new) * z / alpha + new",
        "(1 - new) * z + new",
        "samples have",
    ),
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The networks are tiny: several threads would mostly wait for one another, on a busy machine most of all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@functools.cache
def parts(chapter):
    """The chapter's imports, exported cells and checks, with one statement a line, however its lines are wrapped."""
    found = []
    for cell in chapters.code_cells(chapters.read(chapters.BOOK / chapter)):
        if chapters.has_tag(cell, "setup"):
            imports = [
                n for n in ast.parse(setup_cell.own(cell.source)).body if isinstance(n, ast.Import | ast.ImportFrom)
            ]
            found.append(ast.unparse(imports))
        elif chapters.has_tag(cell, "export") or chapters.has_tag(cell, "check"):
            found.append(cell.source)
    mark = "\n\n# --- next cell ---\n\n"
    wide = ("--line-length=320", "--config=format.skip-magic-trailing-comma=true")
    return export.ruff("format", *wide, source=mark.join(found)).split(mark.strip())


def cells(chapter, old=None, new=None):
    """The chapter's exported and checking cells, with one place changed."""
    found = parts(chapter)
    if old is not None:
        places = sum(source.count(old) for source in found)
        assert places == 1, f"{old!r} stands {places} times in {chapter}: the mutation needs one place"
        found = [source.replace(old, new) for source in found]
    return found


def run(sources):
    matplotlib.use("Agg")
    namespace = {"__name__": "chapter"}
    for source in sources:
        exec(compile(source, "<cell>", "exec"), namespace)


@pytest.mark.parametrize("chapter", [CLASSIFIER, GAUSSIAN, VAE, PIXELCNN, GLOW, GAN, DIFFUSION, REMEDIES])
def test_checks_pass_unbroken(chapter):
    run(cells(chapter))


@pytest.mark.parametrize("name", MUTATIONS)
def test_check_fails(name, monkeypatch):
    place, old, new, message = MUTATIONS[name]
    if place.endswith(".py"):
        source = (chapters.BOOK / "likelab" / place).read_text("utf-8")
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times in {place}"
        broken = types.ModuleType("likelab.bits")
        exec(compile(source.replace(old, new), place, "exec"), broken.__dict__)
        monkeypatch.setitem(sys.modules, "likelab.bits", broken)
        monkeypatch.setattr(likelab, "bits", broken)
        sources = cells(GAUSSIAN)
    else:
        sources = cells(place, old, new)
    with pytest.raises(AssertionError, match=re.escape(message)):
        run(sources)
