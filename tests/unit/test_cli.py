"""The command line says what is wrong in one line and the user's words, and is quick to help."""

import subprocess
import sys

import pytest

from pipeline import cli
from pipeline.failures import explain
from schemas.errors import JobError
from tests.conftest import ROOT
from tests.helpers import COMMANDS


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the command line in this process; gives its exit code and what it wrote to standard error."""
    monkeypatch.setattr(cli.quiet, 'set_up', lambda verbose: None)
    monkeypatch.setattr(cli.signal, 'signal', lambda *_: None)

    def run(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return run


def test_help_imports_neither_tensorflow_nor_beam():
    script = (
        'import contextlib, io, sys\n'
        'from pipeline import cli\n'
        'for command in [[], ["prepare"], ["train"], ["evaluate"], ["score"], ["drift"], ["report"], ["serve"]]:\n'
        '    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n'
        '        cli.main([*command, "--help"])\n'
        'cli.main(["score", "--model_dir", "m", "--input", "i", "--output_dir", "o", "--top_k", "0"])\n'
        'slow = {"apache_beam", "keras", "numpy", "pyarrow", "tensorflow", "tensorflow_transform"}\n'
        'print(sorted(slow & set(sys.modules)))\n'
    )
    done = subprocess.run([sys.executable, '-c', script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ('[]\n', 'arxiv-tagger: --top_k 0 is below 1\n')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], 'the following arguments are required: COMMAND. See arxiv-tagger --help'),
        (
            ['prepare', '--output_dir', 'o'],
            'the following arguments are required: --input. See arxiv-tagger prepare --help',
        ),
        (['prepare', *COMMANDS['prepare'], '--shards', 'many'], "argument --shards: invalid int value: 'many'"),
        (['prepare', *COMMANDS['prepare'], '--text', 'body'], "argument --text: invalid choice: 'body'"),
        (['prepare', *COMMANDS['prepare'], '--csv_columns', 'title'], '"title" is not FIELD=COLUMN,...'),
        (['prepare', *COMMANDS['prepare'], '--shards', '0'], '--shards 0 is below 1'),
        (['prepare', *COMMANDS['prepare'], '--vocabulary_size', '0'], '--vocabulary_size 0 is not between 1 and'),
        (['prepare', *COMMANDS['prepare'], '--ngram_max', '4'], '--ngram_max 4 is not between 1 and 3'),
        (
            ['prepare', *COMMANDS['prepare'], '--weighting', 'count', '--sublinear_tf'],
            '--sublinear_tf changes nothing with --weighting count; leave one of them out',
        ),
        (
            ['prepare', *COMMANDS['prepare'], '--analysis_cache_dir', 'out/cache'],
            '--analysis_cache_dir out/cache lies in --output_dir',
        ),
        (['prepare', *COMMANDS['prepare'], '--max_record_bytes', '10'], '--max_record_bytes 10 is not between'),
        (
            ['prepare', *COMMANDS['prepare'], '--max_rejected_fraction', 'nan'],
            '--max_rejected_fraction nan is not between 0 and 1',
        ),
        (
            ['prepare', *COMMANDS['prepare'], '--validation_fraction', '0.5', '--test_fraction', '0.5'],
            '--validation_fraction 0.5 and --test_fraction 0.5 leave no training papers',
        ),
        (['prepare', *COMMANDS['prepare'], '--test_fraction', '0'], '--test_fraction 0.0 is not between 0 and 1'),
        (
            ['prepare', *COMMANDS['prepare'], '--split_tolerance', '0'],
            '--split_tolerance 0.0 is not above 0 and at most 1',
        ),
        (['prepare', *COMMANDS['prepare'], '--min_label_set_papers', '0'], '--min_label_set_papers 0 is below 1'),
        (
            ['prepare', *COMMANDS['prepare'], '--csv_columns', 'name=x'],
            '--csv_columns names the field "name"; the fields are id, title, abstract, categories, updated',
        ),
        (['evaluate', *COMMANDS['evaluate'], '--batch_size', '0'], '--batch_size 0 is below 1'),
        (['score', *COMMANDS['score'], '--top_k', '-1'], '--top_k -1 is below 1'),
        (['train', *COMMANDS['train'], '--epochs', '0'], '--epochs 0 is below 1'),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line_in_the_words_of_the_flags(run, arguments, message):
    code, error = run(*arguments)
    assert code == 2
    assert error.startswith('arxiv-tagger: ')
    assert message in error
    assert error.count('\n') == 1


def test_an_unknown_command_is_refused_with_those_that_there_are(run):
    code, error = run('predict', '--input', 'x')
    assert code == 2
    assert "invalid choice: 'predict'" in error
    for command in COMMANDS:
        assert f"'{command}'" in error


def test_an_input_that_matches_nothing_ends_with_1_and_makes_no_folder(run, tmp_path):
    missing = tmp_path / 'missing*.csv'
    code, error = run('prepare', '--input', missing, '--output_dir', tmp_path / 'out')
    assert code == 1
    assert error == f'arxiv-tagger: --input {missing} matches no file. Check the path; quote a pattern with * in it.\n'
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('command', 'arguments', 'made_by'),
    [
        ('train', ['--data_dir', '{}', '--model_dir', '{}/new'], 'prepare'),
        ('evaluate', ['--model_dir', '{}', '--input', 'x'], 'train'),
        ('score', ['--model_dir', '{}', '--input', 'x', '--output_dir', '{}/new'], 'train'),
    ],
)
def test_an_unfinished_output_of_the_stage_before_ends_with_1(run, tmp_path, command, arguments, made_by):
    code, error = run(command, *[argument.format(tmp_path) for argument in arguments])
    assert code == 1
    assert error == (
        f'arxiv-tagger: {tmp_path} has no file COMPLETED, so it is no finished output of "arxiv-tagger {made_by}". '
        'Run that command to its end first.\n'
    )
    assert list(tmp_path.iterdir()) == []


WORKER_TRACEBACK = """\
Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1501, in apache_beam.runners.common.DoFnRunner.process
  File "pipeline/read.py", line 120, in _rejected
    raise JobError(
schemas.errors.JobError: dump.gz is damaged: it is cut off (readable up to byte 17). Fetch it again.

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "apache_beam/runners/worker/sdk_worker.py", line 311, in _execute
RuntimeError: schemas.errors.JobError: dump.gz is damaged: it is cut off (readable up to byte 17). Fetch it again. \
[while running 'ReadPapers/ReadRecords-ptransform-44']
"""


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (
            RuntimeError(WORKER_TRACEBACK),
            'dump.gz is damaged: it is cut off (readable up to byte 17). Fetch it again.',
        ),
        (
            JobError("The input holds no record. [while running 'ReadPapers/CheckRejected-ptransform-12']"),
            'The input holds no record.',
        ),
        (
            OSError(28, 'No space left on device', 'out/part-0'),
            'the job failed: No space left on device (out/part-0). Nothing was published. '
            'Make room there, and say the same again.',
        ),
        (
            RuntimeError(
                "Traceback:\n  File x\nOSError: [Errno 13] Permission denied: 'out/part-0' [while running 'Write']\n"
            ),
            'the job failed: Permission denied (out/part-0). Nothing was published.',
        ),
        (
            RuntimeError('Traceback:\nOSError: [Errno 5] Input/output error'),
            'the job failed: Input/output error. Nothing was published.',
        ),
        (
            RuntimeError("Traceback:\n  File x\nKeyError: 'labels' [while running 'Transform']\n\n"),
            "the job failed: KeyError: 'labels'. Nothing was published; --verbose shows the traceback.",
        ),
        (
            RuntimeError("Traceback (most recent call last):\n  File x\nKeyboardInterrupt\n [while running 'Write']"),
            'interrupted; nothing was published.',
        ),
        (MemoryError(), 'the job failed: MemoryError. Nothing was published; --verbose shows the traceback.'),
    ],
)
def test_whatever_fails_is_told_in_one_line(error, message):
    assert explain(error) == message


def test_a_job_error_that_was_raised_on_a_worker_ends_with_1_and_its_own_message(run, monkeypatch):
    def fails(arguments):
        raise RuntimeError(WORKER_TRACEBACK)

    monkeypatch.setitem(cli._COMMANDS, 'prepare', fails)
    code, error = run('prepare', *COMMANDS['prepare'])
    assert (code, error) == (
        1,
        'arxiv-tagger: dump.gz is damaged: it is cut off (readable up to byte 17). Fetch it again.\n',
    )


def test_verbose_shows_the_traceback_above_the_line(run, monkeypatch):
    def fails(arguments):
        raise JobError('The input holds no record.')

    monkeypatch.setitem(cli._COMMANDS, 'prepare', fails)
    code, error = run('prepare', *COMMANDS['prepare'], '--verbose')
    assert code == 1
    assert error.startswith('Traceback (most recent call last):\n')
    assert error.endswith('\narxiv-tagger: The input holds no record.\n')
