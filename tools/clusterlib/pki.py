"""A cluster's own certificate authority, a certificate per service, the key pair that signs tokens (openssl), the master key."""
import subprocess
import tempfile
import os

from .plan import SERVICES, ClusterError, write_private

# who gets a certificate: the services, the NATS server, and `observer`, who may read everything (people, tests)
NAMES = SERVICES + ["nats", "observer"]
CURVE = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]


def openssl(*args):
    try:
        r = subprocess.run(["openssl", *map(str, args)], capture_output=True, text=True)
    except FileNotFoundError:
        raise ClusterError("openssl is missing: run tools/deps") from None
    if r.returncode:
        raise ClusterError(f"openssl {args[0]} failed: {r.stderr.strip().splitlines()[-1:]}")


def private_key(path):
    openssl("genpkey", *CURVE, "-out", path)
    os.chmod(path, 0o600)


def make_ca(d):
    private_key(d / "ca.key")
    openssl("req", "-x509", "-new", "-sha256", "-days", "3650", "-key", d / "ca.key", "-subj", "/CN=Trunkline local cluster CA",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-out", d / "ca.pem")


def make_cert(d, name):
    """Server and client certificate of one service: NATS maps its DNS name to the user of that name."""
    private_key(d / f"{name}.key")
    with tempfile.NamedTemporaryFile("w", suffix=".ext") as ext, tempfile.NamedTemporaryFile(suffix=".csr") as csr:
        ext.write(f"subjectAltName=DNS:{name},IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"
                  "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n")
        ext.flush()
        openssl("req", "-new", "-sha256", "-key", d / f"{name}.key", "-subj", f"/CN={name}", "-out", csr.name)
        openssl("x509", "-req", "-sha256", "-days", "825", "-in", csr.name, "-CA", d / "ca.pem", "-CAkey", d / "ca.key",
                "-set_serial", f"0x{os.urandom(16).hex()}", "-extfile", ext.name, "-out", d / f"{name}.tmp")
    os.replace(d / f"{name}.tmp", d / f"{name}.pem")


def prepare(plan):
    """Creates what is missing; existing keys stay."""
    d = plan.path("pki")
    d.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (d / "ca.pem").exists():
        make_ca(d)
    for name in NAMES:
        if not (d / f"{name}.pem").exists():
            make_cert(d, name)
    if not (d / "token.pub").exists():
        private_key(d / "token.key")
        openssl("pkey", "-in", d / "token.key", "-pubout", "-out", d / "token.pub")
    if not (d / "master.key").exists():
        write_private(d / "master.key", os.urandom(32).hex() + "\n")
