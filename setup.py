"""What pyproject.toml cannot say: where this copy of the project lives.

A page of packages shows the README away from its folder, where a relative link leads nowhere. So a build
takes the address of the checkout's own origin (or NONLOCAL_VIZ_HOME), lists it among the project's URLs,
and makes the README's links absolute with it. A checkout without a public origin builds as it stands.
"""

import os
import re
import subprocess
from email.parser import HeaderParser
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
#: [text](target) and ![text](target), where the target is a file of this folder.
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def home() -> str | None:
    """``https://host/owner/name``, or None where nobody says it."""
    asked = os.environ.get("NONLOCAL_VIZ_HOME", "")
    for address in (asked, _of_an_sdist(), _origin()):
        found = re.fullmatch(
            r"(?:https://|git@|ssh://git@)([\w.-]+\.\w+)[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?", address
        )
        if found:
            return f"https://{found[1]}/{found[2]}"
    return None


def _of_an_sdist() -> str:
    """What the build of the sdist said, if this is one unpacked."""
    path = HERE / "PKG-INFO"
    if not path.exists():
        return ""
    told = HeaderParser().parsestr(path.read_text("utf-8")).get_all("Project-URL") or []
    urls = dict(line.split(", ", 1) for line in told)
    return urls.get("Source", "")


def _origin() -> str:
    if not (HERE / ".git").exists():
        return ""
    try:
        asked = ["git", "config", "--get", "remote.origin.url"]
        return subprocess.run(
            asked, cwd=HERE, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def absolute(text: str, base: str) -> str:
    """Links into this folder as links into the repository: pictures as they are, the rest as pages."""
    return LINK.sub(
        lambda m: f"{m[1]}[{m[2]}]({base}/{'raw' if m[1] else 'blob'}/HEAD/{m[3]})", text
    )


text = (HERE / "README.md").read_text("utf-8")
base = home()
setup(
    long_description=absolute(text, base) if base else text,
    long_description_content_type="text/markdown",
    project_urls={
        "Source": base,
        "Documentation": f"{base}/tree/HEAD/docs",
        "Changelog": f"{base}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{base}/issues",
    }
    if base
    else {},
)
