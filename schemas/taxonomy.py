"""Canonical names of arXiv's categories.

`taxonomy.jsonl` lists every category that arXiv has or had. An alias (math.MP) and an archive that was subsumed
(cmp-lg) become the category that stands for them today; codes of the Mathematics Subject Classification and of the
ACM Computing Classification System, which feeds carry beside the categories, are told apart from unknown names.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
from collections.abc import Iterable
from typing import Any

# MSC 2020: 68, 68Txx, 68T05, 68-02. ACM 1998: I.2, I.2.6, F.m, H.1.m.
_MSC = re.compile(r'\d{2}(-\d{2}|-XX|[A-Z](\d{2}|xx|XX))?')
_ACM = re.compile(r'[A-K](\.(\d{1,2}|m)){1,3}')
_CATEGORY_SEPARATORS = re.compile(r'[\s,;]+')
_CODE_SEPARATORS = re.compile(r'[\s,;:()\[\]]+')

_ARCHIVE_TITLES = {
    'astro-ph': 'Astrophysics',
    'cond-mat': 'Condensed Matter',
    'cs': 'Computer Science',
    'econ': 'Economics',
    'eess': 'Electrical Engineering and Systems Science',
    'math': 'Mathematics',
    'nlin': 'Nonlinear Sciences',
    'physics': 'Physics',
    'q-bio': 'Quantitative Biology',
    'q-fin': 'Quantitative Finance',
    'stat': 'Statistics',
}


@dataclasses.dataclass(frozen=True)
class CanonicalCategories:
    """What a paper's category strings mean.

    Attributes:
        labels: canonical category names, sorted, without repetition.
        renamed: (name as found, canonical name) for each alias or subsumed archive that was mapped.
        msc: strings that are codes of the Mathematics Subject Classification.
        acm: strings that are codes of the ACM Computing Classification System.
        unknown: everything else.
    """

    labels: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    msc: tuple[str, ...] = ()
    acm: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def _entries() -> dict[str, Any]:
    lines = pathlib.Path(__file__).with_name('taxonomy.jsonl').read_text('utf-8').splitlines()
    return {entry['id']: entry for entry in map(json.loads, lines)}


@functools.cache
def canonical_names() -> dict[str, str]:
    """Maps each category that arXiv has or had to the one that stands for it today.

    >>> canonical_names()['cmp-lg'], canonical_names()['math.MP'], canonical_names()['cs.CL']
    ('cs.CL', 'math-ph', 'cs.CL')
    """
    entries = _entries()

    def canonical(name: str) -> str:
        successor = entries[name]['alias_of'] or entries[name]['subsumed_by']
        return canonical(successor) if successor else name

    # The group 'bad' holds arXiv's own placeholder for an invalid category; to us it is an unknown name.
    return {name: canonical(name) for name, entry in entries.items() if entry['group'] != 'bad'}


@functools.cache
def category_titles() -> dict[str, str]:
    """Maps the title of each category, as Dublin Core records of arXiv name subjects, to its name.

    >>> titles = category_titles()
    >>> titles['Computer Science - Machine Learning'], titles['High Energy Physics - Theory']
    ('cs.LG', 'hep-th')
    """
    return {
        f'{_ARCHIVE_TITLES[entry["archive"]]} - {entry["name"]}' if '.' in name else entry['name']: name
        for name, entry in _entries().items()
        if entry['group'] != 'bad'
    }


@functools.cache
def groups() -> dict[str, str]:
    """Maps each canonical category name to its group.

    >>> groups()['cs.CL'], groups()['hep-th'], groups()['q-bio.GN'], groups().get('math.MP')
    ('cs', 'physics', 'q-bio', None)
    """
    entries = _entries()
    return {name: entries[name]['group'] for name in sorted(set(canonical_names().values()))}


@functools.cache
def category_names() -> dict[str, str]:
    """Maps each canonical category to what arXiv calls it.

    >>> category_names()['cs.CL'], category_names()['hep-th']
    ('Computation and Language', 'High Energy Physics - Theory')
    """
    entries = _entries()
    return {name: entries[name]['name'] for name in groups()}


def canonical_categories(names: Iterable[str]) -> CanonicalCategories:
    """Sorts a paper's category strings into canonical labels, foreign codes and unknown names.

    A string may hold several categories, separated by blanks, commas or semicolons, and codes beside them.

    >>> canonical_categories(['cs.CV', 'cmp-lg', '68T07, 68T50 (Primary)', 'I.2.7; I.5.4', 'cs.XX'])
    ... # doctest: +NORMALIZE_WHITESPACE
    CanonicalCategories(labels=('cs.CL', 'cs.CV'), renamed=(('cmp-lg', 'cs.CL'),), msc=('68T07, 68T50 (Primary)',),
                        acm=('I.2.7; I.5.4',), unknown=('cs.XX',))
    """
    # The combinations of categories are few beside the papers.
    return _canonical_categories(tuple(names))


@functools.lru_cache(1 << 16)
def _canonical_categories(names: tuple[str, ...]) -> CanonicalCategories:
    known = canonical_names()
    labels: set[str] = set()
    renamed: list[tuple[str, str]] = []
    msc, acm, unknown = [], [], []
    for text in names:
        words = _CATEGORY_SEPARATORS.split(text.strip())
        categories = [word for word in words if word in known]
        labels.update(known[category] for category in categories)
        renamed.extend((category, known[category]) for category in categories if known[category] != category)
        # What is left of the string, as it stands there.
        name = ' '.join(word for word in words if word not in known) if categories else text.strip()
        codes = [code for code in _CODE_SEPARATORS.split(name) if code]
        if any(_MSC.fullmatch(code) for code in codes):
            msc.append(name)
        elif any(_ACM.fullmatch(code) for code in codes):
            acm.append(name)
        elif name:
            unknown.append(name)
    return CanonicalCategories(tuple(sorted(labels)), tuple(renamed), tuple(msc), tuple(acm), tuple(unknown))
