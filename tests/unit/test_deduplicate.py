"""Of papers that are the same one stays, and which one does not depend on the order they come in."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.deduplicate import newest, title_key
from schemas.paper import Paper
from tests.helpers import paper

PAPERS = st.builds(
    Paper,
    id=st.sampled_from(['a', 'b', 'c']),
    title=st.sampled_from(['T', 'U']),
    abstract=st.sampled_from(['A', 'B']),
    labels=st.sampled_from([('cs.CV',), ('cs.CV', 'cs.LG'), ('cs.LG',)]),
    updated=st.sampled_from(['', '2018-12-31', '2019-01-01']),
    version=st.integers(0, 3),
)


@pytest.mark.parametrize(
    ('kept', 'other'),
    [
        ({'updated': '2019-01-02', 'version': 1}, {'updated': '2019-01-01', 'version': 9}),
        ({'updated': '0001-01-01'}, {'updated': '', 'version': 9}),
        ({'updated': '2019-01-01', 'version': 10}, {'updated': '2019-01-01', 'version': 9}),
        ({'id': 'a', 'title': 'Z'}, {'id': 'b', 'title': 'A'}),
        ({'title': 'A', 'abstract': 'Z'}, {'title': 'B', 'abstract': 'A'}),
        ({'abstract': 'A'}, {'abstract': 'B'}),
        ({'labels': ('cs.CV',)}, {'labels': ('cs.LG',)}),
    ],
)
def test_the_latest_stays_then_the_highest_version_then_the_smallest_content(kept, other):
    kept, other = (dataclasses.replace(paper('x'), **fields) for fields in (kept, other))
    assert newest([kept, other]) == newest([other, kept]) == kept


@given(papers=st.lists(PAPERS, min_size=1), order=st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order(papers, order):
    shuffled = list(papers)
    order.shuffle(shuffled)
    assert newest(shuffled) == newest(papers)


@given(groups=st.lists(st.lists(PAPERS, min_size=1), min_size=1))
def test_the_newest_of_the_newest_is_the_newest_of_all(groups):
    assert newest(newest(group) for group in groups) == newest(found for group in groups for found in group)


def test_of_no_papers_none_can_stay():
    with pytest.raises(ValueError, match=r'newest\(\) needs a paper'):
        newest([])


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


@given(title=st.text(st.characters(codec='utf-8'), min_size=1))
def test_a_title_has_the_key_of_what_it_becomes_in_lower_case_without_blanks(title):
    assert title_key(title) == title_key(f' {title}\n') or title_key(title) == title
    assert title_key(title)
