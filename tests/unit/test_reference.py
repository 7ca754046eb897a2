"""An export stores answers and a profile of held-out papers, and what files it consists of."""

import gzip
import importlib.metadata
import json

import numpy as np
import pytest

from schemas import features
from schemas.errors import JobError
from schemas.profile import Profile
from trainer.reference import ReferencePaper, described, profile_of, reference_lines, reference_texts

PAPERS = [ReferencePaper(f'Title {number}', 'Sum ' * (number % 7)) for number in range(600)]


def published(folder, *lines):
    (folder / features.REFERENCE_PAPERS_FILE).write_bytes(
        gzip.compress(''.join(f'{line}\n' for line in lines).encode())
    )
    return str(folder)


def answers(papers):
    """What a model might say of papers: cs.LG to those with an odd number of words, with one of two scores."""
    words = np.array([len(f'{paper.title} {paper.abstract}'.split()) for paper in papers])
    return {
        'labels': np.array([[b'cs.LG'] if count % 2 else [b'math.CO'] for count in words], object),
        'scores': np.where(words % 3, 0.25, 0.75).astype(np.float32)[:, None],
        'accepted': (words % 3 == 0)[:, None],
        'words': words,
        'ngrams': 2 * words - 1,
        'known_ngrams': words - 1,
        'ngram_papers': np.array([len(papers), int((words > 2).sum())]),
    }


def test_reference_papers_are_read_with_their_ids_in_prepares_order_with_line_ends_and_other_scripts(tmp_path):
    lines = [
        '{"id": "b", "title": "Über\\n\\u2028Summen", "abstract": "日本語"}',
        '{"id": "a", "title": "T", "abstract": ""}',
    ]
    assert reference_texts(published(tmp_path, *lines)) == [
        ('b', ReferencePaper('Über\n\u2028Summen', '日本語')),
        ('a', ReferencePaper('T', '')),
    ]


@pytest.mark.parametrize('line', ['{"title": "no abstract"}', '[]', '{', '3'])
def test_damaged_reference_papers_are_told(tmp_path, line):
    folder = published(tmp_path, '{"id": "a", "title": "T", "abstract": ""}', line)
    with pytest.raises(JobError) as error:
        reference_texts(folder)
    assert str(error.value) == (
        f'{folder}/reference_papers.jsonl.gz cannot be read or is damaged. '
        'Run "arxiv-tagger prepare" again, with --overwrite.'
    )


def test_a_stored_answer_is_one_line_with_the_text_as_it_is_and_scores_as_short_as_a_float32():
    paper = ReferencePaper('Über\nSummen', 'We "add".')
    answer = {
        'labels': np.array([[b'math.NT', b'cs.LG']], object),
        'scores': np.array([[0.7, 1e-7]], np.float32),
        'accepted': np.array([[True, False]]),
    }
    assert reference_lines([paper], answer) == [
        '{"title": "Über\\nSummen", "abstract": "We \\"add\\".", "labels": ["math.NT", "cs.LG"], '
        '"scores": [0.699999988, 1.00000001e-07], "accepted": [true, false]}\n'
    ]


def test_the_profile_counts_each_paper_once_in_batches_of_no_more_than_256():
    sizes = []

    def tag(papers):
        sizes.append(len(papers))
        return answers(papers)

    expected = Profile.empty(2)
    expected.add(answers(PAPERS))
    assert profile_of(PAPERS, tag).to_json() == expected.to_json()
    assert sizes == [256, 256, 88]


def test_every_file_of_an_export_is_listed_with_its_size_but_the_list_itself(tmp_path):
    for name, content in {
        'saved_model.pb': b'12345',
        'variables/variables.index': b'1',
        'assets.extra/reference_papers.jsonl': b'',
        'assets.extra/export.json': b'{}',
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert json.dumps(described(str(tmp_path))) == json.dumps(
        {
            'format': 1,
            'arxiv_tagger': importlib.metadata.version('arxiv-tagger'),
            'files': {'assets.extra/reference_papers.jsonl': 0, 'saved_model.pb': 5, 'variables/variables.index': 1},
        }
    )
