"""Limits of the process that bite in the middle of load: what cannot be stored is told to come back, nobody is lost,
and all is as before when there is room again."""
import resource
import time

import pytest

import load
import wire
from preloaded import failing_library


class Lowered:
    """Holds one soft limit of a running process down, for a with block."""

    def __init__(self, pid, which, value):
        self.pid, self.which, self.value = pid, which, value

    def __enter__(self):
        self.before = resource.prlimit(self.pid, self.which)
        resource.prlimit(self.pid, self.which, (self.value, self.before[1]))

    def __exit__(self, *_):
        resource.prlimit(self.pid, self.which, self.before)


@pytest.mark.slow
@pytest.mark.covers("R5321-4.2.5-01", "R5321-6.1-01")
@pytest.mark.parametrize("sync", ["auto", "portable"])
def test_the_largest_file_allowed_is_451_and_not_the_end_of_the_process(start, tmp_path, sync):
    """RLIMIT_FSIZE: write(2) fails with EFBIG, and SIGXFSZ, which would kill, comes with it."""
    gatepost = start([("--shards", "2"), ("--log-level", "warn"), ("--maildir-sync", sync)])
    ledger = tmp_path / "ledger"

    def run():
        return load.results(load.run(gatepost.port, connections=10, messages=100, ledger=ledger,
                                     extra=["--size", "4K:60%,200K:40%", "--json"]).stdout)

    with Lowered(gatepost.process.pid, resource.RLIMIT_FSIZE, 100 * 1024):
        limited = run()
        gatepost.wait_for_log("user.*File too large")
    assert limited["replies"]["451"] > 10 and limited["messages"]["acknowledged"] > 10, limited
    assert limited["replies"]["451"] + limited["messages"]["acknowledged"] == 100, limited
    assert run()["messages"]["acknowledged"] == 100
    load.verify(ledger, gatepost.maildirs)
    gatepost.maildirs.settles()


# While $HOG_FILE is there, a thread takes every descriptor that is to be had. (To lower RLIMIT_NOFILE of a running
# process is not enough: the accept that is armed goes by the limit of the moment when it was armed.)
HOG = """
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static void *hog(void *unused) {
  static int taken[4096];
  int count = 0;
  for (;; usleep(500)) {
    if (access(getenv("HOG_FILE"), F_OK) == 0) {
      int fd;
      while (count < 4096 && (fd = dup(0)) >= 0) taken[count++] = fd;
    } else {
      while (count > 0) close(taken[--count]);
    }
  }
  return unused;
}
__attribute__((constructor)) static void start(void) {
  sigset_t all, before;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_create(&thread, NULL, hog, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}
"""


@pytest.mark.slow
@pytest.mark.covers("R5321-4.2.5-01", "R5321-6.1-01")
@pytest.mark.parametrize("direct", ["off", "on"])
def test_no_descriptors_left_under_load_loses_nothing_and_passes(start, tmp_path, direct):
    """EMFILE, for files and, unless sockets are in the ring's own table, for connections."""
    hog = tmp_path / "hog"
    gatepost = start([("--shards", "2"), ("--log-level", "warn"), ("--direct-descriptors", direct)],
                     command_prefix=["prlimit", "--nofile=600"],
                     environment={**failing_library(tmp_path, HOG), "HOG_FILE": str(hog)})
    ledger = tmp_path / "ledger"
    generator = load.start(gatepost.port, connections=10, duration="60s", ledger=ledger,
                           recipients="user{1-400}@open.test",
                           extra=["--messages-per-connection", "5", "--reconnect", "--json"])

    def wait_for_mail(more):
        wanted = len(gatepost.maildirs.files()) + more
        deadline = time.monotonic() + wire.PATIENCE_S
        while len(gatepost.maildirs.files()) < wanted:
            assert time.monotonic() < deadline, "no mail is stored"
            time.sleep(0.02)

    try:
        wait_for_mail(50)
        hog.touch()
        gatepost.wait_for_log("Too many open files")
        if direct == "off":
            gatepost.wait_for_log("no descriptor for a new connection")
        time.sleep(0.5)
        assert gatepost.process.poll() is None
        hog.unlink()
        wait_for_mail(100)
    finally:
        generator.terminate()
        done = load.results(generator.communicate(timeout=60)[0])
    assert done["messages"]["acknowledged"] > 150 and done["replies"]["451"] > 0, done
    load.verify(ledger, gatepost.maildirs)
    gatepost.maildirs.settles()
