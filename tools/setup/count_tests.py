#!/usr/bin/env python3
"""Counts test cases of one `bazel test` run and prints a summary; the last line is `N passed, N
failed[, N skipped]`.

Reads the run's build event file (--build_event_json_file), so that only targets of that run count,
never old logs. Cases come from each target's test.xml (JUnit). A target without case detail is one
case; a target that could not be built or did not run is one failed case. Exit code 1 when anything
failed or nothing passed.
"""

import collections
import json
import pathlib
import sys
import urllib.parse
import xml.etree.ElementTree as ET

Result = collections.namedtuple("Result", "passed failed skipped failures")


def read_events(path):
    """Events of the file; a line cut short by a killed build ends the list."""
    events = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                events.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return events


def case_outcome(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if (case.find("skipped") is not None or case.get("status") == "notrun" or
            case.get("result") in ("skipped", "suppressed")):
        return "skipped"
    return "passed"


def count_cases(xml_path, label, passed):
    """Cases of one test.xml. Bazel writes a file with one case of the target's own name where the test writes none."""
    try:
        cases = list(ET.parse(xml_path).getroot().iter("testcase")) if xml_path else []
    except (OSError, ET.ParseError):
        cases = []
    outcomes = collections.Counter()
    failures = []
    for case in cases:
        outcome = case_outcome(case)
        outcomes[outcome] += 1
        if outcome == "failed":
            suite = case.get("classname")
            failures.append(label + " " + (suite + "." if suite else "") + case.get("name", "?"))
    if passed and not cases:
        outcomes["passed"] = 1
    if not passed and not outcomes["failed"]:
        # Crashed, timed out, or exited with an error after its last case.
        outcomes["failed"] = 1
        failures.append(label)
    return Result(outcomes["passed"], outcomes["failed"], outcomes["skipped"], failures)


def local_path(uri):
    return pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(uri).path))


def tally(events):
    """Maps each test target of the run, and each target that could not be built, to its Result."""
    expected = set()  # test targets that Bazel meant to run
    attempts = {}     # label -> {(run, shard): (attempt, status, xml) of the last attempt}
    not_built = {}    # label -> reason
    for event in events:
        for kind, ident in event.get("id", {}).items():
            if kind == "targetCompleted":
                children = event.get("children", [])
                expected.update(c["testSummary"]["label"] for c in children if "testSummary" in c)
                if not event.get("completed", {}).get("success"):
                    not_built[ident["label"]] = "failed to build"
            elif kind == "testResult":
                result = event.get("testResult", {})
                outputs = result.get("testActionOutput", [])
                xml = [o["uri"] for o in outputs if o.get("name") == "test.xml" and "uri" in o]
                slot = attempts.setdefault(ident["label"], {})
                place = (ident.get("run", 1), ident.get("shard", 1))
                attempt = ident.get("attempt", 1)
                if place not in slot or attempt >= slot[place][0]:
                    slot[place] = (attempt, result.get("status"), local_path(xml[0]) if xml else None)
            elif kind in ("pattern", "unconfiguredLabel") and "aborted" in event:
                name = ident.get("label") or " ".join(ident.get("pattern", []))
                not_built[name] = "could not be loaded"

    results = {}
    for label, places in attempts.items():
        parts = [count_cases(xml, label, status == "PASSED") for _, status, xml in places.values()]
        results[label] = Result(*[sum(column, type(column[0])()) for column in zip(*parts)])
    for label, reason in not_built.items():
        results.setdefault(label, Result(0, 1, 0, [f"{label} ({reason})"]))
    for label in expected:  # nothing was heard of it
        results.setdefault(label, Result(0, 1, 0, [f"{label} (did not run)"]))
    return results


def main(argv):
    if len(argv) != 3:
        print("usage: count_tests.py EVENTS.json BAZEL_EXIT_CODE", file=sys.stderr)
        return 2
    results = tally(read_events(argv[1]))
    failed = sum(r.failed for r in results.values())
    # 0: all passed. 3: some tests failed. 4: no tests. Anything else failed before or beside the
    # tests.
    if argv[2] not in ("0", "4") and not failed:
        results["bazel"] = Result(0, 1, 0, [f"bazel ended with exit code {argv[2]}; see its messages above"])
        failed = 1
    passed = sum(r.passed for r in results.values())
    skipped = sum(r.skipped for r in results.values())
    for label in sorted(results):
        for failure in results[label].failures:
            print("FAILED  " + failure)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
