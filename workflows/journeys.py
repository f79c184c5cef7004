"""All journeys, and all workflows, for the worker and for replay."""

from workflows.activate_api_key import ActivateApiKey
from workflows.activate_fix_credentials import ActivateFixCredentials
from workflows.change_two_factor import ChangeTwoFactor
from workflows.create_api_key import CreateApiKey
from workflows.create_fix_credentials import CreateFixCredentials
from workflows.edit_api_key import EditApiKey
from workflows.housekeeping import Housekeeping
from workflows.reconcile import Reconcile

JOURNEYS = [CreateApiKey, CreateFixCredentials, EditApiKey, ActivateApiKey, ActivateFixCredentials, ChangeTwoFactor]
WORKFLOWS = [*JOURNEYS, Reconcile, Housekeeping]
