"""A paper block holds of its papers all that is needed later: their index, ids, labels, n-grams and text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import paper_blocks
from pipeline.config import NgramConfig
from pipeline.index import INDEX, index_of
from pipeline.ngrams import NO_WORD, BlockNgrams
from pipeline.paper_blocks import PaperBlock, batches, block_path, split
from schemas.paper import Paper
from tests.helpers import ODD_IDS, paper


def ngrams(block):
    """(n-gram, row) -> occurrences."""
    words = [word.decode() for word in block.words]
    found = {}
    for at, codes in enumerate(block.ngrams.words.tolist()):
        name = ' '.join(words[code] for code in codes if code != NO_WORD)
        for pair in range(block.ngrams.starts[at], block.ngrams.starts[at + 1]):
            found[name, int(block.ngrams.rows[pair])] = int(block.ngrams.counts[pair])
    return found


def loaded(block, folder):
    """The block, written to a file and opened again."""
    path = block_path(str(folder), 7)
    with open(path, 'wb') as file:
        file.write(block.to_bytes())
    return PaperBlock.load(path)


def assert_same(found, expected):
    assert found.index.dtype == expected.index.dtype == INDEX
    assert found.index.tobytes() == expected.index.tobytes()
    assert found.paper_ids == expected.paper_ids
    assert found.label_sets == expected.label_sets
    assert found.label_set_of.tolist() == expected.label_set_of.tolist()
    assert found.words == expected.words
    rows = range(len(expected.paper_ids))
    assert list(found.texts(rows)) == list(expected.texts(rows))
    for name, one, other in zip(BlockNgrams._fields, found.ngrams, expected.ngrams, strict=True):
        assert (name, one.dtype, one.tolist()) == (name, other.dtype, other.tolist())


PAPERS = [
    Paper('0704.0001', 'Deep nets', 'Deep, deep NETS.', ('cs.LG', 'stat.ML'), '2019-05-03', 2),
    Paper('0704.0002', 'Nets', 'A -- b', ('cs.CV',)),
    Paper('0704.0003', '???', '...', ('cs.LG', 'stat.ML')),
]


def test_a_block_holds_its_papers_ids_label_sets_words_and_ngrams():
    block = PaperBlock.of(PAPERS, -3, NgramConfig())
    assert block.index.tobytes() == index_of(PAPERS, -3).tobytes()
    assert block.paper_ids == [b'0704.0001', b'0704.0002', b'0704.0003']
    assert block.label_sets == ['cs.LG stat.ML', 'cs.CV']
    assert block.label_set_of.tolist() == [0, 1, 0]
    assert sorted(block.words) == [b'a', b'b', b'deep', b'nets']
    assert ngrams(block) == {
        ('deep', 0): 3,
        ('nets', 0): 2,
        ('deep nets', 0): 2,
        ('nets deep', 0): 1,
        ('deep deep', 0): 1,
        ('nets', 1): 1,
        ('a', 1): 1,
        ('b', 1): 1,
        ('nets a', 1): 1,
        ('a b', 1): 1,
    }


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        (NgramConfig(text='title', ngram_max=1), {('deep', 0): 1, ('nets', 0): 1, ('nets', 1): 1}),
        (NgramConfig(text='abstract', ngram_max=1), {('deep', 0): 2, ('nets', 0): 1, ('a', 1): 1, ('b', 1): 1}),
        (
            NgramConfig(text='title', ngram_max=3),
            {('deep', 0): 1, ('nets', 0): 1, ('deep nets', 0): 1, ('nets', 1): 1},
        ),
    ],
)
def test_the_config_says_which_text_is_read_and_how_long_ngrams_become(config, expected):
    assert ngrams(PaperBlock.of(PAPERS, 1, config)) == expected


def test_a_block_comes_back_from_its_file(tmp_path):
    block = PaperBlock.of(PAPERS, 1 << 60, NgramConfig(ngram_max=3))
    assert_same(loaded(block, tmp_path), block)
    assert [path.name for path in tmp_path.iterdir()] == ['0000000000000007.npz']


def test_ids_come_back_whatever_characters_they_have(tmp_path):
    block = PaperBlock.of([paper(id_) for id_ in ODD_IDS], 1, NgramConfig())
    assert loaded(block, tmp_path).paper_ids == [id_.encode() for id_ in ODD_IDS]


def test_the_text_of_any_of_its_papers_is_as_it_was_read_whichever_of_it_n_grams_are_made_of(tmp_path):
    papers = [*PAPERS, Paper('4', 'Größe', 'Two\nlines,\t学习, and \0.', ('cs.LG',))]
    block = loaded(PaperBlock.of(papers, 1, NgramConfig(text='title')), tmp_path)
    assert list(block.texts([3, 0])) == [('Größe', 'Two\nlines,\t学习, and \0.'), ('Deep nets', 'Deep, deep NETS.')]
    assert list(block.texts([])) == []


def test_papers_without_a_word_make_a_block(tmp_path):
    block = loaded(
        PaperBlock.of([Paper('1', '?', '!', ('cs.LG',)), Paper('2', '.', '-', ())], 1, NgramConfig()), tmp_path
    )
    assert (block.paper_ids, block.label_sets) == ([b'1', b'2'], ['cs.LG', ''])
    assert ngrams(block) == {}
    assert block.ngrams.starts.tolist() == [0]


@given(
    papers=st.lists(
        st.builds(
            Paper,
            st.text(st.characters(codec='utf-8'), min_size=1, max_size=20),
            st.text(st.sampled_from('ab é.\n'), min_size=1, max_size=20),
            st.text(st.sampled_from('abc .\t'), min_size=1, max_size=40),
            st.sets(st.sampled_from(['cs.CV', 'cs.LG', 'stat.ML'])).map(lambda labels: tuple(sorted(labels))),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=25)
def test_any_block_comes_back_from_its_file_and_equal_papers_give_equal_bytes(papers, tmp_path_factory):
    block = PaperBlock.of(papers, 5, NgramConfig())
    assert_same(loaded(block, tmp_path_factory.mktemp('block')), block)
    assert PaperBlock.of(papers, 5, NgramConfig()).to_bytes() == block.to_bytes()
    names = [block.label_sets[number] for number in block.label_set_of]
    assert names == [' '.join(paper.labels) for paper in papers]
    assert list(block.texts(range(len(papers)))) == [(paper.title, paper.abstract) for paper in papers]


def test_words_are_those_of_the_text_in_its_order_each_spelled_once():
    words = split([Paper('1', 'B a', 'b, A!'), Paper('2', '.', '.'), Paper('3', 'c', 'a')], 'title_and_abstract')
    assert [words.spelled[token] for token in words.tokens] == [b'b', b'a', b'b', b'a', b'c', b'a']
    assert words.row_splits.tolist() == [0, 4, 4, 6]
    assert sorted(words.spelled) == [b'a', b'b', b'c']
    assert (words.tokens.dtype, words.hashes.dtype) == (np.int64, np.int64)


def test_two_words_of_one_hash_fail_the_job(monkeypatch):
    import tensorflow as tf

    from pipeline import preprocessing

    monkeypatch.setattr(preprocessing, 'hash_words', lambda words: tf.cast(tf.strings.length(words), tf.int64))
    paper_blocks._split_and_hash.cache_clear()
    try:
        assert sorted(split([Paper('1', 'a bb', 'a')], 'title_and_abstract').spelled) == [b'a', b'bb']
        with pytest.raises(paper_blocks.JobError, match='Two different words have the same hash'):
            split([Paper('1', 'a bb', 'b')], 'title_and_abstract')
    finally:
        paper_blocks._split_and_hash.cache_clear()


def sizes(papers):
    found = list(batches(iter(papers)))
    assert [one for batch in found for one in batch] == papers
    return [len(batch) for batch in found]


def test_papers_are_cut_into_blocks_by_their_number(monkeypatch):
    monkeypatch.setattr(paper_blocks, 'MAX_PAPERS', 3)
    papers = [paper(str(number)) for number in range(7)]
    assert sizes(papers) == [3, 3, 1]
    assert sizes(papers[:6]) == [3, 3]
    assert sizes([]) == []


def test_papers_are_cut_into_blocks_by_their_text(monkeypatch):
    monkeypatch.setattr(paper_blocks, 'MAX_TEXT_BYTES', 100)
    papers = [Paper(str(number), 'T' * 10, 'A' * length) for number, length in enumerate([39, 39, 40, 40, 500, 0, 5])]
    # 98 characters leave room for one paper more; 100 do not.
    assert sizes(papers) == [3, 2, 2]


def test_the_limits_of_a_block_are_those_that_keys_of_64_bits_have_room_for():
    assert (paper_blocks.MAX_PAPERS, paper_blocks.MAX_TEXT_BYTES) == (1 << 14, 16 << 20)
