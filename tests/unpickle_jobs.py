"""Unpickles all that is pickled in jobs, as workers do: `python -I unpickle_jobs.py JOB...`; needs Beam alone.

Prints, as JSON, for each job how often a kind of thing was unpickled, and the files of the modules that this imported.
"""

import base64
import bz2
import collections
import json
import sys
import zlib

from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.pipeline_context import PipelineContext
from apache_beam.transforms.ptransform import PTransform

_PACKAGES = ('schemas', 'pipeline', 'trainer')


def unpickle(job):
    """Unpickles what is pickled in a job; returns kind -> how many, and how often the main program is spoken of."""
    found = collections.Counter()
    loads = pickler.loads

    def noted_loads(encoded, enable_trace=True, use_zlib=False):
        found['pickles'] += 1
        found['of __main__'] += b'__main__' in (zlib if use_zlib else bz2).decompress(base64.b64decode(encoded))
        return loads(encoded, enable_trace, use_zlib)

    pickler.loads = noted_loads
    context = PipelineContext(job.components)
    for kind in ('coders', 'windowing_strategies'):
        for identifier in getattr(job.components, kind):
            getattr(context, kind).get_by_id(identifier)
            found[kind] += 1
    for transform in job.components.transforms.values():
        found[type(PTransform.from_runner_api(transform, context)).__name__] += 1
    pickler.loads = loads
    return found


if __name__ == '__main__':
    jobs = {}
    for path in sys.argv[1:]:
        with open(path, 'rb') as file:
            jobs[path] = unpickle(beam_runner_api_pb2.Pipeline.FromString(file.read()))
    modules = {name: module.__file__ for name, module in sys.modules.items() if name.split('.')[0] in _PACKAGES}
    print(json.dumps({'jobs': jobs, 'modules': modules}))
