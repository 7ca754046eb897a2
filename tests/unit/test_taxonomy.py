"""Category strings, as twenty years of feeds write them, become today's categories, codes, or unknown names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy import CanonicalCategories, canonical_categories, canonical_names, groups


def test_a_category_of_today_stands_for_itself():
    assert canonical_categories(['cs.CV']) == CanonicalCategories(labels=('cs.CV',))


@pytest.mark.parametrize(
    ('alias', 'canonical'),
    [
        ('cs.NA', 'math.NA'),
        ('cs.SY', 'eess.SY'),
        ('math.IT', 'cs.IT'),
        ('math.MP', 'math-ph'),
        ('q-fin.EC', 'econ.GN'),
        ('stat.TH', 'math.ST'),
    ],
)
def test_an_alias_becomes_the_category_that_it_is_another_name_of(alias, canonical):
    assert canonical_categories([alias]) == CanonicalCategories(labels=(canonical,), renamed=((alias, canonical),))


@pytest.mark.parametrize(
    ('archive', 'canonical'),
    [
        ('cmp-lg', 'cs.CL'),
        ('alg-geom', 'math.AG'),
        ('chao-dyn', 'nlin.CD'),
        ('mtrl-th', 'cond-mat.mtrl-sci'),
        ('supr-con', 'cond-mat.supr-con'),
        ('acc-phys', 'physics.acc-ph'),
    ],
)
def test_a_subsumed_archive_becomes_the_category_that_took_it_in(archive, canonical):
    assert canonical_categories([archive]) == CanonicalCategories(labels=(canonical,), renamed=((archive, canonical),))


@pytest.mark.parametrize('archive', ['astro-ph', 'cond-mat', 'hep-th', 'math-ph', 'quant-ph'])
def test_an_archive_that_is_a_category_itself_stays(archive):
    assert canonical_categories([archive]).labels == (archive,)


def test_each_category_has_its_final_name_at_once():
    names = canonical_names()
    assert len(names) == 176
    assert {names[name] for name in names.values()} == set(names.values())
    assert all(names[name] == name for name in names.values())


def test_an_alias_and_its_category_are_one_label_and_the_alias_is_noted():
    assert canonical_categories(['math.NA', 'cs.NA']) == CanonicalCategories(
        labels=('math.NA',), renamed=(('cs.NA', 'math.NA'),)
    )


def test_one_string_may_name_several_categories():
    assert canonical_categories(['stat.ML cs.LG  cmp-lg', ' cs.CV ']) == CanonicalCategories(
        labels=('cs.CL', 'cs.CV', 'cs.LG', 'stat.ML'), renamed=(('cmp-lg', 'cs.CL'),)
    )


@pytest.mark.parametrize(
    'code',
    [
        '68',
        '68T05',
        '68Txx',
        '68TXX',
        '85-04',
        '00-XX',
        '62F10 (Primary), 68T09 (Secondary)',
        '60J22, 62M05 62P200',
        'Primary: 68T07; Secondary: 68T50',
        '[2010] 05C50',
        '68T05;68T10',
        '93B05,93C05',
    ],
)
def test_a_code_of_the_mathematics_subject_classification_is_set_aside_as_it_is_written(code):
    assert canonical_categories([code]) == CanonicalCategories(msc=(code,))


@pytest.mark.parametrize(
    'code',
    [
        'I.2',
        'I.2.6',
        'F.m',
        'H.1.m',
        'G.1.10',
        'I.2.6; F.m',
        'I.2.7, H.3.3',
        'K.6.3 Software Management',
        'D.2.11;D.2.2',
    ],
)
def test_a_code_of_the_acm_classification_is_set_aside_as_it_is_written(code):
    assert canonical_categories([code]) == CanonicalCategories(acm=(code,))


@pytest.mark.parametrize(
    'name',
    ['cs.XX', 'bad-arch.bad-cat', 'CS.LG', 'cs', 'Machine Learning', '2019', '68T051', 'L.2.6', 'I.2.'],
)
def test_anything_else_is_unknown_under_its_own_name(name):
    assert canonical_categories([name]) == CanonicalCategories(unknown=(name,))


@pytest.mark.parametrize('separator', [' ', ', ', ';', '\n'])
def test_one_string_may_hold_several_categories_and_what_else_is_in_it_stands_for_itself(separator):
    assert canonical_categories([separator.join(['cs.LG', '68T05', 'cs.CV', 'cs.LG'])]) == CanonicalCategories(
        labels=('cs.CV', 'cs.LG'), msc=('68T05',)
    )
    assert canonical_categories([separator.join(['cs.XX', 'cmp-lg'])]) == CanonicalCategories(
        labels=('cs.CL',), renamed=(('cmp-lg', 'cs.CL'),), unknown=('cs.XX',)
    )


def test_strings_of_nothing_but_white_space_mean_nothing():
    assert canonical_categories(['', '  ', '\t\n']) == CanonicalCategories()


NAMES = ['cs.LG', 'cmp-lg', 'cs.CL', 'math.MP', 'stat.ML cs.LG', '68T05', 'I.2.6; F.m', 'cs.XX', '']


@given(names=st.lists(st.sampled_from(NAMES)), order=st.randoms(use_true_random=False))
def test_order_and_repetition_change_no_label(names, order):
    shuffled = names * 2
    order.shuffle(shuffled)
    assert canonical_categories(shuffled).labels == canonical_categories(names).labels


@given(names=st.lists(st.sampled_from(NAMES)), order=st.randoms(use_true_random=False))
def test_order_changes_no_count(names, order):
    def counts(found):
        return {kind: sorted(getattr(found, kind)) for kind in ('renamed', 'msc', 'acm', 'unknown')}

    shuffled = list(names)
    order.shuffle(shuffled)
    assert counts(canonical_categories(shuffled)) == counts(canonical_categories(names))


@given(name=st.text())
def test_every_string_of_more_than_white_space_is_counted_once(name):
    found = canonical_categories([name])
    kinds = [bool(found.labels), bool(found.msc), bool(found.acm), bool(found.unknown)]
    assert sum(kinds) == bool(name.strip())


def test_each_category_of_today_has_its_group_and_names_of_the_past_have_none():
    found = groups()
    assert [found[name] for name in ('cs.CV', 'hep-th', 'quant-ph', 'q-bio.NC', 'eess.SY')] == [
        'cs', 'physics', 'physics', 'q-bio', 'eess',
    ]  # fmt: skip
    assert 'math.MP' not in found
    assert 'cmp-lg' not in found
    assert set(found) == set(canonical_names().values())
