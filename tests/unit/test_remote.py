"""Files that have a scheme: what object stores do otherwise than disks is not to be noticed, and errors are plain."""

import pytest
from apache_beam.io.aws import s3io
from apache_beam.io.aws.clients.s3 import fake_client
from apache_beam.io.filesystems import FileSystems

from pipeline.config import InputConfig
from pipeline.inputs import find_dumps
from pipeline.published import Published, exclusive, require_own, show
from schemas import outputs, remote, scratch
from schemas.errors import JobError


def refusal(action, *arguments):
    """Why an action fails: the words, and the path."""
    with pytest.raises(OSError) as error:  # noqa: PT011 - the caller looks at the words
        action(*arguments)
    assert type(error.value) is type(OSError(error.value.errno, ''))
    return error.value.strerror, error.value.filename


def test_a_file_comes_back_as_it_was_written_whatever_its_name_ends_with(bucket):
    outputs.write_bytes('remote://bucket/a.json.gz', b'no gzip at all')
    assert bucket.objects() == {'a.json.gz': b'no gzip at all'}
    assert outputs.read_bytes('remote://bucket/a.json.gz') == b'no gzip at all'
    assert list(outputs.read_blocks('remote://bucket/a.json.gz', 3, 5)) == [b'gzip ', b'at al', b'l']
    outputs.write_text('remote://bucket/empty', '')
    assert outputs.read_bytes('remote://bucket/empty') == b''
    outputs.write_json('remote://bucket/a.json', {'read': 9})
    assert outputs.read_json('remote://bucket/a.json') == {'read': 9}


def test_a_folder_is_what_names_begin_with(bucket):
    # What ends with a slash is what consoles make for an empty folder.
    for name in ('out/', 'empty/', 'out/a/c', 'output'):
        bucket.put(name)
    bucket.put('out/b', b'bb')
    assert outputs.children('remote://bucket/out') == outputs.children('remote://bucket/out/') == ['a', 'b']
    assert outputs.children('remote://bucket') == ['out', 'output']
    assert outputs.children('remote://bucket/none') == []
    assert {name: info.size for name, info in outputs.files_below('remote://bucket/out').items()} == {'b': 2, 'a/c': 0}
    assert outputs.info('remote://bucket/out/b') == outputs.files_below('remote://bucket')['out/b']
    names = ('remote://bucket', 'remote://bucket/out', 'remote://bucket/out/a/', 'remote://bucket/out/b')
    assert all(outputs.exists(name) for name in names)
    names = ('remote://none', 'remote://none/out', 'remote://bucket/ou', 'remote://bucket/out/a/b')
    assert not any(outputs.exists(name) for name in names)


def test_removing_and_renaming_take_all_that_is_in_a_folder_and_nothing_beside_it(bucket):
    for name in ('a/x', 'a/b/y', 'ab', 'a'):
        bucket.put(name, name.encode())
    outputs.move('remote://bucket/a', 'remote://bucket/c')
    assert bucket.objects() == {'a': b'a', 'ab': b'ab', 'c/b/y': b'a/b/y', 'c/x': b'a/x'}
    outputs.move('remote://bucket/ab', 'remote://bucket/d')
    bucket.put('c')
    outputs.remove('remote://bucket/c')
    outputs.remove('remote://bucket/none')
    assert bucket.objects() == {'a': b'a', 'd': b'ab'}


def test_what_goes_wrong_is_said_in_plain_words_with_the_path(bucket):
    (bucket.folder / 'readonly' / 'a').touch()
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
    assert bucket.objects() == {}


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
    """Publishes files ('data__a' is a file a in a folder data) in one go."""
    options = {'made_by': 'train', 'overwrite': overwrite, 'unfinished': unfinished}
    with outputs.publish('remote://bucket/out', ['data', 'part'], **options) as staging:
        for name, text in files.items():
            outputs.write_text(f'{staging}/{name.replace("__", "/")}', text)


def test_what_is_published_appears_before_completed_which_goes_first_when_it_is_replaced(bucket):
    publish(data__a='A', data__c='C', part='0')
    before = len(bucket.changes())
    bucket.put('out/unfinished/state', b'epoch 3')
    bucket.put('out/.staging-0123456789ab/data/a', b'half')
    publish(overwrite=True, unfinished='unfinished', data__b='B', part='new')
    assert bucket.objects() == {'out/COMPLETED': b'', 'out/data/b': b'B', 'out/part': b'new'}
    assert [change for change in bucket.changes('out/')[before:] if not change[1].startswith('.')] == [
        ('delete', 'COMPLETED'),
        ('delete', 'data/a'),
        ('delete', 'data/c'),
        ('delete', 'part'),
        ('rename', 'data/b'),
        ('rename', 'part'),
        ('create', 'COMPLETED'),
        ('delete', 'unfinished/state'),
    ]


def test_an_exception_leaves_nothing_of_a_run_and_all_of_the_one_before(bucket):
    with pytest.raises(AttributeError):
        publish(part='0', data__a=None)
    assert bucket.objects() == {}
    publish(data__a='A')
    with pytest.raises(AttributeError):
        publish(overwrite=True, part='0', data__a=None)
    assert bucket.objects() == {'out/COMPLETED': b'', 'out/data/a': b'A'}


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
    bucket.put('out/notes')
    with pytest.raises(JobError, match='remote://bucket/out holds files that "arxiv-tagger train" did not make'):
        publish(data__a='A')
    assert bucket.objects() == {'out/notes': b''}


@pytest.mark.parametrize(
    ('pattern', 'message'),
    [
        ('remote://bucket/none', '--input remote://bucket/none matches no file.'),
        (
            'remote://bucket/in',
            "--input remote://bucket/in is a folder. Say which files in it: .* remote://bucket/in/'",
        ),
        ('remote://none/*', r'Cannot list --input remote://none/\*: No such bucket'),
        ('remote://denied/a', 'Cannot list --input remote://denied/a: Permission denied'),
    ],
)
def test_an_input_that_is_not_there_is_told(bucket, pattern, message):
    bucket.put('in/a.jsonl')
    with pytest.raises(JobError, match=message):
        find_dumps(InputConfig(patterns=(pattern,)), labelled=False)


def test_a_local_copy_lasts_as_long_as_it_is_needed(bucket, tmp_path):
    for name in ('model/a/b', 'model/c', 'models'):
        bucket.put(name, name.encode())
    with scratch.fetched('remote://bucket/model') as local:
        assert sorted(outputs.files_below(local)) == ['a/b', 'c']
        assert outputs.read_bytes(f'{local}/a/b') == b'model/a/b'
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
    assert bucket.objects() == {}
    work()
    assert bucket.objects() == {'model/a/b': b'B'}


def test_the_streaming_job_that_began_last_has_the_folder(bucket):
    folder, window = 'remote://bucket/out', '20261121T124600Z-52449d6f'
    bucket.put(f'out/{window}/part-0', b'half')
    with exclusive(folder) as first:
        assert list(bucket.objects(f'out/{window}')) == []
        outputs.write_text(f'{first}/{window}/part-0', 'whole')
        outputs.write_text(f'{first}/{window}/sources.json', '{"files": [{"path": "a", "size": 1, "mtime_ns": 2}]}')
        require_own(folder, first)
        show(f'{first}/{window}', f'{folder}/{window}')
        assert bucket.changes('out/')[-1] == ('create', f'{window}/COMPLETED')
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
    assert sorted(bucket.objects('out/')) == [
        '.lock',
        *(f'{window}/{name}' for name in ('COMPLETED', 'part-0', 'sources.json')),
    ]
