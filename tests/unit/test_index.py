"""A paper's row of the index says what the paper is, and rows come back whole from wherever they were sent."""

import string
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.index import (
    INDEX,
    PLACES,
    chunks,
    index_of,
    label_set,
    label_set_hash,
    label_set_names,
    parts,
    rows_of,
    title_key,
)
from tests.helpers import paper

TEXTS = st.text(st.characters(codec='utf-8'))


def row(*arguments, **fields):
    """The row of one paper, without its place."""
    return index_of([paper(*arguments, **fields)], 7)[list(INDEX.names[:-2])].tolist()[0]


def column(name, *arguments, **fields):
    return int(index_of([paper(*arguments, **fields)], 7)[name][0])


def places(count):
    rows = np.zeros(count, PLACES)
    rows['row'] = range(count)
    return rows


def test_a_row_takes_68_bytes_little_endian_on_any_machine():
    assert (INDEX.itemsize, PLACES.itemsize) == (68, 5)
    found = index_of([paper('0704.0001', updated='2019-01-02', version=3)], 258)
    assert found.tobytes()[40:48] == bytes([3, 0, 0, 0]) + (20190102).to_bytes(4, 'little')
    assert found.tobytes()[56:] == bytes([2, 1, 0, 0, 0, 0, 0, 0]) + bytes(4)


def test_the_hashes_of_a_paper_are_these_on_any_machine():
    found = index_of([paper('0704.0001', 'cs.LG stat.ML', title='A Title', abstract='An abstract.')], 0)
    assert found.tobytes()[:16].hex() == '7697c5ca0873e20f92cc27752cb9fa09'
    assert found.tobytes()[16:32].hex() == '610a236b59d55643f0e6aec193ac0b9c'
    assert found.tobytes()[32:40].hex() == '078915cf8aafaba7'
    assert found['label_set'][0] == label_set_hash('cs.LG stat.ML') == 1391159218514923144


def test_rows_are_numbered_within_their_block():
    found = index_of([paper('a'), paper('b'), paper('a')], -5)
    assert found['row'].tolist() == [0, 1, 2]
    assert found['block'].tolist() == [-5] * 3
    assert len(index_of([], 1)) == 0


def test_equal_papers_have_equal_rows_and_other_papers_others():
    assert row('1', abstract='A') == row('1', abstract='A')
    papers = [
        row('1', title='T', abstract='A'),
        row('2', title='T', abstract='A'),
        row('1', title='U', abstract='A'),
        row('1', title='T', abstract='B'),
        row('1', 'cs.CV', title='T', abstract='A'),
        row('1', title='T', abstract='A', updated='2019-01-01'),
        row('1', title='T', abstract='A', version=1),
    ]
    assert len(set(papers)) == len(papers)


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ({'title': 'AB', 'abstract': 'C'}, {'title': 'A', 'abstract': 'BC'}),
        ({'title': 'A', 'abstract': 'B\0C'}, {'title': 'A\0B', 'abstract': 'C'}),
        ({'title': 'A', 'abstract': 'B', 'labels': 'x y'}, {'title': 'A', 'abstract': 'B\0x', 'labels': 'y'}),
    ],
)
def test_where_the_title_ends_and_where_the_labels_begin_is_part_of_the_content(one, other):
    assert column('content', '1', **one) != column('content', '1', **other)


def test_a_hash_of_the_id_says_nothing_of_the_hash_of_an_equal_title():
    assert column('id_low', 'same', title='same') != column('title_low', 'same', title='same')


def test_recency_orders_by_day_and_then_by_version():
    dated = [('', 0), ('', 9), ('0001-01-01', 0), ('2018-12-31', 999_999_999), ('2019-01-01', 2), ('2019-01-01', 10)]
    found = [column('recency', '1', updated=updated, version=version) for updated, version in dated]
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert found[-2] == 20190101 * 2**32 + 2


def test_a_label_set_is_known_by_a_hash_of_62_bits():
    papers = [paper('1', 'cs.LG stat.ML'), paper('2', 'cs.LG'), paper('3', 'cs.LG stat.ML')]
    names = label_set_names(map(label_set, papers))
    assert sorted(names.values()) == ['cs.LG', 'cs.LG stat.ML']
    found = [names[hash_] for hash_ in index_of(papers, 0)['label_set'].tolist()]
    assert found == ['cs.LG stat.ML', 'cs.LG', 'cs.LG stat.ML']
    assert max(names) < 2**62


def test_parts_hold_the_rows_of_their_partition_in_the_order_they_had():
    found = list(parts(places(6), np.array([3, -1, 3, 0, -1, 3])))
    assert [(partition, rows_of([chunk], PLACES)['row'].tolist()) for partition, chunk in found] == [
        (-1, [1, 4]),
        (0, [3]),
        (3, [0, 2, 5]),
    ]
    assert [type(value) for value in found[0]] == [int, bytes]


def test_of_no_rows_there_are_no_parts_and_of_no_chunks_no_rows():
    assert list(parts(places(0), np.array([], np.int64))) == []
    assert list(chunks(places(0))) == []
    assert rows_of([], PLACES).tolist() == []


@pytest.mark.parametrize(('max_bytes', 'sizes'), [(15, [3, 3, 1]), (14, [2, 2, 2, 1]), (1, [1] * 7), (35, [7])])
def test_a_chunk_holds_as_many_whole_rows_as_fit_and_at_least_one(max_bytes, sizes):
    found = list(chunks(places(7), max_bytes))
    assert [len(chunk) // PLACES.itemsize for chunk in found] == sizes
    assert rows_of(found, PLACES)['row'].tolist() == [*range(7)]


@given(partitions=st.lists(st.integers(-3, 3)), max_bytes=st.integers(1, 40))
def test_no_row_is_lost_or_doubled_on_its_way_through_parts(partitions, max_bytes):
    found = list(parts(places(len(partitions)), np.array(partitions, np.int64), max_bytes))
    for partition in range(-3, 4):
        rows = rows_of((chunk for number, chunk in found if number == partition), PLACES)['row'].tolist()
        assert rows == [row for row, number in enumerate(partitions) if number == partition]
    assert all(0 < len(chunk) <= max(max_bytes, PLACES.itemsize) for _, chunk in found)


@pytest.mark.parametrize(
    'other',
    [
        'multi-label learning: a survey',
        'MULTI-LABEL LEARNING: A SURVEY',
        'Multi Label  Learning -- A Survey.',
        'Multi-Label\nLearning: A Survey',
        '“Multi‐Label Learning”: a survey…',
        'Ｍulti-Label Learning: A Survey',
        'Multi-Label\u00a0Learning:\u200b A Survey',
    ],
)
def test_titles_that_differ_in_case_white_space_and_punctuation_are_the_same(other):
    assert title_key(other) == title_key('Multi-Label Learning: A Survey') == 'multilabellearningasurvey'
    assert column('title_high', '1', title=other) == column('title_high', '2', title='Multi-Label Learning: A Survey')


@pytest.mark.parametrize(
    ('one', 'other'),
    [('Part I', 'Part II'), ('x + y', 'x = y'), ('Résumé', 'Resume'), ('量子', '光'), ('On $n$', 'On n')],
)
def test_titles_that_differ_in_letters_figures_or_symbols_are_not_the_same(one, other):
    assert title_key(one) != title_key(other)


def test_accents_are_the_same_however_they_are_encoded():
    assert title_key('Schro\u0308dinger') == title_key('Schrödinger') == 'schrödinger'


def test_a_title_of_nothing_but_punctuation_stands_for_itself():
    assert title_key('???') == '???'
    assert title_key('???') != title_key('!!!')


@given(title=TEXTS.filter(bool))
def test_a_title_has_the_key_of_what_it_becomes_in_lower_case_without_blanks(title):
    assert title_key(title) == title_key(f' {title}\n') or title_key(title) == title
    assert title_key(title)


@given(title=st.text(st.characters(codec='ascii')) | st.text(string.punctuation) | TEXTS)
@example(title=''.join(map(chr, range(128))))
def test_the_key_of_a_title_is_what_its_definition_says_in_ascii_too(title):
    folded = unicodedata.normalize('NFKC', title).casefold()
    kept = ''.join(character for character in folded if unicodedata.category(character)[0] not in 'PZC')
    assert title_key(title) == (kept or title)
