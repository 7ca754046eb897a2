"""Files that have a scheme: what object stores do otherwise than disks is not to be noticed, and errors are plain."""

import urllib.parse

import pytest
from apache_beam.io.aws import s3io
from apache_beam.io.aws.clients.s3 import fake_client
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.value_provider import RuntimeValueProvider

from pipeline.published import Published, exclusive, require_own, show
from schemas import outputs, remote, scratch
from schemas.errors import JobError
from tests import remote_files


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    """The folder of `remote://bucket`; `remote://denied` and `remote://readonly` cannot be used, or not be written."""
    monkeypatch.setenv(remote_files.VARIABLE, str(tmp_path))
    # As at the begin of a command: Beam has built no pipeline yet.
    monkeypatch.setattr(FileSystems, '_pipeline_options', None)
    monkeypatch.setattr(RuntimeValueProvider, 'runtime_options', None)
    for name in ('denied', 'readonly', 'bucket'):
        (tmp_path / name).mkdir()
    return tmp_path / 'bucket'


def put(bucket, **objects):
    for name, content in objects.items():
        (bucket / urllib.parse.quote(name.replace('__', '/'), safe='')).write_text(content)


def objects(bucket):
    """Name -> content of all objects."""
    return {urllib.parse.unquote(file.name): file.read_text() for file in sorted(bucket.iterdir())}


def changes(bucket):
    """What was done to objects, in order."""
    log = bucket.parent / remote_files.LOG
    return [line.replace('remote://bucket/', '') for line in log.read_text().splitlines()]


def refusal(action, *arguments):
    """Why an action fails: the words, and the path."""
    with pytest.raises(OSError) as error:  # noqa: PT011 - the caller looks at the words
        action(*arguments)
    assert type(error.value) is type(OSError(error.value.errno, ''))
    return error.value.strerror, error.value.filename


def test_a_file_comes_back_as_it_was_written_whatever_its_name_ends_with(bucket):
    outputs.write_bytes('remote://bucket/a.json.gz', b'no gzip at all')
    assert objects(bucket) == {'a.json.gz': 'no gzip at all'}
    assert outputs.read_bytes('remote://bucket/a.json.gz') == b'no gzip at all'
    assert list(outputs.read_blocks('remote://bucket/a.json.gz', 3, 5)) == [b'gzip ', b'at al', b'l']
    outputs.write_text('remote://bucket/empty', '')
    assert outputs.read_bytes('remote://bucket/empty') == b''
    outputs.write_json('remote://bucket/a.json', {'read': 9})
    assert outputs.read_json('remote://bucket/a.json') == {'read': 9}


def test_a_folder_is_what_names_begin_with(bucket):
    put(bucket, out__b='bb', out__a__c='', output='')
    # What consoles make for an empty folder.
    put(bucket, out__='', empty__='')
    assert outputs.children('remote://bucket/out') == outputs.children('remote://bucket/out/') == ['a', 'b']
    assert outputs.children('remote://bucket') == ['out', 'output']
    assert outputs.children('remote://bucket/none') == []
    assert {name: info.size for name, info in outputs.files_below('remote://bucket/out').items()} == {'b': 2, 'a/c': 0}
    names = ('remote://bucket', 'remote://bucket/out', 'remote://bucket/out/a/', 'remote://bucket/out/b')
    assert all(outputs.exists(name) for name in names)
    names = ('remote://none', 'remote://none/out', 'remote://bucket/ou', 'remote://bucket/out/a/b')
    assert not any(outputs.exists(name) for name in names)
    assert outputs.info('remote://bucket/out/b') == (
        (bucket / 'out%2Fb').stat().st_size,
        pytest.approx((bucket / 'out%2Fb').stat().st_mtime_ns, abs=1000),
    )


def test_removing_and_renaming_take_all_that_is_in_a_folder_and_nothing_beside_it(bucket):
    put(bucket, a__x='1', a__b__y='2', ab='3', a='4')
    outputs.move('remote://bucket/a', 'remote://bucket/c')
    assert objects(bucket) == {'a': '4', 'ab': '3', 'c/b/y': '2', 'c/x': '1'}
    outputs.move('remote://bucket/ab', 'remote://bucket/d')
    put(bucket, c='5')
    outputs.remove('remote://bucket/c')
    outputs.remove('remote://bucket/none')
    assert objects(bucket) == {'a': '4', 'd': '3'}


def test_what_goes_wrong_is_said_in_plain_words_with_the_path(bucket):
    put(bucket.parent / 'readonly', a='')
    assert refusal(outputs.read_bytes, 'remote://bucket/a') == ('No such file', 'remote://bucket/a')
    assert refusal(outputs.info, 'remote://bucket/a') == ('No such file', 'remote://bucket/a')
    assert refusal(outputs.write_text, 'remote://none/a', '') == ('No such bucket', 'remote://none/a')
    assert refusal(outputs.children, 'remote://none/a') == ('No such bucket', 'remote://none/a/**')
    for action in (outputs.read_bytes, outputs.exists, outputs.children, outputs.remove):
        assert refusal(action, 'remote://denied/a')[0] == 'Permission denied'
    for action in (lambda path: outputs.write_text(path, ''), outputs.remove, lambda path: outputs.move(path, path)):
        assert refusal(action, 'remote://readonly/a') == ('Permission denied', 'remote://readonly/a')
    assert refusal(outputs.read_bytes, 'unknown://bucket/a') == (
        'No file system for unknown:// is installed. gs:// needs apache-beam[gcp], s3:// apache-beam[aws], '
        'one of your own --beam_plugins',
        'unknown://bucket/a',
    )
    assert refusal(outputs.children, 'remote://bucket/*') == (
        'Remote paths may not have *, ? or [ in them',
        'remote://bucket/*',
    )


def test_a_file_whose_content_cannot_be_had_does_not_appear(bucket):
    def blocks():
        yield b'half'
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        outputs.write_blocks('remote://bucket/a', blocks())
    assert objects(bucket) == {}


def test_beams_flags_say_how_file_systems_are_reached(bucket, monkeypatch):
    monkeypatch.setattr(remote, '_flags', [])
    remote.use_flags(['--s3_region_name', 'eu-west-1', '--unknown=1'])
    outputs.write_text('remote://bucket/a', '')
    assert FileSystems._pipeline_options.get_all_options(drop_default=True) == {'s3_region_name': 'eu-west-1'}


def test_an_empty_file_can_be_written_to_s3(monkeypatch):
    """apache/beam#21369: S3 completes no upload without parts."""
    client = fake_client.FakeS3Client()
    monkeypatch.setattr(remote.importlib.util, 'find_spec', lambda _: True)
    monkeypatch.setattr(s3io, 'BOTO3_INSTALLED', True)
    monkeypatch.setattr(s3io, 'boto3_client', type('', (), {'Client': lambda options: client}), raising=False)
    uploaded = []
    upload_part = client.upload_part
    monkeypatch.setattr(client, 'upload_part', lambda request: uploaded.append(request.bytes) or upload_part(request))
    outputs.write_text('s3://bucket/COMPLETED', '')
    assert uploaded == [b'']
    assert outputs.read_bytes('s3://bucket/COMPLETED') == b''
    outputs.write_bytes('s3://bucket/full', b'full')
    assert uploaded == [b'', b'full']


def publish(*, overwrite=False, unfinished=None, **files):
    names = ['data', 'part-*']
    options = {'made_by': 'train', 'overwrite': overwrite, 'unfinished': unfinished}
    with outputs.publish('remote://bucket/out', names, **options) as staging:
        for name, text in files.items():
            outputs.write_text(f'{staging}/{name.replace("__", "/").replace("_", "-")}', text)


def test_what_is_published_appears_before_completed_which_goes_first_when_it_is_replaced(bucket):
    publish(data__a='A', part_0='0', part_1='1')
    put(bucket, **{'out/unfinished/state': 'epoch 3', 'out/.staging-0123456789ab/data/a': 'half'})
    (bucket.parent / remote_files.LOG).unlink()
    publish(overwrite=True, unfinished='unfinished', data__b='B', part_0='new')
    assert objects(bucket) == {'out/COMPLETED': '', 'out/data/b': 'B', 'out/part-0': 'new'}
    visible = [line.rpartition(' out/')[2] for line in changes(bucket) if '.' not in line.rpartition(' out/')[2]]
    assert visible == [
        *('COMPLETED', 'data/a', 'part-0', 'part-1'),
        *('data/b', 'part-0'),
        'COMPLETED',
        'unfinished/state',
    ]


def test_an_exception_leaves_nothing_of_a_run_and_all_of_the_one_before(bucket):
    with pytest.raises(AttributeError):
        publish(data__a=None)
    assert objects(bucket) == {}
    publish(data__a='A')
    with pytest.raises(AttributeError):
        publish(overwrite=True, part_0='0', data__a=None)
    assert objects(bucket) == {'out/COMPLETED': '', 'out/data/a': 'A'}


@pytest.mark.parametrize(
    ('folder', 'reason'),
    [
        ('remote://none/out', 'No such bucket'),
        ('remote://denied/out', 'Permission denied'),
        ('remote://readonly/out', 'Permission denied'),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work_begins(bucket, folder, reason):
    with (
        pytest.raises(JobError) as error,
        outputs.publish(folder, ['data'], made_by='prepare', overwrite=False),
    ):
        pytest.fail('the work began')
    assert str(error.value) == f'Cannot write to {folder}: {reason}. Choose another folder.'
    with pytest.raises(JobError) as error:
        outputs.require_writable(folder, '--analysis_cache_dir')
    assert str(error.value).startswith(f'Cannot write to --analysis_cache_dir {folder}: {reason}. ')


def test_files_of_others_are_left_alone(bucket):
    put(bucket, out__notes='mine')
    with pytest.raises(
        JobError, match=r'remote://bucket/out holds files that "arxiv-tagger train" did not make \(notes\)'
    ):
        publish(data__a='A')
    assert objects(bucket) == {'out/notes': 'mine'}


def test_a_local_copy_lasts_as_long_as_it_is_needed(bucket, tmp_path):
    put(bucket, model__a__b='B', model__c='C', models='no')
    with scratch.fetched('remote://bucket/model') as local:
        assert {name: info.size for name, info in outputs.files_below(local).items()} == {'a/b': 1, 'c': 1}
        assert outputs.read_bytes(f'{local}/a/b') == b'B'
    assert not outputs.exists(local)
    with scratch.fetched('remote://bucket/model', 'a/') as local:
        assert list(outputs.files_below(local)) == ['a/b']
    with scratch.fetched(str(tmp_path)) as local:
        assert local == str(tmp_path)


def test_what_is_written_to_a_local_folder_is_copied_unless_an_exception_ends_it(bucket):
    def work(error=None):
        with scratch.uploaded('remote://bucket/model') as local:
            outputs.make_folder(f'{local}/a')
            outputs.write_text(f'{local}/a/b', 'B')
            if error:
                raise error

    with pytest.raises(ZeroDivisionError):
        work(ZeroDivisionError())
    assert objects(bucket) == {}
    work()
    assert objects(bucket) == {'model/a/b': 'B'}


def test_the_streaming_job_that_began_last_has_the_folder(bucket):
    folder, window = 'remote://bucket/out', '20261121T124600Z-52449d6f'
    put(bucket, **{f'out/{window}/part-0': 'half'})
    with exclusive(folder) as first:
        outputs.write_text(f'{first}/{window}/part-0', 'whole')
        outputs.write_text(f'{first}/{window}/sources.json', '{"files": [{"path": "a", "size": 1, "mtime_ns": 2}]}')
        require_own(folder, first)
        show(f'{first}/{window}', f'{folder}/{window}')
        assert changes(bucket)[-1] == f'create out/{window}/COMPLETED'
        published = Published(folder)
        assert (published.refresh(), published.done) == ([window], {('a', 1, 2)})
        outputs.write_text(f'{first}/later', '')
        with exclusive(folder) as second:
            require_own(folder, second)
            assert not outputs.exists(first)
            with pytest.raises(JobError) as error:
                require_own(folder, first)
    assert str(error.value) == (
        'Another streaming job has taken remote://bucket/out over, so this one ends. What it published stays.'
    )
    assert sorted(objects(bucket)) == [
        'out/.lock',
        *(f'out/{window}/{name}' for name in ('COMPLETED', 'part-0', 'sources.json')),
    ]
