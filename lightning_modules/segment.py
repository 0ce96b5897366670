"""``segment``: adapt to one's own video and its first mask, write masks and overlay."""

from collections.abc import Sequence

from datasets_vos import open_dataset
from datasets_vos.commands import CommandParser, user_path
from vos_core.errors import ConfigError

_DESCRIPTION = """Segment your own video. What a config says can be changed as for fit and test, as
in --model.adapt_iterations 400 or --data.size '[480,854]'; see
python cli.py test --model.help LucidTask."""


def main(args: Sequence[str]) -> None:
    """Hand a video over to ``predict``.

    Args:
        args: The command line after ``segment``; options not of its own are those of ``predict``.

    Raises:
        VOSError: If an option is wrong or a file is missing or unusable.
    """
    parser = CommandParser("segment", _DESCRIPTION)
    parser.add_argument("--video", required=True, help="mp4 or folder of frames")
    parser.add_argument("--mask", required=True, help="mask of the first frame, PNG")
    parser.add_argument("--out", type=user_path, required=True, help="folder for masks and overlay")
    parser.add_argument(
        "--config",
        action="append",
        metavar="CONFIG",
        help="experiment config, several are joined; default: lucid.yaml",
    )
    parser.add_argument("--ckpt_path", help="weights to start from")
    options, rest = parser.parse_known(args)
    if options.out.exists() and not options.out.is_dir():
        raise ConfigError(f"--out {options.out}: is a file; give a folder.")

    # mistakes in video and mask are told before this is waited for
    for clip in open_dataset("folder", options.video, mask=options.mask):
        _ = clip.annotations
    from lightning_modules.cli import run

    command = [
        *(f"--config={config}" for config in options.config or ["lucid.yaml"]),
        "--data.dataset=folder",
        f"--data.root={options.video}",
        f"--data.mask={options.mask}",
        "--trainer.logger=false",
        "--trainer.devices=1",
        f"--trainer.default_root_dir={options.out}",
    ]
    if options.ckpt_path:
        command.append(f"--ckpt_path={options.ckpt_path}")
    run("predict", [*command, *rest])
