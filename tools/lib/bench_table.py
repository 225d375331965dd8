#!/usr/bin/env python3
"""Prints the JSON reports of Google Benchmark programs as Markdown: bench_table.py REPORT...

One table of the scanner as README has it, if the reports hold its benchmarks, and one of everything. Of repeated
benchmarks it takes the medians. Rates are in powers of ten: GB/s is 1e9 octets per second.
"""
import json
import platform
import sys

NS = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}
# As bench/scan_benchmark.cpp names them: BENCHMARK/KERNEL.
KERNELS = {"scalar": "scalar", "sse42": "SSE4.2", "avx2": "AVX2", "avx512": "AVX-512", "neon": "NEON"}
SCANNER_ROWS = [
    ("classify", "classify", lambda b: f"{b['bytes_per_second'] / 1e9:.1f}"),
    ("crlf_to_lf", "CRLF to LF, in place", lambda b: f"{b['bytes_per_second'] / 1e9:.1f}"),
    ("find_line_21", "one 21-octet command line (ns)", lambda b: f"{b['cpu_time'] * NS[b['time_unit']]:.1f}"),
]


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith(("model name", "Model")):
                model = line.split(":", 1)[1].strip()
                break
    return f"{model}, Linux {platform.release()}"


def load(reports):
    """The benchmarks by name, in order: the median of each, or its only run where it was not repeated."""
    found = {}
    for report in reports:
        with open(report) as f:
            for benchmark in json.load(f)["benchmarks"]:
                if benchmark.get("error_occurred"):
                    continue
                name = benchmark.get("run_name", benchmark["name"])
                if benchmark.get("run_type") != "aggregate":
                    found.setdefault(name, benchmark)
                elif benchmark["aggregate_name"] == "median":
                    found[name] = benchmark
    return found


def rate(benchmark):
    if "bytes_per_second" in benchmark:
        return f"{benchmark['bytes_per_second'] / 1e9:.2f} GB/s"
    if "items_per_second" in benchmark:
        return f"{benchmark['items_per_second'] / 1e6:.2f} M/s"
    return ""


def print_scanner(benchmarks, counted):
    rows = [row for row in SCANNER_ROWS if any(f"{row[0]}/{kernel}" in benchmarks for kernel in KERNELS)]
    kernels = [kernel for kernel in KERNELS if any(f"{row[0]}/{kernel}" in benchmarks for row in rows)]
    if not rows:
        return
    print(f"\nScanner, GB/s over mail-like text in 64 KiB pieces, everything classified{counted}:\n")
    print("| | " + " | ".join(KERNELS[kernel] for kernel in kernels) + " |\n|---|" + "---:|" * len(kernels))
    for name, title, cell in rows:
        cells = [benchmarks.get(f"{name}/{kernel}") for kernel in kernels]
        print(f"| {title} | " + " | ".join(cell(b) if b else "-" for b in cells) + " |")


def print_all(benchmarks, counted):
    print(f"\nAll micro-benchmarks{counted}:\n")
    print("| benchmark | CPU time each | rate |\n|---|---:|---:|")
    for name, benchmark in benchmarks.items():
        print(f"| {name} | {benchmark['cpu_time']:.1f} {benchmark['time_unit']} | {rate(benchmark)} |")


def main():
    benchmarks = load(sys.argv[1:])
    repetitions = {b.get("repetitions", 1) for b in benchmarks.values() if b.get("run_type") == "aggregate"}
    counted = f" (median of {max(repetitions)})" if repetitions else ""
    print(f"\nOn {machine()}.")
    print_scanner(benchmarks, counted)
    print_all(benchmarks, counted)


main()
