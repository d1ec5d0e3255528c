"""The page "Ask a model yourself": its networks against torch, its pictures against Pillow, the page as it is used."""

import io
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy import ndimage

from likelab import bank, standin
from tests.conftest import ROOT
from tests.support.asked import rounded
from tools.website import browser_model

SCRIPTS = [ROOT / "book/_static/ask" / f"{name}.js" for name in ("data", "network", "picture")]
PAGE = "book/ask_a_model.html"
NAMES = list(browser_model.MODELS)


@pytest.fixture(scope="module")
def scripts(browser):
    """An empty page with the models in it."""
    page = browser.new_page()
    for path in SCRIPTS:
        page.add_script_tag(path=path)
    page.evaluate("""() => {
      globalThis.network = askNetwork();
      for (const [name, model] of Object.entries(askData.models))
        network.answer({ task: "load", name, network: model.network });
    }""")
    yield page
    page.close()


def in_a_row(image):
    """uint8 (3, 32, 32) -> its numbers in the order of the page: red, green, blue, red, …."""
    return np.asarray(image).transpose(1, 2, 0).ravel().tolist()


def pictures():
    """Pictures of many kinds, two wild ones last, uint8 (11, 3, 32, 32)."""
    rng = np.random.default_rng(0)
    greys = np.broadcast_to(np.array([0, 128, 255], np.uint8)[:, None, None, None], (3, 3, 32, 32))
    checks = np.where(np.indices((32, 32)).sum(0) % 2, 255, 0).astype(np.uint8)[None, None].repeat(3, 1)
    noise = rng.integers(0, 256, (1, 3, 32, 32), dtype=np.uint8)
    return torch.tensor(np.concatenate([standin.leaves(3, 2)[0], standin.plates(3, 2)[0], greys, checks, noise]))


HEAD = """([name, pixels, blocks]) => {
  let network = askData.models[name].network;
  if (blocks !== null) network = { ...network, blocks: network.blocks.slice(0, blocks) };
  globalThis.network.answer({ task: "load", name: "cut", network });
  const step = globalThis.network.begin("cut"), heads = [];
  for (let i = 0, at = 0; i < 32; i++)
    for (let j = 0; j < 32; j++, at += 3)
      heads.push([...step(i, j, () => pixels.slice(at, at + 3).map((grey) => grey * 2 / 255 - 1)).numbers]);
  return heads;
}"""


@pytest.mark.parametrize(("name", "blocks"), [("pixelcnn", k) for k in range(4)] + [("pixelcnn_local", None)])
def test_each_layer_gives_what_torch_gives(scripts, name, blocks):
    model = rounded(name)
    if blocks is not None:
        model.blocks = model.blocks[:blocks]
    for image in pictures()[[0, 3, 10]]:
        with torch.no_grad():
            expected = model.features(model.scaled(image[None]))[0].flatten(1).T
        assert np.allclose(scripts.evaluate(HEAD, [name, in_a_row(image), blocks]), expected, rtol=1e-9, atol=1e-9)


SCORE = """([name, pixels]) => [...network.answer({ task: "score", name, pixels: Uint8Array.from(pixels) })]"""


@pytest.mark.parametrize("name", NAMES)
def test_each_number_costs_what_it_costs_in_torch(scripts, name):
    images, model = pictures(), rounded(name)
    with torch.no_grad():
        expected = -model.log_conditionals(model.scaled(images)).permute(0, 2, 3, 1).flatten(1) / np.log(2)
    found = np.array([scripts.evaluate(SCORE, [name, in_a_row(image)]) for image in images])
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)  # the page keeps single precision
    exact = bank.evaluate(bank.load(name), images).numpy()
    assert np.abs(found.mean(1) - exact)[:-2].max() < 1e-3, "from the bank's own weights"


SAMPLE = """([name, uniforms]) => Array.from({ length: 32 }, (_, i) =>
  [...network.answer({ task: "sample", ...(i ? {} : { name, uniforms }) })])"""


@pytest.mark.parametrize("name", NAMES)
def test_the_same_chance_draws_the_same_picture(scripts, name):
    model, rng = rounded(name), torch.Generator().manual_seed(3)
    uniforms = torch.rand(6, 32, 32, generator=rng, dtype=torch.double)
    noise = torch.cat([-torch.log(-torch.log(uniforms[:3])), torch.logit(uniforms[3:])])
    drawn = model.generate(1, lambda mixture, i, j: mixture.sample(noise[None, :, i, j, None, None]))
    expected = ((drawn[0] + 1) * 127.5).round().permute(1, 2, 0).reshape(32, 96)
    found = scripts.evaluate(SAMPLE, [name, uniforms.flatten().tolist()])
    assert np.array_equal(found, expected) and len(np.unique(found)) > 50


TIMES = """(name) => {
  const pixels = Uint8Array.from(atob(askData.pictures["leaf 1"]), (sign) => sign.charCodeAt(0));
  return Array.from({ length: 20 }, () => {
    const start = performance.now();
    network.answer({ task: "score", name, pixels });
    return performance.now() - start;
  }).sort((a, b) => a - b)[10];
}"""


@pytest.mark.parametrize("name", NAMES)
def test_how_long_a_score_takes(scripts, record_property, name):
    devtools = scripts.context.new_cdp_session(scripts)
    devtools.send("HeapProfiler.collectGarbage")
    heap = devtools.send("Runtime.getHeapUsage")
    used = (heap["usedSize"] + heap.get("backingStorageSize", 0)) / 1e6
    median = scripts.evaluate(TIMES, name)
    record_property("measured", f"{name} in the page: {median:.0f} ms an image (median of 20), heap {used:.1f} MB")
    assert median > 0


RESIZE = """([side, pixels, kernel]) => [...askPicture.resize(
  (y, count) => Uint8Array.from(pixels.slice(4 * side * y, 4 * side * (y + count))), side, kernel)]"""
PILLOW = {"area": "BOX", "nearest": "NEAREST", "bicubic": "BICUBIC", "lanczos": "LANCZOS"}


@pytest.mark.parametrize("side", [1, 7, 32, 100])
@pytest.mark.parametrize("kernel", [*PILLOW, "bilinear"])
def test_kernels_are_those_of_pillow_and_torch(scripts, kernel, side):
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 4), dtype=np.uint8)
    found = np.array(scripts.evaluate(RESIZE, [side, pixels.ravel().tolist(), kernel])).reshape(32, 32, 3)
    if kernel == "bilinear":
        rgb = torch.tensor(pixels[..., :3]).permute(2, 0, 1)[None].double()
        expected = F.interpolate(rgb, (32, 32), mode="bilinear")[0].permute(1, 2, 0).numpy()
    else:
        image = Image.fromarray(pixels[..., :3].copy())
        expected = np.asarray(image.resize((32, 32), Image.Resampling[PILLOW[kernel]])).astype(float)
    assert np.abs(found - expected).max() <= 1


def test_dials_do_what_chapter_10_does(scripts):
    image = pictures()[0]
    turn = "([pixels, dials]) => [...askPicture.adjusted(Uint8Array.from(pixels), dials, network.random(1))]"

    def turned(**dials):
        dials = {"blur": 0, "contrast": 1, "noise": 0} | dials
        return np.array(scripts.evaluate(turn, [in_a_row(image), dials])).reshape(32, 32, 3).transpose(2, 0, 1)

    exact = image.double().numpy()
    assert np.array_equal(turned(), exact)
    for blur in (0.3, 1, 3):
        assert np.abs(turned(blur=blur) - ndimage.gaussian_filter(exact, (0, blur, blur), mode="reflect")).max() <= 0.51
    assert np.abs(turned(contrast=0.5) - (128 + 0.5 * (exact - 128))).max() <= 0.51
    calm = turned(contrast=0, noise=10) - 128
    assert abs(calm.mean()) < 1 and calm.std() == pytest.approx(10, rel=0.05)
    assert np.array_equal(calm, turned(contrast=0, noise=10) - 128)


# --- The page ---------------------------------------------------------------------------------------------------------


class Asked:
    """The page, as a reader uses it."""

    def __init__(self, page):
        self.page = page
        self.settle()

    def part(self, name):
        return self.page.locator(f'[data-ask="{name}"]')

    def field(self, name):
        return self.page.locator(f'#ask [name="{name}"]')

    def settle(self):
        self.page.wait_for_selector('[data-ask="answer"][aria-busy="false"]', timeout=60_000)

    def choose(self, picture):
        self.part("presets").get_by_role("button", name=picture, exact=True).click()
        self.settle()

    def turn(self, dial, value):
        self.field(dial).evaluate("(e, v) => { e.value = v; e.dispatchEvent(new Event('input')); }", str(value))
        self.settle()

    def open(self, name, kind, content):
        """Give it a file: what the page then says of it."""
        self.part("said").evaluate("(e) => (e.textContent = '')")
        self.field("file").set_input_files([{"name": name, "mimeType": kind, "buffer": content}])
        self.page.wait_for_function("document.querySelector('[data-ask=said]').textContent", timeout=60_000)
        self.settle()
        return self.part("said").inner_text()

    def pixels(self):
        """What the models see, (32, 32, 3)."""
        given = self.part("picture").evaluate("(c) => [...c.getContext('2d').getImageData(0, 0, 32, 32).data]")
        return np.array(given).reshape(32, 32, 4)[..., :3]

    def rows(self):
        """The table: {by what: its cells}."""
        rows = [row.locator("th, td").all_inner_texts() for row in self.part("rows").locator("tr").all()]
        return {name: cells for name, *cells in rows}

    def bits(self):
        return [float(self.rows()[label][0]) for label in browser_model.MODELS.values()]

    def places(self):
        """How many inside and outside images it is likelier than, for each model."""
        found = re.findall(r"([\d,]+) of 1,000 images", self.part("answer").inner_text())
        return np.array([int(number.replace(",", "")) for number in found]).reshape(2, 2).tolist()


@pytest.fixture
def asked(visit):
    page, faults = visit(PAGE)
    yield Asked(page)
    assert faults == []


def file(image, kind, **options):
    """A Pillow image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(width, height):
    """A smooth picture with no two parts alike, RGB."""
    y, x = np.mgrid[:height, :width]
    shares = np.stack([x / width, y / height, (x + y) / (width + height)], -1)
    return Image.fromarray((255 * shares).astype(np.uint8))


def as_pillow(image):
    """The middle square of a Pillow image at 32 × 32, (32, 32, 3)."""
    side = min(image.size)
    left, top = ((size - side + 1) // 2 for size in image.size)
    square = image.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((32, 32), Image.Resampling.BOX)).astype(int)


def test_answers_are_those_of_the_library(asked):
    for name, image in list(browser_model.pictures().items())[::2]:
        asked.choose(name)
        assert np.array_equal(asked.pixels(), image.transpose(1, 2, 0))
        for model, bits, places in zip(NAMES, asked.bits(), asked.places(), strict=True):
            exact = bank.evaluate(bank.load(model), torch.tensor(image)[None]).item()
            assert bits == pytest.approx(exact, abs=0.0055)
            stored = [bank.stored(model)[role] for role in ("inside", "outside")]
            below, above = ([(scores > exact + shift).sum() for scores in stored] for shift in (1e-3, -1e-3))
            assert all(a <= place <= b for a, place, b in zip(below, places, above, strict=True))
    said = asked.part("answer").inner_text()
    assert f"{asked.bits()[0]:.2f} bits per dimension" in said and "images of CIFAR-10 test" in said
    assert all(word in asked.part("sets").inner_text() for word in ("1,000 of 10,000", "not the published file"))


def test_files_are_measured_beside_the_models(asked):
    asked.choose("grey")
    calm = asked.rows()
    asked.choose("noise")
    wild = asked.rows()
    for label in list(calm)[2:]:
        few, many = (int(rows[label][1].replace(",", "")) for rows in (calm, wild))
        assert 50 < few < many < 8000
        assert float(wild[label][0]) == pytest.approx(8 * many / 3072, abs=0.006)
    assert len(calm) == 4


def test_the_three_things_to_try(asked):
    before = asked.bits()
    seen = []
    for blur in (0.5, 1, 1.5, 2):
        asked.turn("blur", blur)
        seen.append(asked.bits())
    assert np.all(np.diff([before, *seen], axis=0) < 0) and asked.places()[0][0] > 900, "blur"
    asked.turn("noise", 2)
    assert np.all(np.array(asked.bits()) > np.array(seen[-1]) + 1), "noise takes back what blur saves"
    asked.choose("grey")
    assert asked.places() == [[1000, 1000], [1000, 1000]]
    calm = asked.bits()
    asked.part("picture").focus()
    asked.page.keyboard.press(" ")
    asked.settle()
    assert np.all(np.array(asked.bits()) > calm), "a dot"


def test_it_is_used_without_a_mouse(asked):
    asked.choose("grey")
    page, reading = asked.page, asked.part("reading")
    asked.part("picture").focus()
    assert reading.get_attribute("aria-live") == "polite"
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    assert reading.inner_text().startswith("Row 16, column 15: red, green and blue are 128, 128, 128.")
    page.keyboard.press(" ")
    asked.settle()
    assert np.argwhere((asked.pixels() != 128).any(-1)).mean(0).tolist() == [15, 14]
    assert reading.inner_text().startswith("Row 16, column 15: red, green and blue are 200, 102, 26.")
    stops = "() => [...document.querySelectorAll('#ask :is(button, input, select, [tabindex=\"0\"])')].filter("
    stops += "(e) => !e.disabled && e.checkVisibility())"
    page.evaluate(f"({stops})()[0].focus()")
    for i in range(page.evaluate(f"({stops})().length")):
        assert page.evaluate(f"({stops})().indexOf(document.activeElement)") == i
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus is not seen"
        page.keyboard.press("Tab")


def test_a_pointer_draws_when_asked_to(asked):
    asked.choose("grey")
    box = asked.part("picture").bounding_box()
    for draws in (False, True):
        asked.field("draw").set_checked(draws)
        asked.part("picture").scroll_into_view_if_needed()
        box = asked.part("picture").bounding_box()
        asked.page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
        asked.page.mouse.down()
        asked.page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] / 2, steps=40)
        asked.page.mouse.up()
        asked.settle()
        assert ((asked.pixels() != 128).any(-1).sum() >= 90) == draws


def test_a_model_draws_and_can_be_stopped(asked):
    asked.choose("plate 1")
    before = asked.pixels()
    asked.part("sample").click()
    asked.page.wait_for_function("document.querySelector('[data-ask=progress]').value > 0.1")
    asked.part("stop").click()
    assert asked.part("said").inner_text().startswith("Stopped")
    asked.page.wait_for_function("document.querySelector('[data-ask=stop]').disabled")
    assert np.array_equal(asked.pixels(), before)
    asked.part("sample").dblclick()  # the second takes over, and can be stopped
    asked.page.wait_for_function("document.querySelector('[data-ask=progress]').value > 0.1")
    assert asked.part("stop").is_enabled()
    drawn = []
    for seed in (7, 7, 8):
        asked.field("seed").fill(str(seed))
        asked.part("sample").click()
        asked.page.wait_for_function(f"document.querySelector('[data-ask=said]').textContent.endsWith('seed {seed}.')")
        asked.settle()
        drawn.append(asked.pixels())
        asked.choose("grey")
        asked.part("said").evaluate("(e) => (e.textContent = '')")
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_a_large_photograph(asked, record_property):
    photo = colours(800, 500).resize((8000, 5000))
    content = file(photo, "JPEG", quality=90)
    start = asked.page.evaluate("performance.now()")
    said = asked.open("large.jpg", "image/jpeg", content)
    took = (asked.page.evaluate("performance.now()") - start) / 1000
    record_property("measured", f"a photograph of 40 megapixels is read, made small and scored in {took:.1f} s")
    assert "8,000 × 5,000 pixels: its square of 5,000 × 5,000" in said
    assert np.abs(asked.pixels() - as_pillow(photo)).max() <= 2
    asked.field("crop").evaluate("(e) => { e.value = 0; e.dispatchEvent(new Event('change')); }")
    asked.page.wait_for_timeout(50)
    asked.settle()


TURNED = Image.Exif()
TURNED[0x0112] = 6  # to be shown turned to the right by a quarter
RED = '<svg xmlns="http://www.w3.org/2000/svg" {}><rect width="400" height="400" fill="#c80000"/></svg>'
RIGHT = {  # name: (kind, bytes, what the models must see)
    "photo.png": ("image/png", file(colours(90, 50), "PNG"), as_pillow(colours(90, 50))),
    "turned.jpg": (
        "image/jpeg",
        file(colours(64, 64), "JPEG", quality=98, subsampling=0, exif=TURNED),
        np.rot90(as_pillow(colours(64, 64)), -1),
    ),
    "clear.png": ("image/png", file(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), "PNG"), 255),
    "half.png": ("image/png", file(Image.new("RGBA", (40, 40), (0, 0, 0, 128)), "PNG"), 127),
    "dot.png": ("image/png", file(Image.new("RGB", (1, 1), (10, 20, 30)), "PNG"), (10, 20, 30)),
    "line.png": ("image/png", file(Image.new("RGB", (3000, 1), (10, 20, 30)), "PNG"), (10, 20, 30)),
    "grey.png": ("image/png", file(Image.new("I;16", (9, 9), 257 * 77), "PNG"), 77),
    "moving.gif": (
        "image/gif",
        file(Image.new("RGB", (50, 50), (0, 255, 0)), "GIF", save_all=True, append_images=[Image.new("RGB", (50, 50))]),
        (0, 255, 0),
    ),
    "drawing.svg": ("image/svg+xml", RED.format('width="400" height="300"').encode(), (200, 0, 0)),
    "sizeless.svg": ("image/svg+xml", RED.format('viewBox="0 0 9 9"').encode(), (200, 0, 0)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_picture_of_ones_own(asked, name):
    kind, content, expected = RIGHT[name]
    said = asked.open(name, kind, content)
    assert said.startswith(f"{name}, ") and ("first picture" in said) == (name == "moving.gif")
    assert np.abs(asked.pixels() - np.broadcast_to(expected, (32, 32, 3))).max() <= 2


PNG = file(colours(50, 50), "PNG")
PAGE_IN_SVG = RED.format('width="40" height="40"').replace("</svg>", "<foreignObject><p/></foreignObject></svg>")
WRONG = {
    "cut.png": ("image/png", PNG[:60]),
    "text.png": ("image/png", b"no picture at all"),
    "empty.jpg": ("image/jpeg", b""),
    "page.svg": ("image/svg+xml", PAGE_IN_SVG.encode()),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_said_to_be_none(asked, name):
    before = asked.pixels()
    assert asked.open(name, *WRONG[name]).startswith(f"{name} cannot be read: ")
    assert np.array_equal(asked.pixels(), before)


GIVE = """([how, name, content]) => {
  const data = new DataTransfer();
  if (name) data.items.add(new File([Uint8Array.from(content)], name, { type: "image/png" }));
  const options = { bubbles: true, cancelable: true };
  document.body.dispatchEvent(how === "drop" ? new DragEvent("drop", { ...options, dataTransfer: data })
                                             : new ClipboardEvent("paste", { ...options, clipboardData: data }));
}"""


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_pictures_are_dropped_and_pasted(asked, how):
    asked.page.evaluate(GIVE, [how, "", []])
    assert "no" in asked.part("said").inner_text()
    asked.page.evaluate(GIVE, [how, "given.png", list(file(Image.new("RGB", (5, 5), (9, 8, 7)), "PNG"))])
    asked.page.wait_for_function("document.querySelector('[data-ask=said]').textContent.startsWith('given.png')")
    asked.settle()
    assert (asked.pixels() == (9, 8, 7)).all()


def test_the_kernel_is_chosen(asked):
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (128, 64)))
    asked.open("stripes.png", "image/png", file(stripes, "PNG"))
    assert np.abs(asked.pixels() - 127.5).max() <= 1
    asked.field("kernel").select_option("nearest")
    asked.page.wait_for_timeout(50)
    asked.settle()
    assert set(np.unique(asked.pixels())) <= {0, 255}


def test_nothing_leaves_the_page(browser, built):
    """From a disk, without a network: all is there, and nothing is asked for once the page is."""
    context = browser.new_context(offline=True)
    page, asked_for, wrong = context.new_page(), [], []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((built[0] / PAGE).as_uri())
    asked = Asked(page)
    page.on("request", lambda request: asked_for.append(request.url))
    asked.choose("sample 1")
    asked.open("photo.png", "image/png", PNG)
    asked.turn("noise", 5)
    asked.part("sample").click()
    page.wait_for_function("document.querySelector('[data-ask=said]').textContent.startsWith('Drawn')")
    asked.settle()
    assert [url for url in asked_for if not url.startswith(("blob:", "data:"))] == [] == wrong
    assert page.evaluate("localStorage.length") <= 2, "the theme's own: mode and theme"
    assert len(page.workers) == 1
    context.close()
    text = "".join(path.read_text("utf-8") for path in (ROOT / "book/_static/ask").glob("*.js"))
    assert not any(word in text for word in ("fetch(", "XMLHttpRequest", "sendBeacon", "WebSocket", "localStorage"))


@pytest.mark.parametrize("refused", ["worker-src 'none'", "script-src 'self' 'unsafe-inline'"])
def test_where_a_worker_is_refused_the_page_computes(browser, address, refused):
    context = browser.new_context()

    def with_policy(route):
        response = route.fetch()
        route.fulfill(response=response, headers=response.headers | {"content-security-policy": refused})

    context.route("**/*.html", with_policy)
    page = context.new_page()
    page.goto(address + PAGE)
    asked = Asked(page)
    assert page.workers == []
    asked.choose("grey")
    assert asked.places() == [[1000, 1000], [1000, 1000]]
    context.close()


def test_without_scripts_a_sentence_leads_to_chapter_07(visit):
    page, _ = visit(PAGE, java_script_enabled=False)
    assert page.locator('[data-ask="fallback"]').is_visible() and not page.locator('[data-ask="live"]').is_visible()
    page.locator('[data-ask="fallback"] a').click()
    assert page.url.endswith("book/07_svhn_anomaly.html")
