/** Asks the server about what is being typed: not at each key, only for the newest text, again where it did not work. */

import { Problem, tag } from './api.js';

const PAUSE_MS = 250;
const LONGEST_MS = 1000; // Who types on without a pause gets an answer all the same.
const SLOW_MS = 500;
const FIRST_RETRY_MS = 2000;
const LAST_RETRY_MS = 30_000;
const WORDS = 3;

/** Whether there is enough text for a first guess. */
export function isEnough({ title, abstract }) {
  return `${title} ${abstract}`.split(/\s+/).filter(Boolean).length >= WORDS;
}

export class Asking {
  /**
   * @param {object} page
   * @param {function(): {title: string, abstract: string}} page.paper what is to be asked about
   * @param {function(object): void} page.answered with what `tag` gave
   * @param {function(?Problem): void} page.failed with what went wrong; null: nothing any more
   * @param {function(boolean): void} page.busy an answer is overdue, or not any more
   */
  constructor(page) {
    this.page = page;
    this.running = null;
    this.waitingSince = 0;
    this.retryAfter = FIRST_RETRY_MS;
    // The connection is back: no reason to wait.
    window.addEventListener('online', () => this.now());
    window.addEventListener('offline', () => this.now());
  }

  /** The text has changed. */
  soon() {
    const now = performance.now();
    this.waitingSince ||= now;
    this.after(Math.max(0, Math.min(PAUSE_MS, this.waitingSince + LONGEST_MS - now)));
  }

  after(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(), milliseconds);
  }

  /** Drops what is under way, which is about an older text, and asks about the one that stands there now. */
  async now() {
    clearTimeout(this.timer);
    this.waitingSince = 0;
    this.running?.abort();
    this.page.busy(false);
    const paper = this.page.paper();
    if (!isEnough(paper)) {
      this.page.failed(null);
      return;
    }
    const running = (this.running = new AbortController());
    const slow = setTimeout(() => this.page.busy(true), SLOW_MS);
    try {
      const answer = await tag(paper, running.signal);
      if (running.signal.aborted) return;
      this.retryAfter = FIRST_RETRY_MS;
      this.page.failed(null);
      this.page.answered(answer);
    } catch (error) {
      if (running.signal.aborted) return;
      this.page.failed(error);
      if (!(error instanceof Problem)) throw error;
      if (error.passing) {
        this.after(this.retryAfter);
        this.retryAfter = Math.min(2 * this.retryAfter, LAST_RETRY_MS);
      }
    } finally {
      clearTimeout(slow);
      if (this.running === running) this.page.busy(false);
    }
  }
}
