"""Experiments in a browser: keys, pointers and fingers; what the script draws is what Python draws."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from likelab.explore import draw
from likelab.explore.gallery.receptive_field import receptive_field
from likelab.explore.gallery.ruler import ruler
from likelab.explore.gallery.stranger import stranger
from likelab.explore.gallery.threshold import threshold
from tests.support.experiments import EVERY, NAMES, experiment, sample, scores  # noqa: F401 (fixtures)

# In which a browser hands over the moves of a finger.
NEXT_FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
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

    open_page.troubles = troubles
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

    def swipe(*steps):
        """Touch the panel near its right edge and move by steps (right, down)."""
        box = page.locator("svg[data-drag] .band").first.bounding_box()
        x, y = box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2
        for kind, (right, down) in zip(("touchStart", *["touchMove"] * (len(steps) - 1)), steps, strict=True):
            points = [{"x": x + right, "y": y + down}]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            page.evaluate(NEXT_FRAME)
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.evaluate(NEXT_FRAME)

    before = settings_on(page)
    page.evaluate("window.rested = new Promise((done) => addEventListener('scrollend', done, { once: true })); 0")
    swipe(*[(0, -20 * k) for k in range(8)])
    page.evaluate("window.rested")
    scrolled = page.evaluate("scrollY")
    assert scrolled > 0 and settings_on(page) == before
    swipe(*[(-10 * k, 0) for k in range(8)])
    aside = settings_on(page)
    assert aside != before
    swipe((0, 0))
    assert settings_on(page) not in (before, aside)
    assert page.evaluate("scrollY") == scrolled


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


@pytest.mark.parametrize("name", EVERY)
def test_the_script_draws_what_python_draws(open_page, name):
    figure = EVERY[name]()
    page = open_page(figure)
    for settings in sample(figure):
        for control, value in settings.items():
            field = page.locator(f'[name="{control}"]')
            field.select_option(value) if isinstance(value, str) else field.fill(str(value))
        check_shown(page, figure, settings)


def test_scripts_compute_the_function(open_page):
    """An experiment that computes gives in the page what it gives in Python, from the same settings."""
    for figure in (ruler(), receptive_field(), stranger()):
        page, settings = open_page(figure), sample(figure, 100)
        found = page.evaluate("([id, all]) => all.map(exploreFunctions[id])", [figure.id, settings])
        for here, there in zip(settings, found, strict=True):
            expected = figure.table.at(here)
            assert there.keys() == expected.keys()
            for name, value in expected.items():
                if isinstance(value, str):
                    assert there[name] == value, name
                else:
                    np.testing.assert_allclose(there[name], value, 1e-9, 1e-9, equal_nan=False, err_msg=name)


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


def test_a_figure_without_its_function_or_numbers_stays_as_drawn_and_stops_no_other(open_page):
    refused = re.sub(r"<script>\(globalThis.exploreFunctions.*?</script>", "", ruler().html(), flags=re.S)
    broken = threshold(scores(), **NAMES, id="broken").html().replace('"outputs":{', '"outputs":{{')
    bad = [SimpleNamespace(html=lambda html=html: html) for html in (refused, broken)]
    page = open_page(*bad, threshold(scores(), **NAMES))
    for figure, moves in zip(page.locator("figure.explore").all(), (False, False, True), strict=True):
        assert figure.locator(".explore-controls").is_visible() == moves
        assert "aN" not in figure.locator("output").inner_text()
    assert {trouble.split(":")[0] for trouble in open_page.troubles} == {"SyntaxError"}
    open_page.troubles.clear()


# All text in drawings: (figure, text, left, right, height).
TEXTS = """() => [...document.querySelectorAll("figure.explore svg text")].map((text) => {
    const { left, right, height } = text.getBoundingClientRect();
    return [text.closest("figure").dataset.exploreId, text.textContent, left, right, height];
})"""
# The least contrasts of each figure: (drawn text, written text, bars, frames of fields).
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
    return Object.fromEntries([...document.querySelectorAll("figure.explore")].map((figure) => {
        const least = (selector, property) => Math.min(...[...figure.querySelectorAll(selector)]
            .map((element) => against(getComputedStyle(element)[property])));
        return [figure.dataset.exploreId, [
            least("svg text", "fill"), least("output, label, td, figcaption", "color"),
            least(".bars", "stroke"), least("select", "borderTopColor")]];
    }));
}"""


@pytest.mark.parametrize("theme", THEMES)
def test_they_fit_and_are_legible_on_every_page(open_page, theme):
    page = open_page(*(build() for build in EVERY.values()), theme=theme)
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true;")
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        texts = page.evaluate(TEXTS)
        assert len(texts) > 10 * len(EVERY)
        assert [text for text in texts if not (text[2] >= 0 and text[3] <= width and text[4] > 9)] == []
    contrasts = page.evaluate(CONTRAST)
    assert len(contrasts) == len(EVERY)
    for id, (drawn, written, bars, frame) in contrasts.items():
        assert min(drawn, written) >= 4.5 and min(bars, frame) >= 3, id


def test_nothing_moves_by_itself(experiment):
    assert not re.search(r"transition|animation|@keyframes|requestAnimationFrame|setTimeout", experiment.html())
