"""Certificates made with the openssl program: the ones no development authority would make."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*arguments, **options):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"openssl {' '.join(map(str, arguments))}: {done.stderr}"
    return done.stdout


@dataclass
class Identity:
    """A certificate with its chain, and its key, each a file."""

    certificate: Path
    key: Path


def make(
    folder: Path,
    name: str,
    urn: str,
    issuer: Identity | None = None,
    days: tuple[str, str] | None = None,
    digest="sha256",
    authority=False,
    bits=2048,
    more="",
) -> Identity:
    """A certificate for `urn`, signed by `issuer` or by itself.

    `days` gives notBefore and notAfter as openssl writes them (YYYYMMDDHHMMSSZ), `more` further extensions, each in a line
    as openssl's configuration has them.
    """
    key, request, certificate = (folder / f"{name}.{kind}" for kind in ("key", "csr", "cert.pem"))
    extensions = folder / f"{name}.ext"
    extensions.write_text(
        f"subjectAltName=URI:{urn},URI:urn:uuid:7d3e8a52-4c1f-4a3e-9d61-0b6f2c9e1a77,email:{name}@example.net\n"
        f"basicConstraints=critical,CA:{'TRUE' if authority else 'FALSE'}\n{more}\n"
    )
    openssl("req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    command = ["x509", "-req", "-in", request, "-out", certificate, "-extfile", extensions, f"-{digest}"]
    command += ["-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else ["-signkey", key]
    command += ["-not_before", days[0], "-not_after", days[1]] if days else ["-days", "30"]
    try:
        openssl(*command)
    except AssertionError:
        # Before version 3.4, x509 knows no dates: `ca` does.
        if not days:
            raise
        signer = ["-cert", issuer.certificate, "-keyfile", issuer.key] if issuer else ["-selfsign", "-keyfile", key]
        _by_ca(folder, request, certificate, extensions, signer, days, digest)
    if issuer:
        certificate.write_text(certificate.read_text() + issuer.certificate.read_text())
    return Identity(certificate, key)


def _by_ca(folder, request, certificate, extensions, signer, days, digest):
    index = folder / "index.txt"
    index.write_text("")
    (folder / "serial").write_text("77\n")
    settings = folder / "ca.cnf"
    settings.write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\nserial={folder}/serial\nnew_certs_dir={folder}\n"
        f"default_md={digest}\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
    )
    openssl(
        *("ca", "-batch", "-notext", "-config", settings, "-in", request, "-out", certificate),
        *(*signer, "-extfile", extensions),
        *("-startdate", days[0], "-enddate", days[1]),
    )
