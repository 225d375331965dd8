"""What the operator sees and does: log, metrics, reload, wrong settings."""
import errno
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import server
import wire
from preloaded import failing_library


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=wire.PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def values(page):
    """Prometheus text -> {name with labels: value}, checking each line's form."""
    found = {}
    for line in page.splitlines():
        if line.startswith("#") or not line:
            continue
        match = re.fullmatch(r"([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)", line)
        assert match, line
        found[match.group(1)] = float(match.group(2))
    return found


def total(found, name):
    return sum(value for key, value in found.items() if key == name or key.startswith(name + "{"))


def test_metrics_count_what_happened(start):
    port = server.free_port()
    gatepost = start(f"--metrics-listen 127.0.0.1:{port}")
    assert get(port, "/healthz")[0] == 200
    assert get(port, "/readyz")[0] == 200
    before = values(get(port, "/metrics")[1])
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n").code == 250
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<nobody@example.test>", 550)
        peer.quit()
    after = values(get(port, "/metrics")[1])
    grown = lambda name: total(after, name) - total(before, name)
    assert grown("gatepost_smtp_connections_total") == 1
    assert grown("gatepost_sink_commit_seconds_count") == 1
    replies = {key: value - before.get(key, 0) for key, value in after.items()
               if key.startswith("gatepost_smtp_replies_total")}
    assert sum(v for key, v in replies.items() if 'code="550"' in key) == 1
    assert sum(v for key, v in replies.items() if 'code="354"' in key) == 1
    assert get(port, "/nothing")[0] == 404


def test_not_ready_while_draining(start):
    port = server.free_port()
    gatepost = start(f"--metrics-listen 127.0.0.1:{port} --drain-timeout 30s")
    busy = gatepost.greeted()
    busy.command("MAIL FROM:<a@sender.test>", 250)
    busy.command("RCPT TO:<u@example.test>", 250)
    busy.command("DATA", 354)
    gatepost.signal(signal.SIGTERM)
    deadline = time.monotonic() + wire.PATIENCE_S
    while get(port, "/readyz")[0] != 503:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert get(port, "/healthz")[0] == 200
    busy.send("Subject: t\r\n.\r\n")
    busy.expect(250)
    gatepost.wait()


def test_recipients_are_read_again_on_sighup(start):
    gatepost = start()
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<new@example.test>", 550, "5.1.1")
        with open(gatepost.recipients_file, "a") as file:
            file.write("new@example.test\n")
        gatepost.signal(signal.SIGHUP)
        deadline = time.monotonic() + wire.PATIENCE_S
        while peer.command("RCPT TO:<new@example.test>").code != 250:
            assert time.monotonic() < deadline, "the new recipient never came"
            time.sleep(0.3)
            peer.command("RSET", 250)
            peer.command("MAIL FROM:<a@sender.test>", 250)


def test_a_broken_recipients_file_keeps_the_old_table(start):
    gatepost = start()
    gatepost.recipients_file.write_text("not an address at all\n")
    gatepost.signal(signal.SIGHUP)
    gatepost.wait_for_log("recipients")
    with gatepost.greeted() as peer:
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<u@example.test>", 250)


def test_text_log_has_the_shapes_that_people_grep(start):
    gatepost = start()
    with gatepost.greeted() as peer:
        queued = peer.deliver(b"Subject: t\r\n", sender="")
        peer.command("MAIL FROM:<a@sender.test>", 250)
        peer.command("RCPT TO:<nobody@example.test>", 550)
        peer.quit()
    message_id = re.search(r"queued as (\w+)", queued.text).group(1)
    gatepost.wait_for_log(r"connect from \S*\[127\.0\.0\.1\]")
    line = gatepost.wait_for_log(message_id)
    assert "from=<>" in line and "u@example.test" in line
    gatepost.wait_for_log(r"NOQUEUE: reject: RCPT from \S*\[127\.0\.0\.1\]: 550 5\.1\.1 .*; from=<a@sender\.test> "
                          r"to=<nobody@example\.test> proto=ESMTP helo=<client\.test>")
    gatepost.wait_for_log(r"disconnect from \S*\[127\.0\.0\.1\] ehlo=1 mail=2 rcpt=1/2 data=1 quit=1 commands=6/7")
    stored, = gatepost.maildirs.of("u@example.test")
    assert stored.id == message_id
    assert message_id in stored.path.name


def test_json_log_is_one_object_an_event(start):
    gatepost = start("--log-format json")
    with gatepost.greeted() as peer:
        peer.deliver(b"Subject: t\r\n")
        peer.quit()
    gatepost.wait_for_log('"Disconnect".*"data"')
    events = [json.loads(line) for line in gatepost.stderr().splitlines() if line.startswith("{")]
    assert any("u@example.test" in json.dumps(event) for event in events)


def test_nobody_can_forge_a_log_line(start):
    gatepost = start()
    with gatepost.greeted() as peer:
        peer.line(b"MAIL FROM:<a@sender.test>")
        peer.expect(250)
        peer.line(b"RCPT TO:<\"\x1b[2J\x07\"@example.test>\x0b")
        peer.reply()
        peer.line(b"VRFY x\x1b]0;owned\x07")
        peer.reply()
        peer.quit()
    gatepost.wait_for_log("disconnect from .* commands=")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", gatepost.stderr())


WRONG = [
    (["--message-size-limit", "plenty"], "message-size-limit"),
    (["--timeout", "-1s"], "timeout"),
    (["--listen", "127.0.0.1:70000"], "listen"),
    (["--listen", "nowhere"], "listen"),
    (["--sink", "teapot:x"], "sink"),
    (["--accept-domain", "a..b"], "accept-domain"),
    (["--log-level", "loud"], "log-level"),
    (["--recipient-limit", "99"], "recipient-limit"),
    (["--recipients", "/nonexistent/file"], "recipients"),
    (["--config", "/nonexistent/file"], "config"),
    (["--no-such-flag"], "no-such-flag"),
]


@pytest.mark.parametrize("arguments, named", WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_settings_are_one_line_and_exit_2(arguments, named):
    done = subprocess.run([server.binary("gatepost"), *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert named in done.stderr
    if len(arguments) > 1:
        assert arguments[1] in done.stderr


def test_the_example_configuration_is_right(tmp_path):
    # Its mail goes where only root may make directories.
    done = subprocess.run([server.binary("gatepost"), "--config", str(server.ROOT / "deploy" / "gatepost.toml"),
                           "--sink", f"maildir:{tmp_path}/{{address}}", "--check-config"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_port_in_use_is_one_line_with_a_remedy(start):
    with wire.socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gatepost = start([("--listen", f"127.0.0.1:{port}")], port=port, wait=False)
        assert gatepost.wait() != 0
    assert f"127.0.0.1:{port}" in gatepost.stderr()
    assert re.search("in use", gatepost.stderr())


def test_help_lists_the_flags_with_defaults():
    done = subprocess.run([server.binary("gatepost"), "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    for flag in ("--listen", "--hostname", "--accept-domain", "--sink", "--shards", "--message-size-limit", "--timeout",
                 "--log-level", "--config", "--recipients", "--recipient-limit", "--bare-newline"):
        assert flag in done.stdout
    assert "50M" in done.stdout


@pytest.mark.covers("R5321-7.9-01")
def test_denied_clients(start):
    gatepost = start("--deny-client 127.0.0.2/32")
    with gatepost.peer(source="127.0.0.2") as denied:
        assert denied.reply().code in (550, 554, 421)
    with gatepost.greeted() as other:
        other.quit()


# --- Starting: what is warned of, what refuses to start, what is found by --check-config -----------

def run(*arguments, before=(), **environment):
    """Runs gatepost to its end. before: a command in front of it."""
    return subprocess.run([*before, server.binary("gatepost"), *arguments], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def limited(limits):
    """The command in front of one that ulimit holds down: limited("-n 200")."""
    return ["sh", "-c", f'ulimit {limits} && exec "$@"', "sh"]


def one_error(done, code):
    """The one line that it ended with."""
    assert done.returncode == code, done.stderr
    line, = done.stderr.splitlines()
    assert line.startswith("gatepost: ")
    return line


@pytest.mark.parametrize("shape", ["text", "json"])
def test_what_loses_mail_is_said_at_every_log_level(start, shape):
    gatepost = start([("--sink", "discard:"), ("--log-level", "error"), ("--log-format", shape)])
    line = gatepost.wait_for_log("--sink discard: answers 250 and throws all mail away")
    if shape == "json":
        assert json.loads(line)["level"] == "error"
    assert "listen" not in gatepost.stderr()  # the rest of the block is not
    with gatepost.greeted() as peer:
        assert peer.deliver(b"Subject: t\r\n").code == 250
    assert not gatepost.maildirs.files()


def test_the_example_domains_are_said_at_every_log_level(start):
    port = server.free_port()
    gatepost = start([("--listen", f"127.0.0.1:{port}"), ("--log-level", "error")], port=port, default_flags=False)
    gatepost.wait_for_log("no --accept-domain: running on the built-in example domains")


def test_listeners_that_overlap_are_found_before_the_start(tmp_path):
    port = server.free_port()
    line = one_error(run("--listen", f"*:{port}", "--listen", f"127.0.0.1:{port}", "--accept-domain", "a.example",
                         "--sink", f"maildir:{tmp_path}/{{address}}"), 2)
    assert line == f"gatepost: --listen 127.0.0.1:{port}: overlaps with --listen *:{port}; allowed is one of them"


def test_a_metrics_port_in_use_is_one_line_with_a_remedy(tmp_path):
    with wire.socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--metrics-listen", f"127.0.0.1:{port}",
                             "--sink", f"maildir:{tmp_path}/{{address}}"), 1)
    assert line == (f"gatepost: --metrics-listen 127.0.0.1:{port}: the port is in use: another server runs there "
                    f"(ss -ltnp 'sport = :{port}'), or choose another with --metrics-listen")


def test_an_address_of_another_host_is_one_line_with_a_remedy(tmp_path):
    for flags in (["--listen", "192.0.2.1:2525", "--accept-domain", "a.example"],
                  ["--listen", f"127.0.0.1:{server.free_port()}", "--metrics-listen", "192.0.2.1:9125"]):
        line = one_error(run(*flags, "--sink", f"maildir:{tmp_path}/{{address}}"), 1)
        assert re.fullmatch(r"gatepost: --(metrics-)?listen 192\.0\.2\.1:\d+: no interface of this host has the "
                            r"address: give one that `ip address` shows", line)


def test_few_descriptors_lower_the_connections_and_start(start):
    gatepost = start(command_prefix=limited("-n 200"))
    line = gatepost.wait_for_log("RLIMIT_NOFILE leaves room for .* of --max-connections")
    room = int(re.search(r"room for (\d+) connections, not the 10000", line).group(1))
    assert 50 <= room < 200
    peers = [gatepost.peer() for _ in range(room)]
    assert {peer.reply().code for peer in peers} == {220}
    with gatepost.peer() as one_more:
        assert one_more.reply().code == 421
    peers[0].command("EHLO client.test", 250)
    assert peers[0].deliver(b"Subject: t\r\n").code == 250
    for peer in peers:
        peer.close()


def test_too_few_descriptors_are_one_line_that_says_how_many(tmp_path):
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--shards", "1", "--sink",
                         f"maildir:{tmp_path}/{{address}}", before=limited("-n 10")), 1)
    needed = int(re.search(r"RLIMIT_NOFILE is 10: .* need (\d+) descriptors at least: raise it", line).group(1))
    done = run("--check-config", "--shards", "1", "--sink", f"maildir:{tmp_path}/{{address}}",
               before=limited(f"-n {needed}"))
    assert done.returncode == 0, done.stderr


def test_the_least_number_of_descriptors_is_enough_to_take_mail(start):
    line = one_error(run("--shards", "1", before=limited("-n 10")), 1)
    needed = int(re.search(r"need (\d+) descriptors", line).group(1))
    gatepost = start(f"--metrics-listen 127.0.0.1:{server.free_port()}", command_prefix=limited(f"-n {needed - 1}"),
                     wait=False)
    assert gatepost.wait() == 1
    port = server.free_port()
    gatepost = start(f"--metrics-listen 127.0.0.1:{port}", name="enough", command_prefix=limited(f"-n {needed}"))
    for number in range(40):
        with gatepost.greeted() as peer:
            assert peer.deliver(b"Subject: t\r\n", recipients=[f"user{number}@open.test"]).code == 250
            peer.quit()
    assert get(port, "/healthz")[0] == 200


def test_too_little_memory_is_one_line(tmp_path):
    # Sanitizers reserve some 20 TiB of address space for themselves, so the limit and what is asked for are beyond.
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--sink", f"maildir:{tmp_path}/{{address}}",
                         "--shards", "800", "--buffer-size", "1M", "--buffer-memory", "32G",
                         before=limited(f"-v {24 << 30}")), 1)
    assert re.search(r"no \d+M of memory .* lower --shards, --buffer-memory or --max-connections", line)


def test_a_reload_says_how_much_there_is(start):
    gatepost = start()
    gatepost.recipients_file.write_text("".join(f"u{i}@example.test\n" for i in range(1234)))
    gatepost.signal(signal.SIGHUP)
    gatepost.wait_for_log("recipients reloaded: 1,234 addresses, 2 domains$")
    assert "lists no address" not in gatepost.stderr()
    gatepost.recipients_file.write_text("# nobody\n")
    gatepost.signal(signal.SIGHUP)
    gatepost.wait_for_log("recipients reloaded: 0 addresses, 2 domains$")
    gatepost.wait_for_log(r"warn \[-\] --recipients \S+/recipients: lists no address and no @domain")


def test_an_empty_recipients_file_is_warned_of_at_start_and_by_check_config(start, tmp_path):
    nobody = tmp_path / "nobody"
    nobody.write_text("# nobody\n")
    gatepost = start([("--recipients", str(nobody))])
    gatepost.wait_for_log(rf"warn \[-\] --recipients {nobody}: lists no address and no @domain")
    done = run("--check-config", "--accept-domain", "a.example", "--recipients", str(nobody), "--sink",
               f"maildir:{tmp_path}/{{address}}")
    assert (done.returncode, done.stdout) == (0, "configuration ok\n")
    assert done.stderr.startswith(f"warning: --recipients {nobody}: lists no address and no @domain")


def test_what_is_allowed_and_perhaps_not_meant_is_warned_of_at_start(start):
    gatepost = start([("--sink", "maildir:./all/{local-part}"), ("--message-size-limit", "10K")])
    gatepost.wait_for_log(r"warn \[-\] --message-size-limit 10K: RFC 5321 section 4\.5\.3\.1\.7 wants every server to "
                          r"take messages of 64K at least")
    gatepost.wait_for_log(r"warn \[-\] --sink maildir:\./all/\{local-part\}: users of the same name in the 2 accepted "
                          r"domains share one maildir")


def test_check_config_finds_a_sink_that_cannot_be_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("x")
    line = one_error(run("--check-config", "--accept-domain", "a.example", "--sink",
                         f"maildir:{tmp_path}/file/{{address}}"), 2)
    assert line == f"gatepost: --sink maildir:{tmp_path}/file/{{address}}: {tmp_path}/file: Not a directory"
    done = run("--check-config", "--accept-domain", "a.example", "--sink", f"maildir:{tmp_path}/new/{{address}}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "configuration ok\n", "")
    assert not (tmp_path / "new").exists()


def test_check_config_warns_of_more_connections_than_descriptors(tmp_path):
    done = run("--check-config", "--accept-domain", "a.example", "--shards", "1", "--sink",
               f"maildir:{tmp_path}/{{address}}", before=limited("-n 500"))
    assert (done.returncode, done.stdout) == (0, "configuration ok\n")
    assert re.fullmatch(r"warning: RLIMIT_NOFILE leaves room for \d+ connections, not the 10000 of --max-connections: "
                        r"raise it \(systemd: LimitNOFILE=\)\n", done.stderr)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """refusing("bind", errno.EACCES, 1): the environment in which the second bind(2) and all behind it fail."""
    library = failing_library(tmp_path_factory.mktemp("refusing"), """
        #include <dlfcn.h>
        #include <errno.h>
        #include <ifaddrs.h>
        #include <pthread.h>
        #include <sched.h>
        #include <stdatomic.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/eventfd.h>
        #include <sys/socket.h>

        static int refused(const char *name) {
          static atomic_int calls;
          const char *wanted = getenv("REFUSE_CALL");
          if (!wanted || strcmp(wanted, name) != 0 || calls++ < atoi(getenv("REFUSE_BEFORE"))) return 0;
          errno = atoi(getenv("REFUSE_ERRNO"));
          return 1;
        }
        #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

        int eventfd(unsigned count, int flags) { return refused("eventfd") ? -1 : REAL(eventfd)(count, flags); }
        int bind(int fd, const struct sockaddr *address, socklen_t size) {
          return refused("bind") ? -1 : REAL(bind)(fd, address, size);
        }
        int socket(int family, int type, int protocol) {
          if (family == AF_INET6 && refused("socket of IPv6")) return -1;
          return REAL(socket)(family, type, protocol);
        }
        int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set) {
          return refused("sched_getaffinity") ? -1 : REAL(sched_getaffinity)(pid, size, set);
        }
        int sched_setaffinity(pid_t pid, size_t size, const cpu_set_t *set) {
          return refused("sched_setaffinity") ? -1 : REAL(sched_setaffinity)(pid, size, set);
        }
        int getifaddrs(struct ifaddrs **first) { return refused("getifaddrs") ? -1 : REAL(getifaddrs)(first); }
        int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
          return refused("pthread_create") ? errno : REAL(pthread_create)(thread, attributes, run, argument);
        }
        int io_uring_queue_init_params(unsigned entries, void *ring, void *params);
        int io_uring_queue_init_params(unsigned entries, void *ring, void *params) {
          return refused("io_uring_setup") ? -errno : REAL(io_uring_queue_init_params)(entries, ring, params);
        }
        int io_uring_register_buf_ring(void *ring, void *registration, unsigned flags);
        int io_uring_register_buf_ring(void *ring, void *registration, unsigned flags) {
          return refused("buffer ring") ? -errno : REAL(io_uring_register_buf_ring)(ring, registration, flags);
        }
        """)
    return lambda call, error, before=0: {**library, "REFUSE_CALL": call, "REFUSE_ERRNO": str(error),
                                          "REFUSE_BEFORE": str(before)}


REFUSALS = [
    ("io_uring_setup", errno.ENOSYS, 0, r"io_uring is missing from this kernel or hidden by a seccomp filter: .*"),
    ("io_uring_setup", errno.ENOMEM, 1, r"not enough locked memory for io_uring: raise RLIMIT_MEMLOCK .*"),
    ("buffer ring", errno.ENOMEM, 1, r"buffer ring: Cannot allocate memory .*"),
    ("eventfd", errno.ENFILE, 0, r"eventfd: Too many open files in system"),
    ("eventfd", errno.ENFILE, 1, r"event log: eventfd: Too many open files in system"),
    ("bind", errno.EACCES, 0, r"--listen 127\.0\.0\.1:\d+: no permission: ports below 1024 need CAP_NET_BIND_SERVICE .*"),
    ("bind", errno.ENOMEM, 2, r"--listen 127\.0\.0\.1:\d+: Cannot allocate memory"),
    ("pthread_create", errno.EAGAIN, 1, r"Resource temporarily unavailable"),  # one of the sink's
    ("pthread_create", errno.EAGAIN, 0, r"event log: cannot start a thread: Resource temporarily unavailable"),
]


@pytest.mark.parametrize("call, error, before, told", REFUSALS, ids=[f"{r[0]} {r[2]}" for r in REFUSALS])
def test_what_the_system_refuses_is_one_line(tmp_path, refusing, call, error, before, told):
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--shards", "2", "--sink",
                         f"maildir:{tmp_path}/{{address}}", **refusing(call, error, before)), 1)
    assert re.fullmatch("gatepost: " + told, line), line


def test_features_that_the_kernel_has_not_are_refused_at_the_start(tmp_path, refusing):
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--buffer-mode", "incremental", "--sink",
                         f"maildir:{tmp_path}/{{address}}", **refusing("buffer ring", errno.EINVAL)), 1)
    assert line.startswith("gatepost: --buffer-mode incremental: this kernel has no incremental buffers")


def test_a_sink_that_cannot_be_made_ends_the_start():
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--sink", "maildir:/proc/mail/{address}"), 1)
    assert line.startswith("gatepost: --sink maildir:/proc/mail/{address}: ")


def test_a_shard_without_a_thread_ends_the_start(tmp_path, refusing):
    # Which thread is a shard's depends on how many the sink has; whichever is refused, nothing goes on without it.
    lines = {one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--shards", "2", "--sink", "discard:",
                           **refusing("pthread_create", errno.EAGAIN, before)), 1) for before in (1, 2)}
    assert lines == {"gatepost: cannot start a shard's thread: Resource temporarily unavailable"}


def test_a_host_without_ipv6_is_served_over_ipv4(start, refusing, tmp_path):
    environment = refusing("socket of IPv6", errno.EAFNOSUPPORT)
    port = server.free_port()
    gatepost = start([("--listen", f"*:{port}")], port=port, environment=environment)
    with gatepost.greeted() as peer:
        peer.quit()
    line = one_error(run("--listen", f"[::1]:{server.free_port()}", "--sink", f"maildir:{tmp_path}/{{address}}",
                         **environment), 1)
    assert line.endswith(": this host has no such address family: use an IPv4 address")


def test_what_only_makes_it_faster_or_nicer_may_fail(start, refusing):
    gatepost = start("--pin --simd scalar", environment=refusing("sched_setaffinity", errno.EPERM))
    gatepost.wait_for_log(r"warn \[0\] cannot pin the shard's thread to CPU \d+: Operation not permitted")
    gatepost.wait_for_log("scanner scalar")
    for name, call in (("affinity", "sched_getaffinity"), ("addresses", "getifaddrs")):
        unaware = start("--pin", name=name, environment=refusing(call, errno.EPERM))
        with unaware.greeted() as peer:
            assert peer.deliver(b"Subject: t\r\n").code == 250


def test_signals_are_seen_to_before_anybody_is_served(tmp_path):
    """signalfd(2) that fails ends the start, not the running server."""
    failing = failing_library(tmp_path, """
        #include <errno.h>
        int signalfd(int fd, const void *mask, int flags) { errno = ENFILE; return -1; }
        """)
    line = one_error(run("--listen", f"127.0.0.1:{server.free_port()}", "--sink", f"maildir:{tmp_path}/{{address}}",
                         **failing), 1)
    assert line == "gatepost: signalfd: Too many open files in system"


def test_a_shard_that_fails_stops_the_others_and_is_named(start, tmp_path):
    """The shard that gets the first connection after the file is there can wait for nothing more."""
    failing = failing_library(tmp_path, """
        #include <dlfcn.h>
        #include <errno.h>
        #include <stdatomic.h>
        #include <stdlib.h>
        #include <unistd.h>
        static atomic_int failed;
        int io_uring_submit_and_wait(void *ring, unsigned wait_nr) {
          if (access(getenv("FAIL_FILE"), F_OK) == 0 && atomic_exchange(&failed, 1) == 0) return -EBADF;
          int (*real)(void *, unsigned) = (int (*)(void *, unsigned))dlsym(RTLD_NEXT, "io_uring_submit_and_wait");
          return real(ring, wait_nr);
        }
        """)
    gatepost = start("--shards 2", environment={**failing, "FAIL_FILE": str(tmp_path / "fail")})
    busy = gatepost.greeted()
    (tmp_path / "fail").touch()
    try:
        gatepost.peer().close()
    except OSError:
        pass  # gone already
    assert gatepost.wait() == 1
    assert re.search(r"error \[-\] shard [01]: io_uring_enter: Bad file descriptor", gatepost.stderr())
    gatepost.wait_for_log("stopped")
    busy.close()
