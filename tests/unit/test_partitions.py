"""How many parts a shuffle has follows from the size of the dumps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.partitions import likely_workers, partitions_of, workers_of
from pipeline.readers import Dump

SIZES = st.integers(0, 10**13)


@pytest.mark.parametrize(
    ('size', 'ngram_max', 'partitions'),
    [
        (0, 2, (8, 3)),
        (5_000_000, 3, (8, 3)),
        # 800,000 papers, and 44 million n-grams of blocks.
        (880_000_000, 2, (8, 6)),
        (880_001_000, 2, (9, 6)),
        # 4 million papers.
        (4_400_000_000, 1, (40, 5)),
        (4_400_000_000, 2, (40, 8)),
        (4_400_000_000, 3, (40, 10)),
    ],
)
def test_a_part_holds_a_hundred_thousand_papers_or_a_million_n_grams_and_there_are_eight_at_least(
    size, ngram_max, partitions
):
    assert partitions_of([Dump('papers.json', size)], ngram_max) == partitions


def test_what_is_compressed_counts_as_four_times_its_size():
    plain = [Dump('a', 4_400_000_000)]
    assert partitions_of([Dump('a.gz', 1_100_000_000, 'gzip')], 2) == partitions_of(plain, 2)
    assert partitions_of([Dump('a.gz', 550_000_000, 'zstd'), Dump('b', 2_200_000_000)], 2) == partitions_of(plain, 2)


def test_of_no_dumps_there_are_eight_parts():
    assert partitions_of([], 2) == (8, 3)


@given(sizes=st.lists(SIZES, max_size=4), more=SIZES, ngram_max=st.integers(1, 3))
def test_more_data_never_makes_fewer_parts_nor_do_longer_n_grams(sizes, more, ngram_max):
    dumps = [Dump(str(number), size) for number, size in enumerate(sizes)]
    found = partitions_of(dumps, ngram_max)
    larger = partitions_of([*dumps, Dump('more', more)], ngram_max)
    longer = partitions_of(dumps, min(ngram_max + 1, 3))
    assert larger.papers >= found.papers == longer.papers
    assert larger.ngram_bits >= found.ngram_bits
    assert longer.ngram_bits >= found.ngram_bits


def test_a_small_dump_is_the_work_of_one_process_and_a_large_one_of_many():
    assert workers_of([]) == 1
    assert workers_of([Dump('a.jsonl', (16 << 20) - 1)]) == 1
    assert workers_of([Dump('a.jsonl', 16 << 20)]) == 2
    assert workers_of([Dump('a.jsonl.zst', 4 << 20, 'zstd')]) == 2
    assert workers_of([Dump('a.jsonl', 40 << 20), Dump('b.jsonl', 40 << 20)]) == 6


def test_workers_are_started_early_where_the_sizes_of_local_files_say_that_they_have_enough_to_do(tmp_path):
    for name in 'ab':
        with (tmp_path / name).open('wb') as file:
            file.truncate(9 << 20)
    pattern = str(tmp_path / '[ab]')
    assert likely_workers([pattern]) == 2
    assert likely_workers([pattern, pattern, str(tmp_path / 'a')]) == 2
    assert likely_workers([str(tmp_path / 'a'), str(tmp_path), 'gs://bucket/*', str(tmp_path / 'missing')]) == 1
