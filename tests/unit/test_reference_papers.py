"""Which papers are published as they were read follows from their ids alone."""

import json

import numpy as np

from pipeline import reference_papers as published
from pipeline.config import NgramConfig
from pipeline.hashing import keyed_hash
from pipeline.paper_blocks import PaperBlock
from pipeline.reference_papers import id_hashes, reference_papers, smallest
from tests.helpers import ODD_IDS, paper

PAPERS = [paper(id_, title=f'Größe {number}', abstract='Two\nlines.') for number, id_ in enumerate(ODD_IDS)]
BLOCK = PaperBlock.of(PAPERS, 1, NgramConfig())
EVERY_ROW = np.arange(len(PAPERS), dtype=np.uint32)


def hash_of(id_):
    return keyed_hash(id_, 'reference paper')


def hashes(*numbers):
    return np.array(numbers, np.int64).tobytes()


def test_papers_are_known_by_hashes_of_their_ids():
    assert id_hashes(BLOCK, EVERY_ROW).tolist() == [hash_of(id_) for id_ in ODD_IDS]
    assert id_hashes(BLOCK, EVERY_ROW[[2, 0]]).tolist() == [hash_of(ODD_IDS[2]), hash_of(ODD_IDS[0])]
    none = id_hashes(BLOCK, EVERY_ROW[:0])
    assert (none.dtype, none.tolist()) == (np.int64, [])


def test_the_smallest_hashes_are_the_same_however_they_are_grouped(monkeypatch):
    monkeypatch.setattr(published, 'MAX_PAPERS', 3)
    assert smallest([]) == smallest([b'']) == b''
    assert smallest([hashes(5, 2)]) == hashes(2, 5)
    chunks = [hashes(9, 1), b'', hashes(2**61, 7), hashes(4)]
    assert smallest(chunks) == smallest(chunks[::-1]) == hashes(1, 4, 7)
    assert smallest([smallest(chunks[:2]), smallest(chunks[2:])]) == hashes(1, 4, 7)


def test_a_chosen_paper_is_a_line_of_its_id_title_and_abstract():
    chosen = sorted(hash_of(ODD_IDS[row]) for row in (0, 2, 7))
    found = dict(reference_papers(BLOCK, EVERY_ROW, hashes(*chosen)))
    assert {hash_: json.loads(line) for hash_, line in found.items()} == {
        hash_of(ODD_IDS[row]): {'id': ODD_IDS[row], 'title': f'Größe {row}', 'abstract': 'Two\nlines.'}
        for row in (0, 2, 7)
    }
    # Chosen of another block, or of another split.
    assert list(reference_papers(BLOCK, EVERY_ROW, hashes(1, 2))) == []
    assert [hash_ for hash_, _ in reference_papers(BLOCK, EVERY_ROW[1:3], hashes(*chosen))] == [hash_of(ODD_IDS[2])]
    [line] = [line for hash_, line in found.items() if hash_ == hash_of('Schrödinger')]
    assert line.decode() == '{"id":"Schrödinger","title":"Größe 2","abstract":"Two\\nlines."}'


def test_a_paper_too_large_for_an_element_is_passed_over():
    papers = [paper('a', title='T', abstract='A' * (1 << 20)), paper('b', title='T', abstract='A' * ((1 << 20) - 50))]
    block = PaperBlock.of(papers, 1, NgramConfig(text='title'))
    chosen = smallest([hashes(hash_of('a'), hash_of('b'))])
    [(hash_, line)] = reference_papers(block, np.arange(2), chosen)
    assert (hash_, json.loads(line)['id']) == (hash_of('b'), 'b')
    assert len(line) <= 1 << 20
