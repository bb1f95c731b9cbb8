"""A droverd of a test's own that wants tokens, and how tests ask it as this or that token."""

import http.client
import json
import os
import socket
import ssl
import subprocess

from daemon import BUILD, PATIENCE, Daemon, drover

ROLES = ["read", "submit", "admin"]


def routes():
    """The route table, as the plugin itself tells it: a route that is new there is tested here."""
    about = subprocess.run([os.path.join(BUILD, "drover"), "plugin", "describe", "http", "--json"], check=True,
                           capture_output=True, env={**os.environ, "DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")})
    return json.loads(about.stdout)["about"]["routes"]


class Secured(Daemon):
    """Asks as `admin` unless it is told another token."""

    def __init__(self, config=None, **options):
        super().__init__(config, **options)
        self.config["node"]["drain"] = "1s"  # tests leave hosts running
        self.tokens_file = os.path.join(self.folder, "tokens")
        self.config["sources"][0]["tokens"] = self.tokens_file
        self.write_config()
        self.admin = self.create("root", "admin")
        self.tls = None  # the client's ssl.SSLContext

    def serve_tls(self, certificate):
        """Before its start: HTTPS with this certificate, which clients here trust."""
        self.config["sources"][0]["tls"] = {"cert": certificate.cert, "key": certificate.key}
        self.tls = ssl.create_default_context(cafile=certificate.cert)
        self.write_config()
        return self

    def token(self, *arguments):
        done = drover("token", *arguments, "--file", self.tokens_file)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create(self, name, role, hosts=None, expires=None):
        return self.token("create", name, "--role", role, *(["--hosts", hosts] if hosts else []),
                          *(["--expires", expires] if expires else []))

    def request(self, method, path, body=None, headers=None, token=None, **options):
        authorization = {"Authorization": f"Bearer {token or self.admin}"}
        return super().request(method, path, body, {**authorization, **(headers or {})}, **options)

    def url(self):
        return super().url().replace("http://", "https://", 1).replace("127.0.0.1", "localhost") if self.tls else super().url()

    def connection(self, timeout):
        if not self.tls:
            return super().connection(timeout)
        return http.client.HTTPSConnection("localhost", self.address()[1], timeout=timeout, context=self.tls)

    def connect(self):
        connection = socket.create_connection(self.address(), timeout=10 * PATIENCE)
        return self.tls.wrap_socket(connection, server_hostname="localhost") if self.tls else connection

    def status(self, method, path, token=None, body=None, announced=None):
        """
        The answer's status as soon as it is there. With `announced` the headers promise so many bytes of a body,
        and none comes.
        """
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if announced or body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {announced or len(body)}"]
        with self.connect() as connection:
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if announced else body or b""))
            line = b""
            while b"\r\n" not in line:
                more = connection.recv(4096)
                if not more:
                    return 0
                line += more
            return int(line.split()[1])


def flip(token, bit, at=-1):
    """The token with one bit of one character changed."""
    characters = list(token)
    characters[at] = chr(ord(characters[at]) ^ 1 << bit)
    return "".join(characters)


class Certificate:
    """For localhost, signed by itself; with its key beside it."""

    def __init__(self, folder, name="server"):
        self.cert, self.key = (os.path.join(folder, f"{name}.{end}") for end in ("crt", "key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.cert], check=True, capture_output=True)
        os.chmod(self.key, 0o600)

    def der(self):
        with open(self.cert, encoding="ascii") as f:
            return ssl.PEM_cert_to_DER_cert(f.read())
