"""The report in a browser, from disk: no error, sorted and searched, light and dark, on paper and on a phone."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.conftest import run_command
from tests.report_files import DRIFT, write, write_scored
from tests.web.served import PICTURES, ROOT
from tests.web.test_looks import CONTRAST, UNNAMED


@pytest.fixture(scope='module')
def report(prepared_dir, model_dir, tmp_path_factory):
    """The report of the samples, with every section."""
    folder = tmp_path_factory.mktemp('report')
    write(folder, **{'drift.json': DRIFT})
    run_command(
        'report', '--output_dir', folder / 'report', '--data_dir', prepared_dir, '--model_dir', model_dir,
        '--scored', write_scored(folder / 'scored'), '--drift', folder / 'drift.json',
    )  # fmt: skip
    return folder / 'report' / 'report.html'


@pytest.fixture
def open_report(browser):
    """Opens a report from disk; at the end it must have logged nothing and loaded nothing else."""
    opened, logged, loaded = [], [], []

    def open_(path, **options):
        context = browser.new_context(**{'viewport': {'width': 1280, 'height': 900}, **options})
        opened.append(context)
        page = context.new_page()
        page.on('console', lambda message: logged.append(message.text))
        page.on('pageerror', lambda error: logged.append(str(error)))
        page.on('request', lambda request: loaded.append(request.url))
        page.goto(path.as_uri())
        assert set(loaded) == {path.as_uri()}
        return page

    yield open_
    for context in opened:
        context.close()
    assert logged == []
    assert len(loaded) == len(opened)


def labels_of(page):
    """The labels that the table shows, from top to bottom."""
    rows = page.locator('#labels-figures tbody tr:visible th')
    return [text.split()[0] for text in rows.all_inner_texts()]


def column_of(page, number):
    return page.locator(f'#labels-figures tbody tr:visible td:nth-child({number})').all_inner_texts()


def test_the_table_of_labels_is_sorted_by_each_column(open_report, report):
    page = open_report(report)
    as_published = labels_of(page)
    header = page.locator('#labels-figures').get_by_role('columnheader', name='label')
    header.get_by_role('button').click()
    expect(header).to_have_attribute('aria-sort', 'ascending')
    assert labels_of(page) == sorted(as_published, key=str.lower)
    header.get_by_role('button').click()
    expect(header).to_have_attribute('aria-sort', 'descending')
    assert labels_of(page) == sorted(as_published, key=str.lower, reverse=True)

    papers = page.locator('#labels-figures').get_by_role('columnheader', name='training papers')
    papers.get_by_role('button').click()
    expect(papers).to_have_attribute('aria-sort', 'descending')
    expect(header).not_to_have_attribute('aria-sort', 'descending')
    numbers = [int(text.replace(',', '')) for text in column_of(page, 2)]
    assert numbers == sorted(numbers, reverse=True)


def test_labels_without_a_figure_come_last_in_either_order(open_report, report):
    page = open_report(report)
    button = page.locator('#labels-figures').get_by_role('columnheader', name='average precision').get_by_role('button')
    for _ in range(2):
        button.click()
        texts = column_of(page, 8)
        assert '–' in texts
        assert '–' not in texts[: texts.index('–')]
        assert set(texts[texts.index('–') :]) == {'–'}


def test_the_table_of_labels_is_searched_by_label_and_by_name(open_report, report):
    page = open_report(report)
    number = len(labels_of(page))
    search = page.get_by_label('Search labels')
    search.fill('CS.CV')
    assert labels_of(page) == ['cs.CV']
    expect(page.locator('#labels-found')).to_have_text(f'1 of {number}')
    search.fill('pattern recognition')
    assert labels_of(page) == ['cs.CV']
    search.fill('zzz')
    assert labels_of(page) == []
    search.fill('')
    assert len(labels_of(page)) == number


def test_the_table_is_there_without_javascript(open_report, report):
    page = open_report(report, java_script_enabled=False)
    assert len(labels_of(page)) > 5
    expect(page.get_by_label('Search labels')).to_be_hidden()
    expect(page.locator('#labels-figures button')).to_have_count(0)


def test_the_table_is_sorted_by_keyboard(open_report, report):
    page = open_report(report)
    page.get_by_label('Search labels').focus()
    # The table scrolls, and is focused for that, before its first button is.
    for _ in range(2):
        page.keyboard.press('Tab')
    page.keyboard.press('Enter')
    header = page.locator('#labels-figures').get_by_role('columnheader', name='label')
    expect(header).to_have_attribute('aria-sort', 'ascending')


def test_every_picture_has_a_name_and_a_description(open_report, report):
    page = open_report(report)
    pictures = page.locator('figure svg')
    assert pictures.count() >= 17
    for picture in pictures.all():
        expect(picture).to_have_role('img')
        title = picture.locator('xpath=ancestor::figure').locator('h3').inner_text()
        expect(picture).to_have_accessible_name(title)
        assert len(picture.locator('desc').text_content()) > 20
    ids = page.evaluate('[...document.querySelectorAll("[id]")].map(({ id }) => id)')
    assert sorted(ids) == sorted(set(ids))
    assert page.evaluate(UNNAMED) == []


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_the_report_can_be_read_and_does_not_scroll_sideways(open_report, report, width, scheme):
    page = open_report(report, viewport={'width': width, 'height': 900}, color_scheme=scheme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f'report-{width}-{scheme}.png', full_page=True)
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate('document.scrollingElement.scrollWidth') == width
    for details in page.locator('details').all():
        details.evaluate('details => { details.open = true; }')
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate('document.scrollingElement.scrollWidth') == width


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_pictures_have_the_colours_of_the_theme(open_report, report, scheme):
    page = open_report(report, color_scheme=scheme)
    ink = page.evaluate('getComputedStyle(document.body).color')
    texts = page.locator('#overall svg text').evaluate_all('texts => texts.map((text) => getComputedStyle(text).fill)')
    assert ink in texts
    assert ink == {'light': 'rgb(27, 35, 48)', 'dark': 'rgb(230, 234, 240)'}[scheme]


def test_the_report_prints_light_and_whole(open_report, report):
    page = open_report(report, viewport={'width': 800, 'height': 900}, color_scheme='dark')
    page.emulate_media(media='print')
    page.screenshot(path=PICTURES / 'report-print.png', full_page=True)
    assert page.evaluate('getComputedStyle(document.body).color') == 'rgb(27, 35, 48)'
    expect(page.get_by_label('Search labels')).to_be_hidden()
    table = page.locator('#labels-table .scroll')
    assert table.evaluate('table => table.scrollHeight <= table.clientHeight')


def test_the_picture_of_the_readme(open_report, request, tmp_path):
    if not request.config.getoption('--update-images'):
        pytest.skip("taken on demand, of what make demo makes: make test-web ARGS='--update-images'")
    demo = ROOT / 'build' / 'demo'
    run_command(
        'report', '--output_dir', tmp_path / 'report', '--data_dir', demo / 'data', '--model_dir', demo / 'model',
        '--scored', demo / 'tagged',
    )  # fmt: skip
    page = open_report(tmp_path / 'report' / 'report.html', viewport={'width': 1280, 'height': 1420})
    page.evaluate("document.getElementById('model').scrollIntoView()")
    image = ROOT / 'docs' / 'images' / 'report.png'
    colours = Image.open(io.BytesIO(page.screenshot())).convert('RGB').quantize(128, dither=Image.Dither.NONE)
    colours.save(image, optimize=True)
    assert image.stat().st_size < 300_000
