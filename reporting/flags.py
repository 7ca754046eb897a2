"""The flags of `report`, and the config that they build. Imports neither matplotlib nor jinja2."""

from __future__ import annotations

import argparse
import dataclasses

from schemas.errors import ConfigError

PURPOSE = 'make a web page with pictures of data, a model and tagged papers'
EXAMPLES = """
Example:
  arxiv-tagger report --output_dir report --data_dir data --model_dir model --scored tagged
Sections appear when their input is given; the page is one file that opens from disk.
"""

REPORT_FILE = 'report.html'
PICTURES_DIR = 'pictures'
# What the command publishes, COMPLETED aside.
PUBLISHES = (REPORT_FILE, PICTURES_DIR)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """What `report` reads, and where it writes.

    Attributes:
        output_dir: folder for the page and its pictures.
        data_dir: output folder of `prepare`.
        model_dir: output folder of `train`.
        scored: output folder of `score`, or of a window of a streaming job.
        drift: file that `drift --output` wrote.
        overwrite: whether a finished report may be replaced.
    """

    output_dir: str
    data_dir: str | None = None
    model_dir: str | None = None
    scored: str | None = None
    drift: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not (self.data_dir or self.model_dir or self.scored):
            raise ConfigError(
                '"report" has nothing to show: give --data_dir, --model_dir, --scored, or several of them'
            )


def config_of(arguments: argparse.Namespace) -> ReportConfig:
    """Builds the config that the flags of `report` ask for; raises ConfigError."""
    return ReportConfig(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(ReportConfig)})


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `report` to its parser."""
    group = parser.add_argument_group('input and output')
    group.add_argument('--output_dir', required=True, metavar='DIR', help=f'folder for {REPORT_FILE} and its pictures')
    group.add_argument('--data_dir', metavar='DIR', help='output folder of prepare: shows the data')
    group.add_argument('--model_dir', metavar='DIR', help='output folder of train: shows the training and the model')
    group.add_argument(
        '--scored', metavar='DIR', help='output folder of score, or a window of a streaming job: shows what was tagged'
    )
    group.add_argument(
        '--drift', metavar='FILE', help='what drift --output wrote: shows how well the model did by month'
    )
    group.add_argument('--overwrite', action='store_true', help='replace a finished report there')
