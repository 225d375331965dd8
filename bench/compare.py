#!/usr/bin/env python3
"""Compare SMTP receivers on the same work, in one run: server CPU per message, rate, ratios.

    compare.py [--workloads W1,W2,W3] [--rounds 3] [--scale 1.0] [--json FILE] [--markdown] \
               NAME='command with {port}' ...

Each NAME=command is a receiver that accepts mail for <u@example.test> on 127.0.0.1:{port} and stays in the
foreground (its children are counted too); {scratch} is a directory that is new for each run. Two references are
always there: `limit` (speed_of_light.c beside this file: canned replies over io_uring, no parsing) and `sink`
(postfix's smtp-sink). The client is postfix's smtp-source.
Server on core 0 in a cgroup v2 of its own, client on core 1. What counts is the server's CPU time per message
(cpu.stat, user + system); rates are bounded by the client. Rounds are interleaved, medians are printed, and the ratio
to `limit` and `sink` is taken round by round.

  W1  4 KiB, one message per connection, 50 at a time
  W2  4 KiB, many messages per connection, 50 connections
  W3  1 MiB, many messages per connection, 10 connections
  W4  idle connections after EHLO: PSS bytes each (--idle N, 5000 by default)
  M2  W2 to 50 mailboxes: 50 clients with one connection and one recipient (u1 to u50@example.test) each

Needs: root, gcc, liburing-dev, postfix's smtp-source and smtp-sink on PATH (Debian package postfix; no need to run it).
"""
import argparse, json, os, resource, shlex, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

WORK = {  # messages in all, arguments of each smtp-source
    "W1": (20000, ["-s", "50", "-l", "4096"]),
    "W2": (60000, ["-d", "-s", "50", "-l", "4096"]),
    "W3": (1000, ["-d", "-s", "10", "-l", "1048576"]),
    "M2": (60000, ["-d", "-s", "1", "-l", "4096"]),
}
RECIPIENTS = {"M2": [f"u{i}@example.test" for i in range(1, 51)]}  # a smtp-source for each; else one for all
HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cgroup_root():
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(root + "/cgroup.controllers"):
            return root
    sys.exit("compare: no cgroup v2 hierarchy")


class Server:
    def __init__(self, name, command, port):
        self.name, self.command, self.port = name, command, port
        self.scratch = tempfile.mkdtemp(prefix=f"compare-{name}-")
        self.runs = 0
        self.group = f"{cgroup_root()}/compare-{os.getpid()}-{name}"

    def start(self):
        # What earlier runs stored stays until the end: ext4 makes new files several times as dear for some minutes
        # after many were deleted, which no receiver is to blame for.
        self.runs += 1
        scratch = f"{self.scratch}/{self.runs}"
        os.makedirs(scratch)
        command = self.command.format(port=self.port, scratch=scratch)
        os.makedirs(self.group, exist_ok=True)
        def enter():
            with open(self.group + "/cgroup.procs", "w") as f:
                f.write(str(os.getpid()))
            os.setsid()
        self.log = tempfile.NamedTemporaryFile("w+", prefix=f"{self.name}-", suffix=".log")
        self.process = subprocess.Popen(["taskset", "-c", "0", "sh", "-c", "exec " + command],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=enter)
        for _ in range(150):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                    if s.recv(512).startswith(b"220"):
                        time.sleep(0.3)
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.log.seek(0)
        out = self.log.read()[-2000:]
        self.stop()
        sys.exit(f"compare: {self.name} did not answer on port {self.port}:\n{out}")

    def cpu_us(self):
        with open(self.group + "/cpu.stat") as f:
            return {k: int(v) for k, v in (line.split() for line in f)}

    def pids(self):
        with open(self.group + "/cgroup.procs") as f:
            return [int(p) for p in f]

    def pss_bytes(self):
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(l.split()[1]) * 1024 for l in f if l.startswith("Pss:"))
            except OSError:
                pass
        return total

    def stop(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for _ in range(30):
                for pid in self.pids():
                    try:
                        os.kill(pid, sig)
                    except OSError:
                        pass
                if self.process.poll() is not None and not self.pids():
                    break
                time.sleep(0.1)
        try:
            os.rmdir(self.group)
        except OSError:
            pass


def measure(server, workload, scale):
    count, arguments = WORK[workload]
    recipients = RECIPIENTS.get(workload, ["u@example.test"])
    each = max(200, int(count * scale)) // len(recipients)
    count = each * len(recipients)
    before, start = server.cpu_us(), time.time()
    clients = [subprocess.Popen(["taskset", "-c", "1", "smtp-source", "-4", "-C", "5", "-f", "a@sender.test", "-t", to,
                                 "-M", "client.test", *arguments, "-m", str(each), f"127.0.0.1:{server.port}"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
               for to in recipients]
    for client in clients:
        said = client.communicate(timeout=300)[1]
        if client.returncode or said.strip():
            raise RuntimeError(f"client failed against {server.name} on {workload}: {said[-500:]}")
    wall = time.time() - start
    time.sleep(0.2)
    after = server.cpu_us()
    d = {k: (after[k] - before[k]) / count for k in ("usage_usec", "user_usec", "system_usec")}
    return {"cpu_us": d["usage_usec"], "user_us": d["user_usec"], "system_us": d["system_usec"], "per_s": count / wall}


def idle(server, connections):
    held, before = [], server.pss_bytes()
    for _ in range(connections):
        s = socket.create_connection(("127.0.0.1", server.port), 10)
        s.recv(512)
        s.sendall(b"EHLO client.test\r\n")
        s.recv(2048)
        held.append(s)
    time.sleep(0.5)
    grown = server.pss_bytes() - before
    for s in held:
        s.close()
    return {"bytes_each": grown / connections}


def print_markdown(results, workloads):
    with open("/proc/cpuinfo") as f:
        model = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "unknown processor")
    postfix = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True).stdout.strip()
    print(f"\nServer CPU per message in microseconds (W4: user memory per idle connection in KiB); in brackets the ratio "
          f"to the kernel's limit.\n{model}, {os.cpu_count()} cores, Linux {os.uname().release}, "
          f"Postfix {postfix or 'unknown'}.\n")
    print("| receiver | " + " | ".join(workloads) + " |\n|---|" + "---:|" * len(workloads))
    for name, rows in results.items():
        cells = []
        for w in workloads:
            r = rows.get(w)
            if not r:
                cells.append("-")
            elif w == "W4":
                cells.append(f"{r['bytes_each'] / 1024:.2f}")
            else:
                cells.append(f"{r['cpu_us']:.0f} ({r['vs_limit']:.2f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nCommand: " + " ".join(shlex.quote(a) for a in sys.argv))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--workloads", default="W1,W2,W3")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--scale", type=float, default=1.0)
    p.add_argument("--idle", type=int, default=5000)
    p.add_argument("--json")
    p.add_argument("--markdown", action="store_true", help="a table at the end, with machine and versions")
    p.add_argument("servers", nargs="*")
    a = p.parse_args()
    for tool in ("smtp-source", "smtp-sink", "taskset", "gcc"):
        if not shutil.which(tool):
            sys.exit(f"compare: {tool} is not on PATH")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    build = tempfile.mkdtemp(prefix="compare-")
    limit = build + "/speed_of_light"
    subprocess.run(["gcc", "-O2", "-march=native", "-w", "-o", limit, HERE + "/speed_of_light.c", "-luring"], check=True)
    servers = [Server("limit", limit + " -p {port}", free_port()),
               Server("sink", "smtp-sink -4 -u nobody -m 19000 127.0.0.1:{port} 4096", free_port())]
    for spec in a.servers:
        name, _, command = spec.partition("=")
        servers.append(Server(name, command, free_port()))
    results = {s.name: {} for s in servers}
    for w in a.workloads.split(","):
        rows = {s.name: [] for s in servers}
        for _ in range(a.rounds):
            for s in servers:
                s.start()
                try:
                    if w == "W4":
                        rows[s.name].append(idle(s, a.idle))
                    else:
                        measure(s, w, a.scale * 0.1)
                        rows[s.name].append(measure(s, w, a.scale))
                except RuntimeError as problem:
                    sys.exit(f"compare: {problem}")
                finally:
                    s.stop()
        key = "bytes_each" if w == "W4" else "cpu_us"
        for s in servers:
            r = {k: round(statistics.median(x[k] for x in rows[s.name]), 2) for k in rows[s.name][0]}
            for ref in ("limit", "sink"):
                ratios = [x[key] / max(y[key], 1e-9) for x, y in zip(rows[s.name], rows[ref])]
                r["vs_" + ref] = round(statistics.median(ratios), 3)
            results[s.name][w] = r
            print(f"{w} {s.name:<14} " + "  ".join(f"{k} {v:>10}" for k, v in r.items()), flush=True)
    if a.markdown:
        print_markdown(results, a.workloads.split(","))
    if a.json:
        with open(a.json, "w") as f:
            json.dump(results, f, indent=1)
    for folder in [build, *(s.scratch for s in servers)]:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
