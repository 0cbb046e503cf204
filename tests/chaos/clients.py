"""The workload: client processes, each with a history of its own (history.h)."""

import glob
import os
import signal
import subprocess
import threading

import nodes

PROGRAMS = {"own": "chaos_own", "librdkafka": "chaos_rdkafka"}
# The newest librdkafka, if tests/support/peers has brought it. Debian's 2.0.2 does not tell brokers
# which leader epoch it knows: asked by it, a leader that was replaced while it was cut off must say
# that there is no such offset, and its consumers begin anew.
NEWEST = os.path.join(nodes.CACHE, "librdkafka")
GAVE_UP = 3     # exit status of a producer whose library calls an error fatal


class Client:
    def __init__(self, group, role, number):
        self.role, self.number = role, number
        self.name = f"{role}-{number}"
        self.wanted = True
        self.history = os.path.join(group.dir, f"{self.name}.history")
        with open(os.path.join(group.dir, f"{self.name}.stderr"), "wb") as err:
            self.process = subprocess.Popen(
                [group.program, role, str(number), group.bootstrap, nodes.TOPIC,
                 str(group.partitions), str(group.rate), group.protocol, group.acks,
                 self.history],
                stdout=err, stderr=err, stdin=subprocess.DEVNULL, env=group.env)

    def signal(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self):
        self.wanted = False
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=90):
        """Its exit status; None if it had to be killed."""
        self.wanted = False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None


class Progress:
    """How far records, readers and the group have come; reads on in the histories."""

    def __init__(self, directory):
        self.dir = directory
        self.places = {}
        self.counts = {}    # partition -> records that were acknowledged
        self.highest = {"producer": {}, "member": {}, "reader": {}}    # partition -> offset

    def read(self):
        for role, highest in self.highest.items():
            for path in glob.glob(os.path.join(self.dir, f"{role}-*.history")):
                self.read_file(path, highest)
        return dict(self.counts)

    def read_file(self, path, highest):
        with open(path, "rb") as f:
            f.seek(self.places.get(path, 0))
            data = f.read()
        whole = data.rfind(b"\n") + 1
        self.places[path] = self.places.get(path, 0) + whole
        for line in data[:whole].split(b"\n"):
            words = line.split(b" ")
            if len(words) < 5 or words[1] not in (b"a", b"r"):
                continue
            p = int(words[2])
            offset = int(words[3] if words[1] == b"r" else words[4])
            highest[p] = max(highest.get(p, -1), offset)
            if words[1] == b"a":
                self.counts[p] = self.counts.get(p, 0) + 1

    def is_all_read(self):
        """Whether group and reader have what was acknowledged."""
        self.read()
        return all(self.highest[role].get(p, -1) >= offset for role in ("member", "reader")
                   for p, offset in self.highest["producer"].items())


class Clients:
    def __init__(self, directory, bootstrap, library, partitions, rate, protocol, acks, log):
        self.dir, self.bootstrap = directory, bootstrap
        self.program = os.path.join(nodes.BUILD, PROGRAMS[library])
        self.partitions, self.rate = partitions, rate
        self.protocol, self.acks = protocol, acks
        self.log = log
        self.env = dict(os.environ)
        if library == "librdkafka" and os.path.isdir(NEWEST):
            self.env["LD_LIBRARY_PATH"] = NEWEST
        self.progress = Progress(directory)
        self.running = []
        self.numbers = 0
        self.lock = threading.Lock()

    def add(self, role):
        with self.lock:
            self.numbers += 1
            client = Client(self, role, self.numbers)
            self.running = [c for c in self.running if c.wanted]
            self.running.append(client)
            return client

    def of(self, role):
        with self.lock:
            return [c for c in self.running if c.role == role and c.wanted]

    def pick(self, role, number):
        choice = self.of(role)
        return choice[int(number * 1000) % len(choice)]

    def dead(self):
        """Those that ended by themselves."""
        with self.lock:
            return [c for c in self.running if c.wanted and c.process.poll() is not None]

    def watch(self):
        """Those that ended by themselves are told of and replaced."""
        for client in self.dead():
            client.wanted = False
            status = client.process.poll()
            self.log.add("client-gave-up" if status == GAVE_UP else "client-died",
                         client=client.name, status=status)
            self.add(client.role)

    def stop(self, role):
        """Ends all of them as they like it; tells of those that did not."""
        ending = self.of(role)
        for client in ending:
            client.wanted = False
            client.signal(signal.SIGCONT)
            client.signal(signal.SIGTERM)
        for client in ending:
            status = client.stop()
            if status != 0:
                self.log.add("client-ended-badly", client=client.name, status=status)

    def final(self):
        """Everything is read once more from the beginning; whether that went well."""
        client = self.add("final")
        client.wanted = False
        return client.process.wait() == 0

    def settle(self, seconds):
        """Waits until the readers have all that was acknowledged; whether they do."""
        return nodes.wait_for(seconds, self.progress.is_all_read)

    def have_new_acks(self, before):
        """Whether every partition has more acknowledged records than `before`."""
        counts = self.progress.read()
        return all(counts.get(p, 0) > before.get(p, 0) for p in range(self.partitions))
