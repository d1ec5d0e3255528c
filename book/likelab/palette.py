"""The colours of the book, on light pages and on dark ones.

Sets of images are Okabe and Ito's colour-blind-safe blue and vermilion, darkened until they stand out from the paper by
4.5 to 1. A model has one colour throughout the book; what colour tells, a label or a style of line tells as
well.
"""

PAPER, INK = "#fbfaf7", "#1f1f1f"
INSIDE, OUTSIDE, TRAIN = "#0065a3", "#b84a00", "#6b6b6b"
MODELS = {
    "Gaussian": "#6d5a00",
    "VAE": "#7b4b94",
    "PixelCNN": "#00734f",
    "Glow": "#b0246a",
    "diffusion": "#00707f",
    "GAN": "#7a4a2b",
    "classifier": "#4a5560",
}
LINES = dict(zip(MODELS, ("-", "--", "-.", "-", ":", "--", "-."), strict=True))
DARK = {
    PAPER: "none",
    INK: "#e6e6e6",
    "#000000": "#e6e6e6",
    "#ffffff": "#222832",
    INSIDE: "#5fb0ea",
    OUTSIDE: "#ff9152",
    TRAIN: "#a8a8a8",
    "#6d5a00": "#d6bf4a",
    "#7b4b94": "#c79be0",
    "#00734f": "#4fc79a",
    "#b0246a": "#f27fb5",
    "#00707f": "#4fc3d1",
    "#7a4a2b": "#c99a78",
    "#4a5560": "#a9b5c0",
}
