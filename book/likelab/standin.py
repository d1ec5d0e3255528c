"""Two synthetic sets of 32x32 colour images, for readers who have neither CIFAR-10 nor SVHN at hand.

*Leaves* stand in for CIFAR-10: occluding discs with power-law radii, the "dead leaves" model of natural
images (Lee, Mumford & Huang 2001), here with shading, veins and colours. *Plates* stand in for SVHN (Netzer
et al. 2011): a printed digit with its neighbours cut at the edges, blurred, of low contrast. Numbers in the
code were set by hand until colour, contrast and energy by frequency lay near those of the real pair; the
tests say how near. No pixel comes from a real image.

Everything follows from the seed. Glyphs are drawn by Pillow from the fonts that come with matplotlib and
sums are taken in single precision, so other versions of the libraries may move a pixel by a grey level.
"""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage, special

BLOCK = 25  # images made at once: enough to spare Python's loops, few enough for the processor's cache
SIDE = 32
PIXELS = np.arange(SIDE) - (SIDE - 1) / 2  # positions of the pixels, from the centre of the image


def leaves(n, seed) -> tuple[np.ndarray, np.ndarray]:
    """The first `n` >= 1 images of *Leaves*: uint8 (n, 3, 32, 32), and labels int64 (n,) in 0-9.

    Label = palette + 5 * shape: which of five palettes most leaves take, and whether they are round (0) or
    long (1). Image i depends on `seed` and i alone. Source: Lee, Mumford & Huang 2001.
    """
    return _in_blocks(_leaf_block, n, seed)


def plates(n, seed) -> tuple[np.ndarray, np.ndarray]:
    """The first `n` >= 1 images of *Plates*: uint8 (n, 3, 32, 32), and labels int64 (n,): the middle digit.

    Image i depends on `seed` and i alone. What they imitate: Netzer et al. 2011.
    """
    return _in_blocks(_plate_block, n, seed)


def _in_blocks(draw, n, seed):
    """Blocks are made whole, each from a generator of its own, so that image i does not depend on n."""
    blocks = [draw(np.random.default_rng([seed, block])) for block in range(-(-n // BLOCK))]
    images, labels = (np.concatenate(part)[:n] for part in zip(*blocks, strict=True))
    return images, labels


def _blur(values, points, width):
    """Values (BLOCK, C, P, P) at P x P points, each image under its own Gaussian: (BLOCK, C, 32, 32).

    `points` (P,) and `width` (BLOCK,), the standard deviation, are in pixels.
    """
    kernel = np.exp(-(((PIXELS[:, None] - points) / width[:, None, None]) ** 2) / 2)
    kernel = (kernel / kernel.sum(2, keepdims=True)).astype(np.float32)[:, None]
    return kernel @ values @ kernel.swapaxes(2, 3)


def _develop(values):
    """Real values, about on [0, 1], to uint8, by a tone curve like a film's: steepest at 0.5, no clipping."""
    return np.rint(255 * special.expit(4 * values - 2)).astype(np.uint8)


@cache
def _lights():
    """Light that grows to the right, downwards and to the rim: float32 (3, 32, 32)."""
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, SIDE, dtype=np.float32)])
    return np.stack([x, y, x**2 + y**2 - 0.7])


# --- Leaves ---------------------------------------------------------------------------------------------

COUNT = 32  # leaves in an image; a background fills what they leave open
SMALLEST, LARGEST, POWER = 1.5, 26.0, 1.6  # radii in pixels, their density proportional to radius^-POWER
PALETTES = np.array(  # offsets of red, green and blue from grey
    [
        (-0.05, 0.09, -0.10),  # foliage
        (0.12, 0.01, -0.16),  # earth
        (-0.13, 0.00, 0.19),  # sky
        (0.14, -0.06, -0.09),  # berries
        (0.01, -0.02, 0.01),  # stone
    ]
)
TEXTURES = 3  # in one image


def _leaf_block(rng):
    labels = rng.integers(10, size=BLOCK)
    open_ = _left_open(rng, labels // 5)
    paint = _paint(rng, labels % 5)
    # From front to back, leaf k shows where it covers and none before it does: open[k-1] - open[k]. The sum
    # over leaves of paint[k] times that, rearranged, needs only open[k] and the differences of paint.
    layers = paint[:, :, :1] + np.diff(paint, axis=2) @ open_
    colour, slope, gain = np.split(layers.reshape(BLOCK, -1, SIDE, SIDE), [3, 6], axis=1)
    shade = (slope * _lights()).sum(1) + (gain * _crops(rng)).sum(1)
    values = _blur(colour + shade[:, None], PIXELS, np.exp(rng.normal(-0.57, 0.15, BLOCK)))
    return _develop(values + rng.normal(0, 0.002, values.shape)), labels


def _left_open(rng, long):
    """The share of each pixel that the first 1, 2, ... leaves leave open: float32 (BLOCK, COUNT, 1024)."""
    size = (BLOCK, COUNT)
    low, high = SMALLEST ** (1 - POWER), LARGEST ** (1 - POWER)
    radius = (low + (high - low) * rng.random(size)) ** (1 / (1 - POWER))
    stretch = np.where(long, 2.2, 1.2)[:, None] * rng.uniform(0.9, 1.1, size)
    angle = rng.normal(0, 0.6, (BLOCK, 1)) + rng.normal(0, 0.4, size)  # from the horizontal
    centre = rng.uniform(-22, 22, (2, *size))

    # The leaf is where xx dx^2 + xy dx dy + yy dy^2 < radius^2: a disc, stretched along its angle.
    cos, sin = np.cos(angle), np.sin(angle)
    xx = (cos / stretch) ** 2 + (sin * stretch) ** 2
    yy = (sin / stretch) ** 2 + (cos * stretch) ** 2
    xy = 2 * cos * sin * (stretch**-2 - stretch**2)
    xx, xy, yy, radius = (a[..., None, None].astype(np.float32) for a in (xx, xy, yy, radius))
    dx, dy = (PIXELS - centre[..., None]).astype(np.float32)
    dx, dy = dx[..., None, :], dy[..., :, None]
    open_ = (np.sqrt(xx * dx**2 + (yy * dy**2 + xy * dy * dx)) - radius + 0.5).clip(0, 1)
    for k in range(1, COUNT):  # ten times as fast as numpy's cumprod along this axis
        open_[:, k] *= open_[:, k - 1]
    return open_.reshape(*size, SIDE**2)


def _paint(rng, palette):
    """What each leaf, and last the background, is painted with: float32 (BLOCK, 9, COUNT + 1).

    Red, green and blue; the strengths of the three lights; the gains of the textures.
    """
    size = (BLOCK, COUNT + 1)
    brightness = rng.normal(0.475, 0.105, (BLOCK, 1, 1))
    contrast = np.exp(rng.normal(-1.35, 0.32, (BLOCK, 1, 1)))
    grey = brightness + contrast * rng.standard_normal((*size, 1))

    stray = rng.random(size) < 0.3
    tint = PALETTES[np.where(stray, rng.integers(5, size=size), palette[:, None])]
    saturation = rng.gamma(2, 0.25, (BLOCK, 1, 1)) + rng.gamma(2, 0.2, (*size, 1))
    colour = grey + saturation * tint + rng.normal(0, 0.02, (*size, 3))

    light = 0.6 * contrast * rng.standard_normal((*size, 3)) * [1, 1, 0]  # shades the single leaf
    light += rng.normal(0, [0, 0.1, 0.1], (BLOCK, 1, 3))  # the scene: sky over ground, middle against rim
    gain = np.exp(rng.normal(-3.25, 0.4, (BLOCK, 1, 1))) * rng.exponential(size=(*size, TEXTURES))
    return np.concatenate([colour, light, gain], 2).astype(np.float32).swapaxes(1, 2)


@cache
def _textures():
    """Stripes of many widths, bent like veins or fur, of unit variance: float32 (24, 256, 256)."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    sheets = []
    for period in np.geomspace(2.5, 8, 24):  # in pixels
        angle = rng.uniform(0, np.pi)
        bend = ndimage.gaussian_filter(rng.standard_normal((256, 256)), 2 * period, mode="wrap")
        phase = 2 * np.pi / period * (np.cos(angle) * x + np.sin(angle) * y) + 6 * bend / bend.std()
        sheets.append(np.sqrt(2) * np.sin(phase))
    return np.array(sheets, dtype=np.float32)


def _crops(rng):
    """Pieces of the textures: float32 (BLOCK, TEXTURES, 32, 32)."""
    sheets = _textures()
    which = rng.integers(len(sheets), size=(BLOCK, TEXTURES, 1, 1))
    top, left = rng.integers(sheets.shape[1] - SIDE, size=(2, BLOCK, TEXTURES, 1, 1))
    return sheets[which, top + np.arange(SIDE)[:, None], left + np.arange(SIDE)]


# --- Plates ---------------------------------------------------------------------------------------------

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "cmb10.ttf",
    "cmss10.ttf",
)
CELL, HEIGHT = 64, 40  # in the table of glyphs each has a cell CELL x CELL, the digit itself is HEIGHT high
NOTHING = 10  # the place of the empty cell
FINE = np.linspace(-20, 20, 64)  # plates are laid out on a finer grid than PIXELS, with a margin to blur from
WARMTH = np.array([1.0, -0.1, -1.1])  # from bluish to brownish


@cache
def _glyphs():
    """Ten digits and an empty cell in each font: uint8 (fonts, 11, CELL, CELL); their spacing (fonts,)."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    table = np.zeros((len(FONTS), 11, CELL, CELL), np.uint8)
    spacing = np.zeros(len(FONTS))
    for row, name in enumerate(FONTS):
        _, top, _, bottom = ImageFont.truetype(folder / name, 100).getbbox("0")
        font = ImageFont.truetype(folder / name, round(100 * HEIGHT / (bottom - top)))
        spacing[row] = font.getlength("0")
        for digit in range(10):
            cell = Image.new("L", (CELL, CELL))
            ImageDraw.Draw(cell).text((CELL / 2, (CELL + HEIGHT) / 2), str(digit), 255, font, anchor="ms")
            table[row, digit] = np.asarray(cell)
    return table, spacing


def _plate_block(rng):
    digits = rng.integers(10, size=(BLOCK, 3))
    labels = digits[:, 1].copy()
    digits[:, ::2][rng.random((BLOCK, 2)) < 0.3] = NOTHING
    masks = _blur(_layout(rng, digits), FINE, np.exp(rng.normal(0.08, 0.4, BLOCK)))
    ink, wall = masks[:, :1], masks[:, 1:]

    brightness = rng.normal(0.445, 0.235, (BLOCK, 1))
    contrast = np.exp(rng.normal(-0.75, 0.5, (BLOCK, 1)))
    contrast *= np.where(rng.random((BLOCK, 1)) < brightness, -1, 1)  # dark digits mostly on bright plates
    plate = _tint(rng, brightness)
    digit = _tint(rng, brightness + contrast)
    behind = _tint(rng, brightness + rng.normal(0, 0.15, (BLOCK, 1)))
    slope = rng.normal(0, 0.07, (BLOCK, 1, 2)) + rng.normal(0, 0.015, (BLOCK, 1, 2)) * WARMTH[:, None]
    light = np.einsum("bci,iyx->bcyx", slope, _lights()[:2])
    grain = rng.normal(0, 0.002, (BLOCK, 1, SIDE, SIDE))
    return _develop(plate + wall * (behind - plate) + ink * (digit - plate) + light + grain), labels


def _tint(rng, grey):
    """A colour near each grey (BLOCK, 1): (BLOCK, 3, 1, 1)."""
    warm = rng.normal(-0.006, 0.05, grey.shape) * WARMTH
    return (grey + warm + rng.normal(0, 0.02, warm.shape))[..., None, None]


def _layout(rng, digits):
    """Where the ink is, and the wall beyond the plate: (BLOCK, 2, 64, 64) on [0, 1]. `digits` (BLOCK, 3)."""
    table, spacing = _glyphs()

    def each(values):  # one number an image, against its points
        return values[:, None, None]

    font = each(rng.integers(len(FONTS), size=BLOCK))
    zoom = each(HEIGHT / rng.uniform(22, 31, BLOCK))  # table points a pixel
    angle, slant = each(rng.normal(0, 0.07, BLOCK)), each(rng.normal(0.03, 0.1, BLOCK))
    x = FINE - each(rng.normal(0, 1.5, BLOCK))
    y = FINE[:, None] - each(rng.normal(0, 1.5, BLOCK))
    v = zoom * (np.cos(angle) * y - np.sin(angle) * x)
    u = zoom * (np.cos(angle) * x + np.sin(angle) * y) / each(rng.uniform(0.75, 1.05, BLOCK)) + slant * v

    step = spacing[font] * each(rng.uniform(1.0, 1.2, BLOCK))
    place = np.rint(u / step).clip(-1, 1)  # the left, middle or right digit
    shown = np.take_along_axis(each(digits), (place + 1).astype(int)[..., None], 3)[..., 0]
    column = (u - place * step + CELL / 2).astype(int).clip(0, CELL - 1)
    row = (v + CELL / 2).astype(int).clip(0, CELL - 1)
    ink = table[font, shown, row, column] / np.float32(255)

    turn = each(np.pi / 2 * rng.integers(4, size=BLOCK))  # the side on which the plate ends, if it does
    wall = np.cos(turn) * u + np.sin(turn) * v > zoom * each(rng.uniform(11, 25, BLOCK))
    return np.stack([ink, wall], 1)
