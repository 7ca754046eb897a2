"""`train` publishes a whole model or nothing, and the same one twice."""

import csv
import json
import pathlib
import shutil

import pytest

from schemas import features
from schemas.errors import JobError
from trainer.config import TrainConfig
from trainer.train import train

FIGURES = {
    'papers',
    'papers_without_labels',
    'precision_at_1',
    'precision_at_3',
    'precision_at_5',
    'recall_at_5',
    'ndcg_at_5',
    'micro_f1',
    'macro_f1',
    'micro_f1_best',
    'micro_f1_best_threshold',
    'binary_accuracy',
    'binary_accuracy_of_predicting_nothing',
}


def small(prepared_dir, model_dir, **settings):
    settings = {'epochs': 2, 'hidden_units': (16, 8), **settings}
    return TrainConfig(data_dir=str(prepared_dir), model_dir=str(model_dir), **settings)


def without(prepared_dir, folder, split):
    """A copy of prepared data that lacks the papers of one split."""
    shutil.copytree(prepared_dir, folder)
    for shard in (folder / features.EXAMPLES_DIR / split).iterdir():
        shard.unlink()
    return folder


def test_training_twice_gives_the_same_figures_and_history(prepared_dir, tmp_path):
    first, second = (train(small(prepared_dir, tmp_path / name, dropout=0.5)) for name in ('first', 'second'))
    timing = ('seconds_per_epoch',)
    assert {k: v for k, v in first.items() if k not in timing} == {k: v for k, v in second.items() if k not in timing}
    history = (tmp_path / 'first' / features.HISTORY_FILE).read_text()
    assert history == (tmp_path / 'second' / features.HISTORY_FILE).read_text()
    assert train(small(prepared_dir, tmp_path / 'third', seed=1))['validation'] != first['validation']


def test_what_is_published_is_what_the_contract_says(prepared_dir, tmp_path):
    model_dir = tmp_path / 'model'
    metrics = train(small(prepared_dir, model_dir))
    assert sorted(path.name for path in model_dir.iterdir()) == [
        'COMPLETED', 'checkpoints', 'export', 'history.csv', 'logs', 'metrics.json',
    ]  # fmt: skip
    assert json.loads((model_dir / features.METRICS_FILE).read_text()) == json.loads(json.dumps(metrics))
    assert set(metrics['validation']) == set(metrics['test']) == FIGURES
    # The threshold was chosen on these papers.
    assert metrics['validation']['micro_f1'] == metrics['validation']['micro_f1_best']
    with open(model_dir / features.HISTORY_FILE, newline='') as file:
        assert [row['epoch'] for row in csv.DictReader(file)] == ['0', '1']


def test_a_finished_model_is_kept_unless_overwrite_is_said_and_then_gains_a_version(prepared_dir, tmp_path):
    model_dir = tmp_path / 'model'
    train(small(prepared_dir, model_dir))
    with pytest.raises(JobError, match='already holds a finished output of "arxiv-tagger train"'):
        train(small(prepared_dir, model_dir))
    train(small(prepared_dir, model_dir, overwrite=True))
    assert sorted(path.name for path in (model_dir / features.EXPORT_DIR).iterdir()) == ['1', '2']


def test_data_that_was_not_prepared_to_the_end_is_refused(prepared_dir, tmp_path):
    data_dir = without(prepared_dir, tmp_path / 'data', 'test')
    (data_dir / 'COMPLETED').unlink()
    with pytest.raises(JobError, match='has no file COMPLETED'):
        train(small(data_dir, tmp_path / 'model'))
    assert not pathlib.Path(tmp_path / 'model').exists()


@pytest.mark.parametrize('split', ['train', 'validation'])
def test_without_papers_to_learn_or_stop_by_nothing_is_published(prepared_dir, tmp_path, split):
    data_dir = without(prepared_dir, tmp_path / 'data', split)
    with pytest.raises(JobError, match=f'holds no {split} papers'):
        train(small(data_dir, tmp_path / 'model'))
    assert not pathlib.Path(tmp_path / 'model').exists()


def test_without_test_papers_their_figures_are_null(prepared_dir, tmp_path):
    data_dir = without(prepared_dir, tmp_path / 'data', 'test')
    figures = train(small(data_dir, tmp_path / 'model'))['test']
    assert figures == dict.fromkeys(FIGURES) | {'papers': 0, 'papers_without_labels': 0}


def test_training_that_diverges_stops_with_a_message_and_publishes_nothing(prepared_dir, tmp_path):
    with pytest.raises(JobError, match=r'^The loss is (nan|inf) after epoch 1: training diverged'):
        train(small(prepared_dir, tmp_path / 'model', learning_rate=1e38))
    assert not pathlib.Path(tmp_path / 'model').exists()
