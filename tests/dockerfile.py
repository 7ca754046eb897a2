"""Reads Dockerfiles."""

import re


def instructions(path):
    """Yields (instruction, the rest of it), without comments; lines that go on are joined."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith('#')]
    for instruction in re.sub(r'\\\n\s*', '', '\n'.join(lines)).split('\n'):
        if instruction.strip():
            name, _, rest = instruction.partition(' ')
            yield name, rest.strip()
