"""The toolkit's exceptions."""

from __future__ import annotations

from typing import Any

DEFAULT_ERROR_CODE = 1


class ClientError(Exception):
    """Something for the user to put right."""


class UnsupportedFormatError(Exception):
    def __init__(self, content_type: str, **kwargs: Any) -> None:
        super().__init__(f"Content type {content_type} is not supported by this framework.")
        self.content_type = content_type


class ImportModuleError(ClientError):
    pass


class _CalledProcessError(ClientError):
    def __init__(
        self, cmd: Any, return_code: int | None = None, output: bytes | None = None, info: str | None = None
    ) -> None:
        super().__init__(cmd)
        self.cmd = cmd
        self.return_code = return_code
        self.output = output
        self.extra_info = info

    def __str__(self) -> str:
        told = f"\nErrorMessage {self.output.decode('utf-8', 'replace')!r}" if self.output else ""
        return f"{type(self).__name__}:\nExitCode {self.return_code}{told}\nCommand {self.cmd!r}"


class InstallModuleError(_CalledProcessError):
    pass


class InstallRequirementsError(_CalledProcessError):
    pass


class ExecuteUserScriptError(_CalledProcessError):
    pass
