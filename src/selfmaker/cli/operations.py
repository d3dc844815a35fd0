"""``selfmaker operations``"""

from typing import TYPE_CHECKING

import click

from selfmaker.cli.options import json_option
from selfmaker.cli.output import print_json, print_table

if TYPE_CHECKING:
    from selfmaker.aws.dispatch import Registry


@click.command(name="operations")
@click.argument("service", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the page docs/operations.md.")
@json_option
def command(service: str | None, as_json: bool, as_markdown: bool) -> None:
    """List the AWS operations that are answered, per service or of SERVICE only."""
    from selfmaker.aws import inventory

    if as_markdown:
        click.echo(inventory.markdown(registry()), nl=False)
        return
    found = inventory.by_service(registry())
    if service is not None:
        if service not in found:
            raise click.UsageError(f"no operation of {service!r} is answered; services: {', '.join(found)}")
        found = {service: found[service]}
    if as_json:
        print_json(found)
        return
    print_table(("SERVICE", "COUNT", "OPERATIONS"), [(s, str(len(o)), ", ".join(o)) for s, o in found.items()])


def registry() -> "Registry":
    """All operations of the packages that a server is made of."""
    from selfmaker.aws.dispatch import collect
    from selfmaker.wiring import SERVICE_PACKAGES

    return collect(SERVICE_PACKAGES)
