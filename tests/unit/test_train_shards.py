"""Shards are what the manifest says, or the first that is not is named."""

import hashlib
import json
import re

import pytest

from schemas import outputs
from schemas.errors import JobError
from trainer.shards import count_papers, digest, shards, verify, within_reach

CONTENTS = {
    'examples/train/part-00001-of-00002.tfrecord.gz': b'two',
    'examples/train/part-00000-of-00002.tfrecord.gz': b'the first',
    'examples/test/part-00000-of-00001.tfrecord.gz': b'test',
    'dead_letters/part-00000-of-00001.jsonl': b'',
}
LABELS = 'label\tid\tpapers\ncs.LG\t0\t9\n'


def entry(name, content):
    return {'file': name, 'records': len(content), 'bytes': len(content), 'sha256': hashlib.sha256(content).hexdigest()}


@pytest.fixture
def data_dir(tmp_path):
    for name, content in {**CONTENTS, 'vocabulary/labels.tsv': LABELS.encode()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    manifest = {'shards': [entry(name, content) for name, content in CONTENTS.items()]}
    (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
    return tmp_path


def refusal(data_dir):
    with pytest.raises(JobError) as error:
        verify(shards(str(data_dir), 'train'))
    return str(error.value)


def test_the_shards_of_a_split_come_in_order_with_their_papers(data_dir):
    found = shards(str(data_dir), 'train')
    assert [(shard.path, shard.papers) for shard in found] == [
        (f'{data_dir}/examples/train/part-00000-of-00002.tfrecord.gz', 9),
        (f'{data_dir}/examples/train/part-00001-of-00002.tfrecord.gz', 3),
    ]
    assert count_papers(found) == 12
    assert shards(str(data_dir), 'validation') == []
    verify(found)


def test_a_shard_that_is_missing_cut_off_or_changed_is_named(data_dir):
    path = data_dir / 'examples/train/part-00001-of-00002.tfrecord.gz'
    again = 'Run "arxiv-tagger prepare" again, with --overwrite.'
    path.write_bytes(b'twO')
    assert refusal(data_dir) == f'{path} is damaged: its SHA-256 is not the one in manifest.json. {again}'
    path.write_bytes(b'tw')
    assert refusal(data_dir) == f'{path} has 2 bytes, not the 3 that manifest.json says. {again}'
    path.unlink()
    assert refusal(data_dir) == f'{path} is missing, though manifest.json lists it. {again}'


@pytest.mark.parametrize(
    ('manifest', 'what'),
    [
        (None, 'is missing'),
        ('{"shards": [', 'cannot be read or is damaged'),
        ('{}', 'cannot be read or is damaged'),
        ('[]', 'cannot be read or is damaged'),
        ('{"shards": [{"file": "examples/train/part-0"}]}', 'cannot be read or is damaged'),
        ('{"shards": [{"file": 7}]}', 'cannot be read or is damaged'),
    ],
)
def test_a_manifest_that_is_missing_or_damaged_is_told_with_what_to_do(data_dir, manifest, what):
    path = data_dir / 'manifest.json'
    path.unlink()
    if manifest is not None:
        path.write_text(manifest)
    with pytest.raises(JobError, match=re.escape(f'{path} {what}. Run "arxiv-tagger prepare" again')):
        shards(str(data_dir), 'train')


def test_data_is_named_by_shards_and_labels_not_by_its_folder_nor_by_dead_letters(data_dir, tmp_path_factory):
    name = digest(str(data_dir))
    assert re.fullmatch('[0-9a-f]{16}', name)
    moved = data_dir.rename(tmp_path_factory.mktemp('moved') / 'data')
    manifest = json.loads((moved / 'manifest.json').read_text())
    manifest['shards'][3]['records'] = 5
    (moved / 'manifest.json').write_text(json.dumps(manifest))
    assert digest(str(moved)) == name
    (moved / 'vocabulary/labels.tsv').write_text(LABELS.replace('cs.LG', 'cs.AI'))
    assert digest(str(moved)) != name
    (moved / 'vocabulary/labels.tsv').write_text(LABELS)
    manifest['shards'][2]['sha256'] = '0' * 64
    (moved / 'manifest.json').write_text(json.dumps(manifest))
    assert digest(str(moved)) != name


def test_shards_that_tensorflow_cannot_read_where_they_are_are_copied_and_named_as_before(bucket, data_dir, tmp_path):
    for name in ('manifest.json', *CONTENTS):
        bucket.put(f'data/{name}', (data_dir / name).read_bytes())
    found = within_reach(shards('remote://bucket/data', 'train'), str(tmp_path / 'local'))
    assert [(shard.path, outputs.read_bytes(shard.readable)) for shard in found] == [
        ('remote://bucket/data/examples/train/part-00000-of-00002.tfrecord.gz', b'the first'),
        ('remote://bucket/data/examples/train/part-00001-of-00002.tfrecord.gz', b'two'),
    ]
    verify(found)
    path = 'remote://bucket/data/examples/train/part-00001-of-00002.tfrecord.gz'
    bucket.put(path.removeprefix('remote://bucket/'), b'twO')
    with pytest.raises(JobError, match=f'{path} is damaged'):
        verify(within_reach(shards('remote://bucket/data', 'train'), str(tmp_path / 'again')))
    outputs.remove(path)
    with pytest.raises(JobError, match=f'{path} is missing, though manifest.json lists it. Run'):
        within_reach(shards('remote://bucket/data', 'train'), str(tmp_path / 'again'))


def test_shards_that_tensorflow_can_read_stay_where_they_are(data_dir, tmp_path):
    google = [shard._replace(path=f'gs://{shard.path}') for shard in shards(str(data_dir), 'train')]
    for found in (shards(str(data_dir), 'train'), google):
        assert within_reach(found, str(tmp_path / 'local')) == found
