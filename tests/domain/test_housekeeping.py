from countersign.domain.housekeeping import Swept


def test_what_went_is_told_by_table_and_nothing_of_tables_that_lost_none() -> None:
    assert (
        Swept(removed={"code_sends": 1_234, "sessions": 0, "stops": 2}).told() == "Removed: 1,234 code sends, 2 stops."
    )
    assert Swept().told() == "Removed: nothing."


def test_months_that_may_be_archived_are_told_with_the_command() -> None:
    removed, archive = Swept(archivable_before="2025-10").told().splitlines()

    assert removed == "Removed: nothing."
    assert archive == (
        "Audit events of the months before 2025-10 may be archived, as the owner role: "
        "countersign audit archive --before 2025-10 --to FILE"
    )
