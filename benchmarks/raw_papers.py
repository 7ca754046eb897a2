"""Cuts raw papers of dumps for measuring: JSON Lines of id, title and abstract."""

from __future__ import annotations

import argparse
import itertools
import json
import pathlib

from pipeline.config import InputConfig
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.read import papers_of
from pipeline.readers.format import ReadOptions
from pipeline.tally import Counts
from schemas.paper import Paper


def main() -> None:
    """Reads the flags and writes the papers."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument('--input', action='append', required=True, metavar='PATTERN')
    parser.add_argument('--number', type=int, required=True)
    parser.add_argument('--output', required=True, metavar='FILE')
    parser.add_argument('--result', required=True, metavar='FILE')
    arguments = parser.parse_args()
    config = InputConfig(patterns=tuple(arguments.input))
    options = ReadOptions.of(config, labelled=False)
    found = (
        paper
        for dump in find_dumps(config, labelled=False)
        for part in byte_ranges(dump)
        for paper in papers_of(part, options, Counts(), fail_on_damage=True)
        if isinstance(paper, Paper)
    )
    number = 0
    with open(arguments.output, 'w', encoding='utf-8') as file:
        for paper in itertools.islice(found, arguments.number):
            record = {'id': paper.id, 'title': paper.title, 'abstract': paper.abstract}
            file.write(json.dumps(record, ensure_ascii=False) + '\n')
            number += 1
    pathlib.Path(arguments.result).write_text(json.dumps({'papers': number}) + '\n', 'utf-8')


if __name__ == '__main__':
    main()
