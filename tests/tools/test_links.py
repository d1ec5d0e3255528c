"""The check of external links, against a host of our own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.website import links

STATUS = {"/there": 200, "/gone": 404, "/moved": 302, "/shy": 403}


class Host(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(STATUS[self.path])
        self.send_header("Location", "/gone")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def host():
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def site(folder, *targets):
    anchors = "".join(f'<a href="{target}">x</a>' for target in targets)
    (folder / "index.html").write_text(f'{anchors}<a href="other.html">y</a><link href="http://ignored/">')
    return folder


def test_answers(host):
    kinds = {path: links.ask(host + path)[0] for path in STATUS}
    assert kinds == {"/there": "ok", "/gone": "broken", "/moved": "broken", "/shy": "shy"}


def test_broken_links_fail(host, tmp_path, capsys):
    assert not links.main(site(tmp_path, f"{host}/there#part", f"{host}/shy", "https://github.com/OWNER/REPO/x"))
    assert "2 addresses, 0 broken" in capsys.readouterr().out
    assert links.main(site(tmp_path, f"{host}/there", f"{host}/gone"))
    assert f"{host}/gone  on index.html" in capsys.readouterr().out


def test_no_network_is_said_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match="is there a network"):
        links.main(site(tmp_path, "http://127.0.0.1:9/"))


def test_no_site_is_said_in_one_line(tmp_path):
    with pytest.raises(SystemExit, match="run make book first"):
        links.main(tmp_path)
