"""A real nginx in front of nodes, from Debian's package: a folder of its own, a free port, in the foreground."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from services import ports
from services.mariadb import PATIENCE, find

CONFIG = """\
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log info;
events {{}}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	upstream distributors {{
{servers}
		keepalive 32;
	}}
	server {{
		listen 127.0.0.1:{port};
{server}
	}}
}}
"""
SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "contrib/docker/nginx.conf"


def sample_location():
    """The `location` of the configuration that the project hands out, for servers without TLS."""
    text = SAMPLE.read_text(encoding="utf-8")
    begin = text.index("\t\tlocation / {")
    lines = text[begin:text.index("\n\t\t}\n", begin) + 4].splitlines()
    return "\n".join(line for line in lines if "proxy_ssl_" not in line).replace("https://", "http://")


class Nginx:
    """Passes on what comes to `port` to one of the servers (`host:port`), as contrib/docker/nginx.conf does."""

    def __init__(self, servers):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="drover-nginx-"))
        self.port = ports.take()
        listed = "\n".join(f"\t\tserver {server} max_fails=1 fail_timeout=2s;" for server in servers)
        (self.folder / "nginx.conf").write_text(CONFIG.format(folder=self.folder, servers=listed, port=self.port,
                                                              server=sample_location()))
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen([find("nginx"), "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin"))
        end = time.monotonic() + 20 * PATIENCE
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"nginx does not listen:\n{(self.folder / 'out').read_text()}")
            time.sleep(0.02)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(20 * PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
