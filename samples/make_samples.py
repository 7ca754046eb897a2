"""Cuts the two sample dumps beside this file out of a larger collection of arXiv metadata.

Run by hand, and only to change the samples; README.md beside this file says what they hold.

    python samples/make_samples.py COLLECTION

COLLECTION is a folder of JSON Lines files, `*.jsonl.zst`, with the keys `id`, `title`, `abstract`,
`categories` (a list) and `harvested` (a day). Which papers are taken depends on their ids alone, so the
same collection gives the same bytes, however its files are cut and whatever else is in it.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypedDict

import zstandard

SAMPLES = Path(__file__).parent
TRAIN_PAPERS = 5_000
NEW_PAPERS = 500

# A month lies between the two: no paper of the new dump can be an early version of a training paper.
TRAIN_DAYS = ('2025-03-01', '2026-02-28')
NEW_DAYS = ('2026-04-01', '2026-04-30')
FIRST_NEW_ID = '2604.00000'

# Areas that 5,000 papers are enough to learn, and far enough apart for a reader to judge the tags.
SUBJECTS = re.compile(r'cs\.(CV|CL|LG)|stat\.ML|astro-ph(\..+)?')


class Paper(TypedDict):
    """One record of the collection."""

    id: str
    title: str
    abstract: str
    categories: list[str]
    harvested: str


def read_papers(folder: Path) -> Iterator[Paper]:
    """Yields every record of the folder's files."""
    for path in sorted(folder.glob('*.jsonl.zst')):
        with zstandard.open(path, 'rt', encoding='utf-8', newline='\n') as lines:
            yield from map(json.loads, lines)


def in_hash_order(papers: Iterable[Paper]) -> list[Paper]:
    """Sorts by a keyed hash of the id: the first n are n papers drawn by lot, the same ones every time."""

    def lot(paper: Paper) -> bytes:
        return hashlib.blake2b(paper['id'].encode(), key=b'arxiv-tagger samples', digest_size=16).digest()

    return sorted(papers, key=lot)


def title_key(title: str) -> str:
    """Returns the title without case, punctuation and white space.

    >>> title_key('On the  Flux-Tube.')
    'onthefluxtube'
    """
    return re.sub(r'[\W_]+', '', title.lower())


def choose(papers: list[Paper]) -> tuple[list[Paper], list[Paper]]:
    """Returns the training papers and the newer ones, which share no id and no title."""
    papers = in_hash_order(p for p in papers if any(map(SUBJECTS.fullmatch, p['categories'])))
    train = [p for p in papers if TRAIN_DAYS[0] <= p['harvested'] <= TRAIN_DAYS[1]][:TRAIN_PAPERS]
    known = {title_key(p['title']) for p in train}
    new = [
        p
        for p in papers
        if p['id'] >= FIRST_NEW_ID
        and NEW_DAYS[0] <= p['harvested'] <= NEW_DAYS[1]
        and title_key(p['title']) not in known
    ][:NEW_PAPERS]
    return train, new


def as_csv(papers: list[Paper]) -> str:
    """Formats as the Kaggle set "arXiv Paper Abstracts" does: three columns, categories as a Python list."""
    text = io.StringIO(newline='')
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(('titles', 'summaries', 'terms'))
    rows.writerows((p['title'], p['abstract'], repr(p['categories'])) for p in papers)
    return text.getvalue()


def as_json_lines(papers: list[Paper]) -> str:
    """Formats as the Kaggle snapshot of arXiv's metadata does, with the keys that matter here."""
    return ''.join(
        json.dumps(
            {
                'id': p['id'],
                'title': p['title'],
                'abstract': p['abstract'],
                'categories': p['categories'],
                'update_date': p['harvested'],
            },
            ensure_ascii=False,
        )
        + '\n'
        for p in papers
    )


def main() -> None:
    """Writes both samples and says how large they are."""
    parser = argparse.ArgumentParser(description='Cuts the sample dumps out of a collection of arXiv metadata.')
    parser.add_argument('collection', type=Path, help='folder with *.jsonl.zst files')
    folder = parser.parse_args().collection
    papers = list(read_papers(folder))
    train, new = choose(papers)
    if len(train) < TRAIN_PAPERS or len(new) < NEW_PAPERS:
        sys.exit(
            f'make_samples: {folder} has {len(train)} of {TRAIN_PAPERS} training papers and {len(new)} of '
            f'{NEW_PAPERS} new ones (*.jsonl.zst held {len(papers)} papers). Is it the right folder?'
        )
    outputs = {
        'train.csv.zst': zstandard.ZstdCompressor(level=19).compress(as_csv(train).encode()),
        # gzip, so that the standard library and zcat can read what the demo tags; no time stamp inside.
        'new_dump.jsonl.gz': gzip.compress(as_json_lines(new).encode(), mtime=0),
    }
    for name, data in outputs.items():
        (SAMPLES / name).write_bytes(data)
        print(f'{name}: {len(data):,} bytes')


if __name__ == '__main__':
    main()
