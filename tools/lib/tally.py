#!/usr/bin/env python3
"""Adds up what the suites left behind and prints one closing line: `N passed, M failed, K skipped`.

    tally.py RESULTS

RESULTS holds, per suite, a folder with
  status          exit code of the suite's command
  *.xml           JUnit or GoogleTest reports (optional)
  testlog.json    meson's log (optional): a program that left no report, or crashed, counts as one test

Exits 0 when nothing failed and something passed.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


class Suite:
    def __init__(self, name):
        self.name, self.passed, self.failed, self.skipped = name, 0, 0, 0
        self.failures = []

    def fail(self, what):
        self.failed += 1
        self.failures.append(what)


def read_report(path, suite):
    """Counts the cases of one XML report; returns how many there were and how many failed."""
    try:
        tree = ElementTree.parse(path)
    except ElementTree.ParseError:
        suite.fail(f"{path.stem}: broken report")
        return 1, 1
    cases = failures = 0
    for case in tree.iter("testcase"):
        name = f"{case.get('classname', path.stem)}.{case.get('name')}"
        if case.get("status") == "notrun":  # filtered out
            continue
        cases += 1
        if case.find("failure") is not None or case.find("error") is not None:
            failures += 1
            suite.fail(name)
        elif case.find("skipped") is not None or case.get("result") == "skipped":
            suite.skipped += 1
        else:
            suite.passed += 1
    return cases, failures


def read_meson_log(path, reports, suite):
    """Programs without a report count as one test; a crash counts even when its report looks well."""
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        # A report is named after the test (meson's gtest protocol) or after its program (GTEST_OUTPUT).
        names = {pathlib.Path(word).name for word in entry["command"]} | {entry["name"].split(" / ")[-1]}
        own = [reports[name] for name in names if name in reports]
        counted = bool(own)
        failures = sum(failed for _, failed in own)
        passed = entry["result"] in ("OK", "EXPECTEDFAIL")
        if entry["result"] == "SKIP":
            suite.skipped += not counted
        elif passed:
            suite.passed += not counted
        elif not failures:
            suite.fail(f"{entry['name']}: {entry['result'].lower()}, exit status {entry.get('returncode')}")


def main():
    suites = []
    for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        if not folder.is_dir():
            continue
        suite = Suite(folder.name.split("-", 1)[-1])
        reports = {path.stem: read_report(path, suite) for path in sorted(folder.glob("*.xml"))}
        log = folder / "testlog.json"
        if log.exists():
            read_meson_log(log, reports, suite)
        status_file = folder / "status"
        status = status_file.read_text().strip() if status_file.exists() else "none: it never ended"
        if status != "0" and not suite.failed:
            suite.fail(f"{suite.name}: exit status {status}")
        elif status == "0" and not (reports or log.exists()):
            suite.passed += 1
        suites.append(suite)

    print()
    for suite in suites:
        print(f"  {suite.name:<28} {suite.passed:>6} passed {suite.failed:>5} failed {suite.skipped:>5} skipped")
        for failure in suite.failures[:50]:
            print(f"      failed: {failure}")
    passed, failed, skipped = (sum(getattr(s, key) for s in suites) for key in ("passed", "failed", "skipped"))
    print()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
