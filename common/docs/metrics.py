#!/usr/bin/python3
"""The metric reference (metrics.md), from where each is declared: C++ and collectors in TOML.

    common/docs/metrics.py            writes metrics.md beside itself
    common/docs/metrics.py --check    ends with 1 if it is not what would be written
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = pathlib.Path(__file__).resolve().with_suffix(".md")
HEAD = """# Metrics

Made by `common/docs/metrics.py` from where each metric is declared; the file in the last column is
the one to read. Which collectors run by default, and what each needs, say the READMEs of
[host](../../exporters/host/README.md) and [temporal](../../exporters/temporal/README.md), and for
PostgreSQL the table at the end. "…" stands for labels made where the metric
is counted: `exporter`, and those that the help names.
"""
PARTS = (("Host", "exporters/host"), ("PostgreSQL", "exporters/postgres"),
         ("Temporal", "exporters/temporal"), ("Every exporter", "common"))
# Whose names are those of the kernel, of the server or of a file: one row each.
OPEN = {
    "common/collect/self_metrics.cc": "`node_`, `pg_`, `temporal_` with "
                                      "`scrape_collector_success` and `…_duration_seconds`",
    "exporters/host/collectors/meminfo.cc": "`node_memory_*`: one of each line of /proc/meminfo",
    "exporters/host/collectors/vmstat.cc": "`node_vmstat_*`: one of each chosen line of "
                                           "/proc/vmstat",
    "exporters/host/foreign_metrics.cc": "what the textfiles hold",
    "exporters/postgres/collectors/settings.cc": "`pg_settings_*`: one of each numeric setting",
    "exporters/postgres/query_rows.cc": "what the users' own queries name",
}
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
KINDS = r"(?:Gauge|Counter|Histogram|Make<Kind::k\w+>)"
CALL = re.compile(r"\b(" + KINDS + r"|\w+)\(\s*(?=\")")
# consteval auto DiskCounter(const char* name, const char* help) {
#   return Counter(name, help, "device");
SHORT = re.compile(r"consteval \w+ (\w+)\(const char\* name, const char\* help[^)]*\) \{\s*"
                   r"return \{?(" + KINDS + r")\(name, help((?:, \"\w+\")*)\)")


# What an exporter counts of itself is prometheus-cpp's, by its builders or a short form of one.
BUILT = re.compile(r"Build(\w+)\(\)\s*\.Name\((?=\")")
SELF = {"AddFamily": "counter", "Counters": "counter", "gauge": "gauge"}
SHORT_OF_SELF = re.compile(r"\b(" + "|".join(SELF) +
                           r")\((?:registry, )?(?=\"(?:sidecar|temporal)_)")


def strings(text, at):
    """The string literals that a call's arguments begin with, neighbours joined."""
    found, joined = [], None
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif literal := STRING.match(text, at):
            joined = (joined or "") + literal[1].replace('\\"', '"').replace("\\\\", "\\")
            at = literal.end()
        else:
            if joined is not None:
                found.append(joined)
            if text[at] != "," or joined is None:
                break
            joined, at = None, at + 1
    return found


def declared(path):
    """(name, type, labels, help) of each family of a C++ file."""
    text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.M)  # a comment's is an example
    short = {name: (kind, STRING.findall(labels)) for name, kind, labels in SHORT.findall(text)}
    for call in CALL.finditer(text):
        kind, more = short.get(call[1], (call[1], []))
        found = strings(text, call.end())
        if re.fullmatch(KINDS, kind) and len(found) > 1:
            name, description, *labels = found
            kind = kind.removeprefix("Make<Kind::k").rstrip(">").lower()
            yield name, kind, labels + more, description
    for built in BUILT.finditer(text):
        name, = strings(text, built.end())
        description = strings(text, text.index(".Help(", built.end()) + len(".Help("))[0]
        yield name, built[1].lower(), ["…"], description
    for call in SHORT_OF_SELF.finditer(text):
        name, description = strings(text, call.end())
        yield name, SELF[call[1]], ["…"], description


def collected(path):
    """Likewise of a collector in TOML."""
    for query in tomllib.loads(path.read_text())["postgres"]["queries"]:
        extra = ["datname"] if query.get("scope") == "database" and query.get(
            "database_label", True) else []
        for metric in query.get("metrics", ()):
            own = metric.get("labels", query.get("labels", ()))
            labels = extra + [label for label in own if label not in extra]
            yield metric["name"], metric["type"], labels, metric["help"]


def sources(folder):
    for path in sorted((ROOT / folder).rglob("*")):
        if path.suffix in (".cc", ".h", ".toml"):
            yield path


def rows(folder):
    for path in sources(folder):
        place = path.relative_to(ROOT).as_posix()
        link = f"[{path.parent.name}/{path.name}](../../{place})"
        read = collected if path.suffix == ".toml" else declared
        for name, kind, labels, text in read(path):
            shown = ", ".join(f"`{label}`" for label in labels)
            text = text.replace("|", "\\|")
            yield name, f"| `{name}` | {kind} | {shown} | {text} | {link} |"
        if place in OPEN:
            yield "~", f"| {OPEN[place]} |  |  |  | {link} |"


def reference():
    text = HEAD
    for title, folder in PARTS:
        lines = [line for _, line in sorted(set(rows(folder)))]
        text += f"\n## {title}\n\n| metric | type | labels | help | declared in |\n"
        text += "|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    return text + collectors()


def collectors():
    """What each collector in TOML is for, and what it needs."""
    text = "\n## Collectors of PostgreSQL\n\n| collector | what | needs | read |\n|---|---|---|---|\n"
    for path in sorted((ROOT / "exporters/postgres/collectors").glob("*.toml")):
        for query in tomllib.loads(path.read_text())["postgres"]["queries"]:
            needs = [f"a role in `{query['privilege']}`"] if "privilege" in query else []
            needs += [f"extension `{query['extension']}`"] if "extension" in query else []
            if "versions" in query and "extension" not in query:
                needs.append(f"PostgreSQL {query['versions']}")
            needs += [] if query.get("on_by_default", True) else ["to be switched on"]
            interval = query.get("interval")
            read = f"every {interval}" if interval else "in each scrape"
            if "login_interval" in query:
                read += f" ({query['login_interval']} where it costs a login)"
            read += ", in every database" if query.get("scope") == "database" else ""
            text += (f"| `{query['name']}` | {query['summary']} | {', '.join(needs)} | {read} |\n")
    return text


def missing(made):
    """Families of the goldens that it does not have, but for those that OPEN speaks of."""
    known = set(re.findall(r"^\| `(\w+)`", made, re.M))
    open_names = re.compile(r"node_memory_|node_vmstat_|pg_settings_")
    for golden in sorted((ROOT / "tests/golden").glob("*/*.prom")):
        if golden.parent.name in ("host", "postgres", "temporal") and "textfile" not in golden.name:
            for name in re.findall(r"^# TYPE (\S+)", golden.read_text(), re.M):
                if name not in known and not open_names.match(name):
                    yield f"{golden.relative_to(ROOT)}: {name} is not in the reference"


def main():
    made = reference()
    if sys.argv[1:] == ["--check"]:
        faults = list(missing(made))
        if not OUT.exists() or OUT.read_text() != made:
            faults.append(f"{OUT.relative_to(ROOT)}: not current; run common/docs/metrics.py")
        if faults:
            sys.exit("\n".join(faults))
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        OUT.write_text(made)


if __name__ == "__main__":
    main()
