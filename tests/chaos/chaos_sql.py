"""What makes PostgreSQL ill without stopping it.

A disk that is full is simulated: triggers raise the error that PostgreSQL raises when a table cannot grow (disk_full,
53100), for every statement that writes, once a setting says so. A disk so full that the write-ahead log cannot grow
makes PostgreSQL stop itself; that is the fault of a killed PostgreSQL.
"""

_TABLES = ("requests", "credentials", "audit_events", "challenges", "code_sends", "message_verdicts", "notices")
_FULL = "chaos.disk_full"

PREPARE = (
    f"""CREATE FUNCTION chaos_disk() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF coalesce(current_setting('{_FULL}', true), 'off') = 'on' THEN
                RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
            END IF;
            RETURN NULL;
        END $$""",
    *(
        f"CREATE TRIGGER chaos_disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION chaos_disk()"
        for table in _TABLES
    ),
)
_RELOAD = "SELECT pg_reload_conf()"
READ_ONLY = ("ALTER SYSTEM SET default_transaction_read_only = on", _RELOAD)
DISK_FULL = (f"ALTER SYSTEM SET {_FULL} = 'on'", _RELOAD)
HEAL = (
    "SET default_transaction_read_only = off",
    "ALTER SYSTEM RESET default_transaction_read_only",
    f"ALTER SYSTEM RESET {_FULL}",
    _RELOAD,
)
END_CONNECTIONS = ("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'countersign%'",)
