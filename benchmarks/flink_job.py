"""Runs `arxiv-tagger prepare --runner=flink`, and says what Flink says of the job: one measurement of flink.py."""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
from typing import Any

from pipeline.engines.flink_runner import FlinkRest


def main() -> None:
    """Runs the command and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--input', required=True, metavar='PATTERN')
    parser.add_argument('--output_dir', required=True, metavar='DIR')
    parser.add_argument('--result', required=True, metavar='FILE')
    arguments = parser.parse_args()
    flink = FlinkRest('localhost:8081')
    before = {job['jid'] for job in flink.jobs()}
    program = pathlib.Path(sys.executable).with_name('arxiv-tagger')
    flags = ('--input', arguments.input, '--output_dir', arguments.output_dir, '--overwrite')
    subprocess.run([program, 'prepare', *flags, '--runner=flink'], check=True)
    [job] = [job for job in flink.jobs() if job['jid'] not in before]
    statistics = json.loads(pathlib.Path(arguments.output_dir, 'statistics.json').read_text('utf-8'))
    result = described(flink.get(f'jobs/{job["jid"]}')) | {'papers': statistics['read']}
    pathlib.Path(arguments.result).write_text(json.dumps(result, indent=1) + '\n', 'utf-8')


def described(job: dict[str, Any]) -> dict[str, Any]:
    """Returns what matters of Flink's answer: seconds, and of each step name, seconds and bytes.

    Flink counts what goes from task to task, also where they run in one TaskManager. What is shuffled is what those
    tasks read that group: the others read what the one before them has written, from memory.
    """
    vertices = [
        {
            'name': vertex['name'].replace('MapPartition (MapPartition at ', '')[:80].replace('|', '/'),
            'seconds': vertex['duration'] / 1000,
            'read_bytes': vertex['metrics']['read-bytes'],
            'written_bytes': vertex['metrics']['write-bytes'],
            'records': vertex['metrics']['read-records'],
        }
        for vertex in job['vertices']
    ]
    shuffled = sum(vertex['read_bytes'] for vertex in vertices if vertex['name'].startswith('GroupReduce'))
    return {'seconds': job['duration'] / 1000, 'shuffled_bytes': shuffled, 'vertices': vertices}


if __name__ == '__main__':
    main()
