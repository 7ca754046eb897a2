"""Starts and stops a Flink cluster on this machine's loopback, without Docker: `make flink-up`, `make flink-down`.

JobManager, TaskManagers, a pool that forks Python workers for each of these, and Beam's job server, as processes of one
keeper, which starts them again when they die, as Kubernetes would. Needs Java 17 and Maven.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REST_PORT, RPC_PORT, JOB_PORT, ARTIFACT_PORT, EXPANSION_PORT = 8081, 6123, 8099, 8098, 8097
# What Flink and Beam reach into, of a Java 17 that would not let them.
_OPENED = ('lang', 'lang.invoke', 'util', 'util.concurrent', 'util.concurrent.atomic', 'nio', 'net', 'time', 'io')
_PATIENCE_SECONDS = 120
# Of each TaskManager. Less than 256 MB of network buffers is too little for two slots and prepare's many stages.
NETWORK_MB, MANAGED_MB = 384, 512
POOL_VARIABLE = 'ARXIV_TAGGER_WORKER_POOL'
_JOB_MANAGER = 'org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint'
_TASK_MANAGER = 'org.apache.flink.runtime.taskexecutor.TaskManagerRunner'


class ClusterError(Exception):
    """A line for the user."""


class Folder:
    """Where a cluster keeps its files."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.resolve()
        self.lib = path / 'lib'
        self.conf = path / 'conf'
        self.logs = path / 'logs'
        self.checkpoints = path / 'checkpoints'
        self.artifacts = path / 'artifacts'
        self.state = path / 'cluster.json'

        # Elsewhere, since the paths of sockets must be short.
        self.socket = pathlib.Path(tempfile.gettempdir(), f'arxiv-tagger-flink-{os.getuid()}', 'pool')

    def processes(self) -> dict[str, int]:
        """Returns the processes of the cluster that runs: name -> process id; none, if none does."""
        try:
            found: dict[str, int] = json.loads(self.state.read_text())
        except (OSError, ValueError):
            return {}
        return {name: pid for name, pid in found.items() if is_alive(pid)}


def is_alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def check_programs() -> str:
    """Returns the path of Java 17.

    Raises:
        ClusterError: if it or Maven is missing.
    """
    home = os.environ.get('JAVA_HOME')
    java = shutil.which(f'{home}/bin/java' if home else 'java')
    need = 'The Flink cluster needs Java 17 and Maven (Debian, Ubuntu: apt-get install openjdk-17-jdk-headless maven).'
    if not java:
        raise ClusterError(f'No java was found in {f"JAVA_HOME {home}" if home else "PATH"}. {need}')
    said = subprocess.run([java, '-version'], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or version[1] != '17':
        raise ClusterError(f'{java} is {said.splitlines()[0] if said else "no Java"}, not Java 17. {need}')
    if not pathlib.Path(java).resolve().with_name('javac').exists():
        raise ClusterError(f'{java} has no compiler: it is of a JRE, not of a JDK. {need}')
    if not shutil.which('mvn'):
        raise ClusterError(f'No mvn was found in PATH. {need}')
    return java


def fetch_jars(folder: Folder) -> None:
    """Has Maven fetch what pom.xml names, and checks each file against checksums.txt.

    Raises:
        ClusterError: if Maven fails, or a file is not the one that is meant.
    """
    wanted = dict(line.split()[::-1] for line in (HERE / 'checksums.txt').read_text().splitlines())
    if not folder.lib.is_dir():
        scratch = folder.path / f'lib.{os.getpid()}'
        arguments = ['dependency:copy-dependencies', f'-DoutputDirectory={scratch}', '-DincludeScope=runtime']
        fetched = subprocess.run(
            ['mvn', '-q', '-B', '-f', str(HERE / 'pom.xml'), *arguments], capture_output=True, text=True, check=False
        )
        if fetched.returncode:
            shutil.rmtree(scratch, ignore_errors=True)
            lines = [line for line in fetched.stdout.splitlines() if 'ERROR' in line] or fetched.stderr.splitlines()
            raise ClusterError(f'Maven could not fetch Flink and Beam: {" ".join(lines[:1])[:500]}')
        os.replace(scratch, folder.lib)
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.lib.glob('*.jar')}
    if found != wanted:
        wrong = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
        raise ClusterError(
            f'{folder.lib} does not hold the files of deploy/flink/checksums.txt: {", ".join(wrong[:5])}. '
            f'Remove {folder.lib} and say "make flink-up" again.'
        )


def configuration(folder: Folder, task_managers: int, slots: int, memory_mb: int) -> dict[str, Any]:
    """Returns Flink's settings. Each that is not obvious has its reason in docs/running-on-flink.md."""
    heap = memory_mb - NETWORK_MB - MANAGED_MB
    return {
        'jobmanager.rpc.address': 'localhost',
        'jobmanager.rpc.port': RPC_PORT,
        'jobmanager.bind-host': 'localhost',
        'rest.address': 'localhost',
        'rest.port': REST_PORT,
        'rest.bind-address': 'localhost',
        'taskmanager.host': 'localhost',
        'taskmanager.bind-host': 'localhost',
        'taskmanager.numberOfTaskSlots': slots,
        'taskmanager.cpu.cores': float(slots),
        'taskmanager.memory.task.heap.size': f'{heap - 128}m',
        'taskmanager.memory.task.off-heap.size': '256m',
        'taskmanager.memory.framework.heap.size': '128m',
        'taskmanager.memory.framework.off-heap.size': '128m',
        'taskmanager.memory.network.min': f'{NETWORK_MB}m',
        'taskmanager.memory.network.max': f'{NETWORK_MB}m',
        'taskmanager.memory.managed.size': f'{MANAGED_MB}m',
        'taskmanager.memory.jvm-metaspace.size': '256m',
        'taskmanager.memory.jvm-overhead.min': '192m',
        'taskmanager.memory.jvm-overhead.max': '192m',
        'parallelism.default': task_managers * slots,
        # Else each stage gets a class loader, and with it an environment, of its own, and a Python process.
        'classloader.resolve-order': 'parent-first',
        # It counts failures that come together once: a death fails each region of the job. Its delays, 62 s in all, are
        # longer than it takes to notice a death: until then tasks are sent to who is dead, and fail at once.
        'restart-strategy.type': 'exponential-delay',
        'restart-strategy.exponential-delay.initial-backoff': '2 s',
        'restart-strategy.exponential-delay.backoff-multiplier': 2.0,
        'restart-strategy.exponential-delay.max-backoff': '32 s',
        'restart-strategy.exponential-delay.attempts-before-reset-backoff': 5,
        # What is slow to answer, on a busy machine, has not died.
        'pekko.startup-timeout': '60 s',
        'pekko.ask.timeout': '60 s',
        'heartbeat.interval': 4000,
        'heartbeat.timeout': 20000,
        # Five minutes after its start Flink would no longer wait for a TaskManager to come back: 200 days, in ms.
        'resourcemanager.standalone.start-up-time': 200 * 24 * 3600 * 1000,
        'slot.request.timeout': 120000,
        'state.backend.type': 'hashmap',
        'state.checkpoints.dir': folder.checkpoints.as_uri(),
        'state.checkpoint-storage': 'filesystem',
        'blob.storage.directory': str(folder.path / 'blobs'),
        'io.tmp.dirs': str(folder.path / 'tmp'),
        'web.upload.dir': str(folder.path / 'uploads'),
    }


class Keeper:
    """Starts the processes, watches them, and ends them."""

    def __init__(self, folder: Folder, java: str, options: argparse.Namespace) -> None:
        self._folder = folder
        self._java = java
        self._options = options
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def commands(self) -> Iterator[tuple[str, list[str], dict[str, str]]]:
        """Yields name, command line and further environment of each process."""
        folder = self._folder
        config = ['--configDir', str(folder.conf)]
        yield 'jobmanager', self._java_command(_JOB_MANAGER, 768, 256, *config), {}
        yield 'pool', [sys.executable, '-m', 'pipeline.worker_pool', str(folder.socket)], {}
        heap = self._options.memory_mb - NETWORK_MB - MANAGED_MB
        pool = {POOL_VARIABLE: str(folder.socket)}
        for number in range(1, self._options.task_managers + 1):
            name = f'taskmanager-{number}'
            # One that is started again has a name of its own: else what the dead one held would be looked for there.
            arguments = [*config, '-D', f'taskmanager.resource-id={name}.{time.time():.0f}']
            yield name, self._java_command(_TASK_MANAGER, heap, NETWORK_MB + 384, *arguments), pool
        addresses = [
            *('--flink-master', f'localhost:{REST_PORT}', '--flink-conf-dir', str(folder.conf)),
            *('--job-host', 'localhost', '--job-port', str(JOB_PORT), '--artifact-port', str(ARTIFACT_PORT)),
            *('--expansion-port', str(EXPANSION_PORT), '--artifacts-dir', str(folder.artifacts)),
        ]
        sent = str(next(folder.lib.glob('slf4j-simple-*.jar')))
        yield 'jobserver', self._java_command(str(HERE / 'JobServer.java'), 1024, 256, sent, *addresses), {}

    def _java_command(self, name: str, heap_mb: int, direct_mb: int, *arguments: str) -> list[str]:
        opens = [f'--add-opens=java.base/java.{package}=ALL-UNNAMED' for package in _OPENED]
        log = ['-Dorg.slf4j.simpleLogger.showDateTime=true', '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss,SSS']
        memory = [f'-Xmx{heap_mb}m', f'-XX:MaxDirectMemorySize={direct_mb}m', '-XX:MaxMetaspaceSize=256m']
        rest = [
            '-XX:+UseSerialGC',
            '-XX:TieredStopAtLevel=1',
            '-XX:+ExitOnOutOfMemoryError',
            '-cp',
            f'{self._folder.lib}/*',
        ]
        return [self._java, *opens, *log, *memory, *rest, name, *arguments]

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with open(self._folder.logs / f'{name}.log', 'ab') as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._folder.path,
                env={**os.environ, **environment},
            )
        self.note()

    def note(self) -> None:
        pids = {'keeper': os.getpid()} | {name: process.pid for name, process in self._running.items()}
        scratch = self._folder.state.with_suffix('.tmp')
        scratch.write_text(json.dumps(pids, indent=2) + '\n')
        os.replace(scratch, self._folder.state)

    def keep(self) -> NoReturn:
        """Runs the cluster until it is told to end."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            for name, command, environment in self.commands():
                self.start(name, command, environment)
            while True:
                time.sleep(1)
                for name, command, environment in self.commands():
                    code = self._running[name].poll()
                    if code is None:
                        continue
                    if name == 'jobmanager':
                        sys.exit(f'{name} ended ({code}), and with it the cluster')
                    print(f'{time.strftime("%H:%M:%S")} {name} ended ({code}), and is started again', flush=True)
                    self.start(name, command, environment)
        finally:
            for process in reversed(self._running.values()):
                process.terminate()
            deadline = time.monotonic() + 10
            for process in self._running.values():
                try:
                    process.wait(max(deadline - time.monotonic(), 0.1))
                except subprocess.TimeoutExpired:
                    process.kill()
            self._folder.state.unlink(missing_ok=True)


def up(folder: Folder, options: argparse.Namespace) -> None:
    """Starts a cluster and waits until it takes jobs; if one runs, says so."""
    if folder.processes():
        raise ClusterError('A cluster runs already. "make flink-down" ends it.')
    check_programs()
    busy = [port for port in (REST_PORT, RPC_PORT, JOB_PORT, ARTIFACT_PORT, EXPANSION_PORT) if is_open(port)]
    if busy:
        raise ClusterError(f'Another program listens at localhost:{busy[0]}. End it first.')
    folder.path.mkdir(parents=True, exist_ok=True)
    fetch_jars(folder)
    for name in ('conf', 'logs', 'blobs', 'tmp', 'uploads', 'artifacts', 'checkpoints'):
        shutil.rmtree(folder.path / name, ignore_errors=True)
        (folder.path / name).mkdir()
    folder.socket.parent.mkdir(mode=0o700, exist_ok=True)
    folder.socket.unlink(missing_ok=True)
    settings = configuration(folder, options.task_managers, options.slots, options.memory_mb)
    (folder.conf / 'config.yaml').write_text(''.join(f'{key}: {value}\n' for key, value in settings.items()))
    with open(folder.logs / 'keeper.log', 'ab') as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, 'keep', *sys.argv[2:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def ready() -> bool:
        if keeper.poll() is not None:
            raise ClusterError(f'The cluster did not start; {folder.logs} has its logs.')
        return folder.socket.exists() and is_open(JOB_PORT) and len(task_managers()) == options.task_managers

    try:
        wait_for(ready, _PATIENCE_SECONDS)
    except (ClusterError, TimeoutError, KeyboardInterrupt):
        keeper.terminate()
        raise ClusterError(
            f'The cluster did not start within {_PATIENCE_SECONDS} s; {folder.logs} has its logs.'
        ) from None
    print(f'Flink: {options.task_managers} TaskManagers, web page http://localhost:{REST_PORT}, logs {folder.logs}')
    print('arxiv-tagger prepare|evaluate|score|drift ... --runner=flink')


def down(folder: Folder) -> None:
    """Ends the cluster; if none runs, nothing happens."""
    processes = folder.processes()
    for name in ('keeper', *processes):
        if name in processes and is_alive(processes[name]):
            os.kill(processes[name], signal.SIGTERM)
            if name == 'keeper':
                wait_for(lambda: not is_alive(processes['keeper']), 30)
    wait_for(lambda: not any(map(is_alive, processes.values())), 30)
    folder.state.unlink(missing_ok=True)


def task_managers() -> list[dict[str, Any]]:
    """Returns what the JobManager says of the TaskManagers that it knows; none, if it does not answer."""
    try:
        return list(rest('taskmanagers')['taskmanagers'])
    except OSError:
        return []


def rest(path: str) -> Any:
    """Asks Flink's REST API.

    Raises:
        OSError: if it does not answer.
    """
    with urllib.request.urlopen(f'http://localhost:{REST_PORT}/{path}', timeout=10) as answer:
        return json.load(answer)


def is_open(port: int) -> bool:
    """Whether somebody listens at a port of this machine."""
    with socket.socket() as connection:
        return connection.connect_ex(('localhost', port)) == 0


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Waits until a condition holds; raises TimeoutError if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.2)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('command', choices=['up', 'down', 'status', 'keep'])
    parser.add_argument('--folder', type=pathlib.Path, default=ROOT / 'build' / 'flink')
    parser.add_argument('--task_managers', type=int, default=2)
    parser.add_argument('--slots', type=int, default=1, help='of each TaskManager')
    parser.add_argument('--memory_mb', type=int, default=2048, help='of each TaskManager, its Python worker aside')
    options = parser.parse_args()
    folder = Folder(options.folder)
    try:
        if options.command == 'up':
            up(folder, options)
        elif options.command == 'keep':
            Keeper(folder, check_programs(), options).keep()
        elif options.command == 'down':
            down(folder)
        else:
            print(json.dumps(folder.processes(), indent=2))
    except ClusterError as error:
        print(f'flink: {error}', file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
