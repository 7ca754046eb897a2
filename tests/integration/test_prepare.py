"""`prepare` publishes all of the training data or nothing, and the same bytes for the same papers."""

import collections
import gzip
import hashlib
import itertools
import json
import os
import random
import signal
import string
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft

from pipeline.hashing import keyed_hash
from schemas import features
from schemas.taxonomy import canonical_categories
from tests.conftest import ROOT, files_below, run_command, write_json_lines
from tests.helpers import validate


@pytest.fixture(scope='module')
def statistics(prepared_dir):
    return json.loads((prepared_dir / 'statistics.json').read_text())


def examples(folder, split):
    """Paper id -> (n-gram ids, weights, label ids) of a split's TFRecords, in the order of the files."""
    papers = {}
    for file in sorted((folder / 'examples' / split).iterdir()):
        for record in tf.data.TFRecordDataset(str(file), 'GZIP'):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            [id_] = feature['paper_id'].bytes_list.value
            papers[id_.decode()] = (
                list(feature['ngram_ids'].int64_list.value),
                list(feature['ngram_weights'].float_list.value),
                list(feature['label_ids'].int64_list.value),
            )
    return papers


def vocabulary(folder):
    """(n-gram, id, occurrences, papers) of each row of ngrams.tsv."""
    header, *rows = (folder / 'vocabulary' / 'ngrams.tsv').read_text().removesuffix('\n').split('\n')
    assert header == 'ngram\tid\toccurrences\tpapers'
    return [(ngram, *map(int, numbers)) for ngram, *numbers in (row.split('\t') for row in rows)]


def labels(folder):
    """The labels in the order of their ids."""
    header, *rows = (folder / 'vocabulary' / 'labels.tsv').read_text().removesuffix('\n').split('\n')
    assert header == 'label\tid\tpapers'
    assert [int(row.split('\t')[1]) for row in rows] == list(range(len(rows)))
    return [row.split('\t')[0] for row in rows]


def ngrams_of(text):
    """The unigrams and bigrams of a text, by plain string methods."""
    lower = ''.join(character.lower() if character.isascii() else character for character in text)
    words = lower.translate(str.maketrans('', '', string.punctuation)).split(' ')
    words = [word for word in words if word]
    return [*words, *(f'{one} {other}' for one, other in itertools.pairwise(words))]


def test_every_record_is_accounted_for(statistics, prepared_dir, sample_papers):
    validate(statistics, 'statistics')
    label_sets = collections.Counter(canonical_categories(paper['categories']).labels for paper in sample_papers)
    rare = sum(papers for papers in label_sets.values() if papers == 1)
    assert statistics['read'] == 1000
    assert statistics['dropped_rare_label_set'] == rare > 0
    assert statistics['kept'] == 1000 - rare
    assert (statistics['duplicates'], statistics['rejected']) == (0, {})
    written = {split: examples(prepared_dir, split) for split in features.SPLITS}
    assert {split: len(papers) for split, papers in written.items()} == statistics['splits']
    names = labels(prepared_dir)
    for label, counts in statistics['labels'].items():
        # A label that no training paper has is in no vocabulary: the examples are without it.
        assert (label in names) == (counts['train'] > 0)
        id_ = names.index(label) if label in names else -1
        counts = counts if label in names else dict.fromkeys(counts, 0)
        assert counts == {
            split: sum(id_ in labels for _, _, labels in papers.values()) for split, papers in written.items()
        }


def test_the_manifest_describes_each_file(prepared_dir, dump):
    manifest = json.loads((prepared_dir / 'manifest.json').read_text())
    [source] = manifest['inputs']
    assert source['path'] == str(dump)
    assert source['sha256'] == hashlib.sha256(dump.read_bytes()).hexdigest()
    published = {
        name
        for name in files_below(prepared_dir)
        if name.startswith(('examples/', 'dead_letters/', 'reference_papers'))
    }
    assert {shard['file'] for shard in manifest['shards']} == published
    for shard in manifest['shards']:
        content = (prepared_dir / shard['file']).read_bytes()
        assert (shard['bytes'], shard['sha256']) == (len(content), hashlib.sha256(content).hexdigest())
    assert manifest['config']['ngrams'] == {
        'text': 'title_and_abstract',
        'vocabulary_size': 20000,
        'ngram_max': 2,
        'min_document_frequency': 1,
        'max_document_fraction': 1.0,
        'weighting': 'tf_idf_l2',
        'sublinear_tf': False,
    }


def test_the_transform_graph_is_what_tf_transform_reads(prepared_dir):
    transform = tft.TFTransformOutput(str(prepared_dir / 'transform_graph'))
    assert sorted(transform.transformed_feature_spec()) == [
        'known_ngrams',
        'label_ids',
        'ngram_ids',
        'ngram_weights',
        'ngrams',
        'paper_id',
        'words',
    ]


def test_the_vocabulary_counts_occurrences_and_papers_of_the_training_papers(prepared_dir, statistics, sample_papers):
    training = examples(prepared_dir, 'train')
    texts = [f'{p["title"]} {p["abstract"]}' for p in sample_papers if p['id'] in training]
    of_papers = [ngrams_of(' '.join(text.split())) for text in texts]
    occurrences = collections.Counter(ngram for paper in of_papers for ngram in paper)
    papers = collections.Counter(ngram for paper in of_papers for ngram in set(paper))
    found = vocabulary(prepared_dir)
    assert [id_ for _, id_, _, _ in found] == list(range(20000))
    names = [ngram for ngram, *_ in found]
    assert found == [(ngram, id_, occurrences[ngram], papers[ngram]) for id_, ngram in enumerate(names)]
    in_order = [occurrences[ngram] for ngram in names]
    assert in_order == sorted(occurrences.values(), reverse=True)[:20000]
    assert statistics['ngrams'] == {
        'distinct': len(occurrences),
        'occurrences': sum(in_order),
        'vocabulary': 20000,
    }


def test_weights_are_ascending_and_of_length_one(prepared_dir):
    for ids, weights, labels in examples(prepared_dir, 'train').values():
        assert ids == sorted(set(ids))
        assert labels == sorted(set(labels))
        assert np.linalg.norm(weights) == pytest.approx(1, abs=1e-5)


def test_the_validation_papers_are_published_as_they_were_read_in_the_order_of_a_hash(prepared_dir, sample_papers):
    content = (prepared_dir / 'reference_papers.jsonl.gz').read_bytes()
    read = {paper['id']: paper for paper in sample_papers}
    in_order = sorted(examples(prepared_dir, 'validation'), key=lambda id_: keyed_hash(id_, 'reference paper'))
    assert [json.loads(line) for line in gzip.decompress(content).decode().split('\n')[:-1]] == [
        {'id': id_, 'title': ' '.join(read[id_]['title'].split()), 'abstract': read[id_]['abstract'].strip()}
        for id_ in in_order
    ]
    # Neither a time nor a name.
    assert content[:10] == b'\x1f\x8b\x08\0\0\0\0\0\0\xff'


def test_the_transform_graph_counts_words_and_n_grams_known_and_unknown(prepared_dir, sample_papers):
    layer = tft.TFTransformOutput(str(prepared_dir / 'transform_graph')).transform_features_layer()
    ids = set(examples(prepared_dir, 'validation'))
    papers = [paper for paper in sample_papers if paper['id'] in ids]
    texts = [' '.join(f'{paper["title"]} {paper["abstract"]}'.split()) for paper in papers]
    found = layer({name: tf.constant([paper[name] for paper in papers]) for name in ('title', 'abstract')})
    ngrams, known = [ngrams_of(text) for text in texts], {ngram for ngram, *_ in vocabulary(prepared_dir)}
    assert found['words'].numpy().tolist() == [sum(' ' not in ngram for ngram in some) for some in ngrams]
    assert found['ngrams'].numpy().tolist() == [len(some) for some in ngrams]
    assert found['known_ngrams'].numpy().tolist() == [sum(ngram in known for ngram in some) for some in ngrams]


@pytest.mark.slow
def test_the_recipe_gives_the_n_grams_and_weights_of_keras_text_vectorization(dump, tmp_path, sample_papers):
    """All papers train here, but for the few of validation and test: the layer adapts to the same ones."""
    import keras

    # More than there are: of equally frequent n-grams the layer keeps others, and gives them other ids.
    run_command(
        *('prepare', '--input', dump, '--output_dir', tmp_path / 'data', '--text', 'abstract', '--weighting', 'tf_idf'),
        *('--vocabulary_size', 1_000_000, '--min_label_set_papers', 1),
    )
    training = examples(tmp_path / 'data', 'train')
    abstracts = {paper['id']: paper['abstract'].strip() for paper in sample_papers}
    layer = keras.layers.TextVectorization(ngrams=2, output_mode='tf_idf')
    layer.adapt(tf.data.Dataset.from_tensor_slices([abstracts[id_] for id_ in training]).batch(100))
    ours, theirs = [row[0] for row in vocabulary(tmp_path / 'data')], layer.get_vocabulary()
    assert sorted(ours) == sorted(theirs[1:])
    column_of = {ngram: column for column, ngram in enumerate(theirs)}
    columns = np.array([column_of[ngram] for ngram in ours])
    everything = [
        (id_, *found) for split in features.SPLITS for id_, found in examples(tmp_path / 'data', split).items()
    ]
    assert len(everything) == 1000
    for id_, ids, weights, _ in everything:
        expected = layer(tf.constant([abstracts[id_]])).numpy()[0][columns]
        assert ids == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(weights, expected[ids], atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_the_same_papers_give_the_same_bytes_in_any_order_and_number_of_workers(prepared_dir, sample_papers, tmp_path):
    shuffled = random.Random(0).sample(sample_papers, len(sample_papers))
    write_json_lines(tmp_path / 'a.jsonl', shuffled[:300])
    (tmp_path / 'b.jsonl.gz').write_bytes(gzip.compress(''.join(json.dumps(p) + '\n' for p in shuffled[300:]).encode()))
    run_command(
        *('prepare', '--input', tmp_path / '*.jsonl*', '--output_dir', tmp_path / 'data', '--vocabulary_size', 20000),
        *('--direct_num_workers', 2),
        PYTHONHASHSEED='7',
    )
    expected, found = files_below(prepared_dir), files_below(tmp_path / 'data')
    assert json.loads(expected.pop('manifest.json'))['shards'] == json.loads(found.pop('manifest.json'))['shards']
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.slow
def test_a_test_paper_changes_no_vocabulary_entry_and_no_weight(prepared_dir, sample_papers, tmp_path):
    test_paper = next(iter(examples(prepared_dir, 'test')))
    changed = [
        paper | {'abstract': 'entirely other words ' * 500} if paper['id'] == test_paper else paper
        for paper in sample_papers
    ]
    dump = write_json_lines(tmp_path / 'papers.jsonl', changed)
    run_command('prepare', '--input', dump, '--output_dir', tmp_path / 'data', '--vocabulary_size', 20000)
    expected, found = files_below(prepared_dir), files_below(tmp_path / 'data')
    different = {name for name in expected if expected[name] != found[name]}
    # The overview counts the words of all papers.
    assert different == {'examples/test/part-00000-of-00001.tfrecord.gz', 'manifest.json', 'overview.json'}
    before, after = (json.loads(files['overview.json']) for files in (expected, found))
    assert {name for name in before if before[name] != after[name]} == {'words_per_paper'}


def test_a_finished_output_is_refused_and_left_alone(prepared_dir, dump):
    before = files_below(prepared_dir)
    done = run_command('prepare', '--input', dump, '--output_dir', prepared_dir, check=False)
    assert done.returncode == 1
    assert 'already holds a finished output of "arxiv-tagger prepare"' in done.stderr
    assert '--overwrite' in done.stderr
    assert files_below(prepared_dir) == before


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_that_train_accepts_and_a_rerun_gives_what_it_would_have(
    dump, prepared_dir, tmp_path
):
    folder, cache = tmp_path / 'data', tmp_path / 'cache'
    command = ('prepare', '--input', dump, '--output_dir', folder, '--vocabulary_size', 20000)
    command = [str(argument) for argument in (*command, '--analysis_cache_dir', cache)]
    process = subprocess.Popen([sys.executable, '-m', 'pipeline.cli', *command], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list(cache.glob('*.npz*')) and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None, 'it ended before it could be killed'
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert [name.name for name in folder.iterdir() if not name.name.startswith('.staging-')] == []
    refused = run_command('train', '--data_dir', folder, '--model_dir', tmp_path / 'model', check=False)
    assert refused.returncode == 1
    assert 'has no file COMPLETED' in refused.stderr
    assert not (tmp_path / 'model').exists()
    run_command(*command)
    assert sorted(path.name for path in folder.iterdir()) == [
        'COMPLETED',
        'dead_letters',
        'examples',
        'manifest.json',
        'overview.json',
        'reference_papers.jsonl.gz',
        'statistics.json',
        'transform_graph',
        'vocabulary',
    ]
    assert different_files(folder, prepared_dir) == []


def different_files(one, other):
    """Names of the files that are in one folder only, or differ."""
    found, expected = files_below(one), files_below(other)
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


@pytest.mark.slow
def test_with_a_cache_only_a_new_dump_is_read_and_the_result_is_byte_for_byte_that_of_a_run_from_scratch(
    sample_papers, tmp_path
):
    def prepare(output, *more):
        run_command(
            *('prepare', '--input', 'dumps/*.jsonl', '--output_dir', output, '--vocabulary_size', 20000, *more),
            *('--shards', 2, '--max_rejected_fraction', 0.5),
            cwd=tmp_path,
        )

    (tmp_path / 'dumps').mkdir()
    dumps = [tmp_path / 'dumps' / f'{name}.jsonl' for name in 'abcd']
    for number, dump in enumerate(dumps):
        write_json_lines(dump, sample_papers[250 * number :][:250] + [{'id': f'broken {number}'}])
    new = dumps[3].rename(tmp_path / 'new')
    prepare('month', '--analysis_cache_dir', 'cache')
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'cache').iterdir()}
    assert sorted(path.suffix for path in (tmp_path / 'cache').iterdir()) == ['.json'] * 3 + ['.npz'] * 3
    new.rename(dumps[3])
    dumps[0].rename(tmp_path / 'dumps' / 'e.jsonl')
    prepare('cached', '--analysis_cache_dir', 'cache')
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'cache').iterdir()}
    assert {name: after[name] for name in before} == before
    assert sorted(name[-4:] for name in after.keys() - before.keys()) == ['.npz', 'json']
    prepare('scratch')
    assert different_files(tmp_path / 'cached', tmp_path / 'scratch') == []
    letters = (tmp_path / 'cached' / 'dead_letters' / 'part-00000-of-00001.jsonl').read_text().splitlines()
    assert [json.loads(letter)['source'] for letter in letters] == [f'dumps/{name}.jsonl' for name in 'bcde']
    assert len(list((tmp_path / 'scratch' / 'examples').rglob('*-of-00002.tfrecord.gz'))) == 6


def refused(arguments, folder, tmp_path):
    """The one line with which `prepare` refuses an input; nothing may be left of its output."""
    done = run_command('prepare', *arguments, '--output_dir', folder, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert not folder.exists()
    # On a slow machine lines about its progress stand above.
    [line] = [line for line in done.stderr.splitlines() if not line.startswith('prepare  ')]
    return line


def test_an_unusable_input_is_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / 'empty.csv').write_bytes(b'')
    (tmp_path / 'columns.csv').write_text('title,summaries\nA,B\n')
    (tmp_path / 'binary.csv').write_bytes(bytes(range(256)) * 10)
    good = b'{"id": "2503.00001", "title": "T", "abstract": "A", "categories": "cs.LG"}\n' * 100
    (tmp_path / 'cut.jsonl.gz').write_bytes(gzip.compress(good)[:-9])
    (tmp_path / 'broken.jsonl').write_bytes(good + b'{"id": \n' * 10)
    folder = tmp_path / 'data'
    assert refused(['--input', 'nowhere*.csv'], folder, tmp_path) == (
        'arxiv-tagger: --input nowhere*.csv matches no file. Check the path; quote a pattern with * in it.'
    )
    assert refused(['--input', 'empty.csv'], folder, tmp_path).endswith('empty.csv is empty: there is nothing to read.')
    assert refused(['--input', 'columns.csv'], folder, tmp_path).endswith(
        'columns.csv has no column "terms" (it has: title, summaries). '
        'Rename the column, or say --csv_columns categories=COLUMN'
    )
    assert 'binary.csv is in no known format' in refused(['--input', 'binary.csv'], folder, tmp_path)
    assert 'cut.jsonl.gz is damaged: it is cut off' in refused(['--input', 'cut.jsonl.gz'], folder, tmp_path)
    assert '10 of 110 records (9.1%) are no valid papers: malformed_json 10.' in refused(
        ['--input', 'broken.jsonl'], folder, tmp_path
    )
