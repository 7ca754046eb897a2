"""A real server with a real model, and a browser that looks at its page."""

from __future__ import annotations

import os
import re
import shutil

import pytest
from playwright import sync_api

from tests.web.served import ABSTRACT, ROOT, TITLE, Server

# Two cores may be busy with more than this.
sync_api.expect.set_options(timeout=15_000)

# The system's own: Playwright would download one.
CHROMIUM = next(filter(None, map(shutil.which, ['chromium', 'chromium-browser', 'google-chrome'])), None)


def pytest_addoption(parser):
    parser.addoption('--served-model', help='the model to serve (default: one trained from the samples for the tests)')
    parser.addoption('--update-images', action='store_true', help='take the pictures of the README anew')


@pytest.fixture(scope='session')
def served_model(request):
    if model := request.config.getoption('--served-model'):
        return model
    if request.config.getoption('--update-images'):
        demo = ROOT / 'build' / 'demo' / 'model'
        assert demo.is_dir(), '--update-images pictures what make demo makes: run it first'
        return demo
    return request.getfixturevalue('model_dir')


@pytest.fixture(scope='session')
def server(served_model):
    running = Server(served_model)
    yield running
    running.end()


@pytest.fixture(scope='session')
def browser():
    if CHROMIUM is None:
        pytest.skip('there is no Chromium to look at the page with (Debian: apt-get install chromium)')
    with sync_api.sync_playwright() as playwright:
        # As root, which CI is, Chromium does not start with its sandbox.
        sandbox = ['--no-sandbox'] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


class Tab:
    """The page in a tab, and what went wrong in it."""

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.errors = []
        self.expected_errors = []
        self.foreign = []
        page.on('console', lambda message: self.errors.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: self.errors.append(str(error)))
        page.on('request', self._request)

    def _request(self, request):
        if not request.url.startswith((f'{self.url}/', 'data:', 'blob:')):
            self.foreign.append(request.url)

    def unexpected(self):
        return [error for error in self.errors if not any(re.search(e, error) for e in self.expected_errors)]


@pytest.fixture
def new_tab(browser):
    """Opens the page in a browser of its own; at the end it must have logged no error and asked nobody else."""
    tabs = []

    def open_(url, **options):
        context = browser.new_context(**{'viewport': {'width': 1280, 'height': 900}, **options})
        context.set_default_timeout(15_000)
        tab = Tab(context.new_page(), url)
        tabs.append(tab)
        tab.page.goto(url)
        return tab

    yield open_
    for tab in tabs:
        tab.page.unroute_all(behavior='ignoreErrors')
        tab.page.context.close()
    assert [tab.unexpected() for tab in tabs] == [[] for _ in tabs]
    assert [tab.foreign for tab in tabs] == [[] for _ in tabs]


@pytest.fixture
def tab(new_tab, server):
    return new_tab(server.url)


@pytest.fixture
def page(tab):
    return tab.page


@pytest.fixture
def tagged(page):
    """The page with a paper, and what the model says of it."""
    page.get_by_label('Title').fill(TITLE)
    page.get_by_label('Abstract').fill(ABSTRACT)
    sync_api.expect(page.get_by_role('button', name='Accept cs.CV')).to_be_visible()
    page.wait_for_load_state('networkidle')
    return page
