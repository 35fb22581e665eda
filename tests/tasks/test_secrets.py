"""Credentials that only a Prefect block holds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.servers import s3_server
from tests.flows.workplace import REPO

pytestmark = [pytest.mark.server, pytest.mark.xdist_group("prefect")]

SAVE = "import sys, json; from prefect.blocks.system import Secret; Secret(value=json.loads(sys.argv[2])).save(sys.argv[1])"
USE = "from tasks.stages import open_store; store = open_store(); store.check_writable(); print(store.root)"


def python(code: str, *arguments: str, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=REPO, timeout=120)


def test_a_store_opens_with_the_credentials_of_a_block_and_says_what_is_wrong_with_another(
    prefect: dict[str, str], tmp_path: Path
) -> None:
    with s3_server(tmp_path) as s3:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {**bare, **prefect, "IFRL_ROOT": "s3://ifrl/team", "IFRL_HOME": str(tmp_path / "home")}
        for name, value in (("ifrl-s3", s3), ("a-list", [1])):
            made = python(SAVE, name, json.dumps(value), env=env)
            assert made.returncode == 0, made.stderr
        endpoint = {"AWS_ENDPOINT_URL": s3["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
        without = python(USE, env={**env, **endpoint})
        assert without.returncode == 1
        found = python(USE, env={**env, "IFRL_SECRETS_BLOCK": "ifrl-s3"})
        assert found.returncode == 0, found.stderr
        assert s3["AWS_SECRET_ACCESS_KEY"] not in found.stdout + found.stderr
        missing = python(USE, env={**env, "IFRL_SECRETS_BLOCK": "nobody"})
        assert "names the Secret block 'nobody', which cannot be loaded" in missing.stderr
        wrong = python(USE, env={**env, "IFRL_SECRETS_BLOCK": "a-list"})
        assert "holds list; expected a JSON object" in wrong.stderr
