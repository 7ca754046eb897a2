/** What the author has typed and chosen; kept in this tab's session storage, so that it survives a reload. */

const KEY = 'arxiv-tagger';

/**
 * @typedef {object} State
 * @property {string} title
 * @property {string} abstract
 * @property {string} id of the record; empty: one is made
 * @property {Object<string, 'accepted'|'rejected'>} choices by label, in the order in which they were made
 * @property {?string} open the label whose words are shown; null: that of the first suggestion; '': none
 */

/** @returns {State} */
export function emptyState() {
  return { title: '', abstract: '', id: '', choices: {}, open: null };
}

/** @returns {State} what was kept, or an empty state */
export function restore() {
  const state = emptyState();
  let kept;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return state; // Storage is denied, or holds something else.
  }
  for (const name of ['title', 'abstract', 'id', 'open']) {
    if (typeof kept[name] === 'string') state[name] = kept[name];
  }
  for (const [label, choice] of Object.entries(kept.choices ?? {})) {
    if (choice === 'accepted' || choice === 'rejected') state.choices[label] = choice;
  }
  return state;
}

/** @param {State} state */
export function keep(state) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(state));
  } catch {
    // Storage is denied or full: the page works, only a reload forgets.
  }
}

/** Takes a choice back if it is made a second time; a new one comes last. @param {State} state */
export function choose(state, label, choice) {
  const { [label]: before, ...choices } = state.choices;
  if (before !== choice) choices[label] = choice;
  state.choices = choices;
}

/** @param {State} state @returns {string[]} the accepted labels, in the order in which they were accepted */
export function accepted(state) {
  return Object.keys(state.choices).filter((label) => state.choices[label] === 'accepted');
}
