"""The pages of the site, looked at in a browser that can reach no other host.

They are served the way GitHub Pages does: under the repository's name, with 404.html in answer to an address that leads
nowhere. Screenshots of every page, light, dark and phone-sized, are left in _build/screenshots for people to look at.
"""

import gzip
import math
import re
import warnings
from functools import cache
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.test_site import BASE, PAGES, TOC
from tests.conftest import ROOT

SCREENSHOTS = ROOT / "_build/screenshots"
VIEWS = {"light": 1280, "phone": 390}
# Prose and a picture; mathematics, code and an experiment; tables, claims and experiments.
DARK = ["book/intro.html", "book/02_bits_per_dimension.html", "book/07_svhn_anomaly.html"]


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


# What a page weighs beside the theme and MathJax, and how much of it moves; when it can be seen is told.
KILOBYTES = 350
OURS = re.compile(r"(book|_images)/|_static/(explore|ask/|book\.|favicon)")
# Images come when they are scrolled to: a reader of the whole page gets all that its theme shows.
SCROLLED = """async () => {
  const shown = [...document.images].filter((image) => image.checkVisibility());
  for (const image of shown) image.loading = "eager";
  await Promise.all(shown.map((image) => image.decode().catch(() => {})));
}"""
PAINT = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const observer = new PerformanceObserver(() => {});
  observer.observe({ type: "layout-shift", buffered: true });
  const shifts = observer.takeRecords(), moved = shifts.flatMap((shift) => shift.sources.map(({ node }) => node));
  return {
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
    shift: shifts.reduce((sum, { value }) => sum + value, 0),
    worst: moved.map((node) => `${node?.nodeName}.${node?.className}`).join(" "),
  };
}"""


@cache
def kilobytes(file):
    """What a file weighs on its way to a reader."""
    body = file.read_bytes()
    packed = body if file.suffix in (".webp", ".woff2", ".woff") else gzip.compress(body, 6)
    return len(packed) / 1000


# Formulas that scroll sideways and that the tab key passes over, with all unfolded for a moment that folds.
OUT_OF_REACH = """async () => {
  const folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const wide = [...document.querySelectorAll("mjx-container[display]")].filter((f) => f.scrollWidth > f.clientWidth);
  const missed = wide.filter((formula) => formula.tabIndex !== 0).map((formula) => formula.textContent);
  for (const details of folded) details.open = false;
  return missed;
}"""


# What axe-core finds in what the theme and docutils write, and one small thing of ours: (rule, element) -> (what it is,
# a page that has it). Where that page no longer has it, the line goes.
KNOWN = {
    ("region", ".sidebar-primary-item"): ("the theme puts its search button outside the page's landmarks", "intro"),
    ("label-content-name-mismatch", ".search-button-field"): ("the theme's button shows its keys as well", "intro"),
    ("aria-required-children", ".citation-list"): ("docutils lists references in roles now withdrawn", "references"),
    ("aria-deprecated-role", ".citation-list > *"): ("the same", "references"),
    ("aria-allowed-role", ".citation-list > *"): ("the same", "references"),
    ("empty-table-header", "thead th:first-child"): (
        "a table by rows and columns: no word for its corner",
        "reproducibility",
    ),
}
# Everything unfolded, and of what a page has thousands of, code's tokens, formulas and rows, a few of each kind: else
# their contrast alone takes a quarter of a minute a chapter.
FEW_OF_EACH = """() => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const fading of document.getAnimations()) fading.finish();
  const seen = new Set();
  for (const token of document.querySelectorAll(".highlight span:not(:has(*))")) {
    if (seen.has(token.className)) token.remove();
    else seen.add(token.className);
  }
  for (const row of document.querySelectorAll("tbody tr:nth-child(n + 4)")) row.remove();
  for (const formula of [...document.querySelectorAll("mjx-container:not([display])")].slice(3)) formula.remove();
}"""


def is_one(page, target, selector):
    return page.locator(target).and_(page.locator(selector)).count() > 0


def barriers(page, only=None):
    """(what seriously bars the way for some readers and is not KNOWN, what is KNOWN); the rest is a warning."""
    page.evaluate(FEW_OF_EACH)
    options = {"preload": False, "resultTypes": ["violations"]} | ({"runOnly": only} if only else {})
    options["rules"] = {"label-content-name-mismatch": {"enabled": not only}}  # off by itself, as it is new
    found, met = [], set()
    for violation in Axe().run(page, options=options).response["violations"]:
        for target in (node["target"][0] for node in violation["nodes"]):
            known = {place for place in KNOWN if place[0] == violation["id"] and is_one(page, target, place[1])}
            met |= known
            words = f"{violation['impact']}: {violation['help']}: {target}"
            if not known and violation["impact"] in ("serious", "critical"):
                found.append(words)
            elif not known:
                warnings.warn(words, stacklevel=1)
    return found, met


def stem(name):
    return re.sub(r"\W+", "-", name.removesuffix(".html").removeprefix("book/"))


def keep(page, name, view):
    """A picture of the whole page for people to look at. JPEG, as PNG takes the processor twice as long."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{stem(name)}-{view}.jpg"
    page.screenshot(path=path, type="jpeg", quality=80, full_page=True, animations="disabled")


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_light_still_and_open_to_all(visit, built, record_property, name, view):
    asked = set()
    page, faults = visit(name, VIEWS[view], seen=lambda response: asked.add(urlsplit(response.url).path))
    page.evaluate(SCROLLED)
    look, seen, out_of_reach = page.evaluate(LOOK), page.evaluate(PAINT), page.evaluate(OUT_OF_REACH)
    keep(page, name, view)
    if view == "light":
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
        keep(page, name, "dark")
        page.emulate_media(color_scheme="light")
        page.wait_for_function("document.documentElement.dataset.theme === 'light'")
    assert faults == []
    assert look["tex"] == [] and look["mistakes"] == 0, "mathematics is not typeset"
    assert look["typeset"] == look["formulas"]
    assert look["unnamed"] == 0, "an image without alt text"
    assert look["too_wide"] <= 0, "the page scrolls sideways"
    files = {path.removeprefix(urlsplit(BASE).path) for path in asked}
    ours = sum(kilobytes(built[0] / path) for path in files if OURS.match(path))
    everything = sum(kilobytes(built[0] / path) for path in files)
    words = f"{stem(name)} {view}: {ours:.0f} of {everything:.0f} kB, first paint {seen['paint'] or math.nan:.0f} ms"
    record_property("measured", f"{words}, layout shift {seen['shift']:.3f}")
    assert ours < KILOBYTES
    assert seen["shift"] < 0.25  # formulas that are typeset
    assert not re.search("IMG|FIGURE|svg", seen["worst"]), "a figure moves"
    assert out_of_reach == []
    if view == "light":
        found, met = barriers(page)
        assert found == []
        assert {place for place, (_, where) in KNOWN.items() if where == stem(name)} <= met, (
            "gone: take it off the list"
        )


@pytest.mark.parametrize("name", DARK)
def test_a_dark_page_can_be_read(visit, name):
    page, faults = visit(name, scheme="dark")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert barriers(page, only="color-contrast")[0] == []
    assert faults == []


# At each stop of the tab key: what it is, and the contrast of its outline, or of the theme's ring, with the ground.
FOCUS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const luminance = (...layers) => {
    for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const at = document.activeElement, style = getComputedStyle(at), ground = [];
  if (at === document.body) return null;
  for (let e = at.parentElement; e; e = e.parentElement) ground.unshift(getComputedStyle(e).backgroundColor);
  const ring = style.boxShadow.match(/(rgb\\([^)]*\\)) 0px 0px 0px 3px$/)?.[1] ?? "transparent";
  const colour = style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 ? ring : style.outlineColor;
  const both = [luminance(...ground), luminance(...ground, colour)];
  return [`${at.tagName}.${at.className}`, Math.max(...both) / Math.min(...both)];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_is_seen_at_every_stop_of_the_tab_key(visit, scheme):
    page, _ = visit("book/02_bits_per_dimension.html", scheme=scheme, reduced_motion="reduce")  # rings at once
    stops = []
    while not stops or stops[-1]:
        page.keyboard.press("Tab")
        stops.append(page.evaluate(FOCUS))
    assert len(stops) > 80 and any("search-button" in stop for stop, _ in stops[:-1])
    assert {stop for stop, contrast in stops[:-1] if contrast < 3} == set()


def test_an_address_that_leads_nowhere(visit, address):
    page, faults = visit("no/such/page.html")
    assert [fault for fault in faults if "no/such/page.html" not in fault and "404 (Not Found)" not in fault] == []
    assert page.locator("article h1").inner_text() == "No such page"
    page.get_by_role("link", name="To the first page").click()
    page.wait_for_load_state()
    assert page.url == f"{address}{TOC['root']}.html"
    page.goto(f"{address}no/such/page.html")
    page.locator("article").get_by_role("link", name="Search the book").click()
    page.wait_for_load_state()
    assert page.url == f"{address}search.html"


# Scrolls to formulas; then keeps, whenever some in view are typeset, how many on the page are.
IN_VIEW = """() => {
  const formulas = [...document.querySelectorAll(".math")], seen = () => formulas.filter(inView);
  formulas[60].scrollIntoView();
  const expected = seen().length;
  window.typesetThen = [];
  new MutationObserver(() => {
    if (seen().some((formula) => formula.querySelector("mjx-container"))) {
      typesetThen.push(document.querySelectorAll("mjx-container").length);
    }
  }).observe(document.querySelector("main"), { childList: true, subtree: true });
  return expected;
}"""


def test_what_is_in_view_is_typeset_first(visit, address):
    page, faults = visit("search.html")  # a page without formulas
    page.wait_for_load_state("networkidle")  # its icon comes late, and would fail when the page is left
    held = []
    page.route("**/tex-chtml.js*", lambda route: held.append(route))
    page.goto(f"{address}book/09_constant_volume.html", wait_until="commit")
    page.wait_for_selector("footer.bd-footer", state="attached")
    expected = page.evaluate(IN_VIEW)
    held[0].continue_()
    page.wait_for_function("!document.querySelector('main .math:not(:has(mjx-container))')")
    assert 0 < page.evaluate("typesetThen[0]") <= expected < page.locator("main .math").count()
    assert faults == []


def test_paper_has_what_was_folded_and_no_dark(visit):
    page, _ = visit("book/05_glow.html", scheme="dark")
    look = """() => ({
      theme: document.documentElement.dataset.theme,
      folded: document.querySelectorAll("main details:not([open], .explore details)").length,
    })"""
    before = page.evaluate(look)
    assert before["theme"] == "dark" and before["folded"] > 0
    late = "() => { const [f] = document.querySelectorAll('.math'); f.textContent = '\\\\(late\\\\)'; waiting.add(f); }"
    page.evaluate(late)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(look) == {"theme": "light", "folded": 0}
    assert page.locator("main .math:not(:has(mjx-container))").count() == 0, "a formula that waits is printed raw"
    assert page.locator("article h1").is_visible()
    assert not page.locator("#pst-primary-sidebar").is_visible()
    wide = "() => [...document.querySelectorAll('pre')].filter((pre) => pre.scrollWidth > pre.clientWidth + 1).length"
    page.set_viewport_size({"width": 670, "height": 950})  # A4 without its margins
    assert page.evaluate(wide) == 0, "code is cut off at the margin"
    breaks = """() => [...document.querySelectorAll("div.cell_input")].map((cell) => {
      const lines = cell.textContent.trim().split("\\n").length;
      const boxes = [cell, ...cell.querySelectorAll(".highlight")].map((box) => getComputedStyle(box).breakInside);
      return [lines, boxes.includes("avoid")];
    })"""
    cells = page.evaluate(breaks)
    assert any(kept for _, kept in cells)
    assert [lines for lines, kept in cells if kept and lines > 35] == [], "long code would leave a page empty before it"
    whole = "() => [...new Set([...document.querySelectorAll('main tr, main img, main mjx-container[display]')].map("
    whole += "(part) => `${part.tagName} ${getComputedStyle(part).breakInside}`))].sort()"
    assert page.evaluate(whole) == ["IMG avoid", "MJX-CONTAINER avoid", "TR avoid"]
    rows = "() => [...document.querySelectorAll('main tr')].map((row) => getComputedStyle(row).display)"
    assert set(page.evaluate(rows)) == {"table-row"}
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(look) == before
