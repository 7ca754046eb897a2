"""Some of the validation papers are published as they were read, the same ones whichever blocks they lie in."""

import gzip
import hashlib
import json

import apache_beam as beam
import pytest

from pipeline import reference_papers
from pipeline.config import NgramConfig
from pipeline.hashing import keyed_hash
from pipeline.index import Part
from pipeline.reference_papers import WriteReferencePapers
from tests import blocks
from tests.helpers import paper

PAPERS = [paper(f'{number:03d}', title=f'Title {number}', abstract='Größe\nand text.') for number in range(90)]


def split_of(paper):
    """Two of three papers are for validation."""
    return ('train', 'validation', 'validation')[int(paper.id) % 3]


@pytest.fixture
def write(run, tmp_path):
    """Writes blocks of papers and their reference papers; gives the file's content."""

    def write(name, papers_of_blocks, split_of=split_of):
        folder = tmp_path / name
        places = blocks.write_blocks(folder, papers_of_blocks, NgramConfig(), split_of)

        def build(root):
            parts = root | beam.Create(places).with_output_types(Part)
            blocks.keep(parts | WriteReferencePapers(str(folder), str(folder)), folder / 'shards.pickle')

        run(build)
        content = (folder / 'reference_papers.jsonl.gz').read_bytes()
        [shard] = blocks.kept(folder / 'shards.pickle')
        lines = gzip.decompress(content).splitlines()
        assert shard == {
            'file': 'reference_papers.jsonl.gz',
            'records': len(lines),
            'bytes': len(content),
            'sha256': hashlib.sha256(content).hexdigest(),
        }
        return content, [json.loads(line) for line in lines]

    return write


def expected(number):
    validation = [paper for paper in PAPERS if split_of(paper) == 'validation']
    ordered = sorted(validation, key=lambda paper: keyed_hash(paper.id, 'reference paper'))
    return [{'id': paper.id, 'title': paper.title, 'abstract': paper.abstract} for paper in ordered[:number]]


def test_the_validation_papers_stand_in_the_order_of_their_hashes(write):
    _, found = write('all', blocks.cut(PAPERS, 40))
    assert found == expected(60)
    assert [paper['id'] for paper in found] != sorted(paper['id'] for paper in found)


def test_of_more_papers_than_are_published_those_with_the_smallest_hashes_are_taken(write, monkeypatch):
    monkeypatch.setattr(reference_papers, 'MAX_PAPERS', 25)
    assert write('some', blocks.cut(PAPERS, 40))[1] == expected(25)


def test_the_file_is_the_same_to_the_byte_whichever_blocks_the_papers_lie_in(write, monkeypatch):
    monkeypatch.setattr(reference_papers, 'MAX_PAPERS', 25)
    content, _ = write('in order', blocks.cut(PAPERS, 40))
    assert write('turned round', blocks.cut(PAPERS[::-1], 7))[0] == content
    # gzip's time, and its flags: no name.
    assert content[3:8] == bytes(5)


def test_without_a_validation_paper_the_file_is_empty(write):
    assert write('none', [PAPERS[:5]], lambda paper: 'train')[1] == []
