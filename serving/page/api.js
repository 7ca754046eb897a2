/** What the page asks the server. */

const TIMEOUT_MS = 20_000;

/** Something went wrong. `message` is for the author; `passing`: it may well work when tried again later. */
export class Problem extends Error {
  constructor(message, passing = true) {
    super(message);
    this.passing = passing;
  }
}

/**
 * @typedef {object} Prediction
 * @property {string} label
 * @property {string} name
 * @property {number} score
 * @property {number} threshold
 * @property {boolean} accepted
 * @property {{ngram: string, contribution: number}[]} [explanation]
 */

/**
 * Asks for the subjects of a paper.
 *
 * @param {{title: string, abstract: string}} paper
 * @param {AbortSignal} signal
 * @returns {Promise<{version: string, predictions: Prediction[]}>}
 * @throws {Problem} or, if the signal was given, an AbortError
 */
export async function tag({ title, abstract }, signal) {
  const body = JSON.stringify({ title: wellFormed(title), abstract: wellFormed(abstract), top_k: 10, explain: 12 });
  const answer = await ask('v1/tag', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body }, signal);
  return { version: answer.model_version, predictions: answer.papers[0].predictions };
}

/**
 * Asks which labels the model knows.
 *
 * @returns {Promise<{version: string, labels: {label: string, name: string, group: string, threshold: number}[]}>}
 */
export async function allLabels() {
  const answer = await ask('v1/labels', {}, new AbortController().signal);
  return { version: answer.model_version, labels: answer.labels };
}

/** Half of a surrogate pair is no character: no UTF-8 can hold it. */
export function wellFormed(text) {
  return text.toWellFormed ? text.toWellFormed() : text;
}

async function ask(path, request, signal) {
  const timeout = new AbortController();
  const stop = () => timeout.abort();
  signal.addEventListener('abort', stop);
  const timer = setTimeout(stop, TIMEOUT_MS);
  let response;
  let answer;
  try {
    response = await fetch(path, { ...request, signal: timeout.signal });
    answer = await response.json().catch((error) => {
      if (timeout.signal.aborted) throw error;
      return null;
    });
  } catch (error) {
    if (signal.aborted) throw error;
    if (timeout.signal.aborted) throw new Problem('The server takes too long to answer.');
    throw new Problem(
      navigator.onLine
        ? 'The server does not answer; arxiv-tagger serve may have ended. Start it again; what you typed is kept.'
        : 'You are offline. What you typed is kept; the suggestions come back with the connection.',
    );
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
  if (response.ok && answer) return answer;
  const message = answer?.error?.message ?? `The server failed with status ${response.status}; its log says why.`;
  throw new Problem(message, response.ok || response.status >= 500 || response.status === 429);
}
