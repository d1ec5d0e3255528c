"""The search finds what people type: a word's page, and a question's heading, are among the first three results."""

import pytest

from tests.conftest import visiting

# What is typed -> the page that answers it; in the glossary, the entry. A word that nothing finds gets a home in the
# text of a page, or in the line of synonyms ("Also: …") of its entry in the glossary; then it gets a line here.
TYPED = {
    "bpd": "glossary#term-bits-per-dimension",
    "bits per dimension": "02_bits_per_dimension",
    "normalising": "glossary#term-normalizing-flow",
    "normalising flow": "glossary#term-normalizing-flow",
    "normalizing": "05_glow",
    "normalisation": "glossary#term-actnorm",
    "grayscale": "glossary#term-grey-level",
    "greyscale": "glossary#term-grey-level",
    "OOD": "glossary#term-outside",
    "anomaly detection": "glossary#term-anomaly",
    "1x1 convolution": "glossary#term-11-convolution",
    "GAN": "glossary#term-generative-adversarial-network",
    "IWAE": "glossary#term-importance-weighted-bound",
    "ELBO": "glossary#term-ELBO",
    "typical set": "glossary#term-typical-set",
    "NaN": "questions",
    "exploding": "questions",
    "diverge": "glossary#term-gradient-clipping",
    "warmup": "glossary#term-warm-up",
    "gradient clipping": "glossary#term-gradient-clipping",
    "MSE": "glossary#term-mean-squared-error",
    "NLL": "glossary#term-negative-log-likelihood",
    "Bernoulli": "glossary#term-Bernoulli-likelihood",
    "LU": "glossary#term-LU-factorisation",
    "dropout": "glossary#term-overfitting",
    "overfitting": "glossary#term-overfitting",
    "blurry": "questions",
    "inpainting": "glossary#term-inpainting",
    "AUPR": "glossary#term-average-precision",
    "FPR95": "glossary#term-FPR95",
    "imbalance": "glossary#term-average-precision",
    "outlier": "glossary#term-anomaly",
    "novelty": "glossary#term-anomaly",
    "reconstruction error": "glossary#term-distortion",
    "tabular": "questions",
    "time series": "questions#my-data-are-continuous-tabular-data-a-time-series-what-then",
    "ToTensor": "questions",
    "MPS": "questions",
    "CUDA": "running",
    "Mac": "questions",
    "offline": "running",
    "license": "running",
    "CC BY": "running",
    "instructor": "instructors",
    "slides": "questions",
    "prerequisite": "questions",
    "course": "instructors",
    "kernel dies": "questions",
    "out of memory": "questions#out-of-memory",
    "negative loss": "glossary#term-negative-log-likelihood",
    "contamination": "questions",
    "Windows": "running",
}
# Ids of the index stand in an entry's definition; its term is before that.
FIND = """async (query) => {
  const glossary = await (await fetch("book/glossary.html")).text();
  const page = new DOMParser().parseFromString(glossary, "text/html");
  const term = (id) => page.getElementById(id)?.closest("dd").previousElementSibling.id;
  return Search._performSearch(...Search._parseQuery(query)).slice(-3).reverse().map(([name, , anchor]) =>
    name.replace("book/", "") + (anchor.startsWith("#index-") ? `#${term(anchor.slice(1))}` : anchor));
}"""
TITLES = "async (query) => Search._performSearch(...Search._parseQuery(query)).slice(-3).map(([, title]) => title)"


@pytest.fixture(scope="module")
def search(browser, address):
    with visiting(browser, address, "search.html") as (page, _):
        page.wait_for_function("Search._index")
        yield lambda typed, what="page": page.evaluate(TITLES if what == "title" else FIND, typed)


@pytest.mark.parametrize("typed", TYPED)
def test_what_people_type_leads_to_its_page(search, typed):
    assert TYPED[typed] in search(typed)


# A question as it is asked -> the heading that answers it. No page but Questions has all the words of most of these.
ASKED = {
    "sliders move, nothing changes": "Nothing moves in the figure",
    "why are my reconstructions fine and the samples poor?": "Reconstructions are good, samples are not",
    "why specify contamination": "What is contamination",
    "does it run on my MacBook's GPU?": "Can my Mac’s GPU (MPS) be used?",
    "can I train a detector without a single anomaly?": "Can a detector be trained without a single anomaly?",
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_question_leads_to_the_heading_that_answers_it(search, asked):
    titles = search(asked, what="title")
    assert any(ASKED[asked] in title for title in titles), titles


def test_where_no_page_has_all_words_those_with_most_are_listed(search):
    assert search("zyzzogeton and the typicality of Glow")
    assert not search("zyzzogeton")
