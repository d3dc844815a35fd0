"""``selfmaker operations``"""

import click

from selfmaker.cli.options import json_option
from selfmaker.cli.output import print_json, print_table


@click.command(name="operations")
@click.argument("service", required=False)
@json_option
def command(service: str | None, as_json: bool) -> None:
    """List the AWS operations that are answered, per service or of SERVICE only."""
    found = answered()
    if service is not None:
        if service not in found:
            raise click.UsageError(f"no operation of {service!r} is answered; services: {', '.join(found)}")
        found = {service: found[service]}
    if as_json:
        print_json(found)
        return
    print_table(("SERVICE", "COUNT", "OPERATIONS"), [(s, str(len(o)), ", ".join(o)) for s, o in found.items()])


def answered() -> dict[str, list[str]]:
    """botocore's service -> its operations that are answered, both sorted."""
    from selfmaker.aws.dispatch import collect
    from selfmaker.wiring import SERVICE_PACKAGES

    registry = collect(SERVICE_PACKAGES)
    found = {service: sorted(registry.names(service)) for service in sorted(registry.services)}
    return {service: names for service, names in found.items() if names}
