/** The list of suggestions, as it stands on the page. */

import { strength } from './text.js';

const template = document.getElementById('subject');

// Below this a subject is not worth a look, but for the first few.
const WORTH_A_LOOK = 0.02;
const FIRST_FEW = 3;

/**
 * Divides predictions, which come best first, into what is suggested and what else there is to consider.
 *
 * @param {import('./api.js').Prediction[]} predictions
 * @returns {{suggested: import('./api.js').Prediction[], others: import('./api.js').Prediction[]}}
 */
export function divide(predictions) {
  const others = predictions.filter(({ accepted }) => !accepted);
  return {
    suggested: predictions.filter(({ accepted }) => accepted),
    others: others.filter(({ score }, at) => at < FIRST_FEW || score >= WORTH_A_LOOK),
  };
}

/** @returns {string} a probability for people */
export function percent(score) {
  if (score > 0 && score < 0.01) return 'under 1\u00a0%';
  return `${Math.min(Math.round(100 * score), score < 1 ? 99 : 100)}\u00a0%`;
}

/**
 * Makes a list show predictions. Items of labels that it shows already are changed in place, and keep the focus.
 *
 * @param {HTMLElement} list
 * @param {import('./api.js').Prediction[]} predictions
 * @param {{groupOf: function(string): string, choices: Object<string, string>, open: string}} view
 */
export function show(list, predictions, view) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const items = new Map(Array.from(list.children, (item) => [item.dataset.label, item]));
  predictions.forEach((prediction, at) => {
    const item = items.get(prediction.label) ?? newItem(prediction.label);
    items.delete(prediction.label);
    fill(item, prediction, view);
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  for (const item of items.values()) item.remove();
  // A browser takes the focus from an element that moves.
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

function newItem(label) {
  const item = template.content.firstElementChild.cloneNode(true);
  const why = item.querySelector('.why');
  item.dataset.label = label;
  why.id = `why-${label}`;
  item.querySelector('.label').textContent = label;
  item.querySelector('.choose').setAttribute('aria-controls', why.id);
  item.querySelector('.accept').setAttribute('aria-label', `Accept ${label}`);
  item.querySelector('.reject').setAttribute('aria-label', `Reject ${label}`);
  return item;
}

function fill(item, { label, name, score, threshold, accepted, explanation }, { groupOf, choices, open }) {
  const group = groupOf(label);
  item.classList.toggle('suggested', accepted);
  item.dataset.choice = choices[label] ?? '';
  item.querySelector('.choose').setAttribute('aria-expanded', String(open === label));
  item.querySelector('.words').textContent = name === label ? '' : name;
  item.querySelector('.score').textContent = percent(score);
  // The content-security policy forbids style attributes, but not this.
  item.querySelector('.bar').style.setProperty('--score', score);
  item.querySelector('.bar').style.setProperty('--threshold', threshold);
  item.querySelector('.about').textContent = `${group ? `${group}, ` : ''}suggested from ${percent(threshold)}`;
  item.querySelector('.accept').setAttribute('aria-pressed', String(choices[label] === 'accepted'));
  item.querySelector('.reject').setAttribute('aria-pressed', String(choices[label] === 'rejected'));
  item.querySelector('.why').hidden = open !== label;
  if (open === label) explain(item, label, explanation ?? []);
}

function explain(item, label, explanation) {
  const largest = Math.max(...explanation.map(({ contribution }) => Math.abs(contribution)));
  item.querySelector('.reason').textContent = explanation.length
    ? `What speaks for and against ${label}, weightiest first:`
    : 'No word here that the model knows.';
  item.querySelector('.ngrams').replaceChildren(
    ...explanation.map(({ ngram, contribution }) => {
      const entry = document.createElement('li');
      const mark = markOf(ngram, contribution, largest);
      const amount = document.createElement('span');
      amount.className = 'amount';
      amount.textContent = `${contribution < 0 ? '−' : '+'}${Math.abs(contribution).toFixed(2)}`;
      entry.append(mark, ' ', amount);
      return entry;
    }),
  );
}

/** A marked piece of text: told apart by class, and by how strongly. */
export function markOf(text, contribution, largest) {
  const mark = document.createElement('mark');
  mark.className = contribution < 0 ? 'against' : 'for';
  mark.dataset.strength = strength(contribution, largest);
  mark.textContent = text;
  return mark;
}
