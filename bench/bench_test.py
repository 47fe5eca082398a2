#!/usr/bin/python3
"""That `bench` runs, and that what it writes is what its readers expect. No figure is judged.

    bench_test.py BENCH
"""
import json
import os
import subprocess
import sys
import unittest

BENCH = os.path.abspath(sys.argv.pop(1))


def bench(*args, **environment):
    return subprocess.run([BENCH, *args], env={**os.environ, **environment}, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)


def measure(name, **environment):
    """The row of one case, measured for one round without torch, and all that was said."""
    path = os.path.join(os.environ.get("TEST_TMPDIR", "/tmp"), "bench.json")
    done = bench("--filter", name, "--rounds", "1", "--json", path, **environment)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout and "n/a: torch" in done.stdout, done.stdout
    with open(path) as file:
        written = json.load(file)
    written["text"] = done.stdout
    return next(row for row in written["cases"] if row["case"] == name), written


class Bench(unittest.TestCase):
    def test_lists_each_case_once(self):
        names = bench("--list").stdout.split()
        self.assertIn("op/add/64", names)
        self.assertEqual(len(names), len(set(names)))

    def test_says_nothing_of_a_peer_that_is_absent(self):
        row, _ = measure("op/add/64")
        self.assertEqual({"case", "ours", "peer", "unit", "ratio"}, set(row))
        self.assertEqual((None, None, "ns"), (row["peer"], row["ratio"], row["unit"]))
        self.assertGreater(row["ours"], 0)

    def test_ratio_is_of_times_where_figures_are_rates(self):
        row, written = measure("gemm/f32/64")
        self.assertEqual("GFLOP/s", row["unit"])
        self.assertAlmostEqual(row["peer"] / row["ours"], row["ratio"])
        self.assertTrue(any("OpenBLAS" in version for version in written["versions"]))

    def test_measures_devices_beside_their_bare_interface(self):
        for peer, goal in [("OpenCL", 1.5), ("Vulkan", 1.4)]:
            row, written = measure(f"{peer.lower()}/op/queued")
            if row["ours"] is None:
                self.assertIn("skipped: no device", written["text"])
                continue  # not on this machine
            self.assertEqual(("us", goal), (row["unit"], row["goal"]))
            self.assertAlmostEqual(row["ours"] / row["peer"], row["ratio"])
            self.assertTrue(any(f"bare {peer} on" in version for version in written["versions"]))

    def test_skips_what_has_no_device(self):
        for name, variable in [("opencl/op/queued", "OCL_ICD_VENDORS"),
                               ("vulkan/op/queued", "VK_ICD_FILENAMES")]:
            row, written = measure(name, **{variable: "/no/such/driver"})
            self.assertEqual({"case": name, "ours": None, "peer": None, "unit": "us",
                              "ratio": None}, row)
            self.assertRegex(written["text"], f"{name}.*skipped: no device")
            self.assertIn("0 of 0 goals met", written["text"])

    def test_size_is_judged_by_its_limit(self):
        row, _ = measure("start/size")
        self.assertEqual({"case", "ours", "peer", "unit", "ratio", "goal"}, set(row))
        self.assertEqual((3, "MB", 1), (row["peer"], row["unit"], row["goal"]))

    def test_says_what_is_wrong(self):
        for args, text in [(["--filter", "nothing"], "no case has"), (["--round", "0"], "--help"),
                           (["--json", "/no/such/folder"], "cannot write")]:
            done = bench(*args)
            self.assertEqual(2, done.returncode)
            self.assertIn(text, done.stderr)
            self.assertEqual("", done.stdout)


unittest.main()
