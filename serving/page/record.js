/** What the author takes away: a training record that `arxiv-tagger prepare` reads, or a line of text. */

import { wellFormed } from './api.js';

// What reads a dump takes a bare number for an id of arXiv that a spreadsheet has changed.
const NUMBER = /^\d+(\.\d*)?$/;
const ARXIV_ID = /^\d{4}\.\d{4,5}$/;

/**
 * Says what is still missing for a record.
 *
 * @param {{title: string, abstract: string, id: string}} state
 * @param {string[]} labels
 * @returns {?{field: string, message: string}} the id of the input to go to, and what to do there; null: nothing
 */
export function missing(state, labels) {
  if (!state.title.trim()) return { field: 'title', message: 'A record needs a title: type one first.' };
  if (!state.abstract.trim()) return { field: 'abstract', message: 'A record needs an abstract: type one first.' };
  if (!labels.length) return { field: 'search', message: 'No subject is chosen: accept or add one first.' };
  const id = state.id.trim();
  if (NUMBER.test(id) && !ARXIV_ID.test(id)) {
    return { field: 'record-id', message: `The id ${id} would be taken for a number: write it as page:${id}.` };
  }
  return null;
}

/**
 * Makes the record, one line of JSON.
 *
 * @param {{title: string, abstract: string, id: string}} state
 * @param {string[]} labels
 * @param {Date} now
 */
export function record(state, labels, now) {
  const date = day(now);
  const random = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => byte.toString(16).padStart(2, '0'));
  const fields = {
    id: state.id.trim() || `page:${date}-${random.join('')}`,
    title: state.title.replace(/\s+/g, ' ').trim(),
    abstract: state.abstract.trim(),
    categories: labels.join(' '),
    update_date: date,
  };
  return `${JSON.stringify(fields, (_, value) => (typeof value === 'string' ? wellFormed(value) : value))}\n`;
}

/** The day where the author is, as 2026-11-21. */
export function day(now) {
  const two = (number) => String(number).padStart(2, '0');
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

/** The choices as arXiv's own pages write them: Machine Learning (cs.LG); Robotics (cs.RO). */
export function asText(labels, nameOf) {
  return labels.map((label) => (nameOf(label) === label ? label : `${nameOf(label)} (${label})`)).join('; ');
}

/** Has the browser save a file. */
export function save(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Puts text on the clipboard. @returns {Promise<boolean>} whether the browser let us */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Browsers give the clipboard to pages from https and from this machine only; the old way still works elsewhere.
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
