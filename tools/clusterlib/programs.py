"""Which program an instance runs, and how: a variant of this tree's build, valgrind in front of one, or another tree's build.

The variant of the whole cluster is TRUNKLINE_VARIANT; `--program NAME=WHAT` (a service or an instance; release, asan, tsan,
valgrind, or the bin directory of another tree) chooses for one, and is remembered in programs.json beside cluster.json.
"""
import hashlib
import importlib
import importlib.util
import json
import os
import pathlib
import re
import sys

from .plan import ROOT, EVERY, ClusterError, service_of, write_private

VARIANTS = ("release", "asan", "tsan", "valgrind")
# How much slower than the release build: tests and waits are given so many times longer (TRUNKLINE_PATIENCE).
PATIENCE = {"asan": 3, "tsan": 6, "valgrind": 10}
SUPPRESSIONS = ROOT / "tools" / "sanitizers"
CHOICES = "programs.json"

ENVIRONMENT = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:exitcode=77",
             "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}/lsan.supp:print_suppressions=0:exitcode=77",
             "UBSAN_OPTIONS": "print_stacktrace=1"},
    "tsan": {"TSAN_OPTIONS": f"suppressions={SUPPRESSIONS}/tsan.supp:exitcode=66:halt_on_error=0:second_deadlock_stack=1:history_size=4"},
    "valgrind": {},
}
VALGRIND = ["valgrind", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
            f"--suppressions={SUPPRESSIONS}/valgrind.supp", "--num-callers=40", "--fair-sched=yes", "--gen-suppressions=all"]

# What a log may not hold: reports of sanitizers and valgrind (whose last line counts its errors), and in the supervisor's deaths by a signal nobody sent.
REPORT = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|AddressSanitizer:DEADLYSIGNAL|: runtime error: |"
                    r"ERROR SUMMARY: [1-9]|Assertion .* failed")
CRASH = re.compile(r" (\S+): (?:pid \d+ ended after .*: (?:signal SIG(?:SEGV|ABRT|BUS|ILL|FPE|SYS)|exit (?:66|77|99))|did not stop in .*)$")


def choices(plan):
    try:
        return json.loads(plan.path(CHOICES).read_text())
    except FileNotFoundError:
        return {}


def choose(plan, settings):
    """--program NAME=WHAT…; without any, those of last time stay. NAME= takes it back."""
    chosen = choices(plan)
    for s in settings or []:
        name, eq, what = s.partition("=")
        if not eq or name not in {x for pair in EVERY for x in pair}:
            raise ClusterError(f"--program {s!r}: wanted a service or an instance, '=', and one of {', '.join(VARIANTS)} or a directory")
        if what and what not in VARIANTS and not os.path.isdir(what):
            raise ClusterError(f"--program {s!r}: {what!r} is neither one of {', '.join(VARIANTS)} nor a directory of programs")
        chosen.pop(name, None)
        if what:
            chosen[name] = what if what in VARIANTS else str(pathlib.Path(what).absolute())
    write_private(plan.path(CHOICES), json.dumps(chosen, indent=1) + "\n")


def what(plan, instance):
    chosen = choices(plan)
    return chosen.get(instance) or chosen.get(service_of(instance)) or plan.variant


def directory(plan, instance):
    w = what(plan, instance)
    if w not in VARIANTS:
        return pathlib.Path(w)
    return ROOT / "build" / ("release" if w == "valgrind" else w) / "bin"


def binary(plan, instance):
    return directory(plan, instance) / f"trunkline-{service_of(instance)}"


def built(plan, instance):
    return os.access(binary(plan, instance), os.X_OK)


def spec(plan, instance, arguments):
    """What the supervisor starts."""
    w = what(plan, instance)
    argv = [str(binary(plan, instance)), *arguments]
    return {"argv": VALGRIND + argv if w == "valgrind" else argv, "env": ENVIRONMENT.get(w, {})}


def services_of_its_tree(plan, instance):
    """The module services of the tree that an instance's programs come from: another version has other settings. None: ours."""
    package = directory(plan, instance).parent.parent.parent / "tools" / "clusterlib"
    if what(plan, instance) in VARIANTS or not (package / "services.py").exists():
        return None
    name = "clusterlib_" + hashlib.sha256(str(package).encode()).hexdigest()[:12]
    if name not in sys.modules:
        spec_ = importlib.util.spec_from_file_location(name, package / "__init__.py", submodule_search_locations=[str(package)])
        sys.modules[name] = importlib.util.module_from_spec(spec_)
        spec_.loader.exec_module(sys.modules[name])
    return importlib.import_module(name + ".services")


def patience(variant=None):
    """By how much waits are stretched: what TRUNKLINE_PATIENCE says, or what the variant needs."""
    variant = variant or os.environ.get("TRUNKLINE_VARIANT", "")
    return float(os.environ.get("TRUNKLINE_PATIENCE") or PATIENCE.get(variant, 1))


def findings(plan):
    """[(component, text)]: reports of sanitizers, crashes, services that had to be killed when they were asked to end."""
    out = []
    for path in sorted(plan.path("log").glob("*.log*")):
        component = path.name.split(".log")[0]
        lines = path.read_text(errors="replace").splitlines()
        for n, line in enumerate(lines):
            if component == "supervisor":
                m = CRASH.search(line)
                if m and service_of(m.group(1)):
                    out.append((m.group(1), line))
            elif service_of(component) and REPORT.search(line):
                out.append((component, "\n".join(lines[max(0, n - 2):n + 40])))
    return out
