/** The page itself: what the author does changes the state, and the state is shown. */

import { allLabels } from './api.js';
import { Asking, isEnough } from './asking.js';
import { EXAMPLES } from './examples.js';
import { asText, copy, day, missing, record, save } from './record.js';
import { Search } from './search.js';
import { accepted, choose, emptyState, keep, restore } from './state.js';
import { divide, markOf, show } from './suggestions.js';
import { highlighted } from './text.js';

const GROUPS = {
  cs: 'Computer Science',
  econ: 'Economics',
  eess: 'Electrical Engineering and Systems Science',
  math: 'Mathematics',
  physics: 'Physics',
  'q-bio': 'Quantitative Biology',
  'q-fin': 'Quantitative Finance',
  stat: 'Statistics',
};
// A screen reader is told what is suggested once the author has stopped, not at each key.
const ANNOUNCE_AFTER_MS = 1500;

const element = (id) => document.getElementById(id);
const texts = ['title', 'abstract'];

let state = restore();
let cleared = null;
let answer = null;
let known = { version: null, labels: new Map() };
let announcing;

const asking = new Asking({ paper: () => state, answered, failed, busy: (is) => (element('busy').hidden = !is) });
const search = new Search({ labels: freeLabels, add });

// ---- What the author does

for (const name of texts) {
  element(name).addEventListener('input', () => {
    state[name] = element(name).value;
    notify(''); // There is nothing to undo any more: it would undo this.
    changed();
    asking.soon();
  });
}
element('title').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.isComposing) return;
  event.preventDefault(); // A title has one line.
  element('abstract').focus();
});
element('record-id').addEventListener('input', () => {
  state.id = element('record-id').value;
  keep(state);
});
for (const list of [element('suggested'), element('others')]) {
  list.addEventListener('click', (event) => {
    const label = event.target.closest('.subject')?.dataset.label;
    const button = event.target.closest('button');
    if (!button) return;
    if (button.matches('.choose')) state.open = shownLabel() === label ? '' : label;
    else choose(state, label, button.matches('.accept') ? 'accepted' : 'rejected');
    changed();
  });
}
element('accept-all').addEventListener('click', () => {
  for (const label of undecided()) choose(state, label, 'accepted');
  changed();
  element('suggested').querySelector('button').focus(); // The button is gone: there is nothing left to accept.
});
element('chosen').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const at = Array.prototype.indexOf.call(element('chosen').children, button.closest('li'));
  choose(state, button.dataset.label, 'accepted');
  changed();
  notify(`Removed ${button.dataset.label}.`);
  const left = element('chosen').querySelectorAll('button');
  (left[Math.min(at, left.length - 1)] ?? element('search')).focus();
});
element('download').addEventListener('click', () => {
  const labels = accepted(state);
  const lack = missing(state, labels);
  if (lack) return goTo(lack);
  const name = `arxiv-tagger-${day(new Date())}.jsonl`;
  save(name, record(state, labels, new Date()));
  return notify(`Downloaded ${name}: a record for arxiv-tagger prepare.`);
});
element('copy').addEventListener('click', async () => {
  const labels = accepted(state);
  if (!labels.length) return notify('No subject is chosen: accept or add one first.');
  const text = asText(labels, nameOf);
  return notify((await copy(text)) ? `Copied: ${text}` : `The browser does not let the page copy. Select this: ${text}`);
});
element('search').addEventListener('focus', () => {
  if (!known.version) learnLabels();
});
element('retry').addEventListener('click', () => asking.now());
element('clear').addEventListener('click', () => {
  cleared = state;
  replace(emptyState());
  notify('All is cleared.', true);
  element('title').focus();
});
element('undo').addEventListener('click', () => {
  replace(cleared);
  notify('Taken back.');
  element('title').focus();
});

function add(label) {
  if (state.choices[label] !== 'accepted') choose(state, label, 'accepted');
  changed();
  notify(`Added ${label}.`);
}

function replace(other) {
  state = other;
  fillIn();
  changed();
  asking.now();
}

// ---- What the server does

function answered(given) {
  answer = given;
  if (known.version !== given.version) learnLabels();
  changed();
  announce();
}

function failed(problem) {
  element('problem').hidden = !problem;
  // The same words again would be read out again.
  const message = problem?.message ?? '';
  if (element('problem-message').textContent !== message) element('problem-message').textContent = message;
}

/** Another model may know other labels. The page goes on with those that it has until it knows them. */
async function learnLabels() {
  try {
    const { version, labels } = await allLabels();
    known = { version, labels: new Map(labels.map((label) => [label.label, label])) };
    changed();
    search.refresh();
  } catch {
    // The suggestions, which matter more, say so where the server does not answer. The next answer tries again.
  }
}

// ---- What is shown

function changed() {
  keep(state);
  if (!isEnough(state)) answer = null;
  const { suggested, others } = divide(answer?.predictions ?? []);
  const open = shownLabel();
  const view = { groupOf, choices: state.choices, open };
  show(element('suggested'), suggested, view);
  show(element('others'), others, view);
  element('empty').hidden = Boolean(answer) || isEnough(state);
  element('results').hidden = !answer;
  element('suggested-group').hidden = !suggested.length;
  element('none-suggested').hidden = suggested.length > 0;
  element('others-group').hidden = !others.length;
  element('accept-all').textContent = `Accept all ${undecided().length}`;
  element('accept-all').hidden = undecided().length < 2;
  element('clear').hidden = !state.title && !state.abstract && !Object.keys(state.choices).length;
  if (answer) element('version').textContent = `Answered by model version ${answer.version}.`;
  showChosen();
  showMarks(open);
}

function showChosen() {
  const labels = accepted(state);
  element('none-chosen').hidden = labels.length > 0;
  element('chosen').replaceChildren(
    ...labels.map((label) => {
      const item = element('chosen-subject').content.firstElementChild.cloneNode(true);
      item.querySelector('.label').textContent = label;
      item.querySelector('.words').textContent = nameOf(label) === label ? '' : nameOf(label);
      item.querySelector('button').setAttribute('aria-label', `Remove ${label}`);
      item.querySelector('button').dataset.label = label;
      return item;
    }),
  );
}

/** Marks words in what lies behind the two fields: the same text, letter for letter, at the same place. */
function showMarks(open) {
  const explanation = answer?.predictions.find(({ label }) => label === open)?.explanation ?? [];
  const fields = highlighted(texts.map((name) => state[name]), explanation);
  const largest = Math.max(0, ...fields.flat().map(({ contribution }) => Math.abs(contribution)));
  texts.forEach((name, at) => {
    const pieces = fields[at].map(({ text, contribution }) =>
      contribution ? markOf(text, contribution, largest) : text,
    );
    // A line that is empty yet has no height of its own.
    element(`${name}-mirror`).replaceChildren(...pieces, '\u200b');
  });
  element('legend').hidden = !largest;
  element('no-legend').hidden = Boolean(answer);
  element('legend-label').textContent = open;
}

function fillIn() {
  for (const name of texts) element(name).value = state[name];
  element('record-id').value = state.id;
}

function notify(message, undo = false) {
  element('notice-message').textContent = message;
  element('undo').hidden = !undo;
}

function goTo({ field, message }) {
  notify(message);
  const details = element(field).closest('details');
  if (details) details.open = true;
  element(field).focus();
}

function announce() {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    const { suggested } = divide(answer?.predictions ?? []);
    const names = suggested.map(({ label, name }) => `${label} ${name}`).join(', ');
    const message = names ? `Suggested: ${names}.` : 'No subject is suggested yet.';
    if (element('announcement').textContent !== message) element('announcement').textContent = message;
  }, ANNOUNCE_AFTER_MS);
}

// ---- What follows from the state

/** The label whose words are marked: what the author opened, else the first suggestion. */
function shownLabel() {
  if (state.open === '') return '';
  const { suggested, others } = divide(answer?.predictions ?? []);
  const labels = [...suggested, ...others].map(({ label }) => label);
  return labels.includes(state.open) ? state.open : (labels[0] ?? '');
}

function undecided() {
  const { suggested } = divide(answer?.predictions ?? []);
  return suggested.map(({ label }) => label).filter((label) => !state.choices[label]);
}

function freeLabels() {
  return known.version && [...known.labels.values()].filter(({ label }) => state.choices[label] !== 'accepted');
}

function nameOf(label) {
  const predicted = answer?.predictions.find((prediction) => prediction.label === label);
  return known.labels.get(label)?.name ?? predicted?.name ?? label;
}

function groupOf(label) {
  const group = known.labels.get(label)?.group ?? '';
  return GROUPS[group] ?? (group === label ? '' : group);
}

// ---- Beginning

for (const { about, title, abstract } of EXAMPLES) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  const kind = document.createElement('span');
  button.type = 'button';
  kind.textContent = about;
  button.append(kind, title);
  button.addEventListener('click', () => {
    replace({ ...emptyState(), title, abstract });
    element('suggestions').focus({ preventScroll: true }); // The button is gone.
  });
  item.append(button);
  element('examples').append(item);
}
fillIn();
changed();
learnLabels();
asking.now();
