"""The flex template for Dataflow asks for what the command takes, and its launcher starts that command."""

import importlib.util
import json
import re

import pytest

from tests.conftest import ROOT

DEPLOY = ROOT / 'deploy' / 'dataflow'


def template():
    return json.loads((DEPLOY / 'metadata.json').read_text('utf-8'))


def launcher():
    spec = importlib.util.spec_from_file_location('dataflow_main', DEPLOY / 'main.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_template_has_parameters_that_score_or_beam_knows_and_no_other():
    known = launcher().known_flags()
    assert [p['name'] for p in template()['parameters'] if f'--{p["name"]}' not in known] == []
    required = [p['name'] for p in template()['parameters'] if not p.get('isOptional')]
    assert required == ['sdk_container_image', 'model_dir', 'output_dir']


@pytest.mark.parametrize(
    ('name', 'good', 'bad'),
    [
        ('sdk_container_image', 'europe-west4-docker.pkg.dev/my-project/images/arxiv-tagger:0.1.0', 'arxiv tagger'),
        ('model_dir', 'gs://my-bucket/model', 'model'),
        ('output_dir', 'gs://my-bucket/tagged', 'gs://my-bucket'),
        ('input', 'gs://my-bucket/in/ gs://other/*.jsonl', '/home/papers'),
        ('input_subscription', 'projects/my-project/subscriptions/papers', 'papers'),
        ('output_topic', 'projects/my-project/topics/tagged', 'projects/my-project/subscriptions/x'),
        ('publish_seconds', '60', '0'),
        ('poll_seconds', '0.5', 'often'),
        ('settle_seconds', '0', '-1'),
        ('csv_columns', 'title=titles,abstract=summaries', 'titles'),
        ('output_format', 'parquet', 'csv'),
        ('top_k', '5', '0'),
        ('only_accepted', 'true', 'yes'),
        ('explain', '3', 'some'),
        ('shards', '4', '0'),
    ],
)
def test_a_template_refuses_what_the_command_would(name, good, bad):
    [parameter] = [parameter for parameter in template()['parameters'] if parameter['name'] == name]
    [pattern] = parameter['regexes']
    assert re.fullmatch(pattern, good)
    assert not re.fullmatch(pattern, bad)
    assert not parameter.get('isOptional') or re.fullmatch(pattern, '')


def test_every_parameter_of_a_template_is_tried_above():
    tried = test_a_template_refuses_what_the_command_would.pytestmark[0].args[1]
    assert [parameter['name'] for parameter in template()['parameters']] == [name for name, _, _ in tried]


def test_what_a_launcher_passes_becomes_the_command_line(capsys):
    main = launcher()
    passed = [
        '--runner=DataflowRunner',
        '--project=my-project',
        '--region=europe-west4',
        '--template_location=gs://my-bucket/launch/job_object',
        '--temp_location=gs://my-bucket/tmp',
        '--enable_streaming_engine=true',
        '--use_public_ips=false',
        '--something_new=1',
        '--sdk_container_image=x.pkg.dev/p/r/i:1',
        '--input=gs://my-bucket/in/ gs://other/*.jsonl',
        '--input_subscription=',
        '--model_dir=gs://my-bucket/model',
        '--output_dir=gs://my-bucket/tagged',
        '--only_accepted=true',
    ]
    assert main.arguments_of(passed, main.known_flags()) == [
        'score',
        '--streaming',
        '--verbose',
        '--runner=dataflow',
        '--project=my-project',
        '--region=europe-west4',
        '--template_location=gs://my-bucket/launch/job_object',
        '--temp_location=gs://my-bucket/tmp',
        '--enable_streaming_engine',
        '--sdk_container_image=x.pkg.dev/p/r/i:1',
        '--input=gs://my-bucket/in/',
        '--input=gs://other/*.jsonl',
        '--model_dir=gs://my-bucket/model',
        '--output_dir=gs://my-bucket/tagged',
        '--only_accepted',
    ]
    assert capsys.readouterr().err == (
        '--something_new is left out: neither arxiv-tagger nor this version of Beam knows it\n'
    )


def test_a_switch_is_true_or_false():
    main = launcher()
    assert main.arguments_of(['--only_accepted=False'], {'--only_accepted': False})[4:] == []
    with pytest.raises(SystemExit, match='--only_accepted is true or false, not yes'):
        main.arguments_of(['--only_accepted=yes'], {'--only_accepted': False})


def test_the_launcher_finds_the_file_that_the_image_names():
    dockerfile = (DEPLOY / 'Dockerfile').read_text('utf-8')
    assert re.findall(r'FLEX_TEMPLATE_PYTHON_PY_FILE=(\S+)', dockerfile) == ['/template/main.py']
    assert re.findall(r'COPY (\S+) /template/(\S+)', dockerfile) == [('main.py', 'main.py')]
    assert (DEPLOY / 'main.py').is_file()
