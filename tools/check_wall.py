#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The wall, checked on what was built.

  check_wall.py BUILD              every object compiled for a cell (-DBH_CELL=1) and every *.cell program:
                                     1. leaves undefined only what its layers below define (core below drivers below apps)
                                     2. includes our headers and the compiler's own, no libc header
                                     3. contains no system call instruction, unless it belongs to boot/
  check_wall.py BUILD --self-test  the check itself: objects that break each rule, and the test cell that makes system
                                   calls on purpose, must all be found

Instructions are decoded by objdump, not searched as bytes. Exit code: 0 the wall stands, 1 it does not, 2 cannot check.
"""
import collections
import functools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

# Made by the linker, or written by the cell's author.
LINKER_SYMBOLS = {"_GLOBAL_OFFSET_TABLE_", "_DYNAMIC", "__ehdr_start", "__start_bh_log_sites", "__stop_bh_log_sites"}
AUTHOR_SYMBOLS = {"cell_main"}
# Which layers an object may lean on, beside its own target.
LAYERS = {"core": [], "boot": ["core"], "drivers": ["core"], "apps": ["core", "drivers"], "examples": ["core", "drivers"],
          "tests": ["core", "drivers"]}
SYSTEM_CALL = re.compile(r"^(syscall|sysenter|int\s+\$0x80)\b")
# Cells that break the wall on purpose, for the component tests.
ON_PURPOSE = ("tests/cells/misbehave", "tests/cells/foreign")


def breaks_on_purpose(path):
    return any(name in path for name in ON_PURPOSE)


Unit = collections.namedtuple("Unit", "source object target layer command directory")


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"check_wall: {shlex.join(command)}\n{done.stderr}")
    return done.stdout


def cell_units(build, root):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    units = []
    for entry in entries:
        command = shlex.split(entry["command"])
        if "-DBH_CELL=1" not in command:
            continue
        source = os.path.relpath(os.path.join(entry["directory"], entry["file"]), root)
        output = os.path.join(entry["directory"], entry["output"])
        units.append(Unit(source, output, os.path.dirname(output), source.split("/")[0], command, entry["directory"]))
    return units


@functools.lru_cache(maxsize=None)
def symbols(path, *options):
    return {line.split()[-1] for line in run(["nm", *options, path]).splitlines() if line.split()}


def undefined_beyond(unit, defined_by_target, defined_by_layer):
    allowed = set(LINKER_SYMBOLS) | defined_by_target[unit.target]
    if unit.layer == "core":
        allowed |= AUTHOR_SYMBOLS
    for layer in LAYERS.get(unit.layer, []):
        allowed |= defined_by_layer[layer]
    return symbols(unit.object, "-u") - allowed


def foreign_headers(unit, root, compiler_folder):
    """Headers that are neither ours nor the compiler's. By -H: dependency lists also name what was only asked for."""
    command = list(unit.command)
    for option in ("-o", "-MF", "-MQ"):
        while option in command:
            at = command.index(option)
            del command[at:at + 2]
    command = [word for word in command if word not in ("-c", "-MD")] + ["-E", "-H", "-o", os.devnull]
    done = subprocess.run(command, cwd=unit.directory, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"check_wall: {shlex.join(command)}\n{done.stderr}")
    headers = re.findall(r"^\.+ (.+)$", done.stderr, re.MULTILINE)
    paths = {os.path.realpath(os.path.join(unit.directory, header)) for header in headers}
    return sorted(path for path in paths if not path.startswith((root + os.sep, compiler_folder + os.sep)))


def system_calls(path):
    """(function, instruction) of each system call instruction."""
    found, function = [], "?"
    for line in run(["objdump", "-d", "--no-show-raw-insn", path]).splitlines():
        header = re.match(r"^[0-9a-f]+ <(.+)>:$", line)
        if header:
            function = header.group(1)
            continue
        instruction = line.split("\t", 1)[1].strip() if "\t" in line else ""
        if SYSTEM_CALL.match(instruction):
            found.append((function, instruction))
    return found


def check_units(units, all_units, root):
    compiler = next(word for word in all_units[0].command if "ccache" not in word)
    compiler_folder = os.path.realpath(run([compiler, "-print-file-name=include"]).strip())
    by_target, by_layer = collections.defaultdict(set), collections.defaultdict(set)
    for unit in all_units:
        defined = symbols(unit.object, "-g", "--defined-only")
        by_target[unit.target] |= defined
        by_layer[unit.layer] |= defined
    problems = []
    for unit in units:
        for name in sorted(undefined_beyond(unit, by_target, by_layer)):
            problems.append(f"{unit.source}: needs {name}, which nothing below {unit.layer}/ defines")
        for header in foreign_headers(unit, root, compiler_folder):
            problems.append(f"{unit.source}: includes {header}")
        if unit.layer != "boot":
            for function, instruction in system_calls(unit.object):
                problems.append(f"{unit.source}: {function} contains '{instruction}'")
    return problems


def check_program(path):
    problems = [f"{path}: leaves {name} undefined" for name in sorted(symbols(path, "-u"))]
    if "INTERP" in run(["readelf", "-lW", path]) or "(NEEDED)" in run(["readelf", "-dW", path]):
        problems.append(f"{path}: asks for a dynamic linker or a library")
    for function, instruction in system_calls(path):
        if not function.startswith("bh_boot_"):
            problems.append(f"{path}: {function} contains '{instruction}'")
    return problems


def cell_programs(build):
    found = []
    for folder, folders, files in os.walk(build):
        folders[:] = [name for name in folders if not name.endswith(".p")]
        found += [os.path.join(folder, name) for name in files if name.endswith(".cell")]
    return sorted(found)


def check(build, root):
    units = cell_units(build, root)
    if not units:
        sys.exit("check_wall: no object was compiled with -DBH_CELL=1")
    honest = [unit for unit in units if not unit.source.startswith(ON_PURPOSE)]
    programs = [path for path in cell_programs(build) if not breaks_on_purpose(path)]
    problems = check_units(honest, units, root)
    for path in programs:
        problems += check_program(path)
    for problem in problems:
        print(problem)
    calls = sum(len(system_calls(unit.object)) for unit in units if unit.layer == "boot")
    print(f"{len(honest)} objects and {len(programs)} cells: {len(problems)} breaches; "
          f"{calls} system call instructions, all in boot/" if not problems else f"{len(problems)} breaches")
    return 1 if problems else 0


BAD_SOURCES = {
    "libc_header": ("#include <string.h>\nint f(void);\nint f(void) { return 0; }\n", "/string.h"),
    "libc_function": ("int puts(const char *);\nint f(void);\nint f(void) { return puts(\"x\"); }\n", "needs puts"),
    "driver_function": ("int bh_nvme_open(void);\nint f(void);\nint f(void) { return bh_nvme_open(); }\n", "needs bh_nvme_open"),
    "syscall": ("int f(void);\nint f(void) { __asm__ volatile(\"syscall\"); return 0; }\n", "contains 'syscall'"),
    "sysenter": ("int f(void);\nint f(void) { __asm__ volatile(\"sysenter\"); return 0; }\n", "contains 'sysenter'"),
    "int80": ("int f(void);\nint f(void) { __asm__ volatile(\"int $0x80\"); return 0; }\n", "contains 'int"),
    # The bytes of a system call inside another instruction are none: this one must pass.
    "bytes_only": ("int f(void);\nint f(void) { int x; __asm__ volatile(\"movl $0x050f050f, %0\" : \"=r\"(x)); return x; }\n", None),
}


def compile_bad(folder, name, text, pattern):
    """An object like those of core/, with the same options, from another text."""
    source, target = os.path.join(folder, name + ".c"), os.path.join(folder, name + ".o")
    with open(source, "w", encoding="utf-8") as file:
        file.write(text)
    command = list(pattern.command)
    command[command.index("-o") + 1] = target
    command[command.index("-c") + 1] = source
    for option in ("-MF", "-MQ"):
        command[command.index(option) + 1] = target + ".d"
    run(command, cwd=pattern.directory)
    return Unit(name + ".c", target, target, "core", command, pattern.directory)


def self_test(build, root):
    units = cell_units(build, root)
    pattern = next(unit for unit in units if unit.layer == "core" and unit.source.endswith(".c"))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (text, expected) in BAD_SOURCES.items():
            bad = compile_bad(folder, name, text, pattern)
            problems = [line for line in check_units([bad], units + [bad], root) if folder not in line]
            good = not problems if expected is None else any(expected in line for line in problems)
            failures += not good
            print(f"{'ok  ' if good else 'FAIL'} {name}: {'; '.join(problems) or 'nothing found'}")
    for path in (path for path in cell_programs(build) if breaks_on_purpose(path)):
        problems = check_program(path)
        failures += not problems
        print(f"{'ok  ' if problems else 'FAIL'} {os.path.basename(path)}: {len(problems)} system call instructions found")
    return 1 if failures else 0


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--self-test"]):
        print(__doc__)
        return 2
    build = os.path.realpath(sys.argv[1])
    root = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
    return self_test(build, root) if sys.argv[2:] else check(build, root)


sys.exit(main())
