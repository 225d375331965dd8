"""Programs that are stopped (SIGSTOP) while they hold a conversation: clients, and the gateway itself."""
import signal
import subprocess
import sys
import time

import pytest

import load
import wire

# Connects so many times and sends commands without reading a reply, until nothing more goes out.
DEAF = """
import select, socket, sys
peers = []
for _ in range(int(sys.argv[2])):
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    peer.recv(4096)
    peer.sendall(b"EHLO client.test\\r\\n")
    peer.recv(4096)
    peer.setblocking(False)
    peers.append(peer)
while True:
    ready = select.select([], peers, [], 0.5)[1]
    if not ready:
        break
    for peer in ready:
        try:
            peer.send(b"RSET\\r\\n" * 1000)
        except BlockingIOError:
            pass
print("stuck", flush=True)
sys.stdin.read()
"""
IN_DATA, DEAF_ONES = 20, 5


def end(process):
    """Whatever state it is in."""
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.covers("R5321-4.5.3.2.7-01", "E02", "E10")
def test_stopped_clients_end_by_timeout_and_delay_nobody_else(start, tmp_path):
    gatepost = start("--timeout 3s --junk-command-limit 100000000 --hard-error-limit 100000000")
    ledger = tmp_path / "ledger"

    def others():
        """Ordinary clients for a while: what they saw."""
        done = load.run(gatepost.port, connections=10, duration="1s", ledger=ledger,
                        extra=["--rate", "80", "--json"])
        seen = load.results(done.stdout)
        assert seen["messages"]["acknowledged"] == seen["messages"]["started"] > 50, seen
        return seen["latency_ms"]["transaction"]

    undisturbed = others()
    in_data = load.start(gatepost.port, connections=IN_DATA, messages=IN_DATA, ledger=ledger,
                         extra=["--size", "200K", "--mix", "slow=100%", "--json"])
    deaf = subprocess.Popen([sys.executable, "-c", DEAF, str(gatepost.port), str(DEAF_ONES)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    try:
        assert deaf.stdout.readline() == "stuck\n"
        for process in (in_data, deaf):
            process.send_signal(signal.SIGSTOP)
        disturbed = others()
        # Generous: machines that test are busy. Who waited for one of the stopped would wait for seconds.
        assert disturbed["p99"] < 5 * undisturbed["p99"] + 300, (undisturbed, disturbed)
        deadline = time.monotonic() + wire.PATIENCE_S
        for line, wanted in (("timeout after DATA from", IN_DATA), ("replies are not read after RSET from", DEAF_ONES)):
            while (ended := gatepost.stderr().count(line)) < wanted:
                assert time.monotonic() < deadline, f"{ended} times {line!r} in:\n{gatepost.stderr()[-3000:]}"
                time.sleep(0.05)
        in_data.send_signal(signal.SIGCONT)
        done = load.results(in_data.communicate(timeout=60)[0])
        assert done["messages"]["acknowledged"] == 0, done
    finally:
        end(in_data)
        end(deaf)
    load.verify(ledger, gatepost.maildirs)
    gatepost.maildirs.settles()


@pytest.mark.slow
@pytest.mark.covers("R5321-6.1-01")
@pytest.mark.parametrize("timeout, stopped_for", [("300s", 1.0), ("2s", 2.5)])
def test_a_gateway_that_stands_still_for_a_while_goes_on_where_it_was(start, tmp_path, timeout, stopped_for):
    """Clients wait. Those that had sent their part in time are not taken for silent ones afterwards, even if the
    gateway stood still for longer than its timeout."""
    gatepost = start(f"--shards 2 --timeout {timeout}")
    ledger = tmp_path / "ledger"
    generator = load.start(gatepost.port, connections=20, duration="30s", ledger=ledger, extra=["--json"])
    try:
        deadline = time.monotonic() + wire.PATIENCE_S
        while len(gatepost.maildirs.files()) < 100:
            assert time.monotonic() < deadline, "no mail is stored"
            time.sleep(0.02)
        gatepost.signal(signal.SIGSTOP)
        time.sleep(stopped_for)
        gatepost.signal(signal.SIGCONT)
        time.sleep(0.3)
    finally:
        gatepost.signal(signal.SIGCONT)
        generator.send_signal(signal.SIGINT)
        done = load.results(generator.communicate(timeout=60)[0])
    assert done["messages"]["acknowledged"] == done["messages"]["started"] > 100, done
    assert done["errors"] == {} and done["connections"] == 20, done
    load.verify(ledger, gatepost.maildirs)
    gatepost.maildirs.settles()
