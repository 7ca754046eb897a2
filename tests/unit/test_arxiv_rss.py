"""Every item of a daily announcement is a paper's record: new papers, cross-lists and replacements."""

import pathlib

from pipeline.readers.arxiv_rss import FORMAT
from schemas.paper import parse_paper
from tests.helpers import read, recognised, split_letters

ANNOUNCEMENT = (pathlib.Path(__file__).parent.parent / 'formats' / 'rss.xml').read_bytes()


def test_an_announcement_is_recognised_by_content():
    assert (recognised(ANNOUNCEMENT).format, FORMAT.name) == ('arxiv_rss', 'arxiv_rss')


def test_items_are_records_without_the_words_before_the_abstract():
    fields, letters = split_letters(read(ANNOUNCEMENT))
    papers = [parse_paper(one, labelled=True)[0] for one in fields]
    assert letters == []
    assert [(paper.id, paper.version, paper.labels, paper.updated) for paper in papers] == [
        ('2609.26811', 1, ('cs.LG',), '2026-09-24'),
        ('2609.26820', 1, ('cs.AI', 'cs.LG'), '2026-09-24'),
        ('2205.06398', 2, ('stat.AP', 'stat.ME', 'stat.ML'), '2026-09-24'),
        ('2009.13987', 3, ('cs.LG', 'math.MG', 'stat.ML'), '2026-09-24'),
    ]
    assert [paper.abstract[:30] for paper in papers] == [
        'Local learning trains each lay',
        papers[1].abstract[:30],
        'It has become routine in neuro',
        'We introduce a class of random',
    ]
    assert not any('Announce Type' in paper.abstract for paper in papers)
