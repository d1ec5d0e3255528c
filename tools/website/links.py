"""Ask every address that the built site links to, outside itself, whether it is there.

    make book && python -m tools.website.links

For a DOI it is enough that doi.org knows where to send a reader: publishers turn programs away. An address that
answers with 403 or 429 is there, and is listed. Exit status 1 where an address is gone or wrong.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from urllib.parse import urldefrag

import requests

from tools.chapter import chapters

SITE = chapters.ROOT / "_build" / "html"
PLACEHOLDER = "OWNER/REPO"
TIMEOUT = 20  # seconds
SHY = (403, 418, 429)  # there, but not for programs
HEADERS = {"User-Agent": "Mozilla/5.0 (link check of a book)"}


class Addresses(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        address = dict(attributes).get("href") or ""
        if tag == "a" and address.startswith(("https://", "http://")) and PLACEHOLDER not in address:
            self.found.add(urldefrag(address).url)


def addresses(site):
    """{address: a page that links to it}, sorted."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            for address in Addresses(path.read_text("utf-8")).found:
                found.setdefault(address, path.relative_to(site).as_posix())
    return dict(sorted(found.items()))


def ask(address):
    """("ok" | "shy" | "broken" | "unreachable", why)."""
    follow = not address.startswith("https://doi.org/")
    try:
        with requests.get(address, headers=HEADERS, timeout=TIMEOUT, allow_redirects=follow, stream=True) as answer:
            status = answer.status_code
    except requests.RequestException as error:
        return "unreachable", type(error).__name__
    return ("ok" if status < 400 else "shy" if status in SHY else "broken"), str(status)


def main(site=SITE):
    if not (site / "index.html").is_file():
        sys.exit("There is no site yet: run make book first.")
    found = addresses(site)
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(found, pool.map(ask, found), strict=True))
    if answers and all(kind == "unreachable" for kind, _ in answers.values()):
        sys.exit(f"None of {len(answers)} addresses can be reached: is there a network?")
    for address, (kind, why) in answers.items():
        if kind != "ok":
            print(f"{kind:11} {why:>15}  {address}  on {found[address]}")
    failed = sum(kind in ("broken", "unreachable") for kind, _ in answers.values())
    print(f"{len(answers)} addresses, {failed} broken or unreachable")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
