"""Whether an organization may name this sender."""

from clarion.api.refusals import Code, Refusal
from clarion.api.services import Services
from clarion.core.sender import same_sender
from clarion.store.catalog import Organization


async def refused_sender(services: Services, organization: Organization, sender: str | None, field: str) -> Refusal | None:
    """A refusal on `field` for a sender that is not registered, where registration is on. The default sender was chosen by the operator."""
    if sender is None or not organization.registered_senders or sender == organization.default_sender:
        return None
    registered = await services.settings.senders(organization.id)
    return None if same_sender(sender) in registered else Refusal(Code.SENDER_UNREGISTERED, field)
