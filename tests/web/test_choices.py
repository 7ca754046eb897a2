"""The author accepts, rejects and adds subjects, and takes them away as a record that `prepare` reads."""

from __future__ import annotations

import datetime
import re

import pytest
from playwright.sync_api import expect

from schemas.paper import Paper, parse_paper
from tests import helpers
from tests.web.served import ABSTRACT, TITLE


def chosen(page):
    return page.locator('#chosen .label').all_text_contents()


def answer(suggested, others):
    """What a server says that suggests just these labels."""
    predictions = [
        {'label': label, 'name': label, 'score': score, 'threshold': 0.5, 'accepted': score > 0.5}
        for labels, score in ((suggested, 0.9), (others, 0.1))
        for label in labels
    ]
    return {'model_version': '1', 'papers': [{'predictions': predictions}]}


def downloaded(page):
    with page.expect_download() as download:
        page.get_by_role('button', name='Download record').click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def add(page, query):
    page.get_by_label('Add a subject').fill(query)
    page.get_by_label('Add a subject').press('Enter')


def test_a_subject_is_accepted_and_rejected_and_a_choice_taken_back(tagged):
    accept, reject = (tagged.get_by_role('button', name=f'{what} cs.CV') for what in ('Accept', 'Reject'))
    accept.click()
    expect(accept).to_have_attribute('aria-pressed', 'true')
    assert chosen(tagged) == ['cs.CV']
    reject.click()
    expect(accept).to_have_attribute('aria-pressed', 'false')
    expect(reject).to_have_attribute('aria-pressed', 'true')
    assert chosen(tagged) == []
    reject.click()
    expect(reject).to_have_attribute('aria-pressed', 'false')
    expect(tagged.get_by_text('None yet.')).to_be_visible()


def test_all_that_is_suggested_is_accepted_at_once(page):
    page.route('**/v1/tag', lambda route: route.fulfill(json=answer(['cs.LG', 'cs.RO'], ['cs.CV'])))
    page.get_by_label('Title').fill(TITLE)
    page.get_by_role('button', name='Accept all 2').click()
    assert chosen(page) == ['cs.LG', 'cs.RO']
    expect(page.get_by_role('button', name='Accept all')).to_be_hidden()
    expect(page.locator('#suggested .choose').first).to_be_focused()


def test_a_choice_stays_when_the_model_changes_its_mind(tagged):
    tagged.get_by_role('button', name='Accept cs.CV').click()
    tagged.route('**/v1/tag', lambda route: route.fulfill(json=answer(['cs.RO'], [])))
    tagged.get_by_label('Abstract').fill('Another abstract.')
    expect(tagged.locator('.subject .label')).to_have_text(['cs.RO'])
    assert chosen(tagged) == ['cs.CV']


@pytest.mark.parametrize('query', ['cs.ro', 'robot', 'RO'])
def test_a_subject_that_is_not_suggested_is_found_by_id_or_name(page, query):
    search = page.get_by_label('Add a subject')
    search.fill(query)
    expect(page.get_by_role('option', name='cs.RO Robotics')).to_be_visible()
    page.get_by_role('option', name='cs.RO Robotics').click()
    assert chosen(page) == ['cs.RO']
    expect(page.get_by_role('status').filter(has_text='Added cs.RO.')).to_be_visible()
    search.fill(query)
    expect(page.get_by_role('option', name='cs.RO Robotics')).to_have_count(0)


def test_a_search_that_is_faster_than_the_server_waits_for_it(new_tab, server):
    page = new_tab(server.url).page
    held = []
    page.route('**/v1/labels', lambda route: held.append(route))
    page.reload()
    page.get_by_label('Add a subject').fill('robot')
    expect(page.locator('#no-options')).to_have_text('The server has not said yet which subjects there are.')
    for route in held:
        route.continue_()
    expect(page.get_by_role('option', name='cs.RO Robotics')).to_be_visible()
    expect(page.locator('#no-options')).to_be_hidden()


def test_a_search_without_a_match_says_so(page):
    page.get_by_label('Add a subject').fill('alchemy')
    expect(page.locator('#no-options')).to_have_text('The model has no other subject like “alchemy”.')


def test_a_chosen_subject_is_removed_and_the_focus_goes_on(page):
    for query in ('cs.LG', 'cs.CV'):
        add(page, query)
    page.get_by_role('button', name='Remove cs.LG').click()
    assert chosen(page) == ['cs.CV']
    expect(page.get_by_role('button', name='Remove cs.CV')).to_be_focused()
    page.keyboard.press('Enter')
    assert chosen(page) == []
    expect(page.get_by_label('Add a subject')).to_be_focused()


def test_the_record_is_one_that_prepare_reads(tagged):
    tagged.get_by_role('button', name='Accept cs.CV').click()
    add(tagged, 'cs.RO')
    name, content = downloaded(tagged)
    today = datetime.date.today().isoformat()
    assert name == f'arxiv-tagger-{today}.jsonl'
    [record] = helpers.read(content)
    paper, categories = parse_paper(record.fields, labelled=True)
    assert re.fullmatch(rf'page:{today}-[0-9a-f]{{8}}', paper.id)
    assert paper == Paper(paper.id, TITLE, ABSTRACT, ('cs.CV', 'cs.RO'), today)
    assert categories.unknown == ()


def test_the_record_has_the_id_that_the_author_types(page):
    page.get_by_label('Title').fill(' Two\nlines ')
    page.get_by_label('Abstract').fill('With "quotes", \\ and ü 💡.\n\n  Two paragraphs.\n')
    add(page, 'cs.LG')
    page.get_by_text('Id of the record').click()
    page.get_by_label('The paper’s id').fill('2511.01234v2')
    [record] = helpers.read(downloaded(page)[1])
    paper = parse_paper(record.fields, labelled=True)[0]
    assert (paper.id, paper.version) == ('2511.01234', 2)
    assert (paper.title, paper.abstract) == ('Two lines', 'With "quotes", \\ and ü 💡.\n\n  Two paragraphs.')


def test_what_a_record_lacks_is_said_and_the_focus_goes_there(page):
    def lacks(message, label):
        page.get_by_role('button', name='Download record').click()
        expect(page.locator('#notice-message')).to_have_text(message)
        expect(page.get_by_label(label)).to_be_focused()

    lacks('A record needs a title: type one first.', 'Title')
    page.get_by_label('Title').fill('A title')
    lacks('A record needs an abstract: type one first.', 'Abstract')
    page.get_by_label('Abstract').fill('Text.')
    lacks('No subject is chosen: accept or add one first.', 'Add a subject')
    add(page, 'cs.LG')
    page.get_by_text('Id of the record').click()
    page.get_by_label('The paper’s id').fill('17.5')
    lacks('The id 17.5 would be taken for a number: write it as page:17.5.', 'The paper’s id')


def test_choices_are_copied_as_text(new_tab, server):
    page = new_tab(server.url, permissions=['clipboard-read', 'clipboard-write']).page
    for query in ('stat.ML', 'cs.RO'):
        add(page, query)
    page.get_by_role('button', name='Copy as text').click()
    expect(page.locator('#notice-message')).to_contain_text('Copied: ')
    assert page.evaluate('navigator.clipboard.readText()') == 'Machine Learning (stat.ML); Robotics (cs.RO)'


def test_a_reload_keeps_everything_and_start_over_clears_it(tagged):
    tagged.get_by_role('button', name='Accept cs.CV').click()
    tagged.locator('#others .reject').first.click()
    rejected = tagged.locator('#others .label').first.text_content()
    tagged.reload()
    expect(tagged.get_by_label('Title')).to_have_value(TITLE)
    expect(tagged.get_by_label('Abstract')).to_have_value(ABSTRACT)
    expect(tagged.get_by_role('button', name='Accept cs.CV')).to_have_attribute('aria-pressed', 'true')
    expect(tagged.get_by_role('button', name=f'Reject {rejected}')).to_have_attribute('aria-pressed', 'true')
    expect(tagged.locator('#chosen')).to_contain_text('cs.CV Computer Vision and Pattern Recognition')

    tagged.get_by_role('button', name='Start over').click()
    expect(tagged.get_by_label('Title')).to_have_value('')
    assert chosen(tagged) == []
    tagged.get_by_role('button', name='Undo').click()
    expect(tagged.get_by_label('Title')).to_have_value(TITLE)
    assert chosen(tagged) == ['cs.CV']

    tagged.get_by_role('button', name='Start over').click()
    tagged.reload()
    expect(tagged.get_by_label('Abstract')).to_have_value('')
    assert chosen(tagged) == []


def test_the_keyboard_alone_is_enough(page):
    def tab_to(name):
        for _ in range(80):
            page.keyboard.press('Tab')
            focused = page.evaluate(
                '(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim() + "|"'
                ' + (document.activeElement.getAttribute("aria-label") ?? "")'
            )
            if name in focused.split('|'):
                assert page.evaluate('getComputedStyle(document.activeElement).outlineStyle') == 'solid'
                return
        raise AssertionError(f'80 tabs lead to no {name}')

    tab_to('Title')
    page.keyboard.type(TITLE)
    page.keyboard.press('Enter')  # To the abstract: a title has one line.
    page.keyboard.type(ABSTRACT)
    expect(page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    tab_to('Accept cs.CV')
    page.keyboard.press('Space')
    tab_to('Add a subject')
    page.keyboard.type('machine')
    expect(page.get_by_role('listbox')).to_be_visible()
    page.keyboard.press('ArrowDown')
    page.keyboard.press('Enter')
    assert chosen(page) == ['cs.CV', 'stat.ML']
    tab_to('Download record')
    with page.expect_download() as download:
        page.keyboard.press('Enter')
    assert b'"categories":"cs.CV stat.ML"' in download.value.path().read_bytes()


def test_the_list_of_subjects_opens_closes_and_goes_round_by_keys(page):
    search = page.get_by_label('Add a subject')
    search.press('ArrowDown')
    expect(page.get_by_role('listbox')).to_be_visible()
    active = page.locator('[role=option][aria-selected=true]')
    assert active.count() == 1
    expect(search).to_have_attribute('aria-activedescendant', active.get_attribute('id'))
    search.press('ArrowUp')
    expect(active).to_have_id(page.get_by_role('option').last.get_attribute('id'))
    search.press('Escape')
    expect(page.get_by_role('listbox')).to_be_hidden()
    expect(search).to_have_attribute('aria-expanded', 'false')
