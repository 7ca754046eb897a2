"""Tagged papers in Parquet files are those of the JSON Lines, with types."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipeline.shards import json_line
from pipeline.tagged_files import file_format, write_parquet

PREDICTIONS = [{'label': 'cs.LG', 'score': 0.899999976, 'accepted': True}]
PAPERS = [
    {'id': '0704.0001', 'title': 'Schrödinger "quoted"', 'predictions': PREDICTIONS * 2, 'model_version': '1'},
    {'id': 'hep-th/9901001', 'title': '1', 'predictions': [], 'model_version': '12'},
]


def read(path):
    return pa.parquet.read_table(path)


def test_a_parquet_file_has_typed_columns_with_the_predictions_nested_in_them(tmp_path):
    write_parquet(str(tmp_path / 'part.parquet'), map(json_line, PAPERS))
    table = read(tmp_path / 'part.parquet')
    assert {field.name: str(field.type) for field in table.schema} == {
        'id': 'string',
        'title': 'string',
        'predictions': 'list<element: struct<label: string, score: float, accepted: bool>>',
        'model_version': 'string',
    }
    rounded = [{'label': 'cs.LG', 'score': pytest.approx(0.899999976, abs=1e-8), 'accepted': True}]
    assert table.to_pylist() == [PAPERS[0] | {'predictions': rounded * 2}, PAPERS[1]]


def test_explanations_are_nested_in_the_predictions(tmp_path):
    explanation = [{'ngram': 'of "the', 'contribution': -0.25}]
    papers = [PAPERS[1], PAPERS[0] | {'predictions': [PREDICTIONS[0] | {'explanation': explanation}]}]
    write_parquet(str(tmp_path / 'part.parquet'), map(json_line, papers), explained=True)
    assert read(tmp_path / 'part.parquet')['predictions'].to_pylist()[1][0]['explanation'] == explanation


@pytest.mark.parametrize('number', [0, 1, 3000])
def test_a_file_has_as_many_rows_as_papers_and_the_same_bytes_each_time(tmp_path, number):
    papers = [json_line(PAPERS[0] | {'id': str(row)}) for row in range(number)]
    for name in ('a', 'b'):
        write_parquet(str(tmp_path / name), iter(papers))
    assert read(tmp_path / 'a')['id'].to_pylist() == [str(row) for row in range(number)]
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_what_is_no_tagged_paper_is_refused_and_not_left_out(tmp_path):
    with pytest.raises(pa.ArrowInvalid, match='unexpected field'):
        write_parquet(str(tmp_path / 'a'), [json.dumps(PAPERS[0] | {'more': 1}).encode()])


def test_each_format_has_a_suffix_of_its_own():
    assert [file_format(name, explained=False).suffix for name in ('jsonl', 'parquet')] == ['.jsonl', '.parquet']
