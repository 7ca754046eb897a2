"""The exported model stands alone: a fresh interpreter, TensorFlow and nothing else, from a moved folder."""

import collections
import csv
import gzip
import importlib.metadata
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from schemas import features
from schemas.profile import Profile
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


def tokens(text):
    """The words of a text as the transform graph splits it: in bytes, as case, blanks and punctuation are ASCII's."""
    words = re.sub(rb'[!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\']', b'', text.encode().lower()).split()
    return [word.decode() for word in words]


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
    answer |= {f'{k}_{key}': value for key, value in call('tag', **texts, k=k).items()}
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


def test_tagging_counts_words_and_ngrams_and_in_how_many_papers_the_most_frequent_ones_are(
    export, sample_papers, prepared_dir, tmp_path
):
    texts = [(paper['title'], paper['abstract']) for paper in sample_papers[:20]] + [('', ''), ('The', 'the THE, the.')]
    papers = [{'title': title, 'abstract': abstract} for title, abstract in texts]
    code = """
answer = call('tag', title=[p['title'] for p in papers], abstract=[p['abstract'] for p in papers], k=3)
answer |= {f'none_{key}': value for key, value in
           call('tag', title=tf.constant([], tf.string), abstract=tf.constant([], tf.string), k=3).items()}
"""
    answer = serve(export, code, tmp_path, papers)
    lines = (pathlib.Path(prepared_dir) / features.NGRAMS_FILE).read_text('utf-8').split('\n')[1:-1]
    ids = {line.split('\t')[0]: number for number, line in enumerate(lines)}
    words = [tokens(f'{title} {abstract}') for title, abstract in texts]
    ngrams = [[*text, *(' '.join(pair) for pair in itertools.pairwise(text))] for text in words]
    assert answer['words'].tolist() == [len(text) for text in words]
    assert answer['ngrams'].tolist() == [len(text) for text in ngrams]
    assert answer['known_ngrams'].tolist() == [sum(ngram in ids for ngram in text) for text in ngrams]
    assert (answer['words'][-1], answer['ngrams'][-1]) == (4, 7)
    found = collections.Counter(ids[ngram] for text in ngrams for ngram in set(text) if ngram in ids)
    assert answer['ngram_papers'].tolist() == [found[id_] for id_ in range(features.MOST_FREQUENT_NGRAMS)]
    assert {answer[name].dtype for name in ('words', 'ngrams', 'known_ngrams', 'ngram_papers')} == {np.dtype('int64')}
    assert answer['none_words'].shape == answer['none_known_ngrams'].shape == (0,)
    assert answer['none_ngram_papers'].tolist() == [0] * features.MOST_FREQUENT_NGRAMS


def test_explaining_gives_what_tagging_gives_and_ngrams_of_the_text_with_what_they_add_to_the_logit(
    export, sample_papers, prepared_dir, tmp_path
):
    papers = [*sample_papers[:5], {'title': '', 'abstract': ''}, {'title': 'Neural', 'abstract': 'xqzzy'}]
    code = """
texts = {key: [p[key] for p in papers] for key in ('title', 'abstract')}
answer = call('explain', **texts, k=3, n=10)
answer |= {f'tag_{key}': value for key, value in call('tag', **texts, k=3).items()}
answer |= {f'all_{key}': value for key, value in call('explain', **texts, k=1, n=10**6).items()}
answer |= {f'no_{key}': value for key, value in call('explain', **texts, k=0, n=-1).items()}
none = tf.constant([], tf.string)
answer |= {f'none_{key}': value for key, value in call('explain', title=none, abstract=none, k=3, n=4).items()}
"""
    answer = serve(export, code, tmp_path, papers)
    for name in [name.removeprefix('tag_') for name in answer if name.startswith('tag_')]:
        np.testing.assert_array_equal(answer[name], answer[f'tag_{name}'])
    names, contributions = answer['explanations'], answer['contributions']
    assert names.shape == contributions.shape == (7, 3, 10)
    assert contributions.dtype == np.float32
    assert answer['no_explanations'].shape == (7, 0, 0)
    assert answer['none_contributions'].shape == (0, 3, 4)
    lines = (pathlib.Path(prepared_dir) / features.NGRAMS_FILE).read_text('utf-8').split('\n')[1:-1]
    known = {line.split('\t')[0] for line in lines}
    assert answer['all_explanations'].shape == (7, 1, len(lines))
    for row, paper in enumerate(papers):
        text = tokens(f'{paper["title"]} {paper["abstract"]}')
        held = known & {*text, *map(' '.join, itertools.pairwise(text))}
        explained = [name.decode() for name in answer['all_explanations'][row, 0] if name]
        assert sorted(explained) == sorted(held)
        for label in range(3):
            best = [name.decode() for name in names[row, label]]
            size = np.abs(contributions[row, label])
            assert len({*best} - {''}) == min(10, len(held)) == np.count_nonzero(size)
            assert np.all(size[:-1] >= size[1:])
    # The first ten of all are the ten; an empty paper has none.
    np.testing.assert_array_equal(answer['all_explanations'][:, 0, :10], names[:, 0])
    assert names[5].tolist() == [[b''] * 10] * 3
    assert names[6, 0].tolist() == [b'neural'] + [b''] * 9


def test_an_export_lists_its_files_and_holds_held_out_papers_with_its_own_answers(
    export, prepared_dir, model_dir, tmp_path
):
    files = {str(path.relative_to(export)): path.stat().st_size for path in export.rglob('*') if path.is_file()}
    del files[features.EXPORT_FILE]
    version = importlib.metadata.version('arxiv-tagger')
    described = json.loads((export / features.EXPORT_FILE).read_text())
    assert described == {'format': 1, 'arxiv_tagger': version, 'files': files}
    assert list(described['files']) == sorted(files)

    with gzip.open(pathlib.Path(prepared_dir) / features.REFERENCE_PAPERS_FILE, 'rt', encoding='utf-8') as file:
        papers = [json.loads(line) for line in file]
    answered = [json.loads(line) for line in (export / features.REFERENCE_ANSWERS_FILE).read_text('utf-8').splitlines()]
    assert len(answered) == min(len(papers), 32)
    k = json.loads((pathlib.Path(model_dir) / features.METRICS_FILE).read_text())['config']['top_k']
    code = f'answer = call("tag", title=[p["title"] for p in papers], abstract=[p["abstract"] for p in papers], k={k})'
    answer = serve(export, code, tmp_path, papers)
    for row, (paper, stored) in enumerate(zip(papers, answered, strict=False)):
        assert (stored['title'], stored['abstract']) == (paper['title'], paper['abstract'])
        assert stored['labels'] == [label.decode() for label in answer['labels'][row]]
        np.testing.assert_allclose(stored['scores'], answer['scores'][row], atol=1e-6)
        assert stored['accepted'] == answer['accepted'][row].tolist()
        assert list(stored) == ['title', 'abstract', 'labels', 'scores', 'accepted']

    profile = Profile.from_json(json.loads((export / features.REFERENCE_PROFILE_FILE).read_text()))
    expected = Profile.empty(features.MOST_FREQUENT_NGRAMS)
    expected.add(answer)
    assert profile.papers == len(papers)
    # Scores at the border between two cells can fall into either, on another machine or in other batches.
    assert abs(profile.best_scores - expected.best_scores) < 100 * len(papers)
    whole = ('papers', 'words', 'ngrams', 'known_ngrams', 'word_histogram', 'first_labels', 'ngram_papers')
    assert {name: profile.to_json()[name] for name in whole} == {name: expected.to_json()[name] for name in whole}


def test_loading_an_export_warns_of_nothing(export, tmp_path):
    shutil.copytree(export, tmp_path / 'model')
    script = 'import sys; import tensorflow as tf; tf.saved_model.load(sys.argv[1])'
    done = subprocess.run(
        [sys.executable, '-I', '-c', script, str(tmp_path / 'model')], capture_output=True, text=True, check=True
    )
    assert 'gradient' not in done.stderr


def test_no_weights_are_gathered_from_where_they_are_stored(export):
    # TensorFlow would copy them, whenever they are read, from then on: 40 ms a call after an explanation.
    saved = saved_model_pb2.SavedModel.FromString((export / 'saved_model.pb').read_bytes())
    [graph] = saved.meta_graphs
    nodes = [node for function in graph.graph_def.library.function for node in function.node_def]
    assert {node.op for node in nodes} >= {'SparseMatrixMatMul', 'ReadVariableOp'}
    gathered = [node.attr['dtype'].type for node in nodes if node.op == 'ResourceGather']
    assert set(gathered) == {tf.string.as_datatype_enum}


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
