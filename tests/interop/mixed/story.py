"""Tells one story: story.py NAME DIRECTORY. Each check is a line `ok ...` or `not ok ...`."""

import sys

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
    "moved-apache": (stories.moved, A, A),
    "moved-kavka": (stories.moved, K, K),
    "moved": (stories.moved, A, K, A),
}
CI = ("format", "kavka-joins", "apache-joins", "voters-2+1", "voters-1+2")


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
    try:
        tell(stories.Telling(name), directory, *sides, **how)
    except Failed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
