"""``selfmaker operations``"""

import importlib
import pkgutil
from collections import defaultdict

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
    from selfmaker.wiring import SERVICE_PACKAGES

    found: defaultdict[str, set[str]] = defaultdict(set)
    for package in SERVICE_PACKAGES:
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            for member in vars(importlib.import_module(info.name)).values():
                service, name = getattr(member, "__operation__", (None, None))
                if service is not None and name is not None:
                    found[service].add(name)
    return {service: sorted(found[service]) for service in sorted(found)}
