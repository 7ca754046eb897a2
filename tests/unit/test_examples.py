"""The papers of blocks become the sorted, weighed papers of shards: the same ones however they were grouped."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import examples
from pipeline.config import NgramConfig
from pipeline.count_ngrams import _chunks
from pipeline.encoding import encode_examples
from pipeline.examples import Piece, merged, pieces_of, shards_of, weighed
from pipeline.index import PLACES, index_of
from pipeline.ngrams import NgramCounts, Vocabulary, count_rows, merge_counts, most_frequent
from pipeline.paper_blocks import PaperBlock
from pipeline.tfrecords import framed
from schemas.paper import Paper
from tests.helpers import ODD_IDS, paper

ONE_SHARD = {'train': 1, 'validation': 1, 'test': 1}
LABELS = ['cs.LG', 'cs.CV']


def places(*splits):
    """PLACES of the papers of a block: the position of each one's split in SPLITS, or None."""
    rows = [(row, split) for row, split in enumerate(splits) if split is not None]
    return np.array(rows, PLACES)


def vocabulary(blocks, number):
    """The most frequent n-grams of all papers of blocks."""
    counts = merge_counts(count_rows(block.ngrams, np.ones(len(block.index), bool)) for block in blocks)
    return Vocabulary(most_frequent(counts, number))


def name_of(block, known):
    """n-gram -> id, of those that a block has."""
    positions, ids = known.find(block.ngrams)
    return {
        b' '.join(block.words[code] for code in block.ngrams.words[at] if code < len(block.words)).decode(): id_
        for at, id_ in zip(positions, ids.tolist(), strict=True)
    }


def rows_of_piece(piece):
    """(id, label ids, n-gram ids, counts) of each paper of a piece."""
    begins = [0, *piece.id_ends[:-1].tolist()]
    return [
        (
            piece.ids[begin:end].tobytes().decode(),
            piece.label_ids[piece.label_splits[row] : piece.label_splits[row + 1]].tolist(),
            piece.ngram_ids[piece.ngram_splits[row] : piece.ngram_splits[row + 1]].tolist(),
            piece.counts[piece.ngram_splits[row] : piece.ngram_splits[row + 1]].tolist(),
        )
        for row, (begin, end) in enumerate(zip(begins, piece.id_ends.tolist(), strict=True))
    ]


def by_hash(ids):
    """Ids in the order in which a shard has them."""
    keys = index_of([paper(id_) for id_ in ids], 0)
    return [ids[row] for row in np.lexsort((keys['id_low'], keys['id_high']))]


PAPERS = [
    Paper('a', 'x', 'y x', ('cs.CV', 'cs.LG')),
    Paper('b', 'y', 'y', ('math.NA',)),
    Paper('c', '?', '!', ('cs.LG',)),
    Paper('d', 'z', 'x z', ('cs.CV',)),
]
CONFIG = NgramConfig(ngram_max=1)


def test_a_piece_comes_back_from_its_bytes():
    piece = Piece(
        order=np.array([[1, 2], [1 << 63, (1 << 64) - 1]], np.uint64),
        id_ends=np.array([3, 303]),
        ids=np.frombuffer('é\n'.encode() + b'x' * 300, np.uint8),
        label_splits=np.array([0, 0, 2]),
        label_ids=np.array([1, 300]),
        ngram_splits=np.array([0, 1, 3]),
        ngram_ids=np.array([0, 5, (1 << 25) - 1]),
        counts=np.array([70_000, 1, 2]),
    )
    found = Piece.unpack(piece.pack())
    assert [array.tolist() for array in found] == [array.tolist() for array in piece]
    assert found.order.dtype == np.uint64


def test_a_piece_of_papers_without_labels_and_ngrams_comes_back():
    [(_, _, piece)] = pieces_of(
        PaperBlock.of([Paper('1', '?', '?')], 0, CONFIG),
        places(0),
        Vocabulary(NgramCounts.concatenate([])),
        [],
        ONE_SHARD,
    )
    assert rows_of_piece(Piece.unpack(piece.pack())) == [('1', [], [], [])]


def test_each_paper_goes_to_its_split_with_its_known_labels_and_ngrams():
    block = PaperBlock.of(PAPERS, 0, CONFIG)
    known = vocabulary([block], 2)
    id_of = name_of(block, known)
    x, y = id_of['x'], id_of['y']
    assert sorted([x, y]) == [0, 1]
    found = {
        (split, shard): rows_of_piece(piece)
        for split, shard, piece in pieces_of(block, places(0, 2, 0, None), known, LABELS, ONE_SHARD)
    }
    first = sorted([(x, 2), (y, 1)])
    assert found == {
        (0, 0): [('a', [0, 1], [id_ for id_, _ in first], [count for _, count in first]), ('c', [0], [], [])],
        (2, 0): [('b', [], [y], [2])],
    }


def test_a_papers_shard_follows_from_the_hash_of_its_id():
    papers = [paper(f'p{number}') for number in range(50)]
    block = PaperBlock.of(papers, 0, CONFIG)
    shards = {'train': 3, 'validation': 1, 'test': 1}
    found = {
        shard: [id_ for id_, *_ in rows_of_piece(piece)]
        for _, shard, piece in pieces_of(block, places(*[0] * 50), vocabulary([block], 5), LABELS, shards)
    }
    high = index_of(papers, 0)['id_high'].tolist()
    assert found == {
        shard: [paper.id for paper, hash_ in zip(papers, high, strict=True) if hash_ % 3 == shard] for shard in range(3)
    }


def test_ids_come_through_whatever_characters_they_have():
    block = PaperBlock.of([paper(id_) for id_ in ODD_IDS], 0, CONFIG)
    found = pieces_of(block, places(*[0] * len(ODD_IDS)), vocabulary([block], 5), LABELS, ONE_SHARD)
    columns, _ = merged(Piece.unpack(piece.pack()) for *_, piece in found)
    assert columns.paper_ids == [id_.encode() for id_ in by_hash(ODD_IDS)]


def test_of_no_places_there_are_no_pieces():
    block = PaperBlock.of(PAPERS, 0, CONFIG)
    assert list(pieces_of(block, places(), vocabulary([block], 5), LABELS, ONE_SHARD)) == []


def test_a_shard_has_its_papers_in_the_order_of_the_hashes_of_their_ids_weighed():
    block = PaperBlock.of(PAPERS, 0, CONFIG)
    known = vocabulary([block], 3)
    id_of = name_of(block, known)
    [(_, _, piece)] = pieces_of(block, places(0, 0, 0, 0), known, LABELS, ONE_SHARD)
    columns, counts = merged([piece])
    idf = np.array([2, 3, 5], np.float32)
    columns = weighed(columns, counts, idf, NgramConfig(ngram_max=1, weighting='tf_idf'))
    assert columns.paper_ids == [id_.encode() for id_ in by_hash(['a', 'b', 'c', 'd'])]
    expected = {'a': {'x': 2, 'y': 1}, 'b': {'y': 2}, 'c': {}, 'd': {'x': 1, 'z': 2}}
    labels = {'a': [0, 1], 'b': [], 'c': [0], 'd': [1]}
    for row, id_ in enumerate(columns.paper_ids):
        at = slice(*columns.ngram_splits[row : row + 2])
        weights = {id_of[name]: count * idf[id_of[name]] for name, count in expected[id_.decode()].items()}
        found = dict(zip(columns.ngram_ids[at].tolist(), columns.ngram_weights[at].tolist(), strict=True))
        assert found == weights
        assert list(found) == sorted(found)
        assert columns.label_ids[slice(*columns.label_splits[row : row + 2])].tolist() == labels[id_.decode()]


@pytest.mark.parametrize(
    ('weighting', 'expected'),
    [
        ({'weighting': 'count'}, [3.0, 1.0]),
        ({'weighting': 'tf_idf'}, [6.0, 4.0]),
        ({'weighting': 'tf_idf_l2'}, [6 / math.sqrt(52), 4 / math.sqrt(52)]),
        ({'weighting': 'tf_idf', 'sublinear_tf': True}, [2 * (1 + math.log(3)), 4.0]),
    ],
)
def test_the_config_says_how_ngrams_are_weighed(weighting, expected):
    ids, splits, none = np.array([0, 1]), np.array([0, 2]), np.array([], np.int64)
    columns = examples.ExampleColumns([b'1'], none, np.array([0, 0]), ids, np.zeros(2, np.float32), splits)
    found = weighed(columns, np.array([3, 1]), np.array([2, 4], np.float32), NgramConfig(**weighting))
    assert found.ngram_weights.dtype == np.float32
    np.testing.assert_allclose(found.ngram_weights, expected, rtol=1e-7)


def test_a_shard_without_papers_is_empty():
    columns, counts = merged([])
    assert columns.paper_ids == []
    assert list(encode_examples(weighed(columns, counts, np.ones(3, np.float32), CONFIG))) == []


MANY = [
    Paper(
        f'id {number}',
        ' '.join(f'w{number * place % 17}' for place in range(number % 5 + 1)),
        ' '.join(f'w{number * place % 23}' for place in range(number % 11)) or '.',
        (('cs.CV', 'cs.LG'), ('cs.LG',), ('math.NA',))[number % 3],
    )
    for number in range(40)
]
TRAIN_TWICE = {'train': 2, 'validation': 1, 'test': 1}


def shard_bytes(groups, known, order=None):
    """(split, shard) -> content, of papers that came in these blocks; their pieces in any order."""
    config = NgramConfig()
    pieces = [
        (split, shard, piece.pack())
        for number, group in enumerate(groups)
        for split, shard, piece in pieces_of(
            PaperBlock.of([MANY[index] for index in group], number, config),
            places(*[(0, 0, 0, 1, None, 0, 2)[index % 7] for index in group]),
            known,
            LABELS,
            TRAIN_TWICE,
        )
    ]
    if order is not None:
        order.shuffle(pieces)
    pieces.sort(key=lambda piece: piece[:2])  # Stable: within a shard they stay shuffled.
    idf = np.linspace(1, 2, len(known.ids), dtype=np.float32)
    return {
        key: b''.join(
            framed(encode_examples(weighed(*merged(Piece.unpack(packed) for *_, packed in of_shard), idf, config)))
        )
        for key, of_shard in itertools.groupby(pieces, key=lambda piece: piece[:2])
    }


@pytest.fixture(scope='module')
def known():
    return vocabulary([PaperBlock.of(MANY, 0, NgramConfig())], 60)


@pytest.fixture(scope='module')
def expected(known):
    return shard_bytes([range(40)], known)


@given(
    papers=st.permutations(range(40)), cuts=st.lists(st.integers(1, 39), unique=True, max_size=6), order=st.randoms()
)
@settings(max_examples=30)
def test_any_grouping_into_blocks_and_any_order_of_pieces_gives_the_same_bytes(papers, cuts, order, known, expected):
    bounds = [0, *sorted(cuts), 40]
    groups = [papers[begin:end] for begin, end in itertools.pairwise(bounds)]
    assert shard_bytes(groups, known, order) == expected
    assert sorted(expected) == [(0, 0), (0, 1), (1, 0), (2, 0)]


@pytest.mark.parametrize('limit', [1, 300, 1000])
def test_the_size_of_pieces_does_not_show_in_the_shards(limit, known, expected, monkeypatch):
    monkeypatch.setattr(examples, '_PIECE_BYTES', limit)
    assert shard_bytes([range(40)], known, random.Random(1)) == expected


def test_a_piece_has_as_many_papers_as_fit_and_at_least_one(monkeypatch):
    papers = [paper(f'{number:04d}', abstract='a b c d e f g h'[: 2 * (number % 8) + 1]) for number in range(100)]
    block = PaperBlock.of(papers, 0, CONFIG)
    known = vocabulary([block], 50)

    def numbers():
        return [len(piece.id_ends) for *_, piece in pieces_of(block, places(*[0] * 100), known, LABELS, ONE_SHARD)]

    assert numbers() == [100]
    monkeypatch.setattr(examples, '_PIECE_BYTES', 1000)
    found = numbers()
    assert sum(found) == 100
    # 28 bytes, an id of 4, one label of 4, and 3 to 10 n-grams of 8.
    assert set(found[:-1]) <= set(range(1000 // 116, 1000 // 60 + 1))
    monkeypatch.setattr(examples, '_PIECE_BYTES', 1)
    assert numbers() == [1] * 100


@pytest.mark.parametrize('id_bytes', [9, 300])
def test_a_piece_that_compressing_helps_nothing_stays_below_two_mebibytes(id_bytes):
    chance = np.random.default_rng(0)
    papers = [
        Paper(
            bytes(chance.integers(33, 127, id_bytes, np.uint8)).decode(),
            'T',
            ' '.join(map(str, chance.integers(0, 1 << 40, 60))),
            ('cs.LG',),
        )
        for _ in range(8000)
    ]
    block = PaperBlock.of(papers, 0, NgramConfig())
    known = vocabulary([block], 1 << 25)
    sizes = [len(piece.pack()) for *_, piece in pieces_of(block, places(*[0] * 8000), known, LABELS, ONE_SHARD)]
    assert sum(sizes) > 2 << 20
    assert max(sizes) < 2 << 20


def chunks_of(papers):
    """Chunks of a vocabulary whose n-grams have these document frequencies."""
    frequencies = np.array(papers, np.int64)
    return list(_chunks(NgramCounts(np.arange(len(papers)), frequencies, frequencies)))


def test_as_many_shards_as_make_about_32_mebibytes_each_from_the_counts_alone():
    # 200 n-grams a paper: (140 + 6.5 * 200) * 0.85 = 1224 bytes a paper.
    chunks, papers = chunks_of([100_000] * 200), {'train': 545_000, 'validation': 55_000, 'test': 0}
    assert shards_of(papers, chunks, 100_000, None) == {'train': 20, 'validation': 2, 'test': 1}
    assert shards_of(papers, chunks, 200_000, None) == {'train': 11, 'validation': 1, 'test': 1}


def test_the_number_of_shards_that_was_asked_for_is_that_of_every_split():
    assert shards_of({'train': 9, 'validation': 0, 'test': 1}, chunks_of([1]), 9, 7) == dict.fromkeys(ONE_SHARD, 7)
