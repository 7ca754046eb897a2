// Makes the table of labels sortable and searchable; without it, it is a plain table.
'use strict';

(() => {
  const table = document.getElementById('labels-figures');
  if (!table) return;
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  // As published: what equal values keep.
  const rows = [...body.rows];

  const valueOf = (row, column) => row.cells[column].dataset.value;

  // Rows without a value come last, whichever way the others go.
  const compare = (column, direction) => (one, other) => {
    const [a, b] = [valueOf(one, column), valueOf(other, column)];
    if (a === '' || b === '') return (a === '') - (b === '');
    return direction * (column === 0 ? a.localeCompare(b, 'en') : a - b);
  };

  const sort = (column) => {
    const header = headers[column];
    const first = column === 0 ? 'ascending' : 'descending';
    const second = column === 0 ? 'descending' : 'ascending';
    const order = header.getAttribute('aria-sort') === first ? second : first;
    for (const one of headers) one.removeAttribute('aria-sort');
    header.setAttribute('aria-sort', order);
    body.append(...[...rows].sort(compare(column, order === 'ascending' ? 1 : -1)));
  };

  headers.forEach((header, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...header.childNodes);
    button.addEventListener('click', () => sort(column));
    header.append(button);
  });

  const search = document.getElementById('labels-search');
  const found = document.getElementById('labels-found');
  search.closest('p').hidden = false;
  search.addEventListener('input', () => {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      if (!row.hidden) shown += 1;
    }
    found.textContent = wanted ? `${shown} of ${rows.length}` : '';
  });
})();

// What is folded is printed, too.
addEventListener('beforeprint', () => {
  for (const details of document.querySelectorAll('.worst_papers details, .distinctive details')) details.open = true;
});
