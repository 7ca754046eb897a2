"""The page as it looks: at each width, light and dark, with enough contrast; pictures of it are in build/web."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.web.served import PICTURES, ROOT

# Puts each text beside the colour that lies behind it, and gives those that are hard to read. The text of a mirror is
# transparent: its field shows it.
CONTRAST = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!(own || element.matches('input, textarea')) || !element.checkVisibility()) continue;
    const mirrored = element.closest('.mirror');
    const colour = parse(getComputedStyle(mirrored ? document.body : element).color);
    const [dark, light] = [luminance(colour), luminance(ground(element))].sort((a, b) => a - b);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
  }
  return found;
}"""

UNNAMED = """() => [...document.querySelectorAll('button, input, textarea, a')]
  .filter((control) => control.checkVisibility() && !(control.getAttribute('aria-label')
    || control.textContent.trim() && !control.matches('textarea') || control.labels?.[0]?.textContent.trim()))
  .map((control) => control.outerHTML)"""


def fill_in(page):
    page.get_by_role('button', name='Finding small objects').click()
    page.get_by_role('button', name='Accept cs.CV').click()
    page.locator('#others .reject').first.click()
    page.get_by_label('Add a subject').fill('robotics')
    page.get_by_label('Add a subject').press('Enter')
    expect(page.locator('#chosen li')).to_have_count(2)
    page.evaluate('document.activeElement.blur()')
    page.evaluate('Promise.all(document.getAnimations().map(({ finished }) => finished))')


def picture(page, name, **options):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f'{name}.png', full_page=True, **options)


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_the_page_can_be_read_and_does_not_scroll_sideways(new_tab, server, width, scheme):
    page = new_tab(server.url, viewport={'width': width, 'height': 900}, color_scheme=scheme).page
    expect(page.locator('#examples button')).to_have_count(3)
    picture(page, f'empty-{width}-{scheme}')
    assert page.evaluate(CONTRAST) == []
    fill_in(page)
    picture(page, f'page-{width}-{scheme}')
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate('document.scrollingElement.scrollWidth') == width
    page.get_by_label('Add a subject').fill('learning')
    picture(page, f'search-{width}-{scheme}')
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate('document.scrollingElement.scrollWidth') == width


def test_trouble_can_be_read(new_tab, server):
    for scheme in ('light', 'dark'):
        tab = new_tab(server.url, viewport={'width': 390, 'height': 900}, color_scheme=scheme)
        tab.expected_errors.append('ERR_INTERNET_DISCONNECTED')
        fill_in(tab.page)
        tab.page.context.set_offline(True)
        expect(tab.page.get_by_role('alert')).to_be_visible()
        picture(tab.page, f'trouble-390-{scheme}')
        assert tab.page.evaluate(CONTRAST) == []


def test_a_small_phone_and_a_long_word_do_not_scroll_sideways(new_tab, server):
    page = new_tab(server.url, viewport={'width': 320, 'height': 600}).page
    fill_in(page)
    page.get_by_label('Title').fill('x' * 300)
    assert page.evaluate('document.scrollingElement.scrollWidth') == 320


def test_fields_grow_with_their_text_and_marks_stay_behind_the_words(tagged):
    tagged.get_by_label('Abstract').fill('\n'.join(['Images of stars and neural networks, again and again. ' * 9] * 9))
    for name in ('title', 'abstract'):
        field, mirror = tagged.locator(f'#{name}'), tagged.locator(f'#{name}-mirror')
        assert field.evaluate('field => field.scrollHeight <= field.clientHeight')
        assert field.bounding_box() == mirror.bounding_box()
        assert style(field) == style(mirror)


def style(element):
    names = 'font lineHeight letterSpacing wordSpacing padding borderWidth whiteSpaceCollapse overflowWrap wordBreak'
    return element.evaluate('(element, names) => names.map((name) => getComputedStyle(element)[name])', names.split())


def test_every_control_has_a_name(page):
    assert page.evaluate(UNNAMED) == []
    fill_in(page)
    page.get_by_text('Id of the record').click()
    assert page.evaluate(UNNAMED) == []


def test_nothing_moves_for_those_who_do_not_want_it(new_tab, server):
    page = new_tab(server.url, reduced_motion='reduce').page
    fill_in(page)
    assert page.locator('.fill').first.evaluate('fill => getComputedStyle(fill).transitionDuration') == '0s'


def test_the_page_prints_what_was_typed_and_chosen(new_tab, server):
    page = new_tab(server.url, viewport={'width': 800, 'height': 900}, color_scheme='dark').page
    fill_in(page)
    page.emulate_media(media='print')
    picture(page, 'print')
    expect(page.locator('#abstract')).to_be_hidden()
    expect(page.get_by_label('Add a subject')).to_be_hidden()
    assert page.locator('#abstract-mirror').evaluate('mirror => getComputedStyle(mirror).color') == 'rgb(27, 34, 37)'
    assert page.evaluate(CONTRAST) == []


def test_the_picture_of_the_readme(new_tab, server, request):
    if not request.config.getoption('--update-images'):
        pytest.skip("taken on demand, of what make demo makes: make test-web ARGS='--update-images'")
    page = new_tab(server.url, color_scheme='light').page
    fill_in(page)
    image = ROOT / 'docs' / 'images' / 'page.png'
    image.parent.mkdir(parents=True, exist_ok=True)
    # A palette is a third of the size.
    colours = (
        Image.open(io.BytesIO(page.screenshot(full_page=True))).convert('RGB').quantize(128, dither=Image.Dither.NONE)
    )
    colours.save(image, optimize=True)
    assert image.stat().st_size < 200_000
