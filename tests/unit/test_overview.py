"""What a report shows of the papers is counted block by block, and does not depend on how papers are grouped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import NgramConfig
from pipeline.ngrams import NgramCounts, Vocabulary, count_rows, most_frequent
from pipeline.overview import described, distinctive, label_table, make_overview, ngrams_looked_at, words_of
from pipeline.packing import pack
from pipeline.paper_blocks import PaperBlock
from pipeline.tally import Counts
from schemas.paper import Paper
from tests.helpers import validate

PAPERS = [
    Paper('0704.0001', 'Deep nets', 'Deep, deep NETS.', ('cs.LG', 'stat.ML'), '2019-05-03', 2),
    Paper('0704.0002', 'Nets', 'A -- b', ('cs.CV',)),
    Paper('0704.0003', '???', '...', ('cs.LG', 'stat.ML'), '2019-12-31'),
    Paper('0704.0004', 'Nets ' * 700, 'end', ('cs.CV', 'cs.LG', 'stat.ML'), '2007-01-01'),
]


def block_of(papers, ngram_max=2):
    return PaperBlock.of(papers, 0, NgramConfig(ngram_max=ngram_max))


def test_papers_are_counted_by_year_labels_pairs_of_labels_and_words():
    assert described(block_of(PAPERS), np.arange(4)) == {
        ('overview', 'years', '2007'): 1,
        ('overview', 'years', '2019'): 2,
        ('overview', 'years', 'unknown'): 1,
        ('overview', 'labels_per_paper', '1'): 1,
        ('overview', 'labels_per_paper', '2'): 2,
        ('overview', 'labels_per_paper', '3'): 1,
        ('overview', 'label_pairs', 'cs.CV cs.LG'): 1,
        ('overview', 'label_pairs', 'cs.CV stat.ML'): 1,
        ('overview', 'label_pairs', 'cs.LG stat.ML'): 3,
        ('overview', 'words_per_paper', '0'): 3,
        ('overview', 'words_per_paper', '600'): 1,
    }


def test_papers_that_were_dropped_do_not_count():
    assert described(block_of(PAPERS), np.array([1])) == {
        ('overview', 'years', 'unknown'): 1,
        ('overview', 'labels_per_paper', '1'): 1,
        ('overview', 'words_per_paper', '0'): 1,
    }


@pytest.mark.parametrize('ngram_max', [1, 2])
def test_a_papers_words_are_those_of_its_text(ngram_max):
    assert words_of(block_of(PAPERS, ngram_max)).tolist() == [5, 3, 0, 701]


@given(st.integers(0, 4))
def test_the_counts_are_those_of_the_parts(cut):
    rows = np.arange(4)
    whole = described(block_of(PAPERS), rows)
    parts = Counts()
    for some in (PAPERS[:cut], PAPERS[cut:]):
        if some:
            parts.update(described(block_of(some), np.arange(len(some))))
    assert parts == whole


def test_a_table_says_how_many_papers_of_each_label_contain_each_ngram():
    block = block_of(PAPERS)
    vocabulary = Vocabulary(most_frequent(count_rows(block.ngrams, np.array([True, True, True, False])), 2))
    labels = ['stat.ML', 'cs.CV']
    found = label_table(block, np.array([0, 1, 2]), vocabulary, labels)
    # Two n-grams are kept, which occur three times each: "deep" in the first paper, "nets" in two.
    by_papers = dict(zip(vocabulary.counts.papers.tolist(), found.T.tolist(), strict=True))
    assert by_papers == {1: [1, 0], 2: [1, 1]}


def test_ngrams_of_a_label_are_those_that_its_papers_have_for_certain_more_often():
    ngrams = ['the', 'galaxy', 'galaxy cluster', 'rare', 'proof']
    table = np.array([[50, 45, 30, 1, 0], [48, 2, 0, 0, 30]])
    papers = np.array([98, 47, 30, 1, 30])
    assert distinctive(table, papers, np.array([50, 50]), 100, ngrams) == [[1], [4]]


def test_a_label_of_all_papers_has_none():
    assert distinctive(np.array([[3, 2]]), np.array([3, 2]), np.array([3]), 3, ['a', 'b']) == [[]]


def test_fewer_ngrams_are_looked_at_where_there_are_many_labels():
    assert [ngrams_looked_at(labels) for labels in (0, 1, 152, 256, 4096, 10**7)] == [16384] * 4 + [1024, 1]


def test_the_overview_is_made_of_the_tallies_and_the_tables():
    counts = {
        ('read',): 99,
        ('labels', 'cs.LG', 'train'): 40,
        ('labels', 'cs.CV', 'train'): 60,
        ('overview', 'years', '2019'): 4,
        ('overview', 'words_per_paper', '100'): 1,
        ('overview', 'words_per_paper', '90'): 3,
        ('overview', 'labels_per_paper', '1'): 4,
        ('overview', 'label_pairs', 'cs.CV cs.LG'): 0,
        ('overview', 'document_frequencies', '10'): 1,
        ('overview', 'document_frequencies', '9'): 2,
    }
    tables = [(2, pack(np.array([[1], [50]]))), (0, pack(np.array([[38, 2], [40, 0]])))]
    rows = b'deep nets\t0\t100\t78\nx\t1\t99\t2\nimage\t2\t51\t51\n'
    found = make_overview(counts, tables, rows, ['cs.LG', 'cs.CV'], 100)
    assert found == {
        'years': {'2019': 4},
        'labels_per_paper': {'1': 4},
        'words_per_paper': {'90': 3, '100': 1},
        'document_frequencies': {'9': 2, '10': 1},
        'label_pairs': {'cs.CV cs.LG': 0},
        'distinctive_ngrams': {
            'cs.LG': [{'ngram': 'deep nets', 'papers_with_label': 38, 'papers': 78}],
            'cs.CV': [{'ngram': 'image', 'papers_with_label': 50, 'papers': 51}],
        },
    }
    assert list(found['words_per_paper']) == ['90', '100']
    validate(found, 'overview')


def test_a_vocabulary_without_ngrams_has_an_overview(tmp_path):
    none = NgramCounts(*(np.zeros(0, np.int64) for _ in range(3)))
    table = label_table(block_of(PAPERS), np.arange(4), Vocabulary(none), ['cs.LG'])
    assert table.shape == (1, 0)
