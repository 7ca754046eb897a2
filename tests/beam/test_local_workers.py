"""A job in worker processes gives what it gives in one, and says what went wrong with them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time

import apache_beam as beam
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline import progress
from pipeline.failures import explain
from pipeline.runners import make_pipeline
from schemas.errors import JobError
from tests.helpers import wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TWO_WORKERS = ['--direct_num_workers=2']


def children_of(process):
    """Ids of all living processes below a process."""
    parents = {}
    for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            state, parent = stat.read_text().rpartition(')')[2].split()[:2]
        except OSError:
            continue
        if state != 'Z':
            parents[int(stat.parent.name)] = int(parent)
    below, found = {process}, set()
    while below:
        below = {child for child, parent in parents.items() if parent in below}
        found |= below
    return found


def processes_that_worked(tmp_path, *flags):
    """Ids of the processes in which a job of many elements ran."""
    with make_pipeline(flags) as root:
        _ = root | beam.Create(range(8)) | beam.Reshuffle() | beam.Map(lambda _: (tmp_path / str(os.getpid())).touch())
    return {int(file.name) for file in tmp_path.iterdir()}


def test_two_workers_are_two_processes_and_neither_is_the_launcher(tmp_path):
    found = processes_that_worked(tmp_path, '--direct_num_workers=2')
    assert len(found) == 2
    assert os.getpid() not in found


def test_one_worker_is_the_launcher_itself(tmp_path):
    assert processes_that_worked(tmp_path, '--direct_num_workers=1') == {os.getpid()}


@pytest.mark.parametrize('workers', [1, 2])
def test_side_inputs_groups_and_global_sums_are_right_with_any_number_of_workers(workers):
    with make_pipeline([f'--direct_num_workers={workers}']) as root:
        numbers = root | beam.Create(range(1000)) | beam.Reshuffle()
        total = numbers | beam.CombineGlobally(sum)
        names = root | 'Names' >> beam.Create([(0, 'even'), (1, 'odd')])
        grouped = (
            numbers
            | beam.Map(lambda number, names: (names[number % 2], number), beam.pvalue.AsDict(names))
            | beam.GroupByKey()
            | beam.Map(lambda group, total: (group[0], sum(group[1]), total), beam.pvalue.AsSingleton(total))
        )
        assert_that(grouped, equal_to([('even', 249_500, 499_500), ('odd', 250_000, 499_500)]))


def test_no_element_is_lost():
    # With --direct_running_mode multi_threading some are: Beam's timer, off here, flushes in the middle of a write.
    with make_pipeline(TWO_WORKERS) as root:
        words = root | beam.Create(range(100)) | beam.Reshuffle() | beam.FlatMap(lambda part: map(str, million(part)))
        different = words | beam.combiners.Count.PerElement() | beam.combiners.Count.Globally()
        assert_that(different, equal_to([1_000_000]))


def million(part):
    return range(part * 10_000, (part + 1) * 10_000)


def test_groups_of_many_times_what_a_message_may_hold_pass():
    # 400 MB in pieces of 1 MB: several times what the queues between launcher and worker take.
    with make_pipeline(TWO_WORKERS) as root:
        pieces = root | beam.Create(range(400)) | beam.Reshuffle() | beam.Map(lambda n: (n % 50, bytes(2**20)))
        sizes = pieces | beam.GroupByKey() | beam.Map(lambda group: sum(map(len, group[1]))) | beam.CombineGlobally(sum)
        assert_that(sizes, equal_to([400 << 20]))


def test_a_failure_is_told_while_another_worker_is_busy(tmp_path):
    def fail_once(_):
        try:
            (tmp_path / 'failed').mkdir()
        except FileExistsError:
            time.sleep(100)
        raise JobError('no space left')

    for attempt in range(3):
        begin = time.monotonic()
        with pytest.raises(RuntimeError) as error, make_pipeline(TWO_WORKERS) as root:
            _ = root | beam.Create(range(attempt + 2)) | beam.Reshuffle() | beam.Map(fail_once)
        assert explain(error.value) == 'no space left'
        assert time.monotonic() - begin < 50
        (tmp_path / 'failed').rmdir()


def test_counts_of_all_workers_reach_the_display():
    with progress.Progress('test', stream=open(os.devnull, 'w')) as display:
        with make_pipeline(TWO_WORKERS) as root:
            _ = root | beam.Create(range(1000)) | beam.Reshuffle() | beam.Map(lambda _: progress.count('papers', 2))
        wait_for(lambda: '2,000 papers' in display.line(), seconds=20)
        assert 'step ' in display.line()


def test_what_a_worker_raises_is_told_in_its_own_words():
    def refuse(number):
        if number == 7:
            raise JobError('papers.csv has no column "title".')
        return number

    with pytest.raises(RuntimeError) as error, make_pipeline(TWO_WORKERS) as root:
        _ = root | beam.Create(range(10)) | beam.Reshuffle() | beam.Map(refuse)
    assert explain(error.value) == 'papers.csv has no column "title".'


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize('when', ['in a bundle', 'before the first'])
def test_a_killed_worker_fails_the_job_and_the_other_one_ends_too(when, monkeypatch, tmp_path):
    if when == 'before the first':
        monkeypatch.setattr('pipeline.local_workers._work', die)

    def kill(_):
        with contextlib.suppress(FileExistsError):
            (tmp_path / 'killed').mkdir()
            die()
        time.sleep(100)

    begin = time.monotonic()
    with pytest.raises(JobError, match='a worker process died .*SIGKILL.* Nothing was published'):  # noqa: SIM117
        with make_pipeline(TWO_WORKERS) as root:
            _ = root | beam.Create(range(10)) | beam.Reshuffle() | beam.Map(kill)
    assert time.monotonic() - begin < 50


JOB = """
    import pathlib, os, sys, time
    import apache_beam as beam
    from pipeline.runners import make_pipeline

    def wait(number):
        pathlib.Path(sys.argv[1], str(os.getpid())).touch()
        time.sleep(100)

    root = make_pipeline(['--direct_num_workers=2'])
    root | beam.Create(range(2)) | beam.Reshuffle() | beam.Map(wait)
    root.run()
"""


@pytest.fixture
def job(tmp_path):
    """A script, without a guard of its name, whose job is at work in two worker processes."""
    script, at_work = tmp_path / 'job.py', tmp_path / 'at_work'
    script.write_text(textwrap.dedent(JOB))
    at_work.mkdir()
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    with subprocess.Popen([sys.executable, script, at_work], env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: len(list(at_work.iterdir())) == 2, seconds=60)
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(not pathlib.Path('/proc/self/stat').exists(), reason='needs /proc')
@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_launcher(job, how):
    below = children_of(job.pid)
    assert len(below) >= 3
    job.send_signal(how)
    job.wait(20)
    wait_for(lambda: not any(pathlib.Path(f'/proc/{pid}/exe').exists() and alive(pid) for pid in below), seconds=20)


def alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_what_is_grouped_lies_in_a_file_and_comes_out_as_it_went_in(monkeypatch):
    monkeypatch.setattr('pipeline.large_bundles._SPOOL_BYTES', 1 << 10)
    monkeypatch.setattr('pipeline.large_bundles.PIECE_BYTES', 1 << 10)
    pairs = [(number % 7, bytes([number % 256]) * (number % 100)) for number in range(3000)]

    def described(group):
        key, values = group
        return key, sorted(values) == sorted(value for of, value in pairs if of == key)

    with make_pipeline(TWO_WORKERS) as root:
        grouped = root | beam.Create(pairs) | beam.GroupByKey() | beam.Map(described)
        assert_that(grouped, equal_to([(key, True) for key in range(7)]))
        assert_that(grouped | beam.combiners.Count.Globally(), equal_to([7]), label='Count')
