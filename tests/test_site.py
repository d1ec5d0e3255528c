"""The site, built as a reader gets it and looked at in a browser that can reach no other host.

Screenshots of every page, light, dark and phone-sized, are left in _build/screenshots for people to look at.
"""

import os
import re
import subprocess
import sys
import threading
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
import yaml

from conftest import ROOT

SCREENSHOTS = ROOT / "_build/screenshots"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
SOURCES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
PAGES = [*(f"{source}.html" for source in SOURCES), "search.html", "genindex.html"]
VIEWS = {"light": (1280, "light"), "dark": (1280, "dark"), "phone": (390, "light")}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(folder of the pages, seconds that the strict build took, of them seconds of processor time)."""
    target, start = tmp_path_factory.mktemp("site"), os.times()
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "--path-output", target]
    run = subprocess.run([*command, "-W", "-n", "--keep-going", "-q"], capture_output=True, text=True)
    assert run.returncode == 0, f"the strict build failed:\n{run.stderr}"
    end = os.times()
    processor = end.children_user + end.children_system - start.children_user - start.children_system
    return target / "_build/html", end.elapsed - start.elapsed, processor


@pytest.fixture(scope="module")
def address(built):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built[0])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def visit(browser, address):
    """visit(page name, width, colour scheme) -> (page, list of what went wrong while it loaded)."""
    contexts = []

    def visit(name, width=1280, scheme="light", **options):
        size = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme, **options))
        page, faults = contexts[-1].new_page(), []

        def route(route):
            if route.request.url.startswith((address, "data:", "blob:")):
                return route.continue_()
            faults.append(f"asked another host: {route.request.url}")
            route.abort()

        contexts[-1].route("**/*", route)
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
        page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url}"))
        page.goto(address + name, wait_until="load")
        if options.get("java_script_enabled", True):
            page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; }")
        return page, faults

    yield visit
    for context in contexts:
        context.close()


def test_it_builds_strictly_in_half_a_minute(built, capsys):
    folder, seconds, processor = built
    with capsys.disabled():
        print(f"\nThe site was built in {seconds:.1f} s, {processor:.1f} s of them on the processor.")
    assert [name for name in PAGES if not (folder / name).is_file()] == []
    assert processor < 30  # waiting for other programs does not count


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
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            checked += 1
            file = (path.parent / unquote(urlsplit(target).path)).resolve() if target else path
            if not file.is_file() or (anchor and file in pages and unquote(anchor) not in pages[file].anchors):
                broken.append(f"{path.name}: {link}")
    assert checked > 100
    assert broken == []


LOOK = r"""() => {
  const main = document.querySelector("main"), prose = main.cloneNode(true);
  prose.querySelectorAll("pre, code, script, style, mjx-container").forEach((node) => node.remove());
  return {
    tex: prose.textContent.match(/\\[(\[]|\$\$|\\[a-z]{2,}/g) ?? [],
    formulas: main.querySelectorAll(".math").length,
    typeset: main.querySelectorAll(".math mjx-container").length,
    mistakes: main.querySelectorAll("mjx-merror, [data-mjx-error]").length,
    unnamed: [...main.querySelectorAll("img")].filter((img) => !img.alt || /\.\w{3,4}$/.test(img.alt)).length,
    too_wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
}"""


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_page(visit, name, view):
    page, faults = visit(name, *VIEWS[view])
    look = page.evaluate(LOOK)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"\W+", "-", name.removesuffix(".html").removeprefix("book/"))
    page.screenshot(path=SCREENSHOTS / f"{stem}-{view}.png", full_page=True, animations="disabled")
    assert faults == []
    assert look["tex"] == [] and look["mistakes"] == 0, "mathematics is not typeset"
    assert look["typeset"] == look["formulas"]
    assert look["unnamed"] == 0, "an image without alt text"
    assert look["too_wide"] <= 0, "the page scrolls sideways"


@pytest.fixture
def threshold(visit):
    """The experiment of chapter 07: (page, its slider, what it says in words)."""
    page, _ = visit("book/07_svhn_anomaly.html")
    figure = page.locator('figure.explore[data-explore-id="threshold"]')
    figure.scroll_into_view_if_needed()
    return page, figure.locator("input[type=range]").first, figure.locator("output")


def test_the_threshold_moves_by_keys(threshold):
    _, slider, words = threshold
    slider.focus()
    said = {}
    for key in ("Home", "ArrowRight", "PageUp", "End", "ArrowLeft", "Home"):
        slider.press(key)
        said[float(slider.input_value())] = words.inner_text()
    low, high = float(slider.get_attribute("min")), float(slider.get_attribute("max"))
    assert {low, high} <= said.keys() and len(said) == 5, "a key did not move the slider"
    assert said[low] != said[high], "the slider moves and the figure does not"


def test_the_threshold_moves_by_mouse(threshold):
    page, slider, words = threshold
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    said, values = [], []
    page.mouse.move(box["x"] + 0.1 * box["width"], middle)
    page.mouse.down()
    for share in (0.1, 0.5, 0.9):
        page.mouse.move(box["x"] + share * box["width"], middle, steps=5)
        values.append(float(slider.input_value()))
        said.append(words.inner_text())
    page.mouse.up()
    assert values == sorted(set(values)) and len(set(said)) > 1


def test_the_threshold_is_a_figure_without_script(visit):
    page, _ = visit("book/07_svhn_anomaly.html", java_script_enabled=False)
    figure = page.locator('figure.explore[data-explore-id="threshold"]')
    assert figure.locator("svg").first.is_visible()
    assert figure.locator("output").inner_text().strip()
