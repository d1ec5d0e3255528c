"""What every page of the site has beside its text: a Sphinx extension, for what _config.yml cannot say.

- The site's own address, from `repository: url`, unless `html: baseurl` gives one. The extensions that write a page's
  preview, the site map and the page for addresses that lead nowhere get it from here. With the placeholder there is
  none, and a line above every page says so.
- The root address, which leads on to the first page, has that page's title and preview; every page says how to cite it.
- Colab opens the release that the library here is of, once that release has its tag; before that, the branch.
- Explorable figures share one script and one style sheet a site; a notebook carries them in each figure. What a
  figure computes with is a file as well, as some hosts refuse scripts within a page.
- Images say how large they are, so that text does not jump when they arrive. Drawn figures come in two versions, for
  light pages and for dark ones; others are stored as WebP without loss, which takes half of the bytes of a PNG. Each
  leads to itself in full size.
- A claim reads as a sentence with a mark and its numbers.
- What only a site can do in the text of a chapter: links to references, chapters and the glossary (crossrefs.py).
- Printed sentences, told from printed tables, may wrap. Folds are named by what they read, and where scripts are off a
  line says why formulas are raw.
"""

import hashlib
import re
import subprocess
from html import escape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from PIL import Image

from likelab import palette
from tools.chapter import setup_cell
from tools.website import crossrefs

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = "OWNER/REPO"
NO_ADDRESS = (
    "This copy does not know its address yet, so its buttons for Colab and the repository lead nowhere. "
    "The command make fork gives it one."
)
FIGURE = re.compile(
    r'(<figure class="explore"[^>]*>)<style>(?P<css>.*?)</style>(.*?</figure>)'
    # What a figure computes with, before the script that draws
    r"(?:<script>(?P<own>\(globalThis\.exploreFunctions.*?)</script>)?<script>(?P<js>.*?)</script>",
    re.S,
)
CLAIM = re.compile(r"Claim (\d\d\.\d+) holds: (.*) — (.*)")
EXPLORE = ROOT / "book/likelab/explore/explore.js"  # and .css: of a figure that is stored without, as the first page's
WIDE = 560  # pixels from which a figure takes the width of the text
PREVIEW = re.compile(r'<meta (?:property="og:|name="(?:description|twitter:))[^>]*>')
NO_SCRIPT = (
    "<noscript><p><em>Formulas stand here as they are written, in TeX: to typeset them the page needs JavaScript."
    "</em></p></noscript>"
)
NEEDS_ADDRESS = re.compile(r'<meta property="og:(?:url|image)[^>]*>\n')


def site_address(repository):
    """Where GitHub Pages puts the site of a repository, or "" for another host and for the placeholder."""
    match = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", repository)
    if not match or PLACEHOLDER in repository:
        return ""
    owner, name = match.groups()
    root = f"https://{owner.lower()}.github.io/"
    return root if name.lower() == f"{owner.lower()}.github.io" else f"{root}{name}/"


def configure(app, config):
    repository = config.html_theme_options.get("repository_url", "")
    base = config.html_baseurl or site_address(repository)
    config.html_baseurl = base and base.rstrip("/") + "/"
    if PLACEHOLDER in repository:
        config.html_theme_options["announcement"] = NO_ADDRESS
    config.ogp_site_url, config.ogp_site_name = config.html_baseurl, config.html_title
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"
    app.release_here = setup_cell.version(ROOT)
    tag = ["git", "tag", "--list", f"v{app.release_here}"]
    try:
        app.tag_here = subprocess.run(tag, cwd=ROOT, capture_output=True, encoding="utf-8").stdout.strip()
    except OSError:  # no git: the pages were not made in a clone
        app.tag_here = ""


def cite(app, name, template, context, doctree):
    """Before the theme drops the parts of a page that are empty: how to cite it."""
    if doctree is not None:
        cited = ("", "") if name == app.config.root_doc else (name, re.sub(r"<[^>]+>", "", context["title"]))
        context["citation"] = citation(*cited, app.config, app.release_here)


def complete(app, name, template, context, doctree):
    """After the theme has made its buttons: what is changed in them, in the preview, and in the text."""
    if not app.config.html_baseurl:
        context["metatags"] = NEEDS_ADDRESS.sub("", context.get("metatags", ""))
    if app.tag_here:
        branch = app.config.html_theme_options["repository_branch"]
        for button in colab_buttons(context.get("header_buttons", [])):
            button["url"] = button["url"].replace(f"/blob/{branch}/", f"/blob/{app.tag_here}/")
    if name == "search":
        app.add_js_file("search.js", loading_method="defer")  # after Sphinx's own, before the query
    if "body" in context:
        images = {file: Path(app.srcdir) / source for source, file in app.builder.images.items()}
        body = show_claims(share_scripts(app, name, context["body"]))
        body = explain_formulas(name_folds(let_sentences_wrap(body)))
        context["body"] = show_images(body, images)


def colab_buttons(buttons):
    for button in buttons:
        yield from colab_buttons(button.get("buttons", []))
        if "colab" in button.get("url", ""):
            yield button


def share_scripts(app, name, body):
    """The body with each figure's scripts and style sheet in files of the site. They are there once a page."""
    seen, back = set(), "../" * name.count("/")

    def once(text, suffix, element):
        file = f"explore-{hashlib.sha256(text.encode()).hexdigest()[:8]}.{suffix}"
        if file in seen:
            return ""
        seen.add(file)
        target = Path(app.outdir) / "_static" / file
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8")
        return element.format(f"{back}_static/{file}")

    def shared(match):
        opening, css, rest, own, js = match.groups()
        css, js = css or EXPLORE.with_suffix(".css").read_text("utf-8"), js or EXPLORE.read_text("utf-8")
        style = once(css, "css", '<link rel="stylesheet" href="{}">')
        function = once(own, "js", '<script src="{}"></script>') if own else ""  # not deferred: before what draws
        return opening + style + rest + function + once(js, "js", '<script defer src="{}"></script>')

    return FIGURE.sub(shared, body)


def explain_formulas(body):
    """The body with a line below its title that says, where scripts are off, why its formulas are raw."""
    return body.replace("</h1>", f"</h1>\n{NO_SCRIPT}", 1) if 'class="math ' in body else body


def name_folds(body):
    """The body whose folded cells are called what they read, "Show code cell source", also by who speaks to a page."""
    return body.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def let_sentences_wrap(body):
    """The body with the class `sentences` at each printed output that has no columns: no two spaces in a row."""

    def marked(match):
        columns = re.search(r"\S {2,}\S|^ ", re.sub(r"<[^>]+>", "", match["text"]), re.M)
        return match.group() if columns else match.group().replace("output stream", "output stream sentences", 1)

    return re.sub(
        r'<div class="output stream[^>]*><div class="highlight"><pre>(?P<text>.*?)</pre>', marked, body, flags=re.S
    )


def show_claims(body):
    """The body with each printed claim as a paragraph: a mark, the sentence, and what was measured."""

    def shown(match):
        claims = []
        for line in re.sub(r"<[^>]+>", "", match["text"]).strip().split("\n"):
            if (claim := CLAIM.fullmatch(line)) is None:
                return match.group()
            number, statement, values = claim.groups()
            values = "".join(f"<span>{value}</span>" for value in values.split(", "))
            claims.append(
                f'<p class="claim" id="claim-{number}"><span class="tick" aria-hidden="true">✓</span> '
                f"<strong>Claim {number} holds.</strong> {statement[0].upper()}{statement[1:]}. "
                f'<span class="measured">{values}</span></p>'
            )
        return f'<div class="output claims">{"".join(claims)}</div>'

    stream = r'<div class="output stream[^>]*><div class="highlight"><pre>(?P<text>.*?)</pre>\s*</div>\s*</div>'
    return re.sub(stream, shown, body, flags=re.S)


def show_images(body, images):
    """The body with a link to itself around each image, which gets its width and height.

    images: {name on the site: file}. A PNG becomes a WebP; an SVG two files, of which a page's theme shows one.
    """

    def shown(match):
        tag, source = match.group(), re.search(r'\bsrc="([^"]*_images/([^"/]+)\.(png|svg))"', match.group())
        if source is None or (file := images.get(f"{source[2]}.{source[3]}")) is None:
            return tag
        address, _, kind = source[1].rpartition(".")
        if not re.search(r"\b(width|height|style)=", tag):
            width, height = pixels(file)
            wide = ' class="wide"' if width > WIDE else ""
            tag = f'<img{wide} width="{width}" height="{height}" loading="lazy"{tag[4:]}'
        if kind == "png":
            return full_size(tag.replace(source[1], f"{address}.webp"), f"{address}.webp", "")
        dark = full_size(tag.replace(source[1], f"{address}-dark.svg"), f"{address}-dark.svg", " only-dark")
        return full_size(tag, source[1], " only-light") + dark

    return re.sub(r"<img\b[^>]*>", shown, body)


def full_size(tag, address, theme):
    return f'<a class="full-size{theme}" href="{address}" title="Full size">{tag}</a>'


def pixels(file):
    """Width and height of a picture on a page."""
    if file.suffix == ".png":
        with Image.open(file) as image:
            return image.size
    sizes = re.search(r'<svg\b[^>]*\bwidth="([\d.]+)pt" height="([\d.]+)pt"', file.read_text("utf-8"))
    return tuple(round(float(size) * 4 / 3) for size in sizes.groups())  # 72 points are 96 pixels


def to_webp(folder):
    """Give every PNG of a folder a WebP of the same name, pixel for pixel, and remove the PNG."""
    for file in sorted(folder.glob("*.png")):
        target = file.with_suffix(".webp")
        if not target.exists() or target.stat().st_mtime < file.stat().st_mtime:
            with Image.open(file) as image:
                opaque = "A" not in image.getbands() or image.getchannel("A").getextrema()[0] == 255
                image.convert("RGB" if opaque else "RGBA").save(target, lossless=True)
        file.unlink()


def in_both_themes(folder):
    """Give every drawn figure of a folder a version for dark pages, and take the paper from under it."""
    colour = re.compile("|".join(palette.DARK))
    for file in sorted(folder.glob("*.svg")):
        text = file.read_text("utf-8")
        if not file.stem.endswith("-dark") and palette.PAPER in text:
            dark = colour.sub(lambda match: palette.DARK[match[0]], text)
            file.with_name(f"{file.stem}-dark.svg").write_text(dark, "utf-8")
            file.write_text(text.replace(palette.PAPER, "none"), "utf-8")


def citation(name, title, config, release):
    """How to cite a page, in words and for BibTeX; without a name, the whole book."""
    book, year = config.html_title, config.copyright
    authors = config.author or f"The authors of {book}"
    address = config.html_baseurl and urljoin(config.html_baseurl, f"{name}.html" if name else "")
    key = re.sub(r"\W+", "-", Path(name).name or "book")
    fields = {"author": f"{{{authors}}}", "title": title or book}
    fields |= {"howpublished": f"In: {book}"} if name else {}
    fields |= {"note": f"Release {release}", "year": year} | ({"url": address} if address else {})
    width = max(map(len, fields))
    bibtex = "".join(f"  {field:{width}} = {{{value}}},\n" for field, value in fields.items())
    words = f"{title}. In: {book}" if name else book
    return {
        "words": f"{authors} ({year}). {words}. Release {release}.{f' {address}' if address else ''}",
        "bibtex": f"@misc{{{key},\n{bibtex}}}",
    }


def lead_on(out, first, config):
    """Write index.html, which leads on to the page `first` and has its title and preview."""
    head = [f"<title>{escape(config.html_title)}</title>", *PREVIEW.findall((out / first).read_text("utf-8"))]
    head.append(f'<link rel="icon" href="_static/{Path(config.html_favicon).name}" />')
    if config.html_baseurl:
        head.append(f'<link rel="canonical" href="{urljoin(config.html_baseurl, first)}" />')
    lines = ["<!DOCTYPE html>", '<html lang="en-GB">', "<head>", '<meta charset="utf-8" />', *head]
    lines += [f'<meta http-equiv="refresh" content="0; url={first}" />', "</head>"]
    lines += [f'<body><a href="{first}">To the first page</a></body>', "</html>", ""]
    (out / "index.html").write_text("\n".join(lines), "utf-8")


def ask_for_the_handle(app, uri):
    """For the check of links: whether doi.org knows a DOI, as the publishers it leads to turn programs away."""
    doi = uri.removeprefix("https://doi.org/")
    return None if doi == uri else f"https://doi.org/api/handles/{doi}"


def finish(app, exception):
    if exception or app.builder.format != "html":
        return
    out = Path(app.outdir)
    to_webp(out / "_images")
    in_both_themes(out / "_images")
    lead_on(out, f"{app.config.root_doc}.html", app.config)


def setup(app):
    app.connect("config-inited", configure, priority=900)
    app.connect("source-read", crossrefs.read_source)
    app.connect("html-page-context", cite, priority=400)
    app.connect("html-page-context", complete, priority=900)
    app.connect("linkcheck-process-uri", ask_for_the_handle)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
