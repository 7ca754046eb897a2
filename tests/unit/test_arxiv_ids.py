"""An id is told from its version, and one that was read as a number is given back where it can be but one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.arxiv_ids import parse_id
from schemas.paper import parse_paper


@st.composite
def new_ids(draw):
    """Ids as arXiv gives them since April 2007."""
    year, month = draw(st.integers(7, 49)), draw(st.integers(1, 12))
    month = max(month, 4) if year == 7 else month
    digits = 4 if year < 15 else 5
    return f'{year:02}{month:02}.{draw(st.integers(1, 10**digits - 1)):0{digits}}'


@given(new_ids(), st.integers(0, 99))
def test_a_sound_id_stays_as_it_is(id_, version):
    assert parse_id(f' arXiv:{id_}{f"v{version}" if version else ""}') == (id_, version)


@given(new_ids(), st.integers(-2, 2))
def test_an_id_that_was_read_as_a_number_is_given_back(id_, roundings):
    number = float(id_)
    for _ in range(abs(roundings)):
        number = math.nextafter(number, math.copysign(math.inf, roundings))
    assert parse_id(repr(number)) == (id_, 0)


@pytest.mark.parametrize(
    ('damaged', 'id_'),
    [
        # From dumps of the years; their dates agree.
        ('705.0742', '0705.0742'),
        ('801.163', '0801.1630'),
        ('810.4', '0810.4000'),
        ('1012.417', '1012.4170'),
        ('1603.0601800000002', '1603.06018'),
        ('1909.1013699999999', '1909.10137'),
        ('1709.0769', '1709.07690'),
    ],
)
def test_real_damaged_ids(damaged, id_):
    assert parse_id(damaged) == (id_, 0)
    record = {'id': float(damaged), 'title': 'A title', 'abstract': 'Text.'}
    assert parse_paper(record, labelled=False)[0].id == id_


@pytest.mark.parametrize('number', ['3.14', '1713.1', '1700.1234567', '703.0001', '1709.0', '704.00015', '1709.076871'])
def test_what_could_be_no_id_is_refused(number):
    with pytest.raises(ValueError, match=f'id {number} is a number, and none that an id of arXiv becomes'):
        parse_id(number)


@pytest.mark.parametrize('id_', ['10.5281/zenodo.1', '12345', 'a.1', '1e5', 'math.NA/0001001x'])
def test_ids_of_others_stay_as_they_are(id_):
    assert parse_id(id_) == (id_, 0)
