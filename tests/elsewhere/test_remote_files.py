"""All commands on an object store: what they publish there is what they publish on a disk, and nothing else is left."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, files_below, run_command, write_json_lines
from tests.remote_files import VARIABLE, Bucket

_PATIENCE = 90
_PLUGIN = ('--beam_plugins', 'tests.remote_files')
_NEW = ('--input', 'remote://bucket/new/*.jsonl', '--model_dir', 'remote://bucket/model')
_LOCAL_SIDE = """
import sys
from pipeline import cli
for line in sys.stdin.read().splitlines():
    assert cli.main(line.split()) == 0
"""


class Store(Bucket):
    """`remote://bucket`, and commands that know it, run in a folder of their own."""

    def __init__(self, folder):
        super().__init__(folder / 'store')
        self.cwd, self.temporary = folder / 'cwd', folder / 'tmp'
        self.cwd.mkdir()
        self.temporary.mkdir()
        self.environment = {VARIABLE: str(self.folder), 'TMPDIR': str(self.temporary)}

    def run(self, *arguments, check=True):
        return run_command(*arguments, *_PLUGIN, cwd=self.cwd, check=check, **self.environment)

    def start(self, log, *arguments):
        command = [sys.executable, '-m', 'pipeline.cli', *map(str, arguments), *_PLUGIN]
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), **self.environment}
        with log.open('w') as file:
            return subprocess.Popen(command, cwd=self.cwd, env=environment, stdout=file, stderr=file)

    def shown(self, folder):
        """What was done to the objects of an output folder that are not hidden, in order."""
        return [(what, name) for what, name in self.changes(folder) if not name.startswith('.')]


@pytest.fixture(scope='module')
def new_dump(sample_papers, tmp_path_factory):
    """A dump of 120 papers, and of three records that are none."""
    path = write_json_lines(tmp_path_factory.mktemp('new') / 'new.jsonl', sample_papers[:120])
    with path.open('a') as file:
        file.write('{"id": "1", "title": "T"\n{"id": "2", "title": "T"}\n{"id": "3", "abstract": "A"}\n')
    return path


@pytest.fixture(scope='module')
def ran(dump, new_dump, sample_papers, prepared_dir, model_dir, tmp_path_factory):
    """All commands, on a local disk and in the store, side by side: there is much to wait for."""
    store, folder = Store(tmp_path_factory.mktemp('remote')), tmp_path_factory.mktemp('local')
    store.put('in/papers.jsonl', dump.read_bytes())
    store.put('new/new.jsonl', new_dump.read_bytes())
    ran = {'store': store, 'local': folder}
    with concurrent.futures.ThreadPoolExecutor() as threads:
        local = threads.submit(run_locally, folder, new_dump, prepared_dir, model_dir)
        prepare_and_train(store)
        jobs = [threads.submit(evaluate_and_drift, store), threads.submit(score, store)]
        ran['stream'] = stream(store, sample_papers, folder)
        ran['jsonl'], ran['failed'] = jobs[1].result()
        for job in (jobs[0], local):
            job.result()
    return ran


@pytest.fixture(scope='module')
def store(ran):
    return ran['store']


@pytest.fixture(scope='module')
def local(ran):
    return ran['local']


def run_locally(folder, new_dump, prepared_dir, model_dir):
    """What the commands make of the new dump on a local disk: one after the other, in one process."""
    model = f'--model_dir {model_dir}'
    commands = [
        f'evaluate --input {new_dump} {model} --output {folder}/metrics.json',
        f'score --input {new_dump} {model} --output_dir {folder}/jsonl',
        f'score --input {new_dump} {model} --output_dir {folder}/parquet --output_format parquet',
        f'drift --input {new_dump} {model} --data_dir {prepared_dir} --output {folder}/drift.json',
    ]
    subprocess.run(
        [sys.executable, '-c', _LOCAL_SIDE],
        input='\n'.join(commands),
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    )


def prepare_and_train(store):
    store.run(
        *('prepare', '--input', 'remote://bucket/in/*', '--output_dir', 'remote://bucket/data'),
        *('--vocabulary_size', 20000, '--analysis_cache_dir', 'remote://bucket/cache', '--direct_num_workers', 2),
    )
    store.run(
        *('train', '--data_dir', 'remote://bucket/data', '--model_dir', 'remote://bucket/model'),
        *('--epochs', 4, '--hidden_units', 64, 32),
    )


def evaluate_and_drift(store):
    store.run('evaluate', *_NEW, '--output', 'remote://bucket/metrics.json')
    data = ('--data_dir', 'remote://bucket/data')
    store.run('drift', *_NEW, *data, '--output', 'remote://bucket/drift.json', '--direct_num_workers', 2)


def score(store):
    """Scores, once more in place of that, and where it must fail; returns what the first made, and the last."""
    output = ('--output_dir', 'remote://bucket/tagged')
    store.run('score', *_NEW, *output, '--direct_num_workers', 2)
    jsonl = store.objects('tagged/')
    store.run('score', *_NEW, *output, '--output_format', 'parquet', '--overwrite')
    failing = ('--output_dir', 'remote://bucket/failed', '--max_rejected_fraction', 0)
    return jsonl, store.run('score', *_NEW, *failing, check=False)


def stream(store, papers, folder):
    """Lets a streaming job take a file, and another one its folder, before there is a second file.

    Returns the exit codes of both, and what the first one said.
    """

    def put(name, some):
        store.put(f'watched/{name}', write_json_lines(folder / name, some).read_bytes())

    def wait_until(condition):
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert all(job.poll() is None for job in jobs)
            assert time.monotonic() < deadline
            time.sleep(0.05)

    put('one.jsonl', papers[:10])
    command = (
        *('score', '--streaming', '--input', 'remote://bucket/watched', '--model_dir', 'remote://bucket/model'),
        *('--output_dir', 'remote://bucket/stream', '--publish_seconds', 1, '--poll_seconds', 0.2),
        *('--settle_seconds', 0),
    )
    jobs = [store.start(folder / 'first', *command)]
    try:
        wait_until(lambda: any(name.endswith('/COMPLETED') for name in store.objects('stream/')))
        jobs.append(store.start(folder / 'second', *command, '--stop_when_idle', 2))
        wait_until(lambda: store.changes('stream/').count(('create', '.lock')) == 2)
        put('two.jsonl', papers[10:30])
        return [job.wait(_PATIENCE) for job in jobs], (folder / 'first').read_text()
    finally:
        for job in jobs:
            job.kill()


def without_paths(manifest):
    described = json.loads(manifest)
    del described['config']['input']['patterns']
    for dump in described['inputs']:
        dump['path'] = pathlib.PurePath(dump['path']).name
    return described


@pytest.mark.slow
def test_prepare_publishes_the_same_bytes(store, prepared_dir):
    found, expected = store.objects('data/'), files_below(prepared_dir)
    assert without_paths(found.pop('manifest.json')) == without_paths(expected.pop('manifest.json'))
    assert found == expected
    # The analysis cache: a block of papers, and what else came of the file.
    assert sorted(name.rpartition('.')[2] for name in store.objects('cache/')) == ['json', 'npz']


@pytest.mark.slow
def test_train_publishes_the_same_model(store, model_dir):
    found, expected = store.objects('model/'), files_below(model_dir)
    assert sorted(found) == sorted(expected)
    for name in ('history.csv', 'labels.tsv', 'plots/reliability.csv', 'logs/train/events.out.tfevents'):
        assert found[name] == expected[name]
    weights = 'export/1/variables/variables.data-00000-of-00001'
    assert found[weights] == expected[weights]
    answers = 'export/1/assets.extra/reference_papers.jsonl'
    assert found[answers] == expected[answers]
    metrics, expected_metrics = json.loads(found['metrics.json']), json.loads(expected['metrics.json'])
    del metrics['seconds_per_epoch'], expected_metrics['seconds_per_epoch']
    assert metrics == expected_metrics


@pytest.mark.slow
def test_score_evaluate_and_drift_publish_the_same_bytes(ran, store, local, new_dump):
    for found, folder in ((ran['jsonl'], 'jsonl'), (store.objects('tagged/'), 'parquet')):
        expected = files_below(local / folder)
        letters = 'dead_letters/part-00000-of-00001.jsonl'
        expected[letters] = expected[letters].replace(str(new_dump).encode(), b'remote://bucket/new/new.jsonl')
        assert found == expected
    assert store.objects('metrics.json') == {'': (local / 'metrics.json').read_bytes()}
    assert store.objects('drift.json') == {'': (local / 'drift.json').read_bytes()}


@pytest.mark.slow
def test_completed_is_written_last_and_removed_first(store):
    for folder in ('data/', 'model/'):
        changes = store.shown(folder)
        published = [name for what, name in changes if what == 'rename']
        assert sorted([*published, 'COMPLETED']) == sorted(store.objects(folder))
        last = changes.index(('create', 'COMPLETED'))
        assert all(name.startswith('unfinished/') for _, name in changes[last + 1 :])
        assert [what for what, _ in changes[last + 1 :]] == ['delete'] * len(changes[last + 1 :])
    twice = store.shown('tagged/')
    first, *later = [number for number, (_, name) in enumerate(twice) if name == 'COMPLETED']
    assert [twice[number][0] for number in (first, *later)] == ['create', 'delete', 'create']
    # In between, nothing of the former output is touched.
    assert later == [first + 1, len(twice) - 1]


@pytest.mark.slow
def test_an_overwritten_output_leaves_nothing_of_the_former(ran, store):
    assert sorted(ran['jsonl']) == [
        'COMPLETED',
        'dead_letters/part-00000-of-00001.jsonl',
        'part-00000-of-00001.jsonl',
        'statistics.json',
    ]
    assert sorted(store.objects('tagged/')) == [
        'COMPLETED',
        'dead_letters/part-00000-of-00001.jsonl',
        'part-00000-of-00001.parquet',
        'statistics.json',
    ]


@pytest.mark.slow
def test_a_failed_run_leaves_nothing_and_says_in_a_line_why(ran, store):
    assert ran['failed'].returncode == 1
    assert ran['failed'].stderr.count('\n') == 1
    assert '3 of 123 records' in ran['failed'].stderr
    assert store.objects('failed') == {}


@pytest.mark.slow
def test_a_place_that_cannot_be_written_is_told_in_a_line(store, new_dump):
    done = store.run('prepare', '--input', new_dump, '--output_dir', 'remote://none/data', check=False)
    assert (done.returncode, done.stderr) == (
        1,
        'arxiv-tagger: Cannot write to remote://none/data: No such bucket. Choose another folder.\n',
    )


@pytest.mark.slow
def test_a_streaming_job_publishes_windows_until_another_one_takes_its_folder(ran, store, sample_papers):
    codes, said = ran['stream']
    assert codes == [1, 0]
    assert said.splitlines()[-1] == (
        'arxiv-tagger: Another streaming job has taken remote://bucket/stream over, so this one ends. '
        'What it published stays.'
    )
    found = store.objects('stream/')
    windows = sorted(name.removesuffix('/COMPLETED') for name in found if name.endswith('/COMPLETED'))
    parts = [content for name, content in found.items() if name.partition('/')[2].startswith('part-')]
    assert [len(part.splitlines()) for part in parts] == [10, 20]
    tagged = [json.loads(line)['id'] for part in parts for line in part.splitlines()]
    assert sorted(tagged) == [paper['id'] for paper in sample_papers[:30]]
    for window in windows:
        assert [name for _, name in store.shown('stream/') if name.startswith(window)][-1] == f'{window}/COMPLETED'
    # What the first one was at when it lost the folder is left to the next job that takes it.
    begun = [name for _, name in store.changes('stream/') if name.endswith('/writable')]
    assert {name.split('/')[0] for name in found if name.startswith('.staging')} <= {begun[0].split('/')[0]}


@pytest.mark.slow
def test_nothing_is_made_on_the_local_disk(store):
    assert list(store.cwd.iterdir()) == []
    assert [path for path in store.temporary.iterdir() if path.name.startswith('arxiv-tagger')] == []
