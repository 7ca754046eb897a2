"""A record becomes a valid paper, or is rejected with a reason that stays the same for ever."""

import base64
import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.paper import DeadLetter, Paper, Reason, Record, RejectedRecord, parse_paper
from tests.helpers import SCHEMAS, validate

FIELDS = {'id': '0704.0001', 'title': 'A title', 'abstract': 'Text.', 'categories': 'cs.LG'}


def parsed(**fields):
    return parse_paper(FIELDS | fields, labelled=True)[0]


def rejection(labelled=True, **fields):
    """(reason, message) for which a record is rejected."""
    with pytest.raises(RejectedRecord) as error:
        parse_paper(FIELDS | fields, labelled=labelled)
    return error.value.reason, str(error.value)


def test_a_paper_has_its_title_on_one_line_its_text_trimmed_and_its_labels_canonical():
    fields = {
        'id': '0704.0001v2',
        'title': ' On  the\n\ttitle ',
        'abstract': '\n  First line\nsecond line.  ',
        'categories': 'stat.ML cs.NA',
        'updated': '2019-05-03',
    }
    assert parse_paper(fields, labelled=True)[0] == Paper(
        '0704.0001', 'On the title', 'First line\nsecond line.', ('math.NA', 'stat.ML'), '2019-05-03', 2
    )


@pytest.mark.parametrize(
    ('found', 'id_', 'version'),
    [
        ('0704.0001', '0704.0001', 0),
        ('2503.12345v11', '2503.12345', 11),
        ('arXiv:2503.12345v1', '2503.12345', 1),
        ('ARXIV:0704.0001', '0704.0001', 0),
        ('http://arxiv.org/abs/1207.0580v1', '1207.0580', 1),
        ('https://arxiv.org/abs/hep-th/9901001v3', 'hep-th/9901001', 3),
        ('hep-th/9901001', 'hep-th/9901001', 0),
        ('math.GT/0309136v2', 'math.GT/0309136', 2),
        ('  0704.0001 ', '0704.0001', 0),
        ('doi:10.1000/182', 'doi:10.1000/182', 0),
        ('row 17', 'row 17', 0),
        ('0704.0001v', '0704.0001v', 0),
        ('0704.0001v' + '9' * 5000, '0704.0001v' + '9' * 5000, 0),
        ('٠٧٠٤.٠٠٠١v٢', '٠٧٠٤.٠٠٠١v٢', 0),
    ],
)
def test_an_id_is_told_apart_from_its_prefix_and_its_version(found, id_, version):
    paper = parsed(id=found)
    assert (paper.id, paper.version) == (id_, version)


@pytest.mark.parametrize('missing', [None, '', '  '])
def test_a_row_without_an_id_gets_one_from_its_content(missing):
    paper = parsed(id=missing)
    assert (paper.id, paper.version) == ('sha256:6c7f0704de08b724c3da78d6', 0)
    assert parsed(id=missing, title=' A \n title', abstract='Text. ').id == paper.id
    assert parsed(id=missing, title='A title T', abstract='ext.').id != paper.id


@pytest.mark.parametrize(
    ('fields', 'reason', 'message'),
    [
        ({'title': None}, 'missing_title', 'the record has no title'),
        ({'title': ''}, 'missing_title', 'the record has no title'),
        ({'title': ' \n'}, 'missing_title', 'title holds nothing but white space'),
        ({'title': 7}, 'malformed_field', 'title is a number, not a string'),
        ({'title': {'en': 'T'}}, 'malformed_field', 'title is an object, not a string'),
        ({'title': 'a\ud800b'}, 'invalid_encoding', 'half of a surrogate pair in title'),
        ({'abstract': None}, 'missing_abstract', 'the record has no abstract'),
        ({'abstract': '\t'}, 'missing_abstract', 'abstract holds nothing but white space'),
        ({'abstract': ['a']}, 'malformed_field', 'abstract is a list, not a string'),
        ({'abstract': True}, 'malformed_field', 'abstract is a truth value, not a string'),
        ({'abstract': '\udfff'}, 'invalid_encoding', 'half of a surrogate pair in abstract'),
        ({'id': 7040001}, 'malformed_field', 'id is a number, not a string'),
        (
            {'id': 3.14},
            'malformed_id',
            'id 3.14 is a number, and none that an id of arXiv becomes when it is read as one',
        ),
        ({'id': '\udc00'}, 'invalid_encoding', 'half of a surrogate pair in id'),
        ({'categories': 3}, 'malformed_categories', 'categories are a number, not a string or a list of strings'),
        (
            {'categories': ['cs.LG', 3]},
            'malformed_categories',
            'categories are a list, not a string or a list of strings',
        ),
        ({'categories': 'cs.LG \ud800'}, 'invalid_encoding', 'half of a surrogate pair in categories'),
        ({'categories': ['cs.LG', '\ud800']}, 'invalid_encoding', 'half of a surrogate pair in categories'),
        (
            {'categories': None},
            'no_known_category',
            'no category of arXiv is among its categories (it has none)',
        ),
        ({'categories': ' '}, 'no_known_category', 'no category of arXiv is among its categories (it has none)'),
        (
            {'categories': ['cs.XX', '68T05', 'I.2']},
            'no_known_category',
            'no category of arXiv is among its categories (cs.XX, 68T05, I.2)',
        ),
    ],
)
def test_a_record_that_is_no_valid_paper_is_rejected_for_its_reason(fields, reason, message):
    assert rejection(**fields) == (reason, message)


def test_a_paper_to_be_tagged_needs_no_category():
    paper, categories = parse_paper(FIELDS | {'categories': None}, labelled=False)
    assert paper == Paper('0704.0001', 'A title', 'Text.')
    assert categories.unknown == ()


@pytest.mark.parametrize(
    ('categories', 'labels'), [(None, ()), ('cs.LG hep-th', ('cs.LG', 'hep-th')), (7, ()), ('nothing known', ())]
)
def test_where_categories_need_not_be_they_are_taken_where_they_are_valid(categories, labels):
    assert parse_paper(FIELDS | {'categories': categories}, labelled=None)[0].labels == labels


def test_what_the_categories_meant_comes_beside_the_paper():
    _, categories = parse_paper(FIELDS | {'categories': ['cmp-lg', 'cs.XX', '68T50', 'I.2.7; I.5']}, labelled=True)
    assert categories.renamed == (('cmp-lg', 'cs.CL'),)
    assert (categories.unknown, categories.msc, categories.acm) == (('cs.XX',), ('68T50',), ('I.2.7; I.5',))


@pytest.mark.parametrize(
    ('found', 'updated'),
    [
        ('2019-05-03', '2019-05-03'),
        ('2019-05-03T12:00:00Z', '2019-05-03'),
        ('2019-05', ''),
        ('Fri, 3 May 2019', ''),
        ('٢٠١٩-٠٥-٠٣', ''),
        ('', ''),
        (None, ''),
        (20190503, ''),
    ],
)
def test_a_date_is_a_day_or_unknown(found, updated):
    assert parsed(updated=found).updated == updated


TEXTS = st.text(st.characters(codec='utf-8')).filter(str.strip)


@given(title=TEXTS, abstract=TEXTS)
def test_any_text_with_more_than_white_space_is_a_valid_paper(title, abstract):
    paper = parsed(title=title, abstract=abstract)
    assert (paper.title.split(), paper.abstract) == (title.split(), abstract.strip())
    assert paper.title == ' '.join(paper.title.split())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys((*FIELDS, 'updated'), JSON)),
    labelled=st.sampled_from([True, False, None]),
)
def test_whatever_json_holds_is_a_valid_paper_or_rejected_in_publishable_words(fields, labelled):
    record = Record('dump', 0, b'raw', fields)
    try:
        paper, categories = parse_paper(fields, labelled=labelled)
    except RejectedRecord as rejected:
        letter = record.dead_letter(rejected).to_json()
        validate(letter, 'dead_letter')
        json.dumps(letter, ensure_ascii=False).encode()
    else:
        assert paper.id.strip()
        assert paper.title.strip()
        assert paper.abstract.strip()
        json.dumps([paper.id, paper.title, paper.abstract, categories.unknown], ensure_ascii=False).encode()


def test_a_dead_letter_holds_text_as_it_is():
    letter = DeadLetter('dump.jsonl', 17, 'malformed_json', 'Expecting value', 'Schrödinger {\r'.encode())
    assert letter.to_json() == {
        'source': 'dump.jsonl',
        'position': 17,
        'reason': 'malformed_json',
        'message': 'Expecting value',
        'raw': 'Schrödinger {\r',
        'raw_encoding': 'utf-8',
    }
    validate(letter.to_json(), 'dead_letter')


def test_a_dead_letter_holds_other_bytes_in_base64():
    letter = DeadLetter('dump.csv', 0, 'invalid_encoding', 'title is not UTF-8', b'\xff\xfe,a').to_json()
    assert (letter['raw'], letter['raw_encoding']) == ('//4sYQ==', 'base64')
    validate(letter, 'dead_letter')


@given(raw=st.binary())
def test_the_raw_bytes_can_be_had_back_from_a_dead_letter(raw):
    letter = json.loads(json.dumps(DeadLetter('', -1, 'too_long', 'it is', raw).to_json()))
    validate(letter, 'dead_letter')
    assert (base64.b64decode(letter['raw']) if letter['raw_encoding'] == 'base64' else letter['raw'].encode()) == raw


def test_a_rejected_record_becomes_a_dead_letter_of_where_it_stood():
    record = Record('dump.jsonl', 5, b'{}', {})
    assert record.dead_letter(RejectedRecord(Reason.MISSING_TITLE, 'the record has no title')) == DeadLetter(
        'dump.jsonl', 5, 'missing_title', 'the record has no title', b'{}'
    )


def test_the_reason_codes_are_those_that_the_schemas_publish():
    codes = [str(reason) for reason in Reason]
    schemas = {
        name: json.loads((SCHEMAS / f'{name}.schema.json').read_text()) for name in ('dead_letter', 'statistics')
    }
    assert schemas['dead_letter']['properties']['reason']['enum'] == codes
    assert schemas['statistics']['properties']['rejected']['propertyNames']['enum'] == codes


@pytest.mark.parametrize('name', ['dead_letter', 'metrics', 'scored_paper', 'statistics'])
def test_each_published_schema_is_valid_itself(name):
    jsonschema.Draft202012Validator.check_schema(json.loads((SCHEMAS / f'{name}.schema.json').read_text()))


@pytest.mark.parametrize(
    'change',
    [{'extra': 1}, {'reason': 'bored'}, {'position': -2}, {'raw_encoding': 'latin-1'}, {'message': ''}, {'raw': None}],
)
def test_the_schema_of_dead_letters_refuses_what_is_none(change):
    letter = DeadLetter('dump', 0, 'too_long', 'it is', b'raw').to_json()
    with pytest.raises(jsonschema.ValidationError):
        validate(letter | change, 'dead_letter')
