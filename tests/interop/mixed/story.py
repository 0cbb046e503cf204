"""Tells one story: story.py NAME DIRECTORY. Each check is a line `ok ...` or `not ok ...`."""

import subprocess
import sys

import deeper
import edges
import formats
import stories
from cluster import Failed

A, K = "apache", "kavka"
STORIES = {
    # name: (story, sides of its nodes)
    "format": (formats.formats,),
    "brokers-apache": (stories.brokers, A, A, A),
    "brokers-kavka": (stories.brokers, K, K, K),
    "kavka-joins": (stories.brokers, A, A, K),
    "apache-joins": (stories.brokers, K, A, K),
    "voters-apache": (stories.voters, A, A, A),
    "voters-kavka": (stories.voters, K, K, K),
    "voters-2+1": (stories.voters, K, A, A),
    "voters-1+2": (stories.voters, A, K, K),
    # metadata.version 25 and 29, and the voters in the properties
    "older-kavka-joins": (stories.brokers, A, A, K, {"release": "4.0", "static": True}),
    "older-apache-joins": (stories.brokers, K, A, K, {"release": "4.0", "static": True}),
    "older-voters": (stories.voters, K, A, A, {"release": "4.2", "static": True}),
    # nodes among themselves by TLS, each proving who it is
    "tls-kavka-joins": (stories.brokers, A, A, K, {"tls": True}),
    "tls-voters": (stories.voters, K, A, A, {"tls": True}),
    "racks-apache": (edges.racks, A, A, A),
    "racks-apache-controls": (edges.racks, A, A, K),
    "racks-kavka-controls": (edges.racks, K, K, A),
    "failed-disk-apache": (edges.failed_disk, A, A, A),
    "failed-disk-apache-controls": (edges.failed_disk, A, A, K),
    "failed-disk-kavka-controls": (edges.failed_disk, K, K, A),
    "snapshots-apache": (deeper.snapshots, A, A, A),
    "snapshots-kavka-joins": (deeper.snapshots, A, A, K),
    "snapshots-apache-joins": (deeper.snapshots, K, K, A),
    "diverged-apache": (deeper.diverged, A, A, A),
    "diverged": (deeper.diverged, K, A, K),
    "disks-apache": (deeper.disks, A, A, A),
    "disks-apache-controls": (deeper.disks, A, A, K),
    "disks-kavka-controls": (deeper.disks, K, K, A),
    "transactions-apache": (deeper.transactions, A, A),
    "transactions": (deeper.transactions, K, K),
    "commands-apache": (deeper.commands, A, A, A, A),
    "commands-apache-controls": (deeper.commands, A, A, K, K),
    "commands-kavka-controls": (deeper.commands, K, A, K, A),
    "moved-apache": (stories.moved, A, A),
    "moved-kavka": (stories.moved, K, K),
    "moved": (stories.moved, A, K, A),
}
CI = ("format", "kavka-joins", "apache-joins", "tls-voters", "racks-kavka-controls")


def main():
    if sys.argv[1] == "--list":
        print("\n".join(STORIES))
        return 0
    if sys.argv[1] == "--ci":
        print(" ".join(CI))
        return 0
    name, directory = sys.argv[1:3]
    tell, *sides = STORIES[name]
    how = sides.pop() if sides and isinstance(sides[-1], dict) else {}
    telling = stories.Telling(name)
    try:
        tell(telling, directory, *sides, **how)
    except (Failed, OSError, LookupError, ValueError, subprocess.SubprocessError) as e:
        telling.tell_failure("between the checks", e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
