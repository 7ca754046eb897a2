"""RESULTS.md has a section for each program that measures; a program rewrites its own, and no other."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping


def write_section(path: str | pathlib.Path, name: str, text: str) -> None:
    """Puts `text` between the marks of section `name`; a section that is not there yet is put at the end."""
    file = pathlib.Path(path)
    begin, end = f'<!-- {name}: begin -->', f'<!-- {name}: end -->'
    section = f'{begin}\n\n{text.strip()}\n\n{end}\n'
    before = file.read_text('utf-8') if file.exists() else ''
    head, found, rest = before.partition(begin)
    if not found:
        file.write_text(f'{before.rstrip()}\n\n{section}'.lstrip(), 'utf-8')
        return
    tail = rest.partition(end)[2].lstrip('\n')
    file.write_text(head + section + (f'\n{tail}' if tail else ''), 'utf-8')


def table(cells: Mapping[str, object]) -> str:
    """Returns a Markdown table of one row: heading -> value."""
    rows = [cells, ['---'] * len(cells), cells.values()]
    return ''.join(f'| {" | ".join(map(str, row))} |\n' for row in rows)
