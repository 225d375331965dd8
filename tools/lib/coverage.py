#!/usr/bin/env python3
"""Judges what the tests reached of src/; tools/coverage calls this after they have run.

    coverage.py BUILD GCOVR-JSON [--exempt]

BUILD is the instrumented build folder, GCOVR-JSON what gcovr made of it. Prints a table by folder, and each place that
was not reached and for which tests/coverage_exemptions.md has no reason. --exempt lists those with a reason as well.
Exits 1 when there is a place without a reason or a reason without a place, or when a figure is too low.

gcovr counts as a branch each outcome of a condition, and also the return from each call that could throw. The latter
is taken whenever its line is, so that the figure flatters. Therefore outcomes of conditions alone are counted here as
well, from the same counters (gcov): neither returns from calls nor conditions in the clean-up that only an exception
runs, which the compiler makes and nobody wrote.
"""
import argparse
import collections
import fnmatch
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXEMPTIONS = ROOT / "tests" / "coverage_exemptions.md"
LINES_MIN, BRANCHES_MIN = 90.0, 85.0

# The failing side of what the program promises itself: only a broken program takes it. tools/coverage gives gcovr the
# same pattern.
CHECK = re.compile(r"\bGP_CHECK\(")
# A line like `});`: what the compiler puts there was not written by anybody. gcovr leaves out its branches as well.
CLOSING_ONLY = re.compile(r"[\s{}()\[\];,]*(//.*)?\Z")
CHOOSES_OF_MANY = re.compile(r"\b(switch|catch) \(")
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

    def outcomes(self, number):
        text = self.text[number - 1]
        if CHECK.search(text) or CLOSING_ONLY.match(text):
            return []
        return self.lines[number].outcomes(in_pairs=not CHOOSES_OF_MANY.search(text))

    def regions(self):
        """Places that were not reached, each a list of line numbers: a condition with an outcome that was not taken,
        together with the lines behind it that did not run; lines of two functions are two places."""
        starts = {first for first, last in self.functions
                  if not any(f < first and last <= l for f, l in self.functions)}
        regions, open_region = [], False
        for number in sorted(self.lines):
            if CLOSING_ONLY.match(self.text[number - 1]):
                continue
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
        output = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", "--branch-counts",
                                 str(one.relative_to(build))], cwd=build, capture_output=True, check=True).stdout
        for report in output.splitlines():
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
            what.append(f"{outcomes.count(0)} of {len(outcomes)} outcomes never taken")
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
        kinds = ("lines", "branches", "outcomes", "lines left", "outcomes left")
        return " ".join(f"{self.percent(kind):>9.1f} %" for kind in kinds)


def figures_by_folder(gcovr_files, sources, places):
    exempt = {(place.path, number) for place in places if place.reason for number in place.numbers}
    figures = collections.defaultdict(Figures)
    for path, lines in gcovr_files.items():
        folder = str(pathlib.PurePath(path).parent)
        for kind in (folder, "total"):
            one = figures[kind]
            for line in lines:
                ran, number = line["count"] > 0, line["line_number"]
                taken = [branch["count"] for branch in line["branches"]]
                one.add("lines", 1, ran)
                one.add("branches", len(taken), sum(map(bool, taken)))
                if ran or (path, number) not in exempt:
                    one.add("lines left", 1, ran)
            source = sources.get(path)
            for number in source.lines if source else ():
                taken = source.outcomes(number)
                one.add("outcomes", len(taken), sum(map(bool, taken)))
                left = [t for t in taken if t] if (path, number) in exempt else taken
                one.add("outcomes left", len(left), sum(map(bool, left)))
    return figures


def print_table(figures):
    print(f"{'':<14}{'lines':>11} {'branches':>11} {'outcomes':>11}  |  places with a reason left out: lines, outcomes")
    for folder in sorted(figures, key=lambda name: (name == "total", name)):
        print(f"{folder:<14}{figures[folder].cells()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("gcovr_json", type=pathlib.Path)
    parser.add_argument("--exempt", action="store_true")
    arguments = parser.parse_args()

    problems = []
    sources = read_counters(arguments.build.resolve())
    gcovr_files = {source_path(f["file"], ROOT): [l for l in f["lines"] if not l["gcovr/noncode"]]
                   for f in json.loads(arguments.gcovr_json.read_text())["files"]}
    places = [Place(path, region, source) for path, source in sorted(sources.items()) for region in source.regions()]
    places += [Place(path, [], None) for path in sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("src/**/*.cpp"))
               if path not in sources]
    exemptions = read_exemptions(problems)
    for place in places:
        for exemption in exemptions:
            if exemption.matches(place):
                exemption.used = True
                place.reason = place.reason or exemption
    problems += [f"{EXEMPTIONS.name}:{e.number}: reached now, so it needs no reason: {e.pattern}: {e.fragment}"
                 for e in exemptions if not e.used and not e.may_be_reached]
    unexplained = [place for place in places if not place.reason]

    figures = figures_by_folder(gcovr_files, sources, places)
    checks = sum(bool(CHECK.search(line)) for path in sources for line in sources[path].text)
    print_table(figures)
    print()
    print("branches: as gcovr counts them; outcomes: those of conditions alone (see tools/coverage --help).")
    print(f"The failing side of the program's {checks} promises to itself (GP_CHECK) is in neither.")

    total = figures["total"]
    for kind, least in (("lines", LINES_MIN), ("branches", BRANCHES_MIN), ("outcomes", BRANCHES_MIN)):
        if total.percent(kind) < least:
            problems.append(f"{kind}: {total.percent(kind):.2f} % is less than {least:g} %")
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
