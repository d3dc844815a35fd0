"""``selfmaker approve``"""

from typing import Any

import click

from selfmaker.cli.calls import Caller, CallError
from selfmaker.cli.options import expect_server, home_option, region_of, region_option
from selfmaker.cli.output import age, print_table
from selfmaker.errors import NotFound

PENDING = "PendingManualApproval"


@click.command(name="approve")
@click.argument("package", required=False)
@click.option("--reject", is_flag=True, help="Reject it instead.")
@click.option("-m", "--description", metavar="TEXT", help="Why, for the record (ApprovalDescription).")
@home_option
@region_option
def command(package: str | None, reject: bool, description: str | None, home: str | None, region: str | None) -> None:
    """Approve a version of a model package group, as UpdateModelPackage does.

    PACKAGE is GROUP/VERSION or an ARN; a GROUP alone means its newest version. Without PACKAGE: list what waits for
    approval.
    """
    running = expect_server(home)
    caller = Caller(running.connection, region_of(running, region))
    if package is None:
        _list_pending(caller)
        return
    found = _find(caller, package)
    status = "Rejected" if reject else "Approved"
    more = {"ApprovalDescription": description} if description else {}
    caller.call(
        "sagemaker", "UpdateModelPackage", ModelPackageArn=found["ModelPackageArn"], ModelApprovalStatus=status, **more
    )
    version = f"{found['ModelPackageGroupName']}/{found['ModelPackageVersion']}"
    click.echo(f"{version} is {status} (it was {found.get('ModelApprovalStatus', 'without a status')})")


def _find(caller: Caller, package: str) -> dict[str, Any]:
    """The description of the version that is meant. Raises NotFound."""
    if "/" not in package:
        package = _newest(caller, package)
    try:
        found = caller.call("sagemaker", "DescribeModelPackage", ModelPackageName=package)
    except CallError as error:
        if error.code != "ValidationException":
            raise
        raise NotFound(f"{error.message}; `selfmaker approve` lists what waits for approval") from None
    if "ModelPackageVersion" not in found:
        raise NotFound(f"{package} is not a version of a model package group: there is nothing to approve")
    return found


def _newest(caller: Caller, group: str) -> str:
    request = {"SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 1}
    try:
        found = caller.call("sagemaker", "ListModelPackages", ModelPackageGroupName=group, **request)
    except CallError as error:
        if error.code != "ValidationException":
            raise
        raise NotFound(f"no model package group is called {group}; `selfmaker approve` lists what waits") from None
    versions = found["ModelPackageSummaryList"]
    if not versions:
        raise NotFound(f"the model package group {group} has no versions")
    arn: str = versions[0]["ModelPackageArn"]
    return arn


def _list_pending(caller: Caller) -> None:
    request = {"ModelPackageType": "Versioned", "ModelApprovalStatus": PENDING, "MaxResults": 100}
    waiting = list(caller.pages("sagemaker", "ListModelPackages", "ModelPackageSummaryList", **request))
    if not waiting:
        click.echo("nothing waits for approval")
        return
    rows = [
        (
            f"{item['ModelPackageGroupName']}/{item['ModelPackageVersion']}",
            f"{age(item['CreationTime'])} ago",
            item.get("ModelPackageDescription", ""),
        )
        for item in waiting
    ]
    print_table(("PACKAGE", "CREATED", "DESCRIPTION"), rows)
