"""Papers become the transform graph's input, column by column."""

import pyarrow as pa

from pipeline.examples import raw_record_batch
from schemas.paper import Paper


def test_a_paper_is_a_row_of_bytes():
    batch = raw_record_batch(
        [
            Paper('0704.0001', 'Schrödinger', 'Text\none.', ('cs.LG', 'stat.ML'), '2019-05-03', 2),
            Paper('0704.0002', 'Two', 'Text two.'),
        ]
    )
    assert batch.to_pydict() == {
        'title': [['Schrödinger'.encode()], [b'Two']],
        'abstract': [[b'Text\none.'], [b'Text two.']],
        'labels': [[b'cs.LG', b'stat.ML'], []],
        'paper_id': [[b'0704.0001'], [b'0704.0002']],
    }


def test_every_column_has_the_type_that_tf_transform_expects_of_a_tf_example():
    strings = pa.large_list(pa.large_binary())
    names = ['title', 'abstract', 'labels', 'paper_id']
    assert raw_record_batch([Paper('1', 'T', 'A')]).schema == pa.schema([(name, strings) for name in names])
    assert raw_record_batch([]).schema == pa.schema([(name, strings) for name in names])
