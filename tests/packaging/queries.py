#!/usr/bin/python3
"""Every PromQL expression that this tree ships: dashboards and rules.

    for query in shipped(): query.origin, query.expression, query.metrics

Run by itself it asks a Prometheus, such as the quickstart's, and tells what had no answer:

    tests/packaging/queries.py http://127.0.0.1:9090
"""

import dataclasses
import json
import pathlib
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import yaml

import support

DASHBOARDS = sorted((support.ROOT / "deploy/grafana").glob("*.json"))
RULES = sorted((support.ROOT / "deploy/prometheus/rules").glob("*.yml"))

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'")
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\S+")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][a-zA-Z0-9_:]*)(?![\w:]*\s*\()")
_WORDS = {"and", "or", "unless", "bool", "group_left", "group_right", "on", "ignoring", "inf",
          "nan", "by", "without", "offset"}


@dataclasses.dataclass
class Query:
    origin: str
    expression: str
    alert: bool = False

    @property
    def metrics(self):
        return metrics(self.expression)


def metrics(expression):
    """The names of the metrics that an expression selects."""
    named = re.findall(r'__name__="([^"]*)"', expression)
    for pattern in re.findall(r'__name__=~"([^"]*)"', expression):
        choice = re.match(r"\(([\w|]+)\)(\w+)$", pattern)
        named += [part + choice[2] for part in choice[1].split("|")] if choice else []
    text = _STRING.sub('""', expression)
    text = re.sub(r"\{[^}]*\}", " ", text)
    text = _RANGE.sub(" ", _GROUPING.sub(" ", text))
    return sorted({*named, *(name for name in _NAME.findall(text) if name not in _WORDS)})


def concrete(expression):
    """With values in place of a dashboard's variables: everything, over five minutes."""
    expression = expression.replace("$time_range", "5m")
    return re.sub(r'=~"\$\w+"', '=~".*"', expression)


def ask(prometheus, expression):
    """The result of an instant query; a str is Prometheus' complaint."""
    url = f"{prometheus}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return json.load(reply)["data"]["result"]
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]


def unanswered(prometheus):
    """(origin, expression) of what finds no data: of a panel and a recording rule the expression
    itself; of an alert, which finds none while all is well, each metric that it reads."""
    for query in shipped():
        for expression in query.metrics if query.alert else [query.expression]:
            answer = ask(prometheus, expression)
            numbers = [] if isinstance(answer, str) else [row["value"][1] for row in answer]
            if all(number == "NaN" for number in numbers):
                yield query.origin, answer if isinstance(answer, str) else expression


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def shipped():
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in panels(dashboard):
            for target in panel.get("targets", []):
                yield Query(f"{path.name}: {panel['title']}", concrete(target["expr"]))
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or rule["record"]
                yield Query(f"{path.name}: {name}", rule["expr"], "alert" in rule)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: tests/packaging/queries.py URL of a Prometheus")
    missing = list(unanswered(sys.argv[1]))
    for origin, expression in missing:
        print(f"{origin}\n    {expression}")
    print(f"{len(list(shipped()))} expressions, {len(missing)} without data")


if __name__ == "__main__":
    main()
