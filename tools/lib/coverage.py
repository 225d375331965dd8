#!/usr/bin/env python3
"""Judges what the tests reached of src/; tools/coverage calls this after they have run.

    coverage.py BUILD TRACEFILE [--exempt]

BUILD is the instrumented build folder. Prints a table by folder, and each place that was not reached and for which
tests/coverage_exemptions.md has no reason; --exempt lists those with a reason as well. Writes TRACEFILE, of which gcovr
makes its report. Exits 1 when there is a place without a reason or a reason without a place, or when a figure is too
low.

The counters are gcov's. A branch is an outcome of a condition that somebody wrote. gcc has more of them:
  - of a call that can throw, its throw and its return (gcovr --exclude-throw-branches leaves out the throw; the return
    is taken whenever its line is, so that it only flatters);
  - on lines of closing brackets alone (gcovr --exclude-unreachable-branches), and in the clean-up that only an
    exception runs;
  - whether an exception has another type than its handler's, and a switch of all named values another value;
  - the failing side of what the program promises itself (gcovr --exclude-branches-by-pattern): it aborts.
None of these is counted. gcovr itself could leave out the first only on lines that ran, and it strings the branches of
a source together that is compiled twice, as the simulator does; hence it is given what was read here.
"""
import argparse
import collections
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXEMPTIONS = ROOT / "tests" / "coverage_exemptions.md"
LINES_MIN, BRANCHES_MIN = 90.0, 85.0

CHECK = re.compile(r"\bGP_CHECK\(")
UNREACHABLE = re.compile(r"\bGP_CHECK\(false\)")
CLOSING_ONLY = re.compile(r"[\s{}()\[\];,]*(//.*)?\Z")
SWITCH = re.compile(r"\bswitch \(")
HANDLER = re.compile(r"\bcatch \(")
WHOLE_FILE = "whole file"


class Line:
    def __init__(self):
        self.count = 0
        # By function (a lambda is one of its own) and number: how often each outcome was taken. The instances of a
        # template and the copies of an inline function in several objects add up.
        self.taken = {}

    def add(self, function, count, branches):
        self.count += count
        counts = written_outcomes(branches)
        if counts:
            key = function, len(counts)
            self.taken[key] = [a + b for a, b in zip(self.taken.get(key, [0] * len(counts)), counts)]

    def outcomes(self, in_pairs):
        """How often each outcome was taken. Left out are conditions that were never met although the line ran and all
        its other conditions went all ways: only an exception leads there. in_pairs: all conditions are yes or no."""
        by_function = collections.defaultdict(list)
        for (function, _), counts in self.taken.items():
            by_function[function] += [counts[i:i + 2] for i in range(0, len(counts), 2)]
        found = []
        for pairs in by_function.values():
            met = [pair for pair in pairs if any(pair)]
            if in_pairs and self.count and all(all(pair) for pair in met):
                pairs = met
            found += [count for pair in pairs for count in pair]
        return found


def written_outcomes(branches):
    """The counts of the outcomes of conditions. A call that can throw has two branches, its return and its throw:
    neither is one."""
    counts = []
    i = 0
    while i < len(branches):
        if i + 1 < len(branches) and branches[i + 1]["throw"]:
            i += 2
        elif branches[i]["throw"]:
            i += 1
        else:
            counts.append(branches[i]["count"])
            i += 1
    return counts


class Source:
    """What the counters say about one file of src/."""

    def __init__(self, path):
        self.path = path
        self.text = (ROOT / path).read_text().splitlines()
        self.lines = collections.defaultdict(Line)
        self.functions = set()  # (first line, last line)

    def code_lines(self):
        """Numbers of lines that say something, and that only a broken program would not pass by."""
        return [n for n in sorted(self.lines)
                if not CLOSING_ONLY.match(self.text[n - 1]) and not UNREACHABLE.search(self.text[n - 1])]

    def outcomes(self, number):
        text = self.text[number - 1]
        if CHECK.search(text) or HANDLER.search(text):
            return []
        found = self.lines[number].outcomes(in_pairs=not SWITCH.search(text))
        if 0 in found and self.names_all_values(number):
            found.remove(0)
        return found

    def names_all_values(self, number):
        """Whether a switch without default stands there: its way for a value that has no name is the compiler's, and
        that no name is missing is what -Wswitch is for."""
        if not SWITCH.search(self.text[number - 1]):
            return False
        depth = 0
        for line in self.text[number - 1:]:
            if re.search(r"\bdefault:", line):
                return False
            depth += line.count("{") - line.count("}")
            if depth <= 0:
                break
        return True

    def regions(self):
        """Places that were not reached, each a list of line numbers: a condition with an outcome that was not taken,
        together with the lines behind it that did not run; lines of two functions are two places."""
        starts = {first for first, last in self.functions
                  if not any(f < first and last <= l for f, l in self.functions)}
        regions, open_region = [], False
        for number in self.code_lines():
            ran = self.lines[number].count > 0
            if ran and 0 in self.outcomes(number):
                regions.append([number])
                open_region = True
            elif not ran and open_region and number not in starts:
                regions[-1].append(number)
            elif not ran:
                regions.append([number])
                open_region = True
            else:
                open_region = False
        return regions


def source_path(name, folder):
    """Relative to the root; None outside of src/. Headers are named through links in the build folder."""
    path = pathlib.Path(folder, name).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT / "src") else None


def read_counters(build):
    """path -> Source, from all objects of the build."""
    sources = {}
    for notes in sorted(build.rglob("*.gcno")):
        counters = notes.with_suffix(".gcda")
        one = counters if counters.exists() else notes
        done = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", "--branch-counts",
                               str(one.relative_to(build))], cwd=build, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{one.relative_to(build)} is of another build than its program ({done.stderr.decode().strip()}): "
                     "run all of tools/coverage")
        for report in done.stdout.splitlines():
            for file in json.loads(report)["files"]:
                path = source_path(file["file"], build)
                if path is None:
                    continue
                source = sources.setdefault(path, Source(path))
                starts = {f["name"]: (f["start_line"], f["start_column"]) for f in file["functions"]}
                source.functions |= {(f["start_line"], f["end_line"]) for f in file["functions"]}
                for entry in file["lines"]:
                    number, branches = entry["line_number"], entry["branches"]
                    function, instances = starts.get(entry.get("function_name")), 1
                    if function is None and starts:
                        # A lambda in a template: gcov has strung the branches of all instances together.
                        function = max((s for s in starts.values() if s[0] <= number), default=None)
                        instances = list(starts.values()).count(function) or 1
                    if len(branches) % instances:
                        instances = 1
                    size = len(branches) // instances
                    for i in range(instances):
                        source.lines[number].add(function, 0 if i else entry["count"],
                                                 branches[i * size:(i + 1) * size])
    return sources


class Place:
    def __init__(self, path, numbers, source):
        self.path, self.numbers, self.source = path, numbers, source
        self.reason = None

    def texts(self):
        return [self.source.text[n - 1].strip() for n in self.numbers] if self.source else [WHOLE_FILE]

    def __str__(self):
        if not self.source:
            return f"{self.path}: {WHOLE_FILE}: not compiled on this machine"
        first = self.numbers[0]
        outcomes = self.source.outcomes(first)
        what = []
        if self.source.lines[first].count:
            what.append(f"{outcomes.count(0)} of {len(outcomes)} branches never taken")
        if unrun := sum(not self.source.lines[n].count for n in self.numbers):
            what.append("1 line did not run" if unrun == 1 else f"{unrun} lines did not run")
        return f"{self.path}:{first}: {', '.join(what)}: {self.texts()[0]}"


class Exemption:
    """One fragment of code, in a row of the table."""

    def __init__(self, number, pattern, fragment, reason):
        self.number, self.pattern, self.fragment, self.reason = number, pattern, fragment, reason
        self.used = False
        # Timing decides whether a test gets there.
        self.may_be_reached = reason.startswith("At times: ")

    def names_code(self, sources):
        return any(fnmatch.fnmatchcase(path, self.pattern) and any(self.fragment in line for line in source.text)
                   for path, source in sources.items())

    def matches(self, place):
        return fnmatch.fnmatchcase(place.path, self.pattern) and any(self.fragment in t for t in place.texts())


def read_exemptions(problems):
    found = []
    for number, line in enumerate(EXEMPTIONS.read_text().splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) != 3 or cells[0] == "file" or set(cells[0]) <= set("-:"):
            if line.startswith("|") and len(cells) != 3:
                problems.append(f"{EXEMPTIONS.name}:{number}: not three columns (a | in code is written \\|)")
            continue
        fragments = [f.strip().replace("\\|", "|") for f in re.findall(r"(?<!`)`(?!`)([^`]+)`", cells[1])]
        if not fragments or not cells[2]:
            problems.append(f"{EXEMPTIONS.name}:{number}: no `code`, or no reason")
        found += [Exemption(number, cells[0].strip("`"), fragment, cells[2]) for fragment in fragments]
    return found


class Figures:
    """Of one folder, or of all."""

    def __init__(self):
        self.counts = collections.Counter()

    def add(self, kind, total, reached):
        self.counts[kind] += total
        self.counts[kind, "reached"] += reached

    def percent(self, kind):
        return 100.0 * self.counts[kind, "reached"] / self.counts[kind] if self.counts[kind] else 100.0

    def cells(self):
        kinds = ("lines", "branches", "lines left", "branches left")
        return " ".join(f"{self.percent(kind):>9.1f} %" for kind in kinds)


def figures_by_folder(sources, places):
    exempt = {(place.path, number) for place in places if place.reason for number in place.numbers}
    figures = collections.defaultdict(Figures)
    for path, source in sources.items():
        for folder in (str(pathlib.PurePath(path).parent), "total"):
            one = figures[folder]
            for number in source.code_lines():
                ran, taken = source.lines[number].count > 0, source.outcomes(number)
                one.add("lines", 1, ran)
                one.add("branches", len(taken), sum(map(bool, taken)))
                if (path, number) in exempt:
                    taken = [count for count in taken if count]
                if ran or (path, number) not in exempt:
                    one.add("lines left", 1, ran)
                one.add("branches left", len(taken), sum(map(bool, taken)))
    return figures


def print_table(figures):
    print(f"{'':<14}{'lines':>11} {'branches':>11}   without what has a reason: lines, branches")
    for folder in sorted(figures, key=lambda name: (name == "total", name)):
        print(f"{folder:<14}{figures[folder].cells()}")


def write_tracefile(sources, path):
    """In the form of this gcovr, which an empty report shows."""
    with tempfile.TemporaryDirectory() as empty:
        shown = subprocess.run(["gcovr", "--root", empty, "--json"], cwd=empty, capture_output=True, check=True).stdout
    report = json.loads(shown)
    for name, source in sorted(sources.items()):
        report["files"].append({"file": name, "functions": [], "lines": [
            {"line_number": number, "count": source.lines[number].count, "gcovr/noncode": False,
             "gcovr/excluded": False,
             "branches": [{"count": count, "fallthrough": False, "throw": False} for count in source.outcomes(number)]}
            for number in source.code_lines()]})
    path.write_text(json.dumps(report))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("tracefile", type=pathlib.Path)
    parser.add_argument("--exempt", action="store_true")
    arguments = parser.parse_args()

    problems = []
    sources = read_counters(arguments.build.resolve())
    write_tracefile(sources, arguments.tracefile)
    places = [Place(path, region, source) for path, source in sorted(sources.items()) for region in source.regions()]
    places += [Place(path, [], None) for path in sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("src/**/*.cpp"))
               if path not in sources]
    exemptions = read_exemptions(problems)
    for place in places:
        for exemption in exemptions:
            if exemption.matches(place):
                exemption.used = True
                place.reason = place.reason or exemption
    for exemption in exemptions:
        if exemption.used or (exemption.may_be_reached and exemption.names_code(sources)):
            continue
        problems.append(f"{EXEMPTIONS.name}:{exemption.number}: nothing unreached has this reason: "
                        f"{exemption.pattern}: {exemption.fragment}")
    unexplained = [place for place in places if not place.reason]

    figures = figures_by_folder(sources, places)
    print_table(figures)
    checks = sum(bool(CHECK.search(line)) for source in sources.values() for line in source.text)
    print(f"\nNot counted: the failing side of the {checks} promises that the program makes itself (GP_CHECK).")
    for kind, least in (("lines", LINES_MIN), ("branches", BRANCHES_MIN)):
        if figures["total"].percent(kind) < least:
            problems.append(f"{kind}: {figures['total'].percent(kind):.2f} % is less than {least:g} %")
    if arguments.exempt:
        print("\nNot reached, with a reason:")
        for place in places:
            if place.reason:
                print(f"  {place}\n      {place.reason.reason}")
    if unexplained:
        print("\nNot reached, and no reason in tests/coverage_exemptions.md:")
        for place in unexplained:
            print(f"  {place}")
        problems.append(f"{len(unexplained)} places are not reached and have no reason")
    if problems:
        print()
    for problem in problems:
        print(problem)
    print(f"{len(places)} places not reached, {len(places) - len(unexplained)} with a reason, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
