/** Which words of a text an explanation speaks of. Pure functions: text in, pieces of it out. */

// As pipeline/preprocessing.py splits text: ASCII letters in lower case, without ASCII punctuation, at white space.
const MARK = '[!"#$%&()*+,\\-./:;<=>?@[\\\\\\]^_`{|}~\']';
const MARKS = new RegExp(MARK, 'g');
const EDGES = new RegExp(`^${MARK}*|${MARK}*$`, 'g');
const TOKEN = /[^ \t\n\v\f\r]+/g;

/**
 * Splits a text into words as the model reads them, and says where each stands.
 *
 * "State-of-the-art (deep)" has the words stateoftheart, at 0 to 16, and deep, at 18 to 22.
 *
 * @param {string} text
 * @returns {{word: string, start: number, end: number}[]}
 */
export function wordsOf(text) {
  const words = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const word = token.replace(MARKS, '').replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    if (!word) continue;
    const [before, after] = token.match(EDGES);
    words.push({ word, start: index + before.length, end: index + token.length - after.length });
  }
  return words;
}

/**
 * Cuts texts into pieces, and gives each the contribution of the n-grams that it is part of.
 *
 * An n-gram may run from the end of one text into the next: the model reads title and abstract as one text.
 *
 * @param {string[]} texts
 * @param {{ngram: string, contribution: number}[]} explanation
 * @returns {{text: string, contribution: number}[][]} for each text its pieces, which joined are the text;
 *   contribution 0: no n-gram
 */
export function highlighted(texts, explanation) {
  const contributions = new Map(explanation.map(({ ngram, contribution }) => [ngram, contribution]));
  const longest = Math.max(1, ...explanation.map(({ ngram }) => ngram.split(' ').length));
  const words = texts.flatMap((text, field) => wordsOf(text).map((word) => ({ ...word, field, sum: 0, joined: false })));
  for (let first = 0; first < words.length; first++) {
    let ngram = '';
    for (let last = first; last < Math.min(first + longest, words.length); last++) {
      ngram = ngram ? `${ngram} ${words[last].word}` : words[last].word;
      const contribution = contributions.get(ngram);
      if (contribution === undefined) continue;
      for (let at = first; at <= last; at++) {
        words[at].sum += contribution;
        if (at < last) words[at].joined = true;
      }
    }
  }
  return texts.map((text, field) => pieces(text, words.filter((word) => word.field === field)));
}

/** Sets the marked words of one text apart from what lies between; words of one n-gram and one sign are one piece. */
function pieces(text, words) {
  const found = [];
  let end = 0;
  for (let at = 0; at < words.length; at++) {
    const { start, sum } = words[at];
    if (!sum) continue;
    let strongest = sum;
    while (words[at].joined && at + 1 < words.length && words[at + 1].sum * sum > 0) {
      at++;
      if (Math.abs(words[at].sum) > Math.abs(strongest)) strongest = words[at].sum;
    }
    if (start > end) found.push({ text: text.slice(end, start), contribution: 0 });
    end = words[at].end;
    found.push({ text: text.slice(start, end), contribution: strongest });
  }
  if (end < text.length) found.push({ text: text.slice(end), contribution: 0 });
  return found;
}

/**
 * How strongly to mark a contribution: 1 to 3, beside the largest one.
 *
 * @param {number} contribution
 * @param {number} largest the largest absolute value
 */
export function strength(contribution, largest) {
  return Math.max(1, Math.ceil((3 * Math.abs(contribution)) / largest));
}
