"""A network of its own for the nodes, which can be cut and slowed down.

Every node has a network namespace with one address, all are joined by a bridge; the clients stand
at the bridge itself. Who may send to whom is decided by the static neighbour tables: a cut gives
the receiver's address a link address that nobody has, so frames are lost without a word, each
direction by itself, and nothing but `ip` is needed. To slow a direction down, its frames go to a
relay at the bridge that holds each for a while.

All of it lives in namespaces that enter() makes for this process, with its own process ids and
mounts: when it ends, however it ends, the kernel takes away nodes, clients, links and mounts.
"""

import heapq
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

INSIDE = "KAVKA_CHAOS_INSIDE"
SUBNET = "10.73.0"
RELAY_MAC = "02:00:00:00:00:fe"
NOBODY_MAC = "02:00:00:00:00:ff"


def enter():
    """Runs this program once more inside namespaces of its own, unless it is there already."""
    if os.environ.get(INSIDE):
        return
    for tool, package in (("unshare", "util-linux"), ("nsenter", "util-linux"),
                          ("ip", "iproute2")):
        if not shutil.which(tool):
            sys.exit(f"chaos: '{tool}' is missing (apt-get install {package})")
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if os.geteuid() != 0:
        command += ["--user", "--map-root-user"]
    probe = subprocess.run(command + ["true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        sys.exit("chaos: no namespaces of our own here: " + probe.stderr.strip() +
                 " (run as root, or allow unprivileged user namespaces)")
    os.environ[INSIDE] = "1"
    os.execvp(command[0], command + [sys.executable] + sys.argv)


def ip(*words):
    result = subprocess.run(["ip"] + [str(w) for w in words], capture_output=True, text=True,
                            check=False)
    if result.returncode:
        sys.exit(f"chaos: ip {' '.join(str(w) for w in words)}: {result.stderr.strip()}")


def address(node):
    return f"{SUBNET}.{node}"


def mac(node):
    return f"02:00:00:00:00:{node:02x}"


class Net:
    """The nodes' network. Every change may come from any thread."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.cuts = {}      # (from, to) -> how many faults cut it
        self.slowed = {}    # (from, to) -> seconds
        self.lock = threading.Lock()
        self.relay = None
        os.makedirs("/run/netns", exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run/netns"], check=True)
        ip("link", "set", "lo", "up")
        ip("link", "add", "br0", "type", "bridge")
        ip("addr", "add", f"{SUBNET}.254/24", "dev", "br0")
        ip("link", "set", "br0", "up")
        for node in nodes:
            self.join(node)
        for a in nodes:
            for b in nodes:
                if a != b:
                    self.route(a, b)

    def join(self, node):
        space = f"n{node}"
        ip("netns", "add", space)
        ip("link", "add", f"v{node}", "type", "veth", "peer", "name", "e0", "netns", space)
        ip("link", "set", f"v{node}", "master", "br0", "up")
        ip("-n", space, "link", "set", "lo", "up")
        ip("-n", space, "link", "set", "e0", "address", mac(node))
        ip("-n", space, "addr", "add", f"{address(node)}/24", "dev", "e0")
        ip("-n", space, "link", "set", "e0", "up")

    def inside(self, node):
        """What goes before a command that shall run on the node."""
        return ["nsenter", f"--net=/run/netns/n{node}"]

    def route(self, a, b):
        if self.cuts.get((a, b)):
            to = NOBODY_MAC
        elif (a, b) in self.slowed:
            to = RELAY_MAC
        else:
            to = mac(b)
        ip("-n", f"n{a}", "neigh", "replace", address(b), "lladdr", to, "dev", "e0",
           "nud", "permanent")

    def cut(self, pairs):
        """Nothing from a reaches b any more, for each (a, b)."""
        with self.lock:
            for pair in pairs:
                self.cuts[pair] = self.cuts.get(pair, 0) + 1
                self.route(*pair)

    def heal(self, pairs):
        with self.lock:
            for pair in pairs:
                self.cuts[pair] -= 1
                self.route(*pair)

    def slow(self, pairs, seconds):
        """What a sends to b arrives so much later, for each (a, b)."""
        with self.lock:
            if not self.relay:
                self.relay = Relay(self.nodes)
            for pair in pairs:
                self.slowed[pair] = seconds
                self.relay.delays[pair] = seconds
                self.route(*pair)

    def unslow(self, pairs):
        with self.lock:
            for pair in pairs:
                self.slowed.pop(pair, None)
                self.route(*pair)


class Relay:
    """Holds frames that are sent to RELAY_MAC, each as long as its direction says."""

    ETH_P_IP = 0x0800
    SOL_PACKET, PACKET_VNET_HDR = 263, 15
    VNET_HEADER = 10        # says what the kernel has still to do: checksums, segments

    def __init__(self, nodes):
        self.delays = {}
        self.by_mac = {self.bytes_of(mac(n)): n for n in nodes}
        self.by_ip = {socket.inet_aton(address(n)): n for n in nodes}
        self.queue = []
        self.ready = threading.Condition()
        ip("link", "add", "relay0", "type", "veth", "peer", "name", "relay1")
        ip("link", "set", "relay0", "master", "br0", "up")
        ip("link", "set", "relay1", "address", RELAY_MAC)
        ip("link", "set", "relay1", "up")
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(self.SOL_PACKET, self.PACKET_VNET_HDR, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("relay1", self.ETH_P_IP))
        for work in (self.receive, self.send):
            threading.Thread(target=work, daemon=True).start()

    @staticmethod
    def bytes_of(text):
        return bytes.fromhex(text.replace(":", ""))

    def receive(self):
        own, header = self.bytes_of(RELAY_MAC), self.VNET_HEADER
        number = 0
        while True:
            frame = self.socket.recv(1 << 17)
            if frame[header:header + 6] != own:
                continue
            a = self.by_mac.get(frame[header + 6:header + 12])
            b = self.by_ip.get(frame[header + 30:header + 34])
            if a is None or b is None:
                continue
            number += 1
            due = time.monotonic() + self.delays.get((a, b), 0)
            # Not from a's link address: the bridge would look for a here from then on.
            frame = frame[:header] + self.bytes_of(mac(b)) + own + frame[header + 12:]
            with self.ready:
                heapq.heappush(self.queue, (due, number, frame))
                self.ready.notify()

    def send(self):
        while True:
            with self.ready:
                while not self.queue:
                    self.ready.wait()
                due = self.queue[0][0]
                left = due - time.monotonic()
                if left > 0:
                    self.ready.wait(left)
                    continue
                frame = heapq.heappop(self.queue)[2]
            try:
                self.socket.send(frame)
            except OSError:
                pass    # as if the network had lost it
