"""The experiments on the built site, found there: moved by keys, mouse and touch, without script, timed, weighed."""

import re
from contextlib import ExitStack
from functools import lru_cache

import pytest

from likelab.explore import Choice
from likelab.explore.experiment import MAX_BYTES
from tests.browser.test_explore_page import NEXT_FRAME
from tests.conftest import visiting
from tests.support.page_experiment import COMPUTED, PageExperiment
from tools.chapter import chapters

ID = re.compile(r'data-explore-id=\\"([a-z0-9-]+)\\"')
FOUND = [(path.stem, id) for path in chapters.paths() for id in dict.fromkeys(ID.findall(path.read_text("utf-8")))]
CHAPTERS = list(dict.fromkeys(chapter for chapter, _ in FOUND))


@pytest.fixture(scope="module")
def open_chapter(browser, address):
    """open_chapter(name), which stays open for all of its experiments, to a reader who touches and dislikes motion."""
    with ExitStack() as stack:

        @lru_cache(1)
        def open_chapter(name):
            stack.close()
            options = {"has_touch": True, "reduced_motion": "reduce"}
            return stack.enter_context(visiting(browser, address, f"book/{name}.html", **options))

        yield open_chapter


@pytest.fixture(scope="module", params=FOUND, ids="-".join)
def place(request, open_chapter):
    """An experiment on its page."""
    chapter, id = request.param
    page, faults = open_chapter(chapter)
    return page, PageExperiment(page.locator(f'figure.explore[data-explore-id="{id}"]')), faults


@pytest.fixture
def twin(place):
    """The experiment; at the end of each test nothing may have gone wrong on its page."""
    page, twin, faults = place
    page.set_viewport_size({"width": 1280, "height": 900})
    yield twin
    assert faults == []


def middle(locator):
    """Bring an element to the middle of the window: its (left, width, middle height) there."""
    locator.evaluate("(element) => element.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = locator.bounding_box()
    return box["x"], box["width"], box["y"] + box["height"] / 2


def field(twin, control):
    return twin.figure.locator(f'.explore-controls [name="{control.name}"]')


def test_the_page_has_the_experiments_of_its_chapter(built):
    pages = {path.stem: path.read_text("utf-8") for path in (built[0] / "book").glob("[0-9]*.html")}
    ids = {name: re.findall(r'<figure class="explore" data-explore-id="([^"]+)"', html) for name, html in pages.items()}
    assert [(chapter, id) for chapter in sorted(ids) for id in ids[chapter]] == FOUND != []


def test_keys_move_every_control_to_its_ends(place, twin):
    for control in twin.controls:
        last, shown = len(control.settings) - 1, set()
        back, forth = ("ArrowUp", "ArrowDown") if isinstance(control, Choice) else ("ArrowLeft", "ArrowRight")
        field(twin, control).focus()
        for key, position in (("Home", 0), (forth, 1), ("End", last), (back, last - 1)):
            place[0].keyboard.press(key)
            settings, all = twin.look()
            assert settings[control.name] == control.settings[position], key
            shown.add(all)
        assert len(shown) > 1, f"{control.name!r} moves and the figure does not"


DRAG = (0.1, 0.5, 0.9)  # places along a slider or a plot, as shares of it


def draggable(twin):
    """(controls, places to press and go to) for each slider and each plot that is dragged, aslant if it moves two."""
    for control in twin.controls:
        if not isinstance(control, Choice):
            left, width, y = middle(field(twin, control))
            yield [control], [(left + 10 + share * (width - 20), y) for share in DRAG]
    for i, plot in enumerate(twin.plots):
        if plot["drag"]:
            svg = twin.figure.locator(".explore-plot > svg").nth(i)
            left, width, centre = middle(svg)
            (x, y, wide, high), scale = plot["panels"][0]["box"], width / plot["width"]
            top = centre - plot["height"] * scale / 2
            controls = [control for control in twin.controls if control.name in plot["drag"]]
            down = DRAG if len(controls) > 1 else [0.5] * len(DRAG)
            shares = zip(DRAG, down, strict=True)
            yield controls, [(left + (x + a * wide) * scale, top + (y + b * high) * scale) for a, b in shares]


def drag(twin, act):
    """Press at the first place, move to each of them, let go; the controls must follow."""
    for controls, places in draggable(twin):
        seen = []
        for kind, (x, y) in zip(["press", *["move"] * (len(places) - 1)], places, strict=True):
            act(kind, x, y)
            settings, _ = twin.look()
            seen.append([settings[control.name] for control in controls])
        act("release", x, y)
        for control, values in zip(controls, zip(*seen, strict=True), strict=True):
            assert list(values) in (sorted(set(values)), sorted(set(values))[::-1]), f"{control.name!r}: {values}"


def test_the_mouse_drags_sliders_and_plots(place, twin):
    page = place[0]

    def act(kind, x, y):
        page.mouse.move(x, y)
        if kind != "move":
            page.mouse.down() if kind == "press" else page.mouse.up()

    drag(twin, act)


def test_a_finger_drags_sliders_and_plots_on_a_phone(place, twin):
    page = place[0]
    page.set_viewport_size({"width": 390, "height": 800})
    devtools = page.context.new_cdp_session(page)
    kinds = {"touch": "touchStart", "press": "touchMove", "move": "touchMove", "release": "touchEnd"}

    def act(kind, x, y):
        if kind == "press":  # beside the place, then to it: a plot waits until a finger goes sideways
            act("touch", x + 30, y)
        points = [] if kind == "release" else [{"x": x, "y": y}]
        devtools.send("Input.dispatchTouchEvent", {"type": kinds[kind], "touchPoints": points})
        page.evaluate(NEXT_FRAME)

    drag(twin, act)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_tab_key_reaches_every_control(place, twin):
    page, figure = place[0], twin.figure
    stops = "(f) => [...f.querySelectorAll('select, input, button, a, summary, [tabindex=\"0\"]')]"
    figure.evaluate("(f) => { f.querySelector('details').open = true; f.tabIndex = -1; f.focus(); }")
    count, reached = figure.evaluate(f"(f) => ({stops})(f).length"), []
    for _ in range(count):
        page.keyboard.press("Tab")
        at, outline = figure.evaluate(
            f"(f) => [({stops})(f), document.activeElement].reduce((all, at) =>"
            " [all.indexOf(at), getComputedStyle(at).outlineStyle])"
        )
        reached.append(at)
        assert outline != "none", "the focus is not seen"
    assert reached == list(range(count)) and count >= len(twin.controls) + 2
    page.keyboard.press("Tab")
    assert figure.evaluate("(f) => !f.contains(document.activeElement)"), "a trap for the keyboard"
    assert page.evaluate('document.querySelectorAll(\'[tabindex]:not([tabindex="0"], [tabindex="-1"])\').length') == 0
    figure.evaluate("(f) => { f.querySelector('details').open = false; f.removeAttribute('tabindex'); }")


def test_nothing_animates_for_a_reader_who_wants_less_motion(place, twin):
    page = place[0]
    assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    unfold = "document.querySelectorAll('details').forEach((fold) => (fold.open = !fold.open)); "
    unfold += "document.getAnimations().length"
    field(twin, twin.controls[0]).press("End")
    assert page.evaluate(unfold) == 0 == page.evaluate(unfold)
    shown = twin.figure.inner_html()
    page.evaluate(NEXT_FRAME)
    assert twin.figure.inner_html() == shown


TIMES = """(figure) => {
    const fields = [...figure.querySelectorAll(".explore-controls [name]")];
    return Array.from({ length: 50 }, (_, i) => {
        const field = fields[i % fields.length];
        if (field.options) field.selectedIndex = (field.selectedIndex + 1) % field.options.length;
        else field.value = Number(field.min) + ((i * 0.37) % 1) * (field.max - field.min);
        const start = performance.now();
        field.dispatchEvent(new Event("input", { bubbles: true }));
        figure.getBoundingClientRect();  // layout included
        return performance.now() - start;
    }).sort((a, b) => a - b)[25];
}"""


def test_it_is_light_and_still_right_after_fifty_moves(built, twin, record_property, request):
    chapter, id = request.node.callspec.params["place"]
    median = twin.figure.evaluate(TIMES)
    twin.look()
    html = (built[0] / f"book/{chapter}.html").read_text("utf-8")
    size = len(re.search(rf'<figure class="explore" data-explore-id="{id}".*?</figure>', html, re.DOTALL)[0].encode())
    words = f"{chapter}, {id}: {size / 1000:.1f} kB, answers in {median:.1f} ms (median of 50 moves)"
    record_property("measured", words)
    assert size <= MAX_BYTES


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_without_scripts_figures_stand_still_and_show_no_control(visit, chapter):
    page, _ = visit(f"book/{chapter}.html", java_script_enabled=False)
    for figure in page.locator("figure.explore").all():
        assert figure.locator("svg").first.is_visible() and figure.locator("output").inner_text().strip()
        assert figure.locator("svg .axis, svg image").count() > 0
        for control in figure.locator("select, input, button").all():
            assert not control.is_visible() and control.is_disabled()
        figure.locator("summary").click()
        assert figure.locator("table").is_visible()


@pytest.mark.parametrize("chapter", sorted({chapter for chapter, id in FOUND if id in COMPUTED}))
def test_figures_compute_and_formulas_are_typeset_where_a_host_refuses_scripts_within_a_page(visit, chapter):
    page, faults = visit(f"book/{chapter}.html?strict")
    assert "Content Security Policy" in " ".join(faults)
    for figure in page.locator("figure.explore").all():
        twin = PageExperiment(figure)
        _, before = twin.look()
        field(twin, twin.controls[0]).press("End")
        assert twin.look()[1] != before
    assert page.locator("main .math:not(:has(mjx-container))").count() == 0
