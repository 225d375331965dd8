"""Full disks, missing permissions and things in the way: a temporary answer, a line in the log, nothing lost, and
service as before once the cause has gone."""
import os
import shutil
import subprocess

import pytest

import wire


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0777", "tmpfs", str(folder)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def attempt(gatepost, content):
    with gatepost.greeted() as peer:
        reply = peer.command("MAIL FROM:<a@sender.test>")
        if reply.code == 250:
            peer.command("RCPT TO:<u@example.test>", 250)
            reply = peer.command("DATA")
            if reply.code == 354:
                peer.send(wire.stuffed(content) + b".\r\n")
                reply = peer.reply()
        peer.command("NOOP", 250)
        return reply


@pytest.mark.covers("SIZE-05", "R5321-6.1-01", "R5321-4.1.1.4-06", "SINK-06")
def test_a_full_disk_is_452_and_recovers(start, small_disk):
    gatepost = start([("--sink", f"maildir:{small_disk}/{{domain}}/{{local-part}}")])
    gatepost.maildirs.root = small_disk
    filler = small_disk / "filler"
    assert attempt(gatepost, b"Subject: before\r\n").code == 250
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
    reply = attempt(gatepost, b"Subject: full\r\n\r\n" + b"x" * 70 + b"\r\n" * 20000)
    assert reply.code == 452 and reply.enhanced == "4.3.1", reply
    assert str(small_disk) in gatepost.wait_for_log("No space left on device")
    gatepost.maildirs.settles()
    filler.unlink()
    assert attempt(gatepost, b"Subject: after\r\n").code == 250
    contents = [m.content for m in gatepost.maildirs.of("u@example.test")]
    assert contents == [b"Subject: before\n", b"Subject: after\n"]


@pytest.mark.covers("SIZE-05")
def test_min_free_space_answers_at_mail(start, small_disk):
    gatepost = start([("--sink", f"maildir:{small_disk}/{{domain}}/{{local-part}}"),
                      ("--min-free-space", "1073741824")])
    reply = attempt(gatepost, b"Subject: t\r\n")
    assert reply.code == 452 and reply.enhanced == "4.3.1"


@pytest.mark.covers("R5321-4.2.5-01", "R5321-4.1.1.4-07")
def test_something_in_the_way_is_451_and_recovers(start):
    gatepost = start()
    assert attempt(gatepost, b"Subject: before\r\n").code == 250
    mailbox = gatepost.maildirs.root / "example.test" / "u"
    shutil.move(mailbox, mailbox.with_name("aside"))
    mailbox.write_text("a file where a directory should be")
    reply = attempt(gatepost, b"Subject: lost\r\n")
    assert reply.code == 451 and reply.enhanced == "4.3.0", reply
    assert str(mailbox) in gatepost.wait_for_log("Not a directory")
    mailbox.unlink()
    shutil.move(mailbox.with_name("aside"), mailbox)
    assert attempt(gatepost, b"Subject: after\r\n").code == 250
    assert [m.content for m in gatepost.maildirs.of("u@example.test")] == [b"Subject: before\n", b"Subject: after\n"]


def test_missing_permission_is_451_and_recovers(start, tmp_path):
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("as root every permission is there, and there is no setpriv")
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    root = tmp_path / "elsewhere"
    root.mkdir()
    root.chmod(0o777)
    for parent in tmp_path.parents:  # pytest's folders are for their owner only
        if parent.stat().st_uid == os.geteuid() and str(parent) not in ("/", "/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    gatepost = start([("--sink", f"maildir:{root}/{{domain}}/{{local-part}}")], command_prefix=drop)
    gatepost.maildirs.root = root
    assert attempt(gatepost, b"Subject: before\r\n").code == 250
    folder = root / "example.test" / "u"
    folder.chmod(0)
    os.chown(folder, os.geteuid(), -1)
    reply = attempt(gatepost, b"Subject: lost\r\n")
    assert reply.code == 451 and reply.enhanced == "4.3.0", reply
    gatepost.wait_for_log("Permission denied")
    folder.chmod(0o777)
    assert attempt(gatepost, b"Subject: after\r\n").code == 250


@pytest.mark.parametrize("shape", ["text", "json"])
def test_the_cause_of_a_failure_is_logged_where_accepted_mail_is_not(start, shape):
    gatepost = start([("--log-level", "warn"), ("--log-format", shape)])
    assert attempt(gatepost, b"Subject: before\r\n").code == 250
    mailbox = gatepost.maildirs.root / "example.test" / "u"
    shutil.rmtree(mailbox)
    mailbox.write_text("a file where a directory should be")
    assert attempt(gatepost, b"Subject: lost\r\n").code == 451
    assert str(mailbox) in gatepost.wait_for_log("Not a directory")
    assert "accepted" not in gatepost.stderr()
