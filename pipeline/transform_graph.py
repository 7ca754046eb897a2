"""The transform graph on disk: made independent of the run that wrote it, and read for its vocabulary.

tf.Transform names lookup tables after the temporary folder of the run, and functions after how many the process had
traced before. Both change nothing about what the graph computes, but make equal runs differ in their bytes.
"""

from __future__ import annotations

import hashlib
import re

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from schemas import features, outputs

_TRANSFORM_FN = 'transform_fn'
_TABLE_NAME = re.compile(rb"hash_table_tf\.Tensor\(b'[^']*?(?P<asset>[^/']+)', shape=\(\), dtype=string\)\S*")
_FUNCTION_NAME = re.compile(r'__(?:inference|forward|backward)_\w+?_\d+(?!\w)')


def canonical_saved_model(serialized: bytes, assets: dict[str, bytes]) -> bytes:
    """Rewrites what a SavedModel's proto owes to the run that wrote it.

    Lookup tables are named after their asset's content, so that two models in one process share a table only if it
    is the same; functions are numbered in the order in which the graph names them.

    Args:
        serialized: content of saved_model.pb.
        assets: name -> content of the files in its assets folder.

    Returns:
        The new content; equal for equal graphs.
    """
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(serialized)
    for meta_graph in model.meta_graphs:
        library = meta_graph.graph_def.library
        nodes = [*meta_graph.graph_def.node, *(node for function in library.function for node in function.node_def)]
        for node in nodes:
            name = node.attr['shared_name'].s if 'shared_name' in node.attr else b''
            if match := _TABLE_NAME.fullmatch(name):
                asset = match['asset'].decode()
                digest = hashlib.sha256(assets[asset]).hexdigest()[:16]
                node.attr['shared_name'].s = f'{asset}-{digest}'.encode()
        by_number = sorted(library.function, key=lambda function: _trailing_number(function.signature.name))
        del library.function[:]
        library.function.extend(by_number)
    text = text_format.MessageToString(model)
    names = {name: index for index, name in enumerate(dict.fromkeys(_FUNCTION_NAME.findall(text)))}
    text = _FUNCTION_NAME.sub(lambda match: f'{match.group().rpartition("_")[0]}_{names[match.group()]}', text)
    renamed = text_format.Parse(text, saved_model_pb2.SavedModel())
    for meta_graph in renamed.meta_graphs:
        meta_graph.graph_def.library.gradient.sort(key=lambda gradient: gradient.function_name)
    return bytes(renamed.SerializeToString(deterministic=True))


def canonicalize(folder: str) -> str:
    """Rewrites the transform graph in `folder` in its canonical form; returns `folder`."""
    saved_model = outputs.join(folder, _TRANSFORM_FN, 'saved_model.pb')
    [match] = FileSystems.match([outputs.join(folder, _TRANSFORM_FN, 'assets', '*')])
    assets = {metadata.path.rpartition('/')[2]: outputs.read_bytes(metadata.path) for metadata in match.metadata_list}
    content = canonical_saved_model(outputs.read_bytes(saved_model), assets)
    FileSystems.delete([saved_model])
    with FileSystems.create(saved_model) as file:
        file.write(content)
    # It holds a random identifier of the run and hashes of what was just rewritten; TensorFlow does without it.
    outputs.remove(outputs.join(folder, _TRANSFORM_FN, 'fingerprint.pb'))
    return folder


def read_vocabulary(folder: str) -> list[tuple[bytes, int]]:
    """Returns (n-gram, occurrences in the training papers) in the order of the ids."""
    content = outputs.read_bytes(outputs.join(folder, _TRANSFORM_FN, 'assets', features.NGRAM_VOCABULARY))
    lines = (line.partition(b' ') for line in content.split(b'\n') if line)
    return [(ngram, int(occurrences)) for occurrences, _, ngram in lines]


def ngram_table(vocabulary: list[tuple[bytes, int]], document_frequencies: np.ndarray) -> bytes:
    """Returns ngrams.tsv: n-gram, id, occurrences and papers, tab-separated, with a header."""
    rows = (
        b'%b\t%d\t%d\t%d' % (ngram, id_, occurrences, document_frequencies[id_])
        for id_, (ngram, occurrences) in enumerate(vocabulary)
    )
    return b'\n'.join([b'ngram\tid\toccurrences\tpapers', *rows, b''])


class WriteVocabulary(beam.DoFn):
    """Writes vocabulary/ngrams.tsv for people, and tells how many n-grams there are."""

    def __init__(self, root: str) -> None:
        self._root = root

    def process(self, folder: str, document_frequencies: np.ndarray):  # type: ignore[no-untyped-def]
        """Writes the file; yields tallies."""
        vocabulary = read_vocabulary(folder)
        target = outputs.join(self._root, features.VOCABULARY_DIR, 'ngrams.tsv')
        outputs.make_folder(target.rpartition('/')[0])
        with FileSystems.create(target) as file:
            file.write(ngram_table(vocabulary, document_frequencies))
        yield ('ngrams', 'vocabulary'), len(vocabulary)
        yield ('ngrams', 'occurrences'), sum(occurrences for _, occurrences in vocabulary)


def _trailing_number(name: str) -> tuple[int, str]:
    number = name.rpartition('_')[2]
    return (int(number) if number.isdecimal() else -1, name)
