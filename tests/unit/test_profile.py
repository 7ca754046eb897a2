"""A profile counts the same however papers are batched, merged and stored."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.profile import SCORE_UNITS, Profile
from tests.tagged import answers

PAPERS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(['cs.LG', 'cs.CV', 'hep-th']), min_size=2, max_size=2, unique=True),
        st.sampled_from([0.0, 0.125, 0.5, 0.999, 1.0]),
        st.booleans(),
        st.integers(0, 900),
        st.integers(0, 3),
        st.sets(st.integers(0, 3)),
    ),
    max_size=12,
)


def profiled(*batches):
    profile = Profile.empty(4)
    for batch in batches:
        profile.add(answers(batch, ngrams=4))
    return profile


def merged(*profiles):
    whole = Profile.empty(4)
    for profile in profiles:
        whole.merge(profile)
    return whole


def test_each_paper_is_counted_in_its_cell_of_everything():
    profile = profiled(
        [
            (['cs.LG', 'cs.CV'], 0.75, True, 120, 1, {0, 2}),
            (['hep-th', 'cs.LG'], 0.25, False, 9999, 4, {2}),
        ]
    )
    found = profile.to_json()
    histograms = {name: found.pop(name) for name in list(found) if name.endswith('histogram')}
    assert found == {
        'format': 1,
        'papers': 2,
        'words': 10119,
        # 2 n-grams a word, less one, of which 1 and 4 of a hundred are unknown.
        'ngrams': 239 + 19997,
        'known_ngrams': 239 - 2 + 19997 - 799,
        'best_scores': SCORE_UNITS,
        'accepted_labels': {'cs.LG': 1},
        'papers_without_label': 1,
        'first_labels': {'cs.LG': 1, 'hep-th': 1},
        'ngram_papers': [1, 0, 2, 0],
    }
    places = {name: np.flatnonzero(histogram).tolist() for name, histogram in histograms.items()}
    assert places == {'word_histogram': [12, 59], 'unknown_share_histogram': [0, 3], 'best_score_histogram': [25, 75]}


def test_accepted_labels_behind_the_tenth_are_not_counted():
    profile = Profile.empty(1)
    profile.add(
        answers([([f'label {number}' for number in range(12)], 0.9, True, 5, 0, set())], ngrams=1)
        | {'accepted': np.ones((1, 12), bool)}
    )
    assert sorted(profile.accepted_labels) == sorted(f'label {number}' for number in range(10))


def test_a_paper_without_ngrams_has_no_share_of_unknown_ones():
    profile = profiled([(['cs.LG', 'cs.CV'], 0.5, True, 0, 0, set())])
    assert (profile.papers, profile.unknown_share_histogram.sum(), profile.out_of_vocabulary_share) == (1, 0, None)


@given(papers=PAPERS, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_counts_do_not_depend_on_how_papers_are_batched(papers, cuts):
    edges = [0, *sorted(min(cut, len(papers)) for cut in cuts), len(papers)]
    batches = [papers[low:high] for low, high in zip(edges, edges[1:], strict=False)]
    assert profiled(*batches) == profiled(papers)


@given(first=PAPERS, second=PAPERS, third=PAPERS)
def test_profiles_are_merged_in_any_order_and_grouping(first, second, third):
    a, b, c = profiled(first), profiled(second), profiled(third)
    before = copy.deepcopy(a)
    assert merged(a, b, c) == merged(c, a, b) == merged(a, merged(b, c)) == profiled(first + second + third)
    assert a == before


@given(papers=PAPERS)
def test_a_profile_is_read_as_it_was_written(papers):
    profile = profiled(papers)
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': 2}, 'the profile is of format 2, this program reads 1'),
        ({'papers': -1}, 'papers of the profile is -1, not a count'),
        ({'words': True}, 'words of the profile is True, not a count'),
        ({'ngrams': 1.5}, 'ngrams of the profile is 1.5, not a count'),
        ({'known_ngrams': None}, 'known_ngrams of the profile is None, not a count'),
        ({'known_ngrams': 1}, '1 known n-grams of 0'),
        ({'word_histogram': [0]}, 'word_histogram of the profile is not a list of 60 counts'),
        ({'ngram_papers': 'many'}, 'ngram_papers of the profile is not a list of some counts'),
        ({'first_labels': []}, 'first_labels of the profile is not an object of labels and counts'),
        ({'accepted_labels': {'cs.LG': '1'}}, "accepted_labels of the profile is '1', not a count"),
        ({'papers': 1}, 'the counts of the profile do not add up to its 1 papers'),
        ({'ngram_papers': [1, 0, 0, 0]}, 'the counts of the profile do not add up to its 0 papers'),
    ],
)
def test_what_is_no_profile_is_refused_with_what_is_wrong(change, message):
    with pytest.raises(ValueError, match='profile|n-grams') as error:
        Profile.from_json(Profile.empty(4).to_json() | change)
    assert str(error.value) == message


def test_a_list_is_no_profile():
    with pytest.raises(ValueError, match=r'^a profile is an object, not a list$'):
        Profile.from_json([])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'ngram_papers': np.zeros(3, int)}, r'papers of \(3,\) n-grams for a profile of \(4,\)'),
        ({'words': np.zeros(2, int)}, r'words of \(2,\), n-grams of \(1,\) and \(1,\): 1 papers'),
        ({'scores': np.zeros((1, 3))}, r'labels of \(1, 2\), scores of \(1, 3\), accepted of \(1, 2\)'),
    ],
)
def test_answers_that_do_not_fit_together_are_refused(change, message):
    batch = answers([(['cs.LG', 'cs.CV'], 0.5, True, 5, 0, set())], ngrams=4)
    with pytest.raises(ValueError, match=f'^{message}$'):
        Profile.empty(4).add(batch | change)


def test_profiles_of_other_vocabularies_are_not_merged():
    with pytest.raises(ValueError, match=r'^a profile of 3 n-grams for one of 4$'):
        Profile.empty(4).merge(Profile.empty(3))
