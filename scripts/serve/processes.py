"""Servers as processes of ours: started, waited for, measured, ended."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

# Longest that a server may take to listen.
START_S_MAX = 60
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """A process, its children, and where it listens. Used with `with`: its end is the process's end."""

    def __init__(self, name, command, port, log, env=None, cwd=None):
        self.name, self.port, self.log = name, port, Path(log)
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )

    def __enter__(self):
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        self.end()
        raise SystemExit(f"error: {self.name} does not listen on port {self.port}; it said:\n{self.tail()}")

    def __exit__(self, *_):
        self.end()

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def end(self):
        """Ends it and what it started, and nobody else: it leads a session of its own."""
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def processes(self):
        """It and all that it started, directly or not."""
        parents = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                after = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(after[1]), []).append(int(folder.name))
        found = [self.process.pid]
        for pid in found:
            found.extend(parents.get(pid, []))
        return found

    def cpu_us(self):
        """Time that the scheduler gave all of its threads, ended ones included where their process lives."""
        return sum(process_cpu_us(pid) for pid in self.processes())

    def memory_mib(self):
        """Memory that is its own, shared pages divided by those who share them."""
        return sum(proportional_kib(pid) for pid in self.processes()) / 1024


def process_cpu_us(pid):
    """By the process's clock, which counts nanoseconds; `stat` counts ticks of 10 ms."""
    try:
        # The kernel's numbering of a process's CPU clock: ~pid << 3 | 2.
        return time.clock_gettime_ns((~pid << 3) | 2) / 1e3
    except OSError:
        return stat_cpu_us(pid)


def stat_cpu_us(pid):
    try:
        after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(after[11]) + int(after[12])) * TICK_US


def proportional_kib(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
