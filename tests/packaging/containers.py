"""Runs a rendered container on the image's tree, as a kubelet would: its arguments, its mounts, its
user, a read-only root, no capability. Needs root, for the mounts; no container engine.

    trees = containers.Trees()
    with trees["host"].run(container, template, objects) as exporter: ...
    trees.remove()
"""

import os
import pathlib
import shutil
import tempfile
import time

import support

# Its own mounts go with the process. The root is made read-only last, like a container's.
SHELL = r"""
set -e
tree=$1; shift
mount --bind "$tree" "$tree"
mount -t proc -o nosuid,nodev,noexec proc "$tree/proc"
mount --rbind /sys "$tree/sys"
while [ "$1" != -- ]; do
  mount --rbind "$1" "$tree$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$tree$2"
  shift 3
done
shift
mount -o remount,bind,ro "$tree"
# What chroot needs for itself goes with its change of user.
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+sys_chroot,+setuid,+setgid \
  chroot --userspec=65532:65532 --groups= "$tree" "$@"
"""


def need_root():
    if os.geteuid() != 0:
        support.optional("running a container's tree needs root, for its mounts")


def write_config_map(folder, data, generation):
    """As a kubelet writes and updates a volume: a new directory, then a swap of ..data."""
    new = folder / f"..{generation}"
    new.mkdir()
    for name, text in data.items():
        (new / name).write_text(text)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    old = os.readlink(folder / "..data") if (folder / "..data").is_symlink() else None
    (folder / "..data_tmp").symlink_to(new.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if old:
        shutil.rmtree(folder / old)


class Tree:
    """The file tree of an image, made by deploy/docker/rootfs from the built binaries."""

    def __init__(self, name):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sidecar-exporters."))
        self.folder.chmod(0o755)
        self.root = self.folder / "root"

        said = support.run([support.ROOT / "deploy/docker/rootfs", self.name, self.root,
                            support.RELEASE / "bin"], timeout=120)
        if said.returncode != 0:
            self.remove()
            raise AssertionError(said.stdout + said.stderr)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, container, template, objects):
        """The exporter; `volumes` of it has the directory of each volume."""
        place = pathlib.Path(tempfile.mkdtemp(prefix="volumes.", dir=self.folder))
        place.chmod(0o755)
        volumes = {volume["name"]: self._volume(volume, objects, place)
                   for volume in template["spec"]["volumes"]}
        mounts = []
        for mount in container["volumeMounts"]:
            (self.root / mount["mountPath"].lstrip("/")).mkdir(parents=True, exist_ok=True)
            mounts += [str(volumes[mount["name"]]), mount["mountPath"],
                       "ro" if mount.get("readOnly") else "rw"]
        entry = f"/usr/bin/{self.name}-exporter"
        port = container["ports"][0]["containerPort"]
        process = support.Process(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", SHELL, "sh",
             str(self.root), *mounts, "--", entry, *container["args"]], port)
        process.volumes = volumes
        return process

    @staticmethod
    def _volume(volume, objects, place):
        if "hostPath" in volume:
            return pathlib.Path(volume["hostPath"]["path"])
        folder = place / volume["name"]
        folder.mkdir()
        if "configMap" in volume:
            data = next(one["data"] for one in objects if one["kind"] == "ConfigMap"
                        and one["metadata"]["name"] == volume["configMap"]["name"])
            write_config_map(folder, data, time.monotonic_ns())
        elif "projected" in volume:
            write_config_map(folder, {item["path"]: "secret\n"
                                      for source in volume["projected"]["sources"]
                                      for item in source["secret"]["items"]}, time.monotonic_ns())
        else:  # an emptyDir or a claim
            folder.chmod(0o777)
        return folder


class Trees(dict):
    """The tree of each image, made when it is first asked for."""

    def __missing__(self, name):
        self[name] = Tree(name)
        return self[name]

    def remove(self):
        for tree in self.values():
            tree.remove()
