"""``selfmaker images``"""

from pathlib import Path

import click

from selfmaker.cli.options import home_option, load
from selfmaker.cli.output import print_table
from selfmaker.runtimes.declared import DeclaredImage, DeclaredImages


@click.group(name="images", invoke_without_command=True)
@home_option
@click.pass_context
def command(context: click.Context, home: str | None) -> None:
    """List the images of your own that are declared here; add and remove them.

    Needs no server; one that runs knows a new image at once.
    """
    if context.invoked_subcommand is not None:
        return
    declared = _images(home).all()
    if not declared:
        click.echo("no images are declared; `selfmaker images add FOLDER` declares one")
        return
    print_table(("IMAGE", "PYTHON", "REQUIREMENTS", "PROGRAMS"), [_row(image) for image in declared])


@command.command(name="add")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@home_option
def add(folder: Path, home: str | None) -> None:
    """Declare the image that image.toml in FOLDER describes, in place of an earlier one of that name."""
    from selfmaker.runtimes import declaration

    settings = load(home)
    image = DeclaredImages(settings.home / "images").add(declaration.read(folder))
    uri = f"{settings.account}.dkr.ecr.{settings.region}.amazonaws.com/{image.repository}:{image.tag}"
    click.echo(f"declared {image.repository}:{image.tag}; its URI is {uri}")


@command.command(name="remove")
@click.argument("name")
@home_option
def remove(name: str, home: str | None) -> None:
    """Forget the image NAME (a repository, repository:tag, or URI). What runs it goes on."""
    _images(home).remove(name)
    click.echo(f"{name} is declared no more")


def _images(home: str | None) -> DeclaredImages:
    return DeclaredImages(load(home).home / "images")


def _row(image: DeclaredImage) -> tuple[str, str, str, str]:
    folder = Path(image.programs) if image.programs else None
    programs = sorted(path.name for path in folder.iterdir()) if folder and folder.is_dir() else []
    requirements = ", ".join(image.requirements)
    return f"{image.repository}:{image.tag}", image.python, requirements, ", ".join(programs)
