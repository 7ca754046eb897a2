"""`model_card.md`: what a model is, what it was made from, how good it is, and where it is not.

After Mitchell et al., 2019, "Model cards for model reporting". A pure function of plain values; no clock, no machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trainer.label_table import LabelRow, by_group, by_training_papers

# Below so many training papers a label's figures say little.
_FEW_PAPERS = 50
_WORST = 10

_USE = """\
```python
import tensorflow as tf

tagger = tf.saved_model.load('export/1').signatures['serving_default']
tagged = tagger(title=tf.constant(['...']), abstract=tf.constant(['...']))
tagged['labels'], tagged['scores'], tagged['accepted']  # each [1, {top_k}], best first
```

Titles and abstracts go in as they are: the transform graph, the thresholds and the names of the labels are inside. A
score is the probability that the label applies; `accepted` says whether it reaches the label's threshold. Of
`export/`, take the highest number."""


def model_card(
    *,
    metrics: Mapping[str, Any],
    manifest: Mapping[str, Any],
    statistics: Mapping[str, Any],
    labels: Sequence[LabelRow],
    groups: Mapping[str, str],
) -> str:
    """Writes the card of a model.

    Args:
        metrics: what `metrics.json` holds.
        manifest: of the training data.
        statistics: of the training data.
        labels: figures of each label.
        groups: the group of each category of arXiv.

    Returns:
        Markdown, ends with a line break.
    """
    sections = {
        'Data': _data(manifest, statistics, metrics),
        'Model and training': _training(metrics),
        'How good it is': _figures(metrics),
        'By groups of labels': _groups(labels, groups),
        'Thresholds and calibration': _decisions(metrics),
        'Labels that do worst': _worst(labels),
        'Limits': _limits(statistics, labels, groups),
        'Use': _USE.replace('{top_k}', str(min(metrics['config']['top_k'], metrics['labels']))),
    }
    head = (
        '# arxiv-tagger model\n\n'
        f'Gives papers their arXiv categories, from the title and the abstract: {metrics["labels"]} labels, any number '
        'of them a paper.\n'
    )
    return head + ''.join(f'\n## {title}\n\n{text}\n' for title, text in sections.items())


def _data(manifest: Mapping[str, Any], statistics: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    inputs = _table(
        ('file', 'format', 'bytes', 'SHA-256'),
        [
            (f'`{entry["path"]}`', entry['format'], entry['bytes'], f'`{entry["sha256"]}`')
            for entry in manifest['inputs']
        ],
    )
    splits = ', '.join(f'{papers:,} {split}' for split, papers in statistics['splits'].items())
    read = (
        f'{statistics["read"]:,} records read: {statistics["kept"]:,} papers kept, {statistics["duplicates"]:,} '
        f'duplicates, {statistics["dropped_rare_label_set"]:,} with a rare combination of labels, '
        f'{sum(statistics["rejected"].values()):,} rejected.'
    )
    settings = [(name, _setting(value)) for name, value in manifest['config'].get('ngrams', {}).items()]
    versions = ', '.join(f'{name} {version}' for name, version in manifest['versions'].items())
    return '\n\n'.join(
        [
            inputs,
            f'{read} Papers: {splits}. The {metrics["ngrams"]:,} n-grams and their weights come from the training '
            f'papers alone. Prepared with {versions}.',
            _table(('n-grams', ''), settings),
        ]
    )


def _training(metrics: Mapping[str, Any]) -> str:
    text = (
        f'A model of {metrics["parameters"]:,} parameters over weighted n-grams. Trained for '
        f'{metrics["epochs"]} epochs; the weights are those after epoch {metrics["best_epoch"]}, the best on the '
        'validation papers.'
    )
    settings = [(f'`--{name}`', _setting(value)) for name, value in metrics['config'].items()]
    return f'{text}\n\n{_table(("setting", "value"), settings)}'


def _figures(metrics: Mapping[str, Any]) -> str:
    validation, test = metrics['validation'], metrics['test']
    rows = [(name, validation.get(name), test[name]) for name in test]
    text = (
        'On papers that the model was not trained on. Calibration and thresholds were chosen on the validation papers.'
    )
    return f'{text}\n\n{_table(("figure", "validation", "test"), rows)}'


def _groups(labels: Sequence[LabelRow], groups: Mapping[str, str]) -> str:
    text = (
        'On the test papers, at the thresholds. Precision, recall and F1 are those of all pairs of a paper and a label '
        'of the group together; macro-F1 is the mean of the F1 of its labels.'
    )
    header = ('group', 'labels', 'pairs that apply', 'precision', 'recall', 'F1', 'macro-F1')
    by_papers = _table(('training papers', *header[1:]), by_training_papers(labels))
    return f'{text}\n\n{_table(header, by_group(labels, groups))}\n\n{by_papers}'


def _decisions(metrics: Mapping[str, Any]) -> str:
    thresholds = {name: value for name, value in metrics['thresholds'].items() if name != 'by_label'}
    rows = [*_flat('thresholds', thresholds), *_flat('calibration', metrics['calibration'])]
    return _table(
        ('', 'value'), [(name, value if isinstance(value, float) else _setting(value)) for name, value in rows]
    )


def _labels(number: int) -> str:
    return '1 label has' if number == 1 else f'{number} labels have'


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    """Goes through nested values, named by the path to them."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f'{name} {key}', inner)
    else:
        yield name, value


def _worst(labels: Sequence[LabelRow]) -> str:
    measured = [row for row in labels if row.test_papers]
    worst = sorted(measured, key=lambda row: (row.f1 or 0.0, -row.test_papers, row.label))[:_WORST]
    rows = [(row.label, row.training_papers, row.test_papers, row.precision, row.recall, row.f1) for row in worst]
    header = ('label', 'training papers', 'test papers', 'precision', 'recall', 'F1')
    text = 'Those with the lowest F1 on the test papers, more frequent ones first; all labels are in `labels.tsv`.'
    return f'{text}\n\n{_table(header, rows)}' if rows else 'There are no test papers.'


def _limits(statistics: Mapping[str, Any], labels: Sequence[LabelRow], groups: Mapping[str, str]) -> str:
    few = sorted((row.training_papers, row.label) for row in labels if row.training_papers < _FEW_PAPERS)
    untested = sorted(row.label for row in labels if not row.test_papers)
    limits = [
        'It has read titles and abstracts in English; of other languages, and of full texts, nothing is known.',
        f'It knows {len(labels)} of the {len(groups)} categories of arXiv, and gives no other.',
        f'{statistics["dropped_rare_label_set"]:,} papers with rare combinations of labels are neither in the training '
        'nor in the test papers: the figures are those of common combinations.',
        'It repeats the choices of authors and moderators, and knows nothing of what is newer than its papers.',
    ]
    if few:
        names = ', '.join(f'{label} ({papers})' for papers, label in few)
        limits.append(f'{_labels(len(few))} fewer than {_FEW_PAPERS} training papers: {names}.')
    if untested:
        names = ', '.join(untested)
        limits.append(
            f'{_labels(len(untested))} no test papers, and nothing is known of how well it tells them: {names}.'
        )
    return '\n'.join(f'- {limit}' for limit in limits)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ['---'] * len(header), *([_cell(value) for value in row] for row in rows)]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return '–'
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f'{value:,}' if isinstance(value, int) else f'{value:.4f}'


def _setting(value: object) -> str:
    """A setting as the user typed it: 0.003, not 0.0030."""
    return ' '.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
