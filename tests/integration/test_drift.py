"""`drift` flags papers of another kind, and what training read is what serving reads."""

import gzip
import json
import shutil

import numpy as np
import pytest

from schemas import features
from tests.conftest import SAMPLES, run_command, write_json_lines
from tests.helpers import validate


@pytest.fixture(scope='module')
def new_papers():
    with gzip.open(SAMPLES / 'new_dump.jsonl.gz', 'rt') as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope='module')
def measured_on_many(model_dir, tmp_path_factory):
    """The model, as if it had been measured on ten times as many papers: its own are too few to judge by."""
    folder = tmp_path_factory.mktemp('many') / 'model'
    shutil.copytree(model_dir, folder)
    export = folder / 'export' / '1'

    def tenfold(value):
        if isinstance(value, dict):
            return {name: value[name] if name == 'format' else tenfold(value[name]) for name in value}
        return [tenfold(one) for one in value] if isinstance(value, list) else 10 * value

    profile = export / features.REFERENCE_PROFILE_FILE
    profile.write_text(json.dumps(tenfold(json.loads(profile.read_text()))))
    described = json.loads((export / features.EXPORT_FILE).read_text())
    described['files'][features.REFERENCE_PROFILE_FILE] = profile.stat().st_size
    (export / features.EXPORT_FILE).write_text(json.dumps(described))
    return folder


def test_other_papers_are_flagged_and_everything_is_accounted_for(
    new_papers, measured_on_many, prepared_dir, model_dir, tmp_path
):
    labelled = [{**paper, 'update_date': '2026-02-03'} for paper in new_papers[:100]]
    unlabelled = [{key: paper[key] for key in ('id', 'title', 'abstract')} for paper in new_papers[100:]]
    for paper in unlabelled[:250]:
        paper['abstract'] = ' '.join(word[::-1] for word in paper['abstract'].split())
    dump = write_json_lines(tmp_path / 'new.jsonl', [*labelled, *unlabelled, {'id': '1', 'title': 'No abstract'}])
    done = run_command(
        *('drift', '--input', dump, '--model_dir', measured_on_many, '--data_dir', prepared_dir),
        *('--output', tmp_path / 'drift.json', '--fail_on_drift'),
        check=False,
    )
    assert done.returncode == 3, done.stderr
    report = json.loads((tmp_path / 'drift.json').read_text())
    validate(report, 'drift')
    counted = (report['read'], report['papers'], report['rejected'], report['refused_by_model'])
    assert counted == (len(new_papers) + 1, len(new_papers), {'missing_abstract': 1}, 0)
    assert (report['judged'], 'out_of_vocabulary' in report['drifted']) == (True, True)
    assert [(month['month'], month['papers']) for month in report['months']] == [('2026-02', 100)]
    spelled = (prepared_dir / features.NGRAMS_FILE).read_text().split('\n')[1:]
    for moved in report['ngrams']:
        assert spelled[moved['id']].split('\t')[0] == moved['ngram']
    assert report['parity']['papers'] == json.loads((model_dir / 'metrics.json').read_text())['validation']['papers']
    assert report['parity']['largest_difference'] < 1e-6
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f'{len(new_papers):,} papers, compared with ')
    assert lines[-2:] == [report['conclusion'], f'Report: {tmp_path / "drift.json"}']
    assert 'flagged: out_of_vocabulary' in report['conclusion']


def test_training_and_serving_see_the_same_of_every_paper(sample_papers, prepared_dir, model_dir):
    import tensorflow as tf

    from trainer import dataset, parity
    from trainer.prepared import open_prepared
    from trainer.reference import ReferencePaper

    data = open_prepared(str(prepared_dir))
    texts = {
        paper['id']: ReferencePaper(' '.join(paper['title'].split()), paper['abstract'].strip())
        for paper in sample_papers
    }
    network = parity.checkpointed(str(model_dir), data)
    exported = parity.exported(str(model_dir / 'export' / '1'))
    difference = parity.largest_difference(data, features.SPLITS, texts, network, exported)
    kept = sum(shard.papers for split in features.SPLITS for shard in data.shards[split])
    assert (difference.papers, difference.largest < 1e-6) == (kept, True)

    # The graph that the export holds gives the n-grams and weights of the TFRecords to the last bit.
    transform = data.transform.transform_features_layer()
    for shard in (shard for split in features.SPLITS for shard in data.shards[split]):
        for records in tf.data.TFRecordDataset(shard.path, 'GZIP').batch(100):
            ids, stored, _ = dataset.parse(records, data.ngrams, len(data.labels))
            titles, abstracts = zip(*(texts[id_.decode()] for id_ in ids.numpy()), strict=True)
            read = transform({'title': tf.constant(titles), 'abstract': tf.constant(abstracts)})
            raw = dataset.ngram_matrix(read['ngram_ids'], read['ngram_weights'], data.ngrams)
            np.testing.assert_array_equal(raw.indices, stored.indices)
            np.testing.assert_array_equal(raw.values, stored.values)


def test_a_model_of_other_data_is_refused(prepared_dir, model_dir, tmp_path):
    from schemas.errors import JobError
    from trainer import parity
    from trainer.prepared import open_prepared

    data = open_prepared(str(prepared_dir))._replace(ngrams=7)
    with pytest.raises(JobError, match=r'knows 20,000 n-grams and \d+ labels, .* holds 7 and \d+\. Say the --data_dir'):
        parity.checkpointed(str(model_dir), data)
