"""The HTTP application that trading gateways ask: who may make the call that came to them."""
