-- What waits for account managers, the oldest first: few rows beside all that has ended.
CREATE INDEX requests_waiting ON requests (asked_at, id) WHERE step = 'account_manager' AND outcome IS NULL;

-- What is open in an account: in its list, in the count of its credentials, before an SMS.
CREATE INDEX requests_open_of_account ON requests (account_id, created_at DESC, id) WHERE outcome IS NULL;
