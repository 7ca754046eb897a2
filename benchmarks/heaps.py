"""Fits the constants that docs/scaling.md computes with.

    make bench-prepare && .venv/bin/python benchmarks/heaps.py

Distinct n-grams by papers (Heaps' law) come from what prepare.py's growth runs found; bytes on disk and through the
shuffles are measured here, on blocks of real papers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import pathlib
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from machine import machine
from prepare_inputs import load_papers
from report import table

from pipeline.config import NgramConfig
from pipeline.count_ngrams import Candidates, candidates_needed, cut
from pipeline.examples import pieces_of
from pipeline.index import INDEX, PLACES
from pipeline.ngrams import Vocabulary, count_rows, merge_counts, partition_counts
from pipeline.paper_blocks import MAX_PAPERS, PaperBlock
from pipeline.partitions import partitions_of
from pipeline.readers import Dump
from pipeline.shards import shards_needed
from pipeline.spell_ngrams import spell
from schemas.features import SPLITS

_TARGETS = (10**7, 10**8, 10**9)
_BITS = 3
# Of a record beside its title and abstract.
_FIELD_BYTES = 120


def heaps(papers: Sequence[float], distinct: Sequence[float]) -> tuple[float, float]:
    """Fits Heaps' law, distinct = k * papers**beta, by least squares of the logarithms; returns k and beta.

    >>> k, beta = heaps([1, 10, 100], [5, 50, 500])
    >>> round(k, 6), round(beta, 6)
    (5.0, 1.0)
    """
    line = statistics.linear_regression([math.log(x) for x in papers], [math.log(y) for y in distinct])
    return math.exp(line.intercept), line.slope


def growth_points(result: pathlib.Path) -> Iterator[tuple[int, int]]:
    """Yields training papers and distinct n-grams of each growth run, the fewest first."""
    for run in json.loads(result.read_text('utf-8'))['sizes']:
        found = run['statistics']
        yield found['splits']['train'], found['ngrams']['distinct']


def block_figures(path: str, most: int) -> dict[str, Any]:
    """Measures blocks of papers, all of them for training.

    Args:
        path: file of papers that prepare.py made.
        most: blocks.
    """
    config = NgramConfig()
    papers = load_papers(path).papers
    blocks = [
        PaperBlock.of(papers[start : start + MAX_PAPERS], start, config)
        for start in range(0, min(len(papers) - MAX_PAPERS + 1, most * MAX_PAPERS), MAX_PAPERS)
    ]
    if not blocks:
        raise SystemExit(f'benchmarks: {path} has {len(papers):,} papers; a block has {MAX_PAPERS:,}.')
    counts = [count_rows(block.ngrams, np.ones(MAX_PAPERS, bool)) for block in blocks]
    packed = [[part.pack() for _, part in partition_counts(count, _BITS)] for count in counts]
    merged = merge_counts(counts)
    vocabulary = Vocabulary(cut([Candidates(merged.pack(), True)], config.vocabulary_size))
    places = np.zeros(MAX_PAPERS, PLACES)
    places['row'] = np.arange(MAX_PAPERS)
    names = itertools.chain(*(block.label_sets for block in blocks))
    labels = sorted({label for name in names for label in name.split()})
    shards = dict.fromkeys(SPLITS, 8)
    pieces = [
        len(piece.pack()) for block in blocks for *_, piece in pieces_of(block, places, vocabulary, labels, shards)
    ]
    spelled = [spell(block, vocabulary).nbytes for block in blocks]
    number = len(blocks) * MAX_PAPERS
    text = sum(len(paper.title) + len(paper.abstract) for paper in papers) / len(papers)
    kept = int(vocabulary.counts.papers.sum()) / number
    pairs = sum(int(count.papers.sum()) for count in counts)
    return {
        'blocks': len(blocks),
        'papers_of_block': MAX_PAPERS,
        'distinct_of_block': statistics.mean(len(count.fingerprints) for count in counts),
        'pairs_per_paper': pairs / number,
        'kept_pairs_per_paper': kept,
        'paper_bytes': text + _FIELD_BYTES,
        'example_bytes_per_paper': (140 + 6.5 * kept) * 0.85,
        'block_bytes_per_paper': sum(len(block.to_bytes()) for block in blocks) / number,
        'count_bytes_per_paper': sum(len(part) for parts in packed for part in parts) / number,
        'index_bytes_per_paper': INDEX.itemsize,
        'place_bytes_per_paper': PLACES.itemsize,
        'piece_bytes_per_paper': sum(pieces) / number,
        'largest_piece': max(pieces),
        'spelled_bytes_per_block': statistics.mean(spelled),
        'label_sets_of_block': statistics.mean(len(block.label_sets) for block in blocks),
        'merged_bytes_per_ngram': len(merged.pack()) / len(merged.fingerprints),
    }


def scale(papers: int, found: dict[str, Any], k: float, beta: float) -> dict[str, float]:
    """Computes what `prepare` moves and holds for so many papers, all for training, by the product's own rules.

    Args:
        papers: N.
        found: see `block_figures`.
        k: of Heaps' law.
        beta: of Heaps' law.
    """
    config = NgramConfig()
    size = found['paper_bytes'] * papers
    partitions = partitions_of([Dump('', int(size), '', 'json_lines')], config.ngram_max)
    hash_partitions = 1 << partitions.ngram_bits
    blocks = papers / found['papers_of_block']
    shards = shards_needed(math.ceil(found['example_bytes_per_paper'] * papers))
    # Of at least two papers: 2,890 among 50,000, 4,687 among 100,000, 7,405, 11,690 and 14,254 among 545,282.
    label_sets = 2890 * (papers / 50_000) ** 0.668
    spelled = found['spelled_bytes_per_block'] * blocks
    candidates = hash_partitions * candidates_needed(config.vocabulary_size, hash_partitions)
    distinct = k * papers**beta
    return {
        'blocks': blocks,
        'blocks on disk, GB': found['block_bytes_per_paper'] * papers / 1e9,
        'distinct n-grams, millions': distinct / 1e6,
        'index shuffled (3 times), GB': 3 * found['index_bytes_per_paper'] * papers / 1e9,
        'places shuffled, GB': found['place_bytes_per_paper'] * papers / 1e9,
        'counts shuffled, GB': found['count_bytes_per_paper'] * papers / 1e9,
        'spelled n-grams shuffled, GB': spelled / 1e9,
        'pieces shuffled, GB': found['piece_bytes_per_paper'] * papers / 1e9,
        'index partitions': partitions.papers,
        'hash partitions': hash_partitions,
        'shards of train': shards,
        'index elements, millions': blocks * nonempty(partitions.papers, found['papers_of_block']) / 1e6,
        'count elements, millions': blocks * nonempty(hash_partitions, found['distinct_of_block']) / 1e6,
        'pieces, millions': blocks * nonempty(shards, found['papers_of_block']) / 1e6,
        'n-grams of blocks in a hash partition, MB': found['count_bytes_per_paper'] * papers / hash_partitions / 1e6,
        'distinct n-grams of a hash partition, thousands': distinct / hash_partitions / 1e3,
        'one worker: candidates, MB': candidates * 24 / 1e6,
        'one worker: label sets, thousands': label_sets / 1e3,
        'rows of the largest label set, MB': 0.016 * papers * found['index_bytes_per_paper'] / 1e6,
        'fingerprint shared with a kept n-gram, chance': config.vocabulary_size * distinct / 2**64,
    }


def nonempty(parts: float, items: float) -> float:
    """Returns into how many of `parts` parts `items` items fall, on average."""
    return parts * -math.expm1(-items / parts)


def main() -> None:
    """Measures, fits, and prints tables."""
    flags = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    flags.add_argument('--scratch', default='build/bench/prepare', metavar='DIR', help='what prepare.py made')
    flags.add_argument('--papers', type=int, default=100_000, metavar='N', help='as --stock_papers of prepare.py')
    flags.add_argument('--blocks', type=int, default=4, metavar='N', help='blocks to measure')
    arguments = flags.parse_args()
    scratch = pathlib.Path(arguments.scratch)
    points = list(growth_points(scratch / 'results' / 'growth.json'))
    k, beta = heaps(*zip(*points, strict=True))
    local = [math.log(b[1] / a[1]) / math.log(b[0] / a[0]) for a, b in itertools.pairwise(points)]
    between = ', '.join(f'{exponent:.3f}' for exponent in local)
    print(f'{machine()}\n\nHeaps: V = {k:.1f} * N**{beta:.4f}; exponents between neighbours {between}\n')
    rows = [[f'{n:,}', f'{v:,}', f'{k * n**beta:,.0f}', f'{k * n**beta / v - 1:+.1%}'] for n, v in points]
    rows += [[f'{n:.0e}', '', f'{k * n**beta:,.0f}', ''] for n in _TARGETS]
    print(table(['training papers', 'distinct n-grams', 'fitted', 'off by'], rows) + '\n')
    found = block_figures(str(scratch / 'inputs' / f'papers-{arguments.papers}'), arguments.blocks)
    for name, value in found.items():
        print(f'{name:24} {value:14,.1f}')
    columns = [scale(papers, found, k, beta) for papers in _TARGETS]
    rows = [[name, *(f'{column[name]:,.3g}' for column in columns)] for name in columns[0]]
    print('\n' + table(['papers', *(f'{papers:.0e}' for papers in _TARGETS)], rows))


if __name__ == '__main__':
    main()
