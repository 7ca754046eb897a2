"""Every record of the dumps comes out once: as a paper, or as a dead letter that says where it stood."""

import bz2
import gzip

import apache_beam as beam
import pytest
import zstandard
from apache_beam.testing.util import assert_that, equal_to

from pipeline.config import InputConfig
from pipeline.inputs import HashDumps, find_dumps
from pipeline.read import ReadPapers, check_rejected
from pipeline.tally import SumTallies
from schemas.errors import JobError
from schemas.paper import DeadLetter, Paper
from tests.helpers import paper_line as line


def expected(*ids, labels=('cs.LG',)):
    return [Paper(id_, f'Title {id_}', 'Text.', labels) for id_ in ids]


def reading(*patterns, labelled=True, **options):
    """A transform that reads the files."""
    config = InputConfig(patterns=tuple(map(str, patterns)), **({'max_rejected_fraction': 0.9} | options))
    return ReadPapers(find_dumps(config, labelled=labelled), config, labelled=labelled, batch_size=2)


def checking(read, papers, letters, counts):
    """A pipeline that reads, and checks all that comes of it."""

    def build(root):
        result = root | 'Read' >> read
        papers_read = result.batches | beam.FlatMap(lambda batch: batch)
        assert_that(papers_read, equal_to(papers), 'papers')
        assert_that(result.dead_letters, equal_to(letters), 'letters')
        assert_that((result.tallies,) | SumTallies(), equal_to([counts]), 'tallies')

    return build


def test_papers_of_several_files_globs_formats_and_compressions_are_read(tmp_path, run):
    (tmp_path / 'a.jsonl').write_bytes(line('1') + line('2'))
    (tmp_path / 'b.jsonl.gz').write_bytes(gzip.compress(line('3') + line('4')))
    (tmp_path / 'c.bz2').write_bytes(bz2.compress(line('5')))
    (tmp_path / 'd.zst').write_bytes(zstandard.ZstdCompressor().compress(line('6') + line('7')))
    (tmp_path / 'e.csv').write_bytes(b"id,titles,summaries,terms\n8,Title 8,Text.,['cs.LG']\n")
    (tmp_path / 'empty').write_bytes(b'')
    counters = run(
        checking(
            reading(tmp_path / '*.jsonl', tmp_path / 'b*', tmp_path / '[c-z]*', tmp_path / 'empty'),
            expected(*'12345678'),
            [],
            {('read',): 8},
        )
    )
    assert (counters['read/papers'], counters['read/dead_letters']) == (8, 0)


def test_a_record_that_is_no_paper_is_a_dead_letter_with_its_source_position_and_bytes(tmp_path, run):
    bad = [
        line('2', title=' '),
        b'{"id": \n',
        line('4', categories='cs.XX 68T05'),
        b'{"title": "\xff"}\n',
        line('6', id=[]),
    ]
    good = line('1')
    source = f'{tmp_path}/dump'
    (tmp_path / 'dump').write_bytes(good + b''.join(bad) + line('7'))
    starts = [len(good) + sum(map(len, bad[:index])) for index in range(5)]
    found = [
        ('missing_title', 'title holds nothing but white space'),
        ('malformed_json', 'Expecting value: line 1 column 8 (char 7)'),
        ('no_known_category', 'no category of arXiv is among its categories (cs.XX, 68T05)'),
        ('invalid_encoding', 'not UTF-8 at byte 11 of the record'),
        ('malformed_field', 'id is a list, not a string'),
    ]
    letters = [
        DeadLetter(source, start, reason, message, raw.removesuffix(b'\n'))
        for start, (reason, message), raw in zip(starts, found, bad, strict=True)
    ]
    counts = {('rejected', reason): 1 for reason, _ in found} | {('read',): 7}
    counters = run(checking(reading(source), expected('1', '7'), letters, counts))
    assert (counters['read/papers'], counters['read/dead_letters']) == (2, 5)


def test_what_categories_meant_is_counted_for_valid_papers(tmp_path, run):
    (tmp_path / 'dump').write_bytes(
        line('1', categories=['cs.LG', 'cmp-lg', '68T05, 68T07', 'I.2.6; F.m', 'cs.XX'])
        + line('2', categories='cs.LG cs.XX cmp-lg 68T05')
        + line('3', categories='cs.ZZ')
    )
    papers = expected('1', '2', labels=('cs.CL', 'cs.LG'))
    message = 'no category of arXiv is among its categories (cs.ZZ)'
    letter = DeadLetter(
        f'{tmp_path}/dump',
        len((tmp_path / 'dump').read_bytes()) - len(line('3', categories='cs.ZZ')),
        'no_known_category',
        message,
        line('3', categories='cs.ZZ').removesuffix(b'\n'),
    )
    counts = {
        ('read',): 3,
        ('rejected', 'no_known_category'): 1,
        ('categories', 'renamed', 'cmp-lg -> cs.CL'): 2,
        ('categories', 'msc_codes'): 2,
        ('categories', 'acm_codes'): 1,
        ('categories', 'unknown', 'cs.XX'): 2,
    }
    run(checking(reading(tmp_path / 'dump'), papers, [letter], counts))


def test_papers_to_be_tagged_need_no_category_and_theirs_are_not_looked_at(tmp_path, run):
    (tmp_path / 'dump').write_bytes(line('1', categories=None) + line('2', categories=7))
    papers = expected('1', '2', labels=())
    counts = {('read',): 2}
    run(checking(reading(tmp_path / 'dump', labelled=False), papers, [], counts))


def truncated(tmp_path, compress):
    """Writes a file of 2000 papers that is cut off in its middle, and a whole one of two."""
    stored = compress(b''.join(line(f'{number:05d}') for number in range(2000)))
    (tmp_path / 'cut').write_bytes(stored[: len(stored) // 2])
    (tmp_path / 'whole').write_bytes(line('a') + line('b'))


def test_a_file_that_is_cut_off_fails_the_job(tmp_path, failure):
    truncated(tmp_path, gzip.compress)
    message = failure(lambda root: root | reading(tmp_path / '*'))
    start, end = (
        f'{tmp_path}/cut is damaged: it is cut off: its gzip data has no end (readable up to byte ',
        ('). Fetch it again, or say --damaged_inputs dead_letter to use what can be read of it.'),
    )
    assert message.startswith(start)
    assert message.endswith(end)
    # Papers of 86 bytes each: the damage begins where one of them does.
    position = int(message.removeprefix(start).removesuffix(end))
    assert 0 < position < 2000 * len(line('00000'))
    assert position % len(line('00000')) == 0


@pytest.mark.parametrize('compress', [gzip.compress, zstandard.ZstdCompressor(level=1).compress])
def test_a_file_that_is_cut_off_is_one_dead_letter_on_demand_and_the_other_files_are_read(tmp_path, run, compress):
    # zstd gives nothing of a block that is not whole.
    truncated(tmp_path, lambda content: compress(content[:600]) + compress(content[600:]))
    ids = {f'{number:05d}' for number in range(2000)} | {'a', 'b'}

    def some(papers):
        found = [paper.id for paper in papers]
        assert len(found) == len(set(found))
        assert {'a', 'b', '00000', '00001'} <= set(found) < ids

    def one(letters):
        [letter] = letters
        assert (letter.source, letter.reason, letter.raw) == (f'{tmp_path}/cut', 'damaged_file', b'')

    def build(root):
        result = root | reading(tmp_path / '*', damaged_inputs='dead_letter')
        assert_that(result.batches | beam.FlatMap(lambda batch: batch), some, 'papers')
        assert_that(result.dead_letters, one, 'letters')

    counters = run(build)
    assert counters['read/dead_letters'] == 1


def test_too_many_dead_letters_fail_the_job_and_a_paper_goes_no_further(tmp_path, failure):
    (tmp_path / 'dump').write_bytes(line('1') * 9 + b'broken\n')
    seen = tmp_path / 'seen'

    def build(root):
        batches = (root | reading(tmp_path / 'dump', max_rejected_fraction=0.05)).batches
        _ = batches | beam.Map(lambda batch: seen.write_text(batch[0].id))

    assert failure(build) == (
        '1 of 10 records (10.0%) are no valid papers: malformed_json 1. '
        'That is more than --max_rejected_fraction 0.05; mend the input, or raise the limit.'
    )
    assert not seen.exists()


COUNTS = {
    ('read',): 100,
    ('rejected', 'too_long'): 2,
    ('rejected', 'malformed_csv'): 2,
    ('rejected', 'missing_title'): 3,
}


def test_as_many_dead_letters_as_allowed_are_tolerated():
    assert check_rejected(COUNTS, 0.07)
    assert check_rejected({('read',): 1}, 0)
    assert check_rejected({('read',): 1, ('rejected', 'too_long'): 1}, 1)


@pytest.mark.parametrize(
    ('counts', 'limit', 'message'),
    [
        ({}, 1, 'The input holds no record.'),
        (
            COUNTS,
            0.0699,
            '7 of 100 records (7.0%) are no valid papers: missing_title 3, malformed_csv 2, too_long 2. '
            'That is more than --max_rejected_fraction 0.0699; mend the input, or raise the limit.',
        ),
        (
            {('read',): 2, ('rejected', 'too_long'): 2},
            0.99,
            'None of the 2 records is a valid paper: too_long 2.',
        ),
    ],
)
def test_more_are_told_with_their_reasons_the_most_frequent_first(counts, limit, message):
    with pytest.raises(JobError) as error:
        check_rejected(counts, limit)
    assert str(error.value) == message


def test_a_header_without_rows_holds_no_record(tmp_path, failure):
    (tmp_path / 'dump').write_bytes(b'titles,summaries,terms\n')
    assert failure(lambda root: root | reading(tmp_path / 'dump')) == 'The input holds no record.'


def test_each_dump_is_described_by_its_size_and_hash(tmp_path, run):
    (tmp_path / 'a').write_bytes(line('1'))
    (tmp_path / 'empty').write_bytes(b'')
    dumps = find_dumps(InputConfig(patterns=(f'{tmp_path}/*',)), labelled=True)
    empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    first = '3f0b3e4e996c36537aec5f996c5b7e1c2fb7daa235be01d937a5458a3b020c60'
    described = [
        {'path': f'{tmp_path}/a', 'bytes': len(line('1')), 'sha256': first, 'format': 'json_lines', 'compression': ''},
        {'path': f'{tmp_path}/empty', 'bytes': 0, 'sha256': empty, 'format': '', 'compression': ''},
    ]
    run(lambda root: assert_that(root | beam.Create(dumps) | HashDumps(), equal_to(described)))


def test_a_large_file_is_read_in_ranges_and_each_record_once(tmp_path, run, monkeypatch):
    (tmp_path / 'dump').write_bytes(b''.join(line(f'{number:05d}') for number in range(300)))
    monkeypatch.setattr('pipeline.read._RANGE_BYTES', 1000)
    run(
        checking(
            reading(tmp_path / 'dump'), expected(*(f'{number:05d}' for number in range(300))), [], {('read',): 300}
        )
    )
