"""A real Postfix, with configuration, queue and ports of its own, relays into Gatepost."""
import os
import pathlib
import pwd
import shutil
import smtplib
import subprocess
import time

import pytest

import server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("postfix") is None, reason="postfix is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Postfix's master only runs as root"),
]

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n - n 60  1 pickup
cleanup   unix  n - n -   0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n -   - trivial-rewrite
bounce    unix  - - n -   0 bounce
defer     unix  - - n -   0 bounce
trace     unix  - - n -   0 bounce
verify    unix  - - n -   1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -   - proxymap
smtp      unix  - - n -   - smtp
relay     unix  - - n -   - smtp
error     unix  - - n -   - error
retry     unix  - - n -   - error
discard   unix  - - n -   - discard
anvil     unix  - - n -   1 anvil
scache    unix  - - n -   1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, gatepost_port):
        self.folder, self.port = folder, server.free_port()
        self.config, self.queue, self.data = (folder / name for name in ("etc", "queue", "data"))
        for path in (self.config, self.queue, self.data):
            path.mkdir()
        folder.chmod(0o755)
        for parent in folder.parents:  # Postfix's processes are another user
            if parent.stat().st_uid == os.geteuid() and str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        os.chown(self.data, pwd.getpwnam("postfix").pw_uid, -1)
        self.log = pathlib.Path(f"/var/log/gatepost-test-{os.getpid()}.log")  # postlogd accepts nothing below /tmp
        (self.config / "master.cf").write_text(MASTER_CF.format(port=self.port))
        (self.config / "main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {self.queue}
data_directory = {self.data}
multi_instance_enable = no
maillog_file = {self.log}
myhostname = relay.sender.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{gatepost_port}
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_host_lookup = native
disable_dns_lookups = yes
alias_maps =
local_recipient_maps =
smtp_tls_security_level = none
smtpd_tls_security_level = none
minimal_backoff_time = 5s
queue_run_delay = 5s
message_size_limit = 20000000
""")

    def command(self, *words):
        return subprocess.run(["postfix", "-c", str(self.config), *words], capture_output=True, text=True, timeout=60)

    def start(self):
        done = self.command("start")
        assert done.returncode == 0, done.stdout + done.stderr + self.said()

    def stop(self):
        self.command("stop")
        pid_file = self.queue / "pid" / "master.pid"
        deadline = time.monotonic() + 20
        while pid_file.exists() and time.monotonic() < deadline:
            pid = pid_file.read_text().strip()
            if not pid or not pathlib.Path(f"/proc/{pid}").exists():
                break
            time.sleep(0.1)
        self.log.unlink(missing_ok=True)

    def said(self):
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


@pytest.fixture
def postfix(gatepost, tmp_path):
    one = Postfix(tmp_path, gatepost.port)
    try:
        one.start()
        yield one
    finally:
        one.stop()


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


@pytest.mark.covers("R5321-3.7.2-02", "R5321-4.4-09", "R5321-4.5.2-04")
def test_postfix_relays_into_gatepost(gatepost, postfix):
    before = gatepost.maildirs.files()
    bodies = [
        b"plain\r\n",
        b".\r\n..\r\n.x\r\nx.\r\n",
        b"\xc3\xa9\x80\xff 8-bit\r\n",
        b"y" * 900 + b"\r\n",
        b"".join(b"line %d of a long one\r\n" % i for i in range(60000)),
    ]
    contents = [b"Subject: %d\r\nFrom: a@sender.test\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n"
                b"Message-ID: <%d@sender.test>\r\n\r\n" % (i, i) + body for i, body in enumerate(bodies)]
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        for i, content in enumerate(contents):
            assert client.sendmail("a@sender.test", [f"relay{i}@open.test"], content) == {}
    wait_for(lambda: len(gatepost.maildirs.files() - before) == len(contents), postfix.said)
    for i, content in enumerate(contents):
        message, = gatepost.maildirs.of(f"relay{i}@open.test")
        # Postfix's own Received stands between ours and what was sent.
        assert message.content.startswith(b"Received: from"), message.content[:200]
        assert message.content.endswith(b"\n" + content.replace(b"\r\n", b"\n"))
        assert message.return_path == "a@sender.test"


def test_postfix_is_told_of_unknown_users(gatepost, postfix):
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.sendmail("", ["nobody@example.test"], b"Subject: t\r\n\r\nx\r\n")
    wait_for(lambda: "status=bounced" in postfix.said() and "5.1.1" in postfix.said(), postfix.said)
