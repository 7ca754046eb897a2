"""The page is one safe file: pictures in the colours of its theme, foreign text escaped, nothing from elsewhere."""

import re
from html.parser import HTMLParser

import pytest

from reporting import charts, page, style, svg
from reporting.content import Line, Picture, Section, Table

ROLES = {'blue': '#0b68a8', 'ink': '#1b2330'}


@pytest.fixture(scope='module')
def drawing():
    return style.draw(charts.columns([1, 2], [5, 7], x='labels', y='<papers>', written=['$5$', '0.125']))


def test_the_same_picture_is_the_same_bytes(drawing):
    again = style.draw(charts.columns([1, 2], [5, 7], x='labels', y='<papers>', written=['$5$', '0.125']))
    assert again == drawing


def test_a_picture_that_stands_alone_has_a_title_and_a_description(drawing):
    alone = svg.standalone(drawing, 'Half & more', 'Two <columns>.')
    assert '<title>Half &amp; more</title><desc>Two &lt;columns&gt;.</desc>' in alone
    assert alone.startswith('<svg xmlns:xlink="http://www.w3.org/1999/xlink" ')
    assert 'metadata' not in alone


def test_a_picture_in_the_page_has_variables_for_colours_and_ids_of_its_own(drawing):
    inside = svg.inline(svg.standalone(drawing, 'Title', 'Text'), 'labels', style.COLOURS)
    assert 'var(--blue)' in inside
    assert not re.search('#[0-9a-f]{6}', inside)
    assert 'http' not in inside
    assert {found.split('-')[0] for found in re.findall(r'(?:id="|href="#|url\(#)([^")]*)', inside)} == {'labels'}
    assert inside.startswith('<svg viewBox="0 0 374.4 230.4" role="img" aria-labelledby="labels-title" ')
    # Coordinates are rounded, what people read is not; a dollar sign is no formula.
    assert '>0.125<' in inside
    assert '>$5$<' in inside
    assert '&lt;papers&gt;' in inside


def test_colours_without_a_role_stay():
    assert svg.themed('<a style="fill: #0b68a8; stroke: #123456"/>#0b68a8', ROLES) == (
        '<a style="fill: var(--blue); stroke: #123456"/>#0b68a8'
    )


def test_every_role_has_a_colour_of_its_own_and_one_in_the_style_sheet():
    assert len(set(style.COLOURS.values())) == len(style.COLOURS)
    text = (page._FOLDER / 'report.css').read_text('utf-8')
    light, dark = text.split('@media screen and (prefers-color-scheme: dark)')
    for role in style.COLOURS:
        assert f'--{role}: ' in light
        assert f'--{role}: ' in dark


def test_a_block_without_a_partner_takes_the_whole_width():
    def line(name, wide=False):
        return Line(name=name, title='', text='', wide=wide)

    blocks = [line('a'), line('b'), line('c'), line('d', wide=True), line('e')]
    assert page.alone(blocks) == ['c', 'e']


class Reader(HTMLParser):
    """Notes tags, and that each is closed."""

    void = ('meta', 'input', 'br', 'link', 'img')

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_html_whose_script_its_policy_knows(drawing):
    table = Table(('label', 'papers'), [('<b>', '1')])
    picture = Picture(name='labels', title='A <title>', text='A "text".', svg=drawing, table=table)
    section = Section('data', 'The data', 'A <lead>', [], [picture])
    text = page.render([section], page.pictures_of([section]))
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    for name in ('A &lt;title&gt;', 'A &lt;lead&gt;', '<th scope="row">&lt;b&gt;</th>'):
        assert name in text
    (policy,) = [tag[1]['content'] for tag in reader.tags if tag[1].get('http-equiv') == 'Content-Security-Policy']
    script = re.search('<script>(.*?)</script>', text, re.DOTALL)[1]
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src '{page.script_hash(script)}'" in policy
    assert 'http:' not in text
    assert 'https:' not in text
