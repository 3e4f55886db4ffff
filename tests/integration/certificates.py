"""Certificates of CAs of our own, for servers and clients that a test makes."""

import subprocess


def authority(directory, name):
    """Makes a CA: NAME.pem and NAME.key."""
    _openssl(directory, name, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")


def certificate(directory, name, ca, host):
    """Makes NAME.pem and NAME.key, signed by a CA."""
    _openssl(directory, name, "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
             "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key")


def _openssl(directory, name, *more):
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-keyout", f"{name}.key", "-out", f"{name}.pem", *more],
        cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise AssertionError(f"openssl: {done.stderr}")
