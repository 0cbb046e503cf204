"""One broker at one address with one data directory, run by either side; and Apache's dump tool."""

import os
import re
import subprocess
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[2] / "support"
DUMP_S_MAX = 120
START_S_MAX = 120

# Both sides read the same file; what is not said here has the same default on both.
SETTINGS = [
    "transaction.state.log.replication.factor=1",
    "transaction.state.log.min.isr=1",
    "transaction.state.log.num.partitions=5",
    "share.coordinator.state.topic.replication.factor=1",
    "share.coordinator.state.topic.min.isr=1",
    "auto.create.topics.enable=false",
    "log.cleaner.backoff.ms=200",
    "log.retention.check.interval.ms=1000",
]

# What an Apache broker says when it does not like the files that it opens.
COMPLAINTS = re.compile(
    r"^\[[^]]*\] (WARN|ERROR|FATAL) .*"
    r"(log|segment|index|snapshot|checkpoint|epoch|corrupt|recover|record|batch|offset|producer|"
    r"replay|metadata|delta)",
    re.IGNORECASE,
)
# What it says of its own directories too, and of topics that wait for their removal; and that it
# registered its controller before that led the quorum.
USUAL = re.compile(r"Expected partition .* to exist, but it was missing. Creating|-delete/|"
                   r"The metadata log appears to be empty|"
                   r"Unexpected error handling request .*apiKey=CONTROLLER_REGISTRATION", re.I)


class Node:
    def __init__(self, directory):
        self.dir = Path(directory)
        self.data = self.dir / "data"
        self.side = None
        self.bootstrap = None
        self.starts = 0

    def control(self, command, *more):
        script = SUPPORT / f"{self.side}-{'kafka' if self.side == 'apache' else 'broker'}"
        done = subprocess.run([script, command, self.dir, *more], stdout=subprocess.PIPE, text=True,
                              timeout=START_S_MAX, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.side} does not {command}")
        return done.stdout.strip()

    def start(self, side):
        """The first time in a fresh directory, then in the same one at the same address."""
        self.side = side
        self.starts += 1
        if (self.dir / "log").exists():
            (self.dir / "log").rename(self.dir / f"log.{self.starts}")
        first = self.starts == 1
        self.bootstrap = self.control(*(["start", *SETTINGS] if first else ["restart"]))

    def stop(self):
        self.control("stop")

    def kill(self):
        self.control("kill")

    def said(self):
        return (self.dir / "log").read_text(errors="replace")

    def complaints(self):
        return [s for s in self.said().splitlines() if COMPLAINTS.search(s) and not USUAL.search(s)]

    def files(self, suffix, folder="*"):
        return sorted(p for p in self.data.glob(f"{folder}/*{suffix}") if p.is_file())

    def checkpoint(self, name):
        """{(topic, partition): offset} of one of the directory's checkpoint files."""
        path = self.data / name
        lines = path.read_text().split("\n")[2:] if path.exists() else []
        return {(t, int(p)): int(o) for t, p, o in (s.split(" ") for s in lines if s)}


def dump(files, *options):
    """What kafka-dump-log prints of the files; raises when it fails."""
    tool = SUPPORT / "apache-bin" / "kafka-dump-log"
    done = subprocess.run([tool, *options, "--files", ",".join(map(str, files))],
                          capture_output=True, text=True, errors="replace", timeout=DUMP_S_MAX,
                          check=False,
                          env={**os.environ, "KAFKA_OPTS": "", "LC_ALL": "C.UTF-8"})
    if done.returncode or "Exception" in done.stderr:
        raise RuntimeError(f"kafka-dump-log {' '.join(options)}: {done.stderr.strip()[:600]}")
    return done.stdout


def dumps_differ(files, *options):
    """Where kavka's own dump of the files is not what Apache's tool prints; "" if nowhere."""
    done = subprocess.run([os.environ["KAVKA_BIN"], "kafka-dump-log", *options, "--files",
                           ",".join(map(str, files))], capture_output=True, text=True,
                          errors="replace", timeout=DUMP_S_MAX, check=False)
    ours, theirs = done.stdout.split("\n"), dump(files, *options).split("\n")
    for number, (got, want) in enumerate(zip(ours, theirs), 1):
        if got != want:
            return f"{' '.join(options)}: line {number}: {got[:200]!r}, want {want[:200]!r}"
    return "" if len(ours) == len(theirs) else f"{len(ours)} lines, want {len(theirs)}"


def dump_by_file(text):
    """[(path, lines)] of a dump of several files."""
    parts = []
    for line in text.splitlines():
        if line.startswith("Dumping "):
            parts.append((Path(line.split(" ", 1)[1]), []))
        elif parts:
            parts[-1][1].append(line)
    return parts
