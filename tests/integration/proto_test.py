"""proto/ is Temporal's API: compared with the official definitions, which npm's
@temporalio/core-bridge carries, and with real histories, which that package has too."""

import os
import pathlib
import re
import shutil
import tarfile
import unittest

from support import ROOT, TOOLS, optional, run, scratch

PACKAGE = "@temporalio/core-bridge@1.24.0"
OURS = ROOT / "proto"


def official():
    """The unpacked package: its definitions and histories."""
    place = TOOLS / "core-bridge-1.24.0"
    done = place / ".complete"
    if done.exists():
        return place
    if shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            raise AssertionError("no npm: the official definitions cannot be had")
        optional("no npm: it has the official definitions")
    place.mkdir(parents=True, exist_ok=True)
    packed = run(["npm", "pack", "--silent", "--ignore-scripts", PACKAGE], timeout=300, cwd=place)
    if packed.returncode != 0:
        raise AssertionError(f"npm pack {PACKAGE}: {packed.stdout}{packed.stderr}")
    archive = place / packed.stdout.split()[-1]
    with tarfile.open(archive) as tar:
        members = [m for m in tar.getmembers()
                   if m.isfile() and (m.name.endswith(".proto") or "/histories/" in m.name)]
        for member in members:
            member.name = member.name.split("sdk-core/crates/")[-1]
            assert not pathlib.PurePath(member.name).is_absolute() and ".." not in member.name
            tar.extract(member, place)
    archive.unlink()
    done.touch()
    return place


def fields(data):
    """The fields of one message by number, each a list: ints for varints, bytes for the rest."""
    found, at = {}, 0

    def varint():
        nonlocal at
        result = shift = 0
        while True:
            byte = data[at]
            at += 1
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return result

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            item = varint()
        else:
            size = {1: 8, 5: 4}[kind] if kind != 2 else varint()
            item = data[at:at + size]
            if len(item) != size:
                raise ValueError("cut off")
            at += size
        found.setdefault(key >> 3, []).append(item)
    return found


def text(message, number):
    return message.get(number, [b""])[0].decode()


# Upstream's name for the package that C++ cannot spell.
def upstream(name):
    return name.replace("temporal.api.namespace_.", "temporal.api.namespace.")


class Definitions:
    """Messages, enums and methods of a set of .proto files, by full name."""

    def __init__(self, *roots, files):
        self.messages, self.enums, self.methods = {}, {}, {}
        with scratch() as place:
            done = run(["protoc", *(f"--proto_path={root}" for root in roots),
                        f"--descriptor_set_out={place / 'set'}", "--include_imports",
                        *sorted(str(file) for file in files)], timeout=120)
            if done.returncode != 0:
                raise AssertionError(done.stderr)
            for file in fields((place / "set").read_bytes())[1]:
                self._add_file(fields(file))

    def _add_file(self, file):
        package = "." + text(file, 2)
        for message in file.get(4, []):
            self._add_message(package, fields(message))
        for enum in file.get(5, []):
            self._add_enum(package, fields(enum))
        for service in map(fields, file.get(6, [])):
            for method in map(fields, service.get(2, [])):
                path = f"/{package[1:]}.{text(service, 1)}/{text(method, 1)}"
                self.methods[upstream(path)] = (
                    upstream(text(method, 2)), upstream(text(method, 3)),
                    method.get(5, [0])[0], method.get(6, [0])[0])

    def _add_message(self, scope, message):
        name = f"{scope}.{text(message, 1)}"
        oneofs = [text(fields(one), 1) for one in message.get(8, [])]
        known = {}
        for field in map(fields, message.get(2, [])):
            oneof = oneofs[field[9][0]] if 9 in field else None
            known[text(field, 1)] = {"number": field[3][0], "label": field[4][0],
                                     "type": field[5][0], "of": upstream(text(field, 6)),
                                     "oneof": oneof}
        self.messages[upstream(name)] = known
        for nested in message.get(3, []):
            self._add_message(name, fields(nested))
        for enum in message.get(4, []):
            self._add_enum(name, fields(enum))

    def _add_enum(self, scope, enum):
        values = {text(v, 1): v.get(2, [0])[0] for v in map(fields, enum.get(2, []))}
        self.enums[upstream(f"{scope}.{text(enum, 1)}")] = values

    def decode(self, name, data):
        """A message as {field: [value]}, by these definitions."""
        raw, known = fields(data), self.messages[name]
        result = {}
        for field, is_ in known.items():
            items = raw.get(is_["number"], [])
            if items:
                result[field] = [self.decode(is_["of"], item) if is_["type"] == 11 else item
                                 for item in items]
        return result


class Proto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = official()
        api = place / "protos/protos/api_upstream"
        others = place / "protos/protos"
        cls.official = Definitions(
            api, others,
            files=[*api.glob("temporal/api/*/v1/*.proto"), others / "grpc/health/v1/health.proto",
                   others / "google/rpc/status.proto"])
        cls.ours = Definitions(OURS, files=OURS.rglob("*.proto"))
        cls.histories = sorted(place.glob("sdk-core/tests/histories/*.bin"))

    def test_every_field_has_the_official_name_number_and_type(self):
        self.assertGreater(len(self.ours.messages), 50)
        for name, known in self.ours.messages.items():
            with self.subTest(name):
                self.assertLessEqual(known.items(), self.official.messages[name].items())

    def test_every_enum_value_has_the_official_name_and_number(self):
        self.assertGreater(len(self.ours.enums), 10)
        for name, values in self.ours.enums.items():
            with self.subTest(name):
                self.assertLessEqual(values.items(), self.official.enums[name].items())

    def test_every_method_has_the_official_path_and_messages(self):
        self.assertGreater(len(self.ours.methods), 8)
        for path, method in self.ours.methods.items():
            self.assertEqual(method, self.official.methods.get(path), path)

    def test_every_path_that_is_called_is_one_of_them(self):
        source = (ROOT / "exporters/temporal/frontend.cc").read_text()
        service = re.search(r'kService = "([^"]+)"', source).group(1)
        called = re.findall(r'^constexpr Rpc \w+\{(kService|"[^"]+"),\s*"(\w+)"', source, re.M)
        paths = {f"/{service if name == 'kService' else name[1:-1]}/{method}"
                 for name, method in called}
        self.assertEqual(paths, set(self.ours.methods))

    def test_no_definition_is_left_over(self):
        """Messages that no method reaches, but for the details of errors."""
        wanted = {"." + name for name in ("google.rpc.Status",)}
        wanted |= {name for name in self.ours.messages if ".errordetails." in name}
        for method in self.ours.methods.values():
            wanted |= set(method[:2])
        todo = list(wanted)
        while todo:
            for field in self.ours.messages[todo.pop()].values():
                if field["type"] == 11 and field["of"] not in wanted:
                    wanted.add(field["of"])
                    todo.append(field["of"])
        self.assertEqual(set(self.ours.messages), wanted)

    def test_real_histories_read_the_same(self):
        name = ".temporal.api.history.v1.History"
        self.assertGreater(len(self.histories), 10)
        kinds = set()
        for path in self.histories:
            data = path.read_bytes()
            ours, theirs = (side.decode(name, data) for side in (self.ours, self.official))
            self.assertEqual(ours, self.restricted(theirs, name), path.name)
            self.assertGreater(len(ours["events"]), 2, path.name)
            kinds |= {event["event_type"][0] for event in ours["events"]}
        self.assertGreater(len(kinds), 10)

    def restricted(self, message, name):
        """What of an official message the subset has."""
        known = self.ours.messages[name]
        return {field: [self.restricted(item, known[field]["of"])
                        if known[field]["type"] == 11 else item for item in items]
                for field, items in message.items() if field in known}


if __name__ == "__main__":
    unittest.main()
