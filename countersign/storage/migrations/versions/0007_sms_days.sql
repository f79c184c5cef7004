-- How many SMS were made on a day (UTC), all accounts together: one row, written last of all that a transaction locks.
CREATE TABLE sms_days (
    day  date PRIMARY KEY,
    made integer NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON sms_days TO countersign_app;
