"""The part of the model's section on what goes wrong: confusions, the worst papers, likely errors in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reporting import charts, style, words
from reporting.content import Block, Line, Part, Picture, Table

_SHOWN_CONFUSIONS = 15


def confusions(found: Sequence[Mapping[str, Any]]) -> Block:
    """Which labels are taken for which."""
    if not found:
        return Line(name='confusions', title='No label is taken for another', text='Of the test papers.')
    first = found[0]
    shown = found[:_SHOWN_CONFUSIONS]
    return Picture(
        name='confusions',
        title=f'{first["label"]} is most often taken for {first["given"]}: '
        f'{words.count(first["papers"])} of its {words.plural(first["of"], "test paper")}',
        text='Bars: '
        + words.listed([f'{one["label"]} for {one["given"]}, {words.plural(one["papers"], "paper")}' for one in shown])
        + '.',
        svg=style.draw(
            charts.bars(
                [f'{one["label"]} → {one["given"]}' for one in shown],
                [one['papers'] for one in shown],
                x='test papers',
                written=[f'{words.count(one["papers"])} ({words.of(one["papers"], one["of"])})' for one in shown],
            ),
            height=0.9 + 0.27 * len(shown),
        ),
        note='Test papers that have the first label, do not get it, and get the second, which they do not have. In '
        'brackets: the share of the test papers with the first label.',
        table=Table(
            ('has', 'gets instead', 'papers', 'of', 'share'),
            [
                (
                    one['label'],
                    one['given'],
                    words.count(one['papers']),
                    words.count(one['of']),
                    words.of(one['papers'], one['of']),
                )
                for one in found
            ],
            texts=(1,),
        ),
    )


def worst_papers(papers: Sequence[Mapping[str, Any]]) -> Block:
    """The worst errors, with text and explanation."""
    if not papers:
        return Line(name='worst-papers', title='There are no errors to show', text='No held-out paper was reviewed.')
    shown = []
    for paper in papers:
        predictions = [_prediction(one, paper['labels']) for one in paper['predictions']]
        # The first that is wrong is unfolded.
        wrong = next((one for one in predictions if one['right'] != one['accepted']), None)
        predictions = [{**one, 'open': one is wrong} for one in predictions]
        told = {one['label'] for one in paper['predictions'] if one['accepted']}
        shown.append(
            {
                **paper,
                'predictions': predictions,
                'loss': f'{paper["loss"]:.3f}',
                'missed': [label for label in paper['labels'] if label not in told],
            }
        )
    nothing = sum(1 for paper in shown if not set(paper['labels']) - set(paper['missed']))
    title = f'Of the {words.plural(len(papers), "worst paper")} {words.count(nothing)} got none of their labels'
    return Part(
        kind='worst_papers',
        name='worst-papers',
        title='The worst paper got none of its labels' if len(papers) == nothing == 1 else title,
        content=shown,
        note='Held-out papers with the largest loss. The mark on a bar is the label’s threshold. Words to the '
        'right speak '
        'for the label, words to the left against it.',
    )


def _prediction(prediction: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    explanation = prediction.get('explanation') or ()
    largest = max((abs(one['contribution']) for one in explanation), default=0) or 1
    return {
        'label': prediction['label'],
        'right': prediction['label'] in labels,
        'accepted': prediction['accepted'],
        'score': round(100 * prediction['score'], 1),
        'threshold': round(100 * prediction['threshold'], 1),
        'verdict': _verdict(prediction['label'] in labels, prediction['accepted']),
        'explanation': [
            {
                'ngram': one['ngram'],
                'for': one['contribution'] >= 0,
                'width': round(50 * abs(one['contribution']) / largest, 1),
                'contribution': f'{one["contribution"]:+.2f}'.replace('-', '−'),
            }
            for one in explanation
        ],
    }


def _verdict(right: bool, accepted: bool) -> str:
    if accepted:
        return 'given, rightly' if right else 'given, wrongly'
    return 'missed' if right else 'not given'


def label_errors(errors: Mapping[str, Any]) -> Block:
    """Likely wrong labels in the data."""
    found = errors['found']
    reviewed = words.plural(errors['papers'], 'paper')
    if not found:
        return Line(name='label-errors', title=f'No label of {reviewed} looks wrong', text=errors['method'])
    surplus = sum(1 for one in found if one['in_data'])
    return Part(
        kind='label_errors',
        name='label-errors',
        title=f'{words.plural(len(found), "label")} of {reviewed} may be wrong in the data: '
        f'{words.count(surplus)} too many, {words.count(len(found) - surplus)} missing',
        content=[{**one, 'score': words.figure(one['score'])} for one in found],
        note=errors['method'],
    )
