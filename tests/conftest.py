"""What tests of several rooms share: the built site, a browser to look at it, an environment like Colab's."""

import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock

from tools.chapter import colab
from tools.website import extension

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
BROWSERS += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")  # closed before other modules' tests, as its event loop would disturb theirs
def browser():
    """The system's Chromium, driven by Playwright. Without one the test is skipped, in CI it fails."""
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("no Chromium on this machine (Debian, Ubuntu: sudo apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0], args=FLAGS)
        yield browser
        browser.close()


def pytest_configure():
    """Small tensors gain nothing by several threads, and lose much where other programs have the processors."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that build the site or look at it are no part of `make check`, wherever they stand."""
    for item in items:
        if {"built", "browser"} & set(item.fixturenames):
            item.add_marker("browser")


def pytest_terminal_summary(terminalreporter):
    """What tests have measured and do not assert, as it depends on the machine: record_property("measured", line)."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    properties = [pair for report in reports if report.when == "call" for pair in report.user_properties]
    if lines := sorted(value for name, value in properties if name == "measured"):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


def once(tmp_path_factory, name, make):
    """What `make(folder)` gives, as JSON: made once for all processes of pytest-xdist."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    folder, stored = top / name, top / f"{name}.json"
    with FileLock(top / f"{name}.lock"):
        if not stored.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            stored.write_text(json.dumps(make(folder)), "utf-8")
    return json.loads(stored.read_text("utf-8"))


def build(folder):
    """Build the site strictly: [folder of the pages, seconds that it took, of them seconds of processor time]."""
    target = colab.fork(folder / "fork")
    command, start = [Path(sys.executable).with_name("jupyter-book"), "build", target], os.times()
    run = subprocess.run([*command, "-W", "-n", "--keep-going", "-q"], capture_output=True, text=True)
    assert run.returncode == 0, f"the strict build failed:\n{run.stderr}"
    end = os.times()
    processor = end.children_user + end.children_system - start.children_user - start.children_system
    return [str(target / "_build/html"), end.elapsed - start.elapsed, processor]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """(folder of the pages, seconds that the strict build took, of them seconds of processor time)."""
    folder, *seconds = once(tmp_path_factory, "site", build)
    return Path(folder), *seconds


@pytest.fixture(scope="session")
def address(built, tmp_path_factory):
    top, path = tmp_path_factory.mktemp("pages"), urlsplit(extension.site_address(colab.ADDRESS)).path
    (top / path.strip("/")).symlink_to(built[0])

    class Pages(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def end_headers(self):  # as some hosts do: no script within a page is run
            if self.path.endswith("?strict"):
                self.send_header("Content-Security-Policy", "script-src 'self'")
            super().end_headers()

        def send_error(self, code, *_):
            self.send_response(code)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((built[0] / "404.html").read_bytes())

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=top)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{path}"
        server.shutdown()


@contextmanager
def visiting(browser, address, name, width=1280, scheme="light", seen=None, **options):
    """Open a page that can reach no other host: (page, list that grows by what goes wrong on it).

    seen: called with each response.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
    page, faults = context.new_page(), []

    def route(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            return route.continue_()
        faults.append(f"asked another host: {route.request.url}")
        route.abort()

    context.route("**/*", route)
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.status}: {r.url}"))
    if seen:
        page.on("response", lambda response: seen(response))
    page.goto(address + name, wait_until="load")
    if options.get("java_script_enabled", True):
        page.evaluate("async () => { await window.MathJax?.startup?.promise; await document.fonts.ready; }")
    yield page, faults
    context.close()


@pytest.fixture
def visit(browser, address):
    """visit(page name, width, colour scheme, …) as `visiting`, to the end of the test."""
    with ExitStack() as stack:
        yield lambda *place, **options: stack.enter_context(visiting(browser, address, *place, **options))


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Python of an environment like Colab's. Where pip cannot make it the test is skipped, in CI it fails."""
    try:
        return Path(once(tmp_path_factory, "colab", lambda _: str(colab.environment())))
    except subprocess.CalledProcessError:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse("pip could not install requirements-colab.txt: is there a network?")
