"""The default image of remote functions: AWS has it for Python 3.8 and 3.10, here it is there for each Python."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import Any

from _selfmaker import waits  # type: ignore[import-not-found]
from _selfmaker.hooks import replace  # type: ignore[import-not-found]


def any_python(module: ModuleType) -> None:
    """SDK v2: where the SDK would refuse this Python, the image is that of this Python."""
    settings: Any = module._JobSettings
    uri_of_image: Any = module.get_base_python_image_uri

    def default_image(session: Any) -> Any:
        named = os.environ.get("SAGEMAKER_INTERNAL_IMAGE_URI")  # Studio's own, as in the SDK
        version = f"{sys.version_info[0]}{sys.version_info[1]}"
        return named or uri_of_image(region=session.boto_region_name, py_version=version)

    if not callable(settings._get_default_image) or not callable(uri_of_image):
        raise TypeError("_get_default_image is not a function")
    replace(settings, "_get_default_image", staticmethod(default_image))


def any_python_and_short_waits(module: ModuleType) -> None:
    """SDK v3: its module polls, too."""
    waits.hasten_throttled_loops(module)
    any_python(module)
