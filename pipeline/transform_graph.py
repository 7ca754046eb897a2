"""The transform graph on disk: traced by tf.Transform, and made independent of the run that wrote it.

tf.Transform numbers functions by how many the process had traced before, and notes the machine's threads and devices.
Neither changes what the graph computes, but both make equal runs differ in their bytes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import apache_beam as beam
from tensorflow_transform import impl_helper
from tfx_bsl.tfxio import tensor_adapter

from pipeline.config import NgramConfig
from pipeline.count_ngrams import Chunk
from pipeline.preprocessing import Tensors, Vocabularies, preprocessing_fn
from pipeline.raw_papers import tensor_adapter_config
from pipeline.vocabulary import constant_vocabularies
from schemas import outputs, scratch

_TRANSFORM_FN = 'transform_fn'


def canonical_saved_model(serialized: bytes) -> bytes:
    """Rewrites what a SavedModel's proto owes to the run that wrote it.

    Functions are numbered in the order in which the graph names them.

    Args:
        serialized: content of saved_model.pb.

    Returns:
        The new content; equal for equal graphs.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel.FromString(serialized)
    for meta_graph in model.meta_graphs:
        library = meta_graph.graph_def.library
        nodes = [*meta_graph.graph_def.node, *(node for function in library.function for node in function.node_def)]
        arguments = [attrs.attr for function in library.function for attrs in function.arg_attr.values()]
        for attributes in [*arguments, *(node.attr for node in nodes)]:
            # The threads and devices of the machine that traced the graph.
            if 'config_proto' in attributes:
                attributes['config_proto'].s = b''
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
    _rename(model, names)
    return bytes(model.SerializeToString(deterministic=True))


def write_transform_graph(config: NgramConfig, vocabularies: Callable[[Tensors], Vocabularies], folder: str) -> None:
    """Lets tf.Transform trace the preprocessing function, and writes what it made of it in its canonical form.

    Args:
        config: the text and the weighting.
        vocabularies: as `preprocessing_fn` takes them.
        folder: where the graph is written.

    Raises:
        OSError: if it cannot be.
    """
    inputs = tensor_adapter.TensorAdapter(tensor_adapter_config()).TypeSpecs()
    with scratch.uploaded(folder) as local:
        # There is nothing to analyze: the vocabularies are constants.
        impl_helper.analyze_in_place(preprocessing_fn(config, vocabularies), False, None, inputs, local)
        saved_model = outputs.join(local, _TRANSFORM_FN, 'saved_model.pb')
        outputs.write_bytes(saved_model, canonical_saved_model(outputs.read_bytes(saved_model)))
        # It holds a random identifier of the run and hashes of what was just rewritten; TensorFlow does without it.
        outputs.remove(outputs.join(local, _TRANSFORM_FN, 'fingerprint.pb'))


class WriteTransformGraph(beam.PTransform[Any, Any]):
    """Writes the transform graph, with the vocabularies in it, by `write_transform_graph`; in one place, at once.

    Args:
        config: the text and the weighting.
        folder: where the graph is written.
        ngrams: chunks of the n-grams' vocabulary.
        documents: the number of training papers.
        labels: one list of the labels, in the order of their ids.
    """

    def __init__(
        self,
        config: NgramConfig,
        folder: str,
        ngrams: beam.PCollection[Chunk],
        documents: beam.PCollection[int],
        labels: beam.PCollection[list[str]],
    ) -> None:
        super().__init__()
        self._config = config
        self._folder = folder
        self._ngrams = ngrams
        self._documents = documents
        self._labels = labels

    def expand(self, root: beam.Pipeline) -> beam.PCollection[None]:
        """Traces and writes."""
        return (
            root
            | 'Once' >> beam.Create([None])
            | 'Write'
            >> beam.Map(
                _write,
                self._config,
                self._folder,
                beam.pvalue.AsList(self._ngrams),
                beam.pvalue.AsSingleton(self._documents),
                beam.pvalue.AsSingleton(self._labels),
            )
        )


def _write(_: None, config: NgramConfig, folder: str, ngrams: list[Chunk], documents: int, labels: list[str]) -> None:
    write_transform_graph(config, constant_vocabularies(ngrams, documents, labels), folder)


def _rename(message: Any, names: Mapping[str, str]) -> None:
    """Replaces strings that are one of `names` wherever they stand in a proto: as values, or as keys of a map."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            of_messages = field.message_type.fields_by_name['value'].message_type is not None
            for key in list(value):
                if of_messages:
                    _rename(value[key], names)
                elif value[key] in names:
                    value[key] = names[value[key]]
            # All are taken out before one is put back: a new name may be another's old one.
            moved = {key: copy.deepcopy(value[key]) for key in value if key in names}
            for key in moved:
                del value[key]
            for key, found in moved.items():
                if of_messages:
                    value[names[key]].CopyFrom(found)
                else:
                    value[names[key]] = found
        elif field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                _rename(part, names)
        elif field.type == field.TYPE_STRING:
            if not field.is_repeated:
                setattr(message, field.name, names.get(value, value))
            else:
                value[:] = [names.get(text, text) for text in value]


def _number(function_name: str) -> int:
    """Returns the number at the end of a traced function's name, which grows with each function traced; else 0."""
    number = function_name.rpartition('_')[2]
    return int(number) if number.isdecimal() else 0
