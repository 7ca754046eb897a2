"""What plots are drawn from, and what the projector shows, are the numbers of the model and of its test papers."""

import numpy as np
import pytest

from tests.unit.test_label_table import CS_CV, CS_LG, MATH_PR
from trainer.metrics import StreamingMetrics
from trainer.model import build_tagger
from trainer.reports import embeddings, write_plots


@pytest.fixture(scope='module')
def plots(tmp_path_factory):
    """The plots' files of three papers: the first label's scores are .75, .5 and .25, and it applies to two.

    Before calibration all scores were half as high.
    """
    metrics, before = (StreamingMetrics(3, thresholds=[0.5] * 3, propensities=[1.0] * 3) for _ in range(2))
    scores = np.array([[0.75, 0, 0], [0.5, 1, 0], [0.25, 1, 0]], np.float32)
    metrics.add([[1, 0, 0], [0, 1, 0], [1, 1, 0]], scores)
    before.add([[1, 0, 0], [0, 1, 0], [1, 1, 0]], scores / 2)
    folder = tmp_path_factory.mktemp('plots') / 'plots'
    write_plots(str(folder), ['cs.CV', 'cs.LG', 'math.PR'], metrics, before, [CS_CV, CS_LG, MATH_PR])
    return {path.name: path.read_text().splitlines() for path in folder.iterdir()}


def test_precision_and_recall_have_a_line_for_each_threshold_where_recall_rises(plots):
    header, *lines = plots['precision_recall.csv']
    assert header == 'label,threshold,precision,recall'
    rows = [line.split(',') for line in lines]
    assert [(label, precision, recall) for label, _, precision, recall in rows] == [
        ('cs.CV', '1', '0.5'),
        ('cs.CV', '0.666667', '1'),
        ('cs.LG', '1', '1'),
    ]
    assert [float(row[1]) for row in rows[:2]] == pytest.approx([0.75, 0.25], rel=0.05)


def test_reliability_has_fifteen_bins_for_all_pairs_and_for_first_labels(plots):
    header, *lines = plots['reliability.csv']
    assert header == 'pairs_of,lower_edge,pairs,mean_score,share'
    assert len(lines) == 30
    rows = {tuple(line.split(',')[:2]): line.split(',')[2:] for line in lines}
    assert rows['all', '0'] == ['4', '0', '0']
    assert rows['all', '0.466667'] == ['1', '0.5', '0']
    assert rows['all', '0.8'] == ['0', '', '']
    assert rows['first', '0.733333'] == ['1', '0.75', '1']
    assert rows['first', '0.933333'] == ['2', '1', '1']
    assert sum(int(pairs) for (of, _), (pairs, *_) in rows.items() if of == 'first') == 3


def test_reliability_before_calibration_has_the_same_form(plots):
    header, *lines = plots['reliability_before.csv']
    assert (header, len(lines)) == (plots['reliability.csv'][0], 30)
    rows = {tuple(line.split(',')[:2]): line.split(',')[2:] for line in lines}
    assert rows['first', '0.333333'] == ['1', '0.375', '1']
    assert rows['first', '0.466667'] == ['2', '0.5', '1']


def test_labels_with_about_as_many_training_papers_share_a_line(plots):
    assert plots['f1_by_training_papers.csv'] == [
        'training_papers,labels,pairs,precision,recall,f1,macro_f1',
        '10 to 99,1,0,,,,',
        '1000 to 9999,2,50,0.6,0.6,0.6,0.333333',
    ]


@pytest.mark.parametrize('wide', [False, True])
def test_the_embeddings_are_the_first_rows_of_the_first_layer_without_its_linear_part(wide):
    tagger = build_tagger(ngrams=5, labels=2, hidden_units=(3, 4), wide=wide)
    kernel = np.arange(25 if wide else 15, dtype=np.float32).reshape(5, -1)
    tagger.get_layer('embedding').kernel.assign(kernel)
    found = embeddings(tagger, 4)
    assert found.dtype == np.float32
    assert found.tolist() == kernel[:4, :3].tolist()


def test_the_embeddings_of_an_ensemble_stand_side_by_side():
    tagger = build_tagger(ngrams=5, labels=2, hidden_units=(3,), wide=True, ensemble_size=2)
    kernels = [tagger.get_layer(f'member_{number}_embedding').kernel.numpy() for number in (1, 2)]
    expected = np.concatenate([kernel[:4, :3] for kernel in kernels], axis=1)
    assert embeddings(tagger, 4).tolist() == expected.tolist()
