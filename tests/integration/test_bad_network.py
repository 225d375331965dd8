"""Packets that are lost, late, doubled and out of order between a real client and the gateway, each in a network
namespace of its own: what got 250 is stored exactly once."""
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import load
import server

GATEPOST_ADDRESS, CLIENT_ADDRESS = "10.254.77.1", "10.254.77.2"
SEED = "5321"


def call(*words):
    """Returns what went wrong, if anything did."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    return "" if done.returncode == 0 else done.stderr.strip() or f"{words[0]}: exit code {done.returncode}"


class Network:
    """Two namespaces and what is between them. They go, with all that is in them, with the processes that hold them."""

    def __init__(self):
        self.held, self.relay = [], None

    def add(self):
        holder = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready && exec cat"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if holder.stdout.readline() != "ready\n":
            pytest.skip(f"no network namespaces: {holder.communicate()[1].strip()}")
        self.held.append(holder)

    def inside(self, which):
        """In front of a command that is to run there."""
        return ["nsenter", "-t", str(self.held[which].pid), "-n"]

    def connect_by_relay(self):
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            pytest.skip("no /dev/net/tun for the relay of packets")
        relay = pathlib.Path(__file__).with_name("packet_relay.py")
        self.relay = subprocess.Popen([sys.executable, relay, *(str(one.pid) for one in self.held), SEED, "lose=0.02",
                                       "double=0.05", "overtake=0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
        if self.relay.stdout.readline() != "ready\n":
            pytest.skip(f"no TUN devices: {self.relay.communicate()[1].strip()}")
        self.address()

    def connect_by_netem(self):
        problem = call(*self.inside(0), "ip", "link", "add", "bad0", "type", "veth", "peer", "name", "bad0", "netns",
                       str(self.held[1].pid))
        if problem:
            pytest.skip(f"no pair of veth devices: {problem}")
        for which in range(2):
            problem = call(*self.inside(which), "tc", "qdisc", "add", "dev", "bad0", "root", "netem", "limit", "10000",
                           "delay", "4ms", "3ms", "loss", "2%", "duplicate", "5%", "reorder", "90%")
            if problem:
                pytest.skip(f"no sch_netem in the kernel: {problem}")
        self.address()

    def address(self):
        for which, address in enumerate((GATEPOST_ADDRESS, CLIENT_ADDRESS)):
            for words in (("address", "add", f"{address}/24", "dev", "bad0"), ("link", "set", "bad0", "up")):
                problem = call(*self.inside(which), "ip", *words)
                assert not problem, problem

    def remove(self):
        for process in (self.relay, *self.held):
            if process is not None and process.poll() is None:
                process.communicate()  # the end of its input ends it


@pytest.fixture
def network():
    """Two namespaces that are not connected yet."""
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces and devices in them")
    if missing := [name for name in ("ip", "tc", "unshare", "nsenter") if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    made = Network()
    try:
        for _ in range(2):
            made.add()
        yield made
    finally:
        made.remove()


@pytest.mark.slow
@pytest.mark.covers("R5321-6.1-01", "R5321-4.1.1.4-06")
@pytest.mark.parametrize("way", ["netem", "relay"])
def test_all_mail_arrives_once_over_a_network_that_loses_doubles_and_reorders(network, start, tmp_path, way):
    network.connect_by_netem() if way == "netem" else network.connect_by_relay()
    port = server.free_port()
    gatepost = start([("--listen", f"{GATEPOST_ADDRESS}:{port}"), ("--shards", "2")], port=port, wait=False,
                     command_prefix=network.inside(0))
    gatepost.wait_for_log(f"on {GATEPOST_ADDRESS}:{port}")
    ledger = tmp_path / "ledger"
    for extra in ([], ["--bdat", "--chunk-size", "10K"], ["--no-pipelining"]):
        words = load.command(port, connections=20, messages=40, ledger=ledger,
                             extra=["--size", "4K:80%,100K:20%", "--messages-per-connection", "3", "--allow-remote",
                                    "--json", *extra])
        words = [word.replace("127.0.0.1:", f"{GATEPOST_ADDRESS}:") for word in words]
        done = subprocess.run([*network.inside(1), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120)
        seen = load.results(done.stdout or done.stderr)
        # TCP mends all of it: no connection is lost, nothing has to be sent again.
        assert seen["messages"]["acknowledged"] == 40 and seen["errors"] == {}, seen
    load.verify(ledger, gatepost.maildirs)
    assert len(gatepost.maildirs.files()) == 120
    gatepost.maildirs.settles()
