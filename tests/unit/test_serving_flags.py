"""The flags of `serve`: their defaults, and what makes no sense."""

import pytest

from pipeline import cli
from serving.flags import ServeConfig


def test_it_listens_to_this_machine_alone_unless_told_otherwise():
    config = ServeConfig(model_dir='model')
    assert (config.host, config.port) == ('127.0.0.1', 8501)


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        ([], 'the following arguments are required: --model_dir. See arxiv-tagger serve --help'),
        (['--port', '65536'], '--port 65536 is not between 0 and 65535'),
        (['--port', 'http'], "argument --port: invalid int value: 'http'. See arxiv-tagger serve --help"),
        (['--poll_seconds', '0'], '--poll_seconds 0.0 is not above 0'),
        (['--queue_papers', '0'], '--queue_papers 0 is below 1'),
        (['--read_seconds', '-1'], '--read_seconds -1.0 is not above 0'),
        (['--workers', '0'], '--workers 0 is below 1'),
        (['--runner', 'flink'], '"serve" has no flag --runner; did you mean --workers? See arxiv-tagger serve --help'),
    ],
)
def test_wrong_flags_are_told_in_one_line(flags, message, capsys):
    assert cli.main(['serve', *(['--model_dir', 'model'] if flags else []), *flags]) == 2
    assert capsys.readouterr().err == f'arxiv-tagger: {message}\n'


def test_a_folder_that_holds_no_model_is_refused(tmp_path, capsys):
    assert cli.main(['serve', '--model_dir', str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f'arxiv-tagger: {tmp_path} has no file COMPLETED, so it is no finished output of "arxiv-tagger train". '
        'Run that command to its end first.\n'
    )
