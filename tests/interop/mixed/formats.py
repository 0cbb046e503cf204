"""What kafka-storage of both sides does with the same properties: exit code, what is printed, the
files and every record in them."""

import re
import subprocess
from pathlib import Path

import files
from cluster import APACHE_TOOLS, KAVKA, Failed

ID = "4L6g3nShT-eMCtK--X86sw"
VOTER, OTHER = "AAAAAAAAAAAAAAAAAAAAEQ", "AAAAAAAAAAAAAAAAAAAAEg"
CONTROLLER = ("process.roles=controller node.id=1 listeners=CONTROLLER://127.0.0.1:19093 "
              "controller.listener.names=CONTROLLER log.dirs=DIR/d1,DIR/d2 ")
DYNAMIC = CONTROLLER + "controller.quorum.bootstrap.servers=127.0.0.1:19093 "
STATIC = CONTROLLER + "controller.quorum.voters=1@127.0.0.1:19093,2@h2:9093 "
BROKER = ("process.roles=broker node.id=2 listeners=PLAINTEXT://127.0.0.1:19092 "
          "controller.listener.names=CONTROLLER log.dirs=DIR/d1,DIR/d2 "
          "controller.quorum.bootstrap.servers=127.0.0.1:19093 ")
BOTH = ("process.roles=broker,controller node.id=1 listeners=B://:19092,D://:19093,C://:19094 "
        "controller.listener.names=C,D inter.broker.listener.name=B log.dirs=DIR/d1,DIR/d2 "
        "listener.security.protocol.map=B:PLAINTEXT,C:PLAINTEXT,D:PLAINTEXT "
        "controller.quorum.bootstrap.servers=127.0.0.1:19094 metadata.log.dir=DIR/d2 ")
SCRAM = ('SCRAM-SHA-256=[name=alice,iterations=8192,salt="MWx2NHBkbnc0ZndxN25vdGN4bTB5Y3UybXQ=",'
         'saltedpassword="BT0yBnhHRe4lpJpLmrjr6cLvVu1aiJGyyYxSNgI1pWM="]')
CASES = (
    # name, properties, options
    ("standalone", DYNAMIC, "--standalone"),
    ("standalone, advertised elsewhere", DYNAMIC + "advertised.listeners=CONTROLLER://c1:9999",
     "--standalone"),
    ("combined, two controller listeners, metadata apart", BOTH, "--standalone"),
    ("first voters", DYNAMIC, f"-I 1@127.0.0.1:19093:{VOTER},3@h3:9093:{OTHER}"),
    ("first voters without this node", DYNAMIC, f"-I 2@127.0.0.1:19093:{VOTER}"),
    ("no first voters", DYNAMIC, "-N"),
    ("static quorum", STATIC, ""),
    ("broker", BROKER, ""),
    ("an older release and features", DYNAMIC, "-s -r 4.0 -f group.version=0"),
    ("metadata.version as a feature", STATIC, "-f metadata.version=20"),
    ("a user", DYNAMIC, f"-s -S {SCRAM}"),
    # refused
    ("a controller without a quorum", DYNAMIC, ""),
    ("static and dynamic", STATIC, "-s"),
    ("kraft.version 0 in a dynamic quorum", DYNAMIC, "-s -f kraft.version=0"),
    ("an unknown feature", DYNAMIC, "-s -f foo=1"),
    ("an unknown release", DYNAMIC, "-s -r 9.9"),
)


def contents(directory):
    """Files and what is in them, without what is random or a time."""
    out = []
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and p.name != ".lock"):
        out.append(str(path.relative_to(directory)))
        if path.name == "meta.properties":
            out += sorted(line for line in path.read_text().splitlines() if line[0] != "#")
        elif path.suffix == ".checkpoint":
            out += files.dump([path], "--cluster-metadata-decoder").splitlines()[1:]
    text = "\n".join(out)
    text = re.sub(r"directory.id=\S{22}", "directory.id=X", text)
    text = re.sub(r"(CreateTime|crc): \d+", r"\1", text)
    text = re.sub(r'("lastContainedLogTimestamp":)\d+', r"\1", text)
    return re.sub(rf'("voterDirectoryId":)"(?!{VOTER}|{OTHER})[^"]*"', r"\1X", text)


def said(text, directory):
    """Lines that both sides print, in no order; of credentials kavka prints nothing."""
    text = re.sub(r", ApiMessageAndVersion\(UserScram.*? at version 0\)", "", text)
    return sorted(text.replace(str(directory), "DIR").splitlines())


def format_one(directory, tool, properties, options):
    directory.mkdir(parents=True)
    path = directory / "server.properties"
    path.write_text(properties.replace("DIR", str(directory)).replace(" ", "\n") + "\n")
    done = subprocess.run([*map(str, tool), "format", "-t", ID, "-c", path, *options.split()],
                          capture_output=True, text=True, timeout=60, check=False)
    lines = said(done.stdout, directory)
    if done.returncode:     # Java's way to say it is left out
        lines += [re.sub(r'^Exception in thread "main" \S+: ', "", line)
                  for line in done.stderr.splitlines() if not line.startswith("\tat ")]
    path.unlink()
    return [f"exit {done.returncode}", *lines, *contents(directory).splitlines()]


def same_format(directory, properties, options):
    ours = format_one(directory / "kavka", [KAVKA, "kafka-storage"], properties, options)
    theirs = format_one(directory / "apache", [APACHE_TOOLS / "kafka-storage"], properties, options)
    for got, want in zip(ours, theirs):
        if got != want:
            raise Failed(f"{got[:300]!r}, want {want[:300]!r}")
    if len(ours) != len(theirs):
        raise Failed(f"{ours}, want {theirs}")


def formats(t, directory):
    for i, (name, properties, options) in enumerate(CASES):
        t.check(name, same_format, Path(directory) / str(i), properties, options)
