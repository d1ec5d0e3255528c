"""Cut the theme's icon fonts down to the icons in use (run it after an upgrade of the theme).

An icon that is missing here is still shown: the browser then loads the theme's whole font (270 kB).
"""

from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome/webfonts"
TARGET = Path(__file__).resolve().parents[2] / "book/_static/vendor/icons"
SOLID = (
    "f002 f00c f00d f019 f03a f042 f057 f058 f05a f062 f064 f065 f06a f071 f0c9 f0eb f0f3 f104 f105 f107 "
    "f135 f15b f185 f186 f1c1 f303 f35d"
)
BRANDS = "f09b"


def cut(source, target, codes):
    font = TTFont(THEME / source)
    cutter = subset.Subsetter(subset.Options(layout_features=[], notdef_outline=True))
    cutter.populate(unicodes=[int(code, 16) for code in codes.split()])
    cutter.subset(font)
    for record in font["name"].names:  # the licence reserves the name for the whole font
        if record.nameID in (1, 3, 4, 6, 16):
            record.string = "BookIcons"
    font.flavor = "woff"
    font.save(TARGET / target)


if __name__ == "__main__":
    cut("fa-solid-900.ttf", "solid.woff", SOLID)
    cut("fa-brands-400.ttf", "brands.woff", BRANDS)
