"""The first page's figure: it moves until a reader stops it, and only for those who like that."""

import pytest

LOOK = """() => {
  const figure = document.querySelector("[data-explore-id=landing]");
  return [figure.querySelector("input").value, figure.querySelector("button").textContent];
}"""
MOVED = "(from) => document.querySelector('[data-explore-id=landing] input').value !== from"
FRAMES = """async () => {
  for (let n = 0; n < 9; n++) await new Promise(requestAnimationFrame);
}"""


@pytest.fixture
def still(visit):
    """The page of a reader who asked for less motion."""
    return visit("book/intro.html", reduced_motion="reduce")


@pytest.mark.parametrize("stop", ["button", "slider", "plot"])
def test_it_moves_until_a_reader_stops_it(visit, stop):
    page, faults = visit("book/intro.html")
    figure = page.locator("[data-explore-id=landing]")
    first, word = page.evaluate(LOOK)
    assert word == "Pause"
    page.wait_for_function(MOVED, arg=first)
    if stop == "button":
        figure.get_by_role("button", name="Pause").click()
    elif stop == "slider":
        figure.get_by_role("slider").press("Home")
    else:
        figure.locator("svg").click(position={"x": 100, "y": 100})
    there = page.evaluate(LOOK)
    page.evaluate(FRAMES)
    assert page.evaluate(LOOK) == there and there[1] == "Move it"
    figure.get_by_role("button", name="Move it").click()
    page.wait_for_function(MOVED, arg=there[0])
    assert faults == []


def test_it_waits_where_less_motion_is_wanted(still):
    page, faults = still
    there = page.evaluate(LOOK)
    page.evaluate(FRAMES)
    assert page.evaluate(LOOK) == there and there[1] == "Move it"
    assert faults == []


def test_it_comes_back_to_where_it_was(still):
    page, _ = still
    first, _ = page.evaluate(LOOK)
    page.clock.install()
    page.locator("[data-explore-id=landing] button").click()
    seen = []
    for _ in range(400):
        page.clock.run_for(50)
        seen.append(float(page.evaluate(LOOK)[0]))
        if page.evaluate(LOOK)[1] == "Move it":
            break
    slider = page.locator("[data-explore-id=landing] input")
    ends = [float(slider.get_attribute(end)) for end in ("min", "max")]
    assert [min(seen), max(seen)] == pytest.approx(ends, abs=0.1) and seen[-1] == float(first)


def test_without_scripts_it_stands_still(visit):
    page, _ = visit("book/intro.html", java_script_enabled=False)
    figure = page.locator("[data-explore-id=landing]")
    assert figure.locator("svg").is_visible() and "turns away" in figure.locator("output").inner_text()
    assert figure.locator("button").count() == 0 and not figure.locator("input").is_visible()
