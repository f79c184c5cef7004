-- How much of an asset an API key may trade: a list of {"asset", "order_size", "daily_volume"}, by asset --------------
ALTER TABLE credentials ADD COLUMN trading_limits jsonb NOT NULL DEFAULT '[]';

-- Null: a request of the code of before, which leaves those of its credential as they are.
ALTER TABLE requests ADD COLUMN trading_limits jsonb;

-- Verifiers tell gateways.
GRANT SELECT (trading_limits) ON credentials TO countersign_verifier;
