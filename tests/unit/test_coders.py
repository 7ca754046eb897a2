"""A paper travels between workers and stays what it is."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.coders import PaperCoder
from schemas.paper import Paper

TEXT = st.text(st.characters(codec='utf-8'))
PAPERS = st.builds(
    Paper,
    TEXT,
    TEXT,
    TEXT,
    st.lists(TEXT, max_size=3).map(tuple),
    st.sampled_from(['', '2019-01-01']),
    st.integers(0, 10**9),
)


@given(paper=PAPERS)
def test_a_paper_comes_back_from_its_bytes_and_equal_papers_have_equal_bytes(paper):
    coder = PaperCoder()
    encoded = coder.encode(paper)
    assert coder.decode(encoded) == paper
    assert coder.encode(coder.decode(encoded)) == encoded
    assert coder.is_deterministic()
