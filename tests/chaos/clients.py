"""The workload: client processes, each with a history of its own (history.h)."""

import glob
import os
import signal
import subprocess
import threading
import time

import nodes

PROGRAMS = {"own": "chaos_own", "librdkafka": "chaos_rdkafka"}


class Client:
    def __init__(self, group, role, number):
        self.role, self.number = role, number
        self.name = f"{role}-{number}"
        self.wanted = True
        self.history = os.path.join(group.dir, f"{self.name}.history")
        with open(os.path.join(group.dir, f"{self.name}.stderr"), "wb") as err:
            self.process = subprocess.Popen(
                [group.program, role, str(number), group.bootstrap, nodes.TOPIC,
                 str(group.partitions), str(group.rate), group.protocol, self.history],
                stdout=err, stderr=err, stdin=subprocess.DEVNULL)

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


class Acks:
    """How many records were acknowledged in each partition; reads on in the histories."""

    def __init__(self, directory):
        self.dir = directory
        self.places = {}
        self.counts = {}

    def read(self):
        for path in glob.glob(os.path.join(self.dir, "producer-*.history")):
            with open(path, "rb") as f:
                f.seek(self.places.get(path, 0))
                data = f.read()
            whole = data.rfind(b"\n") + 1
            self.places[path] = self.places.get(path, 0) + whole
            for line in data[:whole].split(b"\n"):
                words = line.split(b" ", 3)
                if len(words) > 2 and words[1] == b"a":
                    self.counts[int(words[2])] = self.counts.get(int(words[2]), 0) + 1
        return dict(self.counts)


class Clients:
    def __init__(self, directory, bootstrap, library, partitions, rate, protocol, log):
        self.dir, self.bootstrap = directory, bootstrap
        self.program = os.path.join(nodes.BUILD, PROGRAMS[library])
        self.partitions, self.rate, self.protocol = partitions, rate, protocol
        self.log = log
        self.acks = Acks(directory)
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
            self.log.add("client-died", client=client.name, status=client.process.poll())
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
        """Waits until the readers have nothing more to write down."""
        deadline = time.monotonic() + seconds
        before, since = None, time.monotonic()
        while time.monotonic() < deadline:
            sizes = [os.path.getsize(c.history) for c in self.of("member") + self.of("reader")]
            if sizes != before:
                before, since = sizes, time.monotonic()
            elif time.monotonic() - since > 3:
                return
            time.sleep(0.2)

    def have_new_acks(self, before):
        """Whether every partition has more acknowledged records than `before`."""
        counts = self.acks.read()
        return all(counts.get(p, 0) > before.get(p, 0) for p in range(self.partitions))
