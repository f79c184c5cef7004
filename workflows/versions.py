"""Which workflows stay with the build of the worker that they began on, and which move on to the next.

Without COUNTERSIGN_BUILD_ID nothing of this has an effect. See docs/upgrading.md.
"""

from temporalio.common import VersioningBehavior

from countersign.domain.requests import Journey

# Over after two days at most: an old build can be waited for, and need not be compatible.
ENDS_SOON = VersioningBehavior.PINNED
# Waits for an account manager without end, and no build is kept for so long: patches let it move, at whatever step.
MAY_WAIT_FOR_YEARS = VersioningBehavior.AUTO_UPGRADE
# A schedule begins it anew; it is one activity, about which no builds could disagree.
IS_SHORT = VersioningBehavior.AUTO_UPGRADE

# The journeys of the second kind.
MOVE_ON = (Journey.CREATE_FIX, Journey.ACTIVATE_FIX)
