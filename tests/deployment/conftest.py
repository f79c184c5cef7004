"""One deployment whose secrets were made, for all tests that look at them."""

import pytest

from tests.support.compose import Deployment


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment(tmp_path_factory.mktemp("deployment"))
    done = deployment.make_secrets()
    assert done.returncode == 0, done.stderr
    (deployment.folder / "told.txt").write_text(done.stdout)
    return deployment
