"""A program that ends with the process that started it."""

import os
import pathlib
import subprocess
import sys

from pipeline.engines import tied
from tests.helpers import wait_for


def is_alive(pid):
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def test_a_tied_program_ends_when_its_starter_is_killed_and_hears_no_ctrl_c(tmp_path):
    written = tmp_path / 'pid'
    program = f'echo $$ > {written}.new; mv {written}.new {written}; exec sleep 60'
    tied_program = [sys.executable, '-I', tied.__file__, '/bin/sh', '-c', program]
    starter = subprocess.Popen(
        [sys.executable, '-Ic', f'import subprocess, time; subprocess.Popen({tied_program}); time.sleep(60)']
    )
    wait_for(written.exists)
    pid = int(written.read_text())
    # Ctrl-C reaches the processes of a session.
    assert os.getsid(pid) == pid
    starter.kill()
    starter.wait()
    wait_for(lambda: not is_alive(pid))
