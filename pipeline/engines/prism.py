"""Prism, Beam's portable runner for one machine: finds its program, and fills in the flags that it needs.

Never fetches anything: Beam's own PrismRunner would download a program and start it.
"""

from __future__ import annotations

import importlib.metadata
import mmap
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence

from pipeline.engines.typed_flags import value_of
from schemas.errors import ConfigError

_RUNNER = 'pipeline.engines.prism_runner.LocalPrismRunner'
_MODULE = 'github.com/apache/beam/sdks/v2'
# What Go writes into each program of the module that it was built from; other programs are called prism, too.
_BUILT_FROM = re.compile(rf'path\t{_MODULE}/go/cmd/prism\nmod\t{_MODULE}\t(\S+)'.encode())
# Of a program that was built in a clone of Beam.
_UNKNOWN_VERSION = '(devel)'


def filled_in(flags: Sequence[str], *, streaming: bool) -> list[str]:
    """Returns complete Beam flags: those typed, and before them what is not typed.

    Args:
        flags: as typed, `--name=value` or `--name value`.
        streaming: whether the job is; Prism needs nothing more for that.

    Raises:
        ConfigError: if --prism_location names no program, or is not typed and no program is found.
    """
    del streaming
    # Else Prism would write its log to standard error, whatever the level of logging.
    filled = [f'--runner={_RUNNER}', '--prism_log_kind=text']
    if location := value_of(flags, '--prism_location'):
        _check_location(location)
    elif not value_of(flags, '--job_endpoint'):
        filled.append(f'--prism_location={find(beam_version())}')
    return [*filled, *flags]


def explain(error: BaseException) -> str | None:
    """Returns the one line that tells a user what to do about an error of Prism; None if it is not one."""
    text = str(error)
    if 'Service failed to start up' in text:
        return 'Prism does not start. Nothing was published; --verbose shows what it says.'
    if 'StatusCode.UNAVAILABLE' in text:
        return (
            'Prism ended before the job did, perhaps for want of memory. Nothing was published. '
            'Start the job again, or leave out --runner.'
        )
    return None


def find(version: str) -> str:
    """Returns the path of the Prism of a version of Beam.

    Raises:
        ConfigError: if there is none; it says how to get one.
    """
    passed_over = []
    for path in dict.fromkeys(_candidates()):
        if not (os.path.isfile(path) and os.access(path, os.X_OK)):
            continue
        found = version_of(path)
        if found in (f'v{version}', _UNKNOWN_VERSION):
            return path
        passed_over.append(f'{path} is {f"of Beam {found}" if found else "another program"}')
    other = f'; {", ".join(passed_over)}' if passed_over else ''
    raise ConfigError(
        f"found no prism, Beam's program, of version {version} in PATH, beside Python or where Go installs{other}. "
        f'Say "make prism" in the repository, or "go install {_MODULE}/go/cmd/prism@v{version}", or name it by '
        '--prism_location FILE.'
    )


def version_of(path: str) -> str | None:
    """Returns the version of Beam that a Prism was built from, such as 'v2.77.0'; None of any other program."""
    with open(path, 'rb') as file:
        if os.fstat(file.fileno()).st_size == 0:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            built_from = _BUILT_FROM.search(content)
            return built_from[1].decode() if built_from else None


def beam_version() -> str:
    """Returns the version of the Beam that is installed, without importing it."""
    return importlib.metadata.version('apache-beam')


def _candidates() -> Iterator[str]:
    for folder in (None, os.path.dirname(sys.executable)):
        if path := shutil.which('prism', path=folder):
            yield path
    for folder in _go_folders():
        yield os.path.join(folder, 'prism')


def _go_folders() -> Iterator[str]:
    """Where `go install` puts programs."""
    if folder := os.environ.get('GOBIN'):
        yield folder
    for folder in filter(None, os.environ.get('GOPATH', '').split(os.pathsep)):
        yield os.path.join(folder, 'bin')
    yield os.path.expanduser('~/go/bin')


def _check_location(location: str) -> None:
    """Of what is typed, Beam takes programs, zip files and addresses."""
    if '://' not in location and not os.path.isfile(location):
        raise ConfigError(f'--prism_location {location} is no file. Name the program, or a zip file with it.')
