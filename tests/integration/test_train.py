"""`train` publishes a whole model or nothing, and the same one twice."""

import csv
import gzip
import hashlib
import json
import math
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from schemas import features
from schemas.errors import JobError
from tests.conftest import files_below
from tests.helpers import validate
from trainer import metrics as trainer_metrics
from trainer.callbacks import StopAtDivergence
from trainer.config import TrainConfig
from trainer.train import train

FIGURES = {'papers', 'papers_without_labels', *trainer_metrics.FIGURES}


def small(prepared_dir, model_dir, **settings):
    settings = {'epochs': 2, 'hidden_units': (16, 8), **settings}
    return TrainConfig(data_dir=str(prepared_dir), model_dir=str(model_dir), **settings)


def copy(prepared_dir, folder):
    """A copy of prepared data."""
    shutil.copytree(prepared_dir, folder)
    return folder


def say_so_in_the_manifest(data_dir):
    """Makes the manifest tell of the shards that are there, as `prepare` would have."""
    manifest = json.loads((data_dir / features.MANIFEST_FILE).read_text())
    there = [entry for entry in manifest['shards'] if (data_dir / entry['file']).exists()]
    for entry in there:
        content = (data_dir / entry['file']).read_bytes()
        entry['bytes'], entry['sha256'] = len(content), hashlib.sha256(content).hexdigest()
    manifest['shards'] = there
    (data_dir / features.MANIFEST_FILE).write_text(json.dumps(manifest))
    return data_dir


def without(prepared_dir, folder, split):
    """A copy of prepared data that lacks the papers of one split."""
    copy(prepared_dir, folder)
    for shard in (folder / features.EXAMPLES_DIR / split).iterdir():
        shard.unlink()
    return say_so_in_the_manifest(folder)


def shard_of(data_dir, split):
    return next((data_dir / features.EXAMPLES_DIR / split).iterdir())


def rewrite(shard, change):
    """Changes the tf.Examples of a shard; `change` gets the number and the features of each."""
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(shard), 'GZIP')]
    with tf.io.TFRecordWriter(str(shard), 'GZIP') as writer:
        for number, record in enumerate(records):
            example = tf.train.Example.FromString(record)
            change(number, example.features.feature)
            writer.write(example.SerializeToString())


def refusal(data_dir, model_dir, **settings):
    """The one line with which training ends; nothing may be left of it."""
    with pytest.raises(JobError) as error:
        train(small(data_dir, model_dir, **settings))
    assert not pathlib.Path(model_dir).exists()
    assert '\n' not in str(error.value)
    return str(error.value)


def differing(first, second):
    """The files that are not the same in two folders."""
    first, second = files_below(first), files_below(second)
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


def test_training_twice_gives_the_same_bytes(prepared_dir, tmp_path):
    first, second = (train(small(prepared_dir, tmp_path / name, dropout=0.5)) for name in ('first', 'second'))
    timing = ('seconds_per_epoch',)
    assert {k: v for k, v in first.items() if k not in timing} == {k: v for k, v in second.items() if k not in timing}
    # TensorFlow names the functions in a SavedModel after counters.
    assert differing(tmp_path / 'first', tmp_path / 'second') <= {
        'metrics.json',
        'export/1/saved_model.pb',
        'export/1/fingerprint.pb',
        # How large these are.
        'export/1/assets.extra/export.json',
    }
    assert train(small(prepared_dir, tmp_path / 'third', seed=1))['validation'] != first['validation']


def test_what_is_published_is_what_the_contract_says(prepared_dir, tmp_path):
    model_dir = tmp_path / 'model'
    metrics = train(small(prepared_dir, model_dir))
    assert sorted(path.name for path in model_dir.iterdir()) == [
        'COMPLETED', 'checkpoints', 'export', 'history.csv', 'labels.tsv', 'logs', 'metrics.json', 'model_card.md',
        'plots', 'review.json',
    ]  # fmt: skip
    assert json.loads((model_dir / features.METRICS_FILE).read_text()) == json.loads(json.dumps(metrics))
    assert set(metrics['validation']) == set(metrics['test']) == FIGURES
    assert (model_dir / 'model_card.md').read_text().startswith('# arxiv-tagger model\n')


def test_the_history_has_a_row_an_epoch_with_the_learning_rate_and_the_figures(prepared_dir, tmp_path):
    metrics = train(small(prepared_dir, tmp_path / 'model', learning_rate=0.003))
    with open(tmp_path / 'model' / features.HISTORY_FILE, newline='') as file:
        rows = list(csv.DictReader(file))
    measured = [f'val_{name}' for name in metrics['validation'] if not name.startswith('papers')]
    assert list(rows[0]) == ['epoch', 'learning_rate', 'loss', *measured]
    assert [row['epoch'] for row in rows] == ['1', '2']
    # After the epoch; by default it falls to 0.
    assert [row['learning_rate'] for row in rows] == ['0.0015', '0.0']
    best = max(rows, key=lambda row: float(row['val_ndcg_at_5']))
    assert int(best['epoch']) == metrics['best_epoch']
    # Calibration and thresholds change no ranking.
    assert float(best['val_precision_at_1']) == metrics['validation']['precision_at_1']


def test_the_table_of_labels_agrees_with_the_statistics_and_the_metrics(prepared_dir, tmp_path):
    metrics = train(small(prepared_dir, tmp_path / 'model'))
    with open(tmp_path / 'model' / features.LABEL_FIGURES_FILE, newline='') as file:
        rows = list(csv.DictReader(file, delimiter='\t'))
    statistics = json.loads((prepared_dir / features.STATISTICS_FILE).read_text())['labels']
    assert len(rows) == metrics['labels']
    thresholds = {row['label']: pytest.approx(float(row['threshold']), abs=1e-6) for row in rows}
    assert metrics['thresholds']['by_label'] == thresholds
    for row in rows:
        columns = ('training_papers', 'validation_papers', 'test_papers')
        assert [int(row[column]) for column in columns] == list(statistics[row['label']].values())
    f1 = [float(row['f1'] or 0) for row in rows]
    assert sum(f1) / len(f1) == pytest.approx(metrics['test']['macro_f1'], abs=1e-5)
    assert list(rows[0])[-1] == 'expected_calibration_error'
    assert all(0 <= float(row['expected_calibration_error']) <= 1 for row in rows)
    precisions = [float(row['average_precision']) for row in rows if row['average_precision']]
    assert sum(precisions) / len(precisions) == pytest.approx(metrics['test']['mean_average_precision'], abs=1e-5)


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
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{data_dir} holds no {split} papers. '
        'Prepare more papers, or other shares of them (--validation_fraction, --test_fraction).'
    )


def test_without_test_papers_their_figures_are_null_and_have_no_intervals(prepared_dir, tmp_path):
    data_dir = without(prepared_dir, tmp_path / 'data', 'test')
    figures = train(small(data_dir, tmp_path / 'model'))['test']
    assert figures == dict.fromkeys(FIGURES) | {'papers': 0, 'papers_without_labels': 0}
    review = json.loads((tmp_path / 'model' / features.REVIEW_FILE).read_text())
    validate(review, 'review')
    assert (review['intervals']['figures'], review['confusions']) == ({}, [])


def test_training_that_diverges_stops_with_a_message_and_publishes_nothing(prepared_dir, tmp_path):
    # A step a paper: the check comes long before the end of the epoch.
    line = refusal(prepared_dir, tmp_path / 'model', learning_rate=1e38, batch_size=1)
    assert re.fullmatch(
        r'The loss is (nan|inf) after step (21|41) of epoch 1: training diverged. Start anew with smaller steps: '
        r'--no-resume --learning_rate 3e\+37.',
        line,
    )


def test_a_run_that_diverges_later_keeps_its_last_good_state(prepared_dir, tmp_path, monkeypatch):
    begin = StopAtDivergence.on_epoch_begin

    def poisoned(self, epoch, logs=None):
        if epoch == 1:
            bias = self.model.get_layer('member_1_logits').bias
            bias.assign(np.full(bias.shape, np.nan))
        begin(self, epoch, logs)

    monkeypatch.setattr(StopAtDivergence, 'on_epoch_begin', poisoned)
    model_dir = tmp_path / 'model'
    with pytest.raises(JobError, match='^The loss is nan after step 1 of epoch 2: training diverged.'):
        train(small(prepared_dir, model_dir))
    assert [path.name for path in model_dir.iterdir()] == [features.UNFINISHED_DIR]
    assert [path.name for path in (model_dir / features.UNFINISHED_DIR).glob('state-*')] == ['state-00001.json']


AGAIN = 'Run "arxiv-tagger prepare" again, with --overwrite.'


def test_a_shard_that_is_missing_or_damaged_is_told_before_training(prepared_dir, tmp_path):
    data_dir = copy(prepared_dir, tmp_path / 'data')
    shard = shard_of(data_dir, 'test')
    content = shard.read_bytes()
    shard.write_bytes(content[:-9])
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{shard} has {len(content) - 9:,} bytes, not the {len(content):,} that manifest.json says. {AGAIN}'
    )
    shard.write_bytes(content[:-9] + bytes(9))
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{shard} is damaged: its SHA-256 is not the one in manifest.json. {AGAIN}'
    )
    shard.unlink()
    assert refusal(data_dir, tmp_path / 'model') == (f'{shard} is missing, though manifest.json lists it. {AGAIN}')


@pytest.mark.parametrize('split', features.SPLITS)
def test_a_shard_without_a_feature_is_told_before_training(prepared_dir, tmp_path, split):
    data_dir = copy(prepared_dir, tmp_path / 'data')
    shard = shard_of(data_dir, split)
    rewrite(shard, lambda number, feature: feature.pop('ngram_ids'))
    line = refusal(say_so_in_the_manifest(data_dir), tmp_path / 'model')
    assert line == f'{shard}: its papers have no feature ngram_ids. {AGAIN}'


@pytest.mark.parametrize('split', features.SPLITS)
def test_a_shard_that_turns_bad_in_the_middle_is_named_when_it_is_read(prepared_dir, tmp_path, split):
    def floats_for_ids(number, feature):
        if number == 7:
            feature['ngram_ids'].float_list.value.append(1.0)

    data_dir = copy(prepared_dir, tmp_path / 'data')
    shard = shard_of(data_dir, split)
    rewrite(shard, floats_for_ids)
    model_dir = tmp_path / 'model'
    with pytest.raises(JobError) as error:
        train(small(say_so_in_the_manifest(data_dir), model_dir, epochs=1))
    assert str(error.value).startswith(f'{shard} cannot be used: ')
    assert str(error.value).endswith(f"Data types don't match. Expected type: int64, Actual type: float. {AGAIN}")
    assert not (model_dir / 'COMPLETED').exists()


def test_a_label_vocabulary_that_changed_is_told(prepared_dir, tmp_path):
    data_dir = copy(prepared_dir, tmp_path / 'data')
    table = data_dir / features.LABELS_FILE
    rows = table.read_text().splitlines(keepends=True)
    table.write_text(''.join(rows).replace('cs.CV\t', 'cs.XX\t'))
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{data_dir}: statistics.json has the label cs.CV, vocabulary/labels.tsv does not: one of them was changed. '
        f'{AGAIN}'
    )
    table.write_text(''.join(rows[:-1]))
    gone = rows[-1].partition('\t')[0]
    assert f'statistics.json has the label {gone}, vocabulary/labels.tsv does not' in (
        refusal(data_dir, tmp_path / 'model')
    )


def test_an_ngram_vocabulary_that_changed_is_told(prepared_dir, tmp_path):
    data_dir = copy(prepared_dir, tmp_path / 'data')
    statistics = json.loads((data_dir / features.STATISTICS_FILE).read_text())
    statistics['ngrams']['vocabulary'] = 19_000
    (data_dir / features.STATISTICS_FILE).write_text(json.dumps(statistics))
    table = data_dir / features.NGRAMS_FILE
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{table} lists 20,000 n-grams, but statistics.json says 19,000. {AGAIN}'
    )
    # Both shortened alike: the ids in the shards tell.
    table.write_text(''.join(table.read_text().splitlines(keepends=True)[: 19_000 + 1]))
    assert refusal(data_dir, tmp_path / 'model') == (
        f'{shard_of(data_dir, "train")} cannot be used: ngram_ids are not all from 0 to 18999. {AGAIN}'
    )
    table.unlink()
    assert refusal(data_dir, tmp_path / 'model') == f'{table} is missing. {AGAIN}'


def test_data_of_an_earlier_prepare_without_reference_papers_or_with_damaged_ones_is_told(prepared_dir, tmp_path):
    data = copy(prepared_dir, tmp_path / 'data')
    path = data / features.REFERENCE_PAPERS_FILE
    again = 'Run "arxiv-tagger prepare" again, with --overwrite.'
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], gzip.compress(b'{"title": "Sums"}\n'), b'no gzip'):
        path.write_bytes(content)
        assert refusal(data, tmp_path / 'model') == f'{path} cannot be read or is damaged. {again}'
    path.unlink()
    assert refusal(data, tmp_path / 'model') == f'{path} is missing. {again}'


def test_a_transform_graph_that_cannot_be_read_is_told_before_training(prepared_dir, tmp_path):
    data_dir = copy(prepared_dir, tmp_path / 'data')
    folder = data_dir / features.TRANSFORM_GRAPH_DIR
    [graph] = folder.rglob('saved_model.pb')
    graph.write_bytes(b'no graph')
    assert refusal(data_dir, tmp_path / 'model') == f'The transform graph {folder} cannot be read. {AGAIN}'
    shutil.rmtree(folder)
    assert refusal(data_dir, tmp_path / 'model') == f'The transform graph {folder} cannot be read. {AGAIN}'


def test_a_model_folder_that_is_a_file_is_told_and_left_alone(prepared_dir, tmp_path):
    (tmp_path / 'model').write_text('mine')
    with pytest.raises(JobError, match='model is a file, not a folder. Choose another output folder.$'):
        train(small(prepared_dir, tmp_path / 'model'))
    assert (tmp_path / 'model').read_text() == 'mine'


def test_positive_weights_make_labels_that_apply_count_more(prepared_dir, tmp_path):
    plain, weighted = (
        train(small(prepared_dir, tmp_path / method, positive_weights=method)) for method in ('none', 'balanced')
    )
    assert weighted['config']['positive_weights'] == 'balanced'
    assert weighted['test'] != plain['test']
    # A pair that applies counts more: the loss of the same labels is higher.
    losses = [
        float(next(csv.DictReader((tmp_path / method / features.HISTORY_FILE).open()))['loss'])
        for method in ('none', 'balanced')
    ]
    assert losses[1] > 2 * losses[0]


@pytest.fixture(scope='module')
def reviewed(prepared_dir, tmp_path_factory):
    """A model folder, its metrics and its review."""
    model_dir = tmp_path_factory.mktemp('reviewed') / 'model'
    metrics = train(small(prepared_dir, model_dir, epochs=5))
    return model_dir, metrics, json.loads((model_dir / features.REVIEW_FILE).read_text())


def validation_papers(data_dir, model_dir):
    """Id -> text, labels and probabilities of each validation paper whose text is known, by the export."""
    [shard] = (data_dir / features.EXAMPLES_DIR / 'validation').iterdir()
    names = [line.split('\t')[0] for line in (data_dir / features.LABELS_FILE).read_text().splitlines()[1:]]
    lines = gzip.decompress((data_dir / features.REFERENCE_PAPERS_FILE).read_bytes()).splitlines()
    texts = {record['id']: record for record in map(json.loads, lines)}
    predict = tf.saved_model.load(str(model_dir / 'export' / '1')).signatures[features.PREDICT_ALL_SIGNATURE]
    papers = {}
    for record in tf.data.TFRecordDataset(str(shard), 'GZIP'):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        id_ = feature['paper_id'].bytes_list.value[0].decode()
        text = {name: tf.constant([texts[id_][name]]) for name in ('title', 'abstract')}
        probabilities = predict(**text)['probabilities'].numpy()[0]
        papers[id_] = (
            texts[id_],
            {names[label] for label in feature['label_ids'].int64_list.value},
            dict(zip(names, probabilities.tolist(), strict=True)),
        )
    return papers


def test_the_review_is_what_its_schema_says_and_its_intervals_hold_the_figures(reviewed):
    _, metrics, review = reviewed
    validate(review, 'review')
    assert review['intervals']['papers'] == metrics['test']['papers']
    figures = review['intervals']['figures']
    assert {'precision_at_1', 'precision_at_3', 'precision_at_5', 'ndcg_at_5', 'micro_f1', 'example_f1'} <= set(figures)
    for name, (low, high) in figures.items():
        assert low <= metrics['test'][name] <= high
    low, high = figures['precision_at_1']
    assert 0.05 < high - low < 0.35


def test_the_worst_papers_are_those_with_the_largest_losses(reviewed, prepared_dir):
    model_dir, metrics, review = reviewed
    papers = validation_papers(prepared_dir, model_dir)
    losses = {
        id_: -sum(math.log(score if label in labels else 1 - score) for label, score in scores.items())
        for id_, (_, labels, scores) in papers.items()
    }
    worst = sorted(losses, key=lambda id_: -losses[id_])[:10]
    assert [paper['id'] for paper in review['worst_papers']] == worst
    for paper in review['worst_papers']:
        text, labels, scores = papers[paper['id']]
        assert (paper['title'], paper['abstract']) == (text['title'], text['abstract'])
        assert set(paper['labels']) == labels
        assert paper['loss'] == pytest.approx(losses[paper['id']], rel=1e-4)
        thresholds = metrics['thresholds']['by_label']
        accepted = {label for label, score in scores.items() if score >= thresholds[label]}
        assert [row['label'] for row in paper['predictions']] == sorted(
            labels | accepted, key=lambda label: -scores[label]
        )
        for row in paper['predictions']:
            assert row['score'] == pytest.approx(scores[row['label']], rel=1e-4)
            assert row['threshold'] == pytest.approx(thresholds[row['label']], rel=1e-5)
            assert row['accepted'] == (row['label'] in accepted)


def test_the_worst_papers_are_explained_as_the_export_explains_them(reviewed):
    model_dir, _, review = reviewed
    explain = tf.saved_model.load(str(model_dir / 'export' / '1')).signatures[features.EXPLAIN_SIGNATURE]
    for paper in review['worst_papers']:
        text = {name: tf.constant([paper[name]]) for name in ('title', 'abstract')}
        answer = explain(**text, k=tf.constant(100), n=tf.constant(5))
        labels = [label.decode() for label in answer['labels'].numpy()[0]]
        for row in paper['predictions']:
            place = labels.index(row['label'])
            assert [part['ngram'].encode() for part in row['explanation']] == [
                ngram for ngram in answer['explanations'].numpy()[0, place] if ngram
            ]
            assert [part['contribution'] for part in row['explanation']] == pytest.approx(
                answer['contributions'].numpy()[0, place, : len(row['explanation'])].tolist(), rel=1e-3
            )


def test_likely_label_errors_contradict_the_data_of_held_out_papers(reviewed, prepared_dir):
    model_dir, _, review = reviewed
    papers = validation_papers(prepared_dir, model_dir)
    errors = review['label_errors']
    assert errors['papers'] == len(papers)
    assert errors['method'].startswith('Confident learning (Northcutt, Jiang and Chuang, 2021)')
    assert errors['found']
    for error in errors['found']:
        text, labels, scores = papers[error['id']]
        assert error['title'] == text['title']
        assert error['in_data'] == (error['label'] in labels)
        assert error['score'] == pytest.approx(scores[error['label']], rel=1e-4)
        # What is usual for papers that are of the model's mind.
        usual = [
            scores[error['label']]
            for _, labels, scores in papers.values()
            if (error['label'] in labels) != error['in_data']
        ]
        mean = sum(usual) / len(usual)
        assert error['score'] <= mean + 1e-6 if error['in_data'] else error['score'] >= mean - 1e-6


def test_reliability_before_calibration_is_published_beside_that_after_it(reviewed, prepared_dir, tmp_path):
    model_dir, _, _ = reviewed
    after, before = ((model_dir / 'plots' / f'reliability{name}.csv').read_text() for name in ('', '_before'))
    assert after != before
    assert after.splitlines()[0] == before.splitlines()[0]
    train(small(prepared_dir, tmp_path / 'raw', epochs=1, calibration=False))
    after, before = ((tmp_path / 'raw' / 'plots' / f'reliability{name}.csv').read_text() for name in ('', '_before'))
    assert after == before
