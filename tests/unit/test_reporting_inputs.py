"""The report reads what is there, says what is missing, and never holds many dead letters at a time."""

import base64
import json

import pytest

from reporting import inputs
from reporting.flags import ReportConfig
from schemas.errors import ConfigError, JobError
from tests.report_files import LETTER, write, write_data, write_model, write_scored


def test_a_report_of_nothing_is_refused():
    with pytest.raises(ConfigError, match='"report" has nothing to show: give --data_dir, --model_dir, --scored'):
        ReportConfig(output_dir='r', drift='drift.json')


def test_what_an_older_version_did_not_write_is_none(tmp_path):
    data, model = write_data(tmp_path / 'data'), write_model(tmp_path / 'model')
    for path in (data / 'overview.json', model / 'review.json', model / 'plots/reliability_before.csv'):
        path.unlink()
    assert inputs.read_data(str(data)).overview is None
    found = inputs.read_model(str(model))
    assert (found.review, found.reliability_before) == (None, None)
    assert found.history[0]['loss'] == '0.08'


@pytest.mark.parametrize(
    ('flag', 'message'),
    [
        ('data_dir', '{} does not exist, so it is no finished output of "arxiv-tagger prepare". Run that command'),
        ('model_dir', '{} does not exist, so it is no finished output of "arxiv-tagger train". Run that command'),
        ('scored', '{} does not exist, so it is no finished output of "arxiv-tagger score". Run that command'),
    ],
)
def test_an_unfinished_folder_is_named(tmp_path, flag, message):
    folder = str(tmp_path / 'none')
    with pytest.raises(JobError) as error:
        inputs.read(ReportConfig(output_dir='r', **{flag: folder}))
    assert str(error.value).startswith(message.format(folder))


def test_folders_of_other_commands_are_told_apart(tmp_path):
    data, model = write_data(tmp_path / 'data'), write_model(tmp_path / 'model')
    scored = write_scored(tmp_path / 'scored')
    for folder, read, message in (
        (
            model,
            inputs.read_data,
            '--data_dir {} has no statistics.json, so it is no output of "arxiv-tagger prepare".',
        ),
        (scored, inputs.read_data, '--data_dir {} has a statistics.json without "splits", so it is no output of'),
        (data, inputs.read_model, '--model_dir {} has no metrics.json, so it is no output of "arxiv-tagger train".'),
        (data, inputs.read_scored, '--scored {} has a statistics.json without "tagged", so it is no output of'),
    ):
        with pytest.raises(JobError) as error:
            read(str(folder))
        assert str(error.value).startswith(message.format(folder))


def test_a_folder_of_windows_asks_for_one_of_them(tmp_path):
    window = write_scored(tmp_path / 'stream' / '20261121T124600Z-52449d6f')
    with pytest.raises(JobError) as error:
        inputs.read_scored(str(tmp_path / 'stream'))
    assert str(error.value) == (
        f'--scored {tmp_path}/stream holds windows of a streaming job. Name one of them, such as {window}.'
    )
    assert inputs.read_scored(str(window)).statistics['tagged'] == 200


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('metrics.json', '{', 'metrics.json is no JSON (Expecting property name'),
        ('review.json', '[]', 'review.json holds no JSON object: it is damaged.'),
        ('history.csv', 'epoch,loss,learning_rate\n1', 'history.csv has a line that is cut off: it is damaged.'),
        ('history.csv', '', 'history.csv has no column "epoch", as another version wrote it. Run "arxiv-tagger train"'),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content, message):
    model = write_model(tmp_path / 'model', **{name: content})
    with pytest.raises(JobError) as error:
        inputs.read_model(str(model))
    assert str(error.value).startswith(f'{model}/{message}')


def test_a_file_that_is_no_drift_report_is_named(tmp_path):
    write(tmp_path, **{'drift.json': {'papers': 1}})
    for name, message in (
        ('drift.json', 'is no report of drift. Write one with "arxiv-tagger drift --output FILE ...".'),
        ('none.json', f'does not exist. Write it with "arxiv-tagger drift --output {tmp_path}/none.json ...".'),
    ):
        data = write_data(tmp_path / 'data')
        with pytest.raises(JobError) as error:
            inputs.read(ReportConfig(output_dir='r', data_dir=str(data), drift=str(tmp_path / name)))
        assert str(error.value) == f'--drift {tmp_path}/{name} {message}'


def test_the_first_200_dead_letters_are_read_and_the_begin_of_each_record(tmp_path):
    letters = [LETTER | {'position': number, 'raw': 'x' * 5000} for number in range(300)]
    found = inputs.read_scored(str(write_scored(tmp_path, letters))).dead_letters
    assert [letter['position'] for letter in found] == list(range(200))
    assert {letter['raw'] for letter in found} == {'x' * 300}


def test_records_that_are_no_utf8_are_shown_with_their_bytes(tmp_path):
    raw = base64.b64encode(b'caf\xe9 ' * 200).decode()
    found = inputs.read_scored(str(write_scored(tmp_path, [LETTER | {'raw': raw, 'raw_encoding': 'base64'}])))
    assert found.dead_letters[0]['raw'].startswith('caf\\xe9 caf\\xe9 ')
    assert len(found.dead_letters[0]['raw']) == 300


def test_a_damaged_dead_letter_is_named(tmp_path):
    name = 'dead_letters/part-00000-of-00001.jsonl'
    for line in ('{', json.dumps({'reason': 'too_long'})):
        with pytest.raises(JobError, match=f'{name} has a line that is no dead letter: it is damaged'):
            inputs.read_scored(str(write_scored(tmp_path, **{name: line + '\n'})))
