"""What deploy/serving says is true of the export: names, dtypes and shapes, and the form of the answer."""

import ast
import json
import pathlib
import re

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from schemas import features
from tests.conftest import ROOT

SERVING = ROOT / 'deploy' / 'serving'

# The parts in use of tensorflow_serving/config/model_server_config.proto, file_system_storage_path_source.proto and
# servables/tensorflow/session_bundle_config.proto: field, number, type. The package that has them is not installed.
_MESSAGES = {
    'ModelServerConfig': [('model_config_list', 1, 'ModelConfigList')],
    'ModelConfigList': [('config', 1, ['ModelConfig'])],
    'ModelConfig': [
        ('name', 1, str),
        ('base_path', 2, str),
        ('model_platform', 4, str),
        ('model_version_policy', 7, 'ServableVersionPolicy'),
    ],
    'ServableVersionPolicy': [('latest', 100, 'Latest'), ('specific', 102, 'Specific')],
    'Latest': [('num_versions', 1, int)],
    'Specific': [('versions', 1, [int])],
    'BatchingParameters': [
        ('max_batch_size', 1, 'Value'),
        ('batch_timeout_micros', 2, 'Value'),
        ('max_enqueued_batches', 3, 'Value'),
        ('num_batch_threads', 4, 'Value'),
    ],
    'Value': [('value', 1, int)],
}


def parsed(text, message):
    """A text proto as the server reads it, or the parser's complaint."""
    file = descriptor_pb2.FileDescriptorProto(name='serving.proto', syntax='proto3')
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field, number, kind in fields:
            label = kinds.LABEL_REPEATED if isinstance(kind, list) else kinds.LABEL_OPTIONAL
            kind = kind[0] if isinstance(kind, list) else kind
            type_ = {str: kinds.TYPE_STRING, int: kinds.TYPE_INT64}.get(kind, kinds.TYPE_MESSAGE)
            type_name = kind if type_ == kinds.TYPE_MESSAGE else None
            described.field.add(name=field, number=number, label=label, type=type_, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return text_format.Parse(text, message_factory.GetMessageClass(pool.FindMessageTypeByName(message))())


@pytest.fixture(scope='module')
def export(model_dir):
    [newest] = sorted((pathlib.Path(model_dir) / features.EXPORT_DIR).iterdir())[-1:]
    return newest


@pytest.fixture(scope='module')
def served(export):
    return tf.saved_model.load(str(export))


@pytest.fixture(scope='module')
def request_():
    return json.loads((SERVING / 'request.json').read_text('utf-8'))


def test_the_config_names_one_model_and_its_newest_version():
    text = (SERVING / 'models.config').read_text()
    [config] = parsed(text, 'ModelServerConfig').model_config_list.config
    assert (config.name, config.base_path, config.model_platform) == (
        'arxiv_tagger', '/models/arxiv_tagger', 'tensorflow'
    )  # fmt: skip
    assert config.model_version_policy.latest.num_versions == 1
    # With the comment's line in its place.
    pinned = re.sub(r'\n *model_version_policy.*', '', text, count=1).replace('# model_version', 'model_version')
    [config] = parsed(pinned, 'ModelServerConfig').model_config_list.config
    assert list(config.model_version_policy.specific.versions) == [3]
    readme = (SERVING / 'README.md').read_text()
    assert f'/export:{config.base_path}:ro' in readme
    assert f'/v1/models/{config.name}:predict' in readme


def test_the_batching_parameters_are_what_the_server_knows():
    parameters = parsed((SERVING / 'batching_parameters.txt').read_text(), 'BatchingParameters')
    assert {field.name: value.value for field, value in parameters.ListFields()} == {
        'max_batch_size': 256,
        'batch_timeout_micros': 5000,
        'max_enqueued_batches': 100,
        'num_batch_threads': 2,
    }


def test_the_request_has_the_names_types_and_shapes_of_the_signature(served, request_):
    signature = served.signatures[request_['signature_name']]
    inputs = signature.structured_input_signature[1]
    assert request_['inputs'].keys() == inputs.keys()
    for name, spec in inputs.items():
        value = tf.constant(request_['inputs'][name])
        assert (value.dtype, spec.shape.as_list()) == (spec.dtype, [None])
        assert spec.shape.is_compatible_with(value.shape)


def test_the_answer_has_the_form_that_the_readme_shows(served, request_, model_dir):
    """TensorFlow Serving writes string outputs as JSON strings, unless their names end in _bytes."""
    tensors = {name: tf.constant(value) for name, value in request_['inputs'].items()}
    answer = {name: value.numpy() for name, value in served.signatures[request_['signature_name']](**tensors).items()}
    assert not any(name.endswith('_bytes') for name in answer)
    readme = (SERVING / 'README.md').read_text()
    [shown] = [json.loads(block)['outputs'] for block in re.findall(r'```json\n(.*?)```', readme, re.DOTALL)]
    assert shown.keys() == answer.keys()
    papers, k = (
        len(request_['inputs']['title']),
        json.loads((model_dir / 'metrics.json').read_text())['config']['top_k'],
    )
    for name, kind in {'labels': str, 'scores': float, 'accepted': bool}.items():
        assert answer[name].shape == (papers, k)
        rows = [[value.decode() if kind is str else value for value in row] for row in answer[name].tolist()]
        assert [len(row) for row in shown[name]] == [3] * papers
        assert {type(value) for row in rows + shown[name] for value in row} == {kind}
    assert all(row == sorted(row, reverse=True) for row in [*shown['scores'], *answer['scores'].tolist()])


def test_the_readme_lists_the_signatures_with_their_inputs_and_outputs(served):
    readme = (SERVING / 'README.md').read_text()
    rows = [line.split('|')[1:-1] for line in readme.splitlines() if line.startswith('| `')]
    said = {name.strip('` '): columns for name, *columns in rows}
    tagged = ['labels', 'scores', 'accepted']
    counted = ['words', 'ngrams', 'known_ngrams', 'ngram_papers']
    expected = {
        'serving_default': (['title', 'abstract'], tagged),
        'tag': (['title', 'abstract', 'k'], [*tagged, *counted]),
        'explain': (['title', 'abstract', 'k', 'n'], [*tagged, *counted, 'explanations', 'contributions']),
        'predict_all': (['title', 'abstract'], ['probabilities']),
        'label_table': ([], ['labels', 'thresholds', 'propensities']),
    }
    assert set(served.signatures) == set(expected) == set(said)
    for name, (inputs, outputs) in expected.items():
        signature = served.signatures[name]
        assert sorted(signature.structured_input_signature[1]) == sorted(inputs)
        assert sorted(signature.structured_outputs) == sorted(outputs)
        for column, names in zip(said[name], (inputs, outputs), strict=True):
            unsaid = [word for word in names if not re.search(rf'\b{word}\b', column)]
            assert not unsaid or 'the same' in column, (name, unsaid)


def test_the_example_over_grpc_asks_for_what_the_signature_takes(served):
    readme = (SERVING / 'README.md').read_text()
    name = re.search(r"signature_name = '(\w+)'", readme)[1]
    inputs = ast.literal_eval(re.search(r'^inputs = (.*)$', readme, re.MULTILINE)[1])
    signature = served.signatures[name]
    # As the example makes tensors of them.
    tensors = {key: tf.constant(tf.make_ndarray(tf.make_tensor_proto(value))) for key, value in inputs.items()}
    specs = signature.structured_input_signature[1]
    assert {key: tensor.dtype for key, tensor in tensors.items()} == {key: spec.dtype for key, spec in specs.items()}
    answer = signature(**tensors)
    assert answer['labels'].shape == (1, 3)
    assert answer['explanations'].shape == (1, 3, 5)
