"""Every record of an OAI-PMH response is a paper's record or a dead letter, in each of arXiv's metadata formats."""

import pathlib

import pytest

from pipeline.readers.oai_pmh import FORMAT
from schemas.paper import parse_paper
from tests.helpers import read, recognised, split_letters

FORMATS = pathlib.Path(__file__).parent.parent / 'formats'
LIST_RECORDS = (FORMATS / 'oai_list_records.xml').read_bytes()
GET_RECORD = (FORMATS / 'oai_get_record.xml').read_bytes()

RESPONSE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
    '<responseDate>2026-09-24T00:00:00Z</responseDate>{}</OAI-PMH>\n'
)
HEADER = '<header{}><identifier>oai:arXiv.org:0704.0001</identifier><datestamp>2008-11-26</datestamp></header>'


def response(metadata, attributes=''):
    return RESPONSE.format(
        f'<ListRecords><record>{HEADER.format(attributes)}{metadata}</record>'
        '<resumptionToken cursor="0" completeListSize="2">7|1</resumptionToken></ListRecords>'
    ).encode()


def test_list_records_and_get_record_are_recognised_by_content():
    assert [recognised(content).format for content in (LIST_RECORDS, GET_RECORD)] == [FORMAT.name] * 2
    assert FORMAT.name == 'oai_pmh'


def test_records_of_the_prefix_arxiv():
    fields, letters = split_letters(read(LIST_RECORDS))
    assert letters == []
    assert [(one['id'], one['categories'], one['updated']) for one in fields] == [
        ('1412.8323', 'quant-ph gr-qc hep-th math-ph math.MP physics.hist-ph', '2017-12-13'),
        ('1507.07790', 'hep-th math-ph math.MP quant-ph', '2016-03-04'),
        ('1607.01710', 'hep-th', '2016-10-13'),
    ]
    assert fields[0]['title'] == 'Toolbox for reconstructing quantum theory from rules on information\n  acquisition'
    assert fields[2]['abstract'].startswith('This letter aims to analyse the so-called configurational entropy in the')
    assert fields[2]['abstract'].endswith('arises\nfrom the CE.')


def test_several_responses_may_stand_in_one_file():
    fields, letters = split_letters(read(GET_RECORD + b'\n' + LIST_RECORDS))
    assert (letters, [one['id'] for one in fields]) == ([], ['1401.2122', '1412.8323', '1507.07790', '1607.01710'])


def test_a_record_of_the_prefix_arxiv_raw_has_the_number_and_day_of_its_newest_version():
    content = response(
        '<metadata><arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/"><id>0704.0001</id><submitter>P N</submitter>'
        '<version version="v1"><date>Mon, 2 Apr 2007 19:18:42 GMT</date><size>1k</size></version>'
        '<version version="v2"><date>Tue, 24 Jul 2007 20:10:27 GMT</date><size>1k</size></version>'
        '<title>A title</title><authors>P N</authors><categories>hep-ph cs.LG</categories>'
        '<license>none</license><abstract>  Text &lt; more.\n</abstract></arXivRaw></metadata>'
    )
    assert split_letters(read(content)) == (
        [
            {
                'id': '0704.0001v2',
                'title': 'A title',
                'abstract': 'Text < more.',
                'categories': 'hep-ph cs.LG',
                'updated': '2007-07-24',
            }
        ],
        [],
    )


def test_subjects_of_dublin_core_are_titles_of_categories():
    content = response(
        '<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A title</dc:title><dc:creator>N, P</dc:creator>'
        '<dc:subject>Computer Science - Machine Learning</dc:subject><dc:subject>Quantum Physics</dc:subject>'
        '<dc:subject>Mathematics - Mathematical Physics</dc:subject><dc:subject>68T05</dc:subject>'
        '<dc:description>Text.</dc:description><dc:description>Comment: 5 pages</dc:description>'
        '<dc:date>2007-04-02</dc:date><dc:date>2007-07-24</dc:date><dc:type>text</dc:type>'
        '<dc:identifier>http://arxiv.org/abs/0704.0001</dc:identifier><dc:identifier>doi:10.1/x</dc:identifier>'
        '</oai_dc:dc></metadata>'
    )
    [fields], letters = split_letters(read(content))
    assert letters == []
    paper, _ = parse_paper(fields, labelled=True)
    assert (paper.id, paper.title, paper.abstract) == ('0704.0001', 'A title', 'Text.')
    assert (paper.labels, paper.updated) == (('cs.LG', 'math-ph', 'quant-ph'), '2007-07-24')


@pytest.mark.parametrize(
    ('content', 'reason', 'message'),
    [
        (response('', ' status="deleted"'), 'deleted_record', 'oai:arXiv.org:0704.0001 was deleted'),
        (response(''), 'malformed_xml', 'the record has no metadata'),
        (
            response('<metadata><record xmlns="http://www.loc.gov/MARC21/slim"/></metadata>'),
            'malformed_xml',
            'the record has no end tag',
        ),
        (
            response('<metadata><mods xmlns="http://www.loc.gov/mods/v3"/></metadata>'),
            'malformed_xml',
            'its metadata are mods, none of arXiv, arXivRaw and oai_dc; harvest those',
        ),
        (
            RESPONSE.format('<error code="badResumptionToken">The token is stale</error>').encode(),
            'error_response',
            'the server answered badResumptionToken: The token is stale',
        ),
    ],
)
def test_what_is_no_paper_is_a_dead_letter(content, reason, message):
    fields, letters = split_letters(read(content))
    assert (fields, [(letter.reason, letter.message) for letter in letters][:1]) == ([], [(reason, message)])


def test_days_without_news_hold_nothing():
    assert read(RESPONSE.format('<error code="noRecordsMatch">No records match</error>').encode()) == []
