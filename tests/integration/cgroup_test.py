"""The cgroup collector on the kernel that is here: groups that this test makes, in the hierarchies
that exist (version 1, 2 or both), throttled and out of memory on purpose, read by the binary."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import unittest

import support

QUOTA_US, PERIOD_US = 20_000, 100_000
LIMIT = 32 << 20
PYTHON = "/usr/bin/python3"
HOG = "a = []\nwhile True: a.append(bytearray(b'x') * (1 << 20))"


def mounts():
    """Mount points by controller; version 2 is ''."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, after = line.split(" - ", 1)
        kind, _, options = after.split(" ", 2)
        root, point = before.split(" ")[3:5]
        if not kind.startswith("cgroup") or root != "/":
            continue
        for name in [""] if kind == "cgroup2" else options.split(","):
            found.setdefault(name, pathlib.Path(point))
    return found


class Group:
    """One path in every hierarchy that has controllers, or version 2; removed at the end."""

    def __init__(self, name):
        self.path = f"/sidecar-{name}-{os.getpid()}"
        self.directories = {}
        where = mounts()
        try:
            if "" in where:
                self._make("", where[""])
            for controller in ("cpu", "cpuacct", "memory", "pids", "blkio"):
                if controller in where:
                    self._make(controller, where[controller])
        except BaseException:
            self.remove()
            raise

    def _make(self, controller, mount):
        directory = mount / self.path[1:]
        if not controller:
            # What version 1 has not taken; none of it is no reason not to have the group.
            for name in ("cpu", "memory", "pids", "io"):
                with contextlib.suppress(OSError):
                    (mount / "cgroup.subtree_control").write_text(f"+{name}")
        try:
            directory.mkdir(exist_ok=True)
        except OSError as error:
            support.optional(f"no control group can be made in {mount}: {error.strerror}")
        self.directories[controller] = directory

    def set(self, files, value):
        """Writes the first of the files that there is, or says what this kernel lacks."""
        for file in files:
            for directory in self.directories.values():
                if (directory / file).exists():
                    (directory / file).write_text(str(value))
                    return
        support.optional(f"no control group here has {' or '.join(files)}")

    def limit_cpu(self):
        if "cpu" in self.directories:
            self.set(["cpu.cfs_period_us"], PERIOD_US)
            self.set(["cpu.cfs_quota_us"], QUOTA_US)
        else:
            self.set(["cpu.max"], f"{QUOTA_US} {PERIOD_US}")

    def limit_memory(self, limit=LIMIT):
        self.set(["memory.limit_in_bytes", "memory.max"], limit)

    def enter(self):
        """For preexec_fn."""
        for directory in self.directories.values():
            (directory / "cgroup.procs").write_text("0")

    def start(self, *command, **options):
        return subprocess.Popen([str(part) for part in command], preexec_fn=self.enter,
                                stdin=subprocess.DEVNULL, **options)

    def pids(self):
        found = set()
        for directory in self.directories.values():
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (directory / "cgroup.procs").read_text().split()}
        return found

    def remove(self):
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for directory in self.directories.values():
            for _ in range(200):
                try:
                    directory.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait(15)


@contextlib.contextmanager
def configured(text):
    with support.scratch() as folder:
        folder.chmod(0o755)  # another user reads it too
        (folder / "c.toml").write_text("[host.collectors]\ndisable_defaults = true\n"
                                       "[host.collectors.cgroup]\nenabled = true\n" + text)
        yield f"--config.file={folder / 'c.toml'}"


def only(*groups):
    return "siblings = false\n" + "".join(
        f"[[host.collectors.cgroup.paths]]\npath = \"{group.path}\"\ncontainer = \"{name}\"\n"
        for name, group in groups)


@unittest.skipUnless(os.geteuid() == 0, "optional: control groups are root's to make")
class Cgroup(unittest.TestCase):
    def of(self, exporter, name, **labels):
        text = exporter.scrape().text
        self.assertEqual(support.successes(text)["cgroup"], 1, text)
        return support.value(text, name, **labels)

    def test_a_busy_loop_above_its_quota_is_seen_throttled(self):
        with Group("cpu") as group:
            group.limit_cpu()
            with configured(only(("busy", group))) as flag, support.exporter(flag) as exporter:
                busy = group.start(PYTHON, "-c", "while True: pass")
                try:
                    support.wait_for(lambda: (self.of(
                        exporter, "container_cpu_cfs_throttled_periods_total",
                        container="busy") or 0) >= 3, 60, "three throttled periods")
                    text = exporter.scrape().text
                finally:
                    end(busy)

        def value(name, **labels):
            return support.value(text, name, container="busy", id=group.path, **labels)

        self.assertEqual(value("container_spec_cpu_quota"), QUOTA_US)
        self.assertEqual(value("container_spec_cpu_period"), PERIOD_US)
        self.assertGreaterEqual(value("container_cpu_cfs_periods_total"),
                                value("container_cpu_cfs_throttled_periods_total"))
        self.assertGreater(value("container_cpu_cfs_throttled_seconds_total"), 0)
        self.assertGreater(value("container_cpu_usage_seconds_total", cpu="total"), 0)
        self.assertEqual(value("container_processes"), 1)
        self.assertGreater(value("container_start_time_seconds"), time.time() - 300)

    def test_an_out_of_memory_kill_is_counted_and_the_limit_is_shown(self):
        with Group("memory") as group:
            group.limit_memory()
            # Swap would only delay the end. (A memsw limit would count its failures elsewhere.)
            for file in ("memory.swappiness", "memory.swap.max"):
                with contextlib.suppress(OSError, unittest.SkipTest):
                    group.set([file], 0)
            with configured(only(("hog", group))) as flag, support.exporter(flag) as exporter:
                before = self.of(exporter, "container_oom_events_total", container="hog")
                hog = group.start(PYTHON, "-c", HOG)
                try:
                    self.assertEqual(hog.wait(60), -signal.SIGKILL)
                finally:
                    end(hog)
                text = exporter.scrape().text

        def value(name):
            return support.value(text, name, container="hog", id=group.path)

        self.assertEqual(before, 0)
        self.assertEqual(value("container_oom_events_total"), 1)
        self.assertEqual(value("container_spec_memory_limit_bytes"), LIMIT)
        self.assertGreater(value("container_memory_failcnt"), 0)
        self.assertGreater(value("container_memory_failures_total"), 0)
        self.assertLessEqual(value("container_memory_usage_bytes"), LIMIT)
        self.assertGreater(value("container_memory_max_usage_bytes"), LIMIT // 2)

    def test_a_group_made_anew_under_its_path_is_another_one(self):
        name = "container_cpu_usage_seconds_total"
        group = Group("again")
        self.addCleanup(lambda: group.remove())  # the last one that was made
        with configured(only(("again", group))) as flag, support.exporter(flag) as exporter:
            group.start(PYTHON, "-c", "sum(range(3_000_000))").wait(60)
            used = self.of(exporter, name, container="again")
            if used is None:
                support.optional("no control group here counts CPU time")
            group.remove()
            self.assertIsNone(self.of(exporter, name, container="again"))
            self.assertEqual(self.of(exporter, "cgroup_unread_containers", reason="absent"), 1)
            group = Group("again")
            self.assertLess(self.of(exporter, name, container="again"), used)


def namespaced(group, command):
    """`command` in the group, in cgroup and mount namespaces of its own, with its control groups
    mounted as a container runtime does: it sees its own alone. The PID namespace is the pod's."""
    script = []
    for controller in group.directories:
        point = mounts()[controller]
        kind, options = ("cgroup", f"-o {controller}") if controller else ("cgroup2", "")
        script.append(f"umount {point} && mount -t {kind} {options} none {point}")
    script.append("exec " + " ".join(f"'{part}'" for part in command))
    return group.start("unshare", "-C", "-m", "--propagation", "private", "sh", "-ec",
                       "\n".join(script), stderr=subprocess.PIPE)


@unittest.skipUnless(os.geteuid() == 0, "optional: namespaces are root's to make")
class Siblings(unittest.TestCase):
    """Two containers of a pod that share their processes: one runs the exporter."""

    def setUp(self):
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.db, self.own = (stack.enter_context(Group(name)) for name in ("db", "own"))
        self.db.limit_memory(LIMIT)
        self.own.limit_memory(512 << 20)
        self.stack = stack

    def neighbour(self):
        process = namespaced(self.db, ["sleep", "300"])
        self.stack.callback(end, process)
        self.stack.callback(process.stderr.close)

        def sleeps():
            if process.poll() is not None:
                support.optional("unshare -C -m with own mounts of control groups: " +
                                 process.stderr.read().decode("utf-8", "replace").strip())
            with contextlib.suppress(OSError):
                return pathlib.Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n"
            return False

        support.wait_for(sleeps, 20, "the neighbour sleeps")
        return process

    def exporter(self, *command):
        port = support.free_port()
        # Those of the test's own two groups alone: the machine may have hundreds.
        flag = self.stack.enter_context(configured(
            "id_include = \"^self$|/sidecar-db-\"\ncontainer_from = \"comm\"\n"))
        process = namespaced(self.own, [*command, support.binary("host-exporter"), flag,
                                              f"--web.listen-address=127.0.0.1:{port}"])
        self.stack.callback(end, process)
        self.stack.callback(process.stderr.close)

        def answers():
            if process.poll() is not None:
                raise AssertionError(process.stderr.read().decode("utf-8", "replace"))
            try:
                return support.request(port)
            except OSError:
                return None

        return support.wait_for(answers, 20, "the exporter answers").text

    def test_the_ones_limits_are_read_by_the_other_through_its_root(self):
        self.neighbour()
        text = self.exporter()
        self.assertEqual(support.successes(text)["cgroup"], 1, text)
        db = support.value(text, "container_spec_memory_limit_bytes", container="sleep")
        own = support.value(text, "container_spec_memory_limit_bytes", id="self")
        self.assertEqual((db, own), (LIMIT, 512 << 20), text)
        found = [dict(labels)["id"] for (_, labels) in
                 support.parse(text)["container_spec_memory_limit_bytes"].samples]
        # Seen from its own namespace the neighbour is outside.
        self.assertIn("/.." + self.db.path, found)

    def test_another_users_is_counted_and_no_fault(self):
        self.neighbour()
        readable = support.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                support.binary("host-exporter"), "--version"])
        if readable.returncode != 0:
            support.optional("user 65534 cannot run the binary where it is: " +
                             (readable.stderr or "no setpriv").strip())
        text = self.exporter("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                             "--inh-caps=-all", "--bounding-set=-all")
        self.assertEqual(support.successes(text)["cgroup"], 1, text)
        self.assertIsNone(support.value(text, "container_spec_memory_limit_bytes",
                                        container="sleep"))
        self.assertEqual(support.value(text, "cgroup_unread_containers", reason="denied"), 1, text)


if __name__ == "__main__":
    unittest.main()
