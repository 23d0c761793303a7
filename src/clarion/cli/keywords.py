"""`clarion keywords`: the sender ids that an organization may name as Teekrr's `keyword`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from clarion.cli.database import Shown, organization_named, shown_organizations, with_database
from clarion.cli.failures import Failure
from clarion.cli.options import DATA_DIR, DatabaseUrl, DataDir, Json, OrganizationName
from clarion.cli.output import iso, local, print_json, print_table, say

if TYPE_CHECKING:
    from clarion.runtime import Runtime
    from clarion.store.keywords import KeywordView

app = typer.Typer(help="Sender ids that Teekrr's API takes as `keyword`.")

Keyword = Annotated[str, typer.Argument(metavar="KEYWORD", help="1 to 10 characters, as recipients see it.")]


@app.command("add", epilog="clarion keywords add PROMO --organization Acme")
def add(
    keyword: Keyword,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Register a keyword. It is the sender of what names it."""
    from clarion.core.keywords import is_keyword
    from clarion.store import keywords

    if not is_keyword(keyword):
        raise Failure(f"{keyword!r} is no keyword: 1 to 10 ASCII characters with a letter among them, or up to 10 digits.", 2)

    async def work(runtime: "Runtime") -> dict[str, Any]:
        owner = await organization_named(runtime, organization)
        await runtime.store.write(keywords.add, owner.id, keyword, runtime.clock.now())
        return {"organization": owner.name, "keyword": keyword}

    made = with_database(data_dir, database_url, work)
    if as_json:
        print_json(made)
    else:
        say(f"Registered {keyword} for {made['organization']}.")


@app.command("remove", epilog="clarion keywords remove PROMO --organization Acme")
def remove(
    keyword: Keyword,
    organization: OrganizationName = None,
    data_dir: DataDir = DATA_DIR,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Take a keyword away. What was accepted under it goes out."""
    from clarion.store import keywords

    async def work(runtime: "Runtime") -> dict[str, Any]:
        owner = await organization_named(runtime, organization)
        await runtime.store.write(keywords.remove, owner.id, keyword)
        return {"organization": owner.name, "keyword": keyword}

    gone = with_database(data_dir, database_url, work)
    if as_json:
        print_json(gone)
    else:
        say(f"Removed {keyword} from {gone['organization']}.")


@app.command("list", epilog="clarion keywords list --organization Acme")
def show_list(
    organization: OrganizationName = None, data_dir: DataDir = DATA_DIR, database_url: DatabaseUrl = None, as_json: Json = False
) -> None:
    """List the keywords."""
    from clarion.store import keywords

    async def work(runtime: "Runtime") -> "tuple[Shown, list[KeywordView]]":
        shown = await shown_organizations(runtime, organization)
        return shown, await runtime.store.read(keywords.list_all, shown.owner_id)

    shown, found = with_database(data_dir, database_url, work)
    if as_json:
        listed = [
            {"organization": shown.every[view.organization_id].name, "keyword": view.keyword, "created_at": iso(view.created_at)}
            for view in found
        ]
        print_json({"keywords": listed})
        return
    rows = [(shown.every[view.organization_id].name, view.keyword, local(view.created_at, shown.zone)) for view in found]
    print_table(["Organization", "Keyword", f"Registered ({shown.zone})"], rows, "There is no keyword yet: clarion keywords add KEYWORD")
