"""Fixtures that start gatepost. The wire, maildirs and the process are modules beside this file."""
import os

import pytest

import server
from small_disk import disk  # noqa: F401  (a fixture)

# Programs that Debian keeps out of ordinary users' PATH (smtp-source, postfix).
os.environ["PATH"] += ":/usr/sbin:/sbin"


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes seconds; left out by tools/test --quick")
    config.addinivalue_line("markers", "covers(*ids): requirement rows (tests/spec) that the test shows")


@pytest.fixture
def start(tmp_path):
    """Starts gateposts for one test; stops them after it, and fails when one did not end well."""
    started = []

    def start_one(flags=(), name="gatepost", **arguments):
        one = server.Gatepost(tmp_path / name, flags, **arguments)
        started.append(one)
        return one

    yield start_one
    for one in started:
        ended_before = one.process.poll() is not None
        code = one.stop()
        one.check_alarms()
        assert ended_before or code == 0, f"exit code {code} after SIGTERM:\n{one.stderr()[-3000:]}"


class SharedServers:
    """One gatepost per set of flags, for tests that leave no trace in it but stored mail."""

    def __init__(self, folder):
        self.folder, self.by_flags = folder, {}

    def get(self, flags=""):
        key = tuple(sorted((f, v or "") for f, v in server.parse_flags(flags)))
        one = self.by_flags.get(key)
        if one is None:
            one = self.by_flags[key] = server.Gatepost(self.folder / f"shared-{len(self.by_flags)}", flags)
        assert one.process.poll() is None, (
            f"gatepost ({flags or 'default flags'}) ended early with {one.process.returncode}:\n{one.stderr()[-6000:]}")
        return one

    def stop(self):
        problems = []
        for one in self.by_flags.values():
            try:
                code = one.stop()
                one.check_alarms()
                assert code == 0, f"exit code {code}:\n{one.stderr()[-3000:]}"
            except AssertionError as problem:
                problems.append(str(problem))
        assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def shared_servers(tmp_path_factory):
    servers = SharedServers(tmp_path_factory.mktemp("shared"))
    yield servers
    servers.stop()


@pytest.fixture
def gatepost(shared_servers):
    """A gatepost with the default test flags, shared by all tests of the run."""
    return shared_servers.get()
