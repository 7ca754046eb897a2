"""What a hostile text, a server that fails and a lost connection do to the page: nothing, and a line that says so."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.web.served import ABSTRACT, TITLE, Server

HOSTILE = [
    '<script>window.harmed = true</script>',
    '<img src="x" onerror="window.harmed = true">',
    '"><svg onload="window.harmed = true">',
    "javascript:window.harmed=true//'",
    '</textarea><iframe srcdoc="<script>parent.harmed = true</script>">',
    '&lt;b onclick=alert(1)&gt; ${window.harmed = true} {{harmed}}',
]


@pytest.mark.parametrize('text', HOSTILE)
def test_html_that_is_typed_is_shown_as_text(page, text):
    title, abstract = f'{text} neural networks', f'Images {text} and {text}.'
    page.get_by_label('Title').fill(title)
    page.get_by_label('Abstract').fill(abstract)
    page.get_by_label('Add a subject').fill(text)
    expect(page.locator('.subject').first).to_be_visible()
    expect(page.locator('#no-options')).to_contain_text(text)
    assert page.locator('#title-mirror').text_content() == f'{title}\u200b'
    assert page.locator('#abstract-mirror').text_content() == f'{abstract}\u200b'
    page.reload()
    expect(page.get_by_label('Title')).to_have_value(title)
    expect(page.locator('.subject').first).to_be_visible()
    assert page.evaluate('window.harmed') is None
    assert page.locator('img, svg, iframe, script:not([src]), [onclick], [onerror], [onload]').count() == 0


def test_html_in_an_answer_is_shown_as_text(page):
    text = HOSTILE[1]
    prediction = {'label': text, 'name': text, 'score': 0.9, 'threshold': 0.5, 'accepted': True}
    prediction['explanation'] = [{'ngram': text, 'contribution': 1.0}]
    answer = {'model_version': text, 'papers': [{'predictions': [prediction]}]}
    page.route('**/v1/tag', lambda route: route.fulfill(json=answer))
    page.get_by_label('Title').fill(TITLE)
    expect(page.locator('.subject .label')).to_have_text(text)
    page.get_by_role('button', name='Accept').first.click()
    expect(page.locator('#chosen .label')).to_have_text(text)
    expect(page.locator('.ngrams mark')).to_have_text(text)
    expect(page.locator('#version')).to_contain_text(text)
    assert page.evaluate('window.harmed') is None
    assert page.locator('img').count() == 0


def reload_with(page, kept):
    """Has the page begin with something that it kept."""
    # When it has learned the labels, it keeps what it has itself.
    page.wait_for_load_state('networkidle')
    page.evaluate('text => sessionStorage.setItem("arxiv-tagger", text)', kept)
    page.reload()


def test_html_in_what_was_kept_is_shown_as_text(page):
    reload_with(page, json.dumps({'choices': {HOSTILE[1]: 'accepted'}}))
    expect(page.locator('#chosen .label')).to_have_text(HOSTILE[1])
    assert page.evaluate('window.harmed') is None


@pytest.mark.parametrize('kept', ['{', '7', 'null', '[]', '{"title": 5, "choices": "accepted", "open": {}}'])
def test_what_was_kept_by_something_else_does_no_harm(page, kept):
    reload_with(page, kept)
    expect(page.get_by_label('Title')).to_have_value('')
    page.get_by_label('Title').fill(TITLE)
    expect(page.locator('.subject').first).to_be_visible()


def test_the_browser_would_run_no_script_in_the_page(tab):
    tab.expected_errors.append('Content Security Policy')
    tab.page.evaluate('document.body.innerHTML += \'<p onclick="window.harmed = true">press</p>\'')
    tab.page.get_by_text('press', exact=True).click()
    assert tab.page.evaluate('window.harmed') is None
    assert 'Content Security Policy' in tab.errors[0]


def test_the_words_of_the_server_say_what_is_wrong_with_a_text(tab):
    tab.expected_errors.append('status of 422')
    tab.page.get_by_label('Title').fill(TITLE)
    tab.page.get_by_label('Abstract').fill('word ' * 30_000)
    expect(tab.page.get_by_role('alert')).to_contain_text('100')
    tab.page.get_by_label('Abstract').fill(ABSTRACT)
    expect(tab.page.get_by_role('alert')).to_be_hidden()
    expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()


@pytest.mark.parametrize(
    ('answer', 'line'),
    [
        ({'status': 503, 'json': {'error': {'code': 'x', 'message': 'Too many wait.'}}}, 'Too many wait.'),
        ({'status': 500, 'body': 'Internal'}, 'The server failed with status 500; its log says why.'),
        ({'status': 200, 'body': '<html>'}, 'The server failed with status 200; its log says why.'),
    ],
)
def test_a_server_that_fails_is_told_and_asked_again(tab, answer, line):
    tab.expected_errors.append('status of 50')
    tab.page.route('**/v1/tag', lambda route: route.fulfill(**answer))
    tab.page.get_by_label('Title').fill(TITLE)
    expect(tab.page.get_by_role('alert')).to_contain_text(line)
    tab.page.unroute('**/v1/tag')
    expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    expect(tab.page.get_by_role('alert')).to_be_hidden()


def test_trying_again_needs_no_waiting(tab):
    tab.expected_errors.append('ERR_FAILED')
    asked = []
    tab.page.route('**/v1/tag', lambda route: (asked.append(route), route.abort()))
    tab.page.get_by_label('Title').fill(TITLE)
    while len(asked) < 2:
        tab.page.wait_for_timeout(100)
    tab.page.unroute('**/v1/tag')
    # By itself it would be asked again after 4 seconds more.
    with tab.page.expect_request('**/v1/tag', timeout=3_000):
        tab.page.get_by_role('button', name='Try again').click()
    expect(tab.page.get_by_role('alert')).to_be_hidden()


def test_a_lost_connection_is_told_and_suggestions_come_back_with_it(tab):
    tab.expected_errors.append('ERR_INTERNET_DISCONNECTED')
    tab.page.get_by_label('Title').fill(TITLE)
    expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    tab.page.context.set_offline(True)
    expect(tab.page.get_by_role('alert')).to_contain_text('You are offline. What you typed is kept')
    expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    tab.page.context.set_offline(False)
    expect(tab.page.get_by_role('alert')).to_be_hidden()


def test_a_server_that_is_gone_is_told_and_may_come_back(new_tab, served_model):
    first = Server(served_model)
    try:
        tab = new_tab(first.url)
        tab.expected_errors.append('ERR_CONNECTION_REFUSED')
        tab.page.get_by_label('Title').fill(TITLE)
        expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    finally:
        first.end()
    tab.page.get_by_label('Abstract').fill(ABSTRACT)
    expect(tab.page.get_by_role('alert')).to_contain_text('The server does not answer')
    expect(tab.page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    second = Server(served_model, first.port)
    try:
        # It is asked again by itself, every 30 seconds at last.
        expect(tab.page.get_by_role('alert')).to_be_hidden(timeout=45_000)
    finally:
        second.end()
