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
    try:
        tell(stories.Telling(name), directory, *sides)
    except Failed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
