"""`make links`: Sphinx's check of links as _config.yml and the extension set it up, against a host of our own."""

import io
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

from tools.chapter import chapters
from tools.website import extension

STATUS = {"/there": 200, "/gone": 404, "/moved": 302}


@pytest.fixture
def host():
    class Host(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(STATUS[self.path])
            self.send_header("Location", "/gone")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def check(tmp_path):
    """check(addresses) -> (exit status, {address: answer}, what is printed) of a page that links to them."""
    config = yaml.safe_load((chapters.ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    settings = {name: value for name, value in config.items() if name.startswith("linkcheck_")}
    before = socket.getdefaulttimeout()  # which the check changes for the whole process

    def check(addresses):
        (tmp_path / "index.rst").write_text("A page\n======\n\n" + "\n\n".join(f"`x <{a}>`__" for a in addresses))
        printed, out = io.StringIO(), tmp_path / "out"
        with docutils_namespace():
            app = Sphinx(
                *(tmp_path, None, out, tmp_path / "doctrees", "linkcheck"),
                confoverrides=settings,
                status=None,
                warning=printed,
                freshenv=True,
            )
            app.build(force_all=True)
        answers = map(json.loads, (out / "output.json").read_text("utf-8").splitlines())
        return app.statuscode, {answer["uri"]: answer["status"] for answer in answers}, printed.getvalue()

    yield check
    socket.setdefaulttimeout(before)


def test_links_that_lead_nowhere_fail(host, check):
    status, answers, printed = check([f"{host}{path}" for path in STATUS])
    assert status == 1
    assert answers == {f"{host}/there": "working", f"{host}/gone": "broken", f"{host}/moved": "broken"}
    assert f"index.rst:6: WARNING: broken link: {host}/gone (404" in printed


def test_neither_anchors_nor_the_placeholder_nor_who_turns_programs_away_fail(host, check):
    others = ["https://github.com/OWNER/REPO/issues", "https://openreview.net/forum?id=x"]
    status, answers, printed = check([f"{host}/there#made-by-a-script", *others])
    assert (status, printed) == (0, "")
    assert answers == {f"{host}/there#made-by-a-script": "working"} | dict.fromkeys(others, "ignored")


def test_a_doi_is_asked_of_doi_org_and_not_of_the_publisher():
    asked = extension.ask_for_the_handle(None, "https://doi.org/10.1109/5.726791")
    assert asked == "https://doi.org/api/handles/10.1109/5.726791"
    assert extension.ask_for_the_handle(None, "https://arxiv.org/abs/1810.09136") is None
