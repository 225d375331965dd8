"""Small file systems of their own, to fill up, make read-only and break: real ones in a loop device (root only), and
a tmpfs in a user and mount namespace, which on most machines needs no right at all."""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import time

import pytest

MIB = 1024 * 1024
# xfs makes none below 300 MiB. The image is a sparse file: what is not written takes no room.
SIZE = {"ext4": 32 * MIB, "ext4-without-journal": 32 * MIB, "xfs": 320 * MIB, "tmpfs": 16 * MIB}
# _IOR('X', 125, __u32) of linux/ext4.h and xfs_fs.h: writes nothing more, as if the power had gone, and the journal's
# last transaction is not written out either.
SHUT_DOWN, WITHOUT_LOG_FLUSH = 0x8004587D, 2


def call(words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)


class Disk:
    """prefix: in front of a command that is to see the disk. path: where it is for such a command. seen: where it is
    for the test itself."""

    def __init__(self, path, prefix=(), seen=None):
        self.path, self.prefix, self.seen = path, list(prefix), seen or path

    def remount(self, option):
        # With a source, whatever it says, mount(8) adds no options of its own, which a namespace may refuse.
        return call([*self.prefix, "mount", "-o", f"remount,{option}", "none", self.path])

    def remount_read_only(self, seconds=20):
        """While a file is open for writing the kernel refuses: until it finds a moment."""
        deadline = time.monotonic() + seconds
        while (done := self.remount("ro")).returncode != 0:
            assert "busy" in done.stderr, done.stderr
            assert time.monotonic() < deadline, "always busy"

    def fill(self, leave):
        """Takes all room but so many octets; returns the file to remove again."""
        filler = self.seen / "filler"
        now = os.statvfs(self.seen)
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, now.f_bavail * now.f_frsize - leave)
        return filler

    def fill_inodes(self, leave):
        """Takes all inodes but so many; returns the directory to remove again."""
        fillers = self.seen / "fillers"
        fillers.mkdir()
        for number in range(os.statvfs(self.seen).f_favail - leave):
            (fillers / str(number)).touch()
        return fillers


class LoopDisk(Disk):
    def __init__(self, folder, kind, inodes):
        super().__init__(folder / "disk")
        self.image, self.kind, self.mounted = folder / "image", kind, False
        with open(self.image, "wb") as file:
            file.truncate(SIZE[kind])
        make = {
            "ext4": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0"],
            "ext4-without-journal": ["mkfs.ext4", "-q", "-F", "-b", "4096", "-m", "0", "-O", "^has_journal"],
            "xfs": ["mkfs.xfs", "-q"],
        }[kind]
        if shutil.which(make[0]) is None:
            pytest.skip(f"no {make[0]}")
        done = call([*make, *(["-N", str(inodes)] if inodes else []), self.image])
        assert done.returncode == 0, done.stderr
        self.path.mkdir()
        if problem := self.mount():
            pytest.skip(f"cannot mount a loop device: {problem}")

    def mount(self):
        """Returns what went wrong, if anything did."""
        done = call(["mount", "-t", self.kind.partition("-")[0], "-o", "loop", self.image, self.path])
        self.mounted = done.returncode == 0
        return "" if self.mounted else done.stderr.strip()

    def unmount(self):
        """The loop device, which mount(8) set up, goes with it."""
        deadline = time.monotonic() + 10
        while (done := call(["umount", self.path])).returncode != 0:
            assert time.monotonic() < deadline, done.stderr
            time.sleep(0.05)
        self.mounted = False

    def shut_down(self):
        """From here on nothing reaches the disk any more."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUT_DOWN, struct.pack("I", WITHOUT_LOG_FLUSH))
        finally:
            os.close(fd)

    def problems(self):
        """What the checker of the unmounted file system finds wrong; it mends nothing."""
        checker = ["xfs_repair", "-n"] if self.kind == "xfs" else ["e2fsck", "-fn"]
        done = call([*checker, self.image])
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def mend(self):
        """As a machine does that starts after a crash, without a journal only."""
        if self.kind == "ext4-without-journal":
            assert call(["e2fsck", "-fy", self.image]).returncode in (0, 1)

    def remove(self):
        # At the end of a test that failed a gatepost may still have files open on it.
        if self.mounted and call(["umount", self.path]).returncode != 0:
            call(["umount", "-l", self.path])


class NamespaceDisk(Disk):
    """A tmpfs that only those see who enter its namespaces. They, and it with them, go with the process that holds
    them."""

    def __init__(self, folder, inodes):
        path = folder / "disk"
        path.mkdir()
        options = f"size={SIZE['tmpfs']},mode=0777" + (f",nr_inodes={inodes}" if inodes else "")
        self.holder = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", f"mount -t tmpfs -o {options} tmpfs '{path}' && echo mounted && exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "mounted\n":
            problem = self.holder.communicate()[1].strip()
            pytest.skip(f"no file system in a namespace: {problem}")
        super().__init__(path, ["nsenter", "-t", str(self.holder.pid), "-U", "-m", "--preserve-credentials"],
                         pathlib.Path(f"/proc/{self.holder.pid}/root{path}"))

    def unmount(self):
        pass  # what is in it goes with it

    def problems(self):
        return ""  # there is nothing to check

    def remove(self):
        self.holder.communicate()  # the end of its input ends it


@pytest.fixture
def disk(tmp_path):
    """Makes one: disk("ext4"), disk("tmpfs", inodes=200). Skips the test where the machine does not allow it. Name it
    before `start`, so that the gateposts on it end first."""
    made = []

    def make(kind, inodes=None):
        folder = tmp_path / "small-disk"
        folder.mkdir()
        if kind == "tmpfs":
            if shutil.which("unshare") is None or shutil.which("nsenter") is None:
                pytest.skip("no unshare and nsenter (util-linux)")
            made.append(NamespaceDisk(folder, inodes))
        else:
            if os.geteuid() != 0:
                pytest.skip("only root may mount a loop device")
            made.append(LoopDisk(folder, kind, inodes))
        return made[-1]

    yield make
    for one in made:
        one.remove()
