"""Papers are divided by label set, the same way every time, and a paper's duplicate is never on the other side."""

import random

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config import SplitConfig
from pipeline.deduplicate import DropDuplicatePapers
from pipeline.index import PLACES, chunks, index_of, label_set, label_set_names, rows_of
from pipeline.split import SplitByLabelSet, order_hash
from pipeline.tally import SumTallies
from schemas.features import SPLITS
from tests.helpers import paper

PAPERS = [
    *(paper(f'a{number}', 'cs.LG') for number in range(40)),
    *(paper(f'b{number}', 'cs.LG stat.ML') for number in range(20)),
]
CONFIG = SplitConfig(validation=0.1, test=0.2, seed=3)
NOTHING_LEFT = (
    'No paper is left: each label set has fewer papers than --min_label_set_papers. '
    'Say --min_label_set_papers 1 to keep them all.'
)


def by_hash(papers, test, validation):
    """Id -> split of the papers of one label set: the smallest hashes are for testing, the next for validation."""
    hashes = order_hash(index_of(papers, 0)['id_low'], CONFIG.seed).tolist()
    ids = [found.id for _, found in sorted(zip(hashes, papers, strict=True), key=lambda pair: pair[0])]
    splits = ['test'] * test + ['validation'] * validation + ['train'] * (len(ids) - test - validation)
    return dict(zip(ids, splits, strict=True))


EXPECTED = by_hash(PAPERS[:40], 8, 4) | by_hash(PAPERS[40:], 4, 2)


def in_blocks(papers, size):
    """Block -> its papers; block ids are far apart, and negative ones among them."""
    return {(-3) ** 20 * start - 7: papers[start : start + size] for start in range(0, len(papers), size)}


def index_chunks(blocks, max_bytes):
    rows = np.concatenate([index_of(papers, block) for block, papers in blocks.items()])
    return [*chunks(rows, max_bytes)]


def splitting(root, blocks, config=CONFIG, min_papers=1, partitions=3, chunks_=None, distinct=False):
    rows = root | 'Rows' >> beam.Create(chunks_ or index_chunks(blocks, 700), reshuffle=True)
    if distinct:
        rows = (rows | DropDuplicatePapers(2)).kept
    names = root | 'Names' >> beam.Create(
        [label_set_names(map(label_set, papers)) for papers in blocks.values()], reshuffle=True
    )
    return (rows, names) | SplitByLabelSet(config, min_papers, partitions)


def splits(blocks, places):
    """(paper, split) pairs; each block has one element of sorted rows."""
    ids = [block for block, _ in places]
    assert len(ids) == len(set(ids))
    found = []
    for block, chunk in places:
        rows = rows_of([chunk], PLACES).tolist()
        assert rows
        assert rows == sorted(rows)
        found += [(blocks[block][row], SPLITS[split]) for row, split in rows]
    assert len({found_paper for found_paper, _ in found}) == len(found)
    return found


def expecting(blocks, expected, **options):
    def as_expected(places):
        assert {found.id: split for found, split in splits(blocks, places)} == expected

    def build(root):
        assert_that(splitting(root, blocks, **options).places, as_expected)

    return build


def test_each_label_set_is_divided_in_the_shares_asked_for_by_the_hash_of_the_id(run):
    run(expecting(in_blocks(PAPERS, 25), EXPECTED))


@pytest.mark.parametrize('partitions', [1, 2, 100])
@pytest.mark.parametrize(('size', 'max_bytes'), [(1, 68), (7, 1 << 20), (60, 1000)])
def test_the_split_does_not_depend_on_how_the_papers_come(run, partitions, size, max_bytes):
    chance = random.Random(partitions * size)
    blocks = in_blocks(chance.sample(PAPERS, len(PAPERS)), size)
    shuffled = index_chunks(blocks, max_bytes)
    chance.shuffle(shuffled)
    run(expecting(blocks, EXPECTED, partitions=partitions, chunks_=shuffled))


@pytest.mark.parametrize('tolerance', [0.01, 1])
def test_papers_of_other_label_sets_move_no_paper(run, tolerance):
    config = SplitConfig(validation=0.1, test=0.2, seed=3, tolerance=tolerance)
    others = [paper(f'c{number}', 'math.NA') for number in range(10)]
    run(expecting(in_blocks(others + PAPERS, 30), EXPECTED | by_hash(others, 2, 1), config=config))


def test_papers_are_counted_by_split_and_by_label_and_rare_label_sets_are_dropped(run):
    counts = {
        ('dropped_rare_label_set',): 3,
        ('splits', 'train'): 42,
        ('splits', 'validation'): 6,
        ('splits', 'test'): 12,
        ('labels', 'cs.LG', 'train'): 42,
        ('labels', 'cs.LG', 'validation'): 6,
        ('labels', 'cs.LG', 'test'): 12,
        ('labels', 'stat.ML', 'train'): 14,
        ('labels', 'stat.ML', 'validation'): 2,
        ('labels', 'stat.ML', 'test'): 4,
    }
    rare = [paper('r1', 'stat.ML'), paper('r2', 'cs.CV'), paper('r3', 'cs.CV')]
    # The last block holds nothing else: no place is in it.
    blocks = in_blocks(PAPERS + rare, 60)

    def build(root):
        result = splitting(root, blocks, min_papers=3)
        assert_that((result.tallies,) | SumTallies(), equal_to([counts]))
        assert_that(result.places | beam.Keys(), equal_to([next(iter(blocks))]), 'blocks')

    assert run(build)['label_sets/dropped_papers'] == 3
    run(expecting(blocks, EXPECTED, min_papers=3))


def test_every_label_of_a_hundred_papers_is_within_a_percentage_point_of_its_shares(run):
    chance = random.Random(0)
    labels = [f'l{number}' for number in range(12)]
    papers = [paper(str(number), ' '.join(sorted(chance.sample(labels, 3)))) for number in range(2000)]

    def build(root):
        tallies = (splitting(root, in_blocks(papers, 500), SplitConfig()).tallies,) | SumTallies()
        assert_that(tallies, within_a_point)

    def within_a_point(found):
        for label in labels:
            number = {split: found[0]['labels', label, split] for split in SPLITS}
            assert sum(number.values()) >= 100
            for split in ('validation', 'test'):
                assert 0.04 <= number[split] / sum(number.values()) <= 0.06

    run(build)


def test_a_paper_and_its_duplicate_never_straddle_the_split(run):
    config = SplitConfig(validation=0.25, test=0.25)
    titles = [f'Title {number}' for number in range(100)]
    papers = [
        *(paper(f'{number}', title=title, version=1) for number, title in enumerate(titles)),
        *(paper(f'{number}', 'cs.CV', title=f'{title}!', version=2) for number, title in enumerate(titles)),
        *(paper(f'x{number}', 'stat.ML', title=title.upper()) for number, title in enumerate(titles)),
    ]
    blocks = in_blocks(papers, 90)

    def one_of_each(places):
        found = [(found.title.lower().strip('!'), split) for found, split in splits(blocks, places)]
        assert sorted(key for key, _ in found) == sorted(title.lower() for title in titles)
        assert {split for _, split in found} == {'train', 'validation', 'test'}

    run(lambda root: assert_that(splitting(root, blocks, config, distinct=True).places, one_of_each))


def test_a_dump_that_is_given_twice_is_divided_as_if_given_once(run):
    blocks = in_blocks(PAPERS, 25)
    twice = index_chunks(blocks, 700) * 2
    run(expecting(blocks, EXPECTED, chunks_=twice, distinct=True))


@pytest.mark.parametrize('papers', [[], [paper('1')]])
def test_without_papers_the_message_says_which_flag_keeps_some(failure, papers):
    def build(root):
        rows = root | 'Rows' >> beam.Create([index_of(papers, 1).tobytes()])
        names = root | 'Names' >> beam.Create([label_set_names(map(label_set, papers))])
        _ = (rows, names) | SplitByLabelSet(CONFIG, 2, 3)

    assert failure(build) == NOTHING_LEFT


def test_without_a_single_block_the_message_is_the_same(failure):
    def build(root):
        rows = root | 'Rows' >> beam.Create([b'']) | beam.Filter(bool)
        names = root | 'Names' >> beam.Create([{}]) | 'None' >> beam.Filter(bool)
        _ = (rows, names) | SplitByLabelSet(CONFIG, 1, 1)

    assert failure(build) == NOTHING_LEFT
