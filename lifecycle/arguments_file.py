"""The arguments of a scheduler that stand in a file beside it, split as a shell would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.platform.text_files import small_file

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel


class ArgumentsError(Exception):
    """The argument file can't be used. The message names it and says what to do."""


def read_arguments(kernel: Kernel, path: str) -> list[str]:
    """The words in the file, split as a shell would; none where there is no file or nothing in it. Raises
    ArgumentsError for one that can't be read, is no regular file, is too large, is not UTF-8, or leaves a quotation
    open."""
    try:
        text = small_file(kernel, path).decode("utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArgumentsError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentsError(f"{path} is not UTF-8 at byte {error.start}: write it in UTF-8") from error
    if "\0" in text:
        raise ArgumentsError(f"{path} has a NUL byte, which no argument can hold: remove it")
    if not text.strip():
        return []
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        # "No closing quotation", "No escaped character"
        raise ArgumentsError(f"{path}: {str(error).lower()}: write it as on a shell's command line") from error
