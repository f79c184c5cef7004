"""Templates: read at the start, and what they say where the articles have words for it."""

from api.app import create_app
from api.pages import rendering
from countersign.settings import Settings
from tests.support.cast import Cast
from tests.support.opened import edit_at_code
from tests.support.pages import Reader


def test_all_are_read_when_the_process_starts(settings: Settings) -> None:
    rendering._templates.cache_clear()

    create_app(settings)

    environment = rendering._templates()
    assert environment.cache is not None
    assert {name for _loader, name in environment.cache} == set(environment.list_templates())
    assert environment.auto_reload is False


async def test_the_button_for_later_is_called_as_in_its_journey(cast: Cast) -> None:
    edit = await edit_at_code(cast)
    creation = await (await cast.owner.create_api_key("Market maker")).to_activation_code()

    created = await (await Reader.signed_in(creation.person)).get(f"/settings/requests/{creation.id}")
    edited = await (await Reader.signed_in(edit.person)).get(f"/settings/requests/{edit.id}")

    assert "ACTIVATE LATER" in created.text
    assert "Activate Later" in edited.text
    assert "ACTIVATE LATER" not in edited.text
