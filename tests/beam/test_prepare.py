"""Every record that was read is accounted for, and labels have their ids by how many training papers have them."""

import gzip
import json

import pytest
import tensorflow as tf

from pipeline import prepare
from pipeline.config import InputConfig, NgramConfig, PrepareConfig
from pipeline.inputs import find_dumps
from pipeline.prepare import _write_labels, check_accounts, labels_by_frequency, prepare_statistics
from pipeline.runners import make_pipeline
from schemas import features, outputs
from schemas.errors import JobError
from tests.conftest import files_below
from tests.helpers import paper_line, validate

COUNTS = {
    ('read',): 20,
    ('rejected', 'too_long'): 1,
    ('rejected', 'malformed_csv'): 2,
    ('duplicates',): 3,
    ('dropped_rare_label_set',): 4,
    ('splits', 'train'): 8,
    ('splits', 'validation'): 2,
    ('labels', 'stat.ML', 'validation'): 1,
    ('labels', 'cs.LG', 'train'): 8,
    ('labels', 'cs.LG', 'validation'): 2,
    ('categories', 'renamed', 'cs.NA -> math.NA'): 5,
    ('categories', 'msc_codes'): 6,
    ('ngrams', 'distinct'): 150,
    ('ngrams', 'vocabulary'): 100,
    ('ngrams', 'occurrences'): 1000,
}
STATISTICS = {
    'read': 20,
    'kept': 10,
    'duplicates': 3,
    'dropped_rare_label_set': 4,
    'rejected': {'malformed_csv': 2, 'too_long': 1},
    'splits': {'train': 8, 'validation': 2, 'test': 0},
    'labels': {
        'cs.LG': {'train': 8, 'validation': 2, 'test': 0},
        'stat.ML': {'train': 0, 'validation': 1, 'test': 0},
    },
    'categories': {'renamed': {'cs.NA -> math.NA': 5}, 'msc_codes': 6, 'acm_codes': 0, 'unknown': {}},
    'ngrams': {'distinct': 150, 'vocabulary': 100, 'occurrences': 1000},
}


def test_statistics_are_the_sums_of_the_tallies_with_a_zero_for_what_did_not_happen():
    found = prepare_statistics(COUNTS)
    assert found == STATISTICS
    assert list(found) == list(STATISTICS)
    assert list(found['labels']) == ['cs.LG', 'stat.ML']
    validate(found, 'statistics')


def test_accounts_that_add_up_are_accepted():
    check_accounts(STATISTICS)


@pytest.mark.parametrize('part', ['read', 'kept', 'duplicates', 'dropped_rare_label_set'])
def test_a_record_more_or_less_is_noticed(part):
    for change in (-1, 1):
        with pytest.raises(JobError, match='records were read but .* accounted for; nothing was published'):
            check_accounts(STATISTICS | {part: STATISTICS[part] + change})
    with pytest.raises(JobError):
        check_accounts(STATISTICS | {'rejected': {'too_long': 2, 'malformed_csv': 2}})


LABELS = {
    ('labels', 'stat.ML', 'train'): 5,
    ('labels', 'cs.LG', 'train'): 9,
    ('labels', 'cs.LG', 'test'): 1,
    ('labels', 'cs.CV', 'train'): 5,
    ('labels', 'math.NA', 'validation'): 99,
    ('splits', 'train'): 12,
}


def test_labels_have_their_ids_by_frequency_in_the_training_papers_and_then_by_name():
    assert labels_by_frequency(LABELS) == [('cs.LG', 9), ('cs.CV', 5), ('stat.ML', 5)]
    assert labels_by_frequency(dict(reversed(LABELS.items()))) == labels_by_frequency(LABELS)
    assert labels_by_frequency({('splits', 'train'): 12}) == []


def test_the_labels_are_published_with_their_ids(tmp_path):
    _write_labels(LABELS, f'{tmp_path}/vocabulary/labels.tsv')
    assert (tmp_path / 'vocabulary' / 'labels.tsv').read_text() == (
        'label\tid\tpapers\ncs.LG\t0\t9\ncs.CV\t1\t5\nstat.ML\t2\t5\n'
    )


def test_a_cache_that_cannot_be_written_is_told_before_the_work_begins(tmp_path):
    (tmp_path / 'file').write_text('mine')
    config = PrepareConfig(input=InputConfig(patterns=('in',)), output_dir='out', analysis_cache_dir=f'{tmp_path}/file')
    with pytest.raises(JobError) as error:
        prepare.run(config, [], None, str(tmp_path / 'staging'))
    assert str(error.value) == (
        f'Cannot write to --analysis_cache_dir {tmp_path}/file: File exists. '
        'Choose another folder, or leave --analysis_cache_dir out.'
    )
    assert files_below(tmp_path) == {'file': b'mine'}


def test_a_tiny_dump_becomes_exactly_this(tmp_path):
    (tmp_path / 'dump.jsonl').write_bytes(
        b''.join(paper_line(f'{number:02d}', abstract='Deep nets: deep!') for number in range(20))
        + paper_line('00', abstract='Deep nets: deep!')
        + paper_line('21', categories='math.NA')
        + b'{"id": "22"}\n'
    )
    config = PrepareConfig(
        input=InputConfig(patterns=(f'{tmp_path}/dump.jsonl',)),
        output_dir=str(tmp_path / 'data'),
        ngrams=NgramConfig(text='abstract', weighting='tf_idf'),
    )
    dumps = find_dumps(config.input, labelled=True)
    with outputs.publish(config.output_dir, features.PREPARE_PUBLISHES, made_by='prepare', overwrite=False) as staging:
        statistics = prepare.run(config, dumps, make_pipeline(['--direct_num_workers=1']), staging)
    assert statistics == {
        'read': 23,
        'kept': 20,
        'duplicates': 1,
        'dropped_rare_label_set': 1,
        'rejected': {'missing_title': 1},
        'splits': {'train': 18, 'validation': 1, 'test': 1},
        'labels': {'cs.LG': {'train': 18, 'validation': 1, 'test': 1}},
        'categories': {'renamed': {}, 'msc_codes': 0, 'acm_codes': 0, 'unknown': {}},
        'ngrams': {'distinct': 4, 'vocabulary': 4, 'occurrences': 90},
    }
    found = files_below(tmp_path / 'data')
    graph = sorted(name.removeprefix('transform_graph/') for name in found if name.startswith('transform_graph/'))
    assert [name for name in graph if '.data-' not in name] == [
        'transform_fn/saved_model.pb',
        'transform_fn/variables/variables.index',
        'transformed_metadata/schema.pbtxt',
    ]
    assert sorted(name for name in found if not name.startswith('transform_graph/')) == [
        'COMPLETED',
        'dead_letters/part-00000-of-00001.jsonl',
        'examples/test/part-00000-of-00001.tfrecord.gz',
        'examples/train/part-00000-of-00001.tfrecord.gz',
        'examples/validation/part-00000-of-00001.tfrecord.gz',
        'manifest.json',
        'overview.json',
        'reference_papers.jsonl.gz',
        'statistics.json',
        'vocabulary/labels.tsv',
        'vocabulary/ngrams.tsv',
    ]
    assert found['vocabulary/labels.tsv'] == b'label\tid\tpapers\ncs.LG\t0\t18\n'
    # Of equally frequent n-grams a hash decides.
    assert found['vocabulary/ngrams.tsv'].decode() == (
        'ngram\tid\toccurrences\tpapers\ndeep\t0\t36\t18\ndeep nets\t1\t18\t18\nnets\t2\t18\t18\nnets deep\t3\t18\t18\n'
    )
    assert json.loads(found['statistics.json']) == statistics
    overview = json.loads(found['overview.json'])
    validate(overview, 'overview')
    assert overview == {
        'years': {'unknown': 20},
        'labels_per_paper': {'1': 20},
        'words_per_paper': {'0': 20},
        'document_frequencies': {'18': 4},
        'label_pairs': {},
        'distinctive_ngrams': {'cs.LG': []},
    }
    [letter] = found['dead_letters/part-00000-of-00001.jsonl'].splitlines()
    assert json.loads(letter)['raw'] == '{"id": "22"}'
    ids = []
    for split in features.SPLITS:
        path = str(tmp_path / 'data' / 'examples' / split / 'part-00000-of-00001.tfrecord.gz')
        for record in tf.data.TFRecordDataset(path, 'GZIP'):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            ids += feature['paper_id'].bytes_list.value
            assert feature['label_ids'].int64_list.value == [0]
            assert feature['ngram_ids'].int64_list.value == [0, 1, 2, 3]
            # log(1 + 18 / (1 + 18)), once and twice.
            expected = [1.3329579, 0.6664789, 0.6664789, 0.6664789]
            assert feature['ngram_weights'].float_list.value == pytest.approx(expected, abs=1e-6)
    assert sorted(ids) == [b'%02d' % number for number in range(20)]
    [line] = gzip.decompress(found['reference_papers.jsonl.gz']).splitlines()
    reference = json.loads(line)
    assert line.decode() == (
        f'{{"id":"{reference["id"]}","title":"Title {reference["id"]}","abstract":"Deep nets: deep!"}}'
    )
    validation = gzip.decompress(found['examples/validation/part-00000-of-00001.tfrecord.gz'])
    assert reference['id'].encode() in validation
    assert gzip.decompress(found['examples/test/part-00000-of-00001.tfrecord.gz']).count(b'paper_id') == 1
