"""List the registered components, or the backbones with a short name: `plp list`."""

from collections.abc import Sequence

from plp.cli.flags.listing import parser


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, print. Names of backbones need neither torch nor the registries."""
    arguments = parser().parse_args(argv)
    if arguments.backbones:
        from plp.cli.backbones import table

        print(table(arguments.kinds))
        return
    from plp.cli.components import blocks

    print(blocks(arguments.kinds))
