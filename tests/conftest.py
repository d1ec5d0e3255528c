"""Chapters run in book/, so that is where tests import the library from; the tools import one another."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "book"), str(ROOT / "tools")]

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
