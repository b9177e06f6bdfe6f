"""The command's frame: subcommands loaded when used, exit codes, one line for each error.

Exit codes: 0 done; 1 a stated budget was missed, executors disagree, or layers are at fault; 2
wrong usage or unusable input; 3 a defect of intact, with its traceback; 130 interrupted.
"""

import importlib
import importlib.metadata
import logging
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import NoReturn

import click

from intact.cli.output import fail
from intact.errors import BudgetError, IntactError

DONE, MISSED, UNUSABLE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 130

_EXTRAS = {"torch": "torch", "onnx": "onnx", "onnxruntime": "onnx"}

COMMANDS = (
    "quantize", "evaluate", "inspect", "doctor", "compare", "export", "verify", "benchmark",
    "report",
)  # fmt: skip


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for: torch takes seconds."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """The command of this name."""
        if name not in COMMANDS:
            return None
        command = vars(importlib.import_module(f"intact.cli.{name}"))["command"]
        assert isinstance(command, click.Command)
        return command


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"intact {importlib.metadata.version('intact')}")
        ctx.exit()


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def intact() -> None:
    """Quantize neural networks; the integers you evaluate are the integers that run.

    MODEL is an .onnx file, a .pt2 file (torch.export.save; open only files that you trust), or
    file.py:function, which returns an nn.Module or (module, example input). NET is a .intact file,
    or a .tflite file of 8- or 16-bit integers.

    DATA is an .npz file (x, y), a folder with a subfolder of images for each class, a folder of
    images with labels.csv (file,label), or file.py:function, which returns an iterable of
    (input, target) or of inputs.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and exits; what libraries warn of on the way is not the user's concern."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    sys.exit(run(arguments))


def _reason(error: OSError) -> str:
    """Without the number, and the file first, where the system refused something."""
    if error.errno is None or error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        The exit code.
    """
    try:
        code = intact.main(args=arguments, prog_name="intact", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        return UNUSABLE
    except click.ClickException as error:
        return fail(error.format_message(), UNUSABLE)
    except (click.Abort, KeyboardInterrupt):
        return fail("interrupted", INTERRUPTED)
    except OSError as error:
        return fail(_reason(error), UNUSABLE)
    except BudgetError as error:
        return fail(str(error), MISSED)
    except (IntactError, ValueError) as error:
        return fail(str(error), UNUSABLE)
    except ImportError as error:
        extra = _EXTRAS.get(error.name or "")
        hint = f": pip install 'intact[{extra}]'" if extra else ""
        return fail(f"{error}{hint}", UNUSABLE)
    except MemoryError:
        return fail("out of memory; try a smaller --batch-size", UNUSABLE)
    except Exception:
        traceback.print_exc()
        return fail("this is a defect of intact; please report it with these lines", DEFECT)
    return code if isinstance(code, int) else DONE
