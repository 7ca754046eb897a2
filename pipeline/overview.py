"""What a report shows of the papers: years, labels, words, how n-grams are spread, and which ones tell a label.

All of it is counted where the blocks are, so that a report needs neither the dumps nor the examples.
"""

from __future__ import annotations

import collections
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.transforms import window
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.count_ngrams import Chunk, vocabulary_of
from pipeline.index import MAX_CHUNK_BYTES, PLACES, Part, rows_of
from pipeline.ngrams import NO_WORD, NgramCounts, Vocabulary, positions_of, row_ngrams
from pipeline.packing import pack, unpack
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.spell_ngrams import NGRAMS_A_TABLE
from pipeline.tally import Counts, Tally
from schemas import outputs
from schemas.features import SPLITS

WORDS_A_CELL, LAST_CELL = 10, 600
NGRAMS_A_LABEL = 10
# The most frequent n-grams are looked at, NGRAMS_A_TABLE of them; fewer, where there are many labels.
_TABLE_CELLS = 1 << 22
_ERRORS = 2.0
_TRAIN = SPLITS.index('train')
_UNKNOWN_YEAR = 'unknown'

Table = npt.NDArray[np.int64]
"""[labels, n-grams]: training papers that have the label and contain the n-gram."""


class DescribePapers(beam.PTransform[Any, Any]):
    """Counts the kept papers by year, labels, pairs of labels, and words. Output: tallies, below 'overview'.

    Input: for each block its PLACES.

    Args:
        folder: where the blocks lie.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = folder

    def expand(self, places: beam.PCollection[Part]) -> beam.PCollection[Tally]:
        """Counts block by block."""
        return places | 'Describe' >> beam.ParDo(_Describe(self._folder)).with_output_types(Tally)


class CountByLabel(beam.PTransform[Any, Any]):
    """Counts in how many training papers of each label the most frequent n-grams are.

    Input: for each block its PLACES. Output: number of a chunk of n-grams, and the packed `Table` of these.

    Args:
        folder: where the blocks lie.
        vocabulary: chunks of the vocabulary.
        labels: one list of the labels, in the order of their ids.
    """

    def __init__(self, folder: str, vocabulary: beam.PCollection[Chunk], labels: beam.PCollection[list[str]]) -> None:
        super().__init__()
        self._folder = folder
        self._vocabulary = vocabulary
        self._labels = labels

    def expand(self, places: beam.PCollection[Part]) -> beam.PCollection[Part]:
        """Counts block by block, and sums."""
        return (
            places
            | 'Count'
            >> beam.ParDo(
                _CountByLabel(self._folder), beam.pvalue.AsList(self._vocabulary), beam.pvalue.AsSingleton(self._labels)
            ).with_output_types(Part)
            | 'Sum' >> beam.CombinePerKey(_summed)
        )


def described(block: PaperBlock, rows: npt.NDArray[Any]) -> Counts:
    """Counts some of a block's papers.

    Args:
        block: the block.
        rows: integers [n]: which papers.
    """
    counts = Counts()
    years = np.asarray(block.index['recency'])[rows] >> 32
    for year, papers in _counted(years // 10_000):
        counts['overview', 'years', str(year) if year else _UNKNOWN_YEAR] += papers
    for number, papers in _counted(block.label_set_of[rows]):
        labels = block.label_sets[number].split()
        counts['overview', 'labels_per_paper', str(len(labels))] += papers
        for pair in itertools.combinations(sorted(labels), 2):
            counts['overview', 'label_pairs', ' '.join(pair)] += papers
    cells = np.minimum(words_of(block)[rows] // WORDS_A_CELL * WORDS_A_CELL, LAST_CELL)
    for cell, papers in _counted(cells):
        counts['overview', 'words_per_paper', str(cell)] += papers
    return counts


def words_of(block: PaperBlock) -> npt.NDArray[np.int64]:
    """Returns how many words each paper of a block has: int64 [papers]."""
    ngrams = block.ngrams
    single = np.ones(len(ngrams.words), bool) if ngrams.words.shape[1] == 1 else ngrams.words[:, 1] == NO_WORD
    of_word = np.repeat(single, np.diff(ngrams.starts.astype(np.int64)).astype(np.int64))
    return np.bincount(ngrams.rows[of_word], ngrams.counts[of_word], len(block.index)).astype(np.int64)


def label_table(block: PaperBlock, rows: npt.NDArray[Any], vocabulary: Vocabulary, labels: Sequence[str]) -> Table:
    """Counts which n-grams some of a block's papers have, label by label.

    Args:
        block: the block.
        rows: integers [n]: which papers.
        vocabulary: the n-grams.
        labels: in the order of their ids.
    """
    ngrams = row_ngrams(block.ngrams, vocabulary, rows)
    label_ids, label_splits = block.label_ids(rows, labels)
    paper_of_pair = np.repeat(np.arange(len(rows)), np.diff(ngrams.splits))
    labels_of_pair = np.diff(label_splits)[paper_of_pair]
    found = label_ids[positions_of(label_splits[paper_of_pair], labels_of_pair)]
    cells = found * len(vocabulary.ids) + np.repeat(ngrams.ids, labels_of_pair)
    return np.bincount(cells, minlength=len(labels) * len(vocabulary.ids)).reshape(len(labels), -1)


def distinctive(
    table: Table, ngram_papers: Table, label_papers: Table, documents: int, ngrams: Sequence[str]
) -> list[list[int]]:
    """Picks the n-grams that tell each label from all others.

    They are ranked by how large the logarithm of the odds ratio of having the n-gram, between papers with the label and
    without, is at least: less _ERRORS standard errors (Woolf, "On estimating the relation between blood group and
    disease", Annals of Human Genetics 19, 1955), half a paper added to each of the four counts. What is rare may have
    a large ratio by chance, what is frequent a small one that is certain; neither comes first. Of n-grams that share a
    word, the first is taken.

    Args:
        table: papers by label and n-gram.
        ngram_papers: [n-grams], papers of each n-gram.
        label_papers: [labels], papers of each label.
        documents: all papers.
        ngrams: spelled.

    Returns:
        For each label up to NGRAMS_A_LABEL positions in `ngrams`, the best first, of those that its papers have more
        often.
    """
    picked = []
    for row, papers in zip(table, label_papers.tolist(), strict=True):
        cells = [row, papers - row, ngram_papers - row, documents - papers - ngram_papers + row]
        with_, without, with_other, without_other = (cell + 0.5 for cell in cells)
        odds = np.log(with_ * without_other / (without * with_other))
        scores = odds - _ERRORS * np.sqrt(1 / with_ + 1 / without + 1 / with_other + 1 / without_other)
        found: list[int] = []
        words: set[str] = set()
        for at in np.argsort(-scores, kind='stable').tolist():
            if len(found) == NGRAMS_A_LABEL or scores[at] <= 0:
                break
            if words.isdisjoint(ngrams[at].split()):
                found.append(at)
                words.update(ngrams[at].split())
        picked.append(found)
    return picked


def make_overview(
    counts: Mapping[tuple[str, ...], int], tables: Iterable[Part], rows: bytes, labels: Sequence[str], documents: int
) -> dict[str, Any]:
    """Makes overview.json.

    Args:
        counts: all tallies of the job.
        tables: what `CountByLabel` gives.
        rows: of the vocabulary's file, those of the most frequent n-grams.
        labels: in the order of their ids.
        documents: training papers.
    """
    found: dict[str, dict[str, int]] = collections.defaultdict(dict)
    for path, number in counts.items():
        if path[0] == 'overview':
            found[path[1]][path[2]] = number
    fields = [line.split(b'\t') for line in rows.splitlines()]
    ngrams = [ngram.decode() for ngram, *_ in fields][: ngrams_looked_at(len(labels))]
    papers = np.array([int(column) for *_, column in fields], np.int64)[: len(ngrams)]
    chunks = [unpack(packed)[0].astype(np.int64).reshape(len(labels), -1) for _, packed in sorted(tables)]
    table = np.concatenate(chunks, axis=1) if chunks else np.zeros((len(labels), len(ngrams)), np.int64)
    label_papers = np.array([counts['labels', label, 'train'] for label in labels], np.int64)
    picked = distinctive(table, papers, label_papers, documents, ngrams)
    return {
        'years': dict(sorted(found['years'].items())),
        **{name: _by_number(found[name]) for name in ('labels_per_paper', 'words_per_paper', 'document_frequencies')},
        'label_pairs': dict(sorted(found['label_pairs'].items())),
        'distinctive_ngrams': {
            label: [
                {'ngram': ngrams[at], 'papers_with_label': int(table[id_, at]), 'papers': int(papers[at])}
                for at in some
            ]
            for id_, (label, some) in enumerate(zip(labels, picked, strict=True))
        },
    }


def write_overview(
    counts: Mapping[tuple[str, ...], int],
    path: str,
    tables: list[Part],
    rows: list[Part],
    labels: list[str],
    documents: int,
) -> None:
    """Writes overview.json; for its arguments see `make_overview`."""
    outputs.write_json(path, make_overview(counts, tables, b''.join(some for _, some in rows), labels, documents))


def ngrams_looked_at(labels: int) -> int:
    """Returns how many of the most frequent n-grams are counted by label."""
    return min(NGRAMS_A_TABLE, max(_TABLE_CELLS // max(labels, 1), 1))


class _Describe(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._counts = Counts()

    def process(self, part: Part) -> None:
        block = PaperBlock.load(block_path(self._folder, part[0]))
        self._counts.update(described(block, rows_of([part[1]], PLACES)['row']))

    def finish_bundle(self) -> Iterator[Any]:
        yield from self._counts.flush()


class _CountByLabel(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def start_bundle(self) -> None:
        self._table: Table | None = None

    def process(self, part: Part, vocabulary: list[Chunk], labels: list[str]) -> None:
        places = rows_of([part[1]], PLACES)
        block = PaperBlock.load(block_path(self._folder, part[0]))
        frequent = _frequent(tuple(sorted(vocabulary)), ngrams_looked_at(len(labels)))
        table = label_table(block, places['row'][places['split'] == _TRAIN], frequent, labels)
        self._table = table if self._table is None else self._table + table

    def finish_bundle(self) -> Iterator[Any]:
        if self._table is not None:
            each = max(MAX_CHUNK_BYTES // (8 * len(self._table)), 1)
            chunks = ((start, self._table[:, start : start + each]) for start in range(0, self._table.shape[1], each))
            for start, columns in chunks:
                yield WindowedValue((start, pack(columns)), 0, (window.GlobalWindow(),))


@functools.lru_cache(maxsize=1)
def _frequent(chunks: tuple[Chunk, ...], number: int) -> Vocabulary:
    return Vocabulary(NgramCounts(*(column[:number] for column in vocabulary_of(chunks).counts)))


def _summed(packed: Iterable[bytes]) -> bytes:
    return pack(np.sum([unpack(each)[0].astype(np.int64) for each in packed], axis=0))


def _counted(values: npt.NDArray[Any]) -> Iterator[tuple[int, int]]:
    distinct, counts = np.unique(values, return_counts=True)
    return zip(distinct.tolist(), counts.tolist(), strict=True)


def _by_number(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: int(entry[0])))
