"""What the site adds to the text of chapters: links to references, to other chapters and to the glossary.

A chapter is written in the Markdown that Colab and JupyterLab show as well. So it cites a paper by a link to the paper
itself, and speaks of "chapter 05" in plain words. When the site is built (tools/website/extension.py)

- a link to a paper of references.bib becomes a citation, `[Bishop (1994)](https://…)` in the text or
  `([Bishop, 1994](https://…))` in brackets;
- the numbers of other chapters that exist lead there, and so does "refresher";
- a term that the glossary explains leads there, once a chapter: an everyday word where it is emphasised, any other
  where it stands first.

Authors may also write {cite:t}`bishop1994` and {cite:p}`bishop1994`; tools/chapter/convert.py spells them out.
"""

import functools
import json
import re
from types import SimpleNamespace

from pybtex.database import parse_file

from tools.chapter import chapters

REFERENCES = chapters.BOOK / "references.bib"
GLOSSARY = chapters.BOOK / "glossary.md"
ROLE = re.compile(r"\{cite:(?P<kind>[pt])\}`(?P<keys>[^`]+)`")
LINK = re.compile(r"\[[^\[\]\n]+\]\((?P<address>https?://[^\s)]+)\)")
IN_BRACKETS = re.compile(rf"\((?P<links>{LINK.pattern}(?:; \[[^\[\]\n]+\]\(https?://[^\s)]+\))*)\)")
CHAPTERS = re.compile(r"\b(?:[Cc]hapters? \d\d(?:, \d\d)*(?:,? (?:and|or|to) \d\d)?|0\d (?:and|or|to) [01]\d)\b")
# Terms of the glossary that the text also says in their everyday sense, or in every other sentence.
EVERYDAY = {"anomaly", "claim", "contrast", "coupling", "distortion", "ensemble", "entropy", "gap", "inside", "mode"}
EVERYDAY |= {"grey level", "nat", "outside", "rate", "squeeze", "threshold"}
NEVER = {"likelihood"}  # of images under a model there, of images given latents in chapter 03
EMPHASISED = r"(?<!\*)(?P<marks>\*{1,2})(?!\s)(?P<words>[^*\n`]+)(?<!\s)(?P=marks)(?!\*)"
# What is left as it is: fenced and inline code with its role, mathematics, HTML tags, links, headings.
KEPT = re.compile(
    r"(^```.*?^```|(?:\{[\w:]+\})?`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|<[^>]+>|\[[^\]]*\]\([^)]*\)|^#[^\n]*$)", re.M | re.S
)


@functools.cache
def references():
    """{key: authors, year and address of an entry of references.bib}. Raises KeyError for one without an address."""
    found = {}
    for key, entry in parse_file(REFERENCES).entries.items():
        names = [
            " ".join(map(str, person.rich_prelast_names + person.rich_last_names)) for person in entry.persons["author"]
        ]
        authors = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        fields = entry.fields
        if "eprint" in fields:
            address = f"https://arxiv.org/abs/{fields['eprint']}"
        else:
            address = f"https://doi.org/{fields['doi']}" if "doi" in fields else fields["url"]
        found[key] = SimpleNamespace(authors=authors, year=fields["year"], address=address)
    return found


def in_text(key):
    entry = references()[key]
    return f"[{entry.authors} ({entry.year})]({entry.address})"


def in_brackets(key):
    entry = references()[key]
    return f"[{entry.authors}, {entry.year}]({entry.address})"


def spelled_out(text):
    """Markdown with links to the papers in place of the roles that cite them. Raises KeyError for an unknown key."""

    def written(match):
        keys = [key.strip() for key in match["keys"].split(",")]
        if match["kind"] == "p":
            return f"({'; '.join(map(in_brackets, keys))})"
        links = [in_text(key) for key in keys]
        return " and ".join([", ".join(links[:-1]), links[-1]] if links[1:] else links)

    return ROLE.sub(written, text)


def miscited(text):
    """Links to papers of references.bib that name other authors or another year than the entry there."""
    keys = {entry.address: key for key, entry in references().items()}
    cited = [(match.group(), keys[match["address"]]) for match in LINK.finditer(text) if match["address"] in keys]
    return [link for link, key in cited if link not in (in_text(key), in_brackets(key))]


@functools.cache
def terms():
    """{term in small letters: term} of the glossary."""
    blocks = re.findall(r"^:::\{glossary\}\n(.*?)^:::", GLOSSARY.read_text("utf-8"), re.M | re.S)
    return {line.lower(): line for block in blocks for line in block.splitlines() if line[:1].strip()}


@functools.cache
def term_in_text():
    """Pattern of what may lead to the glossary: anything emphasised, and terms that are no everyday words."""
    plain = sorted(set(terms().values()) - EVERYDAY - NEVER, key=len, reverse=True)
    return re.compile(rf"{EMPHASISED}|\b(?P<plain>{'|'.join(map(re.escape, plain))})s?\b")


def for_the_site(text, linked, own=""):
    """The Markdown of a cell as the site reads it.

    linked: the terms that the chapter has linked so far, a set that grows. own: the number of the chapter.
    """
    keys = {entry.address: key for key, entry in references().items()}
    pages = {path.name[:2]: path.stem for path in chapters.paths()}

    def bracketed(match):
        found = [keys.get(link["address"]) for link in LINK.finditer(match["links"])]
        return f"{{cite:p}}`{','.join(found)}`" if all(found) else match.group()

    def cited(match):
        key = keys.get(match["address"])
        return f"{{cite:t}}`{key}`" if key else match.group()

    def to_chapters(match):
        words = match.group()
        numbers = [number for number in re.findall(r"\d\d", words) if number in pages and number != own]
        if words.lower().startswith("chapter ") and numbers:
            return f"{{doc}}`{words} <{pages[numbers[0]]}>`"
        return re.sub(r"\d\d", lambda n: f"{{doc}}`{n[0]} <{pages[n[0]]}>`" if n[0] in numbers else n[0], words)

    def to_glossary(match):
        marks, words = match["marks"] or "", match["words"] or match.group()
        sought = (match["words"] or match["plain"]).lower()
        term = terms().get(sought) or terms().get(sought.removesuffix("s"))
        if term is None or term in linked | NEVER:
            return match.group()
        linked.add(term)
        return f"{marks}{{term}}`{words} <{term}>`{marks}"

    text = LINK.sub(cited, IN_BRACKETS.sub(bracketed, text))
    parts = KEPT.split(text)
    parts[::2] = [
        re.sub(r"\brefresher\b", "{doc}`refresher <refresher>`", CHAPTERS.sub(to_chapters, p)) for p in parts[::2]
    ]
    parts = KEPT.split("".join(parts))
    parts[::2] = [term_in_text().sub(to_glossary, part) for part in parts[::2]]
    return "".join(parts)


def read_source(app, name, source):
    """Sphinx is about to read a page: if it is a chapter, give it the text for the site."""
    if not str(app.env.doc2path(name)).endswith(".ipynb"):
        return
    nb, linked, up = json.loads(source[0]), set(), "../" * (name.count("/") - 1)
    for cell in nb["cells"]:
        if cell["cell_type"] == "markdown":
            text = for_the_site("".join(cell["source"]), linked, own=name.rpartition("/")[2][:2])
            cell["source"] = re.sub(r"(\{doc\}`[^`<]+<)", rf"\1{up}", text)  # coursework lies one folder down
    source[0] = json.dumps(nb)
