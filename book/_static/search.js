// Sphinx lists the pages that hold every word of a query. People type questions, so two things are added: headings that
// hold most of what was typed, and, where no page holds all of it, the pages that hold most. A word counts the more the
// fewer headings or pages have it.
const ASIDE = new Set(
  ("about after all also am any been can could did do does from get gets had has have how i its like may me might must my " +
   "need one only other should so some than too use using want we were what when where which who why without would you " +
   "your").split(" "),
);
const MOST = 0.4; // of what was typed
const EXACT = 50; // the score of an entry of the glossary that is nearly what was typed

const listed = (files) => (files === undefined ? [] : [].concat(files));

/** Things with most of the words: [[share, thing]], the best last. holders: Map from a word to the things that hold it. */
function holdingMost(words, holders, total) {
  const known = words.filter((word) => holders.get(word).size);
  const weight = (word) => Math.log(1 + total / holders.get(word).size);
  const all = known.reduce((sum, word) => sum + weight(word), 0);
  const found = new Map();
  for (const word of known) {
    for (const thing of holders.get(word)) found.set(thing, (found.get(thing) ?? 0) + weight(word) / all);
  }
  return [...found].filter(([, share]) => share >= MOST).map(([thing, share]) => [share, thing]).sort(([a], [b]) => a - b);
}

let headings = null; // [[title, document, address in it, its stems]]

function stems(text) {
  const stemmer = new Stemmer();
  const words = splitQuery(text.toLowerCase().replaceAll("×", "x")).filter((word) => !ASIDE.has(word));
  return new Set(words.map((word) => stemmer.stemWord(word)));
}

const byAllWords = Search._performSearch;
Search._performSearch = (query, searchTerms, ...rest) => {
  const index = Search._index, wanted = stems(query);
  const words = [...searchTerms].filter((word) => wanted.has(word));
  const found = byAllWords(query, searchTerms, ...rest);
  if (words.length < 2) return found;

  headings ??= Object.entries(index.alltitles).flatMap(([title, places]) =>
    places.filter(([, id]) => id !== null).map(([file, id]) => [title, file, id, stems(title)]));
  const titled = new Map(words.map((word) => [word, new Set(headings.filter((heading) => heading[3].has(word)))]));
  const result = (score, file, title, anchor) =>
    [index.docnames[file], title, anchor, null, score, index.filenames[file]];
  const best = holdingMost(words, titled, headings.length).slice(-3).map(([share, [title, file, id]]) =>
    result(share, file, `${index.titles[file]} > ${title}`, `#${id}`));
  const same = (a) => (b) => a[0] === b[0] && a[2] === b[2];
  const others = found.filter((one) => !best.some(same(one)));
  let at = others.length;
  const asTyped = ([, title, , , score]) => score >= EXACT || title.toLowerCase().includes(query.trim().toLowerCase());
  while (at && asTyped(others[at - 1])) at -= 1;
  others.splice(at, 0, ...best);

  if (!found.length) {
    const inText = (word) => new Set([...listed(index.terms[word]), ...listed(index.titleterms[word])]);
    const texts = new Map(words.map((word) => [word, inText(word)]));
    const pages = holdingMost(words, texts, index.docnames.length).slice(-5);
    others.unshift(...pages.map(([share, file]) => result(share, file, index.titles[file], "")));
  }
  return others;
};
