"""Shows tagged papers as a person would read them; needs nothing but Python.

    python samples/show_tagged.py build/demo/tagged --dump samples/new_dump.jsonl.gz

reads the JSON Lines that `arxiv-tagger score` wrote and, if a dump is named, puts the authors' own
categories beside the predicted labels.
"""

import argparse
import gzip
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# MSC and ACM codes stand among the categories; arXiv's own begin with a lower-case archive.
ARXIV_CATEGORY = re.compile(r'[a-z-]+(\.[A-Za-z-]+)?')


class CannotShowError(Exception):
    """Says in one line what is wrong with what the user named."""


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the records of a file, plain or .gz.

    Raises:
        CannotShowError: if the file cannot be read or a line is not a JSON object.
    """
    try:
        with gzip.open(path, 'rt', encoding='utf-8') if path.suffix == '.gz' else path.open(encoding='utf-8') as lines:
            for number, line in enumerate(lines, start=1):
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise CannotShowError(f'{path}, line {number}: found {line[:40].strip()}, not a JSON object')
                yield record
    except json.JSONDecodeError as error:
        raise CannotShowError(f'{path}, line {number}: not JSON ({error.msg})') from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CannotShowError(f'cannot read {path}: {error}') from error


def read_tagged(folder: Path) -> list[dict[str, Any]]:
    """Returns all records that `score` published in the folder, by id.

    Raises:
        CannotShowError: if `score` has not finished there, or wrote no paper.
    """
    if not (folder / 'COMPLETED').exists():
        raise CannotShowError(f'{folder} has no file COMPLETED: no finished output of "arxiv-tagger score"')
    papers = [paper for path in sorted(folder.glob('part-*.jsonl')) for paper in read_json_lines(path)]
    if not papers:
        raise CannotShowError(f'{folder} has no tagged paper in part-*.jsonl; its dead_letters/ may say why')
    return sorted(papers, key=lambda paper: str(paper['id']))


def read_categories(dump: Path) -> dict[str, list[str]]:
    """Returns the arXiv categories of each paper of a JSON Lines dump, by id."""
    return {
        str(paper.get('id')): [c for c in paper.get('categories') or [] if ARXIV_CATEGORY.fullmatch(c)]
        for paper in read_json_lines(dump)
    }


def spread(papers: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Returns `count` papers at even distances.

    >>> [paper['id'] for paper in spread([{'id': str(i)} for i in range(10)], 3)]
    ['0', '3', '6']
    """
    count = min(count, len(papers))
    return [papers[i * len(papers) // count] for i in range(count)]


def describe(paper: dict[str, Any], categories: list[str] | None, labels: int) -> str:
    """Formats one paper: its title, its categories where known, its best labels, `*` where accepted.

    >>> print(describe({'title': 'A', 'predictions': [{'label': 'cs.CV', 'score': 0.912, 'accepted': True}]}, [], 4))
    A
        predicted  cs.CV .91*
    """
    title = textwrap.shorten(paper['title'], width=110, placeholder=' ...')
    predicted = '  '.join(
        f'{p["label"]} {p["score"]:.2f}'.replace(' 0.', ' .') + ('*' if p['accepted'] else '')
        for p in paper['predictions'][:labels]
    )
    known = [f'    authors    {"  ".join(categories)}'] if categories else []
    return '\n'.join([title, *known, f'    predicted  {predicted}'])


def main() -> None:
    """Prints the papers, or one line that says why it cannot."""
    parser = argparse.ArgumentParser(description='Shows papers that "arxiv-tagger score" has tagged.')
    parser.add_argument('tagged', type=Path, help='output folder of "arxiv-tagger score"')
    parser.add_argument('--dump', type=Path, help='the JSON Lines that were scored, for the categories they had')
    parser.add_argument('--papers', type=int, default=10, help='how many to show (default: 10)')
    parser.add_argument('--labels', type=int, default=4, help='labels to show for each (default: 4)')
    arguments = parser.parse_args()
    if arguments.papers < 1 or arguments.labels < 1:
        parser.error('--papers and --labels must be at least 1')
    try:
        papers = read_tagged(arguments.tagged)
        categories = read_categories(arguments.dump) if arguments.dump else {}
        for paper in spread(papers, arguments.papers):
            print('\n' + describe(paper, categories.get(str(paper['id'])), arguments.labels))
    except CannotShowError as error:
        sys.exit(f'show_tagged: {error}')
    except (KeyError, TypeError) as error:
        sys.exit(f'show_tagged: {arguments.tagged} is not the output of "arxiv-tagger score": {error!r}')
    print('\n* accepted: the score is over the threshold of its label')


if __name__ == '__main__':
    main()
