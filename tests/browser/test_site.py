"""The site as it lies on a disk, built as a reader gets it from a copy that has an address."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote, urldefrag, urlsplit
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from likelab import palette
from tests.conftest import ROOT
from tools.chapter import colab
from tools.website import extension

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
SOURCES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
PAGES = [*(f"{source}.html" for source in SOURCES), "search.html", "genindex.html", "404.html"]
BASE = extension.site_address(colab.ADDRESS)


def test_it_builds_strictly(built, record_property):
    folder, seconds, processor = built
    record_property("measured", f"the site was built in {seconds:.1f} s, {processor:.1f} s of them on the processor")
    assert [name for name in PAGES if not (folder / name).is_file()] == []


def test_it_publishes_the_pages_of_the_contents_and_no_other_source(built):
    published = {path.relative_to(built[0] / "_sources") for path in (built[0] / "_sources").rglob("*.*")}
    assert {str(path.with_suffix("")) for path in published} == set(SOURCES)
    assert [path for path in built[0].rglob("*") if path.suffix in {".py", ".pt", ".npz", ".mat", ".bin"}] == []


class Links(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name")}
        if target := attributes.get("href" if tag in ("a", "link") else "src"):
            self.targets.append(target)


def test_internal_links_lead_somewhere(built):
    pages = {path: Links(path) for path in built[0].rglob("*.html") if "_static" not in path.parts}
    checked, broken = 0, []
    for path, page in pages.items():
        for link in page.targets:
            target, anchor = urldefrag(link.removeprefix(BASE))  # an address of the site's own may be whole
            if urlsplit(target).scheme or link.startswith("//"):
                continue
            checked += 1
            start = built[0] if link.startswith(BASE) else path.parent
            if path.name == "404.html" and target.startswith("/"):
                start, target = built[0], target.removeprefix(urlsplit(BASE).path)
            file = (start / unquote(urlsplit(target).path)).resolve() if target else path
            if not file.is_file() or (anchor and file in pages and unquote(anchor) not in pages[file].anchors):
                broken.append(f"{path.name}: {link}")
    assert checked > 100
    assert broken == []


def test_the_site_map_names_the_pages_of_the_contents(built):
    named = [loc.text for loc in ElementTree.parse(built[0] / "sitemap.xml").iter() if loc.tag.endswith("loc")]
    assert sorted(named) == sorted(f"{BASE}{source}.html" for source in SOURCES)


def head(path):
    """{name: content} of the meta tags of a page."""
    tags = re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)"', path.read_text("utf-8"))
    return dict(tags)


@pytest.mark.parametrize("source", SOURCES)
def test_a_page_can_be_previewed_cited_and_mended(built, source):
    path = built[0] / f"{source}.html"
    tags, text = head(path), path.read_text("utf-8")
    assert tags["og:title"] and len(tags["description"]) > 40
    assert not re.search(r"&#?\w*\.\.\.$", tags["description"]), "cut off in a character"
    assert tags["og:description"] == tags["description"] and tags["twitter:card"] == "summary_large_image"
    assert "Histograms" in tags["og:image:alt"] and tags["og:site_name"] == head(built[0] / "index.html")["og:title"]
    assert tags["og:url"] == f"{BASE}{source}.html"
    assert (built[0] / tags["og:image"].removeprefix(BASE)).is_file()
    assert f'rel="canonical" href="{BASE}{source}.html"' in text
    assert 'rel="icon"' in text
    assert "Cite this page" in text and "@misc{" in text
    file = next(file for file in ROOT.glob(f"{source}.*") if file.suffix in {".md", ".ipynb"})
    place = f"main/{file.relative_to(ROOT).as_posix()}"
    assert f"{colab.ADDRESS}/edit/{place}" in text
    slug = colab.ADDRESS.removeprefix("https://github.com/")
    button = f"https://colab.research.google.com/github/{slug}/blob/{place}"
    assert (button in text) == (file.suffix == ".ipynb")
    assert 'class="left-prev"' in text or 'class="right-next"' in text
    if file.suffix == ".ipynb":
        assert "You will" in text and "<strong>Time</strong>" in text and "<strong>Needs</strong>" in text


def test_a_page_carries_the_script_of_its_figures_once(built):
    figures = 0
    for source in SOURCES:
        text = (built[0] / f"{source}.html").read_text("utf-8")
        here = text.count('<figure class="explore"')
        scripts = re.findall(r'<script defer src="[./]*(_static/explore-\w+\.js)">', text)
        assert len(scripts) == len(set(scripts)) and bool(scripts) == bool(here)
        assert "explore-controls{" not in text.replace(" ", "") and 'querySelectorAll("figure.explore' not in text
        assert all((built[0] / script).is_file() for script in scripts)
        figures += here
    assert figures >= 3


def test_every_reference_links_to_its_paper(built):
    text = (built[0] / "book/references.html").read_text("utf-8")
    entries = re.findall(r'<div class="citation"(.*?)</div>', text, re.DOTALL)
    assert len(entries) > 20
    assert [entry[:60] for entry in entries if 'class="reference external" href="http' not in entry] == []


def test_images_say_how_large_they_are(built):
    text = (built[0] / "book/02_bits_per_dimension.html").read_text("utf-8")
    images = re.findall(r'<img\b[^>]*src="\.\./_images/[^>]*>', text)
    assert images and [tag for tag in images if not re.search(r'width="\d+" height="\d+"', tag)] == []
    assert not list(built[0].glob("_images/*.png"))


def test_a_drawn_figure_has_a_version_for_each_theme(tmp_path):
    drawing = f'<svg width="504pt" height="216pt"><path fill="{palette.PAPER}" stroke="{palette.INSIDE}"/></svg>'
    (tmp_path / "a.svg").write_text(drawing)
    (tmp_path / "icon.svg").write_text("<svg/>")  # none of the book's figures
    body = extension.show_images('<img alt="A rise." src="../_images/a.svg" />', {"a.svg": tmp_path / "a.svg"})
    tags = re.findall(r'<a class="full-size (only-\w+)" href="(\S+)"[^>]*><img class="wide" (.*?) />', body)
    size = 'width="672" height="288" loading="lazy" alt="A rise."'
    assert tags == [
        ("only-light", "../_images/a.svg", f'{size} src="../_images/a.svg"'),
        ("only-dark", "../_images/a-dark.svg", f'{size} src="../_images/a-dark.svg"'),
    ]
    for _ in range(2):  # a site that is built again
        extension.in_both_themes(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-dark.svg", "a.svg", "icon.svg"]
    assert (tmp_path / "a.svg").read_text() == drawing.replace(palette.PAPER, "none")
    dark = drawing.replace(palette.PAPER, "none").replace(palette.INSIDE, palette.DARK[palette.INSIDE])
    assert (tmp_path / "a-dark.svg").read_text() == dark


def test_claims_read_as_sentences():
    stream = '<div class="output stream x"><div class="highlight"><pre><span></span>{}\n</pre></div>\n</div>'
    shown = extension.show_claims(
        stream.format("Claim 07.1 holds: all agree — Glow 1,234, VAE 0.05\nClaim 07.2 holds: b — n 3")
    )
    texts = [re.sub(r"<[^>]+>", " ", part).split() for part in re.findall(r'<p class="claim".*?</p>', shown)]
    assert [" ".join(words) for words in texts] == [
        "✓ Claim 07.1 holds. All agree. Glow 1,234 VAE 0.05",
        "✓ Claim 07.2 holds. B. n 3",
    ]
    assert 'id="claim-07.1"' in shown and "<pre>" not in shown
    other = stream.format("Claim 07.1 is one of fifteen")
    assert extension.show_claims(other) == other


def test_an_image_loses_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 4), dtype=np.uint8)
    for name, pixels in (("opaque", noise[..., :3]), ("clear", noise)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    extension.to_webp(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clear.webp", "opaque.webp"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "opaque.webp")), noise[..., :3])
    clear = np.asarray(Image.open(tmp_path / "clear.webp"))
    assert np.array_equal(clear[noise[..., 3] > 0], noise[noise[..., 3] > 0])


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/You/book", "https://you.github.io/book/"),
        ("https://github.com/you/you.github.io", "https://you.github.io/"),
        ("https://github.com/OWNER/REPO", ""),
        ("https://example.org/you/book", ""),
    ],
)
def test_the_sites_address_follows_from_the_repositorys(repository, address):
    assert extension.site_address(repository) == address


def test_the_root_address_has_the_first_pages_title_and_preview(built):
    first, tags = head(built[0] / f"{TOC['root']}.html"), head(built[0] / "index.html")
    text = (built[0] / "index.html").read_text("utf-8")
    assert tags.items() <= first.items() and {"og:title", "og:url", "og:image", "description"} <= tags.keys()
    assert f"<title>{tags['og:title']}</title>" in text and f'url={TOC["root"]}.html"' in text
    assert f'rel="canonical" href="{tags["og:url"]}"' in text
    assert (built[0] / re.search(r'rel="icon" href="([^"]+)"', text).group(1)).is_file()


def test_the_page_for_lost_readers_asks_for_nothing_beside_their_address(built):
    text = (built[0] / "404.html").read_text("utf-8")
    asked = re.findall(r'\b(?:href|src|action)="([^"#]+)"', text)
    assert len(asked) > 20
    assert [target for target in asked if not target.startswith((urlsplit(BASE).path, "https://"))] == []


def test_without_an_address_no_page_names_one():
    config = SimpleNamespace(html_title="A book", copyright="2026", author="", html_baseurl="")
    kept, image, url = (f'<meta property="og:{name}" content="x" />\n' for name in ("title", "image:alt", "url"))
    context = {"metatags": kept + image + url}
    extension.complete(SimpleNamespace(tag_here="", config=config), "a", "", context, None)
    assert context["metatags"] == kept
    cited = extension.citation("book/05_a", "A", config, "1.0.0")
    assert "url" not in cited["bibtex"] and "Release 1.0.0" in cited["words"]


@pytest.mark.parametrize("repository", ["https://github.com/OWNER/REPO", colab.ADDRESS])
def test_a_copy_without_an_address_says_so_above_every_page(repository):
    options = {"repository_url": repository}
    config = SimpleNamespace(html_theme_options=options, html_baseurl="", html_title="A book")
    extension.configure(SimpleNamespace(), config)
    assert ("make fork" in options.get("announcement", "")) == ("OWNER/REPO" in repository)
    assert config.ogp_site_url == config.html_baseurl == ("" if "OWNER/REPO" in repository else BASE)
    assert config.notfound_urls_prefix == ("/" if "OWNER/REPO" in repository else urlsplit(BASE).path)


def test_colab_opens_the_release_that_has_a_tag():
    button = {"url": "https://colab.research.google.com/github/a/b/blob/main/book/05_glow.ipynb"}
    other = {"url": "https://github.com/a/b/edit/main/book/05_glow.ipynb"}
    config = SimpleNamespace(html_theme_options={"repository_branch": "main"}, html_baseurl=BASE)
    app = SimpleNamespace(tag_here="v1.0.0", config=config)
    extension.complete(app, "book/05_glow", "", {"header_buttons": [{"buttons": [button]}, other]}, None)
    assert button["url"].endswith("/a/b/blob/v1.0.0/book/05_glow.ipynb") and "/edit/main/" in other["url"]


def test_printed_sentences_wrap_and_printed_tables_do_not():
    printed = '<div class="output stream highlight"><div class="highlight"><pre><span></span>{}\n</pre></div></div>'
    wraps = {
        "Images: 4,000 of 50,000, and\nthe next sentence.": True,
        "set      mean\nCIFAR-10 3.90": False,
        "  indented": False,
        "<span>a</span>  <span>b</span>": False,
    }
    for text, expected in wraps.items():
        assert ("sentences" in extension.let_sentences_wrap(printed.format(text))) == expected, text


def test_figures_open_in_full_size(built):
    for page in (built[0] / "book").glob("[0-9]*.html"):
        body = page.read_text("utf-8")
        opened = re.findall(r'<a class="full-size[^"]*" href="([^"]+)"[^>]*><img[^>]* src="([^"]+)"', body)
        assert len(opened) == len(re.findall(r"<img[^>]*_images/", body)) > 0, page.name
        assert all(a == b and (page.parent / a).exists() for a, b in opened), page.name


def test_a_page_with_formulas_says_without_scripts_why_they_are_raw(visit):
    for name, there in (("book/02_bits_per_dimension", 1), ("book/authoring", 0)):
        page, _ = visit(f"{name}.html", java_script_enabled=False)
        lines = page.locator("main noscript p").all()
        assert [line.is_visible() for line in lines] == [True] * there


def test_a_chapter_is_downloaded_as_a_file(visit):
    page, _ = visit("book/02_bits_per_dimension.html")
    page.get_by_role("button", name="Download this page").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=".ipynb").click()
    assert download.value.suggested_filename == "02_bits_per_dimension.ipynb"
