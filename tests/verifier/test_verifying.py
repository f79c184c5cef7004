"""Calls as gateways ask about them, and what the owner is told of each."""

import json
from typing import Any

from pydantic import TypeAdapter

from countersign.domain.permissions import Permission
from countersign.domain.verification import Allowed, Call, Denied
from countersign.gateway_client import GatewayClient
from tests.support.customers import Customer

_CALL: TypeAdapter[Call] = TypeAdapter(Call)


async def ask(gateway: GatewayClient, *calls: dict[str, Any]) -> list[Allowed | Denied]:
    return await gateway.verify([_CALL.validate_json(json.dumps(call)) for call in calls])


async def test_a_signed_call_is_allowed_and_says_whose_it_is(gateway: GatewayClient, customer: Customer) -> None:
    key = await customer.api_key()
    [answer] = await ask(gateway, key.rest())
    assert answer == Allowed(
        credential_id=key.id,
        account_id=customer.account_id,
        permissions=(Permission.READ, Permission.TRADE),
        session_type=None,
        version=2,
    )
