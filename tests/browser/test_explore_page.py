"""Experiments in a browser: keys, pointers and fingers; what the script draws is what Python draws."""

import re

import pytest

from likelab.explore import draw
from likelab.explore.gallery.receptive_field import receptive_field
from likelab.explore.gallery.ruler import ruler
from likelab.explore.gallery.threshold import BINS, threshold
from tests.support.experiments import NAMES, experiment, grid, other, scores  # noqa: F401 (fixtures)

THEMES = {"light": ("#323232", "#ffffff"), "dark": ("#ced6dd", "#121212")}  # the site's text and ground


@pytest.fixture
def open_page(browser, tmp_path):
    """Open figures in a page of their own; at the end nothing may have gone wrong in it, nor been asked for."""
    contexts, troubles = [], []

    def open_page(*figures, theme="light", width=800, **options):
        text, ground = THEMES[theme]
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(
            f'<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8"><title>Figures</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<body style="margin: 16px; font-family: sans-serif; color: {text}; background: {ground}">'
            + "".join(figure.html() for figure in figures),
            "utf-8",
        )
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: request.url.startswith("file:") or troubles.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def settings_on(page):
    return {
        "model": page.locator("select").first.input_value(),
        "threshold": float(page.locator("input[type=range]").first.input_value()),
    }


def check_shown(page, experiment, settings):
    """Summary, drawings and table in the page are those of the Python function at these settings."""
    plots, summary, table = experiment.pieces(settings, experiment.function(**settings))
    shown, expected = page.evaluate(
        """([plots, summary, table]) => {
            const figure = document.querySelector("figure.explore");
            const parse = (html, tag = "div") => {
                const element = tag === "svg" ? document.createElementNS("http://www.w3.org/2000/svg", tag)
                                              : document.createElement(tag);
                element.innerHTML = html;
                return element.innerHTML;
            };
            const all = (selector) => [...figure.querySelectorAll(selector)].map((e) => e.innerHTML);
            return [
                [...all("output"), ...all(".explore-table"), ...all(".explore-title"), ...all("svg")],
                [parse(summary), parse(table), ...plots.map(([title]) => parse(title)),
                 ...plots.map(([, svg]) => parse(svg, "svg"))],
            ];
        }""",
        [plots, summary, table],
    )
    assert shown == expected


def test_keys_move_the_threshold(open_page, experiment):
    page = open_page(experiment)
    low, high = experiment.controls[1].low, experiment.controls[1].high
    step, start = experiment.controls[1].step, experiment.start
    assert settings_on(page) == start
    check_shown(page, experiment, start)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "model"
    page.keyboard.press("ArrowDown")
    check_shown(page, experiment, {"model": "Glow", "threshold": start["threshold"]})
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for key, cut in (
        ("ArrowRight", start["threshold"] + step),
        ("Home", low),
        ("ArrowLeft", low),
        ("ArrowUp", low + step),
        ("End", high),
        ("ArrowLeft", high - step),
    ):
        page.keyboard.press(key)
        assert settings_on(page)["threshold"] == pytest.approx(cut)
        check_shown(page, experiment, settings_on(page) | {"threshold": round(cut, 2)})
    slider = page.get_by_role("slider", name="Reject above", exact=True)
    assert slider.get_attribute("aria-valuetext") == f"{high - step:.2f} bits/dim"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("details table").is_visible()


def test_the_mouse_drags_the_slider_and_the_figure(open_page, experiment):
    page = open_page(experiment)
    slider = page.locator("input[type=range]")
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    control = experiment.controls[1]
    place = (control.start - control.low) / (control.high - control.low)
    page.mouse.move(box["x"] + 10 + place * (box["width"] - 20), middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=4)
    page.mouse.up()
    dragged = settings_on(page)
    assert dragged["threshold"] < control.low + 0.3 * (control.high - control.low)
    check_shown(page, experiment, dragged)
    summary = page.locator("output").inner_text().replace("\u00a0", " ")
    shares = experiment.function(**dragged)
    assert summary == (
        f"Rejecting above {dragged['threshold']:.2f} bits/dim turns away "
        f"{draw.percent(shares['inside_away'])} of CIFAR-10 test and "
        f"{draw.percent(shares['outside_away'])} of SVHN test."
    ).replace("\u00a0", " ")

    band = page.locator("svg[data-drag] .band").first.bounding_box()
    right, middle = band["x"] + band["width"], band["y"] + band["height"] / 2
    page.mouse.move(band["x"], middle)
    page.mouse.down()
    page.mouse.move(right + 30, middle, steps=4)
    assert settings_on(page)["threshold"] == control.high
    page.mouse.move(right - 100, middle, steps=4)
    page.mouse.up()
    page.mouse.move(right - 200, middle)
    rule = page.locator("svg[data-drag] .rule").first.bounding_box()
    assert rule["x"] + rule["width"] / 2 == pytest.approx(right - 100, abs=2)
    check_shown(page, experiment, settings_on(page))


def test_a_finger_that_scrolls_the_page_leaves_the_figure_alone(open_page, experiment):
    page = open_page(experiment, width=390, has_touch=True)
    page.evaluate("document.body.style.paddingBottom = '100vh'")  # there is something to scroll to
    finger = page.context.new_cdp_session(page)
    still = """() => new Promise((done) => {
      let [frames, last] = [0, scrollY];
      const look = () => {
        [frames, last] = [scrollY === last ? frames + 1 : 0, scrollY];
        frames < 5 ? requestAnimationFrame(look) : done(scrollY);
      };
      look();
    })"""

    def swipe(*steps):
        """Touch the panel near its right edge and move by steps (right, down); how far the page is scrolled then."""
        box = page.locator("svg[data-drag] .band").first.bounding_box()
        x, y = box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2
        for kind, (right, down) in zip(("touchStart", *["touchMove"] * (len(steps) - 1)), steps, strict=True):
            points = [{"x": x + right, "y": y + down}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            page.evaluate("() => new Promise(requestAnimationFrame)")
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        return page.evaluate(still)

    before = settings_on(page)
    scrolled = swipe(*[(0, -20 * k) for k in range(8)])
    assert scrolled > 0 and settings_on(page) == before
    assert swipe(*[(-10 * k, 0) for k in range(8)]) == scrolled
    aside = settings_on(page)
    assert aside != before
    swipe((0, 0))
    assert settings_on(page) not in (before, aside)


@pytest.mark.parametrize("touch", [False, True])
def test_a_pixel_is_chosen_by_pointer_or_keys(open_page, touch):
    figure = receptive_field()
    page = open_page(figure, width=390, has_touch=touch)
    settings = dict(figure.start)
    box = page.locator("svg[data-drag=xy] .cells").first.bounding_box()  # of the empty cells, which end in the corner
    corner, cell = (box["x"] + box["width"], box["y"] + box["height"]), box["width"] / 16

    def place(row, column):
        return corner[0] - (15.5 - column) * cell, corner[1] - (15.5 - row) * cell

    page.touchscreen.tap(*place(3, 12)) if touch else page.mouse.click(*place(3, 12))
    check_shown(page, figure, settings | {"row": 3, "column": 12})
    if not touch:
        page.mouse.down()
        page.mouse.move(*place(10, 2), steps=5)
        check_shown(page, figure, settings | {"row": 10, "column": 2})
        page.mouse.move(*place(-2, 40), steps=5)  # beyond the image the nearest pixel is meant
        page.mouse.up()
        check_shown(page, figure, settings | {"row": 0, "column": 15})
        page.mouse.move(*place(8, 8))
    row, column = (page.get_by_role("slider", name=name) for name in ("Row", "Column"))
    row.press("End")
    column.press("Home")
    column.press("ArrowRight")
    check_shown(page, figure, settings | {"row": 15, "column": 1})


def test_the_script_draws_every_setting_as_python_does(open_page, experiment):
    page = open_page(experiment)
    for settings in grid(experiment)[::5] + grid(experiment)[-1:]:
        page.locator("select").select_option(settings["model"])
        page.locator("input[type=range]").fill(str(settings["threshold"]))
        check_shown(page, experiment, settings)


def test_the_script_draws_the_other_experiments_as_python_does(open_page, other):
    page = open_page(other)
    for settings in grid(other)[::13] + grid(other)[-1:]:
        for name, value in settings.items():
            field = page.locator(f'[name="{name}"]')
            field.select_option(value) if isinstance(value, str) else field.fill(str(value))
        check_shown(page, other, settings)


def test_scripts_compute_the_function(open_page):
    """An experiment that computes gives in the page what it gives in Python, from the same settings."""
    for figure in (ruler(), receptive_field()):
        page, settings = open_page(figure), grid(figure)
        found = page.evaluate("([id, all]) => all.map(exploreFunctions[id])", [figure.id, settings])
        for here, there in zip(settings, found, strict=True):
            expected = figure.table.at(here)
            assert there.keys() == expected.keys()
            for name, value in expected.items():
                assert there[name] == (value if isinstance(value, str) else pytest.approx(value, 1e-9, 1e-9)), name


def test_several_figures_do_not_disturb_each_other_and_text_is_escaped(open_page):
    evil = {'<i>a</i> & "b" {threshold} \'': scores()["Glow"]}
    names = {"inside": "<img src=x onerror=alert(1)>", "outside": "</script><b>B</b> {model}"}
    page = open_page(
        threshold(evil, **names, caption="1 < 2 & {inside}"),
        threshold(scores(), **NAMES, id="second"),
    )
    first, second = page.locator("figure.explore").all()
    before = second.inner_html()
    first.locator("input[type=range]").press("Home")
    assert "turns away 100\u00a0% of <img src=x onerror=alert(1)> and" in first.locator("output").inner_text()
    assert "</script><b>B</b> {model}" in first.locator("output").inner_text()
    assert "1 < 2 & {inside}" in first.locator("figcaption").inner_text()
    assert page.locator("figure i, figure img").count() == 0 and second.inner_html() == before
    assert [f.get_attribute("data-explore-id") for f in (first, second)] == ["threshold", "second"]


def test_without_scripts_the_figure_stands_still_and_offers_no_controls(open_page, experiment):
    page = open_page(experiment, java_script_enabled=False)
    figure = page.locator("figure.explore")
    assert figure.locator("svg .bars").count() == 4 and figure.locator("svg .trace").is_visible()
    assert "Rejecting above" in figure.locator("output").inner_text()
    for field in (figure.locator("select"), figure.locator("input")):
        assert not field.is_visible() and field.is_disabled()
    figure.locator("summary").click()
    assert figure.locator("tbody tr").count() == BINS and figure.locator("table").is_visible()


CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const luminance = (...layers) => {
        for (const layer of layers) { canvas.fillStyle = layer; canvas.fillRect(0, 0, 1, 1); }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
            .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const ground = getComputedStyle(document.body).backgroundColor;
    const against = (colour) => {
        const [a, b] = [luminance(ground), luminance(ground, colour)];
        return Math.max(a, b) / Math.min(a, b);
    };
    const least = (selector, property) => Math.min(...[...document.querySelectorAll(selector)]
        .map((element) => against(getComputedStyle(element)[property])));
    return [least("svg text", "fill"), least("output, label, td, figcaption", "color"),
            least(".bars", "stroke"), least("select", "borderTopColor")];
}"""


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_and_is_legible_on_every_page(open_page, experiment, theme, width):
    page = open_page(experiment, theme=theme, width=width)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for text in page.locator("svg text").all():
        box = text.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert float(box["height"]) > 9
    drawn, written, bars, frame = page.evaluate(CONTRAST)
    assert min(drawn, written) >= 4.5 and min(bars, frame) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [320, 1280])
def test_the_other_experiments_fit_and_are_legible(open_page, other, theme, width):
    test_it_fits_and_is_legible_on_every_page(open_page, other, theme, width)


def test_nothing_moves_by_itself(experiment):
    assert not re.search(r"transition|animation|@keyframes|requestAnimationFrame|setTimeout", experiment.html())
