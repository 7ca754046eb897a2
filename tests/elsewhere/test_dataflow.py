"""What would be sent to Dataflow: the jobs are built as the commands build them, and stop before the network.

Nothing here has run on Dataflow.
"""

import base64
import bz2
import dataclasses
import hashlib
import io
import json
import pathlib
import re
import sys
import tarfile
import tempfile
from typing import NamedTuple

import pytest
from apache_beam.coders import coders
from apache_beam.portability.api import beam_runner_api_pb2 as protos
from google.cloud import dataflow as service
from google.protobuf.wrappers_pb2 import BytesValue

from pipeline import config, drift, evaluate, models, prepare, runners, score, score_streaming
from pipeline.exports import newest_export
from pipeline.profiles import reference_profile
from pipeline.readers import Dump
from pipeline.streaming_config import StreamingConfig
from pipeline.tagger import label_table
from tests.conftest import ROOT
from trainer.metrics import StreamingMetrics

BUCKET = 'gs://my-bucket'
IMAGE = 'europe-west4-docker.pkg.dev/my-project/images/arxiv-tagger:0.1.0'
FLAGS = [
    '--runner=dataflow',
    '--project=my-project',
    '--region=europe-west4',
    f'--temp_location={BUCKET}/scratch',
    '--job_name=arxiv-tagger',
]
INPUT = config.InputConfig(patterns=(f'{BUCKET}/papers-*.jsonl',))
STAGING = f'{BUCKET}/out/.staging-0123456789ab'
RUN = f'{BUCKET}/scratch/arxiv-tagger.TIME'


class Sent(NamedTuple):
    """What Dataflow would get: the graph, all files with their paths, and the request; None if none is made."""

    graph: protos.Pipeline
    files: dict[str, bytes]
    request: service.Job | None


def sent(build, *flags, streaming=False):
    """Builds a job with --dry_run, and lets Beam's client stage and submit it to nowhere."""
    from apache_beam.runners.dataflow.internal import apiclient

    class Client(apiclient.DataflowApplicationClient):
        def __init__(self, options):
            super().__init__(options)
            self.files = {}

        def stage_file(self, folder, name, stream, mime_type='', total_size=None):
            self.files[f'{folder}/{name}'] = stream.read()

        def submit_job_description(self, job):
            return job.proto

    filled = runners.filled_in([*FLAGS, *flags], [], streaming=streaming)
    make = runners.make_streaming_pipeline if streaming else runners.make_pipeline
    pipeline = make([*filled, '--dry_run=True', '--no_auth'])
    build(pipeline)
    job = pipeline.run().job
    client = Client(job.options)
    request = client.create_job(job)
    files = {
        re.sub(r'(?<=/arxiv-tagger\.)[\d.]+(?=/)', 'TIME', path): content for path, content in client.files.items()
    }
    return Sent(protos.Pipeline.FromString(files[f'{RUN}/pipeline.pb']), files, request)


def dumps(number, size=100_000_000):
    """Dumps in a bucket, with names that cannot be compressed."""
    names = (hashlib.sha256(str(index).encode()).hexdigest() for index in range(number))
    return [Dump(f'{BUCKET}/papers-{name}.jsonl', size, '', 'json_lines') for name in names]


def prepare_of(number):
    return lambda root: prepare.build(root, PREPARE, dumps(number), STAGING)


PREPARE = config.PrepareConfig(input=INPUT, output_dir=f'{BUCKET}/out')
SCORE = config.ScoreConfig(input=INPUT, model_dir=f'{BUCKET}/model', output_dir=f'{BUCKET}/out')


@pytest.fixture(scope='module')
def jobs(model_dir):
    """What would be sent for each command."""
    stored = newest_export(str(model_dir))
    export = dataclasses.replace(stored, path=f'{BUCKET}/model/export/1')
    newest = models.NewestModel(f'{BUCKET}/model', f'{BUCKET}/out/model_status.json')
    watching = StreamingConfig()
    pubsub = StreamingConfig(
        input_subscription='projects/my-project/subscriptions/papers', output_topic='projects/my-project/topics/tagged'
    )
    evaluated = config.EvaluateConfig(input=INPUT, model_dir=f'{BUCKET}/model')
    drifted = config.DriftConfig(input=INPUT, model_dir=f'{BUCKET}/model')
    image = f'--sdk_container_image={IMAGE}'
    with pytest.MonkeyPatch.context() as patch:
        # These are read where a job is built; here the bucket is a folder.
        for module in (score, drift):
            patch.setattr(module, 'reference_profile', lambda _: reference_profile(stored))
        for module in (evaluate, drift):
            patch.setattr(module, 'label_table', lambda _: label_table(stored))
        return {
            'prepare': sent(prepare_of(1), image),
            'evaluate': sent(
                lambda root: evaluate.build(root, evaluated, dumps(1), export, StreamingMetrics, f'{BUCKET}/m.json'),
                image,
            ),
            'drift': sent(
                lambda root: drift.build(root, drifted, dumps(1), export, StreamingMetrics, f'{BUCKET}/d.json'), image
            ),
            'score': sent(lambda root: score.build(root, SCORE, dumps(1), export, STAGING), image),
            'streaming': sent(
                lambda root: score_streaming.build(root, SCORE, watching, newest, STAGING), image, streaming=True
            ),
            'pubsub': sent(
                lambda root: score_streaming.build(root, SCORE, pubsub, newest, STAGING), image, streaming=True
            ),
        }


def request_of(sent):
    return json.loads(service.Job.to_json(sent.request, preserving_proto_field_name=True, use_integers_for_enums=False))


def steps_of(sent):
    """Names of the steps that Dataflow's page shows at first."""
    transforms = sent.graph.components.transforms
    [root] = sent.graph.root_transform_ids
    return [transforms[step].unique_name for step in transforms[root].subtransforms]


def grouped(sent):
    """Step -> coder of what it groups, of all GroupByKeys."""
    components = sent.graph.components

    def described(id_):
        coder = components.coders[id_]
        name = coder.spec.urn.removeprefix('beam:coder:').removesuffix(':v1')
        if name == 'pickled_python':
            name = type(coders.deserialize_coder(BytesValue.FromString(coder.spec.payload).value)).__name__
        parts = ', '.join(map(described, coder.component_coder_ids))
        return f'{name}({parts})' if parts else name

    return {
        step.unique_name: described(components.pcollections[next(iter(step.inputs.values()))].coder_id)
        for step in components.transforms.values()
        if step.spec.urn == 'beam:transform:group_by_key:v1'
    }


def unpacked(content):
    """The bytes, and those that are pickled and compressed in them, at any depth."""
    found = [content]
    for packed in re.findall(rb'QlpoOTFBWSZT[A-Za-z0-9+/]+=*', content):
        found += unpacked(bz2.decompress(base64.b64decode(packed)))
    return found


COMMANDS = ['prepare', 'evaluate', 'drift', 'score', 'streaming', 'pubsub']
every_command = pytest.mark.parametrize('command', COMMANDS)


@pytest.mark.parametrize(
    ('command', 'steps'),
    [
        (
            'prepare',
            'ReadBlocks DropDuplicatePapers SplitByLabelSet SplitTallies Labels Papers CountNgrams WriteTransformGraph '
            'WriteVocabulary WriteLabels WriteExamples WriteReferencePapers WriteDeadLetters DescribePapers '
            'CountByLabel Statistics MostFrequent WriteOverview ToStatistics WriteStatistics Dumps HashDumps Shards '
            'Manifest ToManifest WriteManifest',
        ),
        ('evaluate', 'ReadPapers TagPapers MeasurePapers ToJson WriteMetrics'),
        (
            'drift',
            'ReadPapers TagPapers ProfileTagged TakeLabelled ScoreLabels MeasureMonths Statistics ToReport WriteReport',
        ),
        (
            'score',
            'ReadPapers ScorePapers WriteTagged AllDeadLetters WriteDeadLetters Statistics ProfileTagged ToStatistics '
            'AddDrift WriteStatistics',
        ),
        (
            'streaming',
            'WatchFolders Window Account Dumps ReadDumps ScorePapers Tagged Rejected Refused TalliesOfReading '
            'TalliesOfScoring Versions TalliesOfVersions ToPublish PublishWindows',
        ),
        (
            'pubsub',
            'ReadPubSub ScorePapers Tagged Rejected Refused TalliesOfReading TalliesOfScoring Versions '
            'TalliesOfVersions ToPublish PublishWindows WritePubSub',
        ),
    ],
)
def test_the_page_of_a_job_shows_the_steps_of_its_picture(jobs, command, steps):
    assert steps_of(jobs[command]) == steps.split()


@every_command
def test_all_functions_run_in_the_image_and_nothing_but_a_list_of_versions_goes_with_it(jobs, command):
    [environment] = jobs[command].graph.components.environments.values()
    assert environment.urn == 'beam:env:docker:v1'
    assert protos.DockerPayload.FromString(environment.payload).container_image == IMAGE
    assert set(jobs[command].files) == {f'{RUN}/pipeline.pb', f'{RUN}/submission_environment_dependencies.txt'}
    [pool] = request_of(jobs[command])['environment']['worker_pools']
    assert [image['container_image'] for image in pool['sdk_harness_container_images']] == [IMAGE]


@every_command
def test_workers_are_as_the_flags_say(jobs, command):
    [pool] = request_of(jobs[command])['environment']['worker_pools']
    streaming = command in ('streaming', 'pubsub')
    assert pool['machine_type'] == 'n2-standard-4'
    assert pool['disk_size_gb'] == 50
    assert pool['num_threads_per_worker'] == 2
    assert pool['autoscaling_settings'] == {
        'algorithm': 'AUTOSCALING_ALGORITHM_BASIC',
        'max_num_workers': 2 if streaming else 10,
    }


@every_command
def test_beam_asks_for_runner_v2_and_streaming_engine_by_itself(jobs, command):
    streaming = command in ('streaming', 'pubsub')
    request = request_of(jobs[command])
    assert request['type_'] == ('JOB_TYPE_STREAMING' if streaming else 'JOB_TYPE_BATCH')
    assert request['environment']['experiments'] == [
        'beam_fn_api',
        'use_unified_worker',
        'use_runner_v2',
        'use_portable_job_submission',
        *(['enable_streaming_engine', 'enable_windmill_service'] if streaming else []),
        'use_multiple_sdk_containers',
    ]


@every_command
def test_the_graph_is_a_file_in_the_bucket_and_no_part_of_the_request(jobs, command):
    request = request_of(jobs[command])
    options = request['environment']['sdk_pipeline_options']['options']
    assert re.fullmatch(rf'{BUCKET}/scratch/arxiv-tagger\.[\d.]+/pipeline\.pb', options['pipelineUrl'])
    assert options['pipelineProtoHash'] == hashlib.sha256(jobs[command].files[f'{RUN}/pipeline.pb']).hexdigest()
    assert request['steps'] == []
    assert len(json.dumps(request)) < 30_000


@every_command
def test_nothing_heavy_is_pickled(jobs, command):
    transforms = jobs[command].graph.components.transforms.values()
    assert [step.unique_name for step in transforms if len(step.spec.payload) > 8_000] == []
    assert jobs[command].graph.ByteSize() < 400_000


def test_a_graph_grows_by_less_than_250_bytes_for_each_dump_however_large_that_is(jobs):
    """Dataflow refuses graphs of more than 10 MB; 10,000 dumps make 2 MB."""
    one, many = jobs['prepare'].graph.ByteSize(), sent(prepare_of(1001), f'--sdk_container_image={IMAGE}')
    assert many.graph.ByteSize() - one < 1000 * 250


@every_command
def test_keys_are_encoded_alike_by_all_workers(jobs, command):
    keys = {coder.removeprefix('kv(').partition(',')[0] for coder in grouped(jobs[command]).values()}
    assert keys <= {'varint', 'string_utf8', 'DeterministicFastPrimitivesCoderV2'}


def test_what_prepare_shuffles_of_every_paper_is_bytes_that_are_not_pickled_again(jobs):
    steps = grouped(jobs['prepare'])
    of_every_paper = [
        'DropDuplicatePapers/NewestOfId/GroupDuplicates',
        'DropDuplicatePapers/OneOfTitle/GroupDuplicates',
        'SplitByLabelSet/GroupByLabelSet',
        'SplitByLabelSet/GroupByBlock',
        'CountNgrams/GroupByPartition',
        'WriteVocabulary/GroupById',
        'WriteExamples/GroupByShard',
    ]
    assert {steps[step] for step in of_every_paper} == {'kv(varint, bytes)'}


@every_command
def test_no_path_of_this_machine_is_in_the_graph_or_in_the_request(jobs, command):
    here = '|'.join(re.escape(str(place)) for place in (ROOT, sys.prefix, tempfile.gettempdir(), pathlib.Path.home()))
    parts = unpacked(jobs[command].files[f'{RUN}/pipeline.pb']) + [json.dumps(request_of(jobs[command])).encode()]
    found = {path for part in parts for path in re.findall(rf'(?<![\w.-])(?:{here})/[\w./-]+'.encode(), part)}
    # Functions know the file that they were written in.
    assert {path for path in found if not re.search(rb'\.py\b', path)} == set()


def test_without_an_image_the_package_is_built_and_staged():
    job = sent(prepare_of(1))
    assert set(job.files) == {
        f'{RUN}/pipeline.pb',
        f'{RUN}/submission_environment_dependencies.txt',
        f'{RUN}/workflow.tar.gz',
    }
    with tarfile.open(fileobj=io.BytesIO(job.files[f'{RUN}/workflow.tar.gz'])) as package:
        names = {name.partition('/')[2] for name in package.getnames()}
    assert names >= {
        'setup.py',
        'pipeline/prepare.py',
        'pipeline/readers/json_lines.py',
        'pipeline/engines/dataflow.py',
        'schemas/taxonomy.jsonl',
    }
    [environment] = job.graph.components.environments.values()
    image = protos.DockerPayload.FromString(environment.payload).container_image
    assert image == 'gcr.io/cloud-dataflow/v1beta3/beam_python3.11_sdk:2.77.0'


def test_a_flex_template_of_a_streaming_job_is_a_file_that_starts_nothing():
    newest = models.NewestModel(f'{BUCKET}/model', f'{BUCKET}/out/model_status.json')
    job = sent(
        lambda root: score_streaming.build(root, SCORE, StreamingConfig(), newest, STAGING),
        f'--sdk_container_image={IMAGE}',
        f'--template_location={BUCKET}/launch/job_object',
        streaming=True,
    )
    assert job.request is None
    stored = json.loads(job.files[f'{BUCKET}/launch/job_object'])
    assert stored['type'] == 'JOB_TYPE_STREAMING'
    assert stored['environment']['sdkPipelineOptions']['options']['pipelineUrl'].startswith(f'{BUCKET}/scratch/')
