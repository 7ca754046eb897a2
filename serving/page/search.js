/** The field in which one looks for a subject to add: a combobox with a list of options, as WAI-ARIA describes it. */

/**
 * Finds labels in which each word of a query begins a word of the id or the name.
 *
 * @param {{label: string, name: string}[]} labels
 * @param {string} query
 */
export function find(labels, query) {
  const wanted = parts(query);
  return labels.filter((label) => {
    const found = [...parts(label.label), ...parts(label.name), label.label.toLowerCase()];
    return wanted.every((word) => found.some((part) => part.startsWith(word)));
  });
}

function parts(text) {
  const whole = text.toLowerCase().split(/\s+/);
  return [...whole, ...whole.flatMap((word) => word.split(/[^\p{L}\p{N}]+/u))].filter(Boolean);
}

export class Search {
  /**
   * @param {object} page
   * @param {function(): ?{label: string, name: string}[]} page.labels what can be added; null: that is not known yet
   * @param {function(string): void} page.add called with the label that is picked
   */
  constructor({ labels, add }) {
    this.input = document.getElementById('search');
    this.list = document.getElementById('options');
    this.none = document.getElementById('no-options');
    this.labels = labels;
    this.add = add;
    this.found = [];
    this.active = -1;
    this.input.addEventListener('input', () => this.search());
    this.input.addEventListener('keydown', (event) => this.key(event));
    this.input.addEventListener('blur', () => this.close());
    // The list must not take the focus from the field: the field would close it before the click arrives.
    this.list.addEventListener('mousedown', (event) => event.preventDefault());
    this.list.addEventListener('click', (event) => {
      const option = event.target.closest('[role=option]');
      if (option) this.pick(Array.prototype.indexOf.call(this.list.children, option));
    });
  }

  search() {
    const query = this.input.value.trim();
    const labels = this.labels();
    if (query) this.open(find(labels ?? [], query));
    else this.close();
    this.none.textContent = labels
      ? `The model has no other subject like “${query}”.`
      : 'The server has not said yet which subjects there are.';
    this.none.hidden = !query || this.found.length > 0;
  }

  /** The labels have changed. */
  refresh() {
    if (this.input === document.activeElement && this.input.value) this.search();
  }

  open(found) {
    this.found = found;
    this.list.replaceChildren(
      ...found.map(({ label, name }, at) => {
        const option = document.createElement('li');
        option.id = `option-${at}`;
        option.setAttribute('role', 'option');
        const id = document.createElement('b');
        id.textContent = label;
        option.append(id, name === label ? '' : ` ${name}`);
        return option;
      }),
    );
    this.list.hidden = !found.length;
    this.list.scrollTop = 0;
    this.input.setAttribute('aria-expanded', String(found.length > 0));
    this.activate(found.length ? 0 : -1);
  }

  close() {
    this.open([]);
    this.none.hidden = true;
  }

  activate(at) {
    this.active = at;
    Array.from(this.list.children).forEach((option, other) => option.setAttribute('aria-selected', String(other === at)));
    if (at < 0) {
      this.input.removeAttribute('aria-activedescendant');
    } else {
      this.input.setAttribute('aria-activedescendant', `option-${at}`);
      this.list.children[at].scrollIntoView({ block: 'nearest' });
    }
  }

  key(event) {
    const { length } = this.found;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (length) this.activate((this.active + (event.key === 'ArrowDown' ? 1 : length - 1)) % length);
      else if (!this.input.value.trim()) this.open(this.labels() ?? []);
    } else if (event.key === 'Enter' && length) {
      event.preventDefault();
      this.pick(this.active);
    } else if (event.key === 'Escape') {
      if (!length) this.input.value = '';
      this.close();
    }
  }

  pick(at) {
    const { label } = this.found[at];
    this.input.value = '';
    this.close();
    this.add(label);
  }
}
