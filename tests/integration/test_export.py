"""The exported model stands alone: a fresh interpreter, TensorFlow and nothing else, from a moved folder."""

import csv
import json
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from schemas import features
from trainer import dataset
from trainer.model import build_tagger
from trainer.shards import shards

# What the exporting process used, and the serving one must not need. Keras itself comes with TensorFlow.
_BLOCKED = ('tensorflow_transform', 'tfx_bsl', 'tf_keras', 'apache_beam', 'pipeline', 'trainer', 'schemas', 'pyarrow')

_PREAMBLE = f"""
import sys

class AllButBlocked:
    def find_spec(self, name, path=None, target=None, finders=tuple(sys.meta_path)):
        if name.split('.')[0] not in {_BLOCKED!r}:
            return next((spec for spec in (f.find_spec(name, path, target) for f in finders) if spec), None)

sys.meta_path = [AllButBlocked()]
import json
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
call = lambda name, **inputs: {{
    key: value.numpy() for key, value in
    model.signatures[name](**{{key: tf.constant(value) for key, value in inputs.items()}}).items()
}}
"""


def serve(export, code, tmp_path, papers=()):
    """Runs code over an export in a process that can import TensorFlow only; gives what it saved as `answer`."""
    moved = tmp_path / 'moved' / 'somewhere else'
    shutil.copytree(export, moved, dirs_exist_ok=True)
    (tmp_path / 'papers.json').write_text(json.dumps(list(papers)))
    script = _PREAMBLE + 'papers = json.load(open("papers.json"))\n' + code + '\nnp.savez("answer.npz", **answer)\n'
    done = subprocess.run(
        [sys.executable, '-I', '-c', script, str(moved)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(tmp_path / 'answer.npz', allow_pickle=True))


@pytest.fixture(scope='module')
def export(model_dir):
    [newest] = sorted((pathlib.Path(model_dir) / features.EXPORT_DIR).iterdir())[-1:]
    return newest


@pytest.fixture(scope='module')
def trained(prepared_dir, model_dir):
    """Paper id -> probabilities of the trainer's own model, read from the TFRecords."""
    metrics = json.loads((pathlib.Path(model_dir) / features.METRICS_FILE).read_text())
    sizes = {'ngrams': metrics['ngrams'], 'labels': metrics['labels']}
    config = metrics['config']
    # Its members are merged.
    hidden_units = tuple(units * config['ensemble_size'] for units in config['hidden_units'])
    model = build_tagger(**sizes, hidden_units=hidden_units, wide=config['wide'])
    model.load_weights(pathlib.Path(model_dir) / features.CHECKPOINTS_DIR / 'best.weights.h5')
    probabilities = {}
    for split in features.SPLITS:
        files = [shard.path for shard in shards(str(prepared_dir), split)]
        for record in tf.data.TFRecordDataset(files, 'GZIP').batch(256):
            ids, weights, _ = dataset.parse(record, **sizes)
            probabilities |= dict(zip(ids.numpy(), model.predict_on_batch(weights), strict=True))
    keras.backend.clear_session()
    return probabilities


def test_a_hundred_papers_get_the_probabilities_that_the_trainers_model_gives(export, trained, sample_papers, tmp_path):
    papers = [paper for paper in sample_papers if paper['id'].encode() in trained][:100]
    assert len(papers) == 100
    answer = serve(
        export,
        'answer = call("predict_all", title=[p["title"] for p in papers], abstract=[p["abstract"] for p in papers])',
        tmp_path,
        papers,
    )
    expected = np.stack([trained[paper['id'].encode()] for paper in papers])
    np.testing.assert_allclose(answer['probabilities'], expected, atol=1e-5)


def test_the_best_labels_come_first_with_what_the_label_table_says_of_them(
    export, sample_papers, prepared_dir, model_dir, tmp_path
):
    code = """
texts = {key: [p[key] for p in papers] for key in ('title', 'abstract')}
answer = {'all': call('predict_all', **texts)['probabilities'], **call('serving_default', **texts)}
answer |= {f'table_{key}': value for key, value in call('label_table').items()}
for k in (1, 3, 10**6):
    answer |= {f'{k}_{key}': value for key, value in call('top_k', **texts, k=k).items()}
"""
    answer = serve(export, code, tmp_path, sample_papers[:20])
    metrics = json.loads((pathlib.Path(model_dir) / features.METRICS_FILE).read_text())
    labels, thresholds = answer['table_labels'], answer['table_thresholds']
    assert len(set(labels)) == metrics['labels']
    with open(pathlib.Path(model_dir) / features.LABEL_FIGURES_FILE, newline='') as file:
        table = {row['label']: float(row['threshold']) for row in csv.DictReader(file, delimiter='\t')}
    np.testing.assert_allclose(thresholds, [table[label.decode()] for label in labels], rtol=1e-5)
    statistics = json.loads((pathlib.Path(prepared_dir) / features.STATISTICS_FILE).read_text())
    of_training = np.array([statistics['labels'][label.decode()]['train'] for label in labels])
    c = (np.log(statistics['splits']['train']) - 1) * 2.5**0.55
    np.testing.assert_allclose(answer['table_propensities'], 1 / (1 + c * (of_training + 1.5) ** -0.55), rtol=1e-6)

    best = np.argsort(-answer['all'], axis=1, kind='stable')
    scores = np.take_along_axis(answer['all'], best, axis=1)
    for prefix, k in (('', metrics['config']['top_k']), ('1_', 1), ('3_', 3), ('1000000_', len(labels))):
        k = min(k, len(labels))
        np.testing.assert_array_equal(answer[f'{prefix}labels'], labels[best[:, :k]])
        np.testing.assert_array_equal(answer[f'{prefix}scores'], scores[:, :k])
        np.testing.assert_array_equal(answer[f'{prefix}accepted'], scores[:, :k] >= thresholds[best[:, :k]])


def test_loading_an_export_warns_of_nothing(export, tmp_path):
    shutil.copytree(export, tmp_path / 'model')
    script = 'import sys; import tensorflow as tf; tf.saved_model.load(sys.argv[1])'
    done = subprocess.run(
        [sys.executable, '-I', '-c', script, str(tmp_path / 'model')], capture_output=True, text=True, check=True
    )
    assert 'gradient' not in done.stderr


def test_odd_texts_get_a_valid_answer(export, tmp_path):
    code = r"""
odd = [b'', b'   ', b'\xff\xfe\x00', 'naïve Ünïcode \U0001f600'.encode(), b'neural network ' * 70_000]
answer = {'odd': call('predict_all', title=odd, abstract=odd)['probabilities']}
answer |= {f'alone_{i}': call('predict_all', title=[t], abstract=[t])['probabilities'][0] for i, t in enumerate(odd)}
nothing = tf.constant([], tf.string)
answer |= {f'none_{key}': value for key, value in call('serving_default', title=nothing, abstract=nothing).items()}
answer['none'] = call('predict_all', title=nothing, abstract=nothing)['probabilities']
"""
    answer = serve(export, code, tmp_path)
    assert np.all((answer['odd'] >= 0) & (answer['odd'] <= 1))
    for i in range(5):
        np.testing.assert_allclose(answer[f'alone_{i}'], answer['odd'][i], atol=1e-6)
    # A text without words, and one without known ones, are the same to the model.
    np.testing.assert_allclose(answer['odd'][1], answer['odd'][0], atol=1e-6)
    assert answer['none'].shape == (0, answer['odd'].shape[1])
    assert [answer[f'none_{key}'].shape[0] for key in ('labels', 'scores', 'accepted')] == [0, 0, 0]


def test_the_export_holds_the_weights_and_not_the_optimizers_moments(export, model_dir):
    metrics = json.loads((pathlib.Path(model_dir) / features.METRICS_FILE).read_text())
    shapes = dict(tf.train.list_variables(str(export / 'variables' / 'variables')))
    sizes = [np.prod(shape) for name, shape in shapes.items() if name.startswith('_weights')]
    assert sum(sizes) == metrics['parameters']
    assert sum(np.prod(shape) for shape in shapes.values()) < metrics['parameters'] * 1.2
