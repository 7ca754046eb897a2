"""The transform graph on disk: made independent of the run that wrote it, and read for its vocabulary.

tf.Transform names lookup tables after the temporary folder of the run, and functions after how many the process had
traced before. Both change nothing about what the graph computes, but make equal runs differ in their bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems

from pipeline.examples import NgramStatistics
from pipeline.tally import Tally
from schemas import features, outputs

_TRANSFORM_FN = 'transform_fn'
_TABLE_NAME = re.compile(rb"""hash_table_tf\.Tensor\(b(['"]).*/(?P<asset>[^/]+)\1, shape=\(\), dtype=string\)\S*""")
_WORD = re.compile(r'\w+')


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
        arguments = [attrs.attr for function in library.function for attrs in function.arg_attr.values()]
        for attributes in [*arguments, *(node.attr for node in nodes)]:
            # Where nobody specified a name, TensorFlow writes a number that it has counted up to.
            if '_user_specified_name' in attributes and attributes['_user_specified_name'].s.isdigit():
                del attributes['_user_specified_name']
        by_number = sorted(library.function, key=lambda f: (_number(f.signature.name), f.signature.name))
        del library.function[:]
        library.function.extend(by_number)
    names = {
        name: f'{name.rpartition("_")[0]}_{index}'
        for meta_graph in model.meta_graphs
        for index, name in enumerate(function.signature.name for function in meta_graph.graph_def.library.function)
        if _number(name)
    }
    text = _WORD.sub(lambda word: names.get(word.group(), word.group()), text_format.MessageToString(model))
    renamed = text_format.Parse(text, saved_model_pb2.SavedModel())
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
    schema_path = outputs.join(folder, 'transformed_metadata', 'schema.pbtxt')
    outputs.write_text(schema_path, without_counts(outputs.read_bytes(schema_path).decode()))
    # It holds a random identifier of the run and hashes of what was just rewritten; TensorFlow does without it.
    outputs.remove(outputs.join(folder, _TRANSFORM_FN, 'fingerprint.pb'))
    return folder


def without_counts(schema_text: str) -> str:
    """Strikes from the schema of the examples the n-gram counts, which the graph gives but no example holds."""
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(schema_text, schema_pb2.Schema())
    kept = [feature for feature in schema.feature if feature.name != features.NGRAM_COUNTS]
    del schema.feature[:]
    schema.feature.extend(kept)
    return str(text_format.MessageToString(schema))


def read_vocabulary(folder: str) -> list[bytes]:
    """Returns the n-grams in the order of their ids."""
    content = outputs.read_bytes(outputs.join(folder, _TRANSFORM_FN, 'assets', features.NGRAM_VOCABULARY))
    return content.removesuffix(b'\n').split(b'\n') if content else []


def ngram_table(vocabulary: Sequence[bytes], statistics: NgramStatistics) -> bytes:
    """Returns ngrams.tsv: n-gram, id, occurrences and papers, tab-separated, with a header."""
    rows = (
        b'%b\t%d\t%d\t%d' % (ngram, id_, statistics.occurrences[id_], statistics.papers[id_])
        for id_, ngram in enumerate(vocabulary)
    )
    return b'\n'.join([b'ngram\tid\toccurrences\tpapers', *rows, b''])


class WriteVocabulary(beam.DoFn):
    """Writes vocabulary/ngrams.tsv for people, and tells how many n-grams there are."""

    def __init__(self, root: str) -> None:
        self._root = root

    def process(self, folder: str, statistics: NgramStatistics) -> Iterator[Tally]:
        """Writes the file; yields tallies."""
        vocabulary = read_vocabulary(folder)
        target = outputs.join(self._root, features.VOCABULARY_DIR, 'ngrams.tsv')
        outputs.make_folder(target.rpartition('/')[0])
        with FileSystems.create(target) as file:
            file.write(ngram_table(vocabulary, statistics))
        yield ('ngrams', 'vocabulary'), len(vocabulary)
        yield ('ngrams', 'occurrences'), int(statistics.occurrences.sum())


def _number(function_name: str) -> int:
    """Returns the number at the end of a traced function's name, which grows with each function traced; else 0."""
    number = function_name.rpartition('_')[2]
    return int(number) if number.isdecimal() else 0
