"""Chapters are plain Markdown; the site turns what it knows into links, and only that."""

from collections import Counter

import pytest

from tools.chapter import chapters
from tools.website import crossrefs

BISHOP, THEIS = crossrefs.in_brackets("bishop1994"), crossrefs.in_brackets("theis2016")


def site(text, own="02", linked=None):
    return crossrefs.for_the_site(text, set() if linked is None else linked, own)


def test_no_two_papers_are_cited_alike():
    cited = Counter((entry.authors, entry.year) for entry in crossrefs.references().values())
    assert [names for names, count in cited.items() if count > 1] == []


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("{cite:t}`bishop1994` says", "[Bishop (1994)](https://doi.org/10.1049/ip-vis:19941330) says"),
        ("old {cite:p}`bishop1994`.", "old ([Bishop, 1994](https://doi.org/10.1049/ip-vis:19941330))."),
        ("{cite:p}`bishop1994,theis2016`", f"({BISHOP}; {THEIS})"),
    ],
)
def test_citations_are_spelled_out_and_found_again(written, stored):
    assert crossrefs.spelled_out(written) == stored
    assert site(stored) == written and crossrefs.miscited(stored) == []


def test_several_papers_in_the_text_are_a_list():
    text = crossrefs.spelled_out("{cite:t}`bishop1994,theis2016,serra2020` agree")
    assert site(text) == "{cite:t}`bishop1994`, {cite:t}`theis2016` and {cite:t}`serra2020` agree"


@pytest.mark.parametrize("wrong", [BISHOP.replace("1994]", "1995]"), BISHOP.replace("[Bishop", "[Bischof")])
def test_a_wrong_name_or_year_is_found(wrong):
    assert crossrefs.miscited(f"Old ({wrong}).") == [wrong]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("in chapter 05.", "in {doc}`chapter 05 <05_glow>`."),
        (
            "chapters 02, 03 and 05",
            "chapters 02, {doc}`03 <03_variational_autoencoder>` and {doc}`05 <05_glow>`",
        ),
        ("a chapter of its own, 1905", None),
        ("chapter 02 is this one, 99 is none, chapter 99", None),
        ("## Back to chapter 05", None),
        ("`chapter 05`", None),
        ("```\nchapter 05\n```", None),
        ("$x_{chapter 05}$", None),
        ("[chapter 05](https://example.org/)", None),
        ("u on $[0, 2)$, see [x](https://example.org/a)", None),
        ("the *typical set*, and the *typical set*", "the *{term}`typical set <typical set>`*, and the *typical set*"),
        ("a **Gap**", "a **{term}`Gap <gap>`**"),
        ("a gap, inside", None),
        ("an AUROC of ½, its ELBOs", "an {term}`AUROC <AUROC>` of ½, its {term}`ELBOs <ELBO>`"),
        ("as *claims*", "as *{term}`claims <claim>`*"),
        ("a *likelihood*", None),
        ("one of 03 to 05", "one of {doc}`03 <03_variational_autoencoder>` to {doc}`05 <05_glow>`"),
        ("the refresher", "the {doc}`refresher <refresher>`"),
    ],
)
def test_what_becomes_a_link(text, links):
    assert site(text) == (links or text)


def test_the_words_kept_from_the_glossary_are_in_it():
    assert set(crossrefs.terms().values()) >= crossrefs.EVERYDAY | crossrefs.NEVER


def test_a_term_is_linked_once_a_chapter():
    linked = set()
    assert "{term}" in site("AUROC", linked=linked) and "{term}" not in site("AUROC", linked=linked)


def test_the_site_has_these_links_and_no_link_to_a_paper_in_the_text(built):
    for path in chapters.paths():
        page = (built[0] / "book" / f"{path.stem}.html").read_text("utf-8")
        article = page[page.index("<article") : page.index("</article>")]
        assert 'href="references.html#' in article and 'href="glossary.html#term-' in article
        assert any(f'href="{other.stem}.html"' in article for other in chapters.paths() if other != path)
        assert [e.address for e in crossrefs.references().values() if f'href="{e.address}"' in article] == []
