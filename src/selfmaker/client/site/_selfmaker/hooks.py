"""Changes to modules, made right after the module has been executed: at its first import and at every reload."""

import sys

TYPE_CHECKING = False  # as typing's own, without its import: this file is read at the start of every process
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType
    from typing import Any

_MISSING = object()
_finder: "_Finder | None" = None
_undo: "list[Callable[[], None]]" = []


def install(changes: "Mapping[str, str]") -> bool:
    """``changes``: module -> ``file:function`` of this package. What is imported already is changed at once.

    False, and nothing done, when they are installed already.
    """
    global _finder  # noqa: PLW0603 - sys.meta_path, which this mirrors, is global too
    if _finder is not None:
        return False
    _finder = _Finder(changes)
    sys.meta_path.insert(0, _finder)
    for name in changes:
        module = sys.modules.get(name)
        if module is not None:
            _finder.change(module, name)
    return True


def uninstall() -> None:
    """Stop, and put back everything that ``replace`` replaced."""
    global _finder  # noqa: PLW0603
    if _finder is not None and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    _finder = None
    while _undo:
        _undo.pop()()


def replace(owner: "Any", name: str, value: "Any") -> None:
    """``owner.name = value``, to be undone by ``uninstall`` unless somebody else has replaced it since."""
    before = vars(owner).get(name, _MISSING)

    def restore() -> None:
        if vars(owner).get(name) is not value:
            return
        if before is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, before)

    setattr(owner, name, value)
    _undo.append(restore)


class _Finder:
    """First on sys.meta_path: has the other finders find the module and listens in on its loader."""

    def __init__(self, changes: "Mapping[str, str]") -> None:
        self._changes = changes

    def find_spec(self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None) -> "Any":
        if name not in self._changes:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    self._listen(spec.loader, name)
                return spec
        return None

    def _listen(self, loader: "Any", name: str) -> None:
        # The attribute shadows the method for one call only: the loader keeps its type, and everything else (source
        # for tracebacks, resources, pickling) stays as it is.
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module: "ModuleType") -> None:
            loader.__dict__.pop("exec_module", None)
            execute(module)
            self.change(module, name)

        try:
            loader.exec_module = exec_module
        except AttributeError:  # a loader without attributes of its own: its module stays as it is
            return

    def change(self, module: "ModuleType", name: str) -> None:
        if _finder is not self:
            return
        file, function = self._changes[name].split(":")
        own_module = f"{__package__}.{file}"
        __import__(own_module)
        try:
            getattr(sys.modules[own_module], function)(module)
        except (AttributeError, KeyError, TypeError, ValueError) as error:  # a version of it that looks otherwise
            import warnings

            warnings.warn(f"selfmaker leaves {name} as it is: {error!r}", RuntimeWarning, stacklevel=2)
