"""Dumps become blocks of papers; of what was read before, nothing is read again, and damage to it changes nothing."""

import dataclasses
import gzip
import json
import pickle
from typing import NamedTuple

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.testing.util import assert_that, equal_to

from pipeline import paper_blocks, read_blocks
from pipeline.config import InputConfig, NgramConfig, PrepareConfig, SplitConfig
from pipeline.index import INDEX, label_set_hash, rows_of
from pipeline.inputs import byte_ranges, find_dumps
from pipeline.ngrams import NO_WORD
from pipeline.paper_blocks import PaperBlock, block_path
from pipeline.read_blocks import ReadBlocks, ReadBlocksResult
from pipeline.tally import SumTallies
from schemas.paper import DeadLetter
from tests.conftest import files_below
from tests.helpers import paper_line


@pytest.fixture
def folder(tmp_path):
    """Three dumps: plain, with a dead letter; compressed; CSV."""
    (tmp_path / 'a.jsonl').write_bytes(
        paper_line('1') + paper_line('2', title=' ') + paper_line('3', categories='cs.LG cs.CV')
    )
    (tmp_path / 'b.jsonl.gz').write_bytes(gzip.compress(paper_line('4') + paper_line('5', categories='cs.CV cs.LG')))
    (tmp_path / 'c.csv').write_text('id,titles,summaries,terms\n6,Title 6,Text.,cs.LG\n')
    return tmp_path


def config(folder, patterns=('*.jsonl*', '*.csv'), **options):
    read = {name: options.pop(name) for name in ('max_record_bytes', 'max_rejected_fraction') if name in options}
    return PrepareConfig(
        input=InputConfig(
            patterns=tuple(f'{folder}/{pattern}' for pattern in patterns), **({'max_rejected_fraction': 0.5} | read)
        ),
        output_dir='out',
        **options,
    )


@pytest.fixture
def read(run, tmp_path):
    """Reads dumps into blocks; gives all that comes of it, in an order of its own, and how many ranges there were."""

    def read(asked, cache='cache'):
        def build(root):
            result = root | ReadBlocks(find_dumps(asked.input, labelled=True), asked, str(tmp_path / cache))
            sums = (result.tallies,) | SumTallies()
            for name, values in {**result._asdict(), 'tallies': sums}.items():
                _ = (
                    values
                    | f'Keep {name}' >> beam.combiners.ToList()
                    | f'Write {name}'
                    >> beam.Map(lambda found, path: path.write_bytes(pickle.dumps(found)), tmp_path / f'{name}.pickle')
                )

        counters = run(build)
        found = {name: pickle.loads((tmp_path / f'{name}.pickle').read_bytes()) for name in ReadBlocksResult._fields}
        rows = rows_of(found['rows'], INDEX)
        blocks = {number: PaperBlock.load(block_path(str(tmp_path / cache), number)) for number in set(rows['block'])}
        papers = [paper_of(blocks[block], row) for block, row in rows[['block', 'row']].tolist()]
        labels = {hash_: name for names in found['label_sets'] for hash_, name in names.items()}
        outcome = Outcome(
            sorted(papers), sorted(rows.tolist()), labels, sorted(found['dead_letters'], key=repr), found['tallies'][0]
        )
        return outcome, counters['read/ranges'], counters['read/cached_ranges']

    return read


class Outcome(NamedTuple):
    papers: list
    rows: list
    labels: dict
    letters: list
    tallies: dict


def paper_of(block, row):
    """(id, labels, [(n-gram, occurrences), ...]) of a paper of a block."""
    ngrams = block.ngrams
    pairs = np.flatnonzero(ngrams.rows == row)
    at = np.searchsorted(ngrams.starts, pairs, 'right') - 1
    words = [' '.join(block.words[code].decode() for code in codes if code != NO_WORD) for codes in ngrams.words[at]]
    found = sorted(zip(words, ngrams.counts[pairs].tolist(), strict=True))
    return block.paper_ids[row].decode(), block.label_sets[block.label_set_of[row]], found


def ids(outcome):
    return [id_ for id_, *_ in outcome.papers]


def all_files(folder):
    """File -> when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_all_valid_papers_stand_in_blocks_and_the_others_are_dead_letters(folder, read):
    found, ranges, cached = read(config(folder))
    assert (ranges, cached) == (3, 0)
    labels = {'1': 'cs.LG', '3': 'cs.CV cs.LG', '4': 'cs.LG', '5': 'cs.CV cs.LG', '6': 'cs.LG'}
    assert found.papers == [
        (id_, labels[id_], sorted((ngram, 1) for ngram in ('title', id_, 'text', f'title {id_}', f'{id_} text')))
        for id_ in labels
    ]
    assert found.labels == {label_set_hash(name): name for name in ('cs.LG', 'cs.CV cs.LG')}
    letter = DeadLetter(
        f'{folder}/a.jsonl',
        len(paper_line('1')),
        'missing_title',
        'title holds nothing but white space',
        paper_line('2', title=' ').removesuffix(b'\n'),
    )
    assert found.letters == [letter]
    assert found.tallies == {('read',): 6, ('rejected', 'missing_title'): 1}


def test_a_range_with_more_papers_than_a_block_holds_becomes_several(folder, read, monkeypatch):
    whole, *_ = read(config(folder), 'whole')
    monkeypatch.setattr(paper_blocks, 'MAX_PAPERS', 1)
    found, *_ = read(config(folder), 'cut')
    assert [len(list((folder / name).glob('*.npz'))) for name in ('whole', 'cut')] == [3, 5]
    assert found._replace(rows=whole.rows) == whole


def test_a_large_file_is_read_in_ranges_and_each_record_once(tmp_path, read, monkeypatch):
    lines = [paper_line(f'{number:04d}') if number % 50 else b'broken\n' for number in range(300)]
    (tmp_path / 'dump.jsonl').write_bytes(b''.join(lines))
    whole, ranges, _ = read(config(tmp_path, ['dump.jsonl']), 'whole')
    assert ranges == 1
    monkeypatch.setattr(read_blocks, 'byte_ranges', lambda dump: byte_ranges(dump, size=1000))
    found, ranges, _ = read(config(tmp_path, ['dump.jsonl']), 'cut')
    assert ranges == len(b''.join(lines)) // 1000 + 1
    assert found._replace(rows=whole.rows) == whole
    assert len(found.papers) == 294
    # All but where a paper lies.
    assert sorted(row[:-2] for row in found.rows) == sorted(row[:-2] for row in whole.rows)


def test_what_was_read_before_is_not_read_again(folder, read, monkeypatch):
    first, *_ = read(config(folder))
    before = all_files(folder / 'cache')
    monkeypatch.setattr(read_blocks, 'papers_of', lambda *_, **__: pytest.fail('a range was read again'))
    again, ranges, cached = read(config(folder))
    assert (ranges, cached) == (3, 3)
    assert again == first
    assert all_files(folder / 'cache') == before


def test_of_several_dumps_only_the_new_one_is_read(folder, read):
    first, *_ = read(config(folder))
    before = all_files(folder / 'cache')
    (folder / 'd.jsonl').write_bytes(paper_line('7') + b'broken\n')
    found, ranges, cached = read(config(folder))
    assert (ranges, cached) == (4, 3)
    after = all_files(folder / 'cache')
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2
    scratch, *_ = read(config(folder), 'scratch')
    assert found == scratch
    assert ids(found) == [*ids(first), '7']


def test_a_dump_whose_content_changed_is_read_again(folder, read):
    read(config(folder))
    stored = (folder / 'a.jsonl').read_bytes()
    (folder / 'a.jsonl').write_bytes(stored.replace(b'"Text."', b'"Word."', 1))
    found, ranges, cached = read(config(folder))
    assert (ranges, cached) == (3, 2)
    assert found == read(config(folder), 'scratch')[0]


def test_a_dump_that_was_renamed_is_found_again_and_its_dead_letters_name_the_new_path(folder, read):
    first, *_ = read(config(folder))
    (folder / 'a.jsonl').rename(folder / 'moved.jsonl')
    found, ranges, cached = read(config(folder))
    assert (ranges, cached) == (3, 3)
    [letter] = first.letters
    assert found == first._replace(letters=[dataclasses.replace(letter, source=f'{folder}/moved.jsonl')])


def test_a_dump_that_is_given_twice_is_read_into_the_same_blocks(folder, read):
    (folder / 'copy.jsonl').write_bytes((folder / 'a.jsonl').read_bytes())
    found, *_ = read(config(folder))
    assert ids(found) == ['1', '1', '3', '3', '4', '5', '6']
    assert len(list((folder / 'cache').glob('*.npz'))) == 3
    assert [letter.source for letter in found.letters] == [f'{folder}/a.jsonl', f'{folder}/copy.jsonl']


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def emptied(path):
    path.write_bytes(b'')


def removed(path):
    path.unlink()


@pytest.mark.parametrize('damage', [flipped, truncated, emptied, removed])
def test_a_damaged_file_of_the_cache_is_noticed_and_made_again(folder, read, damage):
    first, *_ = read(config(folder))
    good = files_below(folder / 'cache')
    # Of three ranges one loses its entry, and another one its block.
    entry, other, _ = sorted((folder / 'cache').glob('*.json'))
    [[block, _]] = json.loads(other.read_text().split('\n')[1])['blocks']
    damage(entry)
    damage(folder / 'cache' / f'{block:016x}.npz')
    found, ranges, cached = read(config(folder))
    assert (ranges, cached) == (3, 1)
    assert found == first
    assert files_below(folder / 'cache') == good


@pytest.mark.parametrize(
    'other',
    [{'ngrams': NgramConfig(text='title')}, {'ngrams': NgramConfig(ngram_max=3)}, {'max_record_bytes': 1 << 16}],
)
def test_what_was_read_with_other_settings_is_not_taken_for_it(folder, read, other):
    read(config(folder))
    found, ranges, cached = read(config(folder, **other))
    assert (ranges, cached) == (3, 0)
    assert found == read(config(folder, **other), 'scratch')[0]


def test_what_is_decided_later_does_not_matter_to_the_cache(folder, read):
    read(config(folder))
    later = {
        'ngrams': NgramConfig(vocabulary_size=7, weighting='count', min_document_frequency=2),
        'split': SplitConfig(seed=3),
        'min_label_set_papers': 1,
        'shards': 3,
    }
    assert read(config(folder, **later))[1:] == (3, 3)


def test_a_range_that_could_not_be_read_to_its_end_leaves_no_entry(folder, read, run, monkeypatch):
    monkeypatch.setattr(paper_blocks, 'MAX_PAPERS', 1)
    (folder / 'd.jsonl').write_bytes(b''.join(paper_line(f'd{number}') for number in range(5)))
    whole, make = PaperBlock.of, []

    def fails_at_the_third(papers, *arguments):
        make.append(papers)
        if len(make) == 3:
            raise MemoryError
        return whole(papers, *arguments)

    with monkeypatch.context() as failing:
        failing.setattr(PaperBlock, 'of', fails_at_the_third)
        with pytest.raises(Exception, match='MemoryError'):
            read(config(folder, ['d.jsonl']))
    assert [path.suffix for path in (folder / 'cache').iterdir()] == ['.npz', '.npz']
    found, ranges, cached = read(config(folder, ['d.jsonl']))
    assert (ranges, cached) == (1, 0)
    assert found == read(config(folder, ['d.jsonl']), 'scratch')[0]


def test_too_many_dead_letters_fail_the_job_and_nothing_goes_further(folder, failure):
    seen = folder / 'seen'

    def build(root):
        asked = config(folder, max_rejected_fraction=0.1)
        index = (root | ReadBlocks(find_dumps(asked.input, labelled=True), asked, str(folder / 'cache'))).rows
        _ = index | beam.Map(lambda chunk: seen.write_bytes(chunk))

    assert failure(build) == (
        '1 of 6 records (16.7%) are no valid papers: missing_title 1. '
        'That is more than --max_rejected_fraction 0.1; mend the input, or raise the limit.'
    )
    assert not seen.exists()


def test_the_index_travels_in_plain_bytes_of_two_megabytes_at_most(folder, run):
    def build(root):
        asked = config(folder)
        result = root | ReadBlocks(find_dumps(asked.input, labelled=True), asked, str(folder / 'cache'))
        assert result.rows.element_type is bytes
        assert_that(result.rows | beam.Map(len), equal_to([2 * INDEX.itemsize, 2 * INDEX.itemsize, INDEX.itemsize]))

    run(build)


def test_an_entry_of_the_cache_is_a_file_that_people_can_read(folder, read):
    read(config(folder, ['c.csv']))
    [entry] = (folder / 'cache').glob('*.json')
    [block] = (folder / 'cache').glob('*.npz')
    stored = json.loads(entry.read_text().split('\n')[1])
    assert [f'{number:016x}.npz' for number, _ in stored['blocks']] == [block.name]
    assert stored['tallies'] == [[['read'], 1]]
