"""Titles of the report say what was found; tables and texts say it to those who do not see the picture."""

import doctest
import importlib
import pathlib
import pkgutil

import pytest

import reporting
from reporting import (
    curve_pictures,
    data_section,
    drift_pictures,
    flow,
    label_pictures,
    model_section,
    ngram_section,
    review_section,
    scored_section,
    style,
    training_section,
    words,
)
from reporting.inputs import Data, Model, Scored, read_model
from tests.report_files import DRIFT, LETTER, MANIFEST, OVERVIEW, REVIEW, SCORED, STATISTICS, month, write_model

MODULES = [module.name for module in pkgutil.iter_modules([str(pathlib.Path(reporting.__file__).parent)])]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Drawing takes long, and the pictures' words are what is tested here."""
    monkeypatch.setattr(style, 'draw', lambda picture, **size: '<svg ></svg>')


@pytest.fixture
def model(tmp_path):
    return read_model(str(write_model(tmp_path / 'model')))


def plain(text):
    return text.replace('\u00a0', ' ')


@pytest.mark.parametrize('name', MODULES)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(f'reporting.{name}')).failed == 0


def test_records_are_accounted_for():
    picture = data_section.accounting(STATISTICS)
    assert plain(picture.title) == '88 % of 1,000 records became training data; 5.0 % were dropped for a rare label set'
    assert [tuple(map(plain, row)) for row in picture.table.rows] == [
        ('kept', '880', '88 %'),
        ('duplicates', '40', '4.0 %'),
        ('dropped: rare label set', '50', '5.0 %'),
        ('rejected: missing_title', '25', '2.5 %'),
        ('rejected: too_long', '5', '0.5 %'),
        ('for training', '800', '80 %'),
        ('for validation', '40', '4.0 %'),
        ('for testing', '40', '4.0 %'),
    ]
    assert picture.text == (
        'A flow from left to right: 1,000 records were read, 880 of them kept, 40 duplicates, 50 dropped: rare '
        'label set, '
        '25 rejected: missing_title and 5 rejected: too_long. Of those kept 800 are for training, 40 are for '
        'validation '
        'and 40 are for testing.'
    )


def test_reasons_beyond_the_most_frequent_are_one():
    rejected = {f'reason_{number}': number for number in range(1, 10)}
    fates = data_section.fates_of({'kept': 1, 'duplicates': 0, 'dropped_rare_label_set': 0, 'rejected': rejected})
    assert fates == [
        (1, 'kept'),
        *((number, f'rejected: reason_{number}') for number in range(9, 3, -1)),
        (6, 'rejected: other reasons'),
    ]


def test_years_without_papers_have_a_column_and_papers_without_a_year_are_counted():
    picture = data_section.years({'2015': 3, '2018': 1, 'unknown': 2})
    assert picture.title == 'Half of the papers are from 2015 or before; 2015 has the most'
    assert picture.table.rows == [('2015', '3'), ('2016', '0'), ('2017', '0'), ('2018', '1')]
    assert picture.note.endswith(' 2 papers without a date are not shown.')
    assert data_section.years({'unknown': 7}).title == 'The papers have no dates'
    assert data_section.years({'2019': 7}).title == 'The papers are of one year, 2019'


def test_labels_are_described_by_the_first_and_the_middle_one():
    papers = data_section.papers_of(STATISTICS)
    assert papers == {'cs.LG': 550, 'cs.CL': 330, 'math.AG': 10}
    assert label_pictures.frequencies(papers).title == (
        'The most frequent label, cs.LG, has 550 papers; half of the labels have 330 or fewer'
    )


def test_labels_and_words_a_paper_are_described_by_shares():
    labels = label_pictures.labels_a_paper({1: 600, 2: 270, 3: 10})
    assert plain(labels.title) == '32 % of the papers have two labels or more; 1.3 is the mean'
    words_ = data_section.words_a_paper({0: 80, 100: 400, 110: 390, 600: 10})
    assert words_.title == 'Half of the papers have between 100 and 120 words'
    assert words_.note == 'Cells of ten words; the last holds all papers of 600 words or more.'


def test_the_pair_with_the_largest_share_is_the_title():
    picture = label_pictures.together({'cs.LG': 550, 'cs.CL': 330, 'math.AG': 10}, OVERVIEW['label_pairs'])
    assert plain(picture.title) == '64 % of the cs.CL papers are cs.LG papers, too'
    assert [tuple(map(plain, row)) for row in picture.table.rows] == [
        ('cs.CL', 'cs.LG', '64 %'),
        ('cs.LG', 'cs.CL', '38 %'),
    ]
    assert label_pictures.together({'a': 1, 'b': 1}, {}).title == 'No two labels are together'


def test_the_largest_imbalance_is_that_of_a_label_that_can_be_divided():
    rows = label_pictures.imbalances(STATISTICS, 100)
    assert [(label, split, papers) for _, label, split, _, papers in rows[:2]] == [
        ('cs.CL', 'test', 330),
        ('cs.CL', 'validation', 330),
    ]
    assert len(rows) == 4
    assert rows[0][0] == pytest.approx(20 / 330 - 40 / 880)
    assert label_pictures.imbalance(STATISTICS).title == (
        'Labels of 100 papers or more are within 1.5 percentage points of their share in each split'
    )


def test_zipf_and_heaps_follow_from_how_many_papers_each_ngram_has():
    frequencies = {1: 6, 2: 2, 700: 1}
    assert (
        plain(ngram_section.zipf(frequencies).title)
        == '67 % of the 9 distinct n-grams occur in one training paper only'
    )
    assert ngram_section.zipf(frequencies).table.rows[:3] == [('1', '9'), ('2', '3'), ('5', '1')]
    # Of 8,000 that occur once each of 800 papers brought ten.
    assert ngram_section.heaps({1: 8000}, 800).title == 'The last tenth of the papers brought 10 new n-grams each'


def test_distinctive_ngrams_come_with_what_they_are_distinctive_by():
    part = ngram_section.distinctive(OVERVIEW['distinctive_ngrams'], {'cs.LG': 550, 'cs.CL': 330}, STATISTICS)
    assert part.title == '“<i>neural</i> networks” speak for cs.LG'
    (row,) = part.content
    assert (row['label'], row['ngrams'][0]['share']) == ('cs.LG', 0.8)
    assert plain(row['ngrams'][0]['text']) == 'in 100 training papers, 80 of them cs.LG (16 % of these)'


def test_the_training_is_described_by_its_fall_and_the_epoch_that_was_kept(model):
    loss, figures, rate = training_section.training_section(model).blocks
    assert plain(loss.title) == 'Loss fell by 25 % on training papers and fell by 40 % on validation papers'
    assert figures.title == 'Validation nDCG@5 was best after epoch 1, with 0.850'
    assert figures.table.header == ('epoch', 'P@1', 'nDCG@5')
    assert rate.title == 'The learning rate went from 0.002 to 0'


def test_the_model_is_described_with_its_intervals(model):
    section = model_section.model_section(model)
    assert [(tile.value, tile.detail) for tile in section.tiles[:2]] == [
        ('0.750', '0.700 to 0.800'),
        ('0.800', ''),
    ]
    overall = section.blocks[0]
    assert plain(overall.title) == 'The first label is right for 75 % of the test papers (70 to 80 %)'
    assert overall.table.rows[0] == ('P@1', '0.750', '0.700 to 0.800', '0.800', 'first label right')


def test_curves_and_calibration_are_described_by_their_numbers(model):
    assert curve_pictures.curves(model).title == 'Of the frequent labels cs.CL is told best, cs.LG worst'
    picture = curve_pictures.reliability(model)
    assert picture.title == 'Scores are off by 0.40 percentage points on average, 0.90 before calibration'
    assert picture.table.rows == [
        ('of all pairs of a paper and a label', '0.90 points', '0.40 points'),
        ('of first labels', '7.00 points', '5.00 points'),
    ]


def test_what_an_older_version_did_not_write_names_the_command_to_run():
    data = Data('data', STATISTICS, MANIFEST, None)
    (line,) = [block for block in data_section.data_section(data).blocks if block.kind == 'line']
    assert line.text == (
        'data/overview.json is missing: an older version made this folder. '
        'Run "arxiv-tagger prepare" again to see it here.'
    )
    bare = {'history': (), 'labels': (), 'precision_recall': None, 'reliability': None, 'reliability_before': None}
    figures = dict.fromkeys(('precision_at_1', 'ndcg_at_5', 'micro_f1', 'macro_f1')) | {'papers': 0}
    model = Model('model', {'test': figures, 'validation': figures}, **bare, review=None)
    texts = [block.text for block in model_section.model_section(model).blocks if block.kind == 'line']
    assert [text.split(' ')[0] for text in texts] == [
        'No',
        'model/plots/precision_recall.csv',
        'model/plots/reliability.csv',
        'model/review.json',
    ]


def test_rows_of_the_labels_table_have_what_to_sort_by(model):
    part = model_section.labels_table(model.labels)
    assert part.title == '2 of 3 labels have an F1 of 0.5 or more; 1 is never given'
    last = part.content['rows'][-1]
    assert (last['label'], last['title']) == ('math.AG', 'Algebraic Geometry')
    assert last['cells'][3] == {'text': '–', 'value': ''}
    # Its title has a dash, but no archive before it.
    other = model_section.labels_table([{**model.labels[0], 'label': 'hep-th'}]).content['rows'][0]
    assert other['title'] == 'High Energy Physics - Theory'
    assert part.content['rows'][0]['cells'][0] == {'text': '500', 'value': '500'}


def test_confusions_name_both_labels():
    assert (
        review_section.confusions(REVIEW['confusions']).title
        == 'cs.CL is most often taken for cs.LG: 7 of its 20 test papers'
    )
    assert review_section.confusions([]).title == 'No label is taken for another'


def test_worst_papers_tell_what_was_missed_and_which_words_spoke_against():
    part = review_section.worst_papers(REVIEW['worst_papers'])
    assert part.title == 'The worst paper got none of its labels'
    (paper,) = part.content
    assert paper['missed'] == ['cs.CL', 'math.AG']
    wrong, missed = paper['predictions']
    assert (wrong['verdict'], wrong['open'], missed['verdict'], missed['open']) == (
        'given, wrongly',
        True,
        'missed',
        False,
    )
    assert [(one['for'], one['width'], one['contribution']) for one in wrong['explanation']] == [
        (True, 50.0, '+2.00'),
        (False, 12.5, '−0.50'),
    ]


def test_label_errors_count_those_too_many_and_those_missing():
    assert review_section.label_errors(REVIEW['label_errors']).title == (
        '1 label of 40 papers may be wrong in the data: 1 too many, 0 missing'
    )


def test_predicted_labels_stand_beside_those_of_the_training():
    picture = scored_section.predicted(SCORED, STATISTICS)
    assert plain(picture.title) == 'cs.CL is given to 15 % of the papers; 38 % of the training papers have it'
    assert plain(picture.table.rows[0][1]) == '75 %'
    assert scored_section.predicted(SCORED, None).text.startswith('Give --data_dir, too')


def test_drift_is_told_in_limits():
    picture = drift_pictures.measures(SCORED['drift'])
    assert picture.title == 'Words drifted beyond the limit'
    assert picture.text == 'Bars beside a line at 1, the limit: words 1.50 (drifted).'


def test_months_of_few_papers_are_no_finding():
    assert drift_pictures.by_month(DRIFT['months']).title == 'nDCG@5 was between 0.70 (2019-01) and 0.90 (2019-03)'
    assert drift_pictures.by_month([month('2019-01', 50, 0.7)]).title == 'There are not enough months to compare'


def test_dead_letters_follow_what_was_rejected():
    scored = Scored('scored', SCORED, (LETTER,))
    picture, letters = scored_section.rejections(scored)
    assert plain(picture.title) == '1.5 % of the records were rejected, most of them as missing_title'
    assert letters.title == '1 of 3 dead letters'
    (line,) = scored_section.rejections(Scored('scored', SCORED | {'rejected': {}}, ()))
    assert line.title == 'Nothing was rejected'


def test_labels_of_a_flow_never_overlap():
    places = flow.stacked([1, 1, 98], 100, label=0.2)
    middles = [top + height / 2 for top, height in places]
    assert [round(middle, 3) for middle in middles] == [0.1, 0.3, 0.89]


def test_numbers_are_written_as_people_read_them():
    assert [plain(words.percent(share)) for share in (0.999, 0.9999, 0.0995, 0.0994)] == [
        '99.9 %',
        '100 %',
        '10 %',
        '9.9 %',
    ]
