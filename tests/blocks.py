"""Paper blocks for tests, as `prepare` makes them of dumps, and what becomes of them."""

from __future__ import annotations

import pathlib
import pickle

import apache_beam as beam
import numpy as np
import tensorflow as tf

from pipeline import preprocessing
from pipeline.count_ngrams import CountNgrams, vocabulary_of
from pipeline.index import PLACES
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.read import papers_of
from pipeline.readers.format import ReadOptions
from pipeline.spell_ngrams import WriteVocabulary
from pipeline.tally import Counts
from pipeline.vocabulary import inverse_document_frequencies, label_table
from schemas import features
from tests.helpers import paper


def titled(*titles):
    """Papers with these titles, whose abstracts have no word."""
    return [paper(str(number), title=title, abstract='...') for number, title in enumerate(titles)]


def read_papers(config):
    """The valid papers of the dumps that an InputConfig names."""
    options = ReadOptions.of(config, labelled=True)
    parts = [part for dump in find_dumps(config, labelled=True) for part in byte_ranges(dump)]
    return [paper for part in parts for paper in papers_of(part, options, Counts(), fail_on_damage=True)]


def cut(papers, size):
    """Lists of `size` papers, and what is left."""
    return [papers[start : start + size] for start in range(0, len(papers), size)]


def write_blocks(folder, blocks, config, split_of=lambda paper: 'train'):
    """Writes lists of papers as blocks into a folder.

    Returns:
        (id, PLACES as bytes) of each, as `SplitByLabelSet` gives them.
    """
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    parts = []
    for number, papers in enumerate(blocks):
        path = pathlib.Path(block_path(str(folder), number))
        path.write_bytes(PaperBlock.of(papers, number, config).to_bytes())
        places = [(row, features.SPLITS.index(split_of(paper))) for row, paper in enumerate(papers)]
        parts.append((number, np.array(places, PLACES).tobytes()))
    return parts


def keep(elements, path):
    """Writes a PCollection's elements to a file, for `kept`."""
    label = f'Keep {path.name}'
    return elements | label >> beam.combiners.ToList() | f'{label} on disk' >> beam.Map(_dump, path)


def kept(path):
    """The elements that `keep` wrote."""
    return pickle.loads(path.read_bytes())


def count(run, folder, places, config, bits=3):
    """Counts and spells the n-grams of the blocks in a folder.

    Returns:
        The vocabulary, the number of training papers, the tallies as a dict, and ngrams.tsv as
        n-gram -> (occurrences, papers), in the order of the ids.
    """

    def build(root):
        parts = root | beam.Create(places)
        counted = parts | CountNgrams(str(folder), config, bits)
        for name, elements in counted._asdict().items():
            keep(elements, folder / f'{name}.pickle')
        _ = parts | WriteVocabulary(str(folder), str(folder), counted.vocabulary)

    run(build)
    tallies = Counts()
    for path, number in kept(folder / 'tallies.pickle'):
        tallies[path] += number
    [documents] = kept(folder / 'documents.pickle')
    return vocabulary_of(kept(folder / 'vocabulary.pickle')), documents, dict(tallies), read_table(folder)


def read_table(folder):
    """ngrams.tsv as n-gram -> (occurrences, papers), in the order of the ids."""
    header, *rows = (folder / features.NGRAMS_FILE).read_text().removesuffix('\n').split('\n')
    assert header == 'ngram\tid\toccurrences\tpapers'
    fields = [row.split('\t') for row in rows]
    assert [int(id_) for _, id_, *_ in fields] == [*range(len(rows))]
    return {ngram: (int(occurrences), int(papers)) for ngram, _, occurrences, papers in fields}


def constants(vocabulary, documents, labels=('cs.LG',)):
    """What the graph knows of the training papers, for `preprocessing_fn` without tf.Transform."""
    return preprocessing.Vocabularies(
        preprocessing.lookup_table(vocabulary.fingerprints, vocabulary.ids),
        tf.constant(inverse_document_frequencies(vocabulary.counts.papers, documents)),
        preprocessing.lookup_table(*label_table(list(labels))),
    )


def raw_tensors(papers):
    """Papers as the transform graph takes them."""
    labels = tf.ragged.constant([[label.encode() for label in paper.labels] for paper in papers], tf.string, 1)
    return {
        features.TITLE: tf.constant([paper.title for paper in papers]),
        features.ABSTRACT: tf.constant([paper.abstract for paper in papers]),
        features.LABELS: labels.to_sparse(),
        features.PAPER_ID: tf.constant([paper.id for paper in papers]),
    }


def rows_of(outputs):
    """Paper id -> (n-gram ids, weights, label ids) of the transform graph's output."""
    names = (features.NGRAM_IDS, features.NGRAM_WEIGHTS, features.LABEL_IDS)
    columns = [tf.RaggedTensor.from_sparse(outputs[name]).to_list() for name in names]
    ids = [id_.decode() for id_ in outputs[features.PAPER_ID].numpy()]
    return dict(zip(ids, zip(*columns, strict=True), strict=True))


def _dump(elements, path):
    path.write_bytes(pickle.dumps(elements))
