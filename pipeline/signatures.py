"""What an export can be asked: the signatures that we call, and in what those of a model differ from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas import features


class Tensor(NamedTuple):
    """What is known of an input or output: the name of its type, and its rank, if that is fixed."""

    dtype: str
    rank: int | None

    def __str__(self) -> str:
        return f'{self.dtype} {"of any rank" if self.rank is None else f"of rank {self.rank}"}'


class Signature(NamedTuple):
    """What a signature takes and gives, by name."""

    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


_TEXTS = {features.TITLE: Tensor('string', 1), features.ABSTRACT: Tensor('string', 1)}
_COUNT = Tensor('int32', 0)
_ANSWER = {
    features.LABELS: Tensor('string', 2),
    features.SCORES: Tensor('float32', 2),
    features.ACCEPTED: Tensor('bool', 2),
}
_COUNTED = dict.fromkeys(
    (features.WORDS, features.NGRAMS, features.KNOWN_NGRAMS, features.NGRAM_PAPERS), Tensor('int64', 1)
)
_EXPLAINED = {features.EXPLANATIONS: Tensor('string', 3), features.CONTRIBUTIONS: Tensor('float32', 3)}

# What an export of this version's format can be asked.
SIGNATURES = {
    features.SERVING_SIGNATURE: Signature(_TEXTS, _ANSWER),
    features.TAG_SIGNATURE: Signature(_TEXTS | {'k': _COUNT}, _ANSWER | _COUNTED),
    features.EXPLAIN_SIGNATURE: Signature(_TEXTS | {'k': _COUNT, 'n': _COUNT}, _ANSWER | _COUNTED | _EXPLAINED),
    features.PREDICT_ALL_SIGNATURE: Signature(_TEXTS, {features.PROBABILITIES: Tensor('float32', 2)}),
    features.LABEL_TABLE_SIGNATURE: Signature(
        {},
        {
            features.LABELS: Tensor('string', 1),
            features.THRESHOLDS: Tensor('float32', 1),
            features.PROPENSITIES: Tensor('float32', 1),
        },
    ),
}


def signature_fault(found: Mapping[str, Signature]) -> str | None:
    """Says in what a model's signatures differ from those that we call, or None if they do not.

    Signatures and outputs that we do not know do no harm; an input that we do not give does.
    """
    for name, expected in SIGNATURES.items():
        if name not in found:
            return f'it has no signature "{name}" (it has: {", ".join(sorted(found)) or "none"})'
        for way, wanted, given in (
            ('take', expected.inputs, found[name].inputs),
            ('give', expected.outputs, found[name].outputs),
        ):
            for tensor in wanted:
                if tensor not in given:
                    return f'its signature "{name}" does not {way} "{tensor}"'
                dtype, rank = given[tensor]
                if dtype != wanted[tensor].dtype or rank not in (None, wanted[tensor].rank):
                    return f'its signature "{name}" {way}s "{tensor}" as {given[tensor]}, not as {wanted[tensor]}'
        for tensor in found[name].inputs:
            if tensor not in expected.inputs:
                return f'its signature "{name}" takes "{tensor}", which nobody gives it'
    return None
