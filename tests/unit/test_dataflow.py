"""`--runner=dataflow` fills in what is not typed, and refuses early what cannot work on Dataflow."""

import pytest

from pipeline import cli
from pipeline.engines.dataflow import check_paths, filled_in
from schemas.errors import ConfigError
from tests.conftest import ROOT

NEEDED = ['--project=my-project', '--region=europe-west4', '--temp_location=gs://my-bucket/tmp']
IMAGE = '--sdk_container_image=europe-west4-docker.pkg.dev/my-project/images/arxiv-tagger:0.1.0'


@pytest.fixture(autouse=True)
def _no_region_in_the_environment(monkeypatch):
    monkeypatch.delenv('CLOUDSDK_COMPUTE_REGION', raising=False)


def test_what_is_not_typed_stands_before_what_is():
    assert filled_in([*NEEDED, IMAGE], streaming=False) == [
        '--runner=DataflowRunner',
        '--worker_machine_type=n2-standard-4',
        '--number_of_worker_harness_threads=2',
        '--disk_size_gb=50',
        '--autoscaling_algorithm=THROUGHPUT_BASED',
        '--max_num_workers=10',
        '--no_save_main_session',
        *NEEDED,
        IMAGE,
    ]


def test_a_streaming_job_has_fewer_workers():
    assert '--max_num_workers=2' in filled_in([*NEEDED, IMAGE], streaming=True)


@pytest.mark.parametrize(
    'typed',
    [
        ['--runner', 'dataflow'],
        ['--runner=DataflowRunner'],
        [],
    ],
)
def test_the_runner_is_named_once(typed):
    flags = filled_in([*typed, *NEEDED, IMAGE], streaming=False)
    assert [flag for flag in flags if 'runner' in flag.lower()] == ['--runner=DataflowRunner']


@pytest.mark.parametrize(
    'typed',
    [
        ['--worker_machine_type=e2-highmem-8'],
        ['--machine_type', 'e2-highmem-8'],
        ['--number_of_worker_harness_threads=1'],
        ['--disk_size_gb', '100'],
        ['--autoscaling_algorithm=NONE'],
        ['--max_num_workers=3'],
        ['--save_main_session'],
    ],
)
def test_what_is_typed_is_not_filled_in(typed):
    without, with_it = (filled_in([*NEEDED, IMAGE, *more], streaming=False) for more in ([], typed))
    assert len(with_it) == len(without) + len(typed) - 1
    assert with_it[-len(typed) :] == typed


def test_whoever_wants_more_workers_from_the_start_may_have_them():
    assert '--max_num_workers=30' in filled_in([*NEEDED, IMAGE, '--num_workers=30'], streaming=False)


def test_the_region_may_stand_in_the_environment_as_for_beam(monkeypatch):
    monkeypatch.setenv('CLOUDSDK_COMPUTE_REGION', 'us-east1')
    flags = [flag for flag in NEEDED if 'region' not in flag]
    assert '--region=us-east1' in filled_in([*flags, IMAGE], streaming=False)
    assert '--region=us-east1' not in filled_in([*NEEDED, IMAGE], streaming=False)


def test_the_staging_location_is_the_temp_location_too_as_for_beam():
    flags = ['--project=my-project', '--region=europe-west4', '--staging_location=gs://my-bucket/staging']
    assert '--temp_location=gs://my-bucket/staging' in filled_in([*flags, IMAGE], streaming=False)


def test_in_a_clone_workers_get_what_runs_here():
    assert f'--setup_file={ROOT}/setup.py' in filled_in(NEEDED, streaming=False)
    for packaging in (IMAGE, '--setup_file=other/setup.py', '--extra_package=arxiv_tagger-0.1.0-py3-none-any.whl'):
        filled = filled_in([*NEEDED, packaging], streaming=False)
        assert [flag for flag in filled if 'setup_file' in flag and flag != packaging] == []


def test_where_there_is_no_clone_somebody_has_to_say_how_workers_get_the_package(monkeypatch, tmp_path):
    installed = tmp_path / 'site-packages' / 'pipeline' / 'engines' / 'dataflow.py'
    monkeypatch.setattr('pipeline.engines.dataflow.__file__', str(installed))
    with pytest.raises(ConfigError) as error:
        filled_in(NEEDED, streaming=False)
    assert str(error.value) == (
        'How do the workers get arxiv-tagger? Say --sdk_container_image=IMAGE (deploy/Dockerfile makes one), or, of a '
        'clone of the repository, --setup_file=CLONE/setup.py'
    )


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (
            [],
            '--runner=dataflow needs --project, --region and --temp_location. Add --project=PROJECT '
            '--region=europe-west4 (or another) --temp_location=gs://BUCKET/tmp',
        ),
        (
            NEEDED[1:],
            '--runner=dataflow needs --project, --region and --temp_location. Add --project=PROJECT',
        ),
        (
            [NEEDED[0], NEEDED[2]],
            '--runner=dataflow needs --project, --region and --temp_location. Add --region=europe-west4 (or another)',
        ),
        (
            NEEDED[:2],
            '--runner=dataflow needs --project, --region and --temp_location. Add --temp_location=gs://BUCKET/tmp',
        ),
        (
            [*NEEDED[:2], '--temp_location', '/tmp/x'],
            '--temp_location /tmp/x is no folder in a bucket. Say --temp_location=gs://BUCKET/FOLDER',
        ),
        (
            [*NEEDED[:2], '--temp_location=gs://my-bucket'],
            '--temp_location gs://my-bucket is no folder in a bucket. Say --temp_location=gs://BUCKET/FOLDER',
        ),
        (
            [*NEEDED, '--staging_location=gs://b/staging'],
            '--staging_location gs://b/staging is no folder in a bucket. Say --staging_location=gs://BUCKET/FOLDER',
        ),
        (
            ['--project=123456789', *NEEDED[1:]],
            '--project 123456789 is no project ID (letters, digits and hyphens, as in my-project-123; not the number)',
        ),
        (
            [*NEEDED, '--region=europe-west4-a'],
            '--region europe-west4-a is no region: that looks like a zone; say --region=europe-west4',
        ),
        ([*NEEDED, '--region=Europe'], '--region Europe is no region: it is like europe-west4'),
        (
            [*NEEDED, '--job_name=My_Job'],
            '--job_name My_Job may have a-z, 0-9 and hyphens only, and begins with a letter',
        ),
        (
            [*NEEDED, '--update', '--job_name=tagger'],
            '--update would take files from the running job that it still needs. Drain that one, then start the same '
            'command: it goes on where the other ended (docs/running-on-dataflow.md).',
        ),
        (
            [*NEEDED, '--template_location=gs://my-bucket/template'],
            '--template_location starts no job, and what a batch job makes is published by the command that waits for '
            'its end: nothing would be. Leave it out.',
        ),
        (
            [*NEEDED, '--dry_run=True'],
            '--dry_run starts no job, and what a batch job makes is published by the command that waits for its end: '
            'nothing would be. Leave it out.',
        ),
    ],
)
def test_what_cannot_work_is_refused(flags, message):
    with pytest.raises(ConfigError) as error:
        filled_in(flags, streaming=False)
    assert str(error.value) == message


def test_a_streaming_job_publishes_by_itself_so_it_may_be_made_a_template():
    flags = [*NEEDED, IMAGE, '--template_location=gs://my-bucket/template']
    assert filled_in(flags, streaming=True)[-1] == '--template_location=gs://my-bucket/template'


def test_workers_see_buckets():
    check_paths({'--input': 'gs://my-bucket/*.jsonl', '--model_dir': 's3://other/model', '--data_dir': 'data'})


@pytest.mark.parametrize(
    ('flag', 'path', 'message'),
    [
        (
            '--output_dir',
            'out',
            "--output_dir out is on this machine, which Dataflow's workers do not see. Say --output_dir "
            'gs://BUCKET/...; "gcloud storage cp --recursive" copies files and folders there.',
        ),
        (
            '--model_dir',
            'file:///model',
            "--model_dir file:///model is on this machine, which Dataflow's workers do not see. Say --model_dir "
            'gs://BUCKET/...; "gcloud storage cp --recursive" copies files and folders there.',
        ),
        (
            '--output',
            '',
            '--runner=dataflow needs --output: the workers write the result there. Say --output gs://BUCKET/FILE.json',
        ),
    ],
)
def test_workers_see_no_file_of_this_machine(flag, path, message):
    with pytest.raises(ConfigError) as error:
        check_paths({flag: path})
    assert str(error.value) == message


def test_the_command_refuses_before_it_looks_for_papers(capsys):
    arguments = ['--input=gs://my-bucket/a.jsonl', '--output_dir=gs://my-bucket/out', '--runner=dataflow']
    assert cli.main(['prepare', *arguments]) == 2
    assert capsys.readouterr().err == (
        'arxiv-tagger: --runner=dataflow needs --project, --region and --temp_location. Add --project=PROJECT '
        '--region=europe-west4 (or another) --temp_location=gs://BUCKET/tmp\n'
    )
