"""What the REST interface takes and gives: the bodies, their limits, and their examples."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.config import MAX_EXPLAIN
from serving.errors import RequestError, place

MAX_PAPERS = 512
MAX_BODY_BYTES = 2_000_000
MAX_TOP_K = 200
# N-grams in one answer: papers x labels x n-grams. What is beyond would be tens of megabytes.
MAX_EXPLANATIONS = 100_000

_TITLE = 'Attention is all you need'
_ABSTRACT = (
    'The dominant sequence transduction models are based on recurrent neural networks. We propose a network '
    'architecture based solely on attention mechanisms.'
)


def _whole(value: Any) -> Any:
    """To JSON, 5.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


TopK = Annotated[int, Field(ge=1, le=MAX_TOP_K, description='Labels a paper, best first.'), BeforeValidator(_whole)]
Explain = Annotated[
    int,
    Field(ge=0, le=MAX_EXPLAIN, description='N-grams to name that weigh most for each label; 0 for none.'),
    BeforeValidator(_whole),
]


class _Body(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)


class Paper(_Body):
    """A paper, as its author would submit it."""

    title: str = Field(max_length=10_000, examples=[_TITLE])
    abstract: str = Field(max_length=100_000, examples=[_ABSTRACT])
    id: str | None = Field(
        default=None, max_length=200, description='Comes back in the answer.', examples=['1706.03762']
    )


class OnePaper(Paper):
    """One paper, and what to say of it."""

    top_k: TopK = 10
    explain: Explain = 0


class SomePapers(_Body):
    """Papers, and what to say of each."""

    papers: list[Paper] = Field(min_length=1, max_length=MAX_PAPERS)
    top_k: TopK = 10
    explain: Explain = 0


class NgramWeight(BaseModel):
    """An n-gram of the paper, and what it adds to the label's log odds."""

    ngram: str
    contribution: float


class Prediction(BaseModel):
    """A label, and how sure the model is of it; accepted, where the score reaches the label's threshold."""

    label: str = Field(examples=['cs.CL'])
    name: str = Field(examples=['Computation and Language'])
    score: float = Field(ge=0, le=1, examples=[0.914])
    threshold: float = Field(examples=[0.331])
    accepted: bool
    explanation: list[NgramWeight] | None = Field(default=None, description='If it was asked for.')


class TaggedPaper(BaseModel):
    """A paper's labels, best first."""

    id: str | None = None
    predictions: list[Prediction]


class TagAnswer(BaseModel):
    """The papers in the order in which they were asked for, all of them by one version of the model."""

    model_version: str = Field(examples=['5'])
    papers: list[TaggedPaper]


class Label(BaseModel):
    """A label that the model can give."""

    label: str = Field(examples=['cs.CL'])
    name: str = Field(examples=['Computation and Language'])
    group: str = Field(examples=['cs'])
    threshold: float


class LabelsAnswer(BaseModel):
    """All labels of the model."""

    model_version: str
    labels: list[Label]


class Refused(BaseModel):
    """A version that does not serve, and why."""

    version: str
    reason: str
    at: str


class ModelAnswer(BaseModel):
    """The model that serves, and what `train` published with it; null, where that is of another version."""

    model_version: str
    serving_since: str = Field(examples=['2026-11-21T20:22:00+00:00'])
    refused: list[Refused]
    metrics: dict[str, Any] | None
    model_card: str | None = Field(description='Markdown.')


class Error(BaseModel):
    """What is wrong, where, and what to do."""

    code: str = Field(examples=['string_too_long'])
    message: str
    at: str | None = Field(
        default=None, description='The part of the body that is wrong.', examples=['papers[3].title']
    )


class ErrorAnswer(BaseModel):
    """What every answer but a good one is."""

    error: Error


class StatusAnswer(BaseModel):
    """How the server is."""

    status: str


def read_request(body: bytes) -> SomePapers | OnePaper:
    """Reads the body of a request for tags.

    Raises:
        RequestError: if it is none.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            body.decode()
        except UnicodeDecodeError as unicode_error:
            raise RequestError(
                400, 'invalid_utf8', f'The body is not UTF-8 at byte {unicode_error.start}. Send JSON in UTF-8.'
            ) from error
        raise RequestError(400, 'invalid_json', f'The body is not JSON: {error}.') from error
    if not isinstance(value, dict):
        what = '{"papers": [...]}, or {"title": "...", "abstract": "..."}'
        raise RequestError(422, 'wrong_type', f'The body should be a JSON object: {what}.')
    try:
        request = SomePapers.model_validate(value) if 'papers' in value else OnePaper.model_validate(value)
    except ValidationError as error:
        raise _explain(error) from error
    papers = len(request.papers) if isinstance(request, SomePapers) else 1
    if papers * request.top_k * request.explain > MAX_EXPLANATIONS:
        raise RequestError(
            422,
            'too_many_explanations',
            f'{papers} papers x {request.top_k} labels x {request.explain} n-grams are more than {MAX_EXPLANATIONS:,}. '
            'Send fewer papers, or lower top_k or explain.',
            at='explain',
        )
    return request


# In place of pydantic's words, which speak of Python.
_WORDS = {'extra_forbidden': 'There is no such field', 'model_type': 'Input should be an object'}


def _explain(error: ValidationError) -> RequestError:
    """Says of the first thing that is wrong what, where, and how it should be."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = place(first['loc'])
    more = error.error_count() - 1
    what = _WORDS.get(first['type'], first['msg'])
    message = f'{where}: {what}{f" (and {more} more)" if more else ""}.'
    return RequestError(422, first['type'], message, at=where)


def to_json(value: Any) -> bytes:
    """Writes an answer."""
    return orjson.dumps(value)


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    """Returns a model's schema with all that it refers to inside."""
    schema = model.model_json_schema()
    definitions = schema.pop('$defs', {})

    def inlined(value: Any) -> Any:
        if isinstance(value, dict):
            if '$ref' in value:
                return inlined(definitions[value['$ref'].rpartition('/')[2]])
            return {name: inlined(part) for name, part in value.items()}
        return [inlined(part) for part in value] if isinstance(value, list) else value

    return inlined(schema)


REQUEST_BODY = {
    'required': True,
    'content': {
        'application/json': {
            'schema': {'anyOf': [_schema(OnePaper), _schema(SomePapers)]},
            'examples': {
                'one': {
                    'summary': 'One paper',
                    'value': {'title': _TITLE, 'abstract': _ABSTRACT, 'top_k': 5, 'explain': 3},
                },
                'some': {
                    'summary': 'Several papers',
                    'value': {
                        'papers': [
                            {'id': '1706.03762', 'title': _TITLE, 'abstract': _ABSTRACT},
                            {'id': '2', 'title': 'On sums', 'abstract': 'We add numbers.'},
                        ],
                        'top_k': 3,
                    },
                },
            },
        }
    },
}
