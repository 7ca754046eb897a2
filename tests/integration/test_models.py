"""Real models: what is damaged or not ours is refused, and a job's threads get whole answers while models change."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from pipeline.exports import Export, LoadedExport, newest_export
from pipeline.models import NewestModel, PinnedModel
from pipeline.reference_answers import difference, reference_papers
from schemas.errors import JobError
from tests.conftest import ROOT
from tests.helpers import wait_for
from trainer.reference import described

LABELS = ['cs.LG', 'stat.ML', 'cs.CV']
TEXTS = tf.TensorSpec([None], tf.string)
NUMBER = tf.TensorSpec([], tf.int32)


class Small(tf.Module):
    """A model with our signatures, whose scores follow from the length of the title and a number of its own."""

    def __init__(self, number):
        super().__init__()
        self._bias = tf.Variable(float(number))

    def _probabilities(self, title):
        lengths = tf.cast(tf.strings.length(title), tf.float32)[:, None]
        return tf.sigmoid((lengths * [[0.01, -0.02, 0.03]] + self._bias) / 10)

    def serving_default(self, title, abstract):
        return self._answer(title, 3)

    def tag(self, title, abstract, k):
        ones = tf.ones_like(tf.strings.length(abstract), tf.int64)
        return {
            **self._answer(title, k),
            **dict.fromkeys(('words', 'ngrams', 'known_ngrams'), ones),
            'ngram_papers': tf.zeros([7], tf.int64),
        }

    def explain(self, title, abstract, k, n):
        answer = self.tag(title, abstract, k)
        shape = tf.concat([tf.shape(answer['scores']), [n]], 0)
        return {
            **answer,
            'explanations': tf.reshape(tf.fill([tf.reduce_prod(shape)], ''), shape),
            'contributions': tf.zeros(shape),
        }

    def predict_all(self, title, abstract):
        return {'probabilities': self._probabilities(title)}

    def label_table(self):
        numbers = tf.constant([0.5, 0.6, 0.7])
        return {'labels': tf.constant(LABELS), 'thresholds': numbers, 'propensities': numbers}

    def _answer(self, title, k):
        scores, indices = tf.math.top_k(self._probabilities(title), k)
        return {
            'labels': tf.gather(LABELS, indices),
            'scores': scores,
            'accepted': scores >= tf.gather([0.5, 0.6, 0.7], indices),
        }

    def signatures(self):
        texts = {'title': TEXTS, 'abstract': TEXTS}
        inputs = {
            'serving_default': texts,
            'tag': texts | {'k': NUMBER},
            'explain': texts | {'k': NUMBER, 'n': NUMBER},
            'predict_all': texts,
            'label_table': {},
        }
        return {
            name: tf.function(getattr(self, name)).get_concrete_function(
                **{key: tf.TensorSpec(spec.shape, spec.dtype, key) for key, spec in specs.items()}
            )
            for name, specs in inputs.items()
        }


def publish(exports, version, model):
    """Exports a model as `train` does: elsewhere, then by a rename."""
    staging = exports.parent / f'staging{version}'
    tf.saved_model.save(model, str(staging), model.signatures())
    titles = ['Short', 'Of some length', 'x' * 90]
    answer = model.tag(tf.constant(titles), tf.constant(titles), 2)
    rows = zip(titles, *(answer[name].numpy().tolist() for name in ('labels', 'scores', 'accepted')), strict=True)
    lines = [
        {
            'title': title,
            'abstract': 'Text.',
            'labels': [label.decode() for label in labels],
            'scores': scores,
            'accepted': accepted,
        }
        for title, labels, scores, accepted in rows
    ]
    (staging / 'assets.extra').mkdir()
    (staging / 'assets.extra' / 'reference_papers.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    list_files(staging)
    exports.mkdir(exist_ok=True)
    staging.rename(exports / str(version))
    return exports / str(version)


def list_files(folder):
    (folder / 'assets.extra' / 'export.json').write_text(json.dumps(described(str(folder))))


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """Three versions of a small model that answer differently."""
    exports = tmp_path_factory.mktemp('small') / 'export'
    for version in (1, 2, 3):
        publish(exports, version, Small(version))
    return exports


@pytest.fixture
def exports(saved, tmp_path):
    """A folder of exports: the first of them."""
    shutil.copytree(saved / '1', tmp_path / 'model' / 'export' / '1')
    (tmp_path / 'model' / 'COMPLETED').touch()
    return tmp_path / 'model' / 'export'


def refusal(export):
    with pytest.raises(JobError) as raised:
        PinnedModel(Export(str(export), export.name)).open()
    assert '\n' not in str(raised.value)
    return str(raised.value).removeprefix(str(export))


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 255
    path.write_bytes(content)


AGAIN = ' Copy the export again, or run "arxiv-tagger train" again.'


def test_variables_that_were_cut_off_or_damaged_are_refused_before_anyone_is_tagged(exports):
    [data] = (exports / '1' / 'variables').glob('variables.data-*')
    flip(data, 1)
    assert refusal(exports / '1').startswith(' cannot be loaded: ')
    os.truncate(data, 2)
    assert refusal(exports / '1').startswith(f'/variables/{data.name} has 2 bytes, and {exports}/1/assets.extra/')
    list_files(exports / '1')
    assert refusal(exports / '1').startswith(' cannot be loaded: ')
    data.unlink()
    assert refusal(exports / '1') == f' has no variables/{data.name}.{AGAIN}'


def test_a_graph_that_is_none_is_refused(exports):
    (exports / '1' / 'saved_model.pb').write_bytes(b'<html>Not found</html>')
    list_files(exports / '1')
    assert refusal(exports / '1').startswith(' cannot be loaded: ')


def test_a_model_of_something_else_is_refused_by_the_signature_that_it_lacks(exports):
    other = tf.Module()
    serve = tf.function(lambda x: {'y': x}).get_concrete_function(x=tf.TensorSpec([], tf.float32, 'x'))
    shutil.rmtree(exports / '1')
    tf.saved_model.save(other, str(exports / '1'), {'serving_default': serve})
    assert refusal(exports / '1').startswith(' has no assets.extra/export.json: it was exported by an earlier version')
    (exports / '1' / 'assets.extra').mkdir()
    (exports / '1' / 'assets.extra' / 'reference_papers.jsonl').touch()
    list_files(exports / '1')
    assert refusal(exports / '1') == (
        ' is no model that this version of arxiv-tagger can call: its signature "serving_default" does not take '
        '"title". Run "arxiv-tagger train" again.'
    )


def test_a_model_that_gives_other_answers_than_it_gave_or_none_at_all_is_refused(exports, saved):
    path = exports / '1' / 'assets.extra' / 'reference_papers.jsonl'
    stored = path.read_text()
    shutil.copy(saved / '2' / 'assets.extra' / 'reference_papers.jsonl', path)
    list_files(exports / '1')
    assert refusal(exports / '1') == (
        " does not give the answers that are stored with it: reference paper 1 ('Short'): expected cs.CV with score "
        f'0.553544 at rank 1, found cs.CV with 0.528718.{AGAIN}'
    )
    path.write_text(stored)
    nothing = publish(exports, 2, Small(np.nan))
    path = nothing / 'assets.extra' / 'reference_papers.jsonl'
    path.write_text(stored)
    list_files(nothing)
    assert refusal(nothing).startswith(
        " does not give the answers that are stored with it: reference paper 1 ('Short'): the score of "
    )


def test_signatures_that_we_do_not_know_do_no_harm_whatever_they_give(exports):
    class More(Small):
        def signatures(self):
            def words(texts):
                ragged = tf.strings.split(texts)
                return {'words': ragged, 'sparse': ragged.to_sparse()}

            return {**super().signatures(), 'words': tf.function(words).get_concrete_function(texts=TEXTS)}

    answer = (
        PinnedModel(Export(str(publish(exports, 2, More(2))), '2')).open().current().call('tag', [b'a'], [b'b'], k=1)
    )
    assert answer['labels'].shape == (1, 1)


def test_under_load_every_answer_is_of_one_version_or_the_other_and_none_fails(exports, saved, tmp_path):
    """Several threads tag while good and broken versions come and go."""
    titles = [b'Title ' * number for number in range(20)]
    expected = {}
    for number in (1, 2, 3):
        loaded = LoadedExport(Export(str(saved / str(number)), str(number)))
        expected[str(number)] = loaded.call('tag', titles, titles, k=2)['scores']
    expected['5'] = expected['1']
    status = tmp_path / 'status.json'
    source = NewestModel(str(exports.parent), str(status), poll_seconds=0.1)
    failures, answers, done = [], [], threading.Event()

    def tag():
        holder = source.open()
        while not done.is_set():
            model = holder.current()
            try:
                scores = model.call('tag', titles, titles, k=2)['scores']
            except Exception as error:
                failures.append(error)
                return
            if not np.array_equal(scores, expected[model.version]):
                failures.append(model.version)
            answers.append(model.version)

    threads = [threading.Thread(target=tag, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()

    def told(what):
        return [entry['version'] for entry in json.loads(status.read_text())[what]]

    def serves(version):
        return json.loads(status.read_text())['serving']['version'] == version

    wait_for(status.exists, seconds=20)
    # A slow copy, in the worst order; then one that is broken for good; then the one that mends it.
    (exports / '2' / 'variables').mkdir(parents=True)
    for name in ('assets.extra', 'variables'):
        shutil.copytree(saved / '2' / name, exports / '2' / name, dirs_exist_ok=True)
        time.sleep(0.15)
    shutil.copytree(saved / '2', exports / '2', dirs_exist_ok=True)
    wait_for(lambda: serves('2'), seconds=20)
    shutil.copytree(saved / '3', exports / '3')
    [data] = (exports / '3' / 'variables').glob('variables.data-*')
    whole = data.read_bytes()
    flip(data, 1)
    wait_for(lambda: told('refused') == ['3'], seconds=20)
    assert serves('2')
    data.write_bytes(whole)
    wait_for(lambda: serves('3'), seconds=20)
    (exports / 'PINNED').write_text('1')
    wait_for(lambda: serves('1'), seconds=20)
    (exports / 'PINNED').unlink()
    wait_for(lambda: serves('3'), seconds=20)
    exports.rename(exports.parent / 'gone')
    wait_for(lambda: json.loads(status.read_text())['trouble'], seconds=20)
    (exports.parent / 'gone').rename(exports)
    shutil.copytree(exports / '1', exports / '5')
    wait_for(lambda: serves('5'), seconds=20)
    wait_for(lambda: answers[-1] == '5', seconds=20)
    done.set()
    for thread in threads:
        thread.join()
    source.stop()
    assert failures == []
    assert [version for number, version in enumerate(answers) if version not in answers[:number]] == [
        '1',
        '2',
        '3',
        '5',
    ]
    assert told('refused') == []


def test_what_train_exports_gives_its_stored_answers(model_dir):
    export = newest_export(str(model_dir))
    loaded = PinnedModel(export).open().current()
    assert (loaded.version, loaded.path) == ('1', f'{model_dir}/export/1')
    papers = reference_papers(export)
    assert len(papers) == 32
    changed = [paper._replace(scores=[score + 0.001 for score in paper.scores]) for paper in papers]
    answer = loaded.call(
        'tag', [paper.title.encode() for paper in papers], [paper.abstract.encode() for paper in papers], k=10
    )
    table = loaded.label_table()
    thresholds = dict(zip([name.decode() for name in table['labels']], table['thresholds'], strict=True))
    assert difference(papers, answer, thresholds) is None
    assert difference(changed, answer, thresholds).startswith('reference paper 1 (')


def test_a_refusal_is_seen_on_standard_error_by_a_user_who_asked_for_nothing(exports):
    code = """
import sys, time
from pipeline import quiet
quiet.set_up(verbose=False)
with quiet.importing_tensorflow():
    from pipeline.models import NewestModel
source = NewestModel(sys.argv[1], poll_seconds=0.05)
source.open()
open(sys.argv[1] + '/export/PINNED', 'w').write('7')
time.sleep(1)
"""
    done = subprocess.run(
        [sys.executable, '-c', code, str(exports.parent)],
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ''
    assert done.stderr == (
        f'WARNING:pipeline.watched_model:Version 7 is refused, version 1 goes on serving: {exports}/7 does not exist; '
        f'{exports} holds 1. Write the number of one that is there to {exports}/PINNED, or remove that file: '
        'the greatest then serves.\n'
    )
