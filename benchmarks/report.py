"""What the sections of RESULTS.md have in common. They are made of what was measured and nothing else."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from process_tree import TreeUsage
from stages import Measured

_CURVE_POINTS = 20
_BAR = 40

# Figure, and what the tables call it.
FIGURES = {
    'precision_at_1': 'P@1',
    'precision_at_3': 'P@3',
    'precision_at_5': 'P@5',
    'ndcg_at_5': 'nDCG@5',
    'micro_f1': 'micro-F1',
    'macro_f1': 'macro-F1',
}


def heading(title: str, program: str) -> str:
    """Begins a section."""
    return (
        f'# {title}\n\nWritten by `benchmarks/{program}`; do not edit. '
        'README.md beside this file says what is measured and how.'
    )


def best_svc(svc: Measured) -> Mapping[str, Any]:
    """Picks the figures of LinearSVC at the C that is best on the validation papers."""
    return max(svc.result['tried'], key=lambda one: one['validation_ndcg_at_5'])


def circumstances(results: Mapping[str, Measured], machine: str, versions: str) -> str:
    """Says where and when it was measured, as lines of a list."""
    loads = [measured.usage.load_before for measured in results.values()]
    reused = [name for name, measured in results.items() if measured.reused]
    return '\n'.join(
        [
            f'- Machine: {machine}. Load average before each program: {min(loads):.1f} to {max(loads):.1f} (the '
            'program before it shows in it; above the number of cores other work went on beside it, and times are too '
            'long by it).',
            f'- Versions: {versions}.',
            f'- Kept from an earlier run (`--reuse`): {", ".join(reused) or "nothing"}.',
        ]
    )


def papers(name: str, prepared: Measured) -> str:
    """Says which papers a run of `prepare` made, as a line of a list."""
    counts = prepared.result
    patterns = (prepared.command[place + 1] for place, word in enumerate(prepared.command) if word == '--input')
    splits = ', '.join(f'{count:,} {split}' for split, count in counts['splits'].items())
    return (
        f'- {name}: {", ".join(f"`{pattern}`" for pattern in patterns)}, {counts["read"]:,} records, of which '
        f'{counts["kept"]:,} kept: {splits}; {len(counts["labels"])} labels, '
        f'{counts["ngrams"]["vocabulary"]:,} n-grams.'
    )


def commands(results: Mapping[str, Measured]) -> str:
    """Lists what was run."""
    return '```\n' + '\n'.join(' '.join(measured.command) for measured in results.values()) + '\n```'


def usage_table(results: Mapping[str, Measured]) -> str:
    """Shows what each program took."""
    rows = [
        [name, f'{usage.seconds:.0f} s', f'{usage.cpu_seconds:.0f} s', gigabytes(usage.peak_pss)]
        for name, usage in ((name, measured.usage) for name, measured in results.items())
    ]
    return table(['program', 'wall', 'CPU', 'peak memory'], rows)


def settings(config: Mapping[str, Any]) -> str:
    """Writes the config of metrics.json in a line."""
    values = ((name, ' '.join(map(str, value)) if isinstance(value, list) else value) for name, value in config.items())
    return ', '.join(f'{name} {value}' for name, value in values)


def mean(values: Iterable[float]) -> str:
    """Writes a mean."""
    return f'{statistics.fmean(values):.4f}'


def spread(values: Sequence[float]) -> str:
    """Writes the smallest and the largest."""
    return f'{min(values):.4f} to {max(values):.4f}'


def verdict(met: bool | None) -> str:
    """Says whether a goal is met; nothing if there is none."""
    return {True: 'met', False: '**missed**', None: ''}[met]


def gigabytes(size: int) -> str:
    """Writes a size in bytes."""
    return f'{size / 1e9:.2f} GB'


def memory_curve(usage: TreeUsage) -> str:
    """Draws memory over time: proportional sets, the largest of each stretch."""
    points = usage.thinned(_CURVE_POINTS)
    top = max(size for _, size in points)
    lines = [f'{seconds:6.0f} s  {size / 1e9:5.2f} GB  {"#" * round(_BAR * size / top)}' for seconds, size in points]
    return '```\n' + '\n'.join(lines) + '\n```'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Makes a table, its first `left` columns of text."""
    rule = ['---' if column < left else '---:' for column in range(len(header))]
    return '\n'.join(f'| {" | ".join(row)} |' for row in (header, rule, *rows))
