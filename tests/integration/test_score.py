"""`score` and `evaluate`: every record comes out once, and the same figures that training found.

What is no model, and what is no dump, is refused in a line.
"""

import gzip
import json
import pathlib
import shutil

import pyarrow.parquet
import pytest
import tensorflow as tf

from schemas import features
from tests.conftest import SAMPLES, files_below, run_command, write_json_lines
from tests.helpers import validate

FORMATS = pathlib.Path(__file__).parent.parent / 'formats'
# The papers in FORMATS: of the API, of OAI-PMH, and of an announcement.
SERVED = {
    *('1605.08386', '1707.08567'),
    *('1401.2122', '1412.8323', '1507.07790', '1607.01710'),
    *('2009.13987', '2205.06398', '2609.26811', '2609.26820'),
}


def json_lines(folder, pattern='part-*.jsonl'):
    return [json.loads(line) for file in sorted(folder.glob(pattern)) for line in file.read_text().splitlines()]


@pytest.fixture(scope='module')
def new_papers():
    with gzip.open(SAMPLES / 'new_dump.jsonl.gz', 'rt') as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope='module')
def scored_dir(new_papers, model_dir, tmp_path_factory):
    """The new dump, scored, without categories and with four records that cannot be."""
    folder = tmp_path_factory.mktemp('scored')
    unlabelled = [{key: paper[key] for key in ('id', 'title', 'abstract')} for paper in new_papers]
    dump = write_json_lines(folder / 'new.jsonl', unlabelled)
    with dump.open('ab') as file:
        file.write(b'{"id": "1", "title": "T"\n')
        file.write(b'{"id": "2", "title": "T"}\n')
        file.write(b'{"id": "3", "abstract": "A"}\n')
        file.write(b'{"id": "4", "title": "\xff", "abstract": "A"}\n')
    run_command(
        *('score', '--input', 'new.jsonl', '--model_dir', model_dir, '--output_dir', 'tagged'),
        *('--top_k', 3, '--shards', 3),
        cwd=folder,
    )
    return folder / 'tagged'


def test_every_record_comes_out_once_as_a_tagged_paper_or_a_dead_letter(scored_dir, new_papers):
    tagged = json_lines(scored_dir)
    assert sorted(paper['id'] for paper in tagged) == sorted(paper['id'] for paper in new_papers)
    titles = {paper['id']: ' '.join(paper['title'].split()) for paper in new_papers}
    for paper in tagged:
        validate(paper, 'scored_paper')
        assert paper['title'] == titles[paper['id']]
        assert paper['model_version'] == '1'
        scores = [prediction['score'] for prediction in paper['predictions']]
        assert len(scores) == 3
        assert scores == sorted(scores, reverse=True)
    letters = json_lines(scored_dir / 'dead_letters')
    for letter in letters:
        validate(letter, 'dead_letter')
    source = (scored_dir.parent / 'new.jsonl').read_bytes()
    assert [letter['reason'] for letter in letters] == [
        'malformed_json',
        'missing_abstract',
        'missing_title',
        'invalid_encoding',
    ]
    assert [letter['position'] for letter in letters] == [
        source.index(b'{"id": "%d"' % number) for number in (1, 2, 3, 4)
    ]
    assert letters[1]['raw'] == '{"id": "2", "title": "T"}'
    statistics = json.loads((scored_dir / 'statistics.json').read_text())
    assert (statistics['read'], statistics['tagged'], sum(statistics['rejected'].values())) == (504, 500, 4)
    assert sorted(path.name for path in scored_dir.iterdir()) == [
        'COMPLETED',
        'dead_letters',
        'part-00000-of-00003.jsonl',
        'part-00001-of-00003.jsonl',
        'part-00002-of-00003.jsonl',
        'statistics.json',
    ]


def test_scores_are_those_of_the_serving_signature(scored_dir, new_papers, model_dir):
    model = tf.saved_model.load(str(model_dir / 'export' / '1'))
    papers = {paper['id']: paper for paper in new_papers}
    for tagged in json_lines(scored_dir)[:25]:
        paper = papers[tagged['id']]
        answer = model.signatures['serving_default'](
            title=tf.constant([paper['title']]), abstract=tf.constant([paper['abstract']])
        )
        assert [prediction['label'].encode() for prediction in tagged['predictions']] == list(
            answer['labels'].numpy()[0, :3]
        )
        assert [prediction['score'] for prediction in tagged['predictions']] == pytest.approx(
            answer['scores'].numpy()[0, :3].tolist(), abs=1e-6
        )
        assert [prediction['accepted'] for prediction in tagged['predictions']] == list(
            answer['accepted'].numpy()[0, :3]
        )


@pytest.mark.slow
def test_scoring_again_gives_the_same_bytes(scored_dir, model_dir, tmp_path):
    lines = (scored_dir.parent / 'new.jsonl').read_bytes().splitlines(keepends=True)
    (tmp_path / 'new.jsonl').write_bytes(b''.join(reversed(lines)))
    run_command(
        *('score', '--input', 'new.jsonl', '--model_dir', model_dir, '--output_dir', 'tagged'),
        *('--top_k', 3, '--shards', 3, '--batch_size', 512),
        cwd=tmp_path,
    )
    expected, found = files_below(scored_dir), files_below(tmp_path / 'tagged')
    del expected['dead_letters/part-00000-of-00001.jsonl'], found['dead_letters/part-00000-of-00001.jsonl']
    ids = {
        name: [json.loads(line)['id'] for line in text.splitlines()]
        for name, text in expected.items()
        if 'part' in name
    }
    assert ids == {
        name: [json.loads(line)['id'] for line in text.splitlines()] for name, text in found.items() if 'part' in name
    }
    assert expected['statistics.json'] == found['statistics.json']


@pytest.mark.slow
@pytest.mark.parametrize('workers', [1, 2])
def test_evaluate_finds_on_raw_papers_what_train_found_on_the_same_papers(
    prepared_dir, model_dir, sample_papers, tmp_path, workers
):
    ids = set()
    for file in (prepared_dir / 'examples' / 'test').iterdir():
        for record in tf.data.TFRecordDataset(str(file), 'GZIP'):
            ids |= set(tf.train.Example.FromString(record.numpy()).features.feature['paper_id'].bytes_list.value)
    dump = write_json_lines(tmp_path / 'test.jsonl', [paper for paper in sample_papers if paper['id'].encode() in ids])
    run_command(
        *('evaluate', '--model_dir', model_dir, '--input', dump, '--output', tmp_path / 'metrics.json'),
        *('--batch_size', 16, '--direct_num_workers', workers),
    )
    found = json.loads((tmp_path / 'metrics.json').read_text())
    expected = json.loads((model_dir / features.METRICS_FILE).read_text())['test']
    validate(found, 'metrics')
    assert found.pop('model_version') == '1'
    assert found.keys() == expected.keys()
    assert [found[name] for name in ('papers', 'papers_without_labels')] == [expected['papers'], 0]
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_folder_without_completed_is_no_model(tmp_path):
    (tmp_path / 'model').mkdir()
    for command in (['score', '--output_dir', tmp_path / 'tagged'], ['evaluate']):
        done = run_command(*command, '--input', 'x', '--model_dir', tmp_path / 'model', check=False)
        assert done.returncode == 1
        assert done.stderr == (
            f'arxiv-tagger: {tmp_path}/model has no file COMPLETED, so it is no finished output of '
            '"arxiv-tagger train". Run that command to its end first.\n'
        )
    assert not (tmp_path / 'tagged').exists()


@pytest.mark.slow
def test_what_arxiv_serves_is_tagged_and_explained_in_parquet(model_dir, tmp_path):
    run_command(
        *('score', '--input', FORMATS / '*.xml', '--model_dir', model_dir, '--output_dir', tmp_path / 'tagged'),
        *('--output_format', 'parquet', '--top_k', 12, '--only_accepted', '--explain', 3),
    )
    [part] = (tmp_path / 'tagged').glob('part-*.parquet')
    papers = pyarrow.parquet.read_table(part).to_pylist()
    assert {paper['id'] for paper in papers} == SERVED
    predictions = [prediction for paper in papers for prediction in paper['predictions']]
    assert predictions
    assert all(prediction['accepted'] for prediction in predictions)
    for paper in papers:
        # What explains a label is in the paper.
        for prediction in paper['predictions']:
            weights = [abs(one['contribution']) for one in prediction['explanation']]
            assert len(weights) == 3
            assert weights == sorted(weights, reverse=True)
    statistics = json.loads((tmp_path / 'tagged' / 'statistics.json').read_text())
    assert (statistics['tagged'], statistics['rejected']) == (10, {'error_response': 1})
    assert (statistics['drift']['papers'], statistics['drift']['judged']) == (10, False)


@pytest.mark.slow
def test_what_arxiv_serves_is_trained_on_and_evaluated(dump, model_dir, tmp_path):
    inputs = ('--input', FORMATS / '*.xml', '--max_rejected_fraction', 0.1)
    run_command(
        *('prepare', *inputs, '--input', dump, '--output_dir', tmp_path / 'data'),
        *('--min_label_set_papers', 1, '--vocabulary_size', 5000),
    )
    statistics = json.loads((tmp_path / 'data' / 'statistics.json').read_text())
    assert (statistics['read'], statistics['rejected']) == (1011, {'error_response': 1})
    # A category that only the served papers have.
    assert statistics['labels']['math.CO']['train'] + statistics['labels']['math.CO']['validation'] >= 1
    run_command('evaluate', *inputs, '--model_dir', model_dir, '--output', tmp_path / 'metrics.json')
    metrics = json.loads((tmp_path / 'metrics.json').read_text())
    assert metrics['papers'] + metrics['papers_without_labels'] == len(SERVED)


def test_an_export_that_is_not_whole_is_refused_before_a_paper_is_read(model_dir, tmp_path):
    without = shutil.ignore_patterns('checkpoints', 'logs', 'variables.data*')
    shutil.copytree(model_dir, tmp_path / 'model', ignore=without)
    done = run_command(
        *('score', '--input', FORMATS / 'rss.xml', '--model_dir', 'model', '--output_dir', 'tagged'),
        cwd=tmp_path,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        'arxiv-tagger: model/export/1 has no variables/variables.data-00000-of-00001. '
        'Copy the export again, or run "arxiv-tagger train" again.\n',
    )
    assert not (tmp_path / 'tagged').exists()


def test_a_page_that_a_server_sent_in_place_of_a_dump_is_no_dump(model_dir, tmp_path):
    (tmp_path / 'new.xml').write_text('<!DOCTYPE html><html><body>503 Service Unavailable</body></html>')
    done = run_command(
        *('score', '--input', 'new.xml', '--model_dir', model_dir, '--output_dir', 'tagged'), cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert 'new.xml is an HTML page' in done.stderr
    assert done.stderr.count('\n') == 1
    assert not (tmp_path / 'tagged').exists()
