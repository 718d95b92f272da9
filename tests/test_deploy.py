"""What containers are made of: Docker cannot build here, so the files are read and held to ours."""

import ipaddress
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nonlocal_viz.cli import _parser
from nonlocal_viz.limits import LIMITS, MIB
from nonlocal_viz.web import rules
from tests.web.test_proxy import BLOCKS, TEMPORARY

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, in their order, without comments and with lines joined."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined if line.strip()]


def said(name: str) -> list[str]:
    return [value for instruction, value in instructions() if instruction == name]


def served(command: list[str]) -> Any:
    """A command line as ours reads it."""
    return _parser(command).parse_args(command)


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in ignored
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    copied = [shlex.split(value)[:-1] for value in said("COPY") if "--from" not in value]
    sources = {source for line in copied for source in line}
    assert all((ROOT / source).exists() for source in sources), sources
    assert sources == let_in
    # Whatever the build of a wheel reads is among them.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    folders = {path.split("/")[0] for path in project["tool"]["setuptools"]["package-dir"].values()}
    needed = {*folders, "README.md", "setup.py", *project["project"]["license-files"]}
    needed |= {*project["tool"]["setuptools"]["dynamic"]["dependencies"]["file"]}
    assert needed <= sources


def test_the_container_runs_our_command_and_not_as_root() -> None:
    (user,), (port,) = said("USER"), said("EXPOSE")
    assert int(user) > 0 and f"--uid {user}" in " ".join(said("RUN"))
    names = [name for name, _ in instructions()]
    # Nothing is installed after that, and nothing runs before.
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    entry, command = json.loads(said("ENTRYPOINT")[0]), json.loads(said("CMD")[0])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert entry[0] in scripts
    arguments = served(entry[1:] + command)
    assert (arguments.host, str(arguments.port)) == ("0.0.0.0", port)
    assert said("VOLUME") == ["/data"] and "TMPDIR=/data" in " ".join(said("ENV"))


def test_its_health_is_asked_where_it_is_told() -> None:
    check = json.loads(said("HEALTHCHECK")[0].split("CMD", 1)[1])
    (url,) = re.findall(r"http://[^']+", check[-1])
    assert url == f"http://127.0.0.1:{said('EXPOSE')[0]}/health"
    # That it is a program: nobody listens there, and it fails by that alone.
    dead = check[-1].replace(url, "http://127.0.0.1:1/health")
    failed = subprocess.run([shutil.which("python3") or "python", "-c", dead], capture_output=True)
    assert failed.returncode and b"refused" in failed.stderr


def test_the_processor_or_a_gpu_is_an_argument_of_the_build() -> None:
    assert 'TORCH_INDEX=""' in said("ARG")
    (chosen,) = [run for run in said("RUN") if "TORCH_INDEX" in run]
    assert '--index-url "$TORCH_INDEX" torch torchvision' in chosen
    # An argument before FROM is not known after it.
    names = [name for name, value in instructions() if name in ("FROM", "ARG", "RUN")]
    assert names.index("FROM") < len(names) - names[::-1].index("ARG")


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))  # type: ignore[no-any-return]


def test_two_replicas_stand_behind_a_proxy_that_is_believed() -> None:
    told = compose()
    services = told["services"]
    replicas = [name for name in services if name.startswith("replica")]
    assert len(replicas) == 2
    (subnet,) = [one["subnet"] for one in told["networks"]["inside"]["ipam"]["config"]]
    assert told["networks"]["inside"]["internal"] is True
    for name in replicas:
        arguments = served([str(word) for word in services[name]["command"]])
        assert arguments.root_path == "/viz" and arguments.proxy == [subnet]
        assert rules.networks(tuple(arguments.proxy)) == (ipaddress.ip_network(subnet),)
        assert services[name]["read_only"] and services[name]["cap_drop"] == ["ALL"]
        assert (DEPLOY / services[name]["build"]["context"]).resolve() == ROOT
        assert set(services[name]["build"]["args"]) <= {
            value.split("=")[0] for value in said("ARG")
        }
        # What it writes to, and nobody's but its user's.
        assert services[name]["tmpfs"][0].startswith("/data:")
        assert f"uid={said('USER')[0]}" in services[name]["tmpfs"][0]
        assert "ports" not in services[name]
    proxy = services["proxy"]
    assert set(proxy["depends_on"]) == set(replicas)
    for volume in proxy["volumes"]:
        assert (DEPLOY / volume.split(":")[0]).is_file()


def test_its_proxy_is_the_one_that_the_docs_print() -> None:
    def bare(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines() if line.strip()]

    told = bare((DEPLOY / "nginx.conf").read_text("utf-8"))
    _, shared, within = BLOCKS
    for number, port in ((1, 7860), (2, 7861)):
        shared = shared.replace(f"127.0.0.1:{port}", f"replica-{number}:7860")
    for block in (bare(shared), bare(within)):
        at = told.index(block[0])
        assert told[at : at + len(block)] == block


def test_nginx_takes_it(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx was found; tests/web/test_proxy.py fails where it must be there")
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    text = re.sub(r"replica-\d", "127.0.0.1", text).replace("http {", f"http {{ {TEMPORARY}", 1)
    (tmp_path / "nginx.conf").write_text(f"pid nginx.pid; {text}", "utf-8")
    command = [nginx, "-t", "-p", f"{tmp_path}/", "-c", "nginx.conf", "-e", "error.log"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_a_space_shows_the_port_of_the_container() -> None:
    text = (DEPLOY / "space.md").read_text("utf-8")
    told = yaml.safe_load(text.split("---")[1])
    assert (told["sdk"], str(told["app_port"])) == ("docker", said("EXPOSE")[0])
    assert told["license"] == "apache-2.0" and len(told["short_description"]) <= 60
    assert "NONLOCAL_VIZ_FRAME" in text


def test_the_bounds_in_the_docs_are_those_of_the_program() -> None:
    page = (ROOT / "docs" / "serve.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| ([\d,]+(?: MiB)?) \|", page, re.M))
    assert len(told) >= 12
    for name, value in told.items():
        number = float(value.replace(",", "").removesuffix(" MiB"))
        assert getattr(LIMITS, name) == number * (MIB if "MiB" in value else 1), name
    assert f"(`{LIMITS.decoded_at_once}`)" in page or f"({LIMITS.decoded_at_once})" in page


def test_the_lines_of_the_docs_fit_the_files() -> None:
    page = (ROOT / "docs" / "serve.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("docker ")]
    assert len(lines) == 3
    (run,) = [line for line in lines if line.startswith("docker run")]
    port, uid = said("EXPOSE")[0], said("USER")[0]
    assert f"-p {port}:{port} " in run and f"--tmpfs /data:size=3g,uid={uid},gid={uid} " in run
    for line in lines:
        for word in shlex.split(line):
            assert "/" not in word or word.startswith("/data") or (ROOT / word).is_file(), word
