"""Each record of a stream of XML documents comes out once, whatever stands around it and however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.readers.compression import DamagedFile
from pipeline.readers.xml_records import Found, Layout, records
from tests.helpers import cut_into_blocks

LAYOUT = Layout('list', ('record',))
HEAD = b'<?xml version="1.0"?>\n<list xmlns="urn:l" xmlns:x="urn:x">\n'
RECORD = b'<record n="1"><x:title>A &amp; b</x:title></record>'


def outcomes(*blocks, limit=1000):
    """(position, raw) of each record, (position, reason, message) of each dead letter."""
    return [
        (found.position, found.raw) if isinstance(found, Found) else (found.position, found.reason, found.message)
        for found in records('dump', blocks, LAYOUT, limit)
    ]


def test_a_record_is_parsed_with_the_namespaces_around_it():
    [found] = records('dump', [HEAD + RECORD + b'</list>'], LAYOUT, 1000)
    assert (found.position, found.raw) == (len(HEAD), RECORD)
    assert (found.element.tag, found.element.attrib) == ('{urn:l}record', {'n': '1'})
    assert [(child.tag, child.text) for child in found.element] == [('{urn:x}title', 'A & b')]


def test_prefixes_and_namespaces_of_elements_in_between_count_and_those_that_ended_do_not():
    document = (
        b'<a:list xmlns:a="urn:a"><note xmlns="urn:no"/><in xmlns="urn:in"><a:record><b/></a:record></in></a:list>'
    )
    [found] = records('dump', [document], LAYOUT, 1000)
    assert (found.element.tag, found.element[0].tag) == ('{urn:a}record', '{urn:in}b')


@given(st.data())
def test_where_blocks_are_cut_makes_no_difference(data):
    second = b'<list><!-- <record> --><record><![CDATA[</record>]]>y</record><record/></list>'
    documents = HEAD + RECORD + b'\n' + RECORD + b'\n</list>\n' + HEAD + RECORD + b'</list>' + second
    expected = outcomes(documents)
    assert len(expected) == 5
    assert all(documents[position:].startswith(raw) for position, raw in expected)
    assert outcomes(*data.draw(cut_into_blocks(documents))) == expected


def test_encodings_are_those_that_each_document_declares():
    latin = '<?xml version="1.0" encoding="iso-8859-1"?><list><record>Schrödinger</record></list>'.encode('latin-1')
    utf_8 = '<?xml version="1.0" encoding="UTF-8"?><list><record>Schrödinger</record></list>'.encode()
    texts = [found.element.text for found in records('dump', [latin, utf_8], LAYOUT, 1000)]
    assert texts == ['Schrödinger', 'Schrödinger']


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (b'<record><title>no end</record>', 'not well-formed: mismatched tag'),
        (b'<record>\xff\xfe</record>', 'not well-formed: not well-formed (invalid token)'),
        (b'<record>a & b</record>', 'not well-formed: not well-formed (invalid token)'),
        (b'<record>&lol9;</record>', 'not well-formed: undefined entity'),
        (b'<record><y:title/></record>', 'not well-formed: unbound prefix'),
        (b'<record><title>', 'the record has no end tag'),
        (b'<record>' + b'<a>' * 70 + b'</a>' * 70 + b'</record>', 'its elements are nested deeper than 64'),
    ],
)
def test_a_fault_costs_the_record_that_it_is_in(bad, message):
    start = len(HEAD + RECORD)
    assert outcomes(HEAD + RECORD + bad + RECORD + b'</list>') == [
        (len(HEAD), RECORD),
        (start, 'malformed_xml', message),
        (start + len(bad), RECORD),
    ]


def test_entities_are_not_expanded_and_nothing_outside_is_opened(tmp_path):
    secret = tmp_path / 'secret'
    secret.write_text('secret')
    doctype = (
        f'<!DOCTYPE list [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;"><!ENTITY f SYSTEM "file://{secret}">'
        '<!ELEMENT list ANY>]>'
    ).encode()
    bodies = [b'<record>&b;</record>', b'<record>&f;</record>', b'<record>fine</record>']
    found = outcomes(b'<?xml version="1.0"?>' + doctype + b'<list>' + b''.join(bodies) + b'</list>')
    assert [one[1:] for one in found] == [
        ('malformed_xml', 'not well-formed: undefined entity'),
        ('malformed_xml', 'not well-formed: undefined entity'),
        (bodies[2],),
    ]


def test_a_record_that_is_too_long_is_cut_and_those_around_it_are_read():
    long = b'<record>' + b'x' * 5000 + b'</record>'
    content = HEAD + RECORD + long + RECORD + b'</list>'
    for blocks in ([content], [content[at : at + 100] for at in range(0, len(content), 100)]):
        found = list(records('dump', blocks, LAYOUT, 1000))
        assert [one.position for one in found] == [len(HEAD), len(HEAD + RECORD), len(HEAD + RECORD + long)]
        assert (found[1].reason, len(found[1].raw)) == ('too_long', 1000)


def test_memory_is_bounded_by_a_record():
    import tracemalloc

    def blocks():
        yield HEAD
        for _ in range(300):
            yield b'<record>' + b'x' * 100_000 + b'</record>' + b' ' * 100_000
        yield b'<!--' + b'-' * 10
        for _ in range(100):
            yield b'y' * 100_000
        yield b'--></list>'

    tracemalloc.start()
    count = sum(isinstance(found, Found) for found in records('dump', blocks(), LAYOUT, 200_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300
    assert peak < 3_000_000


@pytest.mark.parametrize('end', [b'', b'<record><title>cut o', b'<!-- '])
def test_a_document_without_an_end_is_damaged(end):
    content = HEAD + RECORD + end
    assert outcomes(content)[0] == (len(HEAD), RECORD)
    assert outcomes(content)[1][1:] == ('damaged_file', 'it is cut off: its XML has no end')


def test_a_document_that_another_follows_before_its_end_is_damaged():
    content = HEAD + RECORD
    assert outcomes(content, HEAD + RECORD + b'</list>') == [
        (len(HEAD), RECORD),
        (len(content), 'damaged_file', 'the XML before this has no end'),
        (len(content + HEAD), RECORD),
    ]


def test_damaged_compression_ends_the_reading_behind_what_could_be_read():
    def blocks():
        yield HEAD + RECORD
        raise DamagedFile('it is cut off: its gzip data has no end')

    found = list(records('dump', blocks(), LAYOUT, 1000))
    assert [getattr(one, 'reason', 'found') for one in found] == ['found', 'damaged_file']
