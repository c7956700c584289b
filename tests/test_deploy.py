"""What stands around the API in production: nginx before it, and Prometheus beside it."""

import json
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import yaml
from project import ROOT
from running_server import SECONDS, free_port, serving
from small_bundle import save_colours, write_colours

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
THAW_HOST = "${THAW_HOST:-localhost}"
KEY = {"X-API-Key": "a-key-of-the-test"}
HTTP = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/thaw.conf;
}}
"""


def compose():
    """The services of compose.yaml."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    folder = tmp_path_factory.mktemp("api")
    names = compose()["api"]["command"][1::2]
    settings = {"allowed_hosts": [name.replace(THAW_HOST, "pets.example") for name in names]}
    with serving(write_colours(folder / "bundle"), folder, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    [path, *_] = save_colours(tmp_path_factory.mktemp("images") / "images", 1)
    return path.read_bytes()


@pytest.fixture(scope="module")
def proxy(api, tmp_path_factory):
    """The address of nginx before the API, with the file that the deployment guide names."""
    if NGINX is None:
        pytest.skip("there is no nginx: apt-get install nginx-light")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    certificate = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    names = ["-subj", "/CN=pets.example", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names, *certificate]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "thaw-keys.map").write_text(f'"{KEY["X-API-Key"]}" test;\n')
    text = (ROOT / "deploy/nginx/thaw.conf").read_text()
    for found, put in (
        (r"/etc/letsencrypt/live/pets.example/fullchain.pem", f"{folder}/certificate.pem"),
        (r"/etc/letsencrypt/live/pets.example/privkey.pem", f"{folder}/key.pem"),
        (r"/etc/nginx/|/var/log/nginx/", f"{folder}/"),
        (r"server 127.0.0.1:5001", f"server {api.url.removeprefix('http://')}"),
        (r"listen \[::\].*;", ""),
        (r"listen 443", f"listen 127.0.0.1:{port}"),
        (r"listen 80", f"listen 127.0.0.1:{free_port()}"),
    ):
        text, count = re.subn(found, put, text)
        assert count, found
    (folder / "thaw.conf").write_text(text)
    (folder / "nginx.conf").write_text(HTTP.format(folder=folder))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
    yield wait_for(Site(f"https://127.0.0.1:{port}", folder / "certificate.pem"), folder)
    process.terminate()
    process.wait(SECONDS)


@dataclass
class Site:
    """url: of nginx. certificate: the file of its own."""

    url: str
    certificate: Path

    def call(self, method, path, headers=None, **more):
        """The answer to a request to the name of the site."""
        headers = {"Host": "pets.example", **(headers or {})}
        how = {"headers": headers, "verify": self.certificate, "timeout": SECONDS}
        return requests.request(method, self.url + path, **how, **more)


def wait_for(site, folder):
    """The site, once somebody answers there."""
    for _ in range(10 * SECONDS):
        try:
            site.call("get", "/")
            return site
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError((folder / "error.log").read_text())


def test_a_key_opens_the_prediction_and_nothing_else_is_open(proxy, image):
    sent = {"files": {"image": ("image.png", image)}}
    refused = proxy.call("post", "/predict", **sent)
    assert refused.status_code == 401 and refused.json()["error"]["code"] == "unauthorized"
    answer = proxy.call("post", "/predict", headers=KEY, **sent)
    assert answer.status_code == 200 and set(answer.json()["probabilities"]) >= {"red", "blue"}
    assert answer.headers["Strict-Transport-Security"]
    for path in ("/", "/docs", "/openapi.json", "/model", "/static/page.css"):
        assert proxy.call("get", path).status_code == 200, path
    for path in ("/metrics", "/train", "/training", "/jobs/x", "/feedback", "/health/ready"):
        assert proxy.call("get", path, headers=KEY).status_code == 404, path


def test_a_client_that_asks_too_often_is_told_so_and_others_are_not(proxy, image):
    def ask(_):
        return proxy.call("post", "/predict", headers=KEY, data=image).status_code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(150)))
    assert 429 in found and set(found) <= {415, 429}  # 415: no Content-Type, from the API itself
    assert proxy.call("get", "/model").status_code == 200


def test_a_body_that_is_too_large_ends_at_the_proxy(proxy):
    time.sleep(1)  # the limit on requests of the test above
    assert proxy.call("post", "/predict", headers=KEY, data=bytes(33 << 20)).status_code == 413


def test_the_dashboard_asks_for_metrics_that_there_are(api, image):
    api.post(data=image, headers={"Content-Type": "image/png"})
    api.post(data=b"", headers={"Content-Type": "image/png"})
    text = api.get("/metrics").text
    board = json.loads((ROOT / "deploy/grafana/thaw.json").read_text())
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    names = set(re.findall(r"\b(?:thaw|process)_\w+", asked))
    assert len(names) >= 9
    for name in names:
        assert f"\n{name}{{" in text or f"\n{name} " in text, name


def test_prometheus_reaches_the_api_by_its_name(api):
    [job] = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    [[target]] = [config["targets"] for config in job["static_configs"]]
    assert target.partition(":")[0] in compose()
    assert api.get("/metrics", headers={"Host": target}).status_code == 200


def test_compose_mounts_what_there_is():
    services = compose()
    stages = re.findall(r"(?m)^FROM .* AS (\S+)$", (ROOT / "Dockerfile").read_text())
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert "build" not in service or service["build"]["target"] in stages
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith("./deploy") or (ROOT / source).is_file()
