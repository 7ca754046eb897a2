"""Suggestions appear while one types, with their scores, their thresholds and the words that mattered."""

from __future__ import annotations

import json
import re
import urllib.request

from playwright.sync_api import expect

from tests.web.served import ABSTRACT, TITLE


def ask(server, **paper):
    body = json.dumps(paper).encode()
    request = urllib.request.Request(f'{server.url}/v1/tag', body, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def test_subjects_appear_while_one_types(page):
    expect(page.get_by_text('Or begin with an example')).to_be_visible()
    page.get_by_label('Title').press_sequentially(TITLE)
    expect(page.locator('#suggested .subject').first).to_contain_text('cs.CV Computer Vision and Pattern Recognition')
    expect(page.locator('#suggested .subject').first).to_contain_text('Computer Science, suggested from')
    expect(page.get_by_text('Or begin with an example')).to_be_hidden()
    expect(page.locator('#version')).to_have_text(re.compile(r'Answered by model version \d+\.'))


def test_two_words_are_not_enough_for_a_guess(page):
    asked = []
    page.on('request', lambda request: asked.append(request.url) if request.url.endswith('/v1/tag') else None)
    page.get_by_label('Title').press_sequentially('two words')
    page.wait_for_timeout(600)
    assert asked == []
    page.get_by_label('Title').press_sequentially(' more')
    expect(page.locator('.subject').first).to_be_visible()
    page.get_by_label('Title').fill('')
    expect(page.locator('.subject')).to_have_count(0)
    expect(page.get_by_text('Or begin with an example')).to_be_visible()


def test_bars_and_marks_stand_where_scores_and_thresholds_say(tagged, server):
    best = ask(server, title=TITLE, abstract=ABSTRACT)['papers'][0]['predictions'][0]
    subject = tagged.locator('.subject').first
    expect(subject.locator('.label')).to_have_text(best['label'])
    expect(subject.locator('.score')).to_have_text(f'{round(100 * best["score"])} %')
    subject.locator('.fill').evaluate('fill => Promise.all(fill.getAnimations().map(({ finished }) => finished))')
    bar = subject.locator('.bar').bounding_box()
    fill = subject.locator('.fill').bounding_box()
    mark = subject.locator('.threshold').bounding_box()
    assert abs(fill['width'] / bar['width'] - best['score']) < 0.01
    assert abs((mark['x'] + mark['width'] / 2 - bar['x']) / bar['width'] - best['threshold']) < 0.01


def test_suggested_subjects_stand_apart_from_others_to_consider(tagged, server):
    predictions = ask(server, title=TITLE, abstract=ABSTRACT)['papers'][0]['predictions']
    suggested = [prediction['label'] for prediction in predictions if prediction['accepted']]
    others = [prediction['label'] for prediction in predictions if not prediction['accepted']]
    shown = tagged.locator('#others .label').all_text_contents()
    assert tagged.locator('#suggested .label').all_text_contents() == suggested
    assert shown == others[: len(shown)]
    assert len(shown) >= 3


def test_the_last_answer_stays_while_the_next_is_on_its_way(tagged):
    held = []
    tagged.route('**/v1/tag', lambda route: held.append(route))
    tagged.get_by_label('Abstract').press_sequentially(' And a few words on galaxies.')
    expect(tagged.locator('#busy')).to_be_visible()
    expect(tagged.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    held[-1].continue_()
    expect(tagged.locator('#busy')).to_be_hidden()


def test_a_request_that_is_overtaken_is_given_up(page):
    held, failed = [], []
    page.on('requestfailed', lambda request: failed.append(request.post_data_json['title']))
    page.route('**/v1/tag', lambda route: route.continue_() if held else held.append(route))
    page.get_by_label('Title').fill('stars and galaxies of the early universe')
    page.wait_for_timeout(600)
    page.get_by_label('Title').fill(TITLE)
    expect(page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    assert failed == ['stars and galaxies of the early universe']


def test_the_words_that_mattered_are_marked_where_they_stand(tagged):
    assert tagged.locator('#title-mirror').text_content() == f'{TITLE}\u200b'
    assert tagged.locator('#abstract-mirror').text_content() == f'{ABSTRACT}\u200b'
    first = tagged.locator('.subject').first
    expect(first.locator('.choose')).to_have_attribute('aria-expanded', 'true')
    ngrams = first.locator('.ngrams mark').all_text_contents()
    assert 'images' in ngrams
    assert any('images' in mark for mark in tagged.locator('#title-mirror mark.for').all_text_contents())
    expect(tagged.locator('#legend')).to_have_text('Words for and against cs.CV')


def test_words_for_and_against_differ_by_more_than_colour(tagged):
    def line(selector):
        return tagged.locator(selector).first.evaluate('mark => getComputedStyle(mark).textDecorationStyle')

    assert (line('#legend mark.for'), line('#legend mark.against')) == ('solid', 'dashed')
    signs = [(text[0], mark) for text, mark in entries(tagged)]
    assert set(signs) <= {('+', 'for'), ('−', 'against')}


def entries(page):
    return page.locator('.why:visible .ngrams li').evaluate_all(
        'items => items.map((item) => [item.querySelector(".amount").textContent, item.firstElementChild.className])'
    )


def test_another_subject_is_opened_and_its_words_are_marked(tagged):
    other = tagged.locator('#others .subject').first
    label = other.locator('.label').text_content()
    other.locator('.choose').click()
    expect(tagged.locator('#legend')).to_have_text(f'Words for and against {label}')
    expect(tagged.locator('.why:visible')).to_have_count(1)
    other.locator('.choose').click()
    expect(tagged.locator('.why:visible')).to_have_count(0)
    expect(tagged.locator('.mirror mark')).to_have_count(0)


def test_another_model_that_answers_is_named_and_asked_for_its_labels(page):
    page.get_by_label('Title').fill(TITLE)
    expect(page.locator('.subject').first).to_be_visible()
    known = [{'label': 'x.NEW', 'name': 'A new subject', 'group': 'x', 'threshold': 0.5}]
    newer = {'model_version': '900', 'labels': known}
    page.route('**/v1/labels', lambda route: route.fulfill(json=newer))
    predictions = [{**known[0], 'score': 0.75, 'accepted': True}]
    page.route(
        '**/v1/tag',
        lambda route: route.fulfill(json={'model_version': '900', 'papers': [{'predictions': predictions}]}),
    )
    page.get_by_label('Abstract').fill(ABSTRACT)
    expect(page.locator('#version')).to_have_text('Answered by model version 900.')
    expect(page.locator('.subject')).to_have_count(1)
    expect(page.locator('.subject .about')).to_have_text('x, suggested from 50 %')
    page.get_by_label('Add a subject').fill('new')
    expect(page.get_by_role('option')).to_have_text('x.NEW A new subject')


def test_an_example_can_be_loaded(page):
    page.get_by_role('button', name='Dust and young stars').click()
    expect(page.get_by_label('Title')).to_have_value('Dust and young stars in the outer disk of a nearby spiral galaxy')
    expect(page.get_by_label('Abstract')).to_have_value(re.compile('^We present infrared imaging of the outer disk'))
    expect(page.locator('.subject').first).to_be_visible()
    expect(page.get_by_role('region', name='Suggestions')).to_be_focused()


def test_a_reader_of_the_screen_is_told_once_and_not_at_each_key(page):
    page.evaluate(
        'window.told = []; new MutationObserver(() => told.push(announcement.textContent))'
        '.observe(announcement, {childList: true, characterData: true, subtree: true})'
    )
    page.get_by_label('Title').press_sequentially(TITLE, delay=10)
    expect(page.locator('#announcement')).to_contain_text('Suggested: cs.CV Computer Vision and Pattern Recognition')
    page.wait_for_timeout(1600)
    assert len(page.evaluate('told')) == 1
