"""TensorBoard opens the curves and the projector that training writes."""

import json

import numpy as np
import pytest
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.projector import projector_config_pb2, projector_plugin

from tests.conftest import files_below
from trainer.curves import Curves, write_projector

ROWS = [
    {'epoch': 1, 'learning_rate': 0.5, 'loss': 0.25, 'val_ndcg_at_5': 0.125, 'val_brier_score': None},
    {'epoch': 2, 'learning_rate': 0.25, 'loss': 0.125, 'val_ndcg_at_5': 0.5, 'val_brier_score': 0.75},
]


def scalars(folder):
    """Run/tag -> (step, value) of each event, as TensorBoard reads them."""
    found = {}
    for run in ('train', 'validation'):
        events = EventAccumulator(str(folder / run)).Reload()
        for tag in events.Tags()['scalars']:
            found[f'{run}/{tag}'] = [(event.step, event.value) for event in events.Scalars(tag)]
    return found


EXPECTED = {
    'train/learning_rate': [(1, 0.5), (2, 0.25)],
    'train/loss': [(1, 0.25), (2, 0.125)],
    'validation/ndcg_at_5': [(1, 0.125), (2, 0.5)],
    'validation/brier_score': [(2, 0.75)],
}


def test_curves_can_be_read_while_training_goes_on(tmp_path):
    curves = Curves(str(tmp_path / 'logs'), ROWS[:1])
    curves.add(ROWS[1])
    assert scalars(tmp_path / 'logs') == EXPECTED
    curves.close()
    assert scalars(tmp_path / 'logs') == EXPECTED


def test_curves_written_at_once_are_the_same_bytes_and_replace_what_was_there(tmp_path):
    folder = tmp_path / 'logs'
    curves = Curves(str(folder))
    for row in ROWS:
        curves.add(row)
    curves.close()
    before = files_below(folder)
    (folder / 'train' / 'events.out.tfevents.old').write_bytes(b'old')
    Curves(str(folder), ROWS).close()
    assert files_below(folder) == before


def test_curves_on_an_object_store_are_written_anew_each_epoch(bucket, tmp_path):
    curves = Curves('remote://bucket/logs', ROWS[:1])
    first = bucket.objects('logs/')
    curves.add(ROWS[1])
    found = bucket.objects('logs/')
    curves.close()
    Curves(str(tmp_path / 'logs'), ROWS).close()
    assert found == files_below(tmp_path / 'logs')
    assert all(found[name].startswith(content) and found[name] != content for name, content in first.items())


NGRAMS = [('the', 9), ('neural network', 5), ('"', 1)]
EMBEDDINGS = np.float32([[1, -2], [0.5, 1e-30], [-1e30, 0.1]])


class Context:
    """What TensorBoard hands to a plugin, as far as the projector asks."""

    def __init__(self, logdir):
        self.logdir = str(logdir)
        self.multiplexer = None
        self.data_provider = None
        self.flags = None


def test_the_projector_reads_the_embeddings_and_their_names(tmp_path):
    write_projector(str(tmp_path), EMBEDDINGS, NGRAMS)
    config = text_format.Parse(
        (tmp_path / 'projector_config.pbtxt').read_text(), projector_config_pb2.ProjectorConfig()
    )
    [embedding] = config.embeddings
    assert list(embedding.tensor_shape) == [3, 2]
    assert (tmp_path / embedding.metadata_path).read_text() == 'ngram\tpapers\nthe\t9\nneural network\t5\n"\t1\n'
    with pytest.raises(UnicodeDecodeError):
        # Which is how TensorBoard tells bytes from text.
        projector_plugin._read_tensor_tsv_file(str(tmp_path / embedding.tensor_path))
    read = projector_plugin._read_tensor_binary_file(str(tmp_path / embedding.tensor_path), embedding.tensor_shape)
    assert read.tolist() == EMBEDDINGS.tolist()


def test_the_projector_plugin_serves_what_was_written(tmp_path):
    write_projector(str(tmp_path), EMBEDDINGS, NGRAMS)
    apps = projector_plugin.ProjectorPlugin(Context(tmp_path)).get_plugin_apps()
    from werkzeug.test import Client
    from werkzeug.wrappers import Response

    def served(route):
        return Client(apps[route], Response)

    runs = served('/runs').get('/runs').json
    assert len(runs) == 1
    query = f'?run={runs[0]}&name=ngrams&num_rows=3'
    tensor = served('/tensor').get(f'/tensor{query}')
    assert np.frombuffer(tensor.data, np.float32).tolist() == EMBEDDINGS.ravel().tolist()
    assert served('/metadata').get(f'/metadata{query}').data.decode().splitlines()[1] == 'the\t9'
    info = json.loads(served('/info').get(f'/info{query}').data)
    assert info['embeddings'][0]['tensorShape'] == [3, 2]


def test_as_many_embeddings_as_ngrams_are_asked_for(tmp_path):
    with pytest.raises(ValueError, match='3 n-grams, 2 embeddings'):
        write_projector(str(tmp_path / 'logs'), EMBEDDINGS[:2], NGRAMS)
    assert not (tmp_path / 'logs').exists()
