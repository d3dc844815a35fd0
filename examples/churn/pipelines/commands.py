"""What the two commands have in common: the pipeline of a module, from the command line's texts."""

import argparse
import importlib
import json


def parser(description):
    made = argparse.ArgumentParser(description=description)
    made.add_argument("-n", "--module-name", required=True, help="the module with get_pipeline(**kwargs)")
    made.add_argument("-kwargs", "--kwargs", type=_mapping, default={}, help="get_pipeline's arguments, as JSON")
    return made


def pipeline(options, **more):
    """What the module's ``get_pipeline`` makes of the arguments."""
    module = importlib.import_module(options.module_name)
    return module.get_pipeline(**{**options.kwargs, **more})


def _mapping(text):
    value = json.loads(text or "{}")
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("must be a JSON object")
    return value
