"""Where messages are: broadcasts, chunks, deliveries, receipts, inbound texts, and the binds that carry them."""

import sqlalchemy as sa

from clarion.core.states import COUNTED
from clarion.store.tables.base import BigId, metadata, row_id

broadcasts = sa.Table(
    "broadcasts",
    metadata,
    row_id(),
    sa.Column("public_id", sa.Uuid, nullable=False, unique=True),
    sa.Column("campaign_id", BigId),
    sa.Column("organization_id", BigId, sa.ForeignKey("organizations.id"), nullable=False),
    sa.Column("face", sa.Text, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # accepting accepted paused cancelling cancelled completed
    sa.Column("reason", sa.Text),
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),
    sa.Column("first_id", sa.BigInteger, nullable=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),  # first_id - 1 where nothing was accepted
    sa.Column("rejected", sa.Integer, nullable=False, server_default="0"),
    sa.Column("open_chunks", sa.Integer, nullable=False, server_default="0"),  # 0 completes it
    sa.Column("not_before", sa.BigInteger),
    sa.Column("expires_at", sa.BigInteger),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("touched_at", sa.BigInteger, nullable=False),  # the last slice of an accept
    sa.Column("started_at", sa.BigInteger),  # the first mark
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("name", sa.Text),  # what its sender calls it
    sa.Column("refunds_failed", sa.Boolean, nullable=False, server_default=sa.false()),  # a failed receipt gives the charge back
    sa.Column("retired_id", sa.BigInteger),  # messages up to this one were deleted for their age; null: none
    sa.Column("pace", sa.Integer),  # messages a minute at most
    sa.Column("paced_until", sa.BigInteger),  # what its pace has let go is paid for until then: see core.pace
    sa.Column("request_id", sa.Text),  # X-Request-Id of the request that it came with
    sa.Column("failover_undelivered", sa.Boolean, nullable=False, server_default=sa.false()),  # a failed receipt tries the next route
    sa.Index("ix_broadcasts_organization_id_id", "organization_id", "id"),
    sa.Index("ix_broadcasts_first_id", "first_id"),
)
sa.Index(
    "ix_broadcasts_campaign_id_id",
    broadcasts.c.campaign_id,
    broadcasts.c.id,
    sqlite_where=broadcasts.c.campaign_id.is_not(None),
    postgresql_where=broadcasts.c.campaign_id.is_not(None),
)
sa.Index(
    "ix_broadcasts_accepting",
    broadcasts.c.touched_at,
    sqlite_where=broadcasts.c.state == "accepting",
    postgresql_where=broadcasts.c.state == "accepting",
)

sa.Index(
    "ix_broadcasts_scheduled",
    broadcasts.c.not_before,
    sqlite_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.not_before.is_not(None)),
    postgresql_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.not_before.is_not(None)),
)

sa.Index(
    "ix_broadcasts_open",
    broadcasts.c.expires_at,
    sqlite_where=broadcasts.c.state.in_(["accepted", "paused"]),
    postgresql_where=broadcasts.c.state.in_(["accepted", "paused"]),
)

sa.Index(
    "ix_broadcasts_cancelling",
    broadcasts.c.id,
    sqlite_where=broadcasts.c.state == "cancelling",
    postgresql_where=broadcasts.c.state == "cancelling",
)

_kept = sa.and_(
    broadcasts.c.finished_at.is_not(None), sa.or_(broadcasts.c.retired_id.is_(None), broadcasts.c.retired_id < broadcasts.c.last_id)
)
sa.Index("ix_broadcasts_kept", broadcasts.c.finished_at, sqlite_where=_kept, postgresql_where=_kept)

sa.Index(
    "ix_broadcasts_paced",
    broadcasts.c.id,
    sqlite_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.pace.is_not(None)),
    postgresql_where=sa.and_(broadcasts.c.state == "accepted", broadcasts.c.pace.is_not(None)),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),
    sa.Column("broadcast_id", sa.BigInteger, nullable=False),
    sa.Column("organization_id", sa.BigInteger, nullable=False),
    sa.Column("recipient", sa.BigInteger, nullable=False),  # E.164 digits; 0: erased
    sa.Column("sender", sa.Text),
    sa.Column("text", sa.Text),  # null: the broadcast's
    sa.Column("encoding", sa.Text, nullable=False),  # gsm7 | ucs2
    sa.Column("segments", sa.SmallInteger, nullable=False),
    sa.Column("price_milli", sa.BigInteger, nullable=False),
    sa.Index("ix_messages_recipient_id", "recipient", "id"),
    comment="Never changed: prices and texts are fixed at accept.",
)

rejects = sa.Table(
    "rejects",
    metadata,
    sa.Column("broadcast_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=False),  # the id of its first message
    sa.Column("broadcast_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("organization_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("lane", sa.SmallInteger, nullable=False),
    sa.Column("marked_id", sa.BigInteger, nullable=False),  # id - 1 at first; everything up to it was given to a bind
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("opens_at", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # waiting ready claimed done cancelled
    sa.Column("bind_id", sa.BigInteger),
    sa.Column("fence", sa.BigInteger),
    *(sa.Column(f"{state}_count", sa.Integer, nullable=False, server_default="0") for state in COUNTED),
    sa.Column("open_id", sa.BigInteger),  # of a paced broadcast: how far it may be marked; null: to its end
)
for _state, _columns in {
    "waiting": (chunks.c.organization_id, chunks.c.carrier_id, chunks.c.lane, chunks.c.id),
    "ready": (chunks.c.carrier_id, chunks.c.lane, chunks.c.organization_id, chunks.c.id),
    "claimed": (chunks.c.bind_id, chunks.c.lane, chunks.c.id),
}.items():
    sa.Index(
        f"ix_chunks_{_state}",
        *_columns,
        sqlite_where=chunks.c.state == _state,
        postgresql_where=chunks.c.state == _state,
    )

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("chunk_id", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    sa.Column("carrier_id", sa.BigInteger),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("fence", sa.BigInteger),  # of the bind that marked a retry
    sa.Column("reason", sa.Text),
    sa.Column("charged_milli", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("due_at", sa.BigInteger),  # when a retry may begin, or might, when it is marked; null: it is neither
    sa.Column("sent_at", sa.BigInteger),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("doubt_at", sa.BigInteger),  # since when it is marked or unknown; null: it is neither
    comment="Written first with an outcome: a waiting message, or a first attempt on its way, has no row.",
    # PostgreSQL writes each row twice, sent and delivered: both fit on a page.
    postgresql_with={"fillfactor": 50},
)
sa.Index("ix_deliveries_reference", deliveries.c.carrier_id, deliveries.c.carrier_reference)
# An update that changes what an index speaks of, in its columns or its condition, makes PostgreSQL write to all indexes. So these speak of
# nothing that a receipt changes, and whoever looks for such rows by their state says, too, that the column is not null.
for _name, _columns in {"retry": (deliveries.c.carrier_id, deliveries.c.due_at), "doubt": (deliveries.c.doubt_at,)}.items():
    sa.Index(f"ix_deliveries_{_name}", *_columns, sqlite_where=_columns[-1].is_not(None), postgresql_where=_columns[-1].is_not(None))

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("carrier_id", sa.BigInteger),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("receipt", sa.Text),  # what a receipt said of this attempt after it was superseded
    sa.Column("ended_at", sa.BigInteger, nullable=False),
    sa.Index("ix_attempts_reference", "carrier_id", "carrier_reference"),
    comment="Attempts before the one in `deliveries`.",
)

parts = sa.Table(
    "parts",
    metadata,
    sa.Column("message_id", BigId, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("part", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_reference", sa.Text),
    sa.Column("state", sa.Text, nullable=False),  # unknown sent refused undelivered delivered
    sa.Column("reason", sa.Text),
    sa.Column("updated_at", sa.BigInteger, nullable=False),
    sa.Column("shape", sa.Text),  # how the text was cut, where the message may go on with the parts that are missing
    sa.Index("ix_parts_reference", "carrier_id", "carrier_reference"),
    comment="The parts of messages that have more than one.",
)

orphans = sa.Table(
    "orphans",
    metadata,
    row_id(),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("carrier_reference", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("user_message_reference", sa.Integer, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Index("ix_orphans_carrier_id_carrier_reference", "carrier_id", "carrier_reference"),
    comment="Receipts that fit nothing yet.",
)

inbound = sa.Table(
    "inbound",
    metadata,
    row_id(),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("recipient", sa.Text, nullable=False),
    sa.Column("sender", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data_coding", sa.SmallInteger, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("part", sa.SmallInteger, nullable=False),
    sa.Column("parts", sa.SmallInteger, nullable=False),
    sa.Column("part_reference", sa.Integer, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
)

submits = sa.Table(
    "submits",
    metadata,
    row_id(),
    sa.Column("first_id", sa.BigInteger, nullable=False),
    sa.Column("last_id", sa.BigInteger, nullable=False),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    sa.Column("carrier_id", sa.BigInteger, nullable=False),
    sa.Column("slot", sa.SmallInteger, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("connection", sa.Integer, nullable=False),  # of the bind, under this fence, from 1
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of the first part of the first message; those that follow count on
    sa.Column("parts", sa.SmallInteger, nullable=False),  # of each of its messages
    sa.Column("marked_at", sa.BigInteger, nullable=False),
    sa.Column("submitted_at", sa.BigInteger, nullable=False),
    sa.Column("until_at", sa.BigInteger, nullable=False),
    sa.Index("ix_submits_first_id", "first_id"),
    comment="Which messages went out where and when, by ranges, for whoever follows one.",
)

binds = sa.Table(
    "binds",
    metadata,
    row_id(),
    sa.Column("carrier_id", BigId, sa.ForeignKey("carriers.id"), nullable=False),
    sa.Column("slot", sa.SmallInteger, nullable=False),
    sa.Column("owner", sa.BigInteger),  # the process that holds it; null: nobody
    sa.Column("fence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("lease_until", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("state", sa.Text, nullable=False, server_default="closed"),  # connecting bound refused closed
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("since_at", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("trouble", sa.Text, nullable=False, server_default=""),  # what its answers say against the carrier
    sa.UniqueConstraint("carrier_id", "slot"),
)
