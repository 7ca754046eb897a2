"""Every n-gram of the vocabulary is published with its words, and no fingerprint stands for two."""

import dataclasses

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from pipeline import paper_blocks, preprocessing, spell_ngrams
from pipeline.config import NgramConfig
from pipeline.ngrams import NgramCounts, Vocabulary, count_rows, most_frequent
from pipeline.paper_blocks import PaperBlock
from pipeline.spell_ngrams import WriteVocabulary, agreed, spell
from schemas.errors import JobError
from tests import blocks

CONFIG = NgramConfig(text='title')
SAME = (
    'The n-grams "{}" and "{}" have the same fingerprint, so they cannot be counted apart. That is less than one '
    'chance in a million; please report it. Another --text or --ngram_max avoids it.'
)


def all_of(block):
    """The vocabulary of all n-grams of a block."""
    return Vocabulary(most_frequent(count_rows(block.ngrams, np.ones(len(block.index), bool)), 1000))


def write(run, folder, papers_of_blocks, config=CONFIG):
    """The content of ngrams.tsv."""
    places = blocks.write_blocks(folder, papers_of_blocks, config)
    blocks.count(run, folder, places, config)
    return (folder / 'vocabulary/ngrams.tsv').read_text()


def test_each_row_has_the_n_gram_its_id_its_occurrences_and_its_papers(run, tmp_path):
    papers = blocks.titled('Größe Größe Größe Größe', 'größe größe größe', 'größe and')
    assert write(run, tmp_path, [papers[:1], papers[1:]]) == (
        'ngram\tid\toccurrences\tpapers\n'
        # Letters beyond ASCII are left as they are.
        'größe\t0\t8\t3\n'
        'größe größe\t1\t5\t2\n'
        + ''.join(f'{ngram}\t{2 + id_}\t1\t1\n' for id_, ngram in enumerate(scattered('and', 'größe and')))
    )


def scattered(*ngrams):
    """Equally frequent n-grams in the order of their ids."""
    words = tf.strings.split(tf.constant(ngrams))
    rows, fingerprints = preprocessing.fingerprint_ngrams(words, 3)
    # Of the n-grams of each, the longest is the n-gram itself: the last one of its row.
    by_row = dict(zip(rows.numpy().tolist(), fingerprints.numpy().tolist(), strict=True))
    return sorted(ngrams, key=lambda ngram: by_row[ngrams.index(ngram)] * 0xBF58476D1CE4E5B9 % 2**64)


def test_n_grams_of_three_words_are_spelled_with_blanks_between(run, tmp_path):
    config = dataclasses.replace(CONFIG, ngram_max=3)
    table = write(run, tmp_path, [blocks.titled('Deep\tlearning,\nat  last')], config)
    assert {row.split('\t')[0] for row in table.splitlines()[1:]} == {
        *('deep', 'learning', 'at', 'last'),
        *('deep learning', 'learning at', 'at last'),
        *('deep learning at', 'learning at last'),
    }


def test_n_grams_that_no_training_paper_has_and_those_beyond_the_cut_are_not_spelled(run, tmp_path):
    config = dataclasses.replace(CONFIG, ngram_max=1, vocabulary_size=2)
    places = blocks.write_blocks(
        tmp_path, [blocks.titled('a a a b b c', 'd d d d d')], config, lambda paper: ('train', 'test')[int(paper.id)]
    )
    blocks.count(run, tmp_path, places, config)
    assert (
        tmp_path / 'vocabulary/ngrams.tsv'
    ).read_text() == 'ngram\tid\toccurrences\tpapers\na\t0\t3\t1\nb\t1\t2\t1\n'


def test_the_table_is_in_the_order_of_the_ids_however_many_elements_it_comes_in(run, tmp_path, monkeypatch):
    monkeypatch.setattr(spell_ngrams, '_GROUP_BITS', 2)
    titles = [' '.join(f'w{word}' for word in range(paper + 1)) for paper in range(30)]
    config = dataclasses.replace(CONFIG, ngram_max=1)
    table = write(run, tmp_path, blocks.cut(blocks.titled(*titles), 7), config)
    assert table == 'ngram\tid\toccurrences\tpapers\n' + ''.join(
        f'w{word}\t{word}\t{30 - word}\t{30 - word}\n' for word in range(30)
    )


def test_a_block_spells_the_n_grams_that_it_has():
    block = PaperBlock.of(blocks.titled('one two', 'two'), 0, CONFIG)
    batch = spell(block, all_of(block))
    assert batch.schema == pa.schema({'id': pa.uint32(), 'ngram': pa.binary()})
    assert batch.to_pydict() == {
        'id': [0, 1, 2],
        'ngram': [b'two', *(ngram.encode() for ngram in scattered('one', 'one two'))],
    }
    other = PaperBlock.of(blocks.titled('two three', '!'), 1, CONFIG)
    assert spell(other, all_of(block)).to_pydict() == {'id': [0], 'ngram': [b'two']}
    empty = PaperBlock.of(blocks.titled('!', '?'), 2, CONFIG)
    assert spell(empty, all_of(block)).to_pydict() == {'id': [], 'ngram': []}


def test_spellings_agree_if_each_id_has_one_n_gram():
    def batch(*rows):
        ids, ngrams = zip(*rows, strict=True)
        return pa.RecordBatch.from_arrays([pa.array(ids, pa.uint32()), pa.array(ngrams, pa.binary())], ['id', 'ngram'])

    assert agreed([batch((3, b'c'), (7, b'g')), batch((1, b'a'), (3, b'c'))]) == {1: b'a', 3: b'c', 7: b'g'}
    with pytest.raises(JobError) as error:
        agreed([batch((1, b'a'), (3, b'c')), batch((3, 'größe and'.encode()), (4, b'd'))])
    assert str(error.value) == SAME.format('c', 'größe and')
    with pytest.raises(JobError) as error:
        agreed([batch((3, b'c'), (3, b'd'))])
    assert str(error.value) == SAME.format('c', 'd')


@pytest.mark.parametrize('apart', [False, True])
def test_two_n_grams_with_one_fingerprint_fail_the_run_in_one_block_or_in_two(failure, tmp_path, apart):
    config = dataclasses.replace(CONFIG, ngram_max=1)
    titles = blocks.titled('alpha', 'beta')
    places = blocks.write_blocks(tmp_path, [titles[:1], titles[1:]] if apart else [titles], config)
    for path in tmp_path.glob('*.npz'):
        columns = dict(np.load(path))
        columns['fingerprints'] = np.full_like(columns['fingerprints'], 7)
        np.savez(path, **columns)
    packed = NgramCounts(np.array([7]), np.array([2]), np.array([2])).pack()

    def build(root):
        vocabulary = root | 'Vocabulary' >> beam.Create([(0, packed)])
        _ = root | beam.Create(places) | WriteVocabulary(str(tmp_path), str(tmp_path), vocabulary)

    line = failure(build)
    assert SAME.format('alpha', 'beta') in line or SAME.format('beta', 'alpha') in line
    assert not (tmp_path / 'vocabulary').exists()


def test_two_words_with_one_hash_fail_the_run_where_they_are_split(monkeypatch):
    hash_words = preprocessing.hash_words
    one_hash = tf.constant(7, tf.int64)
    monkeypatch.setattr(
        preprocessing, 'hash_words', lambda words: tf.where(tf.equal(words, 'cat'), one_hash, hash_words(words) % 5 + 7)
    )
    # The function that splits is traced once for each kind of text.
    paper_blocks._split_and_hash.cache_clear()
    try:
        assert paper_blocks.split(blocks.titled('cat cat', 'CAT'), 'title').tokens.tolist() == [0, 0, 0]
        with pytest.raises(JobError, match='^Two different words have the same hash'):
            paper_blocks.split(blocks.titled('cat', *'abcdef'), 'title')
    finally:
        paper_blocks._split_and_hash.cache_clear()


def test_words_of_a_block_are_found_by_their_hashes():
    words = paper_blocks.split(blocks.titled('The cat', '!', 'cat; Schrödinger'), 'title')
    assert [words.spelled[token] for token in words.tokens] == [b'the', b'cat', b'cat', 'schrödinger'.encode()]
    assert words.row_splits.tolist() == [0, 2, 2, 4]
    assert words.hashes.tolist() == preprocessing.hash_words(tf.constant(words.spelled)).numpy().tolist()
