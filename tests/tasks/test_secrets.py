"""Credentials that only a Prefect block holds."""

import json
import os
from pathlib import Path

import pytest

from tests.flows.forked import call_forked
from tests.flows.servers import s3_server
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.server]


def save(name: str, value: str) -> None:
    from prefect.blocks.system import Secret

    Secret(value=json.loads(value)).save(name)


def use() -> None:
    from tasks.stages import open_store

    store = open_store()
    store.check_writable()
    print(store.root)


def test_a_store_opens_with_the_credentials_of_a_block_and_says_what_is_wrong_with_another(
    prefect: dict[str, str], tmp_path: Path
) -> None:
    with s3_server(tmp_path) as s3:
        bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {**bare, **prefect, "IFRL_ROOT": "s3://ifrl/team", "IFRL_HOME": str(tmp_path / "home")}
        for name, value in (("ifrl-s3", s3), ("a-list", [1])):
            made = call_forked(save, [name, json.dumps(value)], env, timeout_s=PATIENCE_S)
            assert made.returncode == 0, made.stderr
        endpoint = {"AWS_ENDPOINT_URL": s3["AWS_ENDPOINT_URL"], "AWS_EC2_METADATA_DISABLED": "true"}
        without = call_forked(use, [], {**env, **endpoint}, timeout_s=PATIENCE_S)
        assert without.returncode == 1
        found = call_forked(use, [], {**env, "IFRL_SECRETS_BLOCK": "ifrl-s3"}, timeout_s=PATIENCE_S)
        assert found.returncode == 0, found.stderr
        assert s3["AWS_SECRET_ACCESS_KEY"] not in found.stdout + found.stderr
        missing = call_forked(use, [], {**env, "IFRL_SECRETS_BLOCK": "nobody"}, timeout_s=PATIENCE_S)
        assert "names the Secret block 'nobody', which cannot be loaded" in missing.stderr
        wrong = call_forked(use, [], {**env, "IFRL_SECRETS_BLOCK": "a-list"}, timeout_s=PATIENCE_S)
        assert "holds list; expected a JSON object" in wrong.stderr
