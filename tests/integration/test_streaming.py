"""`score --streaming`: left running, fed by rename and otherwise, killed, and started again."""

import collections
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, run_command, write_json_lines
from tests.helpers import validate

_PATIENCE = 90


class Job:
    """A streaming job in a process of its own."""

    def __init__(self, folder, model_dir, *flags):
        self._log = folder / 'log'
        self._begin = self._log.stat().st_size if self._log.exists() else 0
        command = ['score', '--streaming', '--input', 'in', '--model_dir', model_dir, '--output_dir', 'out']
        times = ['--publish_seconds', 1, '--poll_seconds', 0.2, '--settle_seconds', 1]
        with self._log.open('a') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'pipeline.cli', *map(str, [*command, *times, *flags])],
                cwd=folder,
                env={**os.environ, 'PYTHONPATH': str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def said(self):
        with self._log.open() as log:
            log.seek(self._begin)
            return log.read()

    def wait_until(self, condition):
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def end(self, signal_number):
        self.process.send_signal(signal_number)
        return self.process.wait(_PATIENCE)


def windows_in(folder):
    return sorted(path.parent for path in (folder / 'out').glob('[!.]*/COMPLETED'))


def lines_of(windows, pattern):
    return [json.loads(line) for window in windows for file in window.glob(pattern) for line in file.open()]


def done(folder):
    """Name of each file that is done -> its records; each as often as it was done."""
    sources = [json.loads((window / 'sources.json').read_text())['files'] for window in windows_in(folder)]
    return collections.Counter(
        (file['path'].rpartition('/')[2], file['records']) for files in sources for file in files
    )


@pytest.fixture(scope='module')
def left_running(sample_papers, model_dir, tmp_path_factory):
    """The folder of a job that saw all kinds of files, was killed and started again; and what the second one said."""
    folder = tmp_path_factory.mktemp('stream')
    watched = folder / 'in'
    watched.mkdir()

    def put(name, papers):
        write_json_lines(folder / 'scratch', papers).rename(watched / name)

    put('before.jsonl', sample_papers[:10])
    job = Job(folder, model_dir)
    job.wait_until(lambda: windows_in(folder))
    put('renamed.jsonl', sample_papers[10:20])
    # Another job on the same output is refused while this one lives.
    second = run_command(
        *('score', '--streaming', '--input', watched, '--model_dir', model_dir, '--output_dir', folder / 'out'),
        check=False,
    )
    with (watched / 'growing.jsonl').open('w') as growing:
        for paper in sample_papers[20:30]:
            growing.write(json.dumps(paper))
            growing.flush()
            time.sleep(0.2)
            growing.write('\n')
    (watched / 'page.xml').write_bytes(b'<!doctype html><html>Not found</html>')
    (watched / 'paper.jsonl').write_bytes(b'%PDF-1.5\n%\xd0\xd4\n')
    (watched / 'cut.jsonl.gz').write_bytes(b'\x1f\x8b\x08\x00\x00\x00')
    (watched / 'download.jsonl.part').write_text('{"id": "not')
    write_json_lines(watched / '.hidden.jsonl', sample_papers[:3])
    job.wait_until(lambda: len(done(folder)) == 6)
    # A share that is away for a while, and comes back with a new file.
    watched.rename(folder / 'away')
    job.wait_until(lambda: 'Cannot list' in job.said())
    write_json_lines(folder / 'away' / 'back.jsonl', sample_papers[30:40])
    (folder / 'away').rename(watched)
    job.wait_until(lambda: len(done(folder)) == 7)
    # As many files as it takes for the job to be killed in the midst of one.
    for number in range(20):
        put(f'many-{number}.jsonl', sample_papers[40 + 20 * number : 60 + 20 * number])
    job.wait_until(lambda: any((folder / 'out').glob('.staging-*/*')) or len(done(folder)) > 7)
    first_said = job.said()
    assert job.end(signal.SIGKILL) == -signal.SIGKILL

    job = Job(folder, model_dir)
    job.wait_until(lambda: len(done(folder)) == 27)
    # A disk that is full: no file may have more than 5,000 bytes; the log has less.
    _, hard = resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE, (5000, hard))
    put('full.jsonl', sample_papers[440:450])
    job.wait_until(lambda: 'Cannot write to' in job.said())
    with contextlib.suppress(subprocess.TimeoutExpired):
        job.process.wait(1)
    resource.prlimit(job.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    job.wait_until(lambda: len(done(folder)) == 28)
    code = job.end(signal.SIGTERM)
    return folder, {'first': first_said, 'second': job.said(), 'code': code, 'locked out': second}


@pytest.mark.slow
def test_each_paper_comes_out_once_whatever_happened_on_the_way(left_running, sample_papers):
    folder, _ = left_running
    tagged = lines_of(windows_in(folder), 'part-*.jsonl')
    assert collections.Counter(paper['id'] for paper in tagged) == collections.Counter(
        paper['id'] for paper in sample_papers[:450]
    )
    for paper in tagged[::25]:
        validate(paper, 'scored_paper')


@pytest.mark.slow
def test_each_file_is_done_once_and_as_a_whole(left_running):
    folder, _ = left_running
    whole = ['before.jsonl', 'renamed.jsonl', 'growing.jsonl', 'back.jsonl', 'full.jsonl']
    assert done(folder) == {
        **{(name, 10): 1 for name in whole},
        **{(name, 1): 1 for name in ('page.xml', 'paper.jsonl', 'cut.jsonl.gz')},
        **{(f'many-{number}.jsonl', 20): 1 for number in range(20)},
    }


@pytest.mark.slow
def test_files_that_are_no_dumps_become_dead_letters(left_running):
    folder, _ = left_running
    letters = lines_of(windows_in(folder), 'dead_letters/part-*.jsonl')
    for letter in letters:
        validate(letter, 'dead_letter')
    assert sorted((letter['source'], letter['reason']) for letter in letters) == [
        (f'{folder}/in/cut.jsonl.gz', 'damaged_file'),
        (f'{folder}/in/page.xml', 'unknown_format'),
        (f'{folder}/in/paper.jsonl', 'unknown_format'),
    ]


@pytest.mark.slow
def test_what_happened_is_said_in_one_line_each(left_running):
    folder, said = left_running
    first, second = said['first'], said['second']
    assert first.count('Cannot list') == 1
    assert f'Cannot list {folder}/in: No such file or directory' in first
    assert f'{folder}/in is back in order.' in first
    assert second.count('Cannot write to') == 1
    assert 'Cannot write to out: File too large' in second
    assert 'out is back in order.' in second
    assert ': 1 file, 10 papers, 0 rejected\n' in first
    assert 'Traceback' not in first + second
    assert said['locked out'].returncode == 1
    assert said['locked out'].stderr == (
        f'arxiv-tagger: Another streaming job writes to {folder}/out. End that one first, or choose another folder.\n'
    )


@pytest.mark.slow
def test_a_job_that_is_asked_to_end_ends_well_and_leaves_only_what_is_published(left_running):
    folder, said = left_running
    assert said['code'] == 0
    assert said['second'].endswith('Ended. What was not published is read again at the next start.\n')
    for window in windows_in(folder):
        assert {path.name for path in window.iterdir()} == {
            'COMPLETED',
            'dead_letters',
            'part-00000-of-00001.jsonl',
            'sources.json',
            'statistics.json',
        }


@pytest.mark.slow
def test_a_job_for_a_scheduler_ends_when_all_is_published(left_running, model_dir, sample_papers):
    folder, _ = left_running
    before = windows_in(folder)
    write_json_lines(folder / 'in' / 'last.jsonl', sample_papers[450:460])
    job = Job(folder, model_dir, '--stop_when_idle', 0)
    assert job.process.wait(_PATIENCE) == 0
    [new] = set(windows_in(folder)) - set(before)
    assert len(lines_of([new], 'part-*.jsonl')) == 10
    assert not list((folder / 'out').glob('.staging-*'))
