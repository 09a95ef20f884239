"""Every error and warning that minigrad raises on purpose.

Each class also derives from the builtin that a NumPy user would catch.
"""


class MinigradError(Exception):
    """Base class of the library's own errors."""


class ShapeError(MinigradError, ValueError):
    """Shapes that do not fit together, or a gradient of the wrong shape."""


class DTypeError(MinigradError, TypeError):
    """A dtype that an operation cannot take, or a gradient of the wrong dtype."""


class DeviceError(MinigradError, RuntimeError):
    """Arrays on different devices, or a device that is not there."""


class GraphError(MinigradError, RuntimeError):
    """The tape was used in a way that has no right gradient."""


class GradientError(MinigradError, AssertionError):
    """A gradient check found a wrong gradient."""


class OptionalDependencyError(MinigradError, ImportError):
    """A feature needs a package that is not installed; the message names the extra."""


class FileFormatError(MinigradError, ValueError):
    """A file that is not what it should be; the message starts with its path."""


class CaptureError(MinigradError, TypeError):
    """A step did something that a replay could not repeat."""


class CaptureWarning(UserWarning):
    """A step runs eagerly, for it cannot be captured."""


class GraphWarning(UserWarning):
    """A value left the graph in a way that is probably not meant."""


def require(module: str, extra: str, purpose: str) -> object:
    """Import an optional dependency.

    Args:
        module: dotted name to import.
        extra: the extra of this distribution that installs it.
        purpose: what needs it, as the start of a sentence.

    Returns:
        The imported module.

    Raises:
        OptionalDependencyError: it is not installed; the message names the extra.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise OptionalDependencyError(
            f"{purpose} needs the package {module.partition('.')[0]!r}, which is not installed: "
            f"pip install 'minigrad-cupy[{extra}]' ({error})"
        ) from error
