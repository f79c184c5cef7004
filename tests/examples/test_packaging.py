"""What people install holds no examples."""

from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_client_of_gateways_and_no_example() -> None:
    held = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert "countersign/gateway_client/client.py" in held
    assert [path for path in held if path.startswith(("examples", "tests"))] == []
